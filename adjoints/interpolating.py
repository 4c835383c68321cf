"""The interpolating adjoint: the adjoint differential equation, solved backwards along the stored dense output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adjoints import backward
from adjoints.discrete import Cotangents, check_finite
from sciad.compiler import native
from solvers import control, state
from solvers.errors import SolverError
from solvers.integrate import failure_message, loop_constants
from solvers.problem import Model

__all__ = ["InterpolatingAdjoint"]


@dataclass(frozen=True)
class InterpolatingAdjoint:
    """Continuous adjoint along the dense forward solution.

    Solves lambda' = -J^T lambda, mu' = -f_p^T lambda backwards from the last output to t0, adding the cotangent of each
    output to lambda where it lies; the gradient is lambda(t0) for y0 and mu(t0) for the parameters. The quadrature mu is
    part of the error test.

    It is as accurate as its own tolerance and the dense output of the forward solve allow; tighten both. Every output is
    a jump after which the step size must be found anew, so many outputs make it slow, and stiff problems much slower
    than the discrete adjoint. It raises where the backward solve fails.

    Parameters
    ----------
    rtol : float, optional
        Of the backward solve; that of the forward solve (at most 1e-4) unless given.
    atol : float, optional
        In units of the loss: lambda_i is solved to atol / |y_i| and mu_i to atol / |p_i|, both times the size of the
        cotangents' action on the outputs. The same as `rtol` unless given.
    max_steps : int
        Attempts allowed in the backward solve.

    References
    ----------
    Y. Cao, S. Li, L. Petzold, R. Serban, SIAM J. Sci. Comput. 24 (2003), sections 2 and 3.
    """

    rtol: float | None = None
    atol: float | None = None
    max_steps: int = 1_000_000

    record = 2

    def pullback(self, model: Model, trajectory, p: np.ndarray, gys: np.ndarray, times: bool, options) -> Cotangents:
        """Cotangents of the inputs of a solve from those of its outputs; see `adjoints.discrete.pull`."""
        n, m = model.n, model.m
        record, ts = trajectory.record, trajectory.ts
        gts = np.zeros(len(ts)) if times else None
        if not len(record):
            return Cotangents(gys.sum(axis=0), np.zeros(m), gts)
        plan = _plan(model, trajectory.method)
        rtol = self.rtol if self.rtol is not None else min(1e-4, float(np.min(options.rtol)))
        tolerance = np.empty((2, n + m))
        tolerance[0] = rtol
        tolerance[1] = (rtol if self.atol is None else self.atol) * _scales(trajectory, p[:m], gys)

        packed = np.empty(backward.HEADER + m)
        packed[: backward.HEADER] = (
            plan.table[0],
            record.ctypes.data,
            len(record),
            record.shape[1],
            len(record) - 1,
            n,
            m,
        )
        packed[backward.HEADER :] = p[:m]
        whole = np.zeros(state.WHOLE_SIZE, dtype=np.int64)
        whole[state.SIZE] = n + m
        whole[state.MAX_STEPS] = self.max_steps
        whole[state.BUDGET] = -1
        real = plan.real.copy()
        real[state.LARGEST] = np.inf
        z = np.zeros((plan.rows, n + m))
        t0 = record[0, 0]
        code = plan.kernel(
            *(plan.table, whole, real, z, tolerance, packed, ts, gys, t0, *_NOTHING, np.empty(1), _NOTHING[1]),
            *(np.empty(plan.work_size + 2 * n + 2), np.empty(1), np.empty(1, dtype=np.int64)),
        )
        if code == state.MODEL_RAISED:
            raise model.failure(int(whole[state.RAISED]))
        y1 = z[plan.method.rows + 1]
        if code != state.DONE:
            message = failure_message(code, real[state.T1], y1, z[plan.method.rows - 1], whole, real)
            raise SolverError(
                f"the backward solve of InterpolatingAdjoint failed (component i < {n} is lambda_i, the others are the "
                f"integrals of the parameters): {message} Or use DiscreteAdjoint(), which needs no backward solve."
            )
        lam, gp = y1[:n].copy(), y1[n:].copy()
        check_finite(lam, gp, "the interpolating adjoint")
        if not times:
            return Cotangents(lam, gp)
        for i, t in enumerate(ts):
            gts[i] = gys[i] @ plan.slope(t, trajectory.ys[i], p)
        return Cotangents(lam, gp, gts, -float(lam @ plan.slope(t0, record[0, 2 : 2 + n], p)))


class _Plan:
    """What is made once per model and method of the forward solve."""

    def __init__(self, model: Model, method):
        self.model = model
        self.method = method
        self.table = model.table("pullback", "primal")
        self.work_size = max(model.work_size("pullback"), model.work_size("primal"))
        controller = control.default(method)
        self.real = np.zeros(state.REAL_SIZE)
        controller.write(self.real, method)
        constants = loop_constants(method, controller.kernel, 0)
        self.rows = constants["ALL_ROWS"]
        self.kernel = _kernel(method, {**constants, "call": backward.adjoint_call})

    def slope(self, t: float, y: np.ndarray, p: np.ndarray) -> np.ndarray:
        """f(t, y, p)."""
        return self.model.evaluate(t, y, p)


def _plan(model: Model, method) -> _Plan:
    key = ("interpolating", method)
    if key not in model.plans:
        model.plans[key] = _Plan(model, method)
    return model.plans[key]


def _kernel(method, constants: dict):
    if method not in _kernels:
        _kernels[method] = native.link(backward.backward_solve, backward.SIGNATURE, constants)
    return _kernels[method]


_kernels: dict = {}
_NOTHING = (np.empty(0), np.empty((0, 2)))


def _scales(trajectory, p: np.ndarray, gys: np.ndarray) -> np.ndarray:
    """Sizes of lambda_i and mu_i at which they matter to the loss: its first-order change over |y_i| and |p_i|."""
    ys = np.abs(trajectory.y_steps).max(axis=0)
    loss = float(np.abs(gys * trajectory.ys).sum()) or float(np.abs(gys).sum()) or 1.0
    return loss / np.concatenate([_floor(ys), _floor(np.abs(p))])


def _floor(size: np.ndarray) -> np.ndarray:
    """Sizes, those far below the largest one raised, so that no tolerance is infinite."""
    largest = size.max(initial=0.0)
    return np.maximum(size, 1e-4 * largest if largest > 0.0 else 1.0)
