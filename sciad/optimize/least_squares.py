"""`least_squares`: SciPy's least squares for residuals of nested parameters, with exact Jacobians."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize
from scipy.stats import chi2, f

from sciad.optimize.fit import Fit
from sciad.optimize.objective import GuardedResiduals
from sciad.optimize.parameter_vector import ParameterVector
from sciad.optimize.progress_bar import bar
from sciad.transforms.jacobians import jacobian

__all__ = ["least_squares"]


def least_squares(
    residuals: Callable,
    params: Any,
    method: str = "trf",
    *,
    args: tuple = (),
    bounds: Any = None,
    fixed: Any = None,
    transforms: Any = None,
    sigma_known: bool = False,
    loss: str = "linear",
    max_evaluations: int | None = None,
    tol: float | None = 1e-10,
    options: dict | None = None,
    progress: bool = False,
) -> Fit:
    """Minimise half the sum of squares of residuals of nested parameters.

    A trial point where a solve fails counts as infinitely bad: the trust region shrinks and the search goes
    on.

    Parameters
    ----------
    residuals : callable
        ``residuals(params, *args) -> array`` of any shape.
    params : nested dicts, lists, tuples, NamedTuples, dataclasses of numbers and arrays
        Where to begin.
    method : {"trf", "dogbox", "lm"}
        Of `scipy.optimize.least_squares`.
    args : tuple
        Further arguments of the residuals.
    bounds, fixed, transforms : nested, optional
        As of `minimize`.
    sigma_known : bool
        Whether the residuals are divided by their true standard deviations. If not, their common variance is
        estimated by the sum of squares over the degrees of freedom.
    loss : str
        "linear", or a robust loss of SciPy's: "soft_l1", "huber", "cauchy", "arctan".
    max_evaluations : int, optional
    tol : float, optional
        Relative tolerance of cost, parameters and gradient.
    options : dict, optional
        Passed on to SciPy, for instance ``{"f_scale": 0.1}``.
    progress : bool
        Show a bar with the cost.

    Returns
    -------
    Fit
        Its `loss` is half the sum of squares, `residuals` the residuals at the best parameters.

    Examples
    --------
    >>> import numpy as np, sciad.optimize as opt
    >>> t, y = np.array([0.0, 1.0, 2.0, 3.0]), np.array([5.1, 2.4, 1.35, 0.64])
    >>> fit = opt.least_squares(lambda p: p["size"] * np.exp(-p["rate"] * t) - y, {"size": 1.0, "rate": 1.0})
    >>> round(fit.params["rate"], 3), round(fit.standard_errors()["rate"], 3)
    (0.701, 0.031)
    """
    vector = ParameterVector(params, bounds, fixed, transforms)
    if vector.bounded and method == "lm":
        raise ValueError('"lm" has no bounds: take "trf" or "dogbox", or transforms instead of bounds')
    whole = lambda z: np.reshape(residuals(vector.build(z), *args), (-1,))  # noqa: E731
    # the first two look whether residuals are finite and shrink their region; MINPACK compares norms
    failed = (lambda r: r * 0 + 1e3 * (1 + np.linalg.norm(r))) if method == "lm" else lambda r: r * 0 + np.inf
    guarded = GuardedResiduals(whole, failed)
    settings = {"ftol": tol, "xtol": tol, "gtol": tol, "x_scale": "jac"} | (options or {})
    slopes = jacobian(whole)
    with bar(progress, "least squares") as show:

        def evaluate(z):
            r = guarded(z)
            show(guarded.best[0])
            return r

        result = scipy.optimize.least_squares(
            evaluate,
            vector.start,
            jac=lambda z: np.asarray(slopes(z)),
            bounds=(vector.low, vector.high),
            method=method,
            loss=loss,
            max_nfev=max_evaluations,
            **settings,
        )
    guarded.history.iterations = list(np.minimum.accumulate(guarded.history.losses))
    problem = _Squares(whole, slopes, vector, len(result.fun), sigma_known, result)
    return Fit(
        params=vector.plain_values(result.x),
        loss=float(result.cost),
        success=bool(result.success),
        message=str(result.message),
        method=method,
        iterations=int(result.njev or 0),
        evaluations=len(guarded.history.losses),
        history=guarded.history,
        vector=vector,
        z=result.x,
        problem=problem,
        residuals=result.fun,
    )


class _Squares:
    """What standard errors and profiles need of a least squares fit."""

    def __init__(self, whole, slopes, vector, count: int, sigma_known: bool, result):
        self.whole, self.slopes, self.vector, self.jacobian = whole, slopes, vector, result.jac
        self.freedom = count - len(vector.start)
        self.known = sigma_known
        self.sum = 2.0 * float(result.cost)

    @property
    def variance(self) -> float:
        """Of one residual."""
        if self.known:
            return 1.0
        if self.freedom <= 0:
            raise ValueError(
                f"{self.freedom + len(self.vector.start)} residuals leave nothing to estimate their variance "
                f"from with {len(self.vector.start)} parameters: divide them by their standard errors and "
                "say sigma_known=True"
            )
        return self.sum / self.freedom

    def information(self, z: np.ndarray) -> np.ndarray:
        """The Fisher information by the free entries."""
        return self.jacobian.T @ self.jacobian / self.variance

    def deviance(self, value: float, best: float) -> float:
        """How much larger the sum of squares is, in variances of a residual."""
        return 2.0 * (value - best) / self.variance

    def quantile(self, level: float) -> float:
        """The deviance that the true value stays below with this probability."""
        return float(chi2.ppf(level, 1) if self.known else f.ppf(level, 1, self.freedom))

    def constrained(self, z: np.ndarray, k: int) -> tuple[float, np.ndarray]:
        """The least cost with entry k of z held, beginning at z."""
        rest = np.arange(len(z)) != k

        def put(free):
            whole = z.copy()
            whole[rest] = free
            return whole

        guarded = GuardedResiduals(lambda free: self.whole(put(free)), lambda r: r * 0 + np.inf)
        if not rest.any():
            r = guarded(z[rest])
            return 0.5 * float(r @ r), z
        v = self.vector
        result = scipy.optimize.least_squares(
            guarded,
            np.clip(z[rest], v.low[rest], v.high[rest]),
            jac=lambda free: np.asarray(self.slopes(put(free)))[:, rest],
            bounds=(v.low[rest], v.high[rest]),
            x_scale="jac",
            ftol=1e-10,
            xtol=1e-10,
            gtol=1e-10,
        )
        return float(result.cost), put(result.x)
