"""Rules of NumPy functions on grids and samples: differences, integrals, convolution, statistics,
polynomials.
"""

from sciad.eager.indexing import fetch
from sciad.eager.traced import Primitive, operand, raw, strip
from sciad.plain_numpy import np
from sciad.private_interfaces import NO_VALUE
from sciad.rule_table import composite, linear
from sciad.rules.selection import _flip

# ---------------------------------------------------------------------- differences and integrals on grids


def _diff(x, n=1, axis=-1, prepend=NO_VALUE, append=NO_VALUE):
    if not n:
        return x
    x = np.moveaxis(operand(x), axis, -1)
    ends = []
    for end in (prepend, append):
        if end is NO_VALUE:
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
    h = np.broadcast_to(h, (f.shape[-1] - 1,)) if np.ndim(h) == 0 else h[1:] - h[:-1]
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
        x0, x1, f0, f1 = fetch(xp, k), fetch(xp, k + 1), fetch(fp, k), fetch(fp, k + 1)
        inside = f0 + (f1 - f0) / (x1 - x0) * (x - x0)
        before = np.clip(np.searchsorted(strip(xp), strip(x), side="left") - 1, 0, n - 2)
        ends = [strip(x) == strip(xp)[0], strip(x) == strip(xp)[n - 1]]
        if np.any(raw(k != before)) or np.any(raw(ends[0] | ends[1])):
            # at a knot: the mean of what both sides are
            x0, x1, f0, f1 = (
                fetch(xp, before),
                fetch(xp, before + 1),
                fetch(fp, before),
                fetch(fp, before + 1),
            )
            left_side = f1 - (f1 - f0) / (x1 - x0) * (x1 - x)
            inside = np.where(k == before, inside, 0.5 * (inside + left_side))
            if left is None:
                inside = np.where(ends[0], 0.5 * (fp[0] + inside), inside)
            inside = np.where(ends[1], left_side, inside)
            if right is None:
                inside = np.where(ends[1], 0.5 * (fp[n - 1] + inside), inside)
    return np.where(x < xp[0], low, np.where(x > xp[n - 1], high, inside))


def _i0(x):
    from scipy.special import i0

    return i0(x)


composite(np.i0, _i0)
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
    return np.reshape(c, ()) if c.shape == (1, 1) else c


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
    p = operand(p)
    first = fetch(strip(p), (slice(None),) * (axis % np.ndim(p)) + (slice(0, 1),))
    steps = np.diff(strip(p), axis=axis, prepend=first)
    turned = np.mod(steps + period / 2, period) - period / 2
    turned = np.where((turned == -period / 2) & (steps > 0), period / 2, turned)
    jumps = np.where(np.abs(steps) < (period / 2 if discont is None else discont), 0.0, turned - steps)
    return p + np.cumsum(jumps, axis=axis)


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
composite(np.meshgrid, lambda *xs, copy=True, sparse=False, indexing="xy": _meshgrid(
    xs, copy, sparse, indexing))  # fmt: skip
composite(np.angle, _angle)
composite(
    np.real_if_close,
    lambda x, tol=100: x if np.isrealobj(x) or np.iscomplexobj(np.real_if_close(raw(x), tol)) else np.real(x),
)


def _meshgrid(xs, copy, sparse, indexing):
    xs, n = [np.ravel(operand(x)) for x in xs], len(xs)
    order = [1, 0, *range(2, n)] if indexing == "xy" and n > 1 else list(range(n))
    grids = [np.reshape(x, [-1 if order[k] == d else 1 for d in range(n)]) for k, x in enumerate(xs)]
    if sparse:
        return tuple(map(np.copy, grids) if copy else grids)
    shape = np.broadcast_shapes(*(g.shape for g in grids))
    grids = [np.broadcast_to(g, shape) for g in grids]
    return tuple(map(np.copy, grids) if copy else grids)
