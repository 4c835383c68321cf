"""The result of a fit: parameters, what it took, how certain they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sciad.errors import SciadError
from sciad.logdensity.constraints import ENTRYWISE
from sciad.optimize.objective import History
from sciad.optimize.parameter_vector import ParameterVector, flat
from sciad.optimize.profiles import Profile, profile

__all__ = ["Fit", "NotIdentified"]


class NotIdentified(SciadError, ValueError):
    """The data do not determine some combination of the parameters: it has no standard error."""


@dataclass
class Fit:
    """What `minimize` and `least_squares` return.

    Attributes
    ----------
    params : nested
        The best parameters found, in the structure that was given.
    loss : float
        There; of least squares half the sum of squares, as in SciPy.
    success : bool
        Whether the method says that it has converged.
    message, method : str
    iterations, evaluations : int
    history : History
        Losses of all evaluations and iterations; reasons of failed evaluations.
    residuals : ndarray or None
        Of least squares, at the best parameters.
    """

    params: Any
    loss: float
    success: bool
    message: str
    method: str
    iterations: int
    evaluations: int
    history: History = field(repr=False)
    vector: ParameterVector = field(repr=False)
    z: np.ndarray = field(repr=False)
    problem: Any = field(repr=False)
    residuals: np.ndarray | None = field(default=None, repr=False)

    @property
    def failures(self) -> list[str]:
        """Why evaluations failed on the way."""
        return self.history.failures

    @property
    def names(self) -> list[str]:
        """How the free entries are written."""
        return self.vector.names

    def covariance(self) -> np.ndarray:
        """Covariance of the estimates of the free entries, in the coordinates the optimiser moves in.

        Those are the parameters themselves where there are no transforms, with entries on a bound held there
        (rows and columns of NaN). It is the inverse of the observed information, or of least squares
        ``s^2 (J^T J)^-1``.

        Raises
        ------
        NotIdentified
            If some combination of parameters is not determined.
        """
        v, z = self.vector, self.z
        inside = (z - v.low > 1e-9 * (1 + abs(z))) & (v.high - z > 1e-9 * (1 + abs(z)))
        information = np.asarray(self.problem.information(z))[np.ix_(inside, inside)]
        names = [n for n, free in zip(v.names, inside, strict=True) if free]
        covariance = np.full((len(z), len(z)), np.nan)
        covariance[np.ix_(inside, inside)] = _inverse(information, names)
        return covariance

    def standard_errors(self) -> Any:
        """Standard errors in the structure of the parameters; 0 of fixed ones, NaN of those on a bound."""
        covariance, derivative = self.covariance(), self.vector.derivative(self.z)
        lost = np.isnan(np.diag(covariance))
        known = np.where(np.isnan(covariance), 0.0, covariance)
        variances = np.einsum("ij,jk,ik->i", derivative, known, derivative)
        variances[np.any(derivative[:, lost] != 0, axis=1)] = np.nan
        return self.vector.nested(np.sqrt(variances))

    def confidence_intervals(self, level: float = 0.95, method: str = "wald") -> tuple[Any, Any]:
        """Lower and upper ends of confidence intervals, each in the structure of the parameters.

        Parameters
        ----------
        level : float
        method : {"wald", "profile"}
            From standard errors, taken in the coordinates the optimiser moves in and transformed, so that
            the interval of a positive parameter is positive; or where the profile likelihood crosses its
            threshold, which costs some dozens of fits per parameter and needs no symmetry.
        """
        if method == "wald":
            return self._wald(float(np.sqrt(self.problem.quantile(level))))
        if method != "profile":
            raise ValueError(f'method must be "wald" or "profile", not {method!r}')
        v = self.vector
        low, high = self.z.copy(), self.z.copy()
        for t, leaf, mask, path in zip(v.transforms, v.leaves, v.free, v.paths, strict=True):
            if not isinstance(t, ENTRYWISE) and (mask is None or mask.any()) and leaf.size:
                raise ValueError(f"{path} has no intervals by profiles: its entries are bound to each other")
        for k in range(len(self.z)):
            found = self._profile(k, level)
            low[k], high[k] = found.z_low, found.z_high
        with np.errstate(over="ignore"):
            return v.plain_values(low), v.plain_values(high)

    def profile(self, name: str | int, level: float = 0.95) -> Profile:
        """The profile likelihood of one free entry: the best loss with it held at each value.

        Parameters
        ----------
        name : str or int
            As in `names`; ``"rate"`` stands for ``"['rate']"``.
        level : float
            Confidence that the interval is to have.
        """
        return self._profile(self.vector.index(name), level)

    def plot(self):
        """Losses over the evaluations, failed ones marked: a matplotlib figure."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
        losses = np.array(self.history.losses)
        fine = np.isfinite(losses)
        count = np.arange(len(losses))
        above = losses - self.loss
        smallest = above[fine & (above > 0)].min(initial=1.0)
        axes.semilogy(count[fine], np.maximum(above[fine], smallest), ".-", color="C0", label="evaluations")
        if not fine.all():
            axes.plot(count[~fine], np.full((~fine).sum(), above[fine].max()), "rx", label="failed")
        axes.set(xlabel="evaluation", ylabel=f"loss above the best, {self.loss:.6g}", title=self.method)
        axes.legend()
        return figure

    def _profile(self, k: int, level: float) -> Profile:
        try:
            width = float(np.sqrt(self.covariance()[k, k]))
        except NotIdentified:
            width = np.nan
        return profile(self.problem, self.vector, self.z, self.loss, k, level, width)

    def _wald(self, quantile: float):
        v, z = self.vector, self.z
        size = quantile * np.sqrt(np.diag(self.covariance()))
        errors = flat(self.standard_errors()) * quantile
        center = np.asarray(flat(v.build(z)))
        with np.errstate(over="ignore"):
            ends = [
                np.asarray(flat(v.build(z + sign * np.where(np.isnan(size), 0, size)))) for sign in (-1, 1)
            ]
        at = 0
        for leaf, t in zip(v.leaves, v.transforms, strict=True):
            part = slice(at, at + leaf.size)
            if not isinstance(t, ENTRYWISE):
                ends[0][part], ends[1][part] = center[part] - errors[part], center[part] + errors[part]
            at += leaf.size
        for end in ends:
            end[np.isnan(errors)] = np.nan
        return v.nested(ends[0]), v.nested(ends[1])


def _inverse(information: np.ndarray, names: list[str]) -> np.ndarray:
    """The inverse, with rows and columns brought to one size first; refused where it is not definite."""
    scale = np.sqrt(np.abs(np.diag(information)))
    if not np.all(scale > 0):
        k = int(np.argmin(scale))
        raise NotIdentified(f"the loss does not depend on {names[k]} here: it has no standard error. Fix it")
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    if values[0] <= 1e-12 * values[-1]:
        v = vectors[:, 0]
        largest = sorted(range(len(v)), key=lambda k: -abs(v[k]))[:4]
        combination = " ".join(f"{v[k]:+.2f}*{names[k]}" for k in largest if abs(v[k]) > 0.1)
        why = "is not at a minimum" if values[0] < -1e-8 * values[-1] else "does not change"
        raise NotIdentified(
            f"standard errors do not exist: along {combination} (in units of single-parameter errors) the "
            f"loss {why}. Fix one of these parameters, or give data that tell them apart"
        )
    return (vectors / values) @ vectors.T / np.outer(scale, scale)
