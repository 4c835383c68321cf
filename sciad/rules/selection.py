"""Rules of NumPy functions that choose, sort, rearrange or take differences: all written in functions
that have one.
"""

import itertools

from sciad.eager.indexing import COUNTS_DIFFER, fetch, scatter_, setitem_, stop_gradient
from sciad.eager.traced import Traced, converted, number, operand, plainly, strip, strip_nested
from sciad.errors import NotDifferentiable
from sciad.plain_numpy import np
from sciad.private_interfaces import NO_VALUE
from sciad.rule_table import composite
from sciad.rules.array_functions import _axis, _count

# ---------------------------------------------------------------------- extremes: at a tie, the mea


def _extreme(fn, pair):
    def extreme(x, axis=None, out=None, keepdims=False, initial=None, where=True):
        x, axis, keepdims = operand(x), _axis(axis), bool(keepdims)
        initial = None if initial is NO_VALUE else initial
        if where is not True and where is not NO_VALUE:
            x = np.where(where, x, initial)
        value = strip(x)
        best = plainly(fn, value, axis=axis, keepdims=True)
        winners = (value == best) | (value != value)
        n = np.sum(winners, axis=axis, keepdims=keepdims)
        y = np.sum(np.where(winners, x, 0.0), axis=axis, keepdims=keepdims) / n
        return y if initial is None else pair(y, initial)

    return extreme


_max, _min = _extreme(np.max, np.maximum), _extreme(np.min, np.minimum)
composite(np.max, _max, also=[np.amax])
composite(np.min, _min, also=[np.amin])
composite((np.maximum, "reduce"), lambda x, axis=0, **kw: _max(x, axis, **kw))
composite((np.minimum, "reduce"), lambda x, axis=0, **kw: _min(x, axis, **kw))
composite(np.ptp, lambda x, axis=None, out=None, keepdims=False: _max(x, axis, keepdims=keepdims) - _min(
    x, axis, keepdims=keepdims))  # fmt: skip


def _running(fn):
    def accumulate(x, axis=0):
        value = strip(x)
        index = np.arange(value.shape[axis]).reshape(
            [-1 if k == axis % value.ndim else 1 for k in range(value.ndim)]
        )
        leader = plainly(
            np.maximum.accumulate, np.where(value == plainly(fn.accumulate, value, axis), index, 0), axis
        )
        return np.take_along_axis(x, leader, axis)

    return accumulate


composite((np.maximum, "accumulate"), _running(np.maximum))
composite((np.minimum, "accumulate"), _running(np.minimum))

# ---------------------------------------------------------------------- products: by halves, so tha


def _prod(x, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=True):
    x = converted(operand(x), dtype)
    if where is not True:
        x = np.where(where, x, 1.0)
    shape, n = np.shape(x), np.ndim(x)
    axes = tuple(range(n)) if axis is None else tuple(k % n for k in np.atleast_1d(axis).tolist())
    rest = [k for k in range(n) if k not in axes]
    y = np.reshape(np.transpose(x, rest + list(axes)), [shape[k] for k in rest] + [_count(x, axes)])
    while y.shape[-1] > 1:
        half, odd = divmod(y.shape[-1], 2)
        pairs = y[..., :half] * y[..., half : 2 * half]
        y = np.concatenate([pairs, y[..., -1:]], axis=-1) if odd else pairs
    y = number(y[..., 0]) if y.shape[-1] else np.ones(y.shape[:-1])
    if keepdims:
        y = np.reshape(y, [1 if k in axes else m for k, m in enumerate(shape)])
    return y if initial is None or initial is NO_VALUE else y * initial


def _cumprod(x, axis=None, dtype=None, out=None):
    x = converted(operand(x), dtype)
    y = np.ravel(x) if axis is None else np.moveaxis(x, axis, 0)
    step, n = 1, len(y)
    while step < n:
        y = np.concatenate([y[:step], y[step:] * y[:-step]])
        step *= 2
    return y if axis is None else np.moveaxis(y, 0, axis)


composite(np.prod, _prod)
composite((np.multiply, "reduce"), lambda x, axis=0, **kw: _prod(x, axis, **kw))


def _cumulative(run, start):
    def cumulative(x, /, *, axis=None, dtype=None, out=None, include_initial=False):
        x = operand(x)
        if axis is None and np.ndim(x) != 1:
            raise ValueError("axis: for arrays of several axes say along which")
        y = run(x, 0 if axis is None else axis, dtype)
        if include_initial:
            shape = list(np.shape(y))
            shape[0 if axis is None else axis] = 1
            y = np.concatenate([np.full(shape, start, y.dtype), y], axis=0 if axis is None else axis)
        return y

    return cumulative


