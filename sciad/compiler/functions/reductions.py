"""Reductions: sums, products, extremes, norms, cumulative sums, over all elements or along axes."""

from __future__ import annotations

import math

import numpy as np

from sciad.compiler.fence import Refusal
from sciad.compiler.functions.elementwise import isclose, truths
from sciad.compiler.functions.lowerings import METHODS, lower
from sciad.compiler.functions.reshaping import flattened, reshape
from sciad.compiler.ir.builder import type_of
from sciad.compiler.ir.nodes import INF, Block, Carried, Loop, Value
from sciad.compiler.objects.arrays import (
    SHORT,
    UNROLL,
    allocate,
    as_lazy,
    cast,
    copy,
    element,
    elementwise,
    fill,
    force,
    indices,
    nest,
    small,
    static_shape,
    store,
)
from sciad.compiler.objects.kinds import Array, Deferred, Lazy, Small, is_array, is_scalar


def fold(t, shape, step, start, idx=()):
    """``start`` carried through ``step(carry, idx)`` over all indices: nested loops, short dimensions
    written out.

    `start` is a tuple of operands; `step` returns a tuple of the same kinds.
    """
    if not shape:
        return step(start, idx)
    n = shape[0]
    if type(n) is int and n <= (UNROLL if len(shape) == 1 and not idx else SHORT):
        for k in range(n):
            start = fold(t, shape[1:], step, start, (*idx, k))
        return start
    index = Value("i", "ijklmn"[len(idx)], 0, (n.high if isinstance(n, Value) else n) - 1)
    params = tuple(Value(type_of(s), "total") for s in start)
    block = Block()
    with t.builder.into(block):
        ends = fold(t, shape[1:], step, params, (*idx, index))
        ends = tuple(cast(t, e, p.type) for e, p in zip(ends, params, strict=True))
    outs = tuple(Value(p.type, p.name) for p in params)
    carried = [Carried(*parts) for parts in zip(params, start, ends, outs, strict=True)]
    t.builder.emit(Loop(block, carried, index=index, count=n))
    return outs


def sum_of(t, n, term):
    """``sum(term(k) for k in range(n))`` of scalars."""
    first = [0.0]

    def step(carry, idx):
        value = term(idx[0])
        return (t.apply(np.add, [carry[0], value]),)

    probe = Block()
    with t.builder.into(probe):
        kind = (
            type_of(term(Value("i", "", 0, 0) if not (type(n) is int and n <= UNROLL) else 0)) if n else "f"
        )
    first = 0 if kind == "i" else 0.0
    return fold(t, (n,), step, (first,))[0]


def reduce(t, x, axis, step, start, kind=None, keepdims=False):
    """Fold ``step(carry, value)`` over all elements (axis None) or along axes; `start` a tuple, the
    result its first.
    """
    x = t.as_array(x)
    if is_scalar(x):
        return step(start, x)[0]
    if isinstance(x, Deferred):
        x = force(t, x)
    if axis is None:
        x = _settle_if_small(t, x)
        result = fold(t, x.shape, lambda carry, idx: step(carry, element(t, x, idx)), start)[0]
        return small(t, (1,) * len(x.shape), [result], type_of(result)) if keepdims else result
    ndim = len(x.shape)
    axes = sorted({a % ndim for a in ([axis] if type(axis) is int else t.items(axis))})
    if isinstance(x, Lazy) and x.work:
        x = force(t, x)
    kept = [k for k in range(ndim) if k not in axes]
    shape = tuple(x.shape[k] for k in kept)
    if not shape:
        return reduce(t, x, None, step, start, kind, keepdims)
    inner = tuple(x.shape[k] for k in axes)

    def one(idx):
        def visit(carry, sub):
            full: list = [None] * ndim
            for k, i in (*zip(kept, idx, strict=True), *zip(axes, sub, strict=True)):
                full[k] = i
            return step(carry, element(t, x, tuple(full)))

        return fold(t, inner, visit, start)[0]

    kind = kind or type_of(start[0])
    if (
        static_shape(x.shape)
        and math.prod(shape) <= UNROLL
        and (isinstance(x, Small) or math.prod(x.shape) <= 64)
    ):
        made = small(t, shape, [one(idx) for idx in indices(shape)], kind)
    else:
        made = allocate(t, shape, kind)
        nest(t, shape, lambda idx: store(t, made, idx, one(idx), fresh=True))
    if keepdims:
        return reshape(t, made, tuple(1 if k in axes else n for k, n in enumerate(x.shape)))
    return made


