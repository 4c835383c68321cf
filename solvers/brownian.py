"""Brownian motion that replays: increments over any interval, in any order, from a seed.

Nothing is stored. Time is cut into cells of one width; the increment of a cell is a function of
``(seed, path, component, cell)``, and inside a cell the path is refined by halving, each half being drawn
given the whole. So ``W(t) - W(s)`` costs one cell where a solver steps cell by cell, and a descent of at
most `DEPTH` halvings where it does not, and any two solvers that ask for the same interval see the same
path.

A path is refined together with its integral: for an interval of length h, the increment ``W`` and the
space-time Levy area ``H`` (integral of ``W - linear interpolant``, divided by h) are independent, N(0, h)
and N(0, h/12), and both are kept at every level. Methods of strong order 1.5 need both.

References
----------
J. M. Foster, "Numerical approximations for stochastic differential equations", PhD thesis, Oxford (2020):
the law of (W, H) of both halves of an interval given those of the whole.

X. Li, T.-K. L. Wong, R. T. Q. Chen and D. Duvenaud, "Scalable gradients for stochastic differential
equations", AISTATS (2020): the virtual Brownian tree.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from sciad.compiler.native import apart, kernel, link
from solvers.philox import normal_pair

__all__ = ["BrownianMotion"]

DEPTH = 24  # halvings of a cell: below 6e-8 of its width the path is smooth
SNAP = 1e-9  # of a cell: times closer than this to a cell's edge are the edge
CELL_W, CELL_H, BRIDGE, LEVY = 0, 1, 2, 3  # streams of numbers of one component
STREAMS = 4


class BrownianMotion:
    """Independent Brownian motions on an interval, as a function of a seed.

    Parameters
    ----------
    t_span : (float, float)
        Interval on which the motion is defined.
    shape : tuple of int or int
        Shape of one path's value; ``()`` for one motion.
    seed : int
        Any integer; the lowest 64 bits are used. The same seed gives the same paths on every machine.
    dt : float, optional
        Width of a cell, `t_span` divided by 256 if not given. Solvers that step by `dt` are fastest.
    increments : array_like, shape (cells, *shape) or (paths, cells, *shape), optional
        The increments of the cells, in place of random ones: observed or shared noise. The cells divide
        `t_span` evenly. Inside a cell the path is random.

    Raises
    ------
    ValueError
        If `dt` is not positive or `increments` does not have the shape.

    Examples
    --------
    >>> W = BrownianMotion((0.0, 1.0), shape=2, seed=7)
    >>> whole = W.increment(0.0, 1.0)
    >>> bool(np.allclose(W.increment(0.0, 0.3) + W.increment(0.3, 1.0), whole, atol=1e-12))
    True
    """

    def __init__(self, t_span, shape=(), seed=0, dt=None, increments=None):
        self.start, self.stop = (float(t) for t in t_span)
        if not self.stop > self.start:
            raise ValueError(f"t_span = {tuple(t_span)} must increase: a Brownian motion runs forwards")
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        self.size = math.prod(self.shape)
        self.seed = int(seed)
        length = self.stop - self.start
        self.table = np.zeros((1, 0, self.size))
        if increments is not None:
            increments = np.asarray(increments, float)
            self.table = self._table(increments)
            given = length / self.table.shape[1]
            if dt is not None and not math.isclose(dt, given, rel_tol=1e-9):
                raise ValueError(
                    f"{self.table.shape[1]} increments on {tuple(t_span)} are {given} apart, not dt = {dt}"
                )
            dt = given
        self.dt = length / 256 if dt is None else float(dt)
        if not (self.dt > 0 and math.isfinite(self.dt)):
            raise ValueError(f"dt = {dt} must be positive")

    def _table(self, increments):
        if increments.shape[1:] == self.shape:
            increments = increments[None]
        if increments.shape[2:] != self.shape or increments.ndim != 2 + len(self.shape):
            raise ValueError(
                f"increments has shape {increments.shape}; expected (cells, *{self.shape}) "
                f"or (paths, cells, *{self.shape})"
            )
        if not increments.size:
            raise ValueError("increments holds no cells")
        return np.ascontiguousarray(increments.reshape(increments.shape[0], increments.shape[1], self.size))

    @property
    def key(self) -> int:
        """The seed as the signed 64-bit integer that kernels take."""
        return (self.seed + 2**63) % 2**64 - 2**63

    def increment(self, s, t, path: int = 0, space_time: bool = False):
        """``W(t) - W(s)`` of one path.

        Parameters
        ----------
        s, t : float
            Times in `t_span`; ``t < s`` gives the increment with its sign changed.
        path : int
            Which of the independent paths.
        space_time : bool
            Also return the space-time Levy area H of the interval, N(0, |t - s| / 12), independent of the
            increment.

        Returns
        -------
        W : ndarray of `shape`, or (W, H)

        Raises
        ------
        ValueError
            If a time lies outside of the span, or the path is not one of those given.
        """
        s, t = self._inside(s), self._inside(t)
        if not 0 <= path < 2**32 or (self.table.shape[1] and 1 < self.table.shape[0] <= path):
            raise ValueError(f"path = {path} is not one of the paths of this motion")
        out = np.zeros((2, self.size))
        _compiled()(path, min(s, t), max(s, t), self.start, self.dt, self.key, self.table, out)
        W, H = out.reshape((2, *self.shape))
        if t < s:
            W = -W  # H is the integral of the same bridge, run through backwards
            H = -H if False else H
        return (W, H) if space_time else W

    def __call__(self, t, path: int = 0) -> np.ndarray:
        """``W(t) - W(start)`` at one or several times, with the times as the last axis."""
        t = np.asarray(t, float)
        values = [self.increment(self.start, time, path) for time in t.ravel()]
        return np.moveaxis(np.reshape(values, t.shape + self.shape), range(t.ndim), range(-t.ndim, 0))

    def _inside(self, t):
        t = float(t)
        slack = SNAP * self.dt + 1e-12 * (self.stop - self.start)
        if not self.start - slack <= t <= self.stop + slack:
            raise ValueError(
                f"the Brownian path was asked for at t = {t}, outside of its span "
                f"[{self.start}, {self.stop}]; make it with a wider t_span"
            )
        return min(max(t, self.start), self.stop)


@functools.cache
def _compiled():
    signature = "int64(int64,float64,float64,float64,float64,int64,float64[:,:,::1],float64[:,::1])"
    return link(increments, signature)


@kernel
def increments(path, s, t, start, width, key, table, out):
    """Write W and H of ``[s, t]`` for every component into the two rows of `out`."""
    for c in range(out.shape[1]):
        w, integral = increment(path, c, s, t, start, width, key, table)
        out[0, c] = w
        if t > s:
            out[1, c] = integral / (t - s) - 0.5 * w
        else:
            out[1, c] = 0.0
    return 0


@apart
def increment(path, component, s, t, start, width, key, table):
    """``W(t) - W(s)`` and the integral of ``W(r) - W(s)`` over ``[s, t]``, s <= t."""
    x = cell_position(s, start, width)
    y = cell_position(t, start, width)
    first = np.int64(math.floor(x))
    last = np.int64(math.floor(y))
    from_first = (x - first) * width
    into_last = (y - last) * width
    w0, i0 = prefix(path, component, first, from_first, width, key, table)
    w = 0.0
    integral = 0.0
    if last > first:
        w, integral = cell(path, component, first, width, key, table)
        # what is left of the first cell: the whole without its beginning
        w = w - w0
        integral = integral - i0 - (width - from_first) * w0
        for k in range(last - first - 1):
            wk, ik = cell(path, component, first + 1 + k, width, key, table)
            integral = integral + width * w + ik
            w = w + wk
        w1, i1 = prefix(path, component, last, into_last, width, key, table)
        integral = integral + into_last * w + i1
        w = w + w1
    else:
        w1, i1 = prefix(path, component, last, into_last, width, key, table)
        integral = i1 - i0 - (into_last - from_first) * w0
        w = w1 - w0
    return w, integral


@kernel
def cell_position(t, start, width):
    """Time in cells since the start; a whole number when the time is an edge up to rounding."""
    x = (t - start) / width
    nearest = math.floor(x + 0.5)
    slack = SNAP + 1e-15 * (abs(t) + abs(start)) / width
    return nearest if abs(x - nearest) <= slack else x


@apart
def cell_w(path, component, k, width, key, table):
    """Increment of cell k: given, or random. Two neighbours share one evaluation of the generator."""
    if table.shape[1] > 0:
        row = path if table.shape[0] > 1 else 0
        return table[row, k, component]
    a, b = normal_pair(k >> 1, 0, path, STREAMS * component + CELL_W, key)
    return math.sqrt(width) * (b if (k & 1) == 1 else a)


@apart
def cell_h(path, component, k, width, key):
    """Space-time Levy area of cell k."""
    a, b = normal_pair(k >> 1, 0, path, STREAMS * component + CELL_H, key)
    return math.sqrt(width / 12.0) * (b if (k & 1) == 1 else a)


@apart
def cell(path, component, k, width, key, table):
    """Increment of cell k, and the integral of the path over it."""
    w = cell_w(path, component, k, width, key, table)
    return w, width * (0.5 * w + cell_h(path, component, k, width, key))


@apart
def prefix(path, component, k, u, width, key, table):
    """Increment over the first `u` of cell k, and its integral, by halving down to where `u` lies."""
    total = 0.0
    integral = 0.0
    if u > 0.0:
        w = cell_w(path, component, k, width, key, table)
        h = cell_h(path, component, k, width, key)
        left = 0.0
        size = width
        node = 1
        for _ in range(DEPTH):
            if left < u:
                half = 0.5 * size
                a, b = normal_pair(k, node, path, STREAMS * component + BRIDGE, key)
                a = 0.25 * math.sqrt(size) * a
                b = math.sqrt(size / 12.0) * b
                wl = 0.5 * w + 1.5 * h + a
                hl = 0.25 * h - 0.5 * a + 0.5 * b
                node = 2 * node
                if u < left + half:
                    w = wl
                    h = hl
                else:
                    integral = integral + half * (total + 0.5 * wl + hl)
                    total = total + wl
                    left = left + half
                    w = w - wl
                    h = 0.25 * h - 0.5 * a - 0.5 * b
                    node = node + 1
                size = half
        # in the last interval: the mean given its w and h
        r = (u - left) / size
        integral = integral + (u - left) * total + size * (0.5 * w * r * r + h * r * r * (3.0 - 2.0 * r))
        total = total + r * w + 6.0 * r * (1.0 - r) * h
    return total, integral
