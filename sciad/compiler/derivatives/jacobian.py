"""Jacobians by forward columns."""

from __future__ import annotations

import dataclasses

import numpy as np

from sciad.compiler.analysis.activity import remove_dead, varied
from sciad.compiler.derivatives.pushforward import Forward, pushforward
from sciad.compiler.ir.builder import Builder
from sciad.compiler.ir.nodes import (
    Address,
    Alloc,
    Block,
    Call,
    Input,
    Load,
    Loop,
    Op,
    Operand,
    Program,
    Store,
    Value,
    View,
)
from sciad.compiler.ir.simple_loops import fill
from sciad.compiler.ir.walking import blocks, copy_program, is_arena, walk
from sciad.compiler.passes.while_loops import normalize_loops

__all__ = ["columns_of", "jacobian", "nonzeros"]

LARGEST = 4000  # estimated operations of a Jacobian whose columns are written out


def jacobian(program: Program, wrt: str, heed: str = "where needed") -> Program:
    """The program ``inputs -> J``, row-major ``[n_out, n]``, of derivatives with respect to the group `wrt`.

    Programs without arrays have their columns written out over one shared primal, constant seeds folded;
    others loop over the columns.
    """
    size = next(g.size for g in program.inputs if g.name == wrt)
    if columns_of(program, wrt, size):
        places = {(i, j): i * size + j for i in range(program.n_out) for j in range(size)}
        out = _Columns(program, wrt, size, places, heed).run_columns()
    else:
        out = _loop(program, wrt, size, heed)
    out.outputs = [[Input("J", program.n_out * size)]]
    out.name = f"{program.name}_jacobian"
    return remove_dead(out)


def nonzeros(program: Program, wrt: str, pattern) -> Program:
    """The program ``inputs -> J`` of the entries of a sparse pattern, in the order of a CSC matrix, where the
    columns can be written out.
    """
    size = pattern.shape[1]
    columns = np.repeat(np.arange(size), np.diff(pattern.indptr)).tolist()
    places = {entry: k for k, entry in enumerate(zip(pattern.indices.tolist(), columns, strict=True))}
    out = _Columns(program, wrt, size, places).run_columns()
    out.outputs = [[Input("J", pattern.nnz)]]
    out.name = f"{program.name}_nonzeros"
    return remove_dead(out)


def columns_of(program: Program, wrt: str, directions: int) -> bool:
    """Whether the columns are written out; each value then has at most so many tangents."""
    nodes = list(walk(program.body))
    return all(_plain(node, wrt) for node in nodes) and len(nodes) * max(directions, 1) <= LARGEST


def _plain(node, wrt: str) -> bool:
    """No arena, and the group and the result addressed by constants: seeds and zeros are known."""
    if isinstance(node, Alloc | Call):
        return False
    if isinstance(node, Load | Store):
        return not is_arena(node.mem) and not (
            (node.mem in (wrt, "out") and node.address.terms)
            or (node.mem == "out" and isinstance(node, Load))
        )
    return True


class _Columns(Forward):
    """`places`: where in ``J`` the entries (row, column) stand; others are not wanted."""

    def __init__(
        self,
        program: Program,
        wrt: str,
        size: int,
        places: dict[tuple[int, int], int],
        heed: str = "where needed",
    ):
        program = normalize_loops(copy_program(program))
        super().__init__(program, varied(program, {wrt}), size, heed)
        self.wrt, self.places = wrt, places
        self.column = {id(dot): k for k, dot in enumerate(self.dots)}

    def run_columns(self) -> Program:
        with self.builder as b, b.into(Block()) as body:
            fill(b, "J", 0, len(self.places), 0)
            self.block(self.program.body)
        self.program.body = body
        return self.program

    def load(self, node, dot):
        return 1.0 if node.mem == self.wrt and self.dots[node.address.const] is dot else None

    def store(self, node, dot, tangent):
        place = self.places.get((node.address.const, self.column[id(dot)]))
        if tangent is not None and place is not None:
            self.builder.store("J", Address(place), tangent, add=node.add)


def _loop(program: Program, wrt: str, size: int, heed: str) -> Program:
    """A loop over the columns round the pushforward, with seeds that ask for the column's number."""
    push = pushforward(program, {wrt}, heed)
    column = Value("i", "column", 0)
    body, seeds = Block(), f"{wrt}_dot"
    place = None
    with Builder(body) as b:
        if any(isinstance(n, Call) and any(v.mem == seeds for v in n.args) for n in walk(push.body)):
            alias = push.new_class()  # calls take the column as an array
            place = b.alloc(size, alias), alias
            fill(b, "T", place[0], size, alias)
            b.store("T", Address() + place[0] + column, 1.0, alias)
    body.extend(_seeded(push.body, wrt, size, column, place))
    push.body = Block([Loop(body, index=column, count=size, scratch=True)])
    push.inputs = list(program.inputs)
    return push


def _seeded(block: Block, wrt: str, size: int, column: Value, seeds) -> Block:
    out = Block()
    with Builder(out) as b:
        for node in block:
            if isinstance(node, Load) and node.mem == f"{wrt}_dot":
                place: Operand = node.address.const
                for c, v in node.address.terms:
                    place = b.op(np.add, place, b.op(np.multiply, v, c))
                hit = b.op(np.equal, place, column)
                b.emit(Op(node.out, "select", (hit, 1.0, 0.0), line=node.line))
            elif isinstance(node, Store | Load) and node.mem == "out_dot":
                b.emit(dataclasses.replace(node, mem="J", address=node.address * size + column))
            elif isinstance(node, Call):
                views = [
                    tuple(_window(v, wrt, size, column, seeds) for v in part)
                    for part in (node.outs, node.args)
                ]
                b.emit(dataclasses.replace(node, outs=views[0], args=views[1]))
            else:
                for inner in blocks(node):
                    inner[:] = _seeded(inner, wrt, size, column, seeds)
                b.emit(node)
    return out


def _window(view: View, wrt: str, size: int, column: Value, seeds) -> View:
    if view.mem == f"{wrt}_dot":
        at, alias = seeds
        return dataclasses.replace(view, mem="T", address=view.address + at, alias=alias)
    if view.mem == "out_dot":
        strides = tuple(s * size for s in view.strides)
        return dataclasses.replace(view, mem="J", address=view.address * size + column, strides=strides)
    return view