def _settle_if_small(t, x):
    """Elements that are cheap to keep apart are computed before they are folded."""
    return force(t, x) if static_shape(x.shape) and math.prod(x.shape) <= UNROLL else x


def _zero(x):
    kind = x.kind if is_array(x) else type_of(x)
    return 0.0 if kind == "f" else 0


def _add(t):
    return lambda carry, v: (t.apply(np.add, [carry[0], v]),)


@lower(np.sum, method="sum")
def sum_(t, a, axis=None, keepdims=False):
    a = t.as_array(a)
    a = _unrolled(t, a, axis)
    return reduce(t, a, axis, _add(t), (_zero(a),), keepdims=keepdims)


def _unrolled(t, a, axis):
    """Separate scalars are summed one by one however many there are."""
    if axis is None and isinstance(a, Small):
        return Small(a.box, (len(a.cells),), a.cells, a.kind) if len(a.cells) <= UNROLL else _in_rows(a)
    return a


def _in_rows(a: Small):
    """A small array split in rows short enough to be written out."""
    n = len(a.cells)
    width = next((w for w in range(SHORT, 0, -1) if n % w == 0), 1)
    shape = [width]
    rest = n // width
    while rest > 1:
        w = next((w for w in range(SHORT, 1, -1) if rest % w == 0), rest)
        shape.insert(0, w)
        rest //= w
    return Small(a.box, tuple(shape), a.cells, a.kind) if max(shape) <= UNROLL else a


@lower(np.prod, method="prod")
def prod(t, a, axis=None, keepdims=False):
    a = t.as_array(a)
    one = 1.0 if (a.kind if is_array(a) else type_of(a)) == "f" else 1
    return reduce(
        t,
        _unrolled(t, a, axis),
        axis,
        lambda c, v: (t.apply(np.multiply, [c[0], v]),),
        (one,),
        keepdims=keepdims,
    )


def count_of(t, a, axis):
    if is_scalar(a):
        return 1.0
    axes = (
        range(len(a.shape))
        if axis is None
        else [k % len(a.shape) for k in ([axis] if type(axis) is int else t.items(axis))]
    )
    total = 1
    for k in axes:
        total = t.builder.op(np.multiply, total, a.shape[k])
    return t.builder.to_float(total)


@lower(np.mean, method="mean")
def mean(t, a, axis=None, keepdims=False):
    a = t.as_array(a)
    return elementwise(t, np.divide, sum_(t, a, axis, keepdims), count_of(t, a, axis))


def _extreme(fn, limit):
    def lowering(t, a, axis=None, keepdims=False):
        a = t.as_array(a)
        start = limit if (a.kind if is_array(a) else type_of(a)) == "f" else int(math.copysign(2**62, limit))
        if axis is None and is_array(
            a
        ):  # begin with the first element: an infinity would enter the derivative
            a = force(t, a) if isinstance(a, Deferred) else a
            if 0 in a.shape:
                raise Refusal("the maximum or minimum of an array without elements")
            start = element(t, a, (0,) * len(a.shape))
        return reduce(
            t,
            _unrolled(t, a, axis),
            axis,
            lambda c, v: (t.apply(fn, [c[0], v]),),
            (start,),
            keepdims=keepdims,
        )

    return lowering


lower(np.max, np.amax, method="max")(_extreme(np.maximum, -INF))
lower(np.min, np.amin, method="min")(_extreme(np.minimum, INF))


