"""Profile likelihoods: the best loss with one parameter held, and the interval that follows from it.

S. A. Murphy and A. W. van der Vaart, "On profile likelihood", J. Amer. Statist. Assoc. 95 (2000); the ends
are found in the signed root of the deviance, which is a straight line for a quadratic loss (D. M. Bates and
D. G. Watts, Nonlinear Regression Analysis, 1988, chapter 6).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np

from sciad.optimize.objective import FAILURES

__all__ = ["Profile", "profile"]

_STEPS = 40  # values at which one side is looked at, at most


@dataclass
class Profile:
    """The profile of one parameter.

    Attributes
    ----------
    name : str
    values : ndarray
        Of the parameter, increasing.
    losses : ndarray
        The least loss with the parameter held there.
    best, threshold : float
        The least loss of all; how much above it the ends are.
    low, high : float
        Ends of the confidence interval; infinite, or the bound, where the loss stays below its threshold.
    level : float
    """

    name: str
    values: np.ndarray
    losses: np.ndarray
    best: float
    threshold: float
    low: float
    high: float
    level: float
    z_low: float = field(repr=False)
    z_high: float = field(repr=False)

    def plot(self, axes=None):
        """The curve with its threshold and interval: a matplotlib figure (or the axes given)."""
        figure = None
        if axes is None:
            from matplotlib.figure import Figure

            figure = Figure(figsize=(5, 4), layout="constrained")
            axes = figure.subplots()
        axes.plot(self.values, self.losses - self.best, ".-")
        axes.axhline(self.threshold, color="0.5", linestyle="--", label=f"{self.level:.0%}")
        for end in (self.low, self.high):
            if np.isfinite(end):
                axes.axvline(end, color="C1", linewidth=1)
        axes.set(xlabel=self.name, ylabel="loss above the best")
        axes.legend()
        return figure or axes


def profile(problem, vector, z: np.ndarray, best: float, k: int, level: float, width: float) -> Profile:
    """Walk from the best point to both sides, then find where the deviance crosses its threshold.

    Parameters
    ----------
    problem
        Has ``constrained(z, k) -> (loss, z)``, ``deviance(loss, best)`` and ``quantile(level)``.
    width : float
        The standard error of the entry, NaN where there is none.
    """
    limit = problem.quantile(level)
    if not (np.isfinite(width) and width > 0):
        width = 0.1 * max(abs(z[k]), 1.0)
    sides = []
    for sign in (-1.0, 1.0):
        stop = vector.low[k] if sign < 0 else vector.high[k]
        sides.append(_side(problem, z, best, k, sign, width, limit, stop))
    (low, left), (high, right) = sides
    points = sorted([*left, (z[k], best), *right])
    lowest = min(loss for _, loss in points)
    if lowest < best - 1e-6 * max(1.0, abs(best)):
        warnings.warn(
            f"the profile of {vector.names[k]} found a loss of {lowest:.8g}, less than that of the fit, "
            f"{best:.8g}: the fit is not at the minimum. Start it again from there, or tighten its tolerance"
        )
    places = np.array([p for p, _ in points])
    with np.errstate(over="ignore"):
        values = np.array([vector.natural(z, k, p) for p in places])
        ends = [vector.natural(z, k, p) for p in (low, high)]
    losses = np.array([loss for _, loss in points])
    factor = problem.deviance(best + 1.0, best)  # deviance per unit of loss
    name = vector.names[k]
    return Profile(name, values, losses, best, limit / factor, *ends, level, float(low), float(high))


def _side(problem, z, best, k, sign, width, limit, stop):
    """The end of the interval on one side, and the points (value, loss) on the way."""
    points, inner, at = [], (z[k], 0.0), z.copy()
    step = 0.5 * width
    for _ in range(_STEPS):
        place = inner[0] + sign * step
        beyond = sign * (place - stop) >= 0
        place = stop if beyond else place
        found = _held(problem, at, k, place)
        if found is None:  # the loss cannot be computed there: as if it were beyond the threshold
            step *= 0.25
            if step < 1e-6 * width:
                return inner[0], points
            continue
        loss, at = found
        root = np.sqrt(max(problem.deviance(loss, best), 0.0))
        points.append((place, loss))
        if root >= np.sqrt(limit):
            return _crossing(problem, at, best, k, inner, (place, root), np.sqrt(limit), points), points
        if beyond:
            return stop, points
        slope = (root - inner[1]) / step
        inner = (place, root)
        left = (np.sqrt(limit) - root) / slope if slope > 0 else np.inf
        step = float(np.clip(1.05 * left, 0.25 * width, 2.0 * step))
    return sign * np.inf, points


def _crossing(problem, at, best, k, inner, outer, goal, points):
    """Where the root of the deviance is `goal`, by regula falsi between two points."""
    for _ in range(12):
        share = (goal - inner[1]) / (outer[1] - inner[1])
        place = inner[0] + float(np.clip(share, 0.02, 0.98)) * (outer[0] - inner[0])
        found = _held(problem, at, k, place)
        if found is None:
            break
        loss, at = found
        root = np.sqrt(max(problem.deviance(loss, best), 0.0))
        points.append((place, loss))
        if abs(root - goal) < 1e-5 * goal:
            break
        inner, outer = ((place, root), outer) if root < goal else (inner, (place, root))
    return place


def _held(problem, at, k, place):
    start = at.copy()
    start[k] = place
    try:
        return problem.constrained(start, k)
    except FAILURES:
        return None
