"""What passes ask of the IR: operands, definitions, copies and substitutions of nodes and blocks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from sciad.compiler.ir.nodes import (
    Address,
    Alloc,
    Block,
    Call,
    Carried,
    Check,
    Custom,
    If,
    Load,
    Loop,
    Node,
    Op,
    Operand,
    Phi,
    Program,
    Store,
    Value,
    View,
)

Use = Callable[[Operand], Operand]


def blocks(node: Node) -> tuple[Block, ...]:
    """Blocks nested directly in a node, in order of execution."""
    if isinstance(node, If):
        return (node.then, node.orelse)
    if isinstance(node, Loop):
        return (node.body,) if node.pre is None else (node.pre, node.body)
    if isinstance(node, Custom):
        return tuple(piece.block for piece in node.pieces())
    return ()


def walk(block: Block) -> Iterator[Node]:
    """Every node of a block, nested ones after the node that holds them."""
    for node in block:
        yield node
        for inner in blocks(node):
            yield from walk(inner)


def operands(node: Node) -> Iterator[Value]:
    """Values a node uses in the region it stands in (not those its nested blocks use)."""
    for x in _outer(node):
        if isinstance(x, Value):
            yield x


def _outer(node):
    if isinstance(node, Op):
        yield from node.args
    elif isinstance(node, Load):
        yield from (v for _, v in node.address.terms)
    elif isinstance(node, Store):
        yield node.value
        yield from (v for _, v in node.address.terms)
    elif isinstance(node, Alloc):
        yield node.size
    elif isinstance(node, Call):
        for view in node.outs + node.args:
            yield from (v for _, v in view.address.terms)
    elif isinstance(node, Check | If):
        yield node.cond
    elif isinstance(node, Loop):
        yield node.count
        yield from (c.init for c in node.carried)


def merges(node: Node) -> Iterator[Value]:
    """Values a node uses at the end of its nested blocks: phi arms, what is carried on, conditions."""
    if isinstance(node, If):
        inner = [x for phi in node.phis for x in (phi.then, phi.orelse)]
    elif isinstance(node, Loop):
        inner = [node.cond, node.stop, *(c.next for c in node.carried)]
    else:
        inner = []
    for x in inner:
        if isinstance(x, Value):
            yield x


def results(node: Node) -> Iterator[Value]:
    """Values a node defines in the region it stands in."""
    if isinstance(node, Op | Load | Alloc):
        yield node.out
    elif isinstance(node, If):
        yield from (phi.out for phi in node.phis)
    elif isinstance(node, Loop):
        yield from (c.out for c in node.carried)
        if node.trip is not None:
            yield node.trip


def inner_definitions(node: Node) -> Iterator[Value]:
    """Values a loop defines for its body."""
    if isinstance(node, Loop):
        yield from (c.param for c in node.carried)
        if node.index is not None:
            yield node.index


def defined(block: Block) -> set[Value]:
    """Every value defined in a block, at any depth."""
    out = set()
    for node in walk(block):
        out.update(results(node))
        out.update(inner_definitions(node))
    return out


def used(block: Block) -> dict[Value, int]:
    """How often each value is used in a block, at any depth."""
    count: dict[Value, int] = {}
    for node in walk(block):
        for source in (operands(node), merges(node)):
            for v in source:
                count[v] = count.get(v, 0) + 1
    return count


def free(block: Block) -> dict[Value, int]:
    """Values a block uses and does not define."""
    inside = defined(block)
    return {v: n for v, n in used(block).items() if v not in inside}


def same_as(v: Value) -> Value:
    """Another value that stands for the same."""
    copy = Value(v.type, v.name, v.low, v.high)
    copy.origin = v
    return copy


def origins(v: Value) -> list[Value]:
    """The value and those it stands for, last of all one of the traced program."""
    found = [v]
    while found[-1].origin is not None:
        found.append(found[-1].origin)
    return found


def origin(v: Value) -> Value:
    """The value of the traced program that this one stands for."""
    return origins(v)[-1]


def map_address(address: Address, use: Use) -> Address:
    out = Address(address.const)
    for c, v in address.terms:
        out = out + _scaled(use(v), c)
    return out


def _scaled(x: Operand, c: int) -> Address:
    return Address(0, ((c, x),)) if isinstance(x, Value) else Address(c * int(x))


def substitute(block: Block, mapping: dict[Value, Operand]) -> None:
    """Replace uses of values, in place."""
    if mapping:
        use = lambda x: mapping.get(x, x) if isinstance(x, Value) else x  # noqa: E731
        for i, node in enumerate(block):
            block[i] = rewrite(node, use, lambda v: v, lambda b: (substitute(b, mapping), b)[1])


def clone(block: Block, mapping: dict[Value, Operand] | None = None) -> Block:
    """A copy of a block in which everything it defines is defined anew; `mapping` (old to new) is filled."""
    mapping = {} if mapping is None else mapping

    def use(x):
        return mapping.get(x, x) if isinstance(x, Value) else x

    def define(v):
        if v is not None:
            mapping[v] = copy = same_as(v)
            return copy
        return None

    def inner(b):
        return Block(rewrite(node, use, define, inner) for node in b)

    return inner(block)


def rewrite(node: Node, use: Use, define: Callable[[Value], Value], inner: Callable[[Block], Block]) -> Node:
    """A node like `node` with operands, definitions and nested blocks replaced, in order of execution."""
    at = lambda address: map_address(address, use)  # noqa: E731
    if isinstance(node, Op):
        return Op(args=tuple(use(a) for a in node.args), fn=node.fn, out=define(node.out), line=node.line)
    if isinstance(node, Load):
        return dataclasses.replace(node, address=at(node.address), out=define(node.out))
    if isinstance(node, Store):
        return dataclasses.replace(node, address=at(node.address), value=use(node.value))
    if isinstance(node, Alloc):
        return dataclasses.replace(node, size=use(node.size), out=define(node.out))
    if isinstance(node, Call):
        view = lambda v: dataclasses.replace(v, address=at(v.address))  # noqa: E731
        node = dataclasses.replace(node, outs=tuple(map(view, node.outs)), args=tuple(map(view, node.args)))
        if isinstance(node, Custom):
            again = lambda p: p and dataclasses.replace(p, block=inner(p.block))  # noqa: E731
            node.body, node.push, node.pull = again(node.body), again(node.push), again(node.pull)
            node.push_out, node.pull_out = again(node.push_out), again(node.pull_out)
        return node
    if isinstance(node, Check):
        return dataclasses.replace(node, cond=use(node.cond))
    if isinstance(node, If):
        cond, then, orelse = use(node.cond), inner(node.then), inner(node.orelse)
        phis = [Phi(then=use(p.then), orelse=use(p.orelse), out=p.out) for p in node.phis]
        for phi in phis:
            phi.out = define(phi.out)
        return If(cond, then, orelse, phis, line=node.line)
    assert isinstance(node, Loop), node
    count, inits = use(node.count), [use(c.init) for c in node.carried]
    params, index = (
        [define(c.param) for c in node.carried],
        define(node.index) if node.index is not None else None,
    )
    pre = inner(node.pre) if node.pre is not None else None
    body = inner(node.body)
    cond, stop, nexts = use(node.cond), use(node.stop), [use(c.next) for c in node.carried]
    outs = [define(c.out) for c in node.carried]
    carried = [Carried(*c) for c in zip(params, inits, nexts, outs, strict=True)]
    return dataclasses.replace(
        node,
        body=body,
        carried=carried,
        index=index,
        count=count,
        pre=pre,
        cond=cond,
        stop=stop,
        trip=define(node.trip) if node.trip is not None else None,
    )


def copy_program(program: Program, **changes) -> Program:
    """A program with its own nodes and values, to be transformed in place."""
    return dataclasses.replace(program, body=clone(program.body), classes=list(program.classes), **changes)


def moved(block: Block, moves: dict[str, tuple]) -> Block:
    """Accesses of other memories: `moves` has memory, distance and alias class (None: as it was) by name;
    accesses of memory None are dropped.
    """
    out = Block()
    for node in block:
        for inner in blocks(node):
            inner[:] = moved(inner, moves)
        if isinstance(node, Load | Store) and node.mem in moves:
            mem, at, alias = moves[node.mem]
            if mem is None:
                continue
            alias = node.alias if alias is None else alias
            node = dataclasses.replace(node, mem=mem, address=node.address + at, alias=alias)
        elif isinstance(node, Call):
            views = [tuple(_moved_view(v, moves) for v in part) for part in (node.outs, node.args)]
            if any(v is None for part in views for v in part):
                continue
            node = dataclasses.replace(node, outs=views[0], args=views[1])
        out.append(node)
    return out


def _moved_view(view, moves):
    if view.mem not in moves:
        return view
    mem, at, alias = moves[view.mem]
    alias = view.alias if alias is None else alias
    return None if mem is None else dataclasses.replace(view, mem=mem, address=view.address + at, alias=alias)


def key_of(program: Program, mem: str, alias: int) -> tuple[str, int]:
    """The unit in which passes speak of memory: an alias class of an arena, or all of another memory."""
    return (mem, program.root(alias)) if is_arena(mem) else (mem, 0)


ARENAS = "TSUVXYZ"  # local arrays, and the tapes of first and higher derivatives


def is_arena(mem: str) -> bool:
    """Is this an arena, or the memory of derivatives of one (`T_bar`)?"""
    return mem[0] in ARENAS and (len(mem) == 1 or mem[1] == "_")


def accesses(node: Node) -> Iterator[tuple[str, str, Address | View, int]]:
    """("load" or "store", memory, address, alias class) of a node itself."""
    if isinstance(node, Load):
        yield "load", node.mem, node.address, node.alias
    elif isinstance(node, Store):
        yield "store", node.mem, node.address, node.alias
    elif isinstance(node, Call):
        for kind, views in (("load", node.args), ("store", node.outs)):
            for view in views:
                yield kind, view.mem, view, view.alias
