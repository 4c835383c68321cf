"""Functions with rules of their own, once no further derivative is taken: their bodies."""

from __future__ import annotations

from sciad.compiler.ir.nodes import Block, Custom, Program
from sciad.compiler.ir.walking import blocks, moved

__all__ = ["spliced"]


def spliced(program: Program, only: set[int] | None = None) -> Program:
    """In place; `only` those nodes, by their ids."""
    program.body[:] = _spliced(program.body, only)
    return program


def _spliced(block: Block, only) -> Block:
    out = Block()
    for node in block:
        if isinstance(node, Custom) and (only is None or id(node) in only):
            (given,), (x,), (y,) = node.body.inputs, node.args, node.outs
            moves = {given: (x.mem, x.address, x.alias), node.body.result: (y.mem, y.address, y.alias)}
            out += _spliced(moved(node.body.block, moves), only)
            continue
        for inner in blocks(node):
            inner[:] = _spliced(inner, only)
        out.append(node)
    return out
