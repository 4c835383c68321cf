"""Arrays in another shape, or with their axes in another order."""

from __future__ import annotations

import math

import numpy as np

from sciad.compiler.fence import Refusal
from sciad.compiler.functions.lowerings import ATTRIBUTES, METHODS, Beyond, lower
from sciad.compiler.ir.builder import type_of
from sciad.compiler.ir.nodes import Value
from sciad.compiler.objects.arrays import copy, element, row_major, small, static_shape
from sciad.compiler.objects.kinds import Array, Small, is_array, is_scalar
from sciad.compiler.objects.memory_order import contiguous, reshaped, strides_of
from sciad.compiler.objects.subscripts import Slice, transposed, view

__all__ = ["flattened", "ravel", "reshape", "shape_argument", "transpose"]


def shape_argument(t, shape) -> tuple:
    items = [shape] if is_scalar(shape) else t.items(shape)
    for n in items:
        if not (is_scalar(n) and type_of(n) == "i"):
            raise Refusal(
                f"{t.describe(n)} in a shape",
                "Shapes are integers known while compiling, or int(...) of a number.",
            )
        if type(n) is int and n < 0:
            raise Refusal("a negative length")
    return tuple(items)


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


def flattened(t, a):
    """The elements of an array in a row, to be read: a view or a copy, whichever is at hand."""
    a = t.settled(t.as_array(a))
    return a if is_array(a) and len(a.shape) == 1 else ravel(t, a)


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
