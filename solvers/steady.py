"""Steady states: zeros of a right-hand side that its equation runs into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import LinAlgError, lu_factor, lu_solve

from sciad.errors import SolverError
from sciad.foreign import plain_arguments
from sciad.solvers.model.arguments import contiguous, flat, float_array
from sciad.solvers.model.build_model import build_model
from sciad.solvers.model.models import Model
from sciad.solvers.suggestions import check_adjoint
from sciad.transforms.delegated import Delegated

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from sciad.solvers.adjoint import Adjoint

__all__ = ["Steady", "SteadyState", "find", "steady_solve", "steady_state"]


@dataclass
class SteadyState:
    """Result of `steady_state`.

    Attributes
    ----------
    y : array of the shape of y0
    residual : float
        Largest absolute component of f(t, y).
    steps, nfev, njev : int
    message : str
    """

    y: np.ndarray
    residual: float
    steps: int
    nfev: int
    njev: int
    message: str
    success: bool = True


def steady_state(
    fun: Callable,
    y0: ArrayLike,
    args: Sequence | None = None,
    *,
    t: float = 0.0,
    method: str = "pseudo-transient",
    rtol: float = 1e-10,
    atol: float = 1e-14,
    max_steps: int = 500,
    jac: Callable | ArrayLike | None = None,
    adjoint: str | Adjoint = "auto",
) -> SteadyState:
    """Find y with f(t, y) = 0, starting from y0; differentiable with respect to `args` and `y0`.

    Parameters
    ----------
    fun : callable
        ``fun(t, y, *args) -> dy/dt``, as for `solve_ivp`; t is held.
    y0 : array_like
        Of any shape. Where f conserves quantities, such as totals of atoms, those of y0 are kept.
    args : tuple, optional
    t : float
    method : {"pseudo-transient", "newton"}
        Implicit Euler steps that grow as the residual falls, which follow the equation from y0 to a stable
        state and end as Newton's method; or Newton's method with halved steps from the start, which is
        quicker near a solution and finds unstable states too.
    rtol, atol : float
        Of the last Newton correction, component by component.
    max_steps : int
    jac : callable or matrix, optional
        As for `solve_ivp`.
    adjoint : "auto" or SteadyStateAdjoint

    Returns
    -------
    SteadyState

    Raises
    ------
    SolverError
        If no steady state is found, saying how far it came.

    Notes
    -----
    Step sizes by switched evolution relaxation: C. T. Kelley and D. E. Keyes, Convergence analysis of
    pseudo-transient continuation, SIAM J. Numer. Anal. 35 (1998).

    Examples
    --------
    >>> import numpy as np, sciad as ad
    >>> from sciad.solvers import steady_state
    >>> logistic = lambda t, y, r, k: r * y * (1 - y / k)
    >>> float(steady_state(logistic, np.array([0.1]), (2.0, 5.0)).y[0])
    5.0
    >>> ad.grad(lambda k: steady_state(logistic, np.array([0.1]), (2.0, k)).y[0])(5.0)
    np.float64(1.0)
    """
    if method not in _SEARCH:
        raise ValueError(f"method must be one of {', '.join(map(repr, _SEARCH))}, not {method!r}")
    check_adjoint(adjoint, "steady_state")
    args = () if args is None else plain_arguments(tuple(args), fun)
    y0 = float_array(y0, "y0")
    model, p = build_model(fun, np.shape(y0), args, jac)
    problem = Steady(model, float(t), method, float(rtol), float(atol), int(max_steps), adjoint)
    y = steady_solve(problem, y0, p)
    found = problem.found
    return SteadyState(y, found.residual, found.steps, found.nfev, found.njev, found.message)


class Steady:
    """What of a search is not differentiated; ``found`` is what the last one found."""

    __slots__ = ("adjoint", "atol", "found", "max_steps", "method", "model", "rtol", "t")

    def __init__(
        self, model: Model, t: float, method: str, rtol: float, atol: float, max_steps: int, adjoint
    ):
        self.model, self.t, self.method, self.adjoint = model, t, method, adjoint
        self.rtol, self.atol, self.max_steps = rtol, atol, max_steps
        self.found: SteadyState | None = None


def find(problem: Steady, y0, p) -> np.ndarray:
    """The steady state (n,) for plain y0 and p; what it took is left in ``problem.found``."""
    y = flat(y0).copy()
    if not np.isfinite(y).all():
        raise ValueError(f"y0 must be finite, but component {int(np.argmin(np.isfinite(y)))} is not")
    problem.found = _SEARCH[problem.method](problem, y, contiguous(p))
    return problem.found.y


def _solve(problem: Steady, y0, p):
    """The differentiable primitive; its rules are defined by ``adjoints``."""
    return find(problem, y0, p).reshape(np.shape(y0))


steady_solve = Delegated(_solve, rules_from="sciad.adjoints.steady_adjoint")


def _pseudo_transient(problem: Steady, y: np.ndarray, p: np.ndarray) -> SteadyState:
    """Steps (I / h - J) d = f with h growing as the residual falls."""
    model, t, n = problem.model, problem.t, len(y)
    f = model.evaluate(t, y, p)
    nfev, h = 1, 0.0
    for step in range(problem.max_steps):
        size = problem.atol + problem.rtol * np.abs(y)
        norm = np.linalg.norm(f)
        if norm == 0.0:
            return _done(problem, y, f, step, nfev, step)
        jacobian = model.call("jacobian", t, y, p)[0].reshape(n, n)
        scale = max(np.abs(jacobian).sum(axis=1).max(), 1e-300)
        if h == 0.0:  # a step that changes y by some percent
            h = 0.03 * max(np.linalg.norm(y), 1e-3) / norm
        while True:
            correction = _corrected(np.eye(n) / h - jacobian, f)
            trial = y + correction
            g = model.evaluate(t, trial, p) if np.isfinite(trial).all() else np.full(n, np.nan)
            nfev += 1
            # A residual that falls, or moves with the solution while the steps are short.
            if np.isfinite(g).all() and (np.linalg.norm(g) <= 2.0 * norm or h * scale < 1e-3):
                break
            h /= 10.0
            if h * scale < 1e-14:
                raise _lost(problem, y, f, step, "its steps became too short")
        y, f = trial, g
        if h * scale > 1e8 and np.all(np.abs(correction) <= size):
            return _done(problem, y, f, step + 1, nfev, step + 1)
        h = min(h * float(np.clip(norm / max(np.linalg.norm(f), 1e-300), 0.5, 1e3)) * 1.5, 1e14 / scale)
    raise _lost(problem, y, f, problem.max_steps, "max_steps were not enough")


def _newton(problem: Steady, y: np.ndarray, p: np.ndarray) -> SteadyState:
    """Newton's method, with the correction halved until the residual falls."""
    model, t, n = problem.model, problem.t, len(y)
    f = model.evaluate(t, y, p)
    nfev = 1
    for step in range(problem.max_steps):
        jacobian = model.call("jacobian", t, y, p)[0].reshape(n, n)
        correction = _corrected(-jacobian, f)
        if not np.isfinite(correction).all():
            raise _lost(problem, y, f, step, "the Jacobian is singular there")
        if np.all(np.abs(correction) <= problem.atol + problem.rtol * np.abs(y)):
            return _done(problem, y, f, step, nfev, step + 1)
        share = 1.0
        while True:
            trial = y + share * correction
            g = model.evaluate(t, trial, p)
            nfev += 1
            if np.linalg.norm(g) <= (1.0 - 1e-4 * share) * np.linalg.norm(f):
                break
            share /= 2.0
            if share < 1e-10:
                small = np.all(np.abs(correction) <= 1e3 * (problem.atol + problem.rtol * np.abs(y)))
                if small:  # as near as rounding lets it come
                    return _done(problem, y, f, step, nfev, step + 1)
                raise _lost(problem, y, f, step, "no part of Newton's correction brings the residual down")
        y, f = trial, g
    raise _lost(problem, y, f, problem.max_steps, "max_steps were not enough")


