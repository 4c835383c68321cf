"""Derivatives of steady states, by the implicit function theorem."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sciad import NotDifferentiable
from sciad.adjoints.ode.discrete import check_finite
from sciad.eager.traced import is_traced
from sciad.errors import SolverError
from sciad.solvers.adjoint import Adjoint
from sciad.solvers.model.arguments import contiguous
from sciad.solvers.steady import Steady, find, steady_solve

__all__ = ["SteadyStateAdjoint"]


@dataclass(frozen=True)
class SteadyStateAdjoint(Adjoint):
    """The gradient of a steady state f(y, p) = 0 from one linear solve: dy = -J^-1 f_p dp.

    The cotangent g of y becomes -f_p^T J^-T g of the parameters. Nothing of the way to the steady state is
    differentiated, so the gradient is as accurate as the state, in no memory.

    Where f conserves quantities l^T y (so that J is singular and the steady state depends on y0), they are
    found as the left null vectors of J, and dy is the solution with l^T dy = l^T dy0. It fails (raises)
    where J is singular for another reason: at a bifurcation, or on a whole curve of steady states.

    Parameters
    ----------
    singular : float
        Singular values of the scaled Jacobian under this part of the largest count as zero.
    """

    singular: float = 1e-10

    serves = ("steady_state",)

    def system(self, problem: Steady, y0: np.ndarray, y: np.ndarray, p: np.ndarray) -> _System:
        n = len(y)
        jacobian = problem.model.call("jacobian", problem.t, y, p)[0].reshape(n, n)
        check_finite(jacobian, jacobian, "the Jacobian at the steady state")
        # Rows and columns of one size, so that small is small in the problem's own units.
        rows = 1.0 / np.maximum(np.abs(jacobian).max(axis=1, initial=0.0), 1e-300)
        rows[rows >= 1e299] = 1.0
        left, sizes, _ = np.linalg.svd(rows[:, None] * jacobian)
        null = sizes <= self.singular * sizes.max(initial=0.0)
        if sizes.max(initial=0.0) == 0.0:
            null[:] = True
        conserved = (left[:, null] * rows[:, None]).T
        conserved /= np.maximum(np.linalg.norm(conserved, axis=1, keepdims=True), 1e-300)
        return _System(jacobian, conserved, self._verified(problem, conserved, y0, y, p))

    def _verified(self, problem: Steady, conserved, y0, y, p) -> bool:
        """Whether f changes none of the quantities, here and elsewhere; raises if it does."""
        size = np.abs(y) + np.abs(y0)
        size = np.where(size > 0.0, size, size.max(initial=0.0) or 1.0)
        for k, quantity in enumerate(conserved):
            rng = np.random.default_rng(k)
            for trial in (y0, y + 0.1 * size * rng.uniform(-1, 1, len(y))):
                f = problem.model.evaluate(problem.t, trial, p)
                if not abs(quantity @ f) <= 1e-8 * max(np.abs(quantity * f).sum(), 1e-300):
                    raise SolverError(
                        "the steady state has no derivative: its Jacobian is singular, and not because "
                        "something is conserved (a bifurcation, or a curve of steady states). The left "
                        f"null vector is {np.array2string(quantity, precision=3, threshold=8)}."
                    )
        return bool(len(conserved))


@dataclass(frozen=True)
class _System:
    """[J; L] dy = [-f_p dp; L dy0], square and regular, or long and consistent."""

    jacobian: np.ndarray
    conserved: np.ndarray
    singular: bool

    def _inverse(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the equations scaled to one size, so that least squares mixes none away; and the scale."""
        whole = np.vstack([self.jacobian, self.conserved])
        scale = 1.0 / np.maximum(np.abs(whole).max(axis=1), 1e-300)
        return np.linalg.pinv(scale[:, None] * whole), scale

    def push(self, change: np.ndarray, dy0: np.ndarray) -> np.ndarray:
        if not self.singular:
            return np.linalg.solve(self.jacobian, -change)
        inverse, scale = self._inverse()
        return inverse @ (scale * np.concatenate([-change, self.conserved @ dy0]))

    def pull(self, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cotangents of f and of y0."""
        n = len(g)
        if not self.singular:
            return -np.linalg.solve(self.jacobian.T, g), np.zeros(n)
        inverse, scale = self._inverse()
        bars = scale * (inverse.T @ g)
        return -bars[:n], self.conserved.T @ bars[n:]


def _chosen(problem: Steady) -> SteadyStateAdjoint:
    return SteadyStateAdjoint() if problem.adjoint == "auto" else problem.adjoint


def _refuse_second(*values) -> None:
    if any(map(is_traced, values)):
        raise NotDifferentiable(
            "second derivatives of a steady state are not available; sciad.root differentiates a function "
            "given as f(y, p) to any order"
        )


@steady_solve.def_pullback
def _steady_pullback(args):
    problem, y0, p = args
    _refuse_second(y0, p)
    start, q = np.ravel(y0), contiguous(p)
    y = find(problem, y0, p)
    witness = problem.model.witness([(problem.t, start, q), (problem.t, y, q)])

    def pull(g):
        _refuse_second(g)
        if witness is not None:
            witness.check()
        system = _chosen(problem).system(problem, start, y, q)
        bar, gy0 = system.pull(np.ravel(g))
        _, _, _, gp = problem.model.call("pullback", problem.t, y, q, bar)
        check_finite(gp, gy0, "the gradient of the steady state")
        return None, gy0.reshape(np.shape(y0)), gp

    return y.reshape(np.shape(y0)), pull


@steady_solve.def_pushforward
def _steady_pushforward(args, tangents):
    problem, y0, p = args
    _, dy0, dp = tangents
    _refuse_second(y0, p, dy0, dp)
    start, q = np.ravel(y0), contiguous(p)
    y = find(problem, y0, p)
    n = len(y)
    dy0 = np.zeros(n) if dy0 is None else np.ravel(dy0)
    dp = np.zeros(len(q)) if dp is None else np.ravel(dp)
    change = problem.model.call("pushforward", problem.t, y, q, 0.0, np.zeros(n), dp)[1]
    dy = _chosen(problem).system(problem, start, y, q).push(change, dy0)
    check_finite(dy, dy, "the tangent of the steady state")
    return y.reshape(np.shape(y0)), dy.reshape(np.shape(y0))