composite(np.cumprod, _cumprod)
composite(np.cumulative_prod, _cumulative(_cumprod, 1.0))
composite(np.cumulative_sum, _cumulative(np.cumsum, 0.0))
composite((np.multiply, "accumulate"), lambda array, axis=0, dtype=None, out=None: _cumprod(
    array, axis, dtype))  # fmt: skip


def logsumexp(x, axis=None, b=None, keepdims=False):
    """Log of a sum of exponentials, shifted by the largest term."""
    x = operand(x)
    top = np.max(strip(x), axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    terms = np.exp(x - top)
    total = np.log(np.sum(terms if b is None else b * terms, axis=axis, keepdims=True)) + top
    return total if keepdims else number(np.reshape(total, _reduced(np.shape(x), axis)))


def _reduced(shape, axis):
    axes = range(len(shape)) if axis is None else [k % len(shape) for k in np.atleast_1d(axis)]
    return tuple(m for k, m in enumerate(shape) if k not in axes)


composite(
    (np.logaddexp, "reduce"), lambda x, axis=0, keepdims=False, **_: logsumexp(x, axis, keepdims=keepdims)
)
composite((np.logaddexp2, "reduce"), lambda x, axis=0, keepdims=False, **_: logsumexp(
    np.log(2.0) * x, axis, keepdims=keepdims) / np.log(2.0))  # fmt: skip

# ---------------------------------------------------------------------- with NaN left out


def _without_nan(fn, fill):
    def reduced(x, axis=None, *args, **kwargs):
        return fn(np.where(np.isnan(strip(x)), fill, x), axis, *args, **kwargs)

    return reduced


def _nan_extreme(fn, fill):
    def extreme(x, axis=None, out=None, keepdims=False, **kwargs):
        x = operand(x)
        absent = np.isnan(strip(x))
        y = fn(np.where(absent, fill, x), axis, keepdims=keepdims, **kwargs)
        return y + np.where(np.all(absent, axis=_axis(axis), keepdims=bool(keepdims)), np.nan, 0.0)

    return extreme


def _nanmean(x, axis=None, keepdims=False):
    return np.mean(x, axis=axis, keepdims=keepdims, where=~np.isnan(strip(x)))


def _nanvar(x, axis=None, dtype=None, out=None, ddof=0, keepdims=False):
    return np.var(x, axis=axis, ddof=ddof, keepdims=keepdims, where=~np.isnan(strip(x)))


composite(np.nansum, _without_nan(np.sum, 0.0))
composite(np.nanprod, _without_nan(_prod, 1.0))
composite(np.nanmax, _nan_extreme(_max, -np.inf))
composite(np.nanmin, _nan_extreme(_min, np.inf))
composite(np.nancumsum, _without_nan(np.cumsum, 0.0))
composite(np.nancumprod, _without_nan(_cumprod, 1.0))
composite(np.nanmean, _nanmean)
composite(np.nanvar, _nanvar)
composite(np.nanstd, lambda *args, **kwargs: np.sqrt(_nanvar(*args, **kwargs)))

# ---------------------------------------------------------------------- sorting and quantiles


def _sort(x, axis=-1, kind=None, order=None, stable=None):
    x = operand(x)
    if axis is None:
        x, axis = np.ravel(x), -1
    return np.take_along_axis(x, np.argsort(strip(x), axis=axis, kind="stable"), axis)


def _partition(x, kth, axis=-1, kind="introselect", order=None):
    x = operand(x)
    if axis is None:
        x, axis = np.ravel(x), -1
    return np.take_along_axis(x, np.argpartition(strip(x), kth, axis=axis), axis)


def _quantile(x, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False):
    if method != "linear":
        raise NotImplementedError(f"np.quantile is differentiable for method='linear', not {method!r}")
    x = operand(x)
    shape = np.shape(x)
    axes = range(len(shape)) if axis is None else [k % len(shape) for k in np.atleast_1d(axis)]
    rest = [k for k in range(len(shape)) if k not in axes]
    y = np.reshape(np.transpose(x, [*axes, *rest]), (-1, *[shape[k] for k in rest]))
    y = np.sort(y, axis=0)
    place = operand(q) * (len(y) - 1.0)
    below = np.clip(np.floor(strip(place)).astype(int), 0, max(len(y) - 2, 0))
    above = np.minimum(below + 1, len(y) - 1)
    weight = place - below
    weight = np.reshape(weight, np.shape(weight) + (1,) * (np.ndim(y) - 1))
    out = fetch(y, below) * (1.0 - weight) + fetch(y, above) * weight
    if keepdims:
        kept = [1 if k in axes else m for k, m in enumerate(shape)]
        out = np.reshape(out, list(np.shape(q)) + kept)
    return out


composite(np.sort, _sort)
composite(np.partition, _partition)
composite(np.quantile, _quantile)
composite(np.percentile, lambda x, q, *args, **kw: _quantile(x, np.asarray(q) / 100.0, *args, **kw))
composite(np.median, lambda x, axis=None, out=None, overwrite_input=False, keepdims=False: _quantile(
    x, 0.5, axis, keepdims=keepdims))  # fmt: skip

# ---------------------------------------------------------------------- rearranging: let the functi


def _rearranged(fn):
    """A function that only moves entries moves their numbers; the entries are then fetched from there."""

    def moved(x, *args, **kwargs):
        x = operand(x)
        places = plainly(fn, np.arange(x.size).reshape(x.shape), *args, **kwargs)
        return fetch(np.ravel(x), places)

    return moved


for _fn in (np.roll, np.tile, np.repeat, np.resize, np.take, np.take_along_axis, np.delete):
    composite(_fn, _rearranged(_fn))


def _insert(x, at, values, axis=None):
    """The entries of both are numbered; the numbers are inserted, and the entries fetched from there."""
    x, values = operand(x), operand(values)
    values = values if values.dtype == x.dtype else values.astype(x.dtype)
    later = x.size + np.arange(int(np.prod(np.shape(values)))).reshape(np.shape(values))
    places = np.insert(np.arange(x.size).reshape(np.shape(x)), strip_nested(at), later, axis)
    return fetch(np.concatenate([np.ravel(x), np.ravel(values)]), places)


composite(np.insert, _insert)
composite(np.compress, lambda condition, x, axis=None, out=None: _rearranged(lambda places: np.compress(
    _mask(condition, "np.compress"), places, axis))(x))  # fmt: skip
composite(np.extract, lambda condition, x: np.ravel(x)[np.ravel(_mask(condition, "np.extract"))])


def _mask(condition, name):
    condition = strip(operand(condition))
    if isinstance(condition, Traced):
        raise NotDifferentiable(COUNTS_DIFFER.format(name))
    return np.asarray(condition).astype(bool)


composite(np.trace, lambda x, offset=0, axis1=0, axis2=1, dtype=None, out=None: np.sum(
    np.diagonal(x, offset, axis1, axis2), axis=-1))  # fmt: skip


def _diag(x, k=0):
    if np.ndim(x) == 2:
        return np.diagonal(x, k)
    n = len(x) + abs(k)
    places = np.arange(len(x))
    out = np.zeros(n * n)
    return np.reshape(setitem_(out, x, (places + max(-k, 0)) * n + places + max(k, 0)), (n, n))


composite(np.diag, _diag)
composite(np.diagflat, lambda x, k=0: _diag(np.ravel(x), k))
composite(np.tril, lambda x, k=0: np.where(np.tril(np.ones(np.shape(x)[-2:], bool), k), x, 0.0))
composite(np.triu, lambda x, k=0: np.where(np.triu(np.ones(np.shape(x)[-2:], bool), k), x, 0.0))


def _flip(x, axis=None):
    x = operand(x)
    axes = range(np.ndim(x)) if axis is None else [k % np.ndim(x) for k in np.atleast_1d(axis)]
    return x[tuple(slice(None, None, -1) if k in axes else slice(None) for k in range(np.ndim(x)))]


def _rot90(x, k=1, axes=(0, 1)):
    k, (p, q) = k % 4, axes
    if k == 0:
        return x[:]
    if k == 2:
        return _flip(x, axes)
    return np.swapaxes(_flip(x, q), p, q) if k == 1 else _flip(np.swapaxes(x, p, q), q)


composite(np.flip, _flip)
composite(np.flipud, lambda x: _flip(x, 0))
composite(np.fliplr, lambda x: _flip(x, 1))
composite(np.rot90, _rot90)


def _pad(x, pad_width, mode="constant", **kwargs):
    x = operand(x)
    if mode in ("edge", "reflect", "symmetric", "wrap") and kwargs.get("reflect_type", "even") == "even":
        return np.ravel(x)[np.pad(np.arange(x.size).reshape(x.shape), pad_width, mode)]
    if mode != "constant":
        raise NotImplementedError(
            f"np.pad is differentiable for modes constant, edge, reflect, symmetric, wrap, not {mode!r}"
        )
    values = kwargs.get("constant_values", 0)
    frame = np.pad(np.zeros(x.shape), pad_width, mode, constant_values=stop_gradient(values))
    inside = np.pad(np.ones(x.shape, bool), pad_width, mode, constant_values=False)
    return setitem_(frame, np.ravel(x), inside)


composite(np.pad, _pad)


# ---------------------------------------------------------------------- splitting: slices, views as


def _array_split(x, indices_or_sections, axis=0):
    x = operand(x)
    n = np.shape(x)[axis]
    if np.ndim(indices_or_sections) == 0:
        size, extra = divmod(n, int(indices_or_sections))
        lengths = [size + 1] * extra + [size] * (int(indices_or_sections) - extra)
        ends = np.cumsum([0, *lengths]).tolist()
    else:
        ends = [0, *indices_or_sections, n]
    whole = [slice(None)] * np.ndim(x)
    parts = []
    for a, b in itertools.pairwise(ends):
        whole[axis] = slice(a, b)
        parts.append(x[tuple(whole)])
    return parts


def _split(x, indices_or_sections, axis=0):
    if np.ndim(indices_or_sections) == 0 and np.shape(x)[axis] % indices_or_sections:
        raise ValueError(f"array split of {np.shape(x)[axis]} entries does not result in an equal division")
    return _array_split(x, indices_or_sections, axis)


composite(np.array_split, _array_split)
composite(np.split, _split)
composite(np.hsplit, lambda x, parts: _split(x, parts, 1 if np.ndim(x) > 1 else 0))
composite(np.vsplit, lambda x, parts: _split(x, parts, 0))
composite(np.dsplit, lambda x, parts: _split(x, parts, 2))
composite(np.unstack, lambda x, /, *, axis=0: tuple(np.moveaxis(x, axis, 0)))

# ---------------------------------------------------------------------- choosing by conditions


def _select(condlist, choicelist, default=0):
    out = operand(default)
    for condition, choice in zip(condlist[::-1], choicelist[::-1], strict=True):
        out = np.where(condition, choice, out)
    return out


def _choose(index, choices, out=None, mode="raise"):
    index = strip(operand(index))
    if mode == "raise" and (np.any(index < 0) or np.any(index >= len(choices))):
        raise ValueError("invalid entry in choice array")
    index = index % len(choices) if mode == "wrap" else np.clip(index, 0, len(choices) - 1)
    return _select([index == k for k in range(len(choices))], list(choices))


def _bincount(x, weights=None, minlength=0):
    x = strip(operand(x))
    if weights is None:
        return plainly(np.bincount, x, None, minlength)
    return scatter_(operand(weights) * 1.0, x, (max(int(np.max(x, initial=-1)) + 1, minlength),))


def _piecewise(x, condlist, funclist, *args, **kwargs):
    x = operand(x)
    if np.ndim(condlist[0]) == 0 and np.ndim(x) != 0 and not isinstance(condlist[0], (list, np.ndarray)):
        condlist = [condlist]
    conditions = [strip(operand(c)) for c in condlist]
    if any(isinstance(c, Traced) for c in conditions):
        raise NotDifferentiable(
            "np.piecewise under vmap, with conditions that differ between its elements: use np.where or "
            "np.select"
        )
    conditions = [np.asarray(c, bool) for c in conditions]
    if len(funclist) == len(conditions) + 1:  # the last serves what is left
        conditions.append(~np.any(conditions, axis=0))
    if len(funclist) != len(conditions):
        raise ValueError(f"np.piecewise: {len(funclist)} functions for {len(conditions)} conditions")
    y = np.zeros(np.shape(x), x.dtype)
    for condition, function in zip(conditions, funclist, strict=True):
        if not callable(function):
            y = np.where(condition, function, y)
        elif np.any(condition):
            y = setitem_(y, function(x[condition], *args, **kwargs), condition)
    return y


composite(np.piecewise, _piecewise, note="conditions the same for all elements of a `vmap`")
composite(np.bincount, _bincount)
composite(np.select, _select)
composite(np.choose, _choose)
