"""Linear systems are solved by factors that stay for the derivatives."""

from __future__ import annotations

from sciad.compiler.ir.array_calls import new_array
from sciad.compiler.ir.nodes import Block, Call, Program
from sciad.compiler.ir.walking import blocks

__all__ = ["factored"]


def factored(program: Program) -> Program:
    """In place: ``solve`` becomes ``factor`` and ``lu_solve``."""
    _factored(program, program.body)
    return program


def _factored(program: Program, block: Block) -> None:
    out = []
    for node in block:
        for inner in blocks(node):
            _factored(program, inner)
        if isinstance(node, Call) and node.fn == "solve":
            a, b = node.args
            n = a.shape[0]
            alloc, lu = new_array(program, (n * n + n,), node)
            out += [alloc, Call("factor", (lu,), (a,), line=node.line)]
            out.append(Call("lu_solve", node.outs, (lu, b, a), line=node.line))
        else:
            out.append(node)
    block[:] = out
