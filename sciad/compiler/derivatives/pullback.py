"""Reverse mode, IR to IR: the pullback of a program, value and gradient in one.

The forward sweep is the program itself, followed by a reverse sweep that runs its regions backwards.  An
`If` becomes an `If`, a loop becomes a loop; branch conditions, trip counts and offsets are ordinary values
that the reverse sweep happens to need.  What it needs from inside a loop is recomputed there or kept on
the tape (`save_or_recompute`), an arena ``"S"`` of records, one per iteration.  Values outside of loops need
no tape: they are still there.

Adjoints of values are values, ``name_bar``; adjoints of memory live at the same address of a shadow memory,
``"T_bar"`` for local arrays and ``"y_bar"`` for the input group ``y``, into which the caller's gradient
accumulates."""

from __future__ import annotations

import itertools

import numpy as np

from sciad.compiler.analysis.activity import active, differentiated, partials_of, remove_dead
from sciad.compiler.analysis.finiteness import Finiteness, multiply
from sciad.compiler.derivatives.array_call_rules import emit_pullback
from sciad.compiler.derivatives.custom_rules import pull_custom, without_rules
from sciad.compiler.derivatives.loop_tape import Tape
from sciad.compiler.derivatives.routine_rules import pull_routine
from sciad.compiler.derivatives.save_or_recompute import Stability, choose
from sciad.compiler.derivatives.sum_loops import reverse_at_once
from sciad.compiler.ir.builder import Builder
from sciad.compiler.ir.nodes import (
    Address,
    Alloc,
    Block,
    Call,
    Carried,
    If,
    Input,
    Load,
    Loop,
    Op,
    Operand,
    Phi,
    Program,
    Store,
    Value,
)
from sciad.compiler.ir.simple_loops import each, fill
from sciad.compiler.ir.walking import accesses, copy_program, defined, free, is_arena, key_of, results, walk
from sciad.compiler.passes.result_places import written_once
from sciad.compiler.passes.while_loops import normalize_loops

__all__ = ["pullback"]


def pullback(program: Program, wrt: set[str] | None = None, heed: str = "where needed") -> Program:
    """The program ``(inputs, out_bar) -> out, input_bars``; the latter are accumulated into.

    Parameters
    ----------
    wrt : names of the input groups that have adjoints; all of them by default.
    heed : {"where needed", "always", "never"}
        Whether a factor 0 wins in products: where the other factor may be infinite or NaN, though inputs
        are finite; in all.
    """
    program = copy_program(program)
    normalize_loops(program)
    for node in walk(program.body):
        if isinstance(node, Loop):
            node.scratch = False  # its arrays are wanted again
    return remove_dead(_Reverse(program, wrt, heed).run())


