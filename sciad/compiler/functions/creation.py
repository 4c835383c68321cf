"""Functions that make arrays."""

from __future__ import annotations

import ast

import numpy as np

from sciad.compiler.fence import Refusal
from sciad.compiler.functions.lowerings import METHODS, Beyond, lower
from sciad.compiler.functions.reshaping import flattened, shape_argument
from sciad.compiler.ir.builder import type_of
from sciad.compiler.ir.nodes import Value
from sciad.compiler.objects.arrays import (
    SMALL,
    Deferred,
    as_lazy,
    assign,
    broadcast_shape,
    cast,
    copy,
    element,
    elementwise,
    filled,
    force,
    indices,
    reads_of,
    row_major,
    small,
    static_shape,
)
from sciad.compiler.objects.kinds import (
    Array,
    DictBox,
    Host,
    Lazy,
    ListBox,
    Range,
    Small,
    is_array,
    is_scalar,
)
from sciad.compiler.objects.memory_order import contiguous, result_order
from sciad.compiler.objects.subscripts import Slice, transposed, view
from sciad.rules import array_functions


@lower(np.array)
def array(t, x, dtype=None, copy=None):
    made = t.as_array(x)
    fresh = (
        isinstance(t.node, ast.Call)
        and t.node.args
        and isinstance(t.node.args[0], (ast.ListComp, ast.List, ast.Tuple))
    )
    if is_array(made) and copy is not False and (made is x or (not fresh and isinstance(made, Array))):
        made = copied(t, made, keep_order=True)
    return converted(t, made, dtype)


@lower(np.asarray)
def asarray(t, a, dtype=None):
    return converted(t, t.as_array(a), dtype)


@lower(np.ascontiguousarray)
def _ascontiguousarray(t, a, dtype=None):
    a = t.settled(asarray(t, _atleast_1d(t, a), dtype))
    return a if contiguous(a) else copied(t, a)


@lower(np.atleast_1d)
def _atleast_1d(t, x):
    x = t.as_array(x)
    return x if is_array(x) else small(t, (1,), [x], type_of(x))


copied = copy  # some functions here have an argument named copy


@lower(np.copy)
def _copy(t, a):
    a = t.as_array(a)
    return copied(t, a, keep_order=True) if is_array(a) else a


METHODS["array", "copy"] = lambda t, x: copied(t, x) if is_array(x) else x


def converted(t, x, dtype):
    if dtype is None:
        return x
    kind = t.kind_of_dtype(dtype)
    if is_array(x) and x.kind != kind:
        return elementwise(t, lambda v: cast(t, v, kind), x, kind=kind)
    return cast(t, x, kind) if is_scalar(x) else x


@lower(np.zeros)
def zeros(t, shape, dtype=float):
    return filled(t, shape_argument(t, shape), 0, t.kind_of_dtype(dtype))


@lower(np.ones)
def ones(t, shape, dtype=float):
    return filled(t, shape_argument(t, shape), 1, t.kind_of_dtype(dtype))


@lower(np.empty)
def empty(t, shape, dtype=float):
    return filled(t, shape_argument(t, shape), None, t.kind_of_dtype(dtype))


@lower(np.full)
def full(t, shape, fill_value, dtype=None):
    kind = type_of(fill_value) if dtype is None and is_scalar(fill_value) else t.kind_of_dtype(dtype or float)
    shape = shape_argument(t, shape)
    if is_scalar(fill_value):
        return filled(t, shape, cast(t, fill_value, kind), kind)
    return broadcast_to(t, t.as_array(fill_value), shape)


def _like(value):
    def lowering(t, a, dtype=None, shape=None):
        a = t.as_array(a)
        shape = (a.shape if is_array(a) else ()) if shape is None else shape_argument(t, shape)
        kind = (a.kind if is_array(a) else type_of(a)) if dtype is None else t.kind_of_dtype(dtype)
        made = filled(t, shape, value, kind)
        if is_array(a) and len(shape) == len(a.shape):
            made.order = result_order(shape, [a])
        return made if shape else made.elem(())

    return lowering


lower(np.zeros_like)(_like(0))
lower(np.ones_like)(_like(1))
lower(np.empty_like)(_like(None))


