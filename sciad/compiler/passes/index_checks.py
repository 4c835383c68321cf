"""Checks of indices: those that must hold are dropped, those of a counted loop are made once before it."""

from __future__ import annotations

import numpy as np

from sciad.compiler.ir.builder import Builder, constant, type_of
from sciad.compiler.ir.nodes import INF, Address, Block, Check, Loop, Op, Operand, Program, Value
from sciad.compiler.ir.walking import blocks, defined, inner_definitions

__all__ = ["lift_checks"]

_ORDERS = {np.less: (1, -1), np.less_equal: (1, 0), np.greater: (-1, -1), np.greater_equal: (-1, 0)}


def lift_checks(program: Program) -> Program:
    """In place."""
    _Lifter().block(program.body)
    return program


class _Lifter:
    def __init__(self):
        self.made: dict[Value, Op] = {}
        self.counts: dict[Value, Address] = {}  # of the loops' indices, where affine

    def block(self, block: Block) -> None:
        out = []
        for node in block:
            if isinstance(node, Op):
                self.made[node.out] = node
            elif isinstance(node, Check):
                slack = self.slack(node.cond)
                if slack is not None and self.least(slack) >= 0:
                    continue
            elif isinstance(node, Loop):
                if node.index is not None and node.count is not None:
                    self.counts[node.index] = self.affine(node.count)
                for inner in blocks(node):
                    self.block(inner)
                if node.count is not None and node.stop is None:
                    out += self.lifted(node)
            else:
                for inner in blocks(node):
                    self.block(inner)
            out.append(node)
        block[:] = out

    def lifted(self, loop: Loop) -> Block:
        """Checks to be made before a loop, which are taken out of it."""
        inside = defined(loop.body) | set(inner_definitions(loop))
        before, kept = Block(), []
        for k, node in enumerate(loop.body):
            worst = None
            if isinstance(node, Check) and not any(blocks(n) for n in loop.body[:k]):
                worst = self.at_worst(self.slack(node.cond), loop)
            if worst is None or any(v in inside for _, v in worst.terms):
                kept.append(node)
                continue
            with Builder() as b:
                b.line = node.line
                holds = b.op(np.greater_equal, _value(b, worst), 0)
                holds = b.op(np.logical_or, b.op(np.less_equal, loop.count, 0), holds)
            self.made.update((n.out, n) for n in b.block)
            if holds is not True:
                before += [*b.block, Check(holds, node.site, line=node.line)]
        loop.body[:] = kept
        return before

    def at_worst(self, slack: Address | None, loop: Loop) -> Address | None:
        """The least value of an affine expression over the iterations of a loop."""
        if slack is None:
            return None
        out = Address(slack.const)
        for c, v in slack.terms:
            if v is loop.index and c < 0:
                last = self.affine(loop.count) + (-1)
                out = out + last * c
            elif v is not loop.index:
                out = out + Address(0, ((c, v),))
        return out

    def slack(self, cond: Operand) -> Address | None:
        """What is at least 0 if and only if a comparison of ints holds."""
        node = self.made.get(cond) if isinstance(cond, Value) else None
        if node is None or node.fn not in _ORDERS or any(type_of(a) != "i" for a in node.args):
            return None
        sign, strict = _ORDERS[node.fn]
        a, b = (self.affine(x) for x in node.args)
        return (b + a * -1) * sign + strict

    def affine(self, x: Operand) -> Address:
        """An int as a sum of multiples of ints that are no such sums."""
        if not isinstance(x, Value):
            return Address(int(x))
        node = self.made.get(x)
        if node is None or x.type != "i":
            return Address(0, ((1, x),))
        if node.fn is np.negative:
            return self.affine(node.args[0]) * -1
        if node.fn in (np.add, np.subtract) and all(type_of(a) == "i" for a in node.args):
            a, b = (self.affine(arg) for arg in node.args)
            return a + (b if node.fn is np.add else b * -1)
        if node.fn is np.multiply and all(type_of(a) == "i" for a in node.args):
            for factor, other in (node.args, node.args[::-1]):
                if constant(factor):
                    return self.affine(other) * factor
        return Address(0, ((1, x),))

    def least(self, slack: Address) -> float:
        """A lower bound: an index that lessens it is put at its last value, which may depend on others."""
        for _ in range(4):
            for c, v in slack.terms:
                if c < 0 and v in self.counts:
                    rest = Address(slack.const, tuple(t for t in slack.terms if t[1] is not v))
                    slack = rest + (self.counts[v] + (-1)) * c
                    break
        total = slack.const
        for c, v in slack.terms:
            bound = v.low if c > 0 else v.high
            if bound in (INF, -INF):
                return -INF
            total += c * bound
        return total


def _value(b: Builder, address: Address) -> Operand:
    total: Operand = address.const
    for c, v in address.terms:
        total = b.op(np.add, total, b.op(np.multiply, v, c))
    return total
