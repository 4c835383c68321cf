"""What solve_sde returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sciad.solvers.solver_result import SolverResult

if TYPE_CHECKING:
    from sciad.solvers.sde.brownian import BrownianMotion

__all__ = ["SDESolution"]


class SDESolution(SolverResult):
    """Solution of a stochastic differential equation, readable as attributes and as items.

    Attributes
    ----------
    t : ndarray (T,)
        Output times.
    y : ndarray (*shape, T), or (paths, *shape, T) of an ensemble
        None where quantiles were asked for.
    mean, std : ndarray (*shape, T) or None
        Over the paths, where quantiles were asked for.
    quantiles : dict from level to ndarray (*shape, T), or None
    seed : int
        Of the noise.
    brownian : BrownianMotion
        The noise.
    status : int
        0: reached the end, -1: failed.
    message : str
    success : bool
    accepted, rejected : int
        Steps of all paths together.
    """

    t: np.ndarray
    y: np.ndarray
    mean: np.ndarray | None
    std: np.ndarray | None
    quantiles: dict[float, np.ndarray] | None
    seed: int
    brownian: BrownianMotion
    message: str
    accepted: int
    rejected: int

    def __init__(self, problem, y, mean=None, std=None, quantiles=None):
        run = problem.run
        self.t = problem.ts
        self.y = y
        self.mean, self.std, self.quantiles = mean, std, quantiles
        self.seed, self.brownian = problem.brownian.seed, problem.brownian
        self.status, self.message = 0 if run.success else -1, run.message
        self.accepted, self.rejected = run.accepted, run.rejected
        self.ensemble = problem.paths is not None
        self.method = problem.method.name

    def __repr__(self) -> str:
        shape = "statistics" if self.y is None else f"y {np.shape(self.y)}"
        return f"<SDESolution by {self.method}: {len(self.t)} times, {shape}; {self.message}>"

    def plot(self, component=0, levels=(0.05, 0.25, 0.5, 0.75, 0.95), paths: int = 3, ax=None):
        """Draw a fan of quantiles of one component, and a few paths.

        Parameters
        ----------
        component : int or tuple of int
        levels : sequence of float
            Quantiles; bands are filled between the first and the last, the second and the last but one, ...
        paths : int
            How many single paths to draw on top.
        ax : matplotlib Axes, optional

        Returns
        -------
        ax : matplotlib Axes
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots()
        index = component if isinstance(component, tuple) else (component,)
        if not self.ensemble:
            values = self.y if self.y.ndim == 1 else self.y[index]
            ax.plot(self.t, values)
        else:
            curves, several = self._curves(index, levels)
            for low, high in zip(curves[: len(curves) // 2], curves[::-1], strict=False):
                ax.fill_between(self.t, low, high, color="C0", alpha=0.2, linewidth=0)
            if len(curves) % 2:
                ax.plot(self.t, curves[len(curves) // 2], color="C0")
            for path in range(min(paths, len(several))):
                ax.plot(self.t, several[path], color="0.3", linewidth=0.6)
        ax.set_xlabel("t")
        ax.set_ylabel(f"y[{component}]")
        return ax

    def _curves(self, index, levels):
        if self.y is None:
            curves = [self.quantiles[q] for q in sorted(self.quantiles)]
            return [c if c.ndim == 1 else c[index] for c in curves], []
        values = self.y if self.y.ndim == 2 else self.y[(slice(None), *index)]
        return list(np.quantile(values, sorted(levels), axis=0)), values
