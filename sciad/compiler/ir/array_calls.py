"""Array primitives that the IR calls whole: what they mean.

============== =============================== =================================================
`Call.fn`      operands                        meaning
============== =============================== =================================================
``matmul``     c, a, b                         c = a @ b
``matmul_add`` c, a, b                         c += a @ b
``matmul_sub`` c, a, b                         c -= a @ b
``copy``       c, a                            c = a
``add``        c, a                            c += a
``zero``       c, c                            c = 0
``solve``      x, a, b                         x = a^-1 b (the front end's; `factored` replaces it)
``factor``     lu, a                           factors of a
``lu_solve``   x, lu, b, a                     x = a^-1 b; a is there for the derivative
``lu_solve_t`` x, lu, b, a                     x = a^-T b
============== =============================== =================================================

A primitive is declared three times, once on each floor: its meaning here, its derivatives in
`derivatives.array_call_rules`, and the kernel that does it in `backend.array_call_text`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sciad.compiler.ir.nodes import Address, Alloc, Node, Program, Value, View

__all__ = ["ARRAY_CALLS", "ArrayCall", "as_matrix", "new_array", "transposed"]


@dataclass(frozen=True)
class ArrayCall:
    """What an array primitive computes.

    Attributes
    ----------
    run : callable
        ``run(out, *args)`` writes the result into `out`, an ndarray.
    accumulates : bool
        Whether it adds to what stands in `out`.
    reads : {"products", "elements", "nothing", "all"}
        What an element of the result depends on: a row and a column of the arguments, the same element, or
        any element of any argument.
    """

    run: Callable[..., None]
    accumulates: bool = False
    reads: str = "all"


def _set(function):
    def run(out, *args):
        out[...] = function(*args)

    return run


def _add(function):
    def run(out, *args):
        out += function(*args)

    return run


ARRAY_CALLS: dict[str, ArrayCall] = {
    "matmul": ArrayCall(_set(np.matmul), reads="products"),
    "matmul_add": ArrayCall(_add(np.matmul), accumulates=True, reads="products"),
    "matmul_sub": ArrayCall(_add(lambda a, b: -np.matmul(a, b)), accumulates=True, reads="products"),
    "copy": ArrayCall(_set(lambda a: a), reads="elements"),
    "add": ArrayCall(_add(lambda a: a), accumulates=True, reads="elements"),
    "zero": ArrayCall(_set(lambda out: 0.0), reads="nothing"),
    "solve": ArrayCall(_set(np.linalg.solve)),
    "factor": ArrayCall(lambda lu, a: None),  # the factors need not be looked at
    "lu_solve": ArrayCall(_set(lambda lu, b, a: np.linalg.solve(a, b))),
    "lu_solve_t": ArrayCall(_set(lambda lu, b, a: np.linalg.solve(a.T, b))),
}


# ------------------------------------------------------------ views


def new_array(program: Program, shape: tuple[int, ...], node: Node) -> tuple[Alloc, View]:
    """A new local array: the node that makes it, for the place of `node`, and a view of it."""
    alias, at = program.new_class(), Value("i", "at", 0)
    strides = tuple(math.prod(shape[k + 1 :]) for k in range(len(shape)))
    alloc = Alloc(at, math.prod(shape), alias, line=node.line)
    return alloc, View("T", Address() + at, shape, strides, alias)


def as_matrix(view: View, column: bool) -> View:
    """A vector as a column, or a row."""
    if len(view.shape) == 2:
        return view
    shape, strides = (
        ((view.shape[0], 1), (view.strides[0], 1)) if column else ((1, view.shape[0]), (1, view.strides[0]))
    )
    return dataclasses.replace(view, shape=shape, strides=strides)


def transposed(view: View) -> View:
    """The view with its dimensions in reverse order."""
    return dataclasses.replace(view, shape=view.shape[::-1], strides=view.strides[::-1])
