"""Products of matrices and vectors, norms, linear systems."""

from __future__ import annotations

import math

import numpy as np

from sciad.compiler.fence import Refusal
from sciad.compiler.functions.creation import eye
from sciad.compiler.functions.lowerings import METHODS, TABLE, Beyond, lower
from sciad.compiler.functions.reductions import fold, sum_
from sciad.compiler.ir.builder import type_of
from sciad.compiler.ir.nodes import Call, Value, View
from sciad.compiler.objects.arrays import (
    SHORT,
    UNROLL,
    address,
    allocate,
    assign,
    copy,
    element,
    elementwise,
    force,
    indices,
    memory,
    nest,
    reads_of,
    same_length,
    small,
    static_shape,
    store,
)
from sciad.compiler.objects.kinds import Array, Deferred, Lazy, Small, is_array, is_scalar
from sciad.rules import products

BLAS = 16  # matrices with all dimensions above this are multiplied by BLAS


@lower(np.matmul)
def matmul(t, a, b):
    a, b = t.as_array(a), t.as_array(b)
    if not (is_array(a) and is_array(b)):
        raise Refusal("@ of a number", "Use *.")
    return product(t, a, b)


@lower(np.dot, method="dot")
def dot(t, a, b):
    a, b = t.as_array(a), t.as_array(b)
    if is_scalar(a) or is_scalar(b):
        return elementwise(t, np.multiply, a, b)
    if len(a.shape) > 2 or len(b.shape) > 2:
        raise Beyond("a product of stacks of matrices")
    return product(t, a, b)


def product(t, a, b):
    """Matrix product."""
    if len(a.shape) > 2 or len(b.shape) > 2:
        return _stacked(t, a, b)
    length = same_length(t, a.shape[-1], b.shape[0], (a.shape, b.shape))
    shape = a.shape[:-1] + b.shape[1:]
    rows = len(a.shape) - 1
    a, b = _operand(t, a, shape), _operand(t, b, shape)

    def at(x, *idx):
        return element(t, x, idx)

    def one(idx):
        left, right = idx[:rows], idx[rows:]

        def step(carry, k):
            term = t.apply(np.multiply, [at(a, *left, *k), at(b, *k, *right)])
            return (term if carry[0] is None else t.apply(np.add, [carry[0], term]),)

        if type(length) is int and 0 < length <= (SHORT if shape else UNROLL):
            carry = (None,)
            for k in range(length):
                carry = step(carry, (k,))
            return carry[0]
        if all(isinstance(x, Small) for x in (a, b)):
            carry = (None,)
            for k in range(length):
                carry = step(carry, (k,))
            return carry[0] if length else 0.0
        zero = 0.0 if "f" in (a.kind, b.kind) else 0
        return fold(t, (length,), step, (zero,))[0]

    kind = "f" if "f" in (a.kind, b.kind) else "i"
    if not shape:
        return one(())
    reads = tuple((r, False) for x in (a, b) for r, _ in reads_of(x))
    if type(length) is int and length <= SHORT:
        return Lazy(shape, one, kind, reads)
    if (
        static_shape((*shape, length))
        and math.prod(shape) <= UNROLL
        and all(isinstance(x, Small) for x in (a, b))
    ):
        return small(t, shape, [one(idx) for idx in indices(shape)], kind)
    if len(shape) == 2 and static_shape((*shape, length)) and min(*shape, length) > BLAS and kind == "f":
        return Deferred(shape, lambda target, fresh: _call(t, "matmul", target, a, b), kind, reads)
    if len(shape) == 2 and type(shape[1]) is int and shape[1] <= SHORT:
        return Deferred(shape, lambda target, fresh: _by_rows(t, target, a, b, length, fresh), kind, reads)
    return Deferred(
        shape,
        lambda target, fresh: nest(t, shape, lambda idx: store(t, target, idx, one(idx), fresh)),
        kind,
        reads,
    )


