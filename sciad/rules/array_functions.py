"""Rules of NumPy's array functions: products, reductions, shapes, joining and splitting, choosing and
sorting.

Linear functions declare their transpose; everything else is written in functions that have a rule
already, so that its forward and reverse derivatives of every order follow from the one definition.
"""

import operator
from math import prod

from sciad.eager.indexing import concatenate_, getitem_, scatter_
from sciad.eager.ownership import memory
from sciad.eager.traced import (
    Primitive,
    Traced,
    converted,
    operand,
    plainly,
    raw,
    stack_,
    strip,
    strip_nested,
)
from sciad.plain_numpy import np
from sciad.private_interfaces import NO_VALUE, clip_ufunc
from sciad.rule_table import TABLE, alias, composite, constant, linear, metadata

# ---------------------------------------------------------------------- sums and what is made of them


def _spread(g, x, axis=None, keepdims=False):
    """Give the reduced axes back to a cotangent."""
    shape = x.shape
    if g.shape == shape:
        return g
    if axis is not None and not keepdims:
        axes = axis if isinstance(axis, tuple) else (axis,)
        g = np.expand_dims(g, tuple([k % len(shape) for k in axes]))
    if isinstance(g, Traced):
        return np.broadcast_to(g, shape)
    full = np.empty(shape, g.dtype)
    full[...] = g
    return full


def _count(x, axis):
    shape = np.shape(x)
    if axis is None:
        return prod(shape)
    return prod(shape[k] for k in (axis if isinstance(axis, tuple) else (axis,)))


@Primitive
def sum_(x, axis=None, keepdims=False):
    return np.add.reduce(x, axis=axis, keepdims=keepdims)


linear(sum_, _spread)
_SUM = TABLE[sum_]


def _sum(x, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=True):
    if isinstance(x, Traced) and axis is None and dtype is None and where is True and not keepdims:
        y = x.process(_SUM, (x,), {})  # the commonest loss ends so
        return y if initial is None or initial is NO_VALUE else y + initial
    x = converted(operand(x) if where is True else np.where(where, x, 0.0), dtype)
    y = sum_(x) if axis is None and not keepdims else sum_(x, axis=_axis(axis), keepdims=bool(keepdims))
    return y if initial is None or initial is NO_VALUE else y + initial


def _mean(x, axis=None, dtype=None, out=None, keepdims=False, where=True):
    x = converted(operand(x), dtype)
    n = (
        _count(x, _axis(axis))
        if where is True
        else np.sum(np.broadcast_to(where, x.shape), axis=axis, keepdims=keepdims)
    )
    return converted(_sum(x, axis, keepdims=keepdims, where=where) / n, dtype)


def _var(x, axis=None, dtype=None, out=None, ddof=0, keepdims=False, where=True, mean=None, correction=None):
    x = converted(operand(x), dtype)
    ddof = ddof if correction is None else correction
    d = x - (_mean(x, axis, keepdims=True, where=where) if mean is None else mean)
    d = np.real(d * np.conjugate(d)) if d.dtype.kind == "c" else d * d
    n = (
        _count(x, _axis(axis))
        if where is True
        else np.sum(np.broadcast_to(where, x.shape), axis=axis, keepdims=keepdims)
    )
    return _sum(d, axis, keepdims=keepdims, where=where) / (n - ddof)


def _axis(axis):
    return None if axis is None else tuple(map(int, axis)) if isinstance(axis, (tuple, list)) else int(axis)


composite(np.sum, _sum)
composite((np.add, "reduce"), lambda x, axis=0, *args, **kwargs: _sum(x, axis, *args, **kwargs))
composite(np.mean, _mean)
composite(np.var, _var)
composite(np.std, lambda *args, **kwargs: np.sqrt(_var(*args, **kwargs)))
composite(np.average, lambda x, axis=None, weights=None, returned=False, keepdims=False: _average(
    x, axis, weights, returned, keepdims))  # fmt: skip


