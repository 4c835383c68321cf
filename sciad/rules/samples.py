"""Rules of NumPy functions on samples and sequences: windows, segments, histograms, fits, roots."""

from __future__ import annotations

from math import prod

from sciad.eager.indexing import fetch, scatter_
from sciad.eager.traced import Primitive, operand, plainly, strip
from sciad.errors import NotDifferentiable
from sciad.plain_numpy import np
from sciad.rule_table import TABLE, composite, linear
from sciad.rules.array_functions import reshape_

_windows = np.lib.stride_tricks.sliding_window_view


@Primitive
def windows_(x, shape, axis):
    return _windows(x, shape, axis)


def _overlap(g, x, shape, axis):
    """The transpose: every entry gets what the windows it lies in got."""
    size = prod(x.shape)
    return reshape_(scatter_(g, _windows(np.arange(size).reshape(x.shape), shape, axis), (size,)), x.shape)


def _sliding(x, window_shape, axis=None, *, subok=False, writeable=False):
    if writeable:
        raise NotDifferentiable("windows of a value being differentiated are read-only: leave writeable away")
    x = operand(x)
    axes = range(np.ndim(x)) if axis is None else [k % np.ndim(x) for k in np.atleast_1d(axis).tolist()]
    return windows_(x, tuple(np.atleast_1d(window_shape).tolist()), tuple(axes))


linear(windows_, _overlap)
TABLE[windows_].view = True
composite(_windows, _sliding)


def _reduceat(ufunc):
    def reduceat(array, indices, axis=0, dtype=None, out=None):
        rows = np.moveaxis(operand(array), axis, 0)
        starts = np.asarray(indices).tolist()
        parts = []
        for a, b in zip(starts, [*starts[1:], len(rows)], strict=True):
            parts.append(ufunc.reduce(rows[a:b], axis=0) if a < b else rows[a])
        y = np.moveaxis(np.stack(parts), 0, axis)
        return y if dtype is None else y.astype(dtype, copy=False)

    return reduceat


for _ufunc in (np.add, np.multiply, np.maximum, np.minimum, np.logaddexp):
    composite((_ufunc, "reduceat"), _reduceat(_ufunc))


def _unique(ar, return_index=False, return_inverse=False, return_counts=False, axis=None, *,
            equal_nan=True, sorted=True):  # fmt: skip
    if axis is not None:
        raise NotDifferentiable("np.unique is differentiable for axis=None only")
    x = np.ravel(operand(ar))
    _, first, inverse, counts = plainly(np.unique, strip(x), True, True, True, equal_nan=equal_nan)
    wanted = (return_index, return_inverse, return_counts)
    others = [r for r, w in zip((first, inverse, counts), wanted, strict=True) if w]
    values = fetch(x, first)
    return (values, *others) if others else values


def _histogram(a, bins=10, range=None, density=None, weights=None):
    """Counts are constants, sums of weights and edges are not."""
    a = np.ravel(operand(a))
    if isinstance(bins, str):
        raise NotDifferentiable("np.histogram is differentiable for numbers or edges of bins, not for a rule")
    if np.ndim(bins) == 0:
        plain = plainly(np.histogram_bin_edges, strip(a), bins, _numbers(range))
        low, high = (np.min(a), np.max(a)) if range is None else range
        part = np.linspace(0.0, 1.0, int(bins) + 1)
        same = strip(operand(low)) == strip(operand(high))  # NumPy widens what is empty
        edges = plain if same else low * (1.0 - part) + high * part
    else:
        plain, edges = strip(operand(bins)), operand(bins)
    n = len(plain) - 1
    value = strip(a)
    # the last bin has its right edge
    place = plainly(np.searchsorted, plain, value, "right") - 1 - (value == plain[n])
    inside = (place >= 0) & (place < n)
    weight = np.ones(value.shape, int) if weights is None else np.ravel(operand(weights))
    total = np.bincount(place[inside], weights=None if weights is None else weight[inside], minlength=n)
    if density:
        return total / (edges[1:] - edges[:-1]) / np.sum(total), edges
    return total, edges


def _numbers(given):
    return None if given is None else tuple(strip(operand(x)) for x in given)


def _polyfit(x, y, deg, rcond=None, full=False, w=None, cov=False):
    if full or cov or np.ndim(deg):
        raise NotDifferentiable("np.polyfit is differentiable for full=False, cov=False and one degree")
    x, y = operand(x) + 0.0, operand(y) + 0.0
    powers = np.vander(x, deg + 1)
    if w is not None:
        w = operand(w)
        powers, y = powers * w[:, None], y * (w if np.ndim(y) == 1 else w[:, None])
    scale = np.sqrt(np.sum(strip(powers) ** 2, axis=0))
    c = np.linalg.lstsq(powers / scale, y, rcond)[0]
    return (c.T / scale).T


def _roots(p):
    """Eigenvalues of the companion matrix, as NumPy takes them."""
    p = np.atleast_1d(operand(p))
    nonzero = np.flatnonzero(strip(p))
    if not len(nonzero):
        return np.zeros(0)
    zeros = len(p) - 1 - int(nonzero[-1])
    p = p[int(nonzero[0]) : int(nonzero[-1]) + 1]
    n = len(p) - 1
    if not n:
        return np.zeros(zeros)
    top = np.reshape(-p[1:] / p[0], (1, n))
    found = np.linalg.eigvals(np.concatenate([top, np.eye(n)[:-1]]))
    return np.concatenate([found, np.zeros(zeros, found.dtype)])


def _trim_zeros(filt, trim="fb", axis=None):
    x = operand(filt)
    if np.ndim(x) != 1:
        raise NotDifferentiable("np.trim_zeros is differentiable for one axis")
    places = np.flatnonzero(strip(x))
    if not len(places):
        return x[:0]
    first = int(places[0]) if "f" in trim.lower() else 0
    return x[first : int(places[-1]) + 1 if "b" in trim.lower() else len(x)]


composite(np.unique, _unique, note="counts and numbers of entries the same for all elements of a `vmap`")
composite(np.histogram, _histogram, note="bins the same for all elements of a `vmap`")
composite(np.polyfit, _polyfit)
composite(np.roots, _roots, note="zeros at the same places in all elements of a `vmap`")
composite(np.trim_zeros, _trim_zeros, note="zeros at the same places in all elements of a `vmap`")
