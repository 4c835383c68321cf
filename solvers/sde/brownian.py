"""Brownian motion that replays: increments over any interval, in any order, from a seed.

Nothing is stored. Time is cut into cells of one width; the increment of a cell is a function of
``(seed, path, component, cell)``, and inside a cell the path is refined by halving, each half being drawn
given the whole. So ``W(t) - W(s)`` costs one cell where a solver steps cell by cell, and a descent of at
most `DEPTH` halvings where it does not, and any two solvers that ask for the same interval see the same
path.

A path is refined together with its integral: for an interval of length h, the increment ``W`` and the
space-time Levy area ``H`` (integral of ``W - linear interpolant``, divided by h) are independent, N(0, h)
and N(0, h/12), and both are kept at every level. Methods of strong order 1.5 need both.

The Levy area between two components, which noise that does not commute needs, is put together by Chen's
relation from `LEAVES` leaves in a cell, so that areas of neighbouring intervals add up as they must. What
(W, H) of a leaf leave open of its area is a normal number of the right variance given them: over L leaves
the law is off by O(h / L^(3/2)), where leaving it out would cost O(h / L^(1/2)).

References
----------
J. M. Foster, "Numerical approximations for stochastic differential equations", PhD thesis, Oxford (2020):
the law of (W, H) of both halves of an interval given those of the whole; mean and variance of the Levy
area given (W, H).

X. Li, T.-K. L. Wong, R. T. Q. Chen and D. Duvenaud, "Scalable gradients for stochastic differential
equations", AISTATS (2020): the virtual Brownian tree.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sciad.native.kernels import apart, kernel, link
from sciad.native.philox import normal_pair

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["BrownianMotion"]

DEPTH = 24  # halvings of a cell: below 6e-8 of its width the path is smooth
SNAP = 1e-9  # of a cell: times closer than this to a cell's edge are the edge
CELL_W, CELL_H, BRIDGE, LEVY = 0, 1, 2, 3  # streams of numbers of one component
STREAMS = 4
HALVINGS = 4  # of a cell, down to the leaves that Levy areas are made of
LEAVES = 1 << HALVINGS
PLAIN, SPACE_TIME, AREAS = 1, 2, 3  # noise that a step takes: W; W and H; W and the Levy areas


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

    def __init__(
        self,
        t_span: ArrayLike,
        shape: int | tuple[int, ...] = (),
        seed: int | None = 0,
        dt: float | None = None,
        increments: ArrayLike | None = None,
    ) -> None:
        self.start, self.stop = (float(t) for t in t_span)
        if not (math.isfinite(self.start) and math.isfinite(self.stop)):
            raise ValueError(f"t_span = {tuple(t_span)} must be finite")
        if not self.stop > self.start:
            raise ValueError(f"t_span = {tuple(t_span)} must increase: a Brownian motion runs forwards")
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        self.size = math.prod(self.shape)
        if not all(isinstance(k, int | np.integer) and k >= 0 for k in self.shape):
            raise ValueError(f"shape = {shape!r} must be integers that are not negative")
        if not isinstance(seed, int | np.integer):
            raise ValueError(f"seed = {seed!r} must be an integer")
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
        if not np.all(np.isfinite(increments)):
            raise ValueError("increments holds values that are not finite")
        return np.ascontiguousarray(increments.reshape(increments.shape[0], increments.shape[1], self.size))

    @property
    def key(self) -> int:
        """The seed as the signed 64-bit integer that kernels take."""
        return (self.seed + 2**63) % 2**64 - 2**63

    def increment(self, s: float, t: float, path: int = 0, space_time: bool = False) -> Any:
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
        self._one_of(path)
        out = np.zeros((2, self.size))
        _compiled()(path, min(s, t), max(s, t), self.start, self.dt, self.key, self.table, out)
        W, H = out.reshape((2, *self.shape))
        if t < s:
            W = -W  # H is the integral of the same bridge, run through backwards
        return (W, H) if space_time else W

    def levy_area(self, s: float, t: float, path: int = 0) -> np.ndarray:
        """Levy areas of one path between its components over [s, t].

        Parameters
        ----------
        s, t : float
            Times in `t_span`, s <= t. Areas are resolved to `leaf`; inside of a leaf they add up, but do not
            have the law.
        path : int

        Returns
        -------
        A : ndarray (size, size)
            ``A[i, j]`` is half the integral of ``X_i dX_j - X_j dX_i`` with ``X = W - W(s)``; antisymmetric.
        """
        s, t = self._inside(s), self._inside(t)
        self._one_of(path)
        if t < s:
            raise ValueError(f"the Levy area over [{s}, {t}] runs backwards: give s <= t")
        m = self.size
        out, room = np.zeros(noise_numbers(AREAS, m)), np.empty(levy_room(m))
        _compiled_levy()(path, s, t, self.start, self.dt, self.key, self.table, m, out, room)
        area = np.zeros((m, m))
        area[np.triu_indices(m, 1)] = out[m:]
        return area - area.T

    @property
    def leaf(self) -> float:
        """Time to which Levy areas are resolved."""
        return self.dt / LEAVES

    def __call__(self, t, path: int = 0) -> np.ndarray:
        """``W(t) - W(start)`` at one or several times, with the times as the last axis."""
        t = np.asarray(t, float)
        values = [self.increment(self.start, time, path) for time in t.ravel()]
        return np.moveaxis(np.reshape(values, t.shape + self.shape), range(t.ndim), range(-t.ndim, 0))

    def _one_of(self, path):
        if not 0 <= path < 2**32 or (self.table.shape[1] and 1 < self.table.shape[0] <= path):
            raise ValueError(f"path = {path} is not one of the paths of this motion")

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


@functools.cache
def _compiled_levy():
    signature = (
        "int64(int64,float64,float64,float64,float64,int64,float64[:,:,::1],int64,float64[::1],float64[::1])"
    )
    return link(levy, signature)


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


@kernel
def halves(w, h, size, path, component, k, node, key):
    """W and H of both halves of a node of cell k, of length `size`, given its own."""
    a, b = normal_pair(k, node, path, STREAMS * component + BRIDGE, key)
    a = 0.25 * math.sqrt(size) * a
    b = math.sqrt(size / 12.0) * b
    wl = 0.5 * w + 1.5 * h + a
    return wl, 0.25 * h - 0.5 * a + 0.5 * b, w - wl, 0.25 * h - 0.5 * a - 0.5 * b


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
                wl, hl, wr, hr = halves(w, h, size, path, component, k, node, key)
                node = 2 * node
                if u < left + half:
                    w = wl
                    h = hl
                else:
                    integral = integral + half * (total + 0.5 * wl + hl)
                    total = total + wl
                    left = left + half
                    w = wr
                    h = hr
                    node = node + 1
                size = half
        # in the last interval: the mean given its w and h
        r = (u - left) / size
        integral = integral + (u - left) * total + size * (0.5 * w * r * r + h * r * r * (3.0 - 2.0 * r))
        total = total + r * w + 6.0 * r * (1.0 - r) * h
    return total, integral


# -- Levy areas between components -----------------------------------------------------------------------


@kernel
def noise_numbers(noises, components):
    """How many numbers of noise a step takes: PLAIN, SPACE_TIME or AREAS (i < j, row by row)."""
    if noises == AREAS:
        return components + components * (components - 1) // 2
    return noises * components


@kernel
def levy_room(components):
    """Workspace of `levy`."""
    return (7 + 2 * HALVINGS) * components


@apart
def levy(path, s, t, start, width, key, table, components, out, room):
    """Write the increments over ``[s, t]`` to `out`, and behind them the areas A_ij, i < j, row by row.

    `room`: W, H and a normal number of the present leaf; W and H up to where the interval begins in the
    leaf and up to where it ends; right halves that are yet to be visited, by level.
    """
    m = components
    size = width / LEAVES
    x = cell_position(s, start, size)
    y = cell_position(t, start, size)
    first = np.int64(math.floor(x))
    for i in range(noise_numbers(AREAS, m)):
        out[i] = 0.0
    for leaf in range(first, np.int64(math.ceil(y))):
        k = leaf // LEAVES
        index = leaf - k * LEAVES
        r0 = max(x - leaf, 0.0)
        r1 = min(y - leaf, 1.0)
        for c in range(m):
            visit(path, c, m, k, index, leaf == first, width, key, table, room)
            z, _ = normal_pair(k, LEAVES + index, path, STREAMS * c + LEVY, key)
            room[2 * m + c] = z
            w, h = inside_leaf(path, c, k, index, r0, width, key, table, room[c], room[m + c])
            room[3 * m + c] = w
            room[4 * m + c] = h
            w, h = inside_leaf(path, c, k, index, r1, width, key, table, room[c], room[m + c])
            room[5 * m + c] = w
            room[6 * m + c] = h
        pair = m
        for i in range(m):
            dwi = room[5 * m + i] - room[3 * m + i]
            for j in range(i + 1, m):
                dwj = room[5 * m + j] - room[3 * m + j]
                z, _ = normal_pair(k, LEAVES + index, path, STREAMS * pair + LEVY, key)
                rest = math.sqrt(0.2 * size) * (room[m + i] * room[2 * m + j] - room[m + j] * room[2 * m + i])
                rest = rest + math.sqrt(0.05) * size * z
                before = room[4 * m + i] * room[3 * m + j] - room[3 * m + i] * room[4 * m + j]
                area = room[6 * m + i] * room[5 * m + j] - room[5 * m + i] * room[6 * m + j]
                area = area - before + (r1 * r1 - r0 * r0) * rest
                area = area - 0.5 * (room[3 * m + i] * dwj - room[3 * m + j] * dwi)
                out[pair] += area + 0.5 * (out[i] * dwj - out[j] * dwi)
                pair += 1
        for c in range(m):
            out[c] += room[5 * m + c] - room[3 * m + c]
    return 0


@apart
def visit(path, c, m, k, index, anew, width, key, table, room):
    """Write W and H of leaf `index` of cell k to ``room[c]`` and ``room[m + c]``.

    Leaves are visited in order: right halves are kept for when their turn comes.
    """
    w = 0.0
    h = 0.0
    level = np.int64(0)
    if anew or index == 0:
        w = cell_w(path, c, k, width, key, table)
        h = cell_h(path, c, k, width, key)
    else:
        level = np.int64(HALVINGS)
        low = index
        while low % 2 == 0:
            low = low // 2
            level -= 1
        w = room[(5 + 2 * level) * m + c]
        h = room[(6 + 2 * level) * m + c]
    for l in range(level, HALVINGS):
        node = (LEAVES + index) >> (HALVINGS - l)
        wl, hl, wr, hr = halves(w, h, width * 0.5**l, path, c, k, node, key)
        if (index >> (HALVINGS - 1 - l)) % 2 == 0:
            room[(7 + 2 * l) * m + c] = wr
            room[(8 + 2 * l) * m + c] = hr
            w = wl
            h = hl
        else:
            w = wr
            h = hr
    room[c] = w
    room[m + c] = h
    return 0


@apart
def inside_leaf(path, c, k, index, r, width, key, table, w, h):
    """W and H of the first part r of leaf `index` of cell k, whose own are w and h."""
    if r == 0.0:
        return 0.0, 0.0
    if r == 1.0:
        return w, h
    size = width / LEAVES
    before, first = prefix(path, c, k, index * size, width, key, table)
    after, second = prefix(path, c, k, (index + r) * size, width, key, table)
    w = after - before
    return w, (second - first) / (r * size) - before - 0.5 * w