@lower(np.arange)
def arange(t, start, stop=None, step=1, dtype=None):
    if stop is None:
        start, stop = 0, start
    args = (start, stop, step)
    if all(type_of(a) == "i" for a in args) and type(step) is int:
        count = t.iteration(Range(start, stop, step)).count
        kind = "i"
    elif not any(isinstance(a, Value) for a in args):
        count, kind = len(np.arange(*args)), "f"
    else:
        raise Refusal(
            "np.arange with a length that depends on values", "Use np.linspace or start + step*np.arange(n)."
        )
    op = t.builder.op
    made = Lazy((count,), lambda idx: op(np.add, start, op(np.multiply, idx[0], step)), kind)
    if kind == "f":
        made = elementwise(t, t.builder.to_float, made, kind="f")
    return converted(t, made, dtype)


@lower(np.linspace)
def linspace(t, start, stop, num=50, endpoint=True):
    if not (is_scalar(start) and is_scalar(stop)):
        raise Beyond("np.linspace between arrays")
    if type(num) is not int:
        raise Refusal("np.linspace with a length not known while compiling")
    start, stop = t.builder.to_float(start), t.builder.to_float(stop)
    div = num - 1 if endpoint else num
    op = t.builder.op
    step = op(np.divide, op(np.subtract, stop, start), float(div)) if div > 0 else 0.0

    def elem(idx):
        (i,) = idx
        if type(i) is int and endpoint and i == num - 1 and num > 1:
            return stop
        value = op(np.add, op(np.multiply, op("float", i), step), start)
        if isinstance(i, Value) and endpoint and num > 1:
            return t.builder.select(op(np.equal, i, num - 1), stop, value)
        return value

    return Lazy((num,), elem, "f")


@lower(np.eye, np.identity)
def eye(t, N, M=None, k=0, dtype=float):
    shape = (N, N if M is None else M)
    op = t.builder.op

    def elem(idx):
        return op("float", op(np.equal, op(np.add, idx[0], k), idx[1]))

    return converted(t, Lazy(shape, elem, "f"), dtype)


@lower(np.diagonal, array_functions.diagonal_, method="diagonal")
def diagonal(t, a, offset=0, axis1=0, axis2=1, writeable=False):
    a = t.settled(t.as_array(a))
    ndim = len(a.shape)
    if ndim < 2 or not static_shape(a.shape):
        raise Refusal("the diagonal of this array")
    axes = [axis1 % ndim, axis2 % ndim]
    a = transposed(t, a, [k for k in range(ndim) if k not in axes] + axes)
    if isinstance(a, Small):
        cells = np.diagonal(np.array(a.cells).reshape(a.shape), offset, -2, -1)
        return Small(a.box, cells.shape, tuple(cells.ravel().tolist()), a.kind)
    rows, columns = a.shape[-2:]
    n = max(min(rows + min(offset, 0), columns - max(offset, 0)), 0)
    at = a.address + t.affine(max(-offset, 0)) * a.strides[-2] + t.affine(max(offset, 0)) * a.strides[-1]
    strides = (*a.strides[:-2], a.strides[-2] + a.strides[-1])
    return Array(a.mem, at, (*a.shape[:-2], n), strides, a.alias, a.kind, a.site)


@lower(np.broadcast_to)
def broadcast_to(t, x, shape):
    x = t.as_array(x)
    shape = shape_argument(t, shape)
    if is_scalar(x):
        return filled(t, shape, x, type_of(x))
    broadcast_shape(t, x.shape, shape)
    from sciad.compiler.objects.arrays import getter

    get = getter(t, x, shape)
    return Lazy(shape, get, x.kind, tuple((r, False) for r, _ in reads_of(x)), work=False)


# --------------------------------------------------------------------------------------------------


