"""Loops whose iterations may run in any order: those that carry nothing but sums and do not meet in
memory."""

from __future__ import annotations

import numpy as np

from sciad.compiler.ir.nodes import (
    INF,
    Address,
    Alloc,
    Block,
    Call,
    Carried,
    Check,
    Load,
    Loop,
    Op,
    Program,
    Store,
    Value,
)
from sciad.compiler.ir.walking import defined, key_of, merges, operands, origin, walk

__all__ = ["find_parallel", "meet", "sums"]


def find_parallel(program: Program) -> Program:
    """Mark, in place, counted loops as parallel where that can be proved."""
    for node in walk(program.body):
        if isinstance(node, Loop) and not node.parallel:
            node.parallel = _independent(program, node)
    return program


def _independent(program: Program, loop: Loop) -> bool:
    if loop.count is None or loop.stop is not None or loop.trip is not None or loop.index is None:
        return False
    inside = list(walk(loop.body))
    if any(isinstance(n, Alloc | Call | Check) or (isinstance(n, Loop) and n.count is None) for n in inside):
        return False
    uses = count_uses(loop.body, loop.carried)
    if any(sums(loop, c, uses) is None for c in loop.carried):
        return False
    stores: dict = {}
    loads: dict = {}
    for n in inside:
        if isinstance(n, Load | Store):
            where = stores if isinstance(n, Store) else loads
            where.setdefault(key_of(program, n.mem, n.alias), []).append(n)
    for key, written in stores.items():
        read = loads.get(key, [])
        if not read and all(n.add for n in written):
            continue  # additions commute
        for n in written:
            for other in (*written, *read):
                if meet(program, loop, n.address, other.address):
                    return False
    return True


def meet(program: Program, loop: Loop, a: Address, b: Address) -> bool:
    """May address `a` in one iteration of the loop be address `b` in another one?"""
    ranges = _inner_ranges(loop)
    step_a, fixed_a, low_a, high_a = _parts(a, loop, ranges)
    step_b, fixed_b, low_b, high_b = _parts(b, loop, ranges)
    if _apart(program, fixed_a, fixed_b):
        return False
    if step_a != step_b or fixed_a != fixed_b or step_a == 0:
        return True
    most = loop.count - 1 if isinstance(loop.count, int) else INF
    low, high, step = low_b - high_a, high_b - low_a, abs(step_a)  # of b - a within one iteration
    if low == -INF or high == INF:
        return True
    # a in iteration i, b in iteration i + k: equal if step*k lies in [-high, -low]; k and -k are both tried
    for first, last in ((low, high), (-high, -low)):
        k = max(1, -(-first // step))
        if k <= most and step * k <= last:
            return True
    return False


def _apart(program: Program, a: frozenset, b: frozenset) -> bool:
    """Are these offsets of different allocations?"""
    offsets = [[origin(v) for c, v in fixed if c == 1] for fixed in (a, b)]
    bases = program.bases
    return bases is not None and any(x is not y and bases.apart(x, y) for x in offsets[0] for y in offsets[1])


def _parts(address: Address, loop: Loop, ranges: dict):
    """Coefficient of the loop's index, terms that do not change in the loop, bounds of the rest."""
    step, fixed, low, high = 0, [], address.const, address.const
    for c, v in address.terms:
        if v is loop.index:
            step = c
        elif v in ranges:
            bounds = [c * x for x in ranges[v]]
            low, high = low + min(bounds), high + max(bounds)
        else:
            fixed.append((c, v))
    return step, frozenset(fixed), low, high


def _inner_ranges(loop: Loop) -> dict[Value, tuple]:
    """Bounds of what is computed in the loop."""
    ranges = {}
    for v in defined(loop.body):
        ranges[v] = (v.low, v.high)
    for n in walk(loop.body):
        if isinstance(n, Loop) and n.index is not None:
            ranges[n.index] = (0, n.count - 1) if isinstance(n.count, int) else (0, INF)
    for c in loop.carried:
        ranges[c.param] = (-INF, INF)
    return ranges


def count_uses(block: Block, carried=()) -> dict[Value, int]:
    uses: dict[Value, int] = {}
    for n in walk(block):
        for v in (*operands(n), *merges(n)):
            uses[v] = uses.get(v, 0) + 1
    for c in carried:
        if isinstance(c.next, Value):
            uses[c.next] = uses.get(c.next, 0) + 1
    return uses


def sums(loop: Loop, c: Carried, uses: dict[Value, int]) -> list[Op] | None:
    """The additions by which a loop does nothing but add to a carried value; None if it does something
    else."""
    if c.param.type != "f" or not isinstance(c.next, Value):
        return None
    if c.next is c.param:
        return []
    makers: dict[Value, object] = {}
    for n in loop.body:
        if isinstance(n, Op):
            makers[n.out] = n
        elif isinstance(n, Loop):
            makers.update((d.out, (n, d)) for d in n.carried)
    found: list[Op] = []
    if uses.get(c.param, 0) != 1:
        return None

    def follow(v) -> bool:
        if v is c.param:
            return True
        if not isinstance(v, Value) or uses.get(v, 0) != 1:
            return False
        maker = makers.get(v)
        if isinstance(maker, tuple):
            inner, d = maker
            steps = sums(inner, d, uses)
            if steps is None or not follow(d.init):
                return False
            found.extend(steps)
            return True
        if not isinstance(maker, Op) or maker.fn not in (np.add, np.subtract):
            return False
        if not follow(maker.args[0]) and not (maker.fn is np.add and follow(maker.args[1])):
            return False
        found.append(maker)
        return True

    return found if follow(c.next) else None