def _average(x, axis, weights, returned, keepdims):
    if weights is None:
        y, total = np.mean(x, axis=axis, keepdims=keepdims), _count(x, axis) * 1.0
    else:
        w = operand(weights)
        if np.ndim(w) == 1 and np.ndim(x) > 1:
            w = np.reshape(w, [-1 if k == axis % np.ndim(x) else 1 for k in range(np.ndim(x))])
        w = np.broadcast_to(w, np.shape(x))
        total = np.sum(w, axis=axis, keepdims=keepdims)
        y = np.sum(x * w, axis=axis, keepdims=keepdims) / total
    return (y, np.copy(np.broadcast_to(total, np.shape(y)))) if returned else y


def _cumsum_transpose(g, x, axis):
    return np.flip(np.cumsum(np.flip(g, axis), axis), axis)


@Primitive
def cumsum_(x, axis):
    return np.cumsum(x, axis)


linear(cumsum_, _cumsum_transpose)


def _cumsum(x, axis=None, dtype=None, out=None):
    x = converted(operand(x), dtype)
    return cumsum_(np.ravel(x), 0) if axis is None else cumsum_(x, axis)


composite(np.cumsum, _cumsum)
composite((np.add, "accumulate"), lambda array, axis=0, dtype=None, out=None: _cumsum(array, axis, dtype))

# ---------------------------------------------------------------------- shapes: the transpose is the way back


@Primitive
def reshape_(x, shape, order="C"):
    return np.reshape(x, shape, order=order)


@Primitive
def ravel_(x, order="C"):
    return np.ravel(x, order)


@Primitive
def diagonal_(x, offset=0, axis1=0, axis2=1, writeable=False):
    y = np.ndarray.diagonal(x, offset, axis1, axis2)
    if writeable:
        y.flags.writeable = x.flags.writeable
    return y


@Primitive
def transpose_(x, axes=None):
    return np.transpose(x, axes)


@Primitive
def broadcast_to_(x, shape):
    return np.broadcast_to(x, shape)


linear(reshape_, lambda g, x, shape, order="C": reshape_(g, np.shape(x), order=order))
linear(ravel_, lambda g, x, order="C": reshape_(g, np.shape(x), order=order))
linear(diagonal_, lambda g, x, *where, writeable=False: _on_diagonal(g, np.shape(x), where))
linear(transpose_, lambda g, x, axes=None: transpose_(g, None if axes is None else tuple(np.argsort(axes))))
linear(broadcast_to_, lambda g, x, shape: g)  # the accumulator sums what was broadcast


def _reshape(x, /, shape=None, order="C", *, newshape=None, copy=None):
    shape = newshape if shape is None else shape
    x = operand(x)
    if order == "A":
        order = "F" if np.isfortran(memory(x)) else "C"
    y = reshape_(x, shape, order=order)
    return np.copy(y) if copy else y


def _transpose(x, axes=None):
    x = operand(x)
    if axes is None:
        axes = range(np.ndim(x))[::-1]
    return transpose_(x, tuple(k % np.ndim(x) for k in axes))


def _moveaxis(x, source, destination):
    x = operand(x)
    n = np.ndim(x)
    source, destination = ([int(k) % n for k in np.atleast_1d(v)] for v in (source, destination))
    order = [k for k in range(n) if k not in source]
    for d, s in sorted(zip(destination, source, strict=True)):
        order.insert(d, s)
    return transpose_(x, tuple(order))


def _swapaxes(x, axis1, axis2):
    order = list(range(np.ndim(x)))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return transpose_(x, tuple(order))


def _rollaxis(x, axis, start=0):
    n = np.ndim(x)
    axis, start = axis % n, start + n if start < 0 else start
    return _moveaxis(x, axis, start - 1 if axis < start else start)


def _squeeze(x, axis=None):
    shape = np.shape(x)
    axes = None if axis is None else [k % len(shape) for k in np.atleast_1d(axis)]
    if axes is not None and any(shape[k] != 1 for k in axes):
        raise ValueError(f"cannot squeeze axes {axes} of shape {shape}: only axes of length one go")
    return reshape_(x, tuple(n for k, n in enumerate(shape) if not (n == 1 if axes is None else k in axes)))


