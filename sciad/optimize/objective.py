"""Losses as optimisers call them: a trial point where the loss cannot be computed means a shorter step."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from sciad.errors import SolverError
from sciad.solvers.strict import failed_solves_raise
from sciad.transforms.implicit import NotConverged

__all__ = ["FAILURES", "GuardedLoss", "GuardedResiduals", "History", "guarded_array"]

# what a trial point may do to a loss: a solve that fails, a matrix that is singular, an overflow
FAILURES = (
    SolverError,
    NotConverged,
    np.linalg.LinAlgError,
    FloatingPointError,
    OverflowError,
    ZeroDivisionError,
)


class History:
    """What was evaluated: `losses` (infinite where it failed), `seconds` since the start, `failures`.

    Attributes
    ----------
    losses, seconds : list of float
        One entry for each evaluation.
    iterations : list of float
        The loss after each iteration.
    failures : list of str
        Why evaluations failed.
    """

    def __init__(self):
        self.losses: list[float] = []
        self.seconds: list[float] = []
        self.iterations: list[float] = []
        self.failures: list[str] = []
        self._start = time.perf_counter()

    def add(self, loss: float, why: str | None = None) -> None:
        self.losses.append(loss)
        self.seconds.append(time.perf_counter() - self._start)
        if why is not None:
            self.failures.append(why)


class GuardedLoss:
    """Value and gradient of a loss at vectors, with the best point so far.

    Where it fails, a line search is given the parabola along the step from the best point whose minimum lies
    at a quarter of the step: value ``f + |s|`` and slope ``3 |s|``, s being the slope at the best point times
    the step. It interpolates, and takes a quarter of the step. (An infinity makes SciPy's line searches
    compute NaN.) No method accepts that value as a decrease. Methods without derivatives get infinity.
    """

    def __init__(self, evaluate: Callable, derivatives: bool = True):
        self.evaluate, self.derivatives = evaluate, derivatives
        self.history = History()
        self.best: tuple[float, np.ndarray, np.ndarray | None] | None = None

    def __call__(self, z: np.ndarray):
        value, gradient, why = self._try(z)
        self.history.add(value, why)
        if why is None:
            if self.best is None or value < self.best[0]:
                self.best = value, z.copy(), gradient
            return (value, gradient) if self.derivatives else value
        if self.best is None:
            raise SolverError(f"the loss cannot be computed where the parameters begin: {why}")
        if not self.derivatives:
            return np.inf
        value, at, gradient = self.best
        step = z - at
        size = max(abs(float(gradient @ step)), 1e-8 * max(abs(value), 1.0))
        length = float(step @ step)
        return value + size, 3.0 * size / length * step if length > 0 else gradient

    def _try(self, z):
        try:
            with failed_solves_raise(), np.errstate(all="ignore"):
                found = self.evaluate(np.array(z, dtype=float))
        except FAILURES as error:
            return np.inf, None, f"{type(error).__name__}: {error}"
        value, gradient = found if self.derivatives else (found, None)
        value = float(value)
        if not np.isfinite(value):
            return np.inf, None, f"the loss is {value}"
        if gradient is not None and not np.isfinite(gradient).all():
            k = int(np.argmin(np.isfinite(gradient)))
            return np.inf, None, f"the gradient is {gradient[k]} in entry {k}"
        return value, gradient, None


class GuardedResiduals:
    """Residuals at vectors; where they fail they are as large as `failed` says."""

    def __init__(self, evaluate: Callable, failed: Callable):
        self.evaluate, self.failed = evaluate, failed
        self.history = History()
        self.best: tuple[float, np.ndarray, np.ndarray] | None = None

    def __call__(self, z: np.ndarray) -> np.ndarray:
        try:
            with failed_solves_raise(), np.errstate(all="ignore"):
                r = np.ravel(np.asarray(self.evaluate(np.array(z, dtype=float)), dtype=float))
            why = None if np.isfinite(r).all() else "residuals are not finite"
        except FAILURES as error:
            r, why = None, f"{type(error).__name__}: {error}"
        if why is not None:
            self.history.add(np.inf, why)
            if self.best is None:
                raise SolverError(f"the residuals cannot be computed where the parameters begin: {why}")
            return self.failed(self.best[2])
        cost = 0.5 * float(r @ r)
        self.history.add(cost)
        if self.best is None or cost < self.best[0]:
            self.best = cost, z.copy(), r
        return r


def guarded_array(compute: Callable, instead: Callable) -> Callable:
    """`compute`, with `instead` where it fails or is not finite: at points that are refused anyway."""

    def guarded(*args):
        try:
            with failed_solves_raise(), np.errstate(all="ignore"):
                found = np.asarray(compute(*args), dtype=float)
        except FAILURES:
            return instead(*args)
        return found if np.isfinite(found).all() else instead(*args)

    return guarded
