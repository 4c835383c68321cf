"""Searches from many starts, one after the other or by an executor, with a waterfall plot."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sciad.errors import SolverError
from sciad.optimize.fit import Fit
from sciad.optimize.minimize import minimize
from sciad.optimize.parameter_vector import ParameterVector
from sciad.optimize.progress_bar import bar

__all__ = ["MultiStart", "Search", "multi_start", "random_starts"]


@dataclass
class Search:
    """What came of one start; `failure` says why there is nothing."""

    start: Any
    params: Any = None
    loss: float = np.inf
    success: bool = False
    evaluations: int = 0
    seconds: float = 0.0
    failure: str | None = None


@dataclass
class MultiStart:
    """What `multi_start` returns.

    Attributes
    ----------
    searches : list of Search
        By loss, the best first; those that failed last.
    best : Fit
        The best of all, searched once more from where it ended: with standard errors and profiles.
    """

    searches: list[Search]
    best: Fit = field(repr=False)

    @property
    def losses(self) -> np.ndarray:
        """Of all searches, increasing; infinite where one failed."""
        return np.array([s.loss for s in self.searches])

    def count(self, within: float = 1e-3) -> int:
        """How many searches ended at the best loss, up to ``within*(1 + |loss|)``."""
        return int(np.sum(self.losses <= self.best.loss + within * (1 + abs(self.best.loss))))

    def waterfall(self, axes=None):
        """Losses above the best in order, where plateaus are minima: a matplotlib figure (or the axes given).

        A. Raue et al., "Lessons learned from quantitative dynamical modeling in systems biology", PLoS ONE 8
        (2013), figure 2.
        """
        figure = None
        if axes is None:
            from matplotlib.figure import Figure

            figure = Figure(figsize=(6, 4), layout="constrained")
            axes = figure.subplots()
        above = self.losses - self.best.loss
        fine = np.isfinite(above)
        floor = 1e-10 * (1 + abs(self.best.loss))
        axes.semilogy(np.arange(fine.sum()) + 1, np.maximum(above[fine], floor), "o-", markersize=3)
        lost = int((~fine).sum())
        note = f", {lost} failed" if lost else ""
        axes.set(
            xlabel="search, by its loss",
            ylabel=f"loss above the best, {self.best.loss:.6g}",
            title=f"{self.count()} of {len(above)} at the best{note}",
        )
        return figure or axes


def multi_start(
    loss: Callable,
    starts: Iterable[Any],
    search: Callable = minimize,
    *,
    executor: Executor | None = None,
    progress: bool = False,
    **options: Any,
) -> MultiStart:
    """Search from many starts.

    Parameters
    ----------
    loss : callable
        What `search` takes: a loss, or residuals for `least_squares`.
    starts : iterable of nested parameters
        As `random_starts` makes them.
    search : callable
        `minimize`, `least_squares`, or a function ``search(loss, start, **options) -> Fit``.
    executor : concurrent.futures.Executor, optional
        Runs the searches. One of processes wants `loss` and `search` by name of a module.
    progress : bool
        Show a bar.
    **options
        Passed on to `search`.

    Returns
    -------
    MultiStart

    Raises
    ------
    SolverError
        If no search came to an end.

    Examples
    --------
    >>> import numpy as np, sciad.optimize as opt
    >>> wavy = lambda x: np.sin(3 * x) + 0.1 * x**2
    >>> found = opt.multi_start(wavy, np.linspace(-4, 4, 9))
    >>> round(found.best.params, 2), found.count() < 9
    (-0.51, True)
    """
    starts = list(starts)
    found: list[Search] = []
    with bar(progress, "starts", len(starts)) as show:
        if executor is None:
            results = (_one(search, loss, start, options) for start in starts)
        else:
            futures = [executor.submit(_one, search, loss, start, options) for start in starts]
            results = (future.result() for future in futures)
        for one in results:
            found.append(one)
            show(min(s.loss for s in found))
    found.sort(key=lambda s: s.loss)
    if not found or found[0].failure is not None:
        raise SolverError(
            f"none of {len(found)} searches came to an end; the first: {found[0].failure if found else ''}"
        )
    return MultiStart(found, search(loss, found[0].params, **options))


def random_starts(
    params: Any,
    count: int,
    seed: int | np.random.Generator = 0,
    *,
    spread: float = 1.0,
    bounds: Any = None,
    fixed: Any = None,
    transforms: Any = None,
) -> list:
    """Parameters at random: uniform between two bounds, else normal around `params`.

    Parameters
    ----------
    params : nested structure of numbers and arrays
    count : int
    seed : int or Generator
    spread : float
        Standard deviation around `params` in the coordinates that the optimiser moves in: of the logarithm
        for "positive".
    bounds, fixed, transforms : nested, optional
        As of `minimize`.

    Returns
    -------
    list of nested parameters
    """
    rng = np.random.default_rng(seed)
    vector = ParameterVector(params, bounds, fixed, transforms)
    low, high = vector.low, vector.high
    closed = np.isfinite(low) & np.isfinite(high)
    made = []
    for _ in range(count):
        z = np.clip(vector.start + spread * rng.normal(size=len(vector.start)), low, high)
        share = rng.uniform(size=len(z))
        z[closed] = low[closed] + share[closed] * (high - low)[closed]
        made.append(vector.plain_values(z))
    return made


def _one(search, loss, start, options) -> Search:
    begun = time.perf_counter()
    try:
        fit = search(loss, start, **options)
    except SolverError as error:
        return Search(start, seconds=time.perf_counter() - begun, failure=str(error))
    seconds = time.perf_counter() - begun
    return Search(start, fit.params, fit.loss, fit.success, fit.evaluations, seconds)