def _stacked(t, a, b):
    """Products of stacks of matrices, written as sums over letters."""
    left = "j" if len(a.shape) == 1 else "ij"
    right = "j" if len(b.shape) == 1 else "jk"
    stacks = "zyxwvutsrqponml"
    depth = max(len(a.shape), len(b.shape)) - 2
    a_lead, b_lead = (stacks[depth - max(len(x.shape) - 2, 0) : depth] for x in (a, b))
    out = stacks[:depth] + left.replace("j", "") + right.replace("j", "")
    return sum_of_products(t, f"{a_lead}{left},{b_lead}{right}->{out}", a, b)


@lower(products.einsum_)
def sum_of_products(t, subscripts, *arrays):
    """``np.einsum`` with explicit letters, each at most once in a factor; lengths of 1 are broadcast."""
    terms, out = subscripts.split("->")
    terms = terms.split(",")
    arrays = [t.as_array(x) for x in arrays]
    arrays = [force(t, x) if isinstance(x, (Deferred, Lazy)) else x for x in arrays]
    lengths: dict = {}
    for term, x in zip(terms, arrays, strict=True):
        for letter, n in zip(term, x.shape if is_array(x) else (), strict=True):
            known = lengths.get(letter, 1)
            lengths[letter] = n if type(known) is int and known == 1 else known
            if not (type(n) is int and n == 1):
                same_length(t, lengths[letter], n)
    summed = [c for c in dict.fromkeys("".join(terms)) if c not in out]
    kind = "f" if any((x.kind if is_array(x) else type_of(x)) == "f" for x in arrays) else "i"

    def one(idx):
        def step(carry, sub):
            at = dict(zip([*out, *summed], (*idx, *sub), strict=True))
            value = None
            for term, x in zip(terms, arrays, strict=True):
                place = tuple(
                    0 if type(n) is int and n == 1 else at[c]
                    for c, n in zip(term, x.shape if is_array(x) else (), strict=True)
                )
                factor = element(t, x, place)
                value = factor if value is None else t.apply(np.multiply, [value, factor])
            return (t.apply(np.add, [carry[0], value]),)

        return fold(t, tuple(lengths[c] for c in summed), step, (0.0 if kind == "f" else 0,))[0]

    shape = tuple(lengths[c] for c in out)
    if not shape:
        return one(())
    if static_shape(shape) and math.prod(shape) <= UNROLL and all(isinstance(x, Small) for x in arrays):
        return small(t, shape, [one(idx) for idx in indices(shape)], kind)
    reads = tuple((r, False) for x in arrays for r, _ in reads_of(x))
    return Deferred(
        shape, lambda made, fresh: nest(t, shape, lambda i: store(t, made, i, one(i), fresh)), kind, reads
    )


def _operand(t, x, shape):
    """An operand whose elements are read several times is computed first."""
    if isinstance(x, Deferred) or (isinstance(x, Lazy) and x.work and shape):
        return force(t, x)
    return x if isinstance(x, Lazy) else force(t, x)


def _by_rows(t, target, a, b, length, fresh):
    """A product with few columns: all sums of a row in one loop."""
    columns = range(target.shape[1])

    def row(idx):
        def step(carry, k):
            left = element(t, a, (*idx, *k))
            return tuple(
                t.apply(np.add, [c, t.apply(np.multiply, [left, element(t, b, (*k, j))])])
                for j, c in zip(columns, carry, strict=True)
            )

        sums = fold(t, (length,), step, (0.0,) * len(columns))
        for j, value in zip(columns, sums, strict=True):
            store(t, target, (*idx, j), value, fresh)

    nest(t, target.shape[:1], row)


def _call(t, name, target, *args):
    views = [_window(memory(t, x)) for x in args]
    out = target
    if target.mem not in ("T",) or not static_shape(target.strides):
        out = allocate(t, target.shape)
    t.builder.emit(Call(name, (_window(out),), tuple(views)))
    if out is not target:
        assign(t, target, out)


def _window(x: Array) -> View:
    if not static_shape(x.shape + x.strides):
        raise Refusal("a matrix of unknown shape in a matrix function")
    return View(x.mem, x.address, x.shape, x.strides, x.alias)