def _where_extreme(better):
    def lowering(t, a, axis=None):
        a = t.settled(t.as_array(a))
        if axis is not None and len(a.shape) > 1:
            raise Refusal("argmax or argmin along an axis", "Write a loop over the rows.")
        a = flattened(t, a)
        n = a.shape[0]
        if type(n) is int and n == 0:
            raise Refusal("argmax or argmin of an array without elements")

        def step(carry, idx):
            value = element(t, a, idx)
            wins = t.apply(better, [value, carry[1]])
            if a.kind == "f":  # the first NaN wins
                known = t.apply(np.equal, [carry[1], carry[1]])
                here = t.apply(np.logical_and, [t.apply(np.not_equal, [value, value]), known])
                wins = t.apply(np.logical_or, [t.apply(np.logical_and, [wins, known]), here])
            return t.builder.select(wins, idx[0], carry[0]), t.builder.select(wins, value, carry[1])

        found = fold(t, (n,), step, (0, element(t, a, (0,))))[0]
        if isinstance(found, Value):
            found.low, found.high = 0, (n.high if isinstance(n, Value) else n) - 1
        return found

    return lowering


lower(np.argmax, method="argmax")(_where_extreme(np.greater))
lower(np.argmin, method="argmin")(_where_extreme(np.less))


def _logical(fn, start):
    def lowering(t, a, axis=None, keepdims=False):
        return reduce(
            t,
            truths(t, t.as_array(a)),
            axis,
            lambda c, v: (t.apply(fn, [c[0], v]),),
            (start,),
            kind="b",
            keepdims=keepdims,
        )

    return lowering


lower(np.any, method="any")(_logical(np.logical_or, False))
lower(np.all, method="all")(_logical(np.logical_and, True))


@lower(np.allclose)
def _allclose(t, a, b, rtol=1e-05, atol=1e-08):
    return _logical(np.logical_and, True)(t, isclose(t, a, b, rtol, atol))


@lower(np.count_nonzero)
def _count_nonzero(t, a):
    return reduce(t, truths(t, t.as_array(a)), None, lambda c, v: (t.apply(np.add, [c[0], v]),), (0,))


@lower(np.ptp)
def _ptp(t, a):
    a = t.settled(a)
    return t.apply(np.subtract, [_extreme(np.maximum, -INF)(t, a), _extreme(np.minimum, INF)(t, a)])


def _cumulative(fn, one):
    def lowering(t, a, axis=None):
        a = t.settled(t.as_array(a))
        if axis is None:
            a, axis = flattened(t, a), 0
        axis %= len(a.shape)
        kind = "i" if a.kind == "b" else a.kind
        start = float(one) if kind == "f" else one
        others = a.shape[:axis] + a.shape[axis + 1 :]
        if isinstance(a, Small) and len(a.shape) == 1:
            cells, total = [], start
            for k in range(a.shape[0]):
                total = t.apply(fn, [total, element(t, a, (k,))])
                cells.append(total)
            return small(t, a.shape, cells, kind)
        made = allocate(t, a.shape, kind)

        def along(idx):
            def step(carry, sub):
                full = (*idx[:axis], sub[0], *idx[axis:])
                total = t.apply(fn, [carry[0], element(t, a, full)])
                store(t, made, full, total, fresh=True)
                return (total,)

            fold(t, (a.shape[axis],), step, (start,))

        nest(t, others, along)
        return made

    return lowering


lower(np.cumsum, method="cumsum")(_cumulative(np.add, 0))
lower(np.cumprod, method="cumprod")(_cumulative(np.multiply, 1))


def _fill_method(t, a, value):
    t.set_item(a, Ellipsis, value)


METHODS["array", "fill"] = _fill_method


class Reductions:
    def sum_of(self, n, term):
        return sum_of(self, n, term)


__all__ = ["Array", "Reductions", "as_lazy", "copy", "fill"]
