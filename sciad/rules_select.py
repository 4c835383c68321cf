"""Rules of NumPy functions that choose, sort, rearrange or take differences: all written in functions
that have one.
"""

from .indexing import stop_gradient
from .plain import np
from .rules_array import _axis, _count
from .table import composite, linear
from .value import Primitive, operand, plainly, raw, strip

# ---------------------------------------------------------------------- extremes: at a tie, the mea


def _extreme(fn, pair):
    def extreme(x, axis=None, out=None, keepdims=False, initial=None, where=True):
        x, axis, keepdims = operand(x), _axis(axis), bool(keepdims)
        initial = None if initial is np._NoValue else initial
        if where is not True and where is not np._NoValue:
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
    x = operand(x)
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
    y = y[..., 0] if y.shape[-1] else np.ones(y.shape[:-1])
    if keepdims:
        y = np.reshape(y, [1 if k in axes else m for k, m in enumerate(shape)])
    return y if initial is None or initial is np._NoValue else y * initial


def _cumprod(x, axis=None, dtype=None, out=None):
    x = operand(x)
    y = np.ravel(x) if axis is None else np.moveaxis(x, axis, 0)
    step, n = 1, len(y)
    while step < n:
        y = np.concatenate([y[:step], y[step:] * y[:-step]])
        step *= 2
    return y if axis is None else np.moveaxis(y, 0, axis)


composite(np.prod, _prod)
composite((np.multiply, "reduce"), lambda x, axis=0, **kw: _prod(x, axis, **kw))
composite(np.cumprod, _cumprod)
composite((np.multiply, "accumulate"), lambda x, axis=0: _cumprod(x, axis))


