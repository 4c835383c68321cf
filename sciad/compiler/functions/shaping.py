"""Functions that look at arrays in another shape or order."""

from __future__ import annotations

import math

import numpy as np

from sciad.compiler.fence import Refusal
from sciad.compiler.functions.creation import concatenate, shape_argument
from sciad.compiler.functions.lowerings import ATTRIBUTES, METHODS, Beyond, lower
from sciad.compiler.ir.builder import type_of
from sciad.compiler.ir.nodes import Value
from sciad.compiler.objects.arrays import (
    SMALL,
    allocate,
    assign,
    copy,
    element,
    elementwise,
    force,
    indices,
    reads_of,
    row_major,
    small,
    static_shape,
)
from sciad.compiler.objects.kinds import Array, Deferred, Lazy, Small, is_array, is_scalar
from sciad.compiler.objects.memory_order import contiguous, reshaped, strides_of
from sciad.compiler.objects.subscripts import Slice, transposed, view


@lower(np.reshape)
def reshape(t, a, shape, order="C"):
    a = t.settled(t.as_array(a))
    if order not in ("C", "F"):
        raise Beyond(f"reshape in the order {order!r}")
    if order == "F":
        back = shape_argument_free(t, shape)[::-1]
        return transpose(t, reshape(t, transpose(t, a), back))
    if is_scalar(a):
        a = small(t, (1,), [a], type_of(a))
    shape = list(shape_argument_free(t, shape))
    if not static_shape(a.shape):
        raise Refusal("reshaping an array of unknown shape")
    size = math.prod(a.shape)
    if -1 in shape:
        known = -math.prod(shape)
        shape[shape.index(-1)] = size // known if known else 0
    if math.prod(shape) != size:
        raise Refusal(f"cannot reshape an array of size {size} into shape {tuple(shape)}")
    if tuple(shape) == tuple(a.shape):
        return view(t, a, [Slice(None, None, None)] * len(shape))
    if not shape:
        return element(t, a, (0,) * len(a.shape))
    strides = strides_of(a)
    if strides is None:
        raise Refusal("reshaping an array whose place in memory is not known", "Copy it before.")
    merged = reshaped(a.shape, strides, shape)
    if merged is None:
        a = copy(t, a)
        merged = row_major(t, shape)
    if isinstance(a, Small):
        return Small(a.box, tuple(shape), a.cells, a.kind)
    return Array(a.mem, a.address, tuple(shape), merged, a.alias, a.kind, a.site)


def shape_argument_free(t, shape):
    items = [shape] if is_scalar(shape) else t.items(shape)
    if all(type(n) is int and n >= -1 for n in items):
        return items
    return shape_argument(t, shape)


def _reshape_method(t, a, *shape, order="C"):
    return reshape(t, a, shape[0] if len(shape) == 1 else tuple(shape), order)


METHODS["array", "reshape"] = _reshape_method


@lower(np.ravel, method="ravel")
def ravel(t, a, order="C"):
    a = t.settled(t.as_array(a))
    if order != "C":
        return reshape(t, a, -1, order)
    if is_scalar(a):
        return small(t, (1,), [a], type_of(a))
    if len(a.shape) == 1 and isinstance(a, Array):  # of any length
        if isinstance(a.strides[0], Value):
            raise Refusal("ravel of an array whose place in memory is not known", "Copy it before.")
        return view(t, a, [Slice(None, None, None)]) if a.strides[0] == 1 else copy(t, a)
    return reshape(t, a if contiguous(a) else copy(t, a), -1)


def _flatten(t, a):
    return reshape(t, copy(t, t.settled(a)), -1)


METHODS["array", "flatten"] = _flatten


@lower(np.transpose)
def transpose(t, a, axes=None):
    a = t.as_array(a)
    if is_scalar(a):
        return a
    order = list(range(len(a.shape)))[::-1] if axes is None else [k % len(a.shape) for k in t.items(axes)]
    return transposed(t, a, order)


def _transpose_method(t, a, *axes):
    if not axes or axes[0] is None:
        return transpose(t, a)
    return transpose(t, a, axes[0] if len(axes) == 1 and not is_scalar(axes[0]) else tuple(axes))


METHODS["array", "transpose"] = _transpose_method
ATTRIBUTES["T"] = transpose


@lower(np.swapaxes, method="swapaxes")
def swapaxes(t, a, axis1, axis2):
    order = list(range(len(a.shape)))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return transposed(t, a, order)


@lower(np.squeeze, method="squeeze")
def squeeze(t, a, axis=None):
    a = t.settled(a)
    drop = (
        [k for k, n in enumerate(a.shape) if type(n) is int and n == 1]
        if axis is None
        else [axis % len(a.shape)]
    )
    return view(t, a, [0 if k in drop else Slice(None, None, None) for k in range(len(a.shape))])


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


def flattened(t, a):
    """The elements of an array in a row, to be read: a view or a copy, whichever is at hand."""
    a = t.settled(t.as_array(a))
    return a if is_array(a) and len(a.shape) == 1 else ravel(t, a)


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

__all__ = ["Deferred", "force", "indices"]
