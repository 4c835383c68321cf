"""Loops in the form the transforms take: the part before a while loop's condition only decides."""

from __future__ import annotations

import numpy as np

from sciad.compiler.ir.builder import Builder
from sciad.compiler.ir.nodes import Alloc, Block, Call, Carried, Check, If, Loop, Phi, Program, Store, Value
from sciad.compiler.ir.walking import blocks, clone, defined, substitute, used, walk


def normalize_loops(program: Program) -> Program:
    """In place: afterwards no value of a loop's `pre` is used outside of it, and `pre` has no effects."""
    _normalize(program.body)
    return program


def _normalize(block: Block) -> None:
    for node in block:
        for inner in blocks(node):
            _normalize(inner)
        if isinstance(node, Loop) and node.pre is not None:
            if any(isinstance(n, Store | Alloc | Call | Check) for n in walk(node.pre)):
                _condition_inside(node)
            else:
                _evaluate_again(node)


def _evaluate_again(loop: Loop) -> None:
    """The body computes for itself what it uses of `pre`."""
    inside = defined(loop.pre)
    ends = [loop.stop, *(c.next for c in loop.carried)]
    if inside.isdisjoint(used(loop.body)) and not any(isinstance(x, Value) and x in inside for x in ends):
        return
    mapping: dict = {}
    copy = clone(loop.pre, mapping)
    substitute(loop.body, mapping)
    loop.body[:0] = copy
    for c in loop.carried:
        c.next = mapping.get(c.next, c.next) if isinstance(c.next, Value) else c.next
    if isinstance(loop.stop, Value):
        loop.stop = mapping.get(loop.stop, loop.stop)


def _condition_inside(loop: Loop) -> None:
    """``while pre, cond: body`` as an endless loop of ``pre; if cond: body``, left when the condition
    fails."""
    branch = If(loop.cond, loop.body, Block(), line=loop.line)
    for c in loop.carried:
        out = Value(c.param.type, c.param.name, c.param.low, c.param.high)
        branch.phis.append(Phi(out, c.next, c.param))
        c.next = out
    stop = Value("b", "stop")
    branch.phis.append(Phi(stop, False if loop.stop is None else loop.stop, True))
    body = Block([*loop.pre, branch])
    if loop.trip is not None:
        param, more = Value("i", "trip", 0), Value("i", "trip", 0)
        with Builder(branch.then) as b:
            after = b.op(np.add, param, 1)
        branch.phis.append(Phi(more, after, param))
        loop.carried.append(Carried(param, 0, more, loop.trip))
    loop.body, loop.pre, loop.cond, loop.stop, loop.trip = body, None, None, stop, None
