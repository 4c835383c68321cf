"""Reverse loops that add to shifted places are split, one loop per shift, so that each can be vectorised."""

from __future__ import annotations

import itertools

from sciad.compiler.analysis.costs import cost
from sciad.compiler.analysis.parallel_loops import _apart, _parts
from sciad.compiler.ir.nodes import INF, Block, Load, Loop, Op, Program, Store, Value
from sciad.compiler.ir.walking import blocks, clone, key_of, operands

__all__ = ["split_loops"]

SHORTEST = 32  # iterations; splitting a shorter loop costs more than it gives
DEAR = 2.0  # operations above this price are not made twice


def split_loops(program: Program) -> Program:
    """In place, for parallel loops: ``a[i] += ..., a[i + 1] += ...`` becomes two loops and the rest."""
    _split(program, program.body)
    return program


def _split(program: Program, block: Block) -> None:
    out = []
    for node in block:
        for inner in blocks(node):
            _split(program, inner)
        if (
            isinstance(node, Loop)
            and node.parallel
            and (not isinstance(node.count, int) or node.count >= SHORTEST)
        ):
            out += _pieces(program, node)
        out.append(node)
    block[:] = out


def _pieces(program: Program, loop: Loop) -> list[Loop]:
    """Loops to be run before `loop`, from which their additions are removed."""
    if loop.index is None or any(not isinstance(n, Op | Load | Store) for n in loop.body):
        return []
    groups: dict[tuple, list[Store]] = {}
    for node in loop.body:
        if isinstance(node, Store) and node.add:
            step, fixed, _, _ = _parts(node.address, loop, {})
            groups.setdefault((key_of(program, node.mem, node.alias), step, fixed), []).append(node)
    pieces = []
    for (key, step, fixed), stores in groups.items():
        if (
            not step
            or not _shifted(loop, step, {s.address.const for s in stores})
            or not _alone(program, loop, key, fixed, stores)
        ):
            continue
        for store in stores:
            slice_ = _slice(loop, store)
            if sum(cost(n) for n in slice_ if isinstance(n, Op)) > DEAR + 0.5 * len(slice_):
                break
            index = Value("i", loop.index.name, 0)
            body = clone(Block(slice_), {loop.index: index})
            pieces.append(Loop(body, index=index, count=loop.count, parallel=True, line=loop.line))
            loop.body.remove(store)
    return pieces


def _shifted(loop: Loop, step: int, places: set[int]) -> bool:
    """Does the loop come, in one iteration, to a place that it comes to in another one?"""
    gaps = [b - a for a, b in itertools.combinations(sorted(places), 2)]
    most = loop.count if isinstance(loop.count, int) else INF
    return any(gap % step == 0 and gap < abs(step) * most for gap in gaps)


def _alone(program: Program, loop: Loop, key, fixed, stores) -> bool:
    """Does nothing else in the loop touch the memory that these additions go to?"""
    for node in loop.body:
        if (
            not isinstance(node, Op)
            and key_of(program, node.mem, node.alias) == key
            and not any(node is s for s in stores)
        ) and not _apart(program, fixed, _parts(node.address, loop, {})[1]):
            return False
    carried = {c.param for c in loop.carried}
    return not any(v in carried for s in stores for n in _slice(loop, s) for v in operands(n))


def _slice(loop: Loop, store: Store) -> list:
    """The store and what it is computed from, in order."""
    needed, nodes = set(operands(store)), [store]
    for node in reversed(loop.body):
        if isinstance(node, Op | Load) and node.out in needed:
            nodes.append(node)
            needed.update(operands(node))
    return nodes[::-1]
