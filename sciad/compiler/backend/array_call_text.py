"""How array primitives are written: calls of the kernels in `sciad.native.matrix_kernels`."""

from __future__ import annotations

from sciad.compiler.ir.array_calls import as_matrix, transposed
from sciad.compiler.ir.nodes import Call, View

__all__ = ["TEXTS", "call_text"]

LARGE, NARROW = 32**3, 8  # multiplications from which on BLAS is faster; and the least dimension


def call_text(emitter, node: Call) -> str:
    """The call that does `node`.

    Needs of `emitter`: ``index(memory, address)``, the text of an element, and `functions`, the names of
    what is called.
    """
    return TEXTS[node.fn](emitter, node)


def _matmul(emitter, node: Call) -> str:
    (out,) = node.outs
    a, b = (as_matrix(x, column) for x, column in zip(node.args, (False, True), strict=True))
    scale, add = ("-1.0" if node.fn == "matmul_sub" else "1.0"), node.fn != "matmul"
    through_blas = _gemm(emitter, as_matrix(out, True), a, b, scale, add)
    if through_blas is not None:
        return through_blas
    places = [_place(emitter, x) for x in (out, a, b)]
    return _call(emitter, "matmul", *places, f"{a.shape[0]}, {a.shape[1]}, {b.shape[1]}", scale, add)


def _gemm(emitter, c: View, a: View, b: View, scale: str, add: bool) -> str | None:
    """A call of BLAS for matrices that are large, and consecutive along rows or along columns."""
    m, k, n = *a.shape, b.shape[1]
    if m * k * n < LARGE or min(m, k, n) < NARROW:
        return None
    if c.strides[0] != 1:  # by rows: the transposed product
        a, b, c = transposed(b), transposed(a), transposed(c)
        m, n = n, m
    parts = []
    for x in (c, a, b):
        turned = x.strides[0] != 1
        if (1 not in x.strides) or (turned and x is c) or max(x.strides) < x.shape[1 if turned else 0]:
            return None
        text = emitter.index(x.mem, x.address)
        parts += [] if x is c else [turned]
        parts += [x.mem, text[len(x.mem) + 1 : -1], x.strides[0 if turned else 1]]
    return _call(emitter, "gemm", *parts, m, n, k, scale, add)


def _combine(keep: str, scale: str):
    def text(emitter, node: Call) -> str:
        (out,), (source,) = node.outs, node.args
        return _call(
            emitter, "combine", _place(emitter, out), _place(emitter, source), _size(out), keep, scale
        )

    return text


def _zero(emitter, node: Call) -> str:
    (out,) = node.outs
    return _call(emitter, "clear", _place(emitter, out), _size(out))


def _factor(emitter, node: Call) -> str:
    (lu,), (a,) = node.outs, node.args
    return _call(emitter, "factor", _start(emitter, lu), _place(emitter, a), a.shape[0])


def _substitute(emitter, node: Call) -> str:
    (out,), (lu, b, _) = node.outs, node.args
    places = _place(emitter, out), _start(emitter, lu), _place(emitter, b)
    return _call(emitter, "substitute", *places, _size(out), node.fn == "lu_solve_t")


TEXTS = {
    **dict.fromkeys(("matmul", "matmul_add", "matmul_sub"), _matmul),
    "copy": _combine("0.0", "1.0"),
    "add": _combine("1.0", "1.0"),
    "zero": _zero,
    "factor": _factor,
    **dict.fromkeys(("lu_solve", "lu_solve_t"), _substitute),
}


# ------------------------------------------------------------ pieces


def _start(emitter, view: View) -> str:
    """Memory and offset of a view."""
    text = emitter.index(view.mem, view.address)
    at = text[len(view.mem) + 1 : -1] if text != view.mem else "0"
    return f"{view.mem}, {at}"


def _place(emitter, view: View) -> str:
    """Memory, offset and strides of a view as a matrix."""
    view = as_matrix(view, True)
    return f"{_start(emitter, view)}, {view.strides[0]}, {view.strides[1]}"


def _size(view: View) -> str:
    shape = as_matrix(view, True).shape
    return f"{shape[0]}, {shape[1]}"


def _call(emitter, name: str, *parts) -> str:
    emitter.functions.add(name)
    return f"{name}({', '.join(map(str, parts))})"
