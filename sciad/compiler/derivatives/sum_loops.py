"""Loops of sums whose iterations are reversed one at a time: nothing of them is kept for later.

Where a loop does nothing but add up what its iterations compute in memory of their own, the adjoint of each
iteration is known before the loop if that of the sums is.  Then forward and reverse of an iteration are one
body; its records and local arrays are small, stay in the cache, and are given back at its end.
"""

from __future__ import annotations

from sciad.compiler.analysis.parallel_loops import count_uses, sums
from sciad.compiler.ir.builder import Builder
from sciad.compiler.ir.nodes import Alloc, Block, Carried, Load, Loop, Op, Operand, Value
from sciad.compiler.ir.walking import accesses, clone, defined, key_of, operands, results, walk

__all__ = ["reverse_at_once"]


def reverse_at_once(owner, loop: Loop, bar: dict) -> bool:
    """Put the reverse of each iteration behind it, if that can be done; `owner` is the reverse transform."""
    if not any(node is loop for node in owner.program.body) or not _separate(owner, loop):
        return False
    seeds = [(c, bar.get(c.out)) for c in loop.carried if c.param in owner.active]
    seeds = [(c, g) for c, g in seeds if g is not None]
    early = _before(owner, loop, [g for _, g in seeds])
    if not seeds or early is None:
        return False
    for c, _ in seeds:
        owner.take(bar, c.out)
    inside = defined(loop.body) | {c.param for c in loop.carried}
    totals = {x: Value("f", f"{x.name}_bar" if x.name else "") for x in owner.differentiable_uses(loop)}
    totals = {x: total for x, total in totals.items() if x not in inside}
    local: dict = dict(totals)
    outer, loops, reverse = owner.builder, owner.tape.loops, Block()
    owner.builder, owner.tape.loops = Builder(reverse, outer.reciprocals), []
    try:
        with owner.builder:
            owner.enter(loop.body)
            for (c, _), g in zip(seeds, early, strict=True):
                owner.add(local, c.next, g)
            owner.block(loop.body, local)
    finally:
        owner.builder, owner.tape.loops = outer, loops
    owner.apply_insertions(loop.body)
    loop.body.extend(reverse)
    loop.scratch = any(isinstance(n, Alloc) for n in walk(loop.body))
    for c, g in seeds:
        owner.add(bar, c.init, g)
    for x, total in totals.items():
        if local[x] is not total:
            out = Value("f", total.name)
            loop.carried.append(Carried(total, 0.0, local[x], out))
            owner.add(bar, x, out)
    return True


def _separate(owner, loop: Loop) -> bool:
    """Do the iterations only add to what is carried, and write to nothing but their own arrays?"""
    program = owner.program
    if loop.count is None or loop.stop is not None or loop.trip is not None:
        return False
    if not any(isinstance(n, Loop | Alloc) for n in loop.body):  # a vector loop, split later
        return False
    uses = count_uses(loop.body, loop.carried)
    if any(sums(loop, c, uses) is None for c in loop.carried):
        return False
    inside = {id(n) for n in walk(loop.body)}
    made, read, written = set(), set(), set()
    for node in walk(loop.body):
        if isinstance(node, Alloc):
            made.add(key_of(program, node.mem, node.alias))
        for kind, mem, _, alias in accesses(node):
            if mem == "out" or mem.endswith("_bar"):
                return False
            (written if kind == "store" else read).add(key_of(program, mem, alias))
    if not written <= made:
        return False
    after = False
    for top in program.body:
        after = after or top is loop
        for node in walk(Block([top])):
            if id(node) in inside:
                continue
            if isinstance(node, Alloc) and key_of(program, node.mem, node.alias) in made:
                return False
            for kind, mem, _, alias in accesses(node):
                key = key_of(program, mem, alias)
                if key in made or (after and kind == "store" and key in read):
                    return False  # what is stored later has its adjoint cleared before this loop's turn
    return True


def _before(owner, loop: Loop, values: list[Operand]) -> list[Operand] | None:
    """The same values computed before the loop; None if they depend on it or on what follows."""
    makers = {v: node for node in owner.builder.block for v in results(node)}
    position = {v: k for k, node in enumerate(owner.program.body) for v in results(node)}
    here = next(k for k, node in enumerate(owner.program.body) if node is loop)
    inputs, cone = {g.name for g in owner.program.inputs}, {}
    pending = [v for v in values if isinstance(v, Value)]
    while pending:
        v = pending.pop()
        node = makers.get(v)
        if node is None:
            if position.get(v, here) >= here:
                return None
        elif isinstance(node, Op) or (
            isinstance(node, Load) and (node.mem in inputs or (node.mem == "out_bar" and owner.out_is_final))
        ):
            if id(node) not in cone:
                cone[id(node)] = node
                pending += operands(node)
        else:
            return None
    mapping: dict = {}
    nodes = clone(Block(n for n in owner.builder.block if id(n) in cone), mapping)
    owner.before(loop).extend(nodes)
    return [mapping.get(v, v) if isinstance(v, Value) else v for v in values]
