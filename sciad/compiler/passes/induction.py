"""Counters: ints that a loop steps by a constant become functions of its index, so nothing of them is
carried."""

from __future__ import annotations

import numpy as np

from sciad.compiler.ir.builder import Builder
from sciad.compiler.ir.nodes import Address, Block, Carried, Loop, Op, Operand, Program, Value
from sciad.compiler.ir.walking import blocks, substitute, walk

__all__ = ["replace_counters"]


def replace_counters(program: Program) -> Program:
    """In place."""
    _visit(program.body)
    return program


def _visit(block: Block) -> None:
    out = []
    for node in block:
        after: Block = Block()
        if isinstance(node, Loop):
            after = _replace(node)
        for inner in blocks(node):
            _visit(inner)
        out += [node, *after]
    block[:] = out


def _replace(loop: Loop) -> Block:
    """Rewrite the counters of one loop; what computes their final values is returned."""
    made = {n.out: n for n in loop.body if isinstance(n, Op)}
    steps = {id(c): s for c in loop.carried if (s := _step(c, made)) is not None}
    after = Block()
    if not steps:
        return after
    if loop.index is None:
        loop.index = Value("i", "i", 0)
    times: Operand | None = loop.count if loop.stop is None else None
    if times is None:
        if loop.trip is None:
            loop.trip = Value("i", "trip", 0)
        times = loop.trip
    counters = [c for c in loop.carried if id(c) in steps]
    loop.carried = [c for c in loop.carried if id(c) not in steps]
    # a counter may start from one of the same loop only outside of it: inits are of the enclosing region
    for c in counters:
        step = steps[id(c)]
        place = (Address() + c.init) + (Address() + loop.index) * step
        for inner in blocks(loop):
            _expand(inner, c.param, place)
            with Builder() as b:
                now = b.op(np.add, c.init, b.op(np.multiply, loop.index, step), name=c.param.name)
            if isinstance(now, Value) and now is not c.init and now is not loop.index:
                now.low, now.high = max(now.low, c.param.low), min(now.high, c.param.high)
            substitute(inner, {c.param: now})
            inner[:0] = b.block
            here = {c.param: now}
            if inner is loop.pre and isinstance(loop.cond, Value):
                loop.cond = here.get(loop.cond, loop.cond)
            if inner is loop.body:
                for other in loop.carried:
                    other.next = (
                        here.get(other.next, other.next) if isinstance(other.next, Value) else other.next
                    )
                if isinstance(loop.stop, Value):
                    loop.stop = here.get(loop.stop, loop.stop)
        with Builder(after) as b:
            end = b.op(np.add, c.init, b.op(np.multiply, times, step))
            after.append(Op(c.out, "int", (end,), line=loop.line))
    return after


def _step(c: Carried, made: dict) -> int | None:
    if c.param.type != "i" or not isinstance(c.next, Value):
        return None
    node = made.get(c.next)
    if node is None or node.fn not in (np.add, np.subtract):
        return None
    a, b = node.args
    if a is c.param and type(b) is int:
        return b if node.fn is np.add else -b
    if b is c.param and type(a) is int and node.fn is np.add:
        return a
    return None


def _expand(block: Block, param: Value, place: Address) -> None:
    """Put an affine expression for a value in every address."""
    for node in walk(block):
        if hasattr(node, "address"):
            node.address = _put(node.address, param, place)
        for part in ("outs", "args"):
            for view in getattr(node, part, ()) if not isinstance(node, Op) else ():
                view.address = _put(view.address, param, place)


def _put(address: Address, param: Value, place: Address) -> Address:
    out = Address(address.const)
    for c, v in address.terms:
        out = out + (place * c if v is param else Address(0, ((c, v),)))
    return out