_SEARCH = {"pseudo-transient": _pseudo_transient, "newton": _newton}


def _corrected(matrix: np.ndarray, f: np.ndarray) -> np.ndarray:
    """Solution of matrix d = f; not finite where there is none."""
    try:
        with np.errstate(all="ignore"):
            factors = lu_factor(matrix, check_finite=True)
            if not np.all(np.diag(factors[0])):
                return np.full(len(f), np.nan)
            return lu_solve(factors, f, check_finite=False)
    except (LinAlgError, ValueError):
        return np.full(len(f), np.nan)


def _done(problem: Steady, y, f, steps: int, nfev: int, njev: int) -> SteadyState:
    residual = float(np.abs(f).max(initial=0.0))
    message = f"A steady state was found in {steps} steps."
    return SteadyState(y, residual, steps, nfev, njev, message)


def _lost(problem: Steady, y, f, steps: int, why: str) -> SolverError:
    k = int(np.abs(f).argmax())
    return SolverError(
        f"no steady state was found by {problem.method!r} in {steps} steps: {why}. At the last state the "
        f"largest residual is f[{k}] = {f[k]:.3g} (y[{k}] = {y[k]:.6g}). The equation may have no steady "
        "state there (it oscillates or grows without bound); start nearer to one, or solve in time with "
        "solve_ivp and look."
    )
