"""Functions that move, repeat and turn the elements and axes of arrays."""

from __future__ import annotations

import numpy as np

from sciad.compiler.fence import Refusal
from sciad.compiler.functions.creation import concatenate
from sciad.compiler.functions.lowerings import ATTRIBUTES, Beyond, lower
from sciad.compiler.functions.reshaping import flattened, ravel, reshape
from sciad.compiler.ir.builder import type_of
from sciad.compiler.ir.nodes import Value
from sciad.compiler.objects.arrays import (
    SMALL,
    allocate,
    assign,
    copy,
    element,
    elementwise,
    reads_of,
    small,
)
from sciad.compiler.objects.kinds import Lazy, Small, is_array, is_scalar
from sciad.compiler.objects.memory_order import contiguous
from sciad.compiler.objects.subscripts import Slice, view


@lower(np.roll)
def roll(t, a, shift, axis=None):
    a = t.settled(t.as_array(a))
    if type(shift) is not int:
        raise Beyond(
            "np.roll by a number not known while compiling",
            "Use an index array: a[(np.arange(n) - shift) % n].",
        )
    if axis is None:
        if len(a.shape) > 1:
            return reshape(t, roll(t, flattened(t, a), shift), a.shape)
        axis = 0
    n = a.shape[axis]
    shift = shift % n if type(n) is int else shift
    if shift == 0:
        return copy(t, a)
    keys = [Slice(None, None, None)] * len(a.shape)

    def part(start, stop):
        keys[axis] = Slice(start, stop, None)
        return view(t, a, list(keys))

    return concatenate(t, [part(-shift, None), part(None, -shift)], axis)


@lower(np.diff)
def diff(t, a, n=1, axis=-1):
    a = t.settled(t.as_array(a))
    for _ in range(n):
        keys = [Slice(None, None, None)] * len(a.shape)
        keys[axis] = Slice(1, None, None)
        upper = view(t, a, list(keys))
        keys[axis] = Slice(None, -1, None)
        a = elementwise(t, np.subtract, upper, view(t, a, list(keys)))
        a = t.settled(a) if n > 1 else a
    return a


@lower(np.tril)
def tril(t, m, k=0):
    return _triangle(t, m, k, lower_part=True)


@lower(np.triu)
def triu(t, m, k=0):
    return _triangle(t, m, k, lower_part=False)


def _triangle(t, m, k, lower_part):
    m = t.settled(m)
    op = t.builder.op
    compare = np.less_equal if lower_part else np.greater_equal

    def elem(idx):
        inside = op(compare, op(np.subtract, idx[-1], idx[-2]), k)
        return t.builder.select(inside, element(t, m, idx), 0.0)

    return Lazy(m.shape, elem, m.kind, reads_of(m))


@lower(np.gradient)
def gradient(t, f, dx=1.0):
    f = t.settled(f)
    if len(f.shape) != 1 or not is_scalar(dx) or isinstance(f.shape[0], Value) or f.shape[0] < 2:
        raise Beyond("np.gradient of anything but a vector with one spacing")
    n = f.shape[0]

    def difference(i, j, width):
        return t.apply(np.divide, [t.apply(np.subtract, [element(t, f, (i,)), element(t, f, (j,))]), width])

    ends = [difference(1, 0, dx), difference(n - 1, n - 2, dx)]
    twice = t.apply(np.multiply, [2.0, dx])
    if n <= SMALL and isinstance(f, Small):
        return small(
            t, (n,), [ends[0], *(difference(i + 1, i - 1, twice) for i in range(1, n - 1)), ends[1]], "f"
        )
    made = allocate(t, (n,), "f")
    for place, value in zip((0, n - 1), ends, strict=True):
        from sciad.compiler.objects.arrays import store

        store(t, made, (place,), value)
    inner = view(t, made, [Slice(1, n - 1, None)])
    op = t.builder.op
    assign(
        t,
        inner,
        Lazy((n - 2,), lambda idx: difference(op(np.add, idx[0], 2), idx[0], twice), "f", reads_of(f)),
    )
    return made


def _shape(t, a):
    return tuple(a.shape) if is_array(a) else ()


ATTRIBUTES["shape"] = _shape
ATTRIBUTES["ndim"] = lambda t, a: len(a.shape) if is_array(a) else 0
ATTRIBUTES["size"] = lambda t, a: _size(t, a)
ATTRIBUTES["dtype"] = lambda t, a: np.dtype(
    {"f": float, "i": int, "b": bool}[a.kind if is_array(a) else type_of(a)]
)
ATTRIBUTES["real"] = lambda t, a: a
ATTRIBUTES["flat"] = lambda t, a: _flat(t, a)


def _flat(t, a):
    if not contiguous(a):
        raise Refusal("flat of an array with gaps or in another order", "Use ravel() to read it.")
    return ravel(t, a)


@lower(np.size)
def _size(t, a, axis=None):
    a = t.as_array(a)
    if is_scalar(a):
        return 1
    if axis is not None:
        return a.shape[axis]
    total = 1
    for n in a.shape:
        total = t.builder.op(np.multiply, total, n)
    return total


lower(np.shape)(lambda t, a: _shape(t, t.as_array(a)))
lower(np.ndim)(lambda t, a: len(_shape(t, t.as_array(a))))
