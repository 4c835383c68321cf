"""Events: zeros of functions of the solution, located on the dense output, where a solve may end or be
changed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sciad.eager.traced import Traced, operand
from sciad.solvers.model.arguments import float_array, untraced, untraced_args
from sciad.solvers.stepping import loop_state as state
from sciad.tree import tree_leaves

__all__ = ["Events", "Occurrence"]


@dataclass(frozen=True)
class Occurrence:
    """A zero of event function ``k`` at time t, with the state (n,) there, before any change.

    ``rate`` is how fast the function changes on average around the zero.
    """

    k: int
    t: float
    y: np.ndarray
    rate: float = 0.0


class Events:
    """The event functions of one solve.

    Parameters
    ----------
    functions : callable or sequence of callables
        ``event(t, y, *args) -> float``. Attributes, as SciPy's: ``direction`` (only zeros that are passed
        upwards if positive, downwards if negative, both if 0) and ``terminal`` (the solve ends at the
        first zero if True, at the k-th if an integer k). And ``apply(t, y, *args)``, which returns the
        state to go on with from the event, or ``(state, args)`` where it changes parameters too.
    args : tuple
    shape : of y

    Attributes
    ----------
    found : list of Occurrence
        Zeros in the order they were passed.
    ended : bool
        Whether the last of them ends the solve.
    due : list of int
        Events at which the state is to be changed where the solve has stopped, in order.
    traced : bool
        Whether the functions depend on values that are being differentiated, which they captured.

    Notes
    -----
    Zeros are looked for between the ends of accepted steps, so none is missed because of a rejected step
    and none is found twice. Where the slope of an event function at the ends of a step says that it turns
    back inside, the function is looked at in between, too, on the dense output. What turns more than
    once within a step can be missed: give the event an attribute ``samples`` (an integer, at how many
    places inside every step it is looked at), or the solve a ``max_step``.
    """

    def __init__(self, functions, args: tuple, shape: tuple[int, ...]):
        self.functions = (functions,) if callable(functions) else tuple(functions)
        for function in self.functions:
            if not callable(function):
                raise TypeError(f"events must be functions of (t, y, *args), not {function!r}")
        self.args, self.shape = args, shape
        self.direction = np.array([float(getattr(f, "direction", 0.0)) for f in self.functions])
        self.limit = [_limit(f) for f in self.functions]
        self.samples = [_samples(f) for f in self.functions]
        self.found: list[Occurrence] = []
        self._count = [0] * len(self.functions)
        self.ended = self.traced = False
        self.due: list[int] = []
        self._rate: dict[int, float] = {}
        self._past: set[int] = set()  # events whose zero at the start of the next step is dealt with
        self._blur: dict[int, float] = {}  # and how far from zero they were there

    @property
    def t(self) -> list[np.ndarray]:
        """Times of each event's zeros."""
        return [np.array([o.t for o in self.found if o.k == k]) for k in range(len(self.functions))]

    @property
    def y(self) -> list[np.ndarray]:
        """States at each event's zeros."""
        return [
            np.array([o.y.reshape(self.shape) for o in self.found if o.k == k])
            for k in range(len(self.functions))
        ]

    def start(self, t: float, y: np.ndarray) -> None:
        self._g, self._ahead = self._values(t, y), None

    def after_step(self, desk, p, real, whole) -> tuple[float, np.ndarray] | None:
        """Look at the step just accepted; time and state where the solve stops in it, if it does."""
        t0, t1 = float(real[state.T0]), float(real[state.T1])
        old, new = self._g, self._values(t1, desk.y1)
        before = self._changes(desk, True, old, p, real, whole) if self._ahead is None else self._ahead
        after = self._ahead = self._changes(desk, False, new, p, real, whole)
        begin, solution = {}, None
        if self._past:
            # Zeros already dealt with lie at t0: the next ones are looked for from a little later on.
            solution = self._inside(desk, p, real, whole)
            for k in self._past:
                begin[k], old[k] = self._leaving(k, solution, t0, t1)
                before[k] = old[k]
        looked = self._looked_at(old, new, before, after)
        self._g, self._past, self._blur = new, set(np.flatnonzero(new == 0.0).tolist()), {}
        active = [k for k in range(len(old)) if self._passes(k, old[k], new[k])]
        if not (active or looked):
            return None
        solution = solution or self._inside(desk, p, real, whole)
        brackets = []
        for k in sorted({*active, *looked}):
            points = [(begin.get(k, t0), old[k]), (t1, new[k])]
            if k in looked:
                points[1:1] = self._between(k, solution, *points, looked[k])
            pairs = pairwise(points)
            brackets += [(k, *a, *b) for a, b in pairs if self._passes(k, a[1], b[1])]
        sign = 1.0 if t1 > t0 else -1.0
        roots = sorted(
            ((self._locate(k, solution, *bracket), k) for k, *bracket in brackets),
            key=lambda root: (sign * (root[0] - t0), root[1]),
        )
        for i, (t, k) in enumerate(roots):
            if self.changes(k) or self._last(k):
                # What else happens at this very time: first what only looks on, then changes in order.
                near = [r for r in roots[i:] if abs(r[0] - t) <= SAME * max(abs(t0), abs(t1))]
                now = sorted((k for _, k in near), key=lambda k: (self.changes(k) or self._last(k), k))
                y = solution(t)
                self._past = {k for _, k in near}
                self._blur = {k: abs(self._plain(k, t, y)) for k in self._past}
                self.happen(now, t, y)
                _stop_at(real, t)
                return t, y
            self._write(k, t, solution(t))
        return None

    def happen(self, now: list[int], t: float, y: np.ndarray) -> None:
        """Write down the events that are due, up to the first that ends the solve or changes the state."""
        while now:
            k, *now = now
            self.ended = self._last(k)
            self._write(k, t, y.copy())
            if self.ended:
                self.due = []
                return
            if self.changes(k):
                self.due = [k, *now]
                return
        self.due = []

    def changes(self, k: int) -> bool:
        return getattr(self.functions[k], "apply", None) is not None

    def changed(self, k: int, t, y, args: tuple):
        """State and arguments that event ``k`` leaves behind; plain or traced, as what it is given.

        Raises
        ------
        ValueError
            If ``apply`` returns nothing, or something of another shape or structure.
        """
        result = self.functions[k].apply(t, y, *args)
        if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], tuple):
            result, new = result
            if len(new) != len(args):
                raise ValueError(
                    f"apply of event {k} returns {len(new)} args at t = {untraced(t):.6g}, but the solve has "
                    f"{len(args)}: return (y, args) with args of the same structure"
                )
            args = new
        if result is None:
            raise ValueError(f"apply of event {k} returns nothing: it must return the state to go on with")
        result = float_array(result, f"the state returned by apply of event {k}")
        if np.size(result) != np.size(y):
            raise ValueError(
                f"apply of event {k} returns shape {np.shape(result)} at t = {untraced(t):.6g}, but y has "
                f"shape {self.shape}"
            )
        return np.reshape(result, self.shape), args

    def value(self, k: int, t, y, args: tuple):
        """Event function ``k`` as a number; plain or traced."""
        return np.reshape(
            float_array(self.functions[k](t, np.reshape(y, self.shape), *args), f"event {k}"), ()
        )

    def go_on(self, y: np.ndarray, t: float) -> tuple[np.ndarray, list[int]]:
        """The plain state after the first event that is due, and the events due after it."""
        k, *rest = self.due
        y, args = self.changed(k, t, y.reshape(self.shape).copy(), self.args)
        self.traced |= any(isinstance(operand(x), Traced) for x in (y, *tree_leaves(args)))
        if args is not self.args:
            self.args = untraced_args(args)
        return np.ascontiguousarray(untraced(y), dtype=float).reshape(-1), rest

    def _last(self, k: int) -> bool:
        """Whether the next zero of event ``k`` ends the solve."""
        return self._count[k] + 1 >= self.limit[k]

    def _write(self, k: int, t: float, y: np.ndarray) -> None:
        self._count[k] += 1
        self.found.append(Occurrence(k, t, y, self._rate.get(k, 0.0)))

    def settled(self, t: float, before: np.ndarray, after: np.ndarray) -> None:
        """The state that an event left behind has been made consistent, which blurs the zero."""
        if after is not before:
            for k in self._past:
                self._blur[k] = self._blur.get(k, 0.0) + abs(
                    self._plain(k, t, after) - self._plain(k, t, before)
                )

    def _leaving(self, k: int, solution, t0: float, t1: float) -> tuple[float, float]:
        """Where, on leaving a zero at t0, the sign of event ``k`` is certain, and its value there.

        As early as rounding allows, so that the next zero may be much closer than the step is long.
        """
        y0 = solution(t0)
        signs = np.where(np.arange(y0.size) % 2, -1.0, 1.0)
        value = self._plain(k, t0, y0)
        shifted = [(t0 * (1 + ROUNDING), y0), *((t0, y0 * (1 + ROUNDING * s)) for s in (1.0, signs))]
        noise = max(abs(self._plain(k, t, y) - value) for t, y in shifted) + self._blur.get(k, 0.0)
        for part in (1e-12, 1e-9, 1e-6, 1e-3, 1e-2, 0.1, 0.5):
            t = t0 + part * (t1 - t0)
            found = self._plain(k, t, solution(t))
            if t != t0 and abs(found) > 10.0 * noise:
                return t, found
            if part == 1e-3 and t != t0 and not noise > 0.0:
                return t, found
        return t1, self._plain(k, t1, solution(t1))

    def _inside(self, desk, p, real, whole):
        if whole[state.DENSE_DONE] == 0:
            desk.prepare_dense(p, whole, real)
        return desk.inside(float(real[state.T0]), float(real[state.T1]))

    def _values(self, t: float, y: np.ndarray) -> np.ndarray:
        return np.array([self._plain(k, t, y) for k in range(len(self.functions))])

    def _plain(self, k: int, t: float, y: np.ndarray) -> float:
        found = operand(self.functions[k](t, y.reshape(self.shape), *self.args))
        self.traced |= isinstance(found, Traced)
        return float(np.asarray(untraced(found)).item())

    def _passes(self, k: int, old: float, new: float) -> bool:
        """Whether event ``k`` passes zero in its direction from one value to a later one."""
        up, down = old <= 0.0 <= new, old >= 0.0 >= new
        return (up and self.direction[k] >= 0) or (down and self.direction[k] <= 0)

    def _changes(self, desk, opening: bool, g: np.ndarray, p, real, whole) -> np.ndarray:
        """By how much the event functions, g there, change next to an end of the last step.

        In the direction of integration, along the slope there, which the step has computed anyway.
        """
        t0, t1 = float(real[state.T0]), float(real[state.T1])
        part = NEAR * (t1 - t0) if opening else NEAR * (t0 - t1)
        t = (t0 if opening else t1) + part
        if whole[state.MASS] != 0:  # then f is not the slope
            y = self._inside(desk, p, real, whole)(t)
        else:
            y = desk.y + part * desk.opening if opening else desk.y1 + part * desk.closing
        near = self._values(t, y)
        return near - g if opening else g - near

    def _looked_at(self, old, new, before, after) -> dict[int, int]:
        """Events to be looked at between the ends of the step, and at how many places."""
        found = {}
        for k in range(len(old)):
            side, rise = old[k] + new[k], new[k] - old[k]
            if old[k] * new[k] > 0.0:
                turns = before[k] * side < 0.0 < after[k] * side
            else:
                turns = before[k] * rise < 0.0 or after[k] * rise < 0.0
            turns = turns or _wavy(before[k] / NEAR, after[k] / NEAR, rise)
            if turns or self.samples[k]:
                found[k] = max(PLACES if turns else 0, self.samples[k])
        return found

    def _between(self, k: int, solution, first, last, count: int) -> list[tuple[float, float]]:
        """Points (t, g) inside of a step between which event ``k`` has one zero at most, as far as seen."""

        def g(t):
            return self._plain(k, t, solution(t))

        part = (last[0] - first[0]) / (count + 1)
        inner = [(t, g(t)) for t in (first[0] + part * i for i in range(1, count + 1))]
        # A zero met exactly is looked at from both sides.
        both = [
            (x,) if x[1] else [(t, g(t)) for t in (x[0] - NEAR * part, x[0] + NEAR * part)] for x in inner
        ]
        points = [first, *(x for group in both for x in group), last]
        found = points[1:-1]
        for i in range(len(points) - 1):
            # Between neighbours of one sign an extremum may reach over zero.
            low, high = points[max(i - 1, 0)], points[min(i + 2, len(points) - 1)]
            (a, ga), (b, gb) = points[i], points[i + 1]
            if not ga * gb > 0.0 or (abs(low[1]) < abs(ga) and abs(gb) > abs(ga)):
                continue
            if abs(high[1]) < abs(gb) < abs(ga):
                continue
            if i and high is not points[i + 1] and _clear(points[i - 1 : i + 3], ga):
                continue
            from scipy.optimize import minimize_scalar

            side, h = math.copysign(1.0, ga), b - a
            best = minimize_scalar(
                lambda part, a=a, h=h, side=side: side * g(a + part * h), bounds=(0.0, 1.0), method="bounded"
            )
            if best.fun < 0.0:
                found.append((a + best.x * h, side * best.fun))
        forward = 1.0 if last[0] > first[0] else -1.0
        return sorted((x for x in found if x[1] != 0.0), key=lambda x: forward * x[0])

    def _locate(self, k: int, solution, t0: float, first: float, t1: float, last: float) -> float:
        """The zero of event ``k`` between two times, from its values there."""
        self._rate[k] = abs((last - first) / (t1 - t0)) if t1 != t0 else 0.0
        if first == 0.0 or first * last > 0.0:
            return t0 if abs(first) <= abs(last) else t1
        if last == 0.0:
            return t1

        def g(t):
            return first if t == t0 else last if t == t1 else self._plain(k, t, solution(t))

        from scipy.optimize import brentq

        eps = 4 * np.finfo(float).eps
        # As sharp as the step and the time allow: no absolute scale of time is meant.
        return float(brentq(g, t0, t1, xtol=max(eps * abs(t1 - t0), 5e-324), rtol=eps, maxiter=1000))


