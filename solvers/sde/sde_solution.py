"""What solve_sde returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sciad.solvers.solver_result import SolverResult
from sciad.solvers.tables import component_names, frame, html_table, labelled

if TYPE_CHECKING:
    from collections.abc import Sequence

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

    def plot(
        self,
        component: int | tuple[int, ...] | None = None,
        levels: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95),
        paths: int = 3,
        ax: Any = None,
        labels: Sequence[str] | None = None,
        log: str = "",
    ) -> Any:
        """Draw a fan of quantiles of each component, and a few paths; of a single path, the path.

        Parameters
        ----------
        component : int or tuple of int, optional
            The one to draw; all if not given.
        levels : sequence of float
            Quantiles; bands are filled between the first and the last, the second and the last but one, ...
        paths : int
            How many single paths to draw on top.
        ax : matplotlib Axes, optional
        labels : sequence of str, optional
            Names of all components.
        log : {"", "x", "y", "xy"}
            Axes that are logarithmic.

        Returns
        -------
        ax : matplotlib Axes
        """
        from sciad.solvers import pictures

        ax = pictures.axes(ax)
        shape = self._state_shape()
        known = component_names(shape) if labels is None else pictures.names(int(np.prod(shape)), labels)
        indices = list(np.ndindex(*shape))
        if component is not None:
            wanted = component if isinstance(component, tuple) else (component,)
            indices = [np.unravel_index(np.ravel_multi_index(wanted, shape), shape)] if shape else [()]
        shades = pictures.colors(len(indices))
        for shade, index in zip(shades, indices, strict=True):
            name = known[int(np.ravel_multi_index(index, shape)) if shape else 0]
            if self.y is not None and not self.ensemble:
                ax.plot(self.t, self.y[index], color=shade, label=name)
                continue
            bands, several = self._curves(tuple(index), levels)
            pictures.fan(ax, self.t, bands, several[: max(paths, 0)], shade, name)
        ax.set_xlabel("t")
        if len(indices) == 1:
            ax.set_ylabel(name)
        pictures.scales(ax, log)
        pictures.legend(ax)
        return ax

    def _state_shape(self) -> tuple[int, ...]:
        if self.y is None:
            return np.shape(next(iter(self.quantiles.values())))[:-1]
        return np.shape(self.y)[1:-1] if self.ensemble else np.shape(self.y)[:-1]

    def _curves(self, index, levels):
        """Quantiles of one component, and its paths."""
        if self.y is None:
            return [self.quantiles[q][index] for q in sorted(self.quantiles)], []
        values = self.y[(slice(None), *index)]
        return list(np.quantile(values, sorted(levels), axis=0)), values

    def to_dataframe(self, labels: Sequence[str] | None = None) -> Any:
        """A pandas DataFrame with a row for each time and a column for each component; of an ensemble, with a
        column for each component and path.
        """
        import pandas as pd

        values = self._values()
        names = component_names(self._state_shape()) if labels is None else list(labels)
        if not self.ensemble:
            return frame(self.t, np.moveaxis(values, -1, 0).reshape(len(self.t), -1), names)
        paths = range(len(values))
        columns = pd.MultiIndex.from_product([names, paths], names=["component", "path"])
        rows = np.moveaxis(values.reshape(len(values), -1, len(self.t)), (2, 1, 0), (0, 1, 2))
        return frame(self.t, rows.reshape(len(self.t), -1), columns)

    def to_xarray(self) -> Any:
        """An xarray DataArray; its last dimension is t, the first that of the paths of an ensemble."""
        values, state = self._values(), len(self._state_shape())
        dims = ["component"] if state == 1 else [f"dim_{k}" for k in range(state)]
        facts = {"method": self.method, "seed": self.seed, "message": self.message}
        return labelled(self.t, values, ["path", *dims] if self.ensemble else dims, facts)

    def _values(self) -> np.ndarray:
        if self.y is None:
            raise ValueError("only statistics of the paths were kept: solve without quantiles=... for tables")
        return np.asarray(self.y)

    def _repr_html_(self) -> str:
        shape = "statistics" if self.y is None else f"shape {np.shape(self.y)}"
        span = f"{self.t[0]:.6g} .. {self.t[-1]:.6g} ({len(self.t)} times)"
        fields = [("t", span), ("y", shape), ("seed", self.seed), ("message", self.message)]
        return html_table(f"SDESolution by {self.method}", fields)
