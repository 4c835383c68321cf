"""Jacobians by forward columns."""

from __future__ import annotations

import dataclasses

import numpy as np

from . import linalg
from .activity import remove_dead, varied
from .build import Builder
from .forward import Forward, pushforward
from .ir import Address, Alloc, Block, Call, Input, Load, Loop, Op, Operand, Program, Store, Value
from .normal import normalize_loops
from .regions import blocks, copy_program, is_arena, walk

__all__ = ["jacobian"]

LARGEST = 4000  # estimated operations of a Jacobian whose columns are written out


def jacobian(program: Program, wrt: str) -> Program:
    """The program ``inputs -> J``, row-major ``[n_out, n]``, of derivatives with respect to the group `wrt`.

    Programs without arrays have their columns written out over one shared primal, constant seeds folded;
    others loop over the columns.
    """
    size = next(g.size for g in program.inputs if g.name == wrt)
    nodes = list(walk(program.body))
    plain = all(_plain(node, wrt) for node in nodes)
    if plain and len(nodes) * max(size, 1) <= LARGEST:
        out = _Columns(program, wrt, size).run_columns()
    else:
        out = _loop(program, wrt, size)
    out.outputs = [[Input("J", program.n_out * size)]]
    out.name = f"{program.name}_jacobian"
    return remove_dead(out)


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
    def __init__(self, program: Program, wrt: str, size: int):
        program = normalize_loops(copy_program(program))
        super().__init__(program, varied(program, {wrt}), size)
        self.wrt, self.size = wrt, size

    def run_columns(self) -> Program:
        with self.builder as b, b.into(Block()) as body:
            linalg.fill(b, "J", 0, self.program.n_out * self.size, 0)
            self.block(self.program.body)
        self.program.body = body
        return self.program

    def load(self, node, dot):
        return 1.0 if node.mem == self.wrt and self.dots[node.address.const] is dot else None

    def store(self, node, dot, tangent):
        column = next(k for k, d in enumerate(self.dots) if d is dot)
        if tangent is not None:
            address = Address(node.address.const * self.size + column)
            self.builder.store("J", address, tangent, add=node.add)


def _loop(program: Program, wrt: str, size: int) -> Program:
    """A loop over the columns round the pushforward, with seeds that ask for the column's number."""
    push = pushforward(program, {wrt})
    column = Value("i", "column", 0)
    body = _seeded(push.body, wrt, size, column)
    push.body = Block([Loop(body, index=column, count=size, scratch=True)])
    push.inputs = list(program.inputs)
    return push


def _seeded(block: Block, wrt: str, size: int, column: Value) -> Block:
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
            else:
                for inner in blocks(node):
                    inner[:] = _seeded(inner, wrt, size, column)
                b.emit(node)
    return out
