"""Events: zeros of functions of the solution, located on the dense output, where a solve may end or be
changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq

from solvers import state

__all__ = ["Events"]


class Events:
    """The event functions of one solve.

    Parameters
    ----------
    functions : callable or sequence of callables
        ``event(t, y, *args) -> float``. Attributes, as SciPy's: ``direction`` (only zeros that are passed
        upwards if positive, downwards if negative, both if 0) and ``terminal`` (the solve ends at the
        first zero if True, at the k-th if an integer k). And ``apply(t, y, *args)``, which returns the
        state to go on with from the event.
    args : tuple
    shape : of y

    Notes
    -----
    Zeros are looked for between the ends of accepted steps, so none is missed because of a rejected step
    and none is found twice; a pair of zeros within one step is not seen (limit ``max_step``).
    """

    def __init__(self, functions, args: tuple, shape: tuple[int, ...], restart: float = 0.0):
        self.functions = (functions,) if callable(functions) else tuple(functions)
        for function in self.functions:
            if not callable(function):
                raise TypeError(f"events must be functions of (t, y, *args), not {function!r}")
        self.args, self.shape = args, shape
        self.direction = np.array([float(getattr(f, "direction", 0.0)) for f in self.functions])
        self.limit = [_limit(f) for f in self.functions]
        self.apply: list[Callable | None] = [getattr(f, "apply", None) for f in self.functions]
        self.t: list[list[float]] = [[] for _ in self.functions]
        self.y: list[list[np.ndarray]] = [[] for _ in self.functions]
        self.restart = restart
        self._pending: tuple[float, np.ndarray] | None = None
        self._fired = -1

    def start(self, t: float, y: np.ndarray) -> None:
        self._pending, self._fired = None, -1
        self._g = self._values(t, y)

    def after_step(self, desk, p, real, whole) -> tuple[float, np.ndarray] | None:
        """Look at the step just accepted; time and state of the event that ends the solve, if one does."""
        t0, t1 = float(real[state.T0]), float(real[state.T1])
        new = self._values(t1, desk.y1)
        begin = t0
        if self._fired >= 0:
            # The zero just dealt with lies at t0: the next one is looked for from a little later on.
            if whole[state.DENSE_DONE] == 0:
                desk.prepare_dense(p, whole, real)
            begin = t0 + 1e-3 * (t1 - t0)
            self._g[self._fired] = self._values(begin, desk.inside(t0, t1)(begin))[self._fired]
        active = self._active(self._g, new)
        self._g = new
        if not len(active):
            self._fired = -1
            return None
        if whole[state.DENSE_DONE] == 0:
            desk.prepare_dense(p, whole, real)
        solution = desk.inside(t0, t1)
        fired, self._fired = self._fired, -1
        roots = [(self._locate(k, solution, begin if k == fired else t0, t1), k) for k in active]
        for t, k in sorted(roots, reverse=t1 < t0):
            y = solution(t)
            self.t[k].append(t)
            self.y[k].append(y.reshape(self.shape))
            if len(self.t[k]) >= self.limit[k]:
                _stop_at(real, t)
                return t, y
            if self.apply[k] is not None:
                changed = np.asarray(self.apply[k](t, y.reshape(self.shape), *self.args), dtype=float)
                if changed.size != y.size:
                    raise ValueError(
                        f"apply of event {k} returns shape {changed.shape} at t = {t:.6g}, but y has shape "
                        f"{self.shape}"
                    )
                self._pending, self._fired = (t, changed.reshape(-1)), k
                _stop_at(real, t)
                return None
        return None

    def goes_on(self, desk, real, whole, t1: float) -> bool:
        """After the outputs up to an event are written: start anew from the changed state, if there is
        one.
        """
        if self._pending is None:
            return False
        t, y = self._pending
        self._pending = None
        desk.y1[:] = y
        real[state.T0] = real[state.T1] = t
        real[state.END] = t1
        real[state.STEP] = self.restart
        real[state.LAST_STEP] = 0.0
        whole[state.STARTED] = 0
        stops = real[state.REAL_SIZE :]
        whole[state.STOP] = np.count_nonzero((stops[:-1] - t) * real[state.DIRECTION] <= 0.0)
        self._g = self._values(t, y)
        return True

    def _values(self, t: float, y: np.ndarray) -> np.ndarray:
        y = y.reshape(self.shape)
        return np.array([float(np.asarray(f(t, y, *self.args)).item()) for f in self.functions])

    def _active(self, old: np.ndarray, new: np.ndarray) -> np.ndarray:
        up = (old <= 0) & (new >= 0) & (self.direction >= 0)
        down = (old >= 0) & (new <= 0) & (self.direction <= 0)
        return np.flatnonzero(up | down)

    def _locate(self, k: int, solution: Callable, t0: float, t1: float) -> float:
        def g(t):
            return float(np.asarray(self.functions[k](t, solution(t).reshape(self.shape), *self.args)).item())

        first, last = g(t0), g(t1)
        if first == 0.0 or first * last > 0.0:
            return t0 if abs(first) <= abs(last) else t1
        if last == 0.0:
            return t1
        return float(brentq(g, t0, t1, xtol=4 * np.finfo(float).eps, rtol=4 * np.finfo(float).eps))


def _limit(function) -> float:
    """After how many zeros the solve ends."""
    terminal = getattr(function, "terminal", None)
    if terminal is None or terminal == 0:
        return math.inf
    if int(terminal) == terminal and terminal > 0:
        return int(terminal)
    raise ValueError("The `terminal` attribute of each event must be a boolean or positive integer.")


def _stop_at(real, t: float) -> None:
    """Let the loop write the outputs up to t and return."""
    real[state.LIMIT] = t
    real[state.END] = real[state.T1]
