"""`minimize`: SciPy's minimisers for losses of nested parameters, with exact gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize
from scipy.stats import chi2

from sciad.errors import MissingRule, NotDifferentiable
from sciad.optimize.fit import Fit
from sciad.optimize.objective import GuardedLoss, guarded_array
from sciad.optimize.parameter_vector import ParameterVector
from sciad.optimize.progress_bar import bar
from sciad.transforms.gradients import value_and_grad
from sciad.transforms.jacobians import hessian, hvp

__all__ = ["minimize"]

_BOUNDS = {"L-BFGS-B", "TNC", "SLSQP", "Powell", "Nelder-Mead", "trust-constr", "COBYLA", "COBYQA"}
_WITHOUT_GRADIENT = {"Powell", "Nelder-Mead", "COBYLA", "COBYQA"}
_HESSIAN = {"dogleg", "trust-exact"}
_PRODUCTS = {"Newton-CG", "trust-ncg", "trust-krylov"}
_ALL = sorted({*_BOUNDS, *_HESSIAN, *_PRODUCTS, "BFGS", "CG"})


def minimize(
    loss: Callable,
    params: Any,
    method: str = "L-BFGS-B",
    *,
    args: tuple = (),
    bounds: Any = None,
    fixed: Any = None,
    transforms: Any = None,
    max_iterations: int | None = None,
    tol: float | None = None,
    options: dict | None = None,
    gradient: Callable | None = None,
    callback: Callable | None = None,
    progress: bool = False,
) -> Fit:
    """Minimise a loss of nested parameters.

    A trial point where a solve fails, or where the loss is not finite, counts as infinitely bad: the
    optimiser takes a shorter step and goes on.

    Parameters
    ----------
    loss : callable
        ``loss(params, *args) -> number``. For standard errors and profiles it is to be the negative logarithm
        of the likelihood (or of a posterior density).
    params : nested dicts, lists, tuples, NamedTuples, dataclasses of numbers and arrays
        Where to begin.
    method : str
        A method of `scipy.optimize.minimize`. Those that need second derivatives get them.
    args : tuple
        Further arguments of the loss.
    bounds, fixed, transforms : nested, optional
        Each follows the structure of `params` as far as it is given, for instance
        ``bounds={"rate": (0, 10)}``, ``fixed={"start": True}`` or, for some entries of an array, an array of
        bools; ``transforms={"rate": "positive", "shares": "simplex"}`` with "positive", "unit", "ordered",
        "simplex" or an instance, ``Bounded(1, 3)``. A pair has None where there is no bound.
    max_iterations : int, optional
    tol : float, optional
        As in SciPy, the tolerance of the method.
    options : dict, optional
        Passed on to the method.
    gradient : callable, optional
        ``gradient(params, *args) -> (value, gradient)`` in place of `sciad.value_and_grad` of the loss.
    callback : callable, optional
        ``callback(params, loss)`` after each iteration; StopIteration ends the search.
    progress : bool
        Show a bar with the loss.

    Returns
    -------
    Fit

    Raises
    ------
    SolverError
        If the loss cannot be computed where the parameters begin.

    Examples
    --------
    >>> import sciad.optimize as opt
    >>> def rosenbrock(p):
    ...     return (1 - p["x"]) ** 2 + 100 * (p["y"] - p["x"] ** 2) ** 2
    >>> fit = opt.minimize(rosenbrock, {"x": -1.0, "y": 2.0}, tol=1e-12)
    >>> round(fit.params["x"], 5), round(fit.params["y"], 5)
    (1.0, 1.0)
    """
    if method not in _ALL:
        raise ValueError(f"method must be one of {', '.join(_ALL)}, not {method!r}")
    vector = ParameterVector(params, bounds, fixed, transforms)
    if vector.bounded and method not in _BOUNDS:
        raise ValueError(
            f"{method} has no bounds: take one of {', '.join(sorted(_BOUNDS))}, or transforms instead"
        )
    derivatives = method not in _WITHOUT_GRADIENT
    if derivatives:
        both = value_and_grad(loss) if gradient is None else gradient
        evaluate = vector.value_and_gradient(lambda p: both(p, *args))
    else:
        evaluate = lambda z: loss(vector.build(z), *args)  # noqa: E731
    guarded = GuardedLoss(evaluate, derivatives)
    with bar(progress, "minimize") as show:
        result = scipy.optimize.minimize(
            guarded,
            vector.start,
            method=method,
            jac=True if derivatives else None,
            tol=tol,
            bounds=list(zip(vector.low, vector.high, strict=True)) if vector.bounded else None,
            callback=_callback(guarded, vector, callback, show),
            options=_options(options, max_iterations, method),
            **_second(loss, args, vector, method),
        )
    value, z, _ = guarded.best
    return Fit(
        params=vector.plain_values(z),
        loss=value,
        success=bool(result.success),
        message=str(result.message),
        method=method,
        iterations=int(getattr(result, "nit", len(guarded.history.iterations))),
        evaluations=len(guarded.history.losses),
        history=guarded.history,
        vector=vector,
        z=z,
        problem=_Likelihood(loss, args, vector, method, options),
    )


class _Likelihood:
    """What standard errors and profiles need of a loss that is a negative log-likelihood."""

    def __init__(self, loss, args, vector, method, options):
        self.loss, self.args, self.vector = loss, args, vector
        self.both = value_and_grad(loss)
        self.method = method if method in _BOUNDS - _WITHOUT_GRADIENT else "L-BFGS-B"

    def information(self, z: np.ndarray) -> np.ndarray:
        """Second derivatives of the loss by the free entries: the observed information.

        Where they are refused, as through events, differences of the exact gradient.
        """
        try:
            return hessian(lambda z: self.loss(self.vector.build(z), *self.args))(z)
        except (MissingRule, NotDifferentiable):
            evaluate = self.vector.value_and_gradient(lambda p: self.both(p, *self.args))
            steps = 1e-4 * np.maximum(1.0, np.abs(z))
            rows = [
                (evaluate(z + h * e)[1] - evaluate(z - h * e)[1]) / (2 * h)
                for h, e in zip(steps, np.eye(len(z)), strict=True)
            ]
            return 0.5 * (np.array(rows) + np.array(rows).T)

    def deviance(self, value: float, best: float) -> float:
        """Twice the logarithm of the ratio of likelihoods."""
        return 2.0 * (value - best)

    def quantile(self, level: float) -> float:
        """The deviance that the true value stays below with this probability."""
        return float(chi2.ppf(level, 1))

    def constrained(self, z: np.ndarray, k: int) -> tuple[float, np.ndarray]:
        """The least loss with entry k of z held, beginning at z."""
        evaluate = self.vector.value_and_gradient(lambda p: self.both(p, *self.args))
        rest = np.arange(len(z)) != k

        def part(free):
            whole = z.copy()
            whole[rest] = free
            value, gradient = evaluate(whole)
            return value, gradient[rest]

        guarded = GuardedLoss(part)
        if not rest.any():
            return guarded(z[rest])[0], z
        limits = list(zip(self.vector.low[rest], self.vector.high[rest], strict=True))
        scipy.optimize.minimize(
            guarded,
            z[rest],
            jac=True,
            method="L-BFGS-B",
            bounds=limits,
            options={"ftol": 1e-12, "gtol": 1e-7},
        )
        found = z.copy()
        found[rest] = guarded.best[1]
        return guarded.best[0], found


def _second(loss, args, vector, method) -> dict:
    """Second derivatives for the methods that ask for them."""
    whole = lambda z: loss(vector.build(z), *args)  # noqa: E731
    if method in _HESSIAN:
        # trust-exact asks for it at a proposed point before it looks at the loss there
        return {"hess": guarded_array(hessian(whole), lambda z: np.eye(len(z)))}
    if method in _PRODUCTS:
        return {"hessp": guarded_array(lambda z, v: hvp(whole, (z,), (v,)), lambda z, v: v)}
    return {}


def _options(options, max_iterations, method) -> dict:
    options = dict(options or {})
    if max_iterations is not None:
        options["maxfun" if method == "TNC" else "maxiter"] = max_iterations
    return options


def _callback(guarded, vector, callback, show):
    def after(intermediate_result):
        value = guarded.best[0]
        guarded.history.iterations.append(value)
        show(value)
        if callback is not None:
            callback(vector.plain_values(guarded.best[1]), value)

    return after