@lower(np.linalg.solve)
def solve(t, a, b):
    a, b = t.settled(t.as_array(a)), t.settled(t.as_array(b))
    if len(a.shape) != 2 or len(b.shape) > 2:
        raise Beyond("np.linalg.solve of stacks of matrices")
    if a.shape[0] is not a.shape[1] and a.shape[0] != a.shape[1]:
        raise Refusal("np.linalg.solve of a matrix that is not square")
    n = same_length(t, a.shape[0], b.shape[0], (a.shape, b.shape))
    if type(n) is int and n <= 3 and len(b.shape) == 1 and static_shape(a.shape):
        return _cramer(t, a, b, n)
    return Deferred(
        b.shape,
        lambda target, fresh: _solve(t, target, a, b),
        "f",
        tuple((r, False) for x in (a, b) for r, _ in reads_of(x)),
    )


def _solve(t, target, a, b) -> None:
    _call(t, "solve", target, a, b)
    given = t.builder.op(np.logical_and, _is_finite(t, a), _is_finite(t, b))
    fine = t.builder.op(np.logical_or, _is_finite(t, target), t.builder.op(np.logical_not, given))
    t.require(fine, "LinAlgError", "Singular matrix")


def _is_finite(t, x):
    """Whether all elements are: of those that are, 0 times their sum is 0."""
    return t.builder.op(np.equal, sum_(t, elementwise(t, np.multiply, x, 0.0)), 0.0)


def _cramer(t, a, b, n):
    """Closed form for up to three unknowns."""
    m = [[element(t, a, (i, j)) for j in range(n)] for i in range(n)]
    v = [element(t, b, (i,)) for i in range(n)]
    d = _determinant(t, m)
    t.require(t.builder.op(np.not_equal, d, 0.0), "LinAlgError", "Singular matrix")
    replaced = [
        _determinant(t, [[v[i] if j == k else m[i][j] for j in range(n)] for i in range(n)]) for k in range(n)
    ]
    return small(t, (n,), [t.apply(np.divide, [x, d]) for x in replaced], "f")


def _determinant(t, m):
    if len(m) == 1:
        return m[0][0]
    total = None
    for k in range(len(m)):
        minor = [[row[j] for j in range(len(m)) if j != k] for row in m[1:]]
        term = t.apply(np.multiply, [m[0][k], _determinant(t, minor)])
        total = term if total is None else t.apply(np.subtract if k % 2 else np.add, [total, term])
    return total


def det(t, a):
    a = t.settled(t.as_array(a))
    n = a.shape[0]
    if type(n) is not int or n > 3:
        raise Refusal("the determinant of a matrix larger than 3 by 3")
    return _determinant(t, [[element(t, a, (i, j)) for j in range(n)] for i in range(n)])


def inv(t, a):
    a = t.settled(t.as_array(a))
    if len(a.shape) != 2 or type(a.shape[0]) is not int:
        raise Refusal("the inverse of this")
    n = a.shape[0]
    return Deferred(
        (n, n),
        lambda target, fresh: _solve(t, target, a, _whole(t, eye(t, n))),
        "f",
        tuple((r, False) for r, _ in reads_of(a)),
    )


def _whole(t, x):
    made = allocate(t, x.shape)
    assign(t, made, x)
    return made


@lower(np.linalg.norm)
def norm(t, x, ord=None, axis=None, keepdims=False):
    x = t.settled(t.as_array(x))
    if is_scalar(x):
        return t.apply(np.absolute, [x])
    magnitudes = elementwise(t, np.absolute, x)
    vector = len(x.shape) == 1 or axis is not None
    if ord is None or (ord == 2 and vector) or ord == "fro":
        square = elementwise(t, np.multiply, x, x)
        return elementwise(t, np.sqrt, sum_(t, square, axis, keepdims))
    if ord == np.inf and vector:
        return TABLE[np.max](t, magnitudes, axis, keepdims)
    if ord == 1 and vector:
        return sum_(t, magnitudes, axis, keepdims)
    if vector and type(ord) in (int, float) and ord not in (0, -np.inf):
        total = sum_(t, elementwise(t, np.power, magnitudes, ord), axis, keepdims)
        return elementwise(t, np.power, total, 1.0 / ord)
    raise Beyond(f"np.linalg.norm with ord={ord}")


__all__ = ["METHODS", "Value", "address", "copy"]
