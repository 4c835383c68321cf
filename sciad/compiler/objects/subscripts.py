"""Subscripts: items, slices, new axes, index arrays and masks, read and written."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sciad.compiler.fence import Refusal, Restart
from sciad.compiler.ir.builder import type_of
from sciad.compiler.ir.nodes import Block, Loop, Operand, Value
from sciad.compiler.objects.arrays import (
    SMALL,
    UNROLL,
    assign,
    broadcast_shape,
    cast,
    copy,
    element,
    elementwise,
    force,
    getter,
    indices,
    nest,
    reads_of,
    show_shape,
    small,
    static_shape,
    store,
    to_be_written,
)
from sciad.compiler.objects.kinds import UNDEFINED, Array, Deferred, Lazy, ListBox, Small, is_array, is_scalar
from sciad.compiler.objects.trace_services import TraceServices


@dataclass(eq=False)
class Slice:
    start: Operand | None
    stop: Operand | None
    step: Operand | None


@dataclass(eq=False)
class _Axis:
    """A kept dimension of a view: element k is element ``start + step*k`` of the dimension; `source`
    None: new axis.
    """

    source: int | None
    start: Operand
    step: int
    length: Operand


def get_item(t: TraceServices, x, key):
    """``x[key]`` for an array: a number, a view, or a gathered array."""
    if isinstance(x, Deferred):
        x = force(t, x)
    keys, advanced = _expand(t, x, key)
    if advanced:
        return _gather(t, x, keys)
    return view(t, x, keys)


def set_item(t: TraceServices, x, key, value) -> None:
    """``x[key] = value`` for an array."""
    x = force(t, x)
    keys, advanced = _expand(t, x, key)
    if advanced:
        _scatter(t, x, keys, value)
        return
    if isinstance(x, Array):
        to_be_written(t, x)
    target = _place(t, x, keys)
    if isinstance(target, tuple):
        if is_array(value):
            if any(type(n) is not int or n != 1 for n in value.shape):
                raise Refusal(f"setting an element to an array of shape {show_shape(value.shape)}")
            value = element(t, value, (0,) * len(value.shape))
        if not is_scalar(value):
            raise Refusal(f"an element of an array is set to {t.describe(value)}")
        store(t, x, target, value)
    else:
        assign(t, target, value)


def view(t: TraceServices, x, keys):
    """The number or view that basic `keys` (one per dimension, and None for new axes) select."""
    place = _place(t, x, keys)
    return element(t, x, place) if isinstance(place, tuple) else place


def _place(t: TraceServices, x, keys):
    """An index tuple if every dimension has an integer, else the view."""
    if not any(isinstance(k, Slice) or k is None for k in keys):
        return tuple(_checked(t, k, n) for k, n in zip(keys, x.shape, strict=True))
    fixed: dict[int, Operand] = {}
    axes: list[_Axis] = []
    dim = 0
    for k in keys:
        if k is None:
            axes.append(_Axis(None, 0, 0, 1))
            continue
        n = x.shape[dim]
        if isinstance(k, Slice):
            axes.append(_Axis(dim, *_range(t, k, n)))
        else:
            fixed[dim] = _checked(t, k, n)
        dim += 1
    return _view(t, x, fixed, axes)


def _view(t: TraceServices, x, fixed, axes):
    shape = tuple(a.length for a in axes)
    if isinstance(x, Small):
        if not static_shape(shape) or any(
            isinstance(i, Value) for i in (*fixed.values(), *(a.start for a in axes))
        ):
            raise Restart(dict.fromkeys(x.box.sites, "memory"))
        cells = np.arange(len(x.cells)).reshape(x.shape)
        position = [fixed.get(d) for d in range(len(x.shape))]
        picked = []
        for idx in indices(shape):
            for a, i in zip(axes, idx, strict=True):
                if a.source is not None:
                    position[a.source] = a.start + a.step * i
            picked.append(x.cells[cells[tuple(position)]])
        return Small(x.box, shape, tuple(picked), x.kind)
    if isinstance(x, Lazy):

        def elem(idx):
            position = [fixed.get(d) for d in range(len(x.shape))]
            for a, i in zip(axes, idx, strict=True):
                if a.source is not None:
                    position[a.source] = t.builder.op(np.add, t.builder.op(np.multiply, i, a.step), a.start)
            return element(t, x, tuple(position))

        return Lazy(shape, elem, x.kind, tuple((r, False) for r, _ in reads_of(x)), x.work)
    at, strides = x.address, []
    for d, i in fixed.items():
        at = at + _scaled(t, i, x.strides[d])
    for a in axes:
        if a.source is None:
            strides.append(0)
        else:
            at = at + _scaled(t, a.start, x.strides[a.source])
            strides.append(t.builder.op(np.multiply, x.strides[a.source], a.step))
    return Array(x.mem, at, shape, tuple(strides), x.alias, x.kind, x.site, x.sequence)


def _scaled(t: TraceServices, i, stride):
    if isinstance(stride, Value):
        return t.affine(t.builder.op(np.multiply, i, stride))
    return t.affine(i) * stride


def _expand(t: TraceServices, x, key) -> tuple[list, bool]:
    """One key per dimension (and None per new axis), and whether any is an array."""
    keys = list(key) if isinstance(key, tuple) else [key]
    keys = [_as_key(t, k) for k in keys]
    used = sum(_dimensions(k) for k in keys)
    if used > len(x.shape):
        raise Refusal(f"too many indices: the array has {len(x.shape)} dimensions, {used} were indexed")
    rest = [Slice(None, None, None) for _ in range(len(x.shape) - used)]
    if any(k is Ellipsis for k in keys):
        at = next(i for i, k in enumerate(keys) if k is Ellipsis)
        keys[at : at + 1] = rest
    else:
        keys += rest
    return keys, any(is_array(k) for k in keys)


def _dimensions(key) -> int:
    if key is None or key is Ellipsis:
        return 0
    return len(key.shape) if is_array(key) and key.kind == "b" else 1


def _as_key(t: TraceServices, k):
    if k is None or k is Ellipsis or isinstance(k, Slice):
        return k
    if isinstance(k, (ListBox, tuple)):
        items = k.items() if isinstance(k, ListBox) else list(k)
        return t.stack_scalars(items)
    if is_array(k):
        if k.kind == "f":
            raise Refusal("an array of floats as an index", "Give it dtype=int.")
        return k
    if is_scalar(k) and type_of(k) == "i":
        return k
    raise Refusal(
        f"{t.describe(k)} as an index",
        "Indices are integers, slices or integer arrays; convert with int(...).",
    )


def _checked(t: TraceServices, i: Operand, n: Operand) -> Operand:
    """An index in range: negative ones wrapped, and checked at run time where nothing proves it."""
    if not isinstance(i, Value) and not isinstance(n, Value):
        if not -n <= i < n:
            raise Refusal(f"index {i} is out of bounds for a dimension of length {n}")
        return i % n
    low = i.low if isinstance(i, Value) else i
    high = i.high if isinstance(i, Value) else i
    op = t.builder.op
    if high < 0:
        i = op(np.add, i, n)
    elif low < 0:
        i = op("select", op(np.less, i, 0), op(np.add, i, n), i)
    bounds = n.low if isinstance(n, Value) else n
    if (i.high if isinstance(i, Value) else i) >= bounds and not t.counts(i, n):
        t.require(op(np.less, i, n), "IndexError", "index out of bounds")
    if low < 0 and (i.low if isinstance(i, Value) else i) < 0:
        t.require(op(np.greater_equal, i, 0), "IndexError", "index out of bounds")
    return t.where_raised(0, i)


def _range(t: TraceServices, key: Slice, n: Operand) -> tuple[Operand, int, Operand]:
    """Start, step and length of a slice of a dimension of length `n`, clamped as Python does."""
    step = 1 if key.step is None else key.step
    if isinstance(step, Value):
        raise Refusal("a slice with a step that is not a constant")
    for x in (key.start, key.stop):
        if x is not None and not (is_scalar(x) and type_of(x) == "i"):
            raise Refusal(f"{t.describe(x)} as a bound of a slice")
    if not any(isinstance(x, Value) for x in (key.start, key.stop, n)):
        start, stop, step = slice(key.start, key.stop, step).indices(n)
        return start, step, len(range(start, stop, step))
    op = t.builder.op
    first, last = (0, n) if step > 0 else (-1, op(np.subtract, n, 1))

    def clamped(x):
        low, high = (x.low, x.high) if isinstance(x, Value) else (x, x)
        if high < 0:
            x = op(np.add, x, n)
        elif low < 0:
            x = op("select", op(np.less, x, 0), op(np.add, x, n), x)
        low, high = (x.low, x.high) if isinstance(x, Value) else (x, x)
        if low < first:
            x = op(np.maximum, x, first)
        top = last.low if isinstance(last, Value) else last
        if high > top and not t.counts(x, last, strict=False):
            x = op(np.minimum, x, last)
        return x

    start = (first if step > 0 else last) if key.start is None else clamped(key.start)
    stop = (last if step > 0 else first) if key.stop is None else clamped(key.stop)
    span = t.affine(stop) + t.affine(start) * -1 if step > 0 else t.affine(start) + t.affine(stop) * -1
    length = t.operand(span)
    if step not in (1, -1):
        length = op(np.floor_divide, op(np.add, length, abs(step) - 1), abs(step))
    if (length.low if isinstance(length, Value) else length) < 0:
        length = op(np.maximum, length, 0)
    return start, step, length


# --------------------------------------------------------------------------------------------------


def _gather(t: TraceServices, x, keys):
    keys = _without_masks(t, keys)
    shape, locate = _plan(t, x, keys)
    reads = tuple((r, False) for y in (x, *filter(is_array, keys)) for r, _ in reads_of(y))
    if isinstance(x, Small) and static_shape(shape) and math.prod(shape) <= SMALL:
        return small(t, shape, [element(t, x, locate(idx)) for idx in indices(shape)], x.kind)
    return Lazy(shape, lambda idx: element(t, x, locate(idx)), x.kind, reads, work=True)


def _plan(t: TraceServices, x, keys):
    """Shape of ``x[keys]`` with index arrays among the keys; ``locate(idx)``: where in `x` an element is."""
    shape = broadcast_shape(t, *(k.shape for k in keys if is_array(k)))
    places = [i for i, k in enumerate(keys) if is_array(k) or is_scalar(k)]
    together = places == list(range(places[0], places[-1] + 1))
    kept, dim, plan = [], 0, []
    for k in keys:
        if k is None:
            kept.append(1)
            plan.append(("new", None, None))
            continue
        n = x.shape[dim]
        dim += 1
        if isinstance(k, Slice):
            start, step, length = _range(t, k, n)
            kept.append(length)
            plan.append(("slice", start, step))
        elif is_array(k):
            plan.append(("array", getter(t, _indices_in_range(t, k, n), shape), None))
        else:
            plan.append(("fixed", _checked(t, k, n), None))
    front = places[0] if together else 0
    position = sum(1 for kind, *_ in plan[:front] if kind in ("slice", "new"))

    def locate(idx):
        mine = idx[position : position + len(shape)]
        rest = iter(idx[:position] + idx[position + len(shape) :])
        source = []
        for kind, a, step in plan:
            if kind == "new":
                next(rest)
            elif kind == "slice":
                source.append(t.builder.op(np.add, t.builder.op(np.multiply, next(rest), step), a))
            else:
                source.append(a(mine) if kind == "array" else a)
        return tuple(source)

    return (*kept[:position], *shape, *kept[position:]), locate


def _indices_in_range(t: TraceServices, k, n):
    """An index array with negative entries wrapped, checked before it is used."""
    k = force(t, k)
    if isinstance(k, Small):
        cells = [k.box.slots[c] for c in k.cells]
        if all(type(c) is int for c in cells) and type(n) is int:
            wrapped = [_checked(t, c, n) for c in cells]
            return k if wrapped == cells else small(t, k.shape, wrapped, "i")
        return small(t, k.shape, [_checked(t, c, n) for c in cells], "i")
    if k.mem == "C" and static_shape(k.shape) and type(n) is int:
        values = t.constant_values(k)
        if values.size and (values.min() < 0 or values.max() >= n):
            return small(t, k.shape, [_checked(t, int(c), n) for c in values.ravel()], "i")
        return k
    made = Lazy(k.shape, lambda idx: _wrapped(t, element(t, k, idx), n), "i", reads_of(k))
    _each(t, k.shape, lambda idx: _require_index(t, element(t, made, idx), n))
    if t.raised is not False:
        return Lazy(k.shape, lambda idx: t.where_raised(0, element(t, made, idx)), "i", reads_of(k))
    return made


def _wrapped(t: TraceServices, i, n):
    return t.builder.op("select", t.builder.op(np.less, i, 0), t.builder.op(np.add, i, n), i)


def _require_index(t: TraceServices, i, n):
    inside = t.builder.op(np.logical_and, t.builder.op(np.greater_equal, i, 0), t.builder.op(np.less, i, n))
    t.require(inside, "IndexError", "index out of bounds")


def _each(t: TraceServices, shape, body, idx=()):
    """Nested loops in order (iterations may depend on each other)."""
    if not shape:
        body(idx)
        return
    n = shape[0]
    index = Value("i", "q", 0, (n.high if isinstance(n, Value) else n) - 1)
    block = Block()
    with t.builder.into(block):
        _each(t, shape[1:], body, (*idx, index))
    t.builder.emit(Loop(block, index=index, count=n))


def _without_masks(t: TraceServices, keys):
    """Masks that are known while compiling, as index arrays."""
    out = []
    for k in keys:
        if is_array(k) and k.kind == "b":
            known = _known(t, force(t, k))
            if known is None:
                raise Refusal(
                    "selecting by a mask that depends on values gives an array of unknown length",
                    "Use np.where(mask, x, 0.0), or write x[mask] = value.",
                )
            for axis in np.nonzero(known):
                out.append(small(t, axis.shape, [int(i) for i in axis], "i"))
        else:
            out.append(k)
    return out


def _known(t: TraceServices, k):
    if isinstance(k, Small):
        cells = [k.box.slots[c] for c in k.cells]
        if not any(isinstance(c, Value) or c is UNDEFINED for c in cells):
            return np.array(cells).reshape(k.shape)
    elif k.mem == "C":
        return t.constant_values(k) != 0
    return None


def _scatter(t: TraceServices, x, keys, value):
    masks = [k for k in keys if is_array(k) and k.kind == "b"]
    if masks and _known(t, force(t, masks[0])) is None:
        if len(keys) != 1 or len(masks[0].shape) != len(x.shape):
            raise Refusal("a mask beside other indices", "Use np.where and assign the whole array.")
        if is_array(value):
            raise Refusal("writing an array through a mask", "Use x[:] = np.where(mask, value, x).")
        mask = masks[0]
        new = Lazy(
            x.shape,
            lambda idx: t.builder.select(element(t, mask, idx), cast(t, value, x.kind), element(t, x, idx)),
            x.kind,
            (*reads_of(mask), *reads_of(x)),
        )
        assign(t, x, new)
        return
    shape, locate = _plan(t, x, _without_masks(t, keys))
    if is_array(value):
        value = copy(t, value) if reads_of(value) else force(t, value)
    get = getter(t, value, shape)
    if isinstance(x, Small) or (static_shape(shape) and math.prod(shape) <= UNROLL):
        for idx in indices(shape):
            store(t, x, locate(idx), get(idx))
    else:
        _each(t, shape, lambda idx: store(t, x, locate(idx), get(idx)))


def add_at(t: TraceServices, x, key, value) -> None:
    """``np.add.at(x, key, value)``: what falls to one place is summed."""
    x = force(t, x)
    keys, advanced = _expand(t, x, key)
    if not advanced:
        old = view(t, x, keys)
        set_item(t, x, key, elementwise(t, np.add, old, value))
        return
    if isinstance(x, Array):
        to_be_written(t, x)
    shape, locate = _plan(t, x, _without_masks(t, keys))
    get = getter(t, force(t, value) if is_array(value) else value, shape)

    def add(idx):
        place = locate(idx)
        store(t, x, place, t.apply(np.add, [element(t, x, place), get(idx)]))

    if isinstance(x, Small) or (static_shape(shape) and math.prod(shape) <= UNROLL):
        for idx in indices(shape):
            add(idx)
    else:
        _each(t, shape, add)


def transposed(t: TraceServices, x, axes):
    """A view with its dimensions in another order."""
    if isinstance(x, Deferred):
        x = force(t, x)
    whole = [_Axis(d, 0, 1, n) for d, n in enumerate(x.shape)]
    made = _view(t, x, {}, [whole[a] for a in axes])
    if isinstance(made, Lazy):  # not computed yet: its axes stay where they would have been
        order = tuple(axes.index(a) for a in x.order or range(len(axes)))
        made.order = None if order == tuple(range(len(axes))) else order
    return made


__all__ = ["Slice", "get_item", "nest", "set_item", "transposed", "view"]