NEAR = 1e-4  # of a step, over which the change of an event function says where it is heading
PLACES = 7  # inside of a step in which an event function turns
ROUNDING = 1e-14  # relative size of changes that mean nothing
SAME = 16 * np.finfo(float).eps  # relative distance of times that are one and the same


def _limit(function) -> float:
    """After how many zeros the solve ends."""
    terminal = getattr(function, "terminal", None)
    if terminal is None or terminal == 0:
        return math.inf
    if int(terminal) == terminal and terminal > 0:
        return int(terminal)
    raise ValueError("The `terminal` attribute of each event must be a boolean or positive integer.")


def _wavy(first: float, last: float, rise: float) -> bool:
    """Whether the cubic with these slopes at 0 and 1 and this rise between them turns twice in between."""
    if not first * last > 0.0:
        return False
    bend, tilt = 3.0 * (first + last - 2.0 * rise), 3.0 * rise - 2.0 * first - last
    # the slope at s is first + 2 tilt s + bend s^2
    return 0.0 < -tilt * bend < bend * bend and (first * bend - tilt * tilt) * bend * first < 0.0


def _clear(points: list[tuple[float, float]], side: float) -> bool:
    """Whether the parabolas through four points (t, g) at equal distances stay well on one side of zero."""
    least = min(abs(g) for _, g in points)
    for (_, a), (_, b), (_, c) in (points[:3], points[1:]):
        bend, tilt = a - 2 * b + c, 0.5 * (c - a)
        if bend * side > 0.0 and (b - 0.5 * tilt * tilt / bend) * math.copysign(1.0, side) < 0.5 * least:
            return False
    return True


def _samples(function) -> int:
    """At how many places inside every step an event is to be looked at."""
    count = getattr(function, "samples", 0)
    if int(count) == count and count >= 0:
        return int(count)
    raise ValueError(f"The `samples` attribute of an event must be a whole number, not {count!r}")


def _stop_at(real, t: float) -> None:
    """Let the loop write the outputs up to t and return."""
    real[state.LIMIT] = t
    real[state.END] = real[state.T1]
