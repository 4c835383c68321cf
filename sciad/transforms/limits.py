"""Derivatives at points where 0 met infinity: limits of the derivative beside the point.

``np.cbrt(x)**3`` at 0 has the derivative ``3*0**2 * inf``.  With products in which 0 wins it is 0, which is
right for ``np.where(x > 0, np.sqrt(x), 0)``, whose branch is not taken, and wrong here.  So where a
derivative was computed so (`sciad.eager.zeros`), it is also computed at points on both sides, at two
distances each, which tell the limits from the left and from the right.  Then, entry by entry:

- a side to which the function jumps, or is not defined, says nothing;
- if the derivative in which 0 wins is one of the limits, it stays: a smooth point, or the side that the
  program took;
- else it is the mean of both limits, as of `abs` at 0: the limit, where they agree; or the limit of the only
  side there is;
- if a limit is infinite, the derivative in which 0 wins stays, with a warning but for opposite ones (a cusp);
- if nothing is settled, the derivative is NaN, with a warning.

All of it asks for derivatives only, of any order, so compiled programs and those that are not, forward and
reverse mode do the same.  All entries of all arguments move at once, each by its own distance.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from sciad.eager.rebind import rebind
from sciad.eager.traced import Traced, operand, raw, strip
from sciad.eager.zeros import zeros
from sciad.plain_numpy import np
from sciad.transforms.later_calls import Witness
from sciad.tree import flatten, unflatten


class _Ring:
    """Two distances to look at, and how well derivatives there must agree: relative to the size of what
    moves, or only of entries that are 0, where numbers next to them are exact.
    """

    def __init__(self, far, near, agree, of_zeros=False):
        self.distances, self.agree, self.of_zeros = (far, near), agree, of_zeros
        self.rest = 0.0 if of_zeros else near / (far - near)  # what a straight line changes on the way to 0


_RINGS = [
    _Ring(2.0**-64, 2.0**-76, 1e-9, of_zeros=True),
    _Ring(2.0**-20, 2.0**-26, 1e-5),
    _Ring(2.0**-12, 2.0**-16, 1e-3),
]
_SINGLE = [_Ring(2.0**-40, 2.0**-47, 1e-3, of_zeros=True), _Ring(2.0**-9, 2.0**-12, 1e-2)]


def settled(found: Any, values: Any, args: tuple, chosen: tuple, beside: Callable) -> Any:
    """A derivative with limits where a factor 0 met an infinite one.

    Parameters
    ----------
    found : nested structure
        The derivative, computed with products in which 0 wins.
    values : nested structure
        The value of the function.
    args : tuple
        The arguments of the function; those at the places `chosen` move.
    beside : callable
        ``beside(args) -> (values, found)`` at other arguments.
    """
    leaves, structure = flatten(found)
    values = flatten(values)[0]
    return unflatten(structure, _settled_leaves(leaves, values, args, chosen, beside))


def settled_later(found, values, inputs, f, beside, chosen=None):
    """`settled` of a function that was called before, with those `inputs`."""
    primals = tuple([unflatten(structure, [x for _, x in places]) for structure, places in inputs])
    Witness(values).check(rebind(f)(*primals), f)
    chosen = tuple(range(len(primals))) if chosen is None else chosen
    return settled(found, values, primals, chosen, beside)


def moving(tangents) -> tuple:
    """The arguments that move along tangents."""
    moves = [t is not None and any(np.any(raw(x) != 0) for x in flatten(t)[0]) for t in tangents]
    return tuple([k for k, m in enumerate(moves) if m])


def _settled_leaves(found, values, args, chosen, beside):
    point = _Point(args, chosen, beside, found, values)
    result, infinite = None, False
    zeros.beside = True
    try:
        with np.errstate(all="ignore"):
            if point.stays():
                return list(map(_of_number, found, point.here))
            for ring in point.rings():
                sides = [[point.sample(sign * d, ring.of_zeros) for d in ring.distances] for sign in (-1, 1)]
                if None in (*sides[0], *sides[1]):
                    continue
                entries = [
                    _entry(z, here, point.alike[k], [(far[k], near[k]) for far, near in sides], ring)
                    for k, (z, here) in enumerate(zip(found, point.here, strict=True))
                ]
                decided = [_of_number(entry, v) for (entry, _), v in zip(entries, point.here, strict=True)]
                infinite = infinite or any(grows for _, grows in entries)
                result = decided if result is None else list(map(_filled, result, decided))
                if not any(map(_is_open, result)):
                    break
    finally:
        zeros.beside = False
    if infinite:
        warnings.warn(_INFINITE, RuntimeWarning, stacklevel=5)
    elif any(map(_is_lost, result, found, point.here)):
        warnings.warn(_NO_LIMIT, RuntimeWarning, stacklevel=5)
    return result


_INFINITE = (
    "a factor 0 of a derivative meets an infinite one, and beside the point the derivative grows without "
    "limit: it is taken as what it is with that factor 0 (docs/rules.md, at kinks and singularities)"
)
_NO_LIMIT = (
    "a derivative is NaN: a factor 0 meets an infinite one, and beside the point the derivative tends to "
    "nothing, or the function is not defined (docs/rules.md, at kinks and singularities)"
)


class _Point:
    """Where a derivative is looked into: it is computed beside it, and compared with what it is there."""

    def __init__(self, args, chosen, beside, found, values):
        self.args, self.chosen, self.beside, self.found = args, chosen, beside, found
        self.here = _aligned(values, found)
        self.leaves = [x for n in chosen for x in map(operand, flatten(args[n])[0]) if _is_number(x)]
        single = any(getattr(x, "dtype", None) in (np.float32, np.complex64) for x in self.leaves)
        self.known = _SINGLE if single else _RINGS
        every = [x for x in map(operand, flatten(args)[0]) if _is_number(x)]
        self.at_infinity = any(np.any(np.isinf(raw(x))) for x in every)
        self.has_zeros = any(np.any(raw(x) == 0) for x in self.leaves)
        sizes = [np.max(np.absolute(raw(x)), initial=0.0, where=np.isfinite(raw(x))) for x in self.leaves]
        self.size = max([1.0 if self.has_zeros else 1e-300, *sizes])

    def rings(self):
        return [ring for ring in self.known if self.has_zeros or not ring.of_zeros]

    def stays(self) -> bool:
        """Whether each entry is what it is a little to the left, or a little to the right."""
        alike, last = [False] * len(self.found), None
        for sign in (-1, 1):
            with zeros.heeding():  # one sweep is enough
                sample = self.sample(sign * self.known[1].distances[1], False)
            for k, (near, _, _) in enumerate(sample):
                at = strip(self.found[k])
                alike[k] = alike[k] | _alike(strip(near), at, at)
                if last is not None:  # a smooth point where another entry is singular
                    a, b = strip(last[k][0]), strip(near)
                    close = np.absolute(a - b) <= 1e-2 * (np.absolute(a) + np.absolute(b))
                    alike[k] = alike[k] | close & _alike(0.5 * (a + b), at, at)
            if all(np.all(raw(a)) for a in alike):
                return True
            last = sample
        self.alike = alike
        return False

    def sample(self, size, of_zeros):
        """The derivative and the value at some distance, and how inexact the derivative may be, entry by
        entry; None if 0 meets infinity there as well, though it did not have to.
        """
        args, met = _moved(self.args, self.chosen, size, of_zeros), zeros.met
        try:
            values, found = (flatten(tree)[0] for tree in self.beside(args))
        except Exception:  # the function need not be defined here
            nothing = [np.full(np.shape(strip(z)), np.nan) for z in self.found]
            return [(x, x, 0.0) for x in nothing]
        if of_zeros and zeros.met != met and not all(np.all(np.isnan(raw(x))) for x in found):
            return None
        sizes = [np.absolute(raw(v)) for v in values if _is_number(v)]
        largest = max((np.max(v, initial=0.0, where=np.isfinite(v)) for v in sizes), default=0.0)
        unit = 2.0**-50 / (abs(size) * (1.0 if of_zeros else min(self.size, 1.0)))
        values = _aligned(values, found)
        noise = [unit * (largest if v is None else np.absolute(v)) for v in values]
        if not self.at_infinity:
            found = list(map(_trusted, found, values))
        return list(zip(found, values, noise, strict=True))


def _aligned(values, found):
    """For each entry of a derivative the value it belongs to, or None."""
    values = [strip(v) if _is_number(v) else None for v in values]
    if len(values) == 1:
        values = values * len(found)
    if len(values) != len(found):
        values = [None] * len(found)
    return [
        v if v is not None and np.shape(v) in ((), np.shape(strip(x))) else None
        for v, x in zip(values, found, strict=True)
    ]


def _trusted(x, value):
    """A derivative, NaN where the value has overflowed or is none."""
    if value is None:
        return x
    bad = ~np.isfinite(value) if np.shape(value) == np.shape(strip(x)) else np.isinf(value)
    bad = bad & np.isfinite(strip(x))
    return np.where(bad, np.nan, x)[()] if np.any(raw(bad)) else x


def _of_number(x, value):
    """The derivative of what is no number is none."""
    if value is None or np.shape(value) != np.shape(strip(x)) or not np.any(np.isnan(raw(value))):
        return x
    return np.where(np.isnan(value), np.nan, x)[()]


def _moved(args, chosen, size, of_zeros):
    """The arguments, with those that are chosen moved."""
    args, k = list(args), 0
    for n in chosen:
        leaves, structure = flatten(args[n])
        moved = []
        for x in leaves:
            moved.append(_step(operand(x), size, k, of_zeros))
            k += 1
        args[n] = unflatten(structure, moved)
    return tuple(args)


_PATTERN = np.modf(np.arange(1, 256) * 0.6180339887498949)[0] + 0.5  # nothing is in step


def _step(x, size, k, of_zeros):
    if not _is_number(x):
        return x
    base = np.absolute(strip(x))
    shape = np.shape(base)
    pattern = np.resize(size * np.roll(_PATTERN, k), shape)
    scale = np.where(base == 0, 1.0, 0.0 if of_zeros else base)
    if not np.isfinite(np.max(raw(scale), initial=0.0)):
        scale = np.where(np.isfinite(scale), scale, 0.0)
    moved = x + pattern * scale
    if x.__class__ in (float, int):
        return float(moved)
    if isinstance(x, Traced) or x.dtype.kind not in "fc":
        return moved
    return np.asarray(moved, x.dtype)[()] if isinstance(x, np.generic) else np.asarray(moved, x.dtype)


def _is_number(x):
    return x.__class__ in (float, int, complex) or getattr(getattr(x, "dtype", None), "kind", "b") in "fciu"


def _is_open(x):
    return bool(np.any(np.isnan(raw(x))))


def _is_lost(x, before, value):
    lost = np.isnan(raw(x)) & ~np.isnan(raw(before))
    return bool(np.any(lost if value is None else lost & ~np.isnan(raw(value))))


def _entry(z, here, known, sides, ring):
    """One entry of a derivative from what is found on both sides, NaN where that settles nothing; and whether
    it stayed what it was though it is infinite next to it."""
    at = strip(z)
    jumps = [_jumps(here, far[1], near[1]) for far, near in sides]
    limits = [_limit(strip(far[0]), strip(near[0]), at, near[2], ring) for far, near in sides]
    there = [  # the sides that say something
        ~(np.isnan(strip(far[0])) & np.isnan(strip(near[0])) | j)
        for (far, near), j in zip(sides, jumps, strict=True)
    ]
    (left, right), (left_there, right_there) = limits, there
    unknown = ~np.isfinite(at) & jumps[0] & jumps[1]  # a kink: its derivative jumps
    left_there, right_there = left_there | unknown, right_there | unknown
    both, none = left_there & right_there, ~left_there & ~right_there
    infinite = (left_there & np.isinf(left) | right_there & np.isinf(right)) & np.isfinite(at)
    mean = np.where(both, 0.5 * (left + right), np.where(left_there, left, right))
    alike = left_there & _alike(left, at, left) | right_there & _alike(right, at, right)
    quiet = [
        (limit == 0) & (np.absolute(at) <= 8 * near[2])
        for limit, (_, near) in zip(limits, sides, strict=True)
    ]
    alike = alike | known | left_there & quiet[0] | right_there & quiet[1]
    stays = alike | infinite | both & _alike(mean, at, left) | none & (jumps[0] | jumps[1]) & np.isfinite(at)
    if np.all(raw(stays)):
        result = z
    else:
        ends = [_moving(near[0], limit) for (_, near), limit in zip(sides, limits, strict=True)]
        mean = np.where(both, 0.5 * (ends[0] + ends[1]), np.where(left_there, ends[0], ends[1]))
        result = np.where(stays, z, np.where(none, np.nan, mean))[()]
        result = result if result.dtype == z.dtype else result.astype(z.dtype)
    cusp = both & (left == -right)
    return result, bool(np.any(raw(infinite & ~alike & ~cusp)))


def _moving(near, limit):
    """A limit that moves with the point as the derivative next to it does."""
    if not isinstance(near, Traced):
        return limit
    return np.where(np.isfinite(limit), near + (limit - strip(near)), limit)


def _jumps(here, far, near):
    """Where a function does not tend to its value."""
    if here is None or far is None or near is None:
        return np.False_
    far, near = np.absolute(far - here), np.absolute(near - here)
    return ~((near <= 0.6 * far) | (near <= 1e-5 * np.absolute(here)) | np.isnan(near))


def _limit(far, near, at, noise, ring):
    """The limit of a derivative that is `far` at some distance and `near` at a smaller one, NaN if that tells
    none.

    Numbers that differ little are trusted. Others may be what is left of terms that should have cancelled:
    they tell something where they are larger than that, and next to nothing where they are smaller.
    """
    size = np.absolute(near)
    small = (np.absolute(near - far) <= ring.agree * (np.absolute(far) + size)) & ((size > 0) | (noise == 0))
    told = (size > 8 * noise) | (np.absolute(far) > 8 * noise)
    toward = (np.absolute(near - at) <= 0.2 * np.absolute(far - at)) & told
    grows = (size >= 5 * np.absolute(far)) & (np.sign(far) * np.sign(near) > 0) & told
    grows = grows & np.isfinite(near) if ring.of_zeros else grows  # infinite by cancellation, perhaps
    limit = np.where(
        grows, np.sign(near) * np.inf, np.where((size <= 0.2 * np.absolute(far)) & told, 0.0, np.nan)
    )
    limit = np.where(toward, at, limit)
    if not ring.of_zeros:
        limit = np.where(told | np.isnan(near), limit, 0.0)
    return np.where(small, near + (near - far) * ring.rest, limit)


def _alike(a, b, scale):
    return (a == b) | (np.absolute(a - b) <= 1e-5 * np.absolute(scale)) & np.isfinite(scale)


def _filled(first, second):
    """`first`, and `second` where that is NaN."""
    return np.where(np.isnan(strip(first)), second, first)[()]
