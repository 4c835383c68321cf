"""Sharing: common subexpressions, loads and stored values; invariant code and sums are taken out of loops."""

from __future__ import annotations

import numpy as np

from sciad.compiler.ir.builder import Builder
from sciad.compiler.ir.nodes import INF, Block, Carried, If, Load, Loop, Op, Operand, Program, Store, Value
from sciad.compiler.ir.walking import (
    accesses,
    blocks,
    defined,
    inner_definitions,
    key_of,
    map_address,
    operands,
    origins,
    substitute,
    walk,
)


def share(program: Program) -> Program:
    """In place: each value is computed once, and loads of what was just stored or loaded are replaced."""
    _Sharer(program).run()
    return program


def hoist(program: Program) -> Program:
    """In place: operations and loads that do not change in a loop are made before it."""
    sizes = {g.name: g.size for g in program.parameters} | {"C": program.constants.size}
    _hoist(program, program.body, sizes)
    return program


def sum_outside(program: Program) -> Program:
    """In place: what a loop adds to one place again and again is summed in a variable and added once."""
    _sum_outside(program, program.body)
    return program


def drop_overwritten(program: Program) -> Program:
    """In place: a store that another follows to the same place, unread in between, is not made."""
    _drop_overwritten(program, program.body)
    return program


# ------------------------------------------------------------ sharing


class _Sharer:
    def __init__(self, program: Program):
        self.program = program
        self.mapping: dict[Value, Operand] = {}
        self.builder = Builder()

    def run(self):
        out = Block()
        with self.builder, self.builder.into(out):
            self.block(self.program.body, {})
        self.program.body = out

    def use(self, x):
        return self.mapping.get(x, x) if isinstance(x, Value) else x

    def key(self, mem, alias):
        return key_of(self.program, mem, alias)

    def block(self, block: Block, known: dict) -> None:
        for node in block:
            self.builder.line = node.line
            handler = getattr(self, type(node).__name__, None)
            if handler is not None:
                handler(node, known)
            else:
                (node,) = self.renamed(node)
                for kind, mem, _, alias in accesses(node):
                    if kind == "store":
                        known.pop(self.key(mem, alias), None)
                self.builder.emit(node)

    def renamed(self, node):
        block = Block([node])
        substitute(block, self.mapping)
        return block

    def Op(self, node, known):
        args = tuple(self.use(a) for a in node.args)
        result = self.builder.op(node.fn, *args, name=node.out.name)
        if isinstance(result, Value):
            if result.type != node.out.type:
                self.builder.emit(Op(node.out, node.fn, args, line=node.line))
                return
            result.name = result.name or node.out.name
            result.low, result.high = max(result.low, node.out.low), min(result.high, node.out.high)
            if result.origin is None and all(result is not v for v in origins(node.out)):
                result.origin = node.out
        elif node.out.type == "f":
            result = float(result)
        self.mapping[node.out] = result

    def Load(self, node, known):
        address = map_address(node.address, self.use)
        here = known.setdefault(self.key(node.mem, node.alias), {})
        key = address.key()
        if key in here:
            self.mapping[node.out] = here[key][0]
            return
        self.builder.emit(Load(node.out, node.mem, address, node.alias, line=node.line))
        here[key] = (node.out, address)

    def Store(self, node, known):
        address, value = map_address(node.address, self.use), self.use(node.value)
        here = known.setdefault(self.key(node.mem, node.alias), {})
        key, add, fresh = address.key(), node.add, node.fresh
        if add and key in here:
            value, add, fresh = (
                self.builder.op(np.add, here[key][0], self.builder.to_float(value)),
                False,
                False,
            )
        for other in [k for k in here if k != key and not _distinct(k, key)]:
            del here[other]
        if not add and key in here and here[key][0] is value:
            return  # it is there already
        if add:
            here.pop(key, None)
        else:
            here[key] = (self.builder.to_float(value), address)
        self.builder.emit(
            Store(node.mem, address, self.builder.to_float(value), node.alias, add, fresh, line=node.line)
        )

    def If(self, node, known):
        cond = self.use(node.cond)
        arms = []
        for arm in (node.then, node.orelse):
            with self.builder.into(Block()) as block:
                self.block(arm, {k: dict(v) for k, v in known.items()})
            arms.append(block)
        phis = []
        for p in node.phis:
            p.then, p.orelse = self.use(p.then), self.use(p.orelse)
            if p.then is p.orelse or (
                not isinstance(p.then, Value)
                and not isinstance(p.orelse, Value)
                and repr(p.then) == repr(p.orelse)
            ):
                self.mapping[p.out] = p.then
            else:
                phis.append(p)
        if not isinstance(cond, Value):  # decided by what was shared
            taken = arms[0] if cond else arms[1]
            for inner in taken:
                self.builder.emit(inner)
            for p in phis:
                self.mapping[p.out] = p.then if cond else p.orelse
            arms[0 if cond else 1] = Block()
        else:
            self.builder.emit(If(cond, *arms, phis, line=node.line))
        self.forget(node, known)

    def Loop(self, node, known):
        self.forget(node, known)
        for c in node.carried:
            c.init = self.use(c.init)
        node.count = self.use(node.count)
        inside = {k: dict(v) for k, v in known.items()}
        pre = node.pre
        if pre is None:
            with self.builder.into(Block()) as body:
                self.block(node.body, inside)
        else:
            with self.builder.into(Block()) as pre:
                self.block(node.pre, inside)
                with self.builder.into(Block()) as body:  # shares what the condition is computed from
                    self.block(node.body, inside)
        node.pre, node.body = pre, body
        node.cond, node.stop = self.use(node.cond), self.use(node.stop)
        for c in node.carried:
            c.next = self.use(c.next)
        kept = []
        for c in node.carried:
            if c.next is c.param and (isinstance(c.init, Value) or type(c.init) is _PYTHON[c.param.type]):
                self.mapping[c.param] = self.mapping[c.out] = c.init
                substitute(node.body, {c.param: c.init})
                if node.pre is not None:
                    substitute(node.pre, {c.param: c.init})
                for other in node.carried:
                    other.next = c.init if other.next is c.param and other is not c else other.next
                node.cond = c.init if node.cond is c.param else node.cond
                node.stop = c.init if node.stop is c.param else node.stop
            else:
                kept.append(c)
        node.carried = kept
        self.builder.emit(node)

    def forget(self, node, known):
        for inner in blocks(node):
            for n in walk(inner):
                for kind, mem, _, alias in accesses(n):
                    if kind == "store":
                        known.pop(self.key(mem, alias), None)