class _Reverse:
    def __init__(self, program: Program, wrt: set[str] | None, heed: str):
        self.program, self.heed = program, heed
        self.builder = Builder(reciprocals=True)
        self.wrt = {g.name for g in program.inputs} if wrt is None else wrt
        without_rules(program, self.wrt)
        self.active = active(program, self.wrt, {"out"})
        self.finiteness = Finiteness(program, self.active)
        self.stability = Stability(program)
        self.arenas = sorted(
            {mem for node in walk(program.body) for _, mem, _, _ in accesses(node) if is_arena(mem)}
        )
        self.primal = defined(program.body) | set(free(program.body))
        self.tape = Tape(self)
        self.insert: dict[int, tuple[list, list]] = {}
        self.replaced: dict[int, Block] = {}  # what stands for a node from now on
        self.out_is_final = written_once(program, self.active)

    def run(self) -> Program:
        program, reverse = self.program, Block()
        with self.builder as b, b.into(reverse):
            self.enter(program.body)
            if not self.out_is_final:
                self.copy_seed()
            self.block(program.body, {})
        self.apply_insertions(program.body)
        program.body.extend(reverse)
        bars = [Input(f"{g.name}_bar", g.size) for g in program.inputs if g.name in self.wrt]
        program.inputs = [*program.inputs, Input("out_bar", program.n_out)]
        program.outputs = [*program.outputs, bars]
        program.name = f"{program.name}_pullback"
        return program

    # ------------------------------------------------------------ adjoints

    def add(self, bar: dict, x: Operand, g: Operand) -> None:
        """Add `g` to the adjoint of `x`."""
        if not isinstance(x, Value) or x not in self.active:
            return
        if isinstance(g, float | int) and g == 0:
            return
        bar[x] = g if x not in bar else self.builder.op(np.add, bar[x], g)

    def take(self, bar: dict, x: Value) -> Operand | None:
        """The finished adjoint of `x`, named after it."""
        g = bar.pop(x, None)
        if isinstance(g, Value) and not g.name and x.name:
            g.name = f"{x.name}_bar"
        return g

    def shadow(self, mem: str, address: Address, alias: int) -> tuple[str, Address, int]:
        """Where the adjoint of a place of memory is: memory, address, alias class."""
        if mem == "out" and not self.out_is_final:
            return "T_bar", address + self.out_at, self.out_class
        return f"{mem}_bar", address, alias

    def copy_seed(self) -> None:
        """Where places of "out" are overwritten or read, their adjoint changes: it is kept in the arena."""
        program, b = self.program, self.builder
        self.out_class = program.new_class()
        self.out_at = b.alloc(program.n_out, self.out_class)
        at, alias = self.out_at, self.out_class
        each(b, program.n_out, lambda q: b.store("T_bar", q + at, b.load("out_bar", q), alias))

    # ------------------------------------------------------------ nodes

    def enter(self, block: Block) -> None:
        """Let the reverse of a region share the subexpressions of the region itself."""
        for node in block:
            if isinstance(node, Op):
                self.builder.know(node)

    def block(self, block: Block, bar: dict) -> None:
        for node in reversed(list(block)):
            self.builder.line = node.line
            getattr(self, type(node).__name__)(node, bar)

    def Op(self, node, bar):
        g = self.take(bar, node.out)
        if g is None:
            return
        b = self.builder
        if node.fn == "select":
            cond, x, y = node.args
            self.add(bar, x, b.select(cond, g, 0.0))
            self.add(bar, y, b.select(cond, 0.0, g))
            return
        partials = partials_of(node.fn)
        for k in differentiated(node):
            x = node.args[k]
            if isinstance(x, Value) and x in self.active:
                partial = partials[k](node.out, *node.args)
                careful = self.finiteness.heeds(self.heed, node.out in self.finiteness.cotangents, partial, b)
                self.add(bar, x, multiply(b, g, partial, careful))

    def Load(self, node, bar):
        g = self.take(bar, node.out)
        if g is not None and key_of(self.program, node.mem, node.alias) in self.active:
            mem, address, alias = self.shadow(node.mem, node.address, node.alias)
            self.builder.store(mem, address, g, alias, add=True)

    def Store(self, node, bar):
        if key_of(self.program, node.mem, node.alias) not in self.active:
            return
        mem, address, alias = self.shadow(node.mem, node.address, node.alias)
        b = self.builder
        kept = mem == "out_bar"  # an input of the pullback; each place of it is read once
        if isinstance(node.value, Value) and node.value in self.active:
            g = b.load(mem, address, alias, name=f"{node.value.name}_bar" if node.value.name else "")
            self.add(bar, node.value, g)
        if not node.add and not node.fresh and not kept:
            b.store(mem, address, 0.0, alias)

    def Alloc(self, node, bar):
        zero = Block()
        with self.builder.into(zero):
            for mem in self.arenas:
                if mem[0] == node.mem and key_of(self.program, mem, node.alias) in self.active:
                    fill(self.builder, f"{mem}_bar", node.out, node.size, node.alias)
        if zero:
            self.after(node).extend(zero)

    def Call(self, node, bar):
        if any(key_of(self.program, v.mem, v.alias) in self.active for v in node.outs):
            emit_pullback(self, node)

    def Custom(self, node, bar):
        pull_custom(self, node, pullback)

    def RoutineCall(self, node, bar):
        if any(key_of(self.program, v.mem, v.alias) in self.active for v in node.outs):
            pull_routine(self, node)

    def Check(self, node, bar):
        pass

    def If(self, node, bar):
        seeds = [(phi, self.take(bar, phi.out)) for phi in node.phis]
        arms, locals_ = [], []
        for arm, side in ((node.then, "then"), (node.orelse, "orelse")):
            local, reverse = dict(bar), Block()
            with self.builder.into(reverse):
                self.enter(arm)
                for phi, g in seeds:
                    if g is not None:
                        self.add(local, getattr(phi, side), g)
                self.block(arm, local)
            self.apply_insertions(arm)
            arms.append(reverse)
            locals_.append(local)
        inside = defined(node.then) | defined(node.orelse)
        phis, changed = [], []
        for x in dict.fromkeys([*locals_[0], *locals_[1]]):
            sides = [local.get(x) for local in locals_]
            if x in inside or all(s is bar.get(x) for s in sides):
                continue
            out = Value("f", f"{x.name}_bar" if x.name else "")
            phis.append(Phi(out, *(0.0 if s is None else s for s in sides)))
            changed.append((x, out))
        self.save_arms(node, arms, phis)
        for x, out in changed:
            bar[x] = out
        if any(arms) or phis:
            self.builder.emit(If(node.cond, *arms, phis))

    def save_arms(self, node: If, arms: list[Block], phis: list[Phi]) -> None:
        """Values of an arm that its reverse needs leave it by merges, which the two arms share."""
        plans, maps = [], [{}, {}]
        for side, arm, reverse in zip(("then", "orelse"), (node.then, node.orelse), arms, strict=True):
            plans.append(choose(self, arm, reverse, [getattr(phi, side) for phi in phis]))
        for type, filler in (("f", 0.0), ("i", 0), ("b", False)):
            sides = [[v for v in plan.saved if v.type == type] for plan in plans]
            for pair in itertools.zip_longest(*sides):
                values = [v for v in pair if v is not None]
                slot = Value(
                    type, values[0].name, min(min(v.low for v in values), 0), max(v.high for v in values)
                )
                self.primal.add(slot)
                node.phis.append(Phi(slot, *(filler if v is None else v for v in pair)))
                for v, mapping in zip(pair, maps, strict=True):
                    if v is not None:
                        mapping[v] = slot
        for side, plan, mapping in zip(("then", "orelse"), plans, maps, strict=True):
            plan.finish(mapping)
            for phi, end in zip(phis, plan.ends, strict=True):
                setattr(phi, side, end)

    def Loop(self, node, bar):
        if reverse_at_once(self, node, bar):
            return
        seeds = [(c, self.take(bar, c.out)) for c in node.carried if c.param in self.active]
        if not seeds and not self.touches_active_memory(node.body):
            return
        b, reverse, local, carried = self.builder, Block(), {}, []
        for c, g in seeds:
            param = _bar(c.param)
            carried.append(Carried(param, 0.0 if g is None else g, 0.0, _bar(c.out)))
        inside = defined(node.body) | {c.param for c in node.carried}
        outer = [x for x in self.differentiable_uses(node) if x not in inside]
        sums: dict[Value, Value] = {}
        by_partials = len(seeds) == 1 and not node.parallel and self.is_straight(node.body)
        for x in outer:
            sums[x] = local[x] = _bar(x)
        if by_partials:
            local.clear()
        with b.into(reverse):
            self.enter(node.body)
            for (c, _), r in zip(seeds, carried, strict=True):
                self.add(local, c.next, 1.0 if by_partials else r.param)
            self.tape.loops.append(node)
            self.block(node.body, local)
            self.tape.loops.pop()
            for (c, _), r in zip(seeds, carried, strict=True):
                g = self.take(local, c.param)
                r.next = 0.0 if g is None else g
            if by_partials:
                self.chain_rule(seeds[0][0], carried[0], local, sums)
        for x in outer:
            if local[x] is not sums[x]:
                carried.append(Carried(sums[x], bar.get(x, 0.0), local[x], _bar(x)))
        ends = [*(c.init for c, _ in seeds), *(x for x in outer if local[x] is not sums[x])]
        ends = list(zip(ends, carried, strict=True))
        self.apply_insertions(node.body)
        loop = Loop(reverse, carried, parallel=node.parallel)
        self.tape.save_iterations(node, loop)
        if not reverse and not carried:
            return
        b.emit(loop)
        for x, r in ends[len(seeds) :]:
            bar[x] = r.out
        for x, r in ends[: len(seeds)]:
            self.add(bar, x, r.out)

    def is_straight(self, block: Block) -> bool:
        """Only operations, and loads of what is not differentiated."""
        return all(isinstance(n, Op) or (isinstance(n, Load) and n.out not in self.active) for n in block)

    def chain_rule(self, c: Carried, r: Carried, local: dict, sums: dict) -> None:
        """A body with one active result was reversed with seed 1: what it gave are partial derivatives,
        and the only operations that wait for the adjoint of the iteration after are one product for each."""
        b = self.builder
        for x in (c.param, *sums):
            partial = r.next if x is c.param else local.get(x)
            if isinstance(partial, Value):
                partial.name = f"d{c.param.name or 'z'}_d{x.name or 'x'}"
            wild = not {c.next, x}.isdisjoint(self.finiteness.cotangents)
            careful = self.finiteness.heeds(self.heed, wild)
            if x is c.param:
                r.next = multiply(b, r.param, partial, careful)
            else:
                term = None if partial is None else multiply(b, r.param, partial, careful)
                local[x] = sums[x] if term is None else b.op(np.add, sums[x], term)

    def touches_active_memory(self, block: Block) -> bool:
        for node in walk(block):
            if isinstance(node, Alloc) and any(
                (mem, self.program.root(node.alias)) in self.active for mem in self.arenas
            ):
                return True
            if isinstance(node, Store) and key_of(self.program, node.mem, node.alias) in self.active:
                return True
            if isinstance(node, Call) and any(
                key_of(self.program, v.mem, v.alias) in self.active for v in node.outs
            ):
                return True
        return False

    def differentiable_uses(self, loop: Loop) -> list[Value]:
        uses = free(loop.body)
        for c in loop.carried:
            if isinstance(c.next, Value):
                uses[c.next] = 1
        return [x for x in uses if x in self.active]

    # ------------------------------------------------------------ insertions into the program

    def before(self, node) -> list:
        return self.insert.setdefault(id(node), ([], []))[0]

    def after(self, node) -> list:
        return self.insert.setdefault(id(node), ([], []))[1]

    def apply_insertions(self, block: Block) -> None:
        out = []
        for node in block:
            before, after = self.insert.pop(id(node), ((), ()))
            now = self.replaced.pop(id(node), [node])
            out += [*before, *now, *after]
            if now and now[0] is not node:
                self.primal |= defined(now)
            for new in (*before, *after):
                self.primal.update(results(new))
        block[:] = out


def _bar(x: Value) -> Value:
    return Value("f", f"{x.name}_bar" if x.name else "")
