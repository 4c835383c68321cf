"""Checking IR after a pass: every value is defined once, before its uses and in a region that encloses
them."""

from __future__ import annotations

from sciad.compiler.ir.builder import type_of
from sciad.compiler.ir.nodes import Block, If, Loop, Op, Program, Store, Value
from sciad.compiler.ir.walking import accesses, inner_definitions, is_arena, merges, operands, results


def verify(program: Program) -> Program:
    """Return `program` if it is well formed; raise AssertionError naming the node otherwise."""
    memories = {g.name for g in program.parameters} | {"C"}
    _Verifier(memories).block(program.body, set())
    return program


class _Verifier:
    def __init__(self, memories):
        self.memories, self.everything = memories, set()

    def block(self, block: Block, scope: set[Value]) -> set[Value]:
        scope = set(scope)
        for node in block:
            self.node(node, scope)
        return scope

    def node(self, node, scope):
        for v in operands(node):
            assert v in scope, f"{v} used before its definition by {node}"
        for _, mem, _, _ in accesses(node):
            assert is_arena(mem) or mem in self.memories, f"unknown memory {mem!r} in {node}"
        if isinstance(node, If):
            assert type_of(node.cond) == "b", node
            arms = [self.block(node.then, scope), self.block(node.orelse, scope)]
            for phi in node.phis:
                for x, arm in zip((phi.then, phi.orelse), arms, strict=True):
                    assert not isinstance(x, Value) or x in arm, (
                        f"{x} is not of the arm it merges from: {phi}"
                    )
                    self.same(phi.out, x, phi)
        elif isinstance(node, Loop):
            inside = set(scope)
            for v in inner_definitions(node):
                self.define(v, inside)
            if node.pre is not None:
                inside = self.block(node.pre, inside)
                assert not isinstance(node.cond, Value) or node.cond in inside, node
            inside = self.block(node.body, inside)
            for v in merges(node):
                assert v in inside, f"{v} is not defined at the end of {node}"
            for c in node.carried:
                for x in (c.init, c.next, c.out):
                    self.same(c.param, x, c)
        elif isinstance(node, Op):
            assert all(a is not None for a in node.args), node
        elif isinstance(node, Store):
            assert type_of(node.value) == "f", node
        for v in results(node):
            self.define(v, scope)

    def same(self, value, x, where):
        """A float may start from an int constant; otherwise types agree."""
        assert value.type == type_of(x) or (value.type == "f" and not isinstance(x, Value)), (value, x, where)

    def define(self, v, scope):
        assert v not in self.everything, f"{v} is defined twice"
        self.everything.add(v)
        scope.add(v)