def _expand_dims(x, axis):
    axes = [int(k) for k in np.atleast_1d(axis)]
    n = np.ndim(x) + len(axes)
    axes = [k % n for k in axes]
    rest = iter(np.shape(x))
    return reshape_(x, tuple(1 if k in axes else next(rest) for k in range(n)))


def _ravel(x, order="C"):
    x = operand(x)
    if order in ("A", "K"):  # as the array lies in memory
        bottom = memory(x)
        if order == "K" and not bottom.flags.forc:
            order = "C"
            x = transpose_(x, tuple(np.argsort([-abs(s) for s in bottom.strides], kind="stable").tolist()))
        else:
            order = "F" if np.isfortran(bottom) else "C"
    return ravel_(x, order)


def _on_diagonal(g, shape, where):
    """The transpose of `diagonal_`: zeros of this shape with g on the diagonal."""
    places = diagonal_(np.arange(prod(shape)).reshape(shape), *where)
    return reshape_(scatter_(g, places, (prod(shape),)), shape)


composite(np.reshape, _reshape)
composite(np.ravel, _ravel)
composite(np.diagonal, lambda x, offset=0, axis1=0, axis2=1: diagonal_(operand(x), offset, axis1, axis2))
composite(np.transpose, _transpose, also=[np.permute_dims])
composite(np.matrix_transpose, lambda x: _swapaxes(x, -1, -2))
composite(np.moveaxis, _moveaxis)
composite(np.swapaxes, _swapaxes)
composite(np.rollaxis, _rollaxis)
composite(np.squeeze, _squeeze)
composite(np.expand_dims, _expand_dims)
composite(np.broadcast_to, lambda x, shape, subok=False: broadcast_to_(x, tuple(np.atleast_1d(shape))))
composite(np.broadcast_arrays, lambda *xs, subok=False: _broadcast_arrays(*map(operand, xs)))
composite(np.atleast_1d, lambda *xs: _each(xs, lambda x: x if np.ndim(x) else reshape_(x, (1,))))
composite(np.atleast_2d, lambda *xs: _each(xs, lambda x: x if np.ndim(x) > 1 else reshape_(x, (1, -1))))
composite(np.atleast_3d, lambda *xs: _each(xs, lambda x: x if np.ndim(x) > 2 else
          x[:, :, None] if np.ndim(x) == 2 else reshape_(x, (1, -1, 1))))  # fmt: skip


def _broadcast_arrays(*xs):
    shape = np.broadcast_shapes(*map(np.shape, xs))
    return tuple(x if np.shape(x) == shape else np.broadcast_to(x, shape) for x in xs)


def _each(xs, fn):
    results = tuple(fn(operand(x)) for x in xs)
    return results[0] if len(results) == 1 else results


# ---------------------------------------------------------------------- joining


def _concatenate(parts, axis=0, out=None, *, dtype=None, casting=None):
    parts = [operand(p) for p in parts]
    if axis is None:
        return concatenate_(0, *map(np.ravel, parts))
    return concatenate_(axis % np.ndim(parts[0]), *parts)


def _stack(parts, axis=0, out=None, *, dtype=None, casting=None):
    stacked = stack_(*[operand(p) for p in parts])
    return stacked if axis == 0 else _moveaxis(stacked, 0, axis)


def _column_stack(parts):
    return _concatenate([x if np.ndim(x) > 1 else reshape_(x, (-1, 1)) for x in map(operand, parts)], 1)


def _hstack(parts, *, dtype=None, casting=None):
    parts = [np.atleast_1d(operand(p)) for p in parts]
    return _concatenate(parts, 0 if np.ndim(parts[0]) == 1 else 1)


composite(np.concatenate, _concatenate)
composite(np.stack, _stack)
composite(np.column_stack, _column_stack)
composite(np.hstack, _hstack)
composite(
    np.vstack,
    lambda parts, *, dtype=None, casting=None: _concatenate([np.atleast_2d(operand(p)) for p in parts], 0),
)
composite(np.dstack, lambda parts: _concatenate([np.atleast_3d(operand(p)) for p in parts], 2))
composite(np.append, lambda x, values, axis=None: _concatenate([x, values], axis))
composite(np.block, lambda arrays: _block(arrays))