@lower(np.concatenate)
def concatenate(t, arrays, axis=0):
    pieces = [p if is_array(p) else t.as_array(p) for p in t.items(arrays)]
    if not all(is_array(p) for p in pieces):
        raise Refusal("np.concatenate of numbers", "Use np.array([...]) or np.hstack.")
    if axis is None:
        pieces, axis = [flattened(t, p) for p in pieces], 0
    pieces = [force(t, p) if isinstance(p, Lazy) and p.forced is not None else p for p in pieces]
    axis = axis % len(pieces[0].shape)
    kind = "f" if any(p.kind == "f" for p in pieces) else pieces[0].kind
    total = 0
    for p in pieces:
        total = t.builder.op(np.add, total, p.shape[axis])
    shape = pieces[0].shape[:axis] + (total,) + pieces[0].shape[axis + 1 :]
    if (
        static_shape(shape)
        and np.prod(shape) <= SMALL
        and all(isinstance(p, Small) or np.prod(p.shape) <= 8 for p in pieces)
    ):
        pieces = [force(t, p) for p in pieces]
        parts = [
            np.array([Cell(element(t, p, idx)) for idx in indices(p.shape)]).reshape(p.shape) for p in pieces
        ]
        joined = np.concatenate(parts, axis)
        return small(t, joined.shape, [c.value for c in joined.ravel()], kind)

    def write(target, fresh):
        at = 0
        for p in pieces:
            keys = [Slice(None, None, None)] * len(shape)
            end = t.builder.op(np.add, at, p.shape[axis])
            keys[axis] = Slice(at, end, None)
            part = view(t, target, keys)
            assign(t, part, p, fresh=fresh and static_shape(shape))
            at = end

    return Deferred(shape, write, kind, tuple((r, False) for p in pieces for r, _ in reads_of(p)))


class Cell:
    """Keeps NumPy from looking into an operand."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


@lower(np.stack)
def stack(t, arrays, axis=0):
    items = [t.as_array(a) for a in t.items(arrays)]
    if all(is_scalar(a) for a in items):
        return t.stack_scalars(items)
    ndim = len(items[0].shape) + 1
    axis = axis % ndim
    keys = [Slice(None, None, None)] * (ndim - 1)
    keys.insert(axis, None)
    return concatenate(t, [view(t, force(t, a) if isinstance(a, Deferred) else a, keys) for a in items], axis)


@lower(np.tile)
def tile(t, A, reps):
    a = _atleast_1d(t, A)
    if type(reps) is not int or len(a.shape) != 1:
        raise Beyond("np.tile of anything but a vector, a known number of times")
    return concatenate(t, [a] * reps, 0)


@lower(np.repeat)
def repeat(t, a, repeats):
    a = t.settled(_atleast_1d(t, a))
    if type(repeats) is not int or len(a.shape) != 1:
        raise Beyond("np.repeat of anything but a vector, a known number of times")
    length = t.builder.op(np.multiply, a.shape[0], repeats)
    return Lazy(
        (length,),
        lambda idx: element(t, a, (t.builder.op(np.floor_divide, idx[0], repeats),)),
        a.kind,
        reads_of(a),
    )


class Creation:
    """Conversions the interpreter offers to all lowerings."""

    def as_array(self, x):
        """Lists and tuples as arrays; numbers and arrays as they are."""
        if is_scalar(x) or is_array(x):
            return (
                Array(x.mem, x.address, x.shape, x.strides, x.alias, x.kind, x.site)
                if getattr(x, "sequence", False)
                else x
            )
        x = self.unwrapped(x)
        if isinstance(x, (ListBox, tuple, Range)) or (
            isinstance(x, Host) and isinstance(x.obj, (list, tuple))
        ):
            items = [self.as_array(e) for e in self.items(x)]
            if all(is_scalar(e) for e in items):
                return self.stack_scalars(items)
            return stack(self, items)
        if is_scalar(x):
            return x
        raise Refusal(f"{self.describe(x)} where a number or an array is expected")

    def stack_scalars(self, items):
        kinds = {type_of(e) for e in items}
        kind = "f" if "f" in kinds or not kinds else "i" if "i" in kinds else "b"
        return small(self, (len(items),), items, kind)

    def kind_of_dtype(self, dtype) -> str:
        if isinstance(dtype, str) and dtype in ("f", "i", "b"):
            return dtype
        try:
            found = np.dtype(dtype).kind
        except TypeError:
            raise Refusal(f"dtype {dtype!r}") from None
        if found not in "fiub" or np.dtype(dtype) in (np.float32, np.float16):
            raise Refusal(f"dtype {dtype}", "Use float (float64), int or bool.")
        return {"u": "i"}.get(found, found)


__all__ = ["Creation", "DictBox", "as_lazy", "row_major"]
