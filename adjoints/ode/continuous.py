"""What the continuous adjoints share: the driver of a backward solve."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sciad import NotDifferentiable
from sciad.adjoints.ode import backward_kernels as backward
from sciad.adjoints.ode.discrete import Cotangents, check_finite
from sciad.errors import SolverError
from sciad.native import kernels as native
from sciad.solvers.adjoint import Adjoint
from sciad.solvers.model.models import Model
from sciad.solvers.stepping import controllers as control
from sciad.solvers.stepping import loop_state as state
from sciad.solvers.stepping.integrate import failure_message, loop_constants

__all__ = ["ContinuousAdjoint"]


@dataclass(frozen=True)
class ContinuousAdjoint(Adjoint):
    """Base of the methods that solve the adjoint differential equation backwards.

    Parameters
    ----------
    rtol : float, optional
        Of the backward solve; that of the forward solve (at most 1e-4) unless given.
    atol : float, optional
        In units of the loss: lambda_i is solved to atol L / |y_i| and mu_i to atol L / |p_i|, where L is
        the size of the cotangents' action on the outputs. The same as `rtol` unless given.
    max_steps : int
        Attempts allowed in the backward solve.
    """

    rtol: float | None = None
    atol: float | None = None
    max_steps: int = 1_000_000

    serves = ("solve_ivp",)
    record = 2  # what is needed of each forward step: the stages too, for the dense output,
    dense = True  # its extra stages included
    kernels: ClassVar[dict] = {}  # what the linker puts for `call_rhs` and the names in `backward_kernels`
    in_state = ("lam", "mu")  # what the backward solve carries: y, lambda, mu

    def pullback(
        self, model: Model, trajectory, p: np.ndarray, gys: np.ndarray, times: bool, options
    ) -> Cotangents:
        """Cotangents of the inputs of a solve from those of its outputs.

        Parameters and errors as for `sciad.adjoints.ode.discrete.pull`; `options` are those of the forward
        solve.
        """
        n, m = model.n, model.m
        record, ts = trajectory.record, trajectory.ts
        gts = np.zeros(len(ts)) if times else None
        if options.mass is not None:
            raise NotDifferentiable(
                f"{type(self).__name__} does not work with a mass matrix: use DiscreteAdjoint(), the default"
            )
        if trajectory.method.family not in BEGIN:
            raise NotDifferentiable(
                f"{type(self).__name__} does not work with {trajectory.method.name}: use DiscreteAdjoint(), "
                "the default, or solve by a Rosenbrock method such as Rodas5P"
            )
        plan = self._plan(model, trajectory.method)
        sizes = {"y": n, "lam": n, "mu": m}
        at, size = {}, 0
        for part in self.in_state:
            at[part] = slice(size, size + sizes[part])
            size += sizes[part]

        packed = np.empty(backward.HEADER + m)
        packed[: backward.HEADER] = (
            *(plan.table[0], record.ctypes.data, len(record), record.shape[1], len(record) - 1),
            *(n, m, *plan.table[1:], *([] if plan.stiff else [0, 0])),
        )
        packed[backward.HEADER :] = p[:m]
        whole = np.zeros(state.WHOLE_SIZE, dtype=np.int64)
        whole[state.SIZE] = size
        whole[state.MAX_STEPS] = self.max_steps
        whole[state.BUDGET] = -1
        whole[state.EVENTS] = "mu" not in at
        head = whole[state.LINEAR_ALGEBRA] = backward.SPARE * (n + m + 1) + plan.work_size
        real = plan.real.copy()
        real[state.LARGEST] = np.inf
        z = np.zeros((plan.rows, size))
        y1 = z[plan.method.rows + 1]
        z[plan.tolerance] = self._tolerance(trajectory, p[:m], gys, options, at, size)
        if "y" in at:
            y1[at["y"]] = trajectory.ys[-1]
        integral = np.zeros(max(1, m))
        table = plan.table
        work = np.empty(head)
        if plan.stiff:
            from sciad.solvers.linear.solver_choice import dense_algebra

            algebra = dense_algebra(size)
            table = algebra.table_behind(list(plan.table[:1]))
            work = np.empty(head + algebra.size + size)
            mass = head + algebra.jacobian_size + algebra.factor_size
            work[mass : mass + algebra.mass_size] = algebra.mass_values()
        t0, y0 = record[0, 0], record[0, 2 : 2 + n]
        code = plan.kernel(
            *(table, whole, real, z, packed),
            *(ts, trajectory.ys, gys, integral, t0, _NO_TIMES, _NO_ROWS),
            work,
        )
        if code == state.MODEL_RAISED:
            raise model.failure(int(whole[state.RAISED]))
        if code != state.DONE:
            words = {"y": "y", "lam": "lambda", "mu": "mu"}
            names = [f"{words[part]}[{k}]" for part in self.in_state for k in range(sizes[part])]
            self._fail(code, whole, real, y1, z[plan.method.rows - 1], names)
        lam = y1[at["lam"]].copy()
        gp = y1[at["mu"]].copy() if "mu" in at else integral[:m]
        if "y" in at:
            self._compare(y1[at["y"]], y0, float(t0), options)
        check_finite(lam, gp, type(self).__name__)
        if not times:
            return Cotangents(lam, gp)
        for i, t in enumerate(ts):
            gts[i] = gys[i] @ model.evaluate(t, trajectory.ys[i], p)
        return Cotangents(lam, gp, gts, -float(lam @ model.evaluate(t0, y0, p)))

    def _plan(self, model: Model, method) -> _Plan:
        key = (type(self), method)
        if key not in model.plans:
            model.plans[key] = _Plan(model, method, self.kernels)
        return model.plans[key]

    def _tolerance(self, trajectory, p, gys, options, at, size) -> np.ndarray:
        rtol = self.rtol if self.rtol is not None else min(1e-4, float(np.min(options.rtol)))
        atol = self.atol if self.atol is not None else rtol
        tolerance = np.empty((2, size))
        tolerance[0] = rtol
        loss = float(np.abs(gys * trajectory.ys).sum()) or float(np.abs(gys).sum()) or 1.0
        tolerance[1, at["lam"]] = atol * loss / _floor(np.abs(trajectory.y_steps).max(axis=0))
        if "mu" in at:
            tolerance[1, at["mu"]] = atol * loss / _floor(np.abs(p))
        if "y" in at:
            tolerance[0, at["y"]] = options.rtol
            tolerance[1, at["y"]] = options.atol
        return tolerance

    def _fail(self, code, whole, real, y1, slope, names):
        message = failure_message(code, real[state.T1], y1, slope, whole, real)
        message = re.sub(r"y\[(\d+)\]", lambda found: names[int(found[1])], message)
        raise SolverError(
            f"the backward solve of {type(self).__name__} failed: {message} Or use DiscreteAdjoint(), which "
            "needs no backward solve."
        )

    def _compare(self, y, y0, t0, options):
        raise NotImplementedError


class _Plan:
    """What is made once per model and method of the forward solve."""

    def __init__(self, model: Model, method, kernels: dict):
        self.method = method
        self.stiff = method.implicit
        kinds = ("pullback", "primal", "second", "jacobian")[: 4 if self.stiff else 2]
        self.table = model.table(*kinds)
        self.work_size = model.work_size_of(*kinds)
        controller = control.default(method)
        self.real = np.zeros(state.REAL_SIZE + 1)
        controller.write(self.real, method)
        constants = {**loop_constants(method, controller.kernel, 0), **BEGIN[method.family], **kernels}
        self.rows = constants["ALL_ROWS"]
        self.tolerance = slice(constants["RTOL"], constants["ATOL"] + 1)
        key = (method, *kernels.values())
        if key not in _kernels:
            _kernels[key] = native.link(backward.backward_solve, backward.SIGNATURE, constants)
        self.kernel = _kernels[key].enter


# families whose steps a backward solve can take, and what such a step begins with where it is another
BEGIN = {"explicit": {}, "rosenbrock": {"begin": backward.stiff_begin}}
_kernels: dict = {}
_NO_TIMES, _NO_ROWS = np.empty(0), np.empty((0, 2))


def _floor(size: np.ndarray) -> np.ndarray:
    """Sizes, those far below the largest one raised, so that no tolerance is infinite."""
    largest = size.max(initial=0.0)
    return np.maximum(size, 1e-4 * largest if largest > 0.0 else 1.0)