def _block(arrays, depth=None):
    def nesting(a):
        return 1 + max(map(nesting, a)) if isinstance(a, list) else 0

    depth = nesting(arrays) if depth is None else depth
    if not isinstance(arrays, list):
        return operand(arrays)
    parts = [_block(a, depth - 1) for a in arrays]
    rank = max(depth, *(np.ndim(p) for p in parts)) if parts else depth
    parts = [np.reshape(p, (1,) * (rank - np.ndim(p)) + np.shape(p)) for p in parts]
    return _concatenate(parts, -depth)


# ---------------------------------------------------------------------- choosing


@Primitive
def where_(condition, a, b):
    return np.where(condition, a, b)


linear(
    where_,
    None,
    lambda g, condition, a, b: where_(condition, g, 0.0),
    lambda g, condition, a, b: where_(condition, 0.0, g),
    joint=True,
).selects = True


def _where(condition, a=None, b=None):
    condition = strip_nested(condition)
    return plainly(np.nonzero, condition) if a is None else where_(condition, operand(a), operand(b))


def _clip(x, a_min=None, a_max=None, out=None, *, min=None, max=None, **_):
    low, high = a_min if min is None else min, a_max if max is None else max
    x = operand(x) if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


composite(np.where, _where)
composite(np.clip, _clip, also=[clip_ufunc])
composite(np.real, lambda x: real_(x) if x.dtype.kind == "c" else x)
composite(np.imag, lambda x: imag_(x) if x.dtype.kind == "c" else np.zeros(x.shape))
composite(np.copy, lambda x, order="K", subok=False: copy_(operand(x), order))
composite(np.nan_to_num, lambda x, copy=True, nan=0.0, posinf=None, neginf=None: _nan_to_num(
    x, copy, nan, posinf, neginf))  # fmt: skip


@Primitive
def real_(x):
    return np.real(x)


@Primitive
def imag_(x):
    return np.imag(x)


@Primitive
def copy_(x, order="K"):
    return np.array(x, order=order)


linear(real_, lambda g, x: g)
linear(imag_, lambda g, x: np.multiply(-1j, g))
linear(copy_, lambda g, x, order="K": g)
for _view in (reshape_, ravel_, diagonal_, transpose_, broadcast_to_, real_, imag_):
    TABLE[_view].view = True


def _nan_to_num(x, copy, nan, posinf, neginf):
    given, x = x, operand(x)
    value = strip(x)
    clean = where_(np.isfinite(value), x, plainly(np.nan_to_num, value, True, nan, posinf, neginf))
    if copy or not np.ndim(x):
        return clean
    given[...] = clean
    return given


constant(
    np.argmax, np.argmin, np.argsort, np.argpartition, np.nonzero, np.flatnonzero, np.argwhere,
    np.searchsorted, np.any, np.all, np.isclose, np.allclose, np.array_equal, np.count_nonzero, np.isreal,
    np.round, np.around, np.fix, np.isin, np.digitize, np.iscomplex, np.array_repr, np.array_str,
    np.array2string, np.unravel_index, np.nanargmax, np.nanargmin, np.array_equiv, np.lexsort,
    np.histogram_bin_edges, np.isneginf, np.isposinf
)  # fmt: skip
metadata(np.shape, lambda x: operand(x).shape)
metadata(np.ndim, lambda x: len(operand(x).shape))
metadata(np.size, lambda x, axis=None: _count(operand(x), axis))
metadata(np.iscomplexobj, lambda x: operand(x).dtype.kind == "c")
metadata(np.isrealobj, lambda x: operand(x).dtype.kind != "c")
for _fn in (
    np.result_type,
    np.common_type,
    np.can_cast,
    np.min_scalar_type,
    np.may_share_memory,
    np.shares_memory,
):
    metadata(_fn, lambda *xs, _fn=_fn: _fn(*[raw(operand(x)) for x in xs]))
for _fn in ("all", "any"):
    constant(({"all": np.logical_and, "any": np.logical_or}[_fn], "reduce"))
alias(TABLE[getitem_], operator.getitem)