_PYTHON = {"f": float, "i": int, "b": bool}


def _distinct(a: tuple, b: tuple) -> bool:
    """Addresses (as keys) that differ by a constant are different places."""
    return a[1] == b[1] and a[0] != b[0]


# ------------------------------------------------------------ invariants


def _hoist(program: Program, block: Block, sizes: dict) -> None:
    out = []
    for node in block:
        for inner in blocks(node):
            _hoist(program, inner, sizes)
        if isinstance(node, Loop):
            out += _invariant(program, node, sizes)
        out.append(node)
    block[:] = out


def _invariant(program: Program, loop: Loop, sizes: dict) -> list:
    inside = set(inner_definitions(loop))
    stored = set()
    for inner in blocks(loop):
        inside |= defined(inner)
        for node in walk(inner):
            stored.update(
                key_of(program, mem, alias) for kind, mem, _, alias in accesses(node) if kind == "store"
            )
    moved = []
    for inner in blocks(loop):
        kept = []
        for node in inner:
            fixed = isinstance(node, Op | Load) and all(v not in inside for v in operands(node))
            if fixed and isinstance(node, Load):
                fixed = key_of(program, node.mem, node.alias) not in stored and _in_range(node, sizes)
            if fixed:
                moved.append(node)
                inside.discard(node.out)
            else:
                kept.append(node)
        inner[:] = kept
    return moved


def _in_range(node: Load, sizes: dict) -> bool:
    """Can the load be made even where the loop is not entered?"""
    if node.mem not in sizes:
        return all(v.low != -INF for _, v in node.address.terms)
    low = node.address.const + sum(min(c * v.low, c * v.high) for c, v in node.address.terms)
    high = node.address.const + sum(max(c * v.low, c * v.high) for c, v in node.address.terms)
    return low >= 0 and high < sizes[node.mem]


# ------------------------------------------------------------ sums


def _sum_outside(program: Program, block: Block) -> None:
    out = []
    for node in block:
        for inner in blocks(node):
            _sum_outside(program, inner)
        out.append(node)
        if isinstance(node, Loop):
            out += _sums(program, node)
    block[:] = out


def _sums(program: Program, loop: Loop) -> list:
    inside = set(inner_definitions(loop)) | defined(loop.body)
    only_added: dict = {}
    for inner in blocks(loop):
        for node in walk(inner):
            for _, mem, _, alias in accesses(node):
                key = key_of(program, mem, alias)
                only_added[key] = only_added.get(key, True) and isinstance(node, Store) and node.add
    after = []
    totals: dict = {}
    kept = []
    with Builder(Block()) as b:
        for node in loop.body:
            if (
                isinstance(node, Store)
                and node.add
                and only_added[key_of(program, node.mem, node.alias)]
                and not any(v in inside for _, v in node.address.terms)
            ):
                place = (node.mem, node.address.key())
                if place not in totals:
                    name = (
                        f"{node.mem}_sum"
                        if not isinstance(node.value, Value) or not node.value.name
                        else node.value.name
                    )
                    totals[place] = [Value("f", name), None, node]
                total = totals[place]
                with b.into(Block()) as add:
                    total[1] = b.op(np.add, total[0] if total[1] is None else total[1], node.value)
                kept += add
            else:
                kept.append(node)
    loop.body[:] = kept
    for param, end, node in totals.values():
        out = Value("f", param.name)
        loop.carried.append(Carried(param, 0.0, end, out))
        after.append(Store(node.mem, node.address, out, node.alias, add=True, line=node.line))
    return after


# ------------------------------------------------------------ overwritten stores


def _drop_overwritten(program: Program, block: Block) -> None:
    pending: dict[tuple, Store] = {}
    dead: set[int] = set()
    for node in block:
        for inner in blocks(node):
            _drop_overwritten(program, inner)
        if isinstance(node, Store) and not node.add:
            place = (key_of(program, node.mem, node.alias), node.address.key())
            if place in pending:
                dead.add(id(pending[place]))
            pending[place] = node
        elif isinstance(node, Load | Store):
            read = key_of(program, node.mem, node.alias)
            pending = {k: v for k, v in pending.items() if k[0] != read}
        elif not isinstance(node, Op):
            pending = {}
    block[:] = [node for node in block if id(node) not in dead]
