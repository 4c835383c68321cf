"""Which values and memories carry derivatives, and which nodes are needed at all."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sciad.compiler.ir.nodes import (
    Alloc,
    Block,
    Call,
    Check,
    Custom,
    If,
    Load,
    Loop,
    Node,
    Op,
    Program,
    Store,
    Value,
)
from sciad.compiler.ir.op_traits import times
from sciad.compiler.ir.walking import (
    accesses,
    blocks,
    inner_definitions,
    is_arena,
    key_of,
    operands,
    results,
    used,
    walk,
)
from sciad.rule_table import lookup, missing


def partials_of(fn) -> tuple:
    """Partial derivatives ``(y, *xs) -> partial`` of an op, one per argument, or () for a constant
    function."""
    if isinstance(fn, str):
        return ()
    if fn is times:
        return lookup(np.multiply).partials
    record = lookup(fn)
    if record is None:
        raise missing(fn, None, "compiled")
    if record.kind == "constant":
        return ()
    if record.kind != "scalar":
        raise missing(
            fn, None, "compiled", f"its rule is of kind {record.kind!r}, the compiler wants partials"
        )
    return record.partials


def differentiated(node: Op) -> list[int]:
    """Positions of the arguments an op has a derivative in."""
    if node.out.type != "f" or node.fn == "float":
        return []
    if node.fn == "select":
        return [1, 2]
    return [k for k, p in enumerate(partials_of(node.fn)) if p is not None]


@dataclass
class Activity:
    """Values and memory keys (see `walking.key_of`) that carry a derivative."""

    values: set[Value] = field(default_factory=set)
    memory: set[tuple[str, int]] = field(default_factory=set)

    def __contains__(self, x) -> bool:
        return x in (self.values if isinstance(x, Value) else self.memory)


def varied(program: Program, inputs: set[str]) -> Activity:
    """What depends differentiably on the named input memories."""
    found = Activity(set(), {(name, 0) for name in inputs})
    _to_fixpoint(found, lambda: _varied(program, program.body, found))
    return found


def useful(program: Program, outputs: set[str]) -> Activity:
    """What the named output memories depend on differentiably."""
    found = Activity(set(), {(name, 0) for name in outputs})
    _to_fixpoint(found, lambda: _useful(program, program.body, found))
    return found


def active(program: Program, inputs: set[str], outputs: set[str]) -> Activity:
    """What lies on a differentiable path from the inputs to the outputs."""
    a, b = varied(program, inputs), useful(program, outputs)
    return Activity(a.values & b.values, a.memory & b.memory)


def _to_fixpoint(found, step):
    size = -1
    while size != (size := len(found.values) + len(found.memory)):
        step()


def _varied(program, block, found):
    values, memory = found.values, found.memory
    for node in block:
        if isinstance(node, Op):
            if any(node.args[k] in values for k in differentiated(node) if isinstance(node.args[k], Value)):
                values.add(node.out)
        elif isinstance(node, Load):
            if key_of(program, node.mem, node.alias) in memory:
                values.add(node.out)
        elif isinstance(node, Store):
            if isinstance(node.value, Value) and node.value in values:
                memory.add(key_of(program, node.mem, node.alias))
        elif isinstance(node, Call):
            if any(key_of(program, v.mem, v.alias) in memory for v in node.args):
                memory.update(key_of(program, v.mem, v.alias) for v in node.outs)
        elif isinstance(node, If):
            _varied(program, node.then, found)
            _varied(program, node.orelse, found)
            for p in node.phis:
                if any(isinstance(x, Value) and x in values for x in (p.then, p.orelse)):
                    values.add(p.out)
        elif isinstance(node, Loop):
            size = -1
            while size != (size := len(values) + len(memory)):
                for c in node.carried:
                    if any(isinstance(x, Value) and x in values for x in (c.init, c.next)):
                        values.update((c.param, c.out))
                for inner in blocks(node):
                    _varied(program, inner, found)


def _useful(program, block, found):
    values, memory = found.values, found.memory

    def use(*xs):
        values.update(x for x in xs if isinstance(x, Value) and x.type == "f")

    for node in reversed(block):
        if isinstance(node, Op):
            if node.out in values:
                use(*(node.args[k] for k in differentiated(node)))
        elif isinstance(node, Load):
            if node.out in values:
                memory.add(key_of(program, node.mem, node.alias))
        elif isinstance(node, Store):
            if key_of(program, node.mem, node.alias) in memory:
                use(node.value)
        elif isinstance(node, Call):
            if any(key_of(program, v.mem, v.alias) in memory for v in node.outs):
                memory.update(key_of(program, v.mem, v.alias) for v in node.args)
        elif isinstance(node, If):
            for p in node.phis:
                if p.out in values:
                    use(p.then, p.orelse)
            _useful(program, node.then, found)
            _useful(program, node.orelse, found)
        elif isinstance(node, Loop):
            size = -1
            while size != (size := len(values) + len(memory)):
                for c in node.carried:
                    if c.out in values or c.param in values:
                        use(c.init, c.next, c.param)
                for inner in reversed(blocks(node)):
                    _useful(program, inner, found)


# ------------------------------------------------------------ dead code


def remove_dead(program: Program) -> Program:
    """Drop, in place, what neither the outputs nor a `Check` depend on."""
    live = _Live(program)
    live.run()
    live.sweep(program.body)
    return program


class _Live:
    """Mark from the stores that are seen outside, through uses, loads and the control that holds them."""

    def __init__(self, program):
        self.program = program
        self.outside = {g.name for group in program.outputs for g in group}
        self.values: set[Value] = set()
        self.nodes: set[int] = set()
        self.keys: set[tuple[str, int]] = set()
        self.carried: set[int] = set()
        self.parent: dict[int, Node] = {}
        self.definer: dict[Value, tuple] = {}
        self.stores: dict[tuple[str, int], list[Node]] = {}
        self.todo: list[Value] = []
        self.roots: list[Node] = []
        self.index(program.body, None)

    def index(self, block: Block, parent):
        for node in block:
            if parent is not None:
                self.parent[id(node)] = parent
            for v in results(node):
                self.definer[v] = (node, None)
            if isinstance(node, If):
                for p in node.phis:
                    self.definer[p.out] = (node, p)
            elif isinstance(node, Loop):
                for v in inner_definitions(node):
                    self.definer[v] = (node, None)
                for c in node.carried:
                    self.definer[c.out] = self.definer[c.param] = (node, c)
            written = [(mem, alias) for kind, mem, _, alias in accesses(node) if kind == "store"]
            for mem, alias in written:
                self.stores.setdefault(key_of(self.program, mem, alias), []).append(node)
            if isinstance(
                node, Alloc
            ):  # space is needed where the class is read, whether or not the offset is
                self.stores.setdefault(key_of(self.program, node.mem, node.alias), []).append(node)
            if isinstance(node, Check) or any(
                not is_arena(mem) and mem in self.outside for mem, _ in written
            ):
                self.roots.append(node)
            for inner in blocks(node):
                self.index(inner, node)

    def run(self):
        for node in self.roots:
            self.node(node)
        while self.todo:
            self.define(self.todo.pop())

    def use(self, x):
        if isinstance(x, Value) and x not in self.values:
            self.values.add(x)
            self.todo.append(x)

    def node(self, node):
        if id(node) in self.nodes:
            return
        self.nodes.add(id(node))
        if isinstance(node, If):
            self.use(node.cond)
        elif isinstance(node, Loop):
            for x in (node.count, node.cond, node.stop):
                self.use(x)
        else:
            for x in operands(node):
                self.use(x)
        if isinstance(node, Custom):
            self.whole(node)
        for kind, mem, _, alias in accesses(node):
            if kind == "load" or (isinstance(node, Store) and node.add):
                self.read(key_of(self.program, mem, alias))
        if id(node) in self.parent:
            self.node(self.parent[id(node)])

    def whole(self, node: Custom):
        """What rules compute is seen by the derivatives to come."""
        for block in blocks(node):
            for inner in walk(block):
                self.node(inner)
            for v in used(block):
                self.use(v)

    def read(self, key):
        if key not in self.keys:
            self.keys.add(key)
            for node in self.stores.get(key, ()):
                self.node(node)

    def define(self, v):
        if v not in self.definer:
            return  # of the program that this one is a part of
        node, part = self.definer[v]
        self.node(node)
        if part is None:
            return
        if isinstance(node, If):
            self.use(part.then)
            self.use(part.orelse)
        else:
            self.carried.add(id(part))
            for x in (part.init, part.next, part.param):
                self.use(x)

    def sweep(self, block: Block):
        block[:] = [node for node in block if id(node) in self.nodes]
        for node in block:
            if isinstance(node, If):
                node.phis = [p for p in node.phis if p.out in self.values]
            elif isinstance(node, Loop):
                node.carried = [c for c in node.carried if id(c) in self.carried]
                if node.trip is not None and node.trip not in self.values:
                    node.trip = None
                if node.index is not None and node.index not in self.values:
                    node.index = None
            for inner in blocks(node):
                self.sweep(inner)