def logsumexp(x, axis=None, b=None, keepdims=False):
    """Log of a sum of exponentials, shifted by the largest term."""
    x = operand(x)
    top = np.max(strip(x), axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    terms = np.exp(x - top)
    total = np.log(np.sum(terms if b is None else b * terms, axis=axis, keepdims=True)) + top
    return total if keepdims else np.reshape(total, _reduced(np.shape(x), axis))


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


def _nanmean(x, axis=None, keepdims=False):
    return np.mean(x, axis=axis, keepdims=keepdims, where=~np.isnan(strip(x)))


def _nanvar(x, axis=None, dtype=None, out=None, ddof=0, keepdims=False):
    return np.var(x, axis=axis, ddof=ddof, keepdims=keepdims, where=~np.isnan(strip(x)))


composite(np.nansum, _without_nan(np.sum, 0.0))
composite(np.nanprod, _without_nan(_prod, 1.0))
composite(np.nanmax, _without_nan(_max, -np.inf))
composite(np.nanmin, _without_nan(_min, np.inf))
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
    y = np.ravel(x) if axis is None else np.moveaxis(x, axis, 0)
    y = np.sort(y, axis=0)
    place = operand(q) * (len(y) - 1.0)
    below = np.clip(np.floor(strip(place)).astype(int), 0, max(len(y) - 2, 0))
    above = np.minimum(below + 1, len(y) - 1)
    weight = place - below
    weight = np.reshape(weight, np.shape(weight) + (1,) * (np.ndim(y) - 1))
    out = y[below] * (1.0 - weight) + y[above] * weight
    if keepdims:
        kept = [1 if axis is None or k == axis % len(shape) else m for k, m in enumerate(shape)]
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
        return np.ravel(x)[places]

    return moved


for _fn in (np.roll, np.tile, np.repeat, np.resize, np.take, np.take_along_axis, np.delete):
    composite(_fn, _rearranged(_fn))
composite(np.compress, lambda condition, x, axis=None, out=None: _rearranged(lambda places: np.compress(
    strip(operand(condition)), places, axis))(x))  # fmt: skip
composite(np.extract, lambda condition, x: np.ravel(x)[np.ravel(strip(operand(condition))).astype(bool)])
composite(np.diagonal, _rearranged(np.diagonal))
composite(np.trace, lambda x, offset=0, axis1=0, axis2=1, dtype=None, out=None: np.sum(
    np.diagonal(x, offset, axis1, axis2), axis=-1))  # fmt: skip


def _diag(x, k=0):
    if np.ndim(x) == 2:
        return np.diagonal(x, k)
    n = len(x) + abs(k)
    places = np.arange(len(x))
    out = np.zeros(n * n)
    return np.reshape(_placed(out, (places + max(-k, 0)) * n + places + max(k, 0), x), (n, n))


def _placed(zeros, places, x):
    from .indexing import setitem_

    return setitem_(zeros, x, places)


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
    return _placed(frame, inside, np.ravel(x))


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
    for a, b in zip(ends[:-1], ends[1:], strict=True):
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


composite(np.select, _select)
composite(np.choose, _choose)

# ---------------------------------------------------------------------- differences and integrals on grids


def _diff(x, n=1, axis=-1, prepend=np._NoValue, append=np._NoValue):
    x = np.moveaxis(operand(x), axis, -1)
    ends = []
    for end in (prepend, append):
        if end is np._NoValue:
            ends.append(None)
        else:
            end = operand(end)
            ends.append(
                np.broadcast_to(end, (*x.shape[:-1], 1)) if np.ndim(end) == 0 else np.moveaxis(end, axis, -1)
            )
    parts = [p for p in (ends[0], x, ends[1]) if p is not None]
    x = np.concatenate(parts, axis=-1) if len(parts) > 1 else x
    for _ in range(n):
        x = x[..., 1:] - x[..., :-1]
    return np.moveaxis(x, -1, axis)


def _gradient(f, *varargs, axis=None, edge_order=1):
    f = operand(f)
    n = np.ndim(f)
    axes = range(n) if axis is None else [k % n for k in np.atleast_1d(axis).tolist()]
    spacings = [1.0] * len(axes) if not varargs else list(varargs) * (len(axes) if len(varargs) == 1 else 1)
    if len(spacings) != len(axes):
        raise TypeError(f"np.gradient: {len(varargs)} spacings for {len(axes)} axes")
    results = [np.moveaxis(_slope(np.moveaxis(f, k, -1), operand(h), edge_order), -1, k)
               for k, h in zip(axes, spacings, strict=True)]  # fmt: skip
    return results[0] if len(results) == 1 else tuple(results)


def _slope(f, h, edge_order):
    """Second-order differences along the last axis; `h` is the step or the coordinates."""
    if np.ndim(h) == 0:
        h = np.broadcast_to(h, (f.shape[-1] - 1,))
    else:
        h = h[1:] - h[:-1]
    a, b = h[:-1], h[1:]
    inner = (
        f[..., :-2] * (-b / (a * (a + b)))
        + f[..., 1:-1] * ((b - a) / (a * b))
        + f[..., 2:] * (a / (b * (a + b)))
    )
    if edge_order == 1:
        first, last = (f[..., 1] - f[..., 0]) / h[0], (f[..., -1] - f[..., -2]) / h[-1]
    else:
        p, q = h[0], h[1]
        first = (
            (-(2 * p + q) / (p * (p + q))) * f[..., 0]
            + ((p + q) / (p * q)) * f[..., 1]
            - (p / (q * (p + q))) * f[..., 2]
        )
        p, q = h[-2], h[-1]
        last = (
            (q / (p * (p + q))) * f[..., -3]
            - ((p + q) / (p * q)) * f[..., -2]
            + ((2 * q + p) / (q * (p + q))) * f[..., -1]
        )
    return np.concatenate([first[..., None], inner, last[..., None]], axis=-1)


def _trapezoid(y, x=None, dx=1.0, axis=-1):
    y = np.moveaxis(operand(y), axis, -1)
    if x is None:
        d = operand(dx)
    else:
        x = operand(x)
        d = x[1:] - x[:-1] if np.ndim(x) == 1 else _diff(np.moveaxis(x, axis, -1))
    return np.sum(d * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)


def _interp(x, xp, fp, left=None, right=None, period=None):
    x, xp, fp = operand(x), operand(xp), operand(fp)
    if period is not None:
        x, xp = x % period, xp % period
        order = np.argsort(strip(xp))
        xp, fp = xp[order], fp[order]
        xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
    n = len(xp)
    low = fp[0] if left is None else left
    high = fp[n - 1] if right is None else right
    if n == 1:
        inside = np.broadcast_to(fp[0], np.shape(x))
    else:
        k = np.clip(np.searchsorted(strip(xp), strip(x), side="right") - 1, 0, n - 2)
        x0, x1, f0, f1 = xp[k], xp[k + 1], fp[k], fp[k + 1]
        inside = f0 + (f1 - f0) / (x1 - x0) * (x - x0)
    return np.where(x < xp[0], low, np.where(x > xp[n - 1], high, inside))


composite(np.diff, _diff)
composite(np.ediff1d, lambda x: _diff(np.ravel(x)))
composite(np.gradient, _gradient)
composite(np.trapezoid, _trapezoid)
composite(np.interp, _interp)


@Primitive
def convolve_(a, v):
    return np.convolve(a, v)


def _unconvolve(g, v, n):
    return convolve_(g, v[::-1])[v.shape[0] - 1 : v.shape[0] - 1 + n]


linear(
    convolve_, lambda g, a, v: _unconvolve(g, v, a.shape[0]), lambda g, a, v: _unconvolve(g, a, v.shape[0])
)


def _convolve(a, v, mode="full"):
    a, v = np.atleast_1d(operand(a)), np.atleast_1d(operand(v))
    if len(v) > len(a):
        a, v = v, a
    full, m, n = convolve_(a, v), len(a), len(v)
    return {"full": full, "same": full[(n - 1) // 2 : (n - 1) // 2 + m], "valid": full[n - 1 : m]}[mode]


def _correlate(a, v, mode="valid"):
    a, v = operand(a), operand(v)
    if len(v) > len(a):
        return (
            _flip(_convolve(np.conjugate(_flip(a)), v, mode))
            if mode != "full"
            else _convolve(a, np.conjugate(_flip(v)))
        )
    return _convolve(a, np.conjugate(_flip(v)), mode)


composite(np.convolve, _convolve)
composite(np.correlate, _correlate)

# ---------------------------------------------------------------------- statistics, polynomials, gr


def _cov(m, y=None, rowvar=True, bias=False, ddof=None):
    x = np.atleast_2d(operand(m))
    x = x if rowvar or len(x) == 1 else x.T
    if y is not None:
        y = np.atleast_2d(operand(y))
        x = np.concatenate([x, y if rowvar or len(y) == 1 else y.T])
    d = x - np.mean(x, axis=1, keepdims=True)
    c = np.matmul(d, np.conjugate(d.T)) / (x.shape[1] - ((0 if bias else 1) if ddof is None else ddof))
    return c[0, 0] if c.shape == (1, 1) else c


def _corrcoef(x, y=None, rowvar=True):
    c = _cov(x, y, rowvar)
    if np.ndim(c) == 0:
        return c / c
    s = np.sqrt(np.diagonal(c))
    return c / (s[:, None] * s[None, :])


def _polyval(p, x):
    p, x = operand(p), operand(x)
    y = 0.0 * x
    for k in range(len(p)):
        y = y * x + p[k]
    return y


def _vander(x, N=None, increasing=False):
    x = operand(x)
    columns = [np.ones(len(x))]
    for _ in range((len(x) if N is None else N) - 1):
        columns.append(columns[-1] * x)
    return np.stack(columns if increasing else columns[::-1], axis=1)


def _sinc(x):
    x = operand(x)
    z = np.pi * x
    small = np.abs(strip(z)) < 0.1
    w = z * z
    series = 1 - w / 6 * (1 - w / 20 * (1 - w / 42 * (1 - w / 72 * (1 - w / 110))))
    z = np.where(small, 1.0, z)
    return np.where(small, series, np.sin(z) / z)


def _linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0, device=None):
    start, stop = operand(start), operand(stop)
    parts = num - 1 if endpoint else num
    s = np.reshape(np.arange(num) / max(parts, 1), [-1] + [1] * max(np.ndim(start), np.ndim(stop)))
    y = np.moveaxis(start + (stop - start) * s, 0, axis)
    return (y, (stop - start) / parts) if retstep else y


def _angle(z, deg=False):
    a = np.arctan2(np.imag(z), np.real(z))
    return np.degrees(a) if deg else a


def _unwrap(p, discont=None, axis=-1, *, period=2 * np.pi):
    jumps = plainly(lambda v: np.unwrap(v, discont, axis, period=period) - v, p)
    return operand(p) + jumps


def _apply_along_axis(func1d, axis, arr, *args, **kwargs):
    x = np.moveaxis(operand(arr), axis, -1)
    shape = np.shape(x)[:-1]
    rows = [operand(func1d(row, *args, **kwargs)) for row in np.reshape(x, (-1, np.shape(x)[-1]))]
    y = np.reshape(np.stack(rows), shape + np.shape(rows[0]))
    n = np.ndim(rows[0])
    return np.moveaxis(
        y, range(len(shape), len(shape) + n), range(axis % np.ndim(arr), axis % np.ndim(arr) + n)
    )


composite(np.unwrap, _unwrap)
composite(np.apply_along_axis, _apply_along_axis)
composite(np.cov, _cov)
composite(np.corrcoef, _corrcoef)
composite(np.polyval, _polyval)
composite(np.vander, _vander)
composite(np.sinc, _sinc)
composite(np.linspace, _linspace)
composite(np.logspace, lambda start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0: np.power(
    base, _linspace(start, stop, num, endpoint, axis=axis)))  # fmt: skip
composite(np.geomspace, lambda start, stop, num=50, endpoint=True, dtype=None, axis=0: np.exp(
    _linspace(np.log(start), np.log(stop), num, endpoint, axis=axis)))  # fmt: skip
composite(np.meshgrid, lambda *xs, copy=True, sparse=False, indexing="xy": _meshgrid(xs, sparse, indexing))
composite(np.angle, _angle)
composite(
    np.real_if_close, lambda x, tol=100: np.real(x) if np.isrealobj(np.real_if_close(raw(x), tol)) else x
)


def _meshgrid(xs, sparse, indexing):
    xs, n = [np.ravel(operand(x)) for x in xs], len(xs)
    order = [1, 0, *range(2, n)] if indexing == "xy" and n > 1 else list(range(n))
    grids = [np.reshape(x, [-1 if order[k] == d else 1 for d in range(n)]) for k, x in enumerate(xs)]
    if sparse:
        return tuple(grids)
    shape = np.broadcast_shapes(*(g.shape for g in grids))
    return tuple(np.broadcast_to(g, shape) for g in grids)
