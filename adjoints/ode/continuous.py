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
    of_steps = False  # the backward solve controls the error of the derivative
    kernels: ClassVar[dict] = {}  # what the linker puts for `call_rhs` and the names in `backward_kernels`
    in_state = ("lam", "mu")  # what the backward solve carries: y, lambda, mu

    def pullback(
        self, model: Model, trajectory, p: np.ndarray, gys: np.ndarray, times: bool, options
    ) -> Cotangents:
        """Cotangents of the inputs of a solve from those of its outputs.

        Parameters and errors as for `sciad.adjoints.ode.discrete.pull`; `options` are those of the forward
        solve.
        """
        self._refuse(trajectory, options)
        plan = self._plan(model, trajectory.method)
        parts = self._parts(model)
        tolerance = self._tolerance(trajectory, p[: model.m], gys, options, parts)
        z, y1 = plan.rows_of_state(tolerance)
        if "y" in parts:
            y1[parts["y"]] = trajectory.ys[-1]
        integral = np.zeros(max(1, model.m))
        t0, y0 = trajectory.record[0, 0], trajectory.record[0, 2 : 2 + model.n]
        whole, real = plan.counters(self.max_steps, z.shape[1], "mu" not in parts)
        table, work = plan.workspace(z.shape[1])
        code = plan.kernel(
            *(table, whole, real, z, plan.parameters(trajectory.record, p)),
            *(trajectory.ts, trajectory.ys, gys, integral, t0, _NO_TIMES, _NO_ROWS),
            work,
        )
        if code == state.MODEL_RAISED:
            raise model.failure(int(whole[state.RAISED]))
        if code != state.DONE:
            names = [f"{_WORDS[part]}[{k}]" for part, at in parts.items() for k in range(at.stop - at.start)]
            self._fail(code, whole, real, y1, z[plan.method.rows - 1], names)
        lam = y1[parts["lam"]].copy()
        gp = y1[parts["mu"]].copy() if "mu" in parts else integral[: model.m]
        if "y" in parts:
            self._compare(y1[parts["y"]], y0, float(t0), options)
        check_finite(lam, gp, type(self).__name__)
        if not times:
            return Cotangents(lam, gp)
        slopes = [model.evaluate(t, y, p) for t, y in zip(trajectory.ts, trajectory.ys, strict=True)]
        gts = np.array([gy @ slope for gy, slope in zip(gys, slopes, strict=True)])
        return Cotangents(lam, gp, gts, -float(lam @ model.evaluate(t0, y0, p)))

    def _refuse(self, trajectory, options) -> None:
        name = type(self).__name__
        if options.mass is not None:
            raise NotDifferentiable(
                f"{name} does not work with a mass matrix: use DiscreteAdjoint(), the default"
            )
        if trajectory.method.family not in BEGIN:
            raise NotDifferentiable(
                f"{name} does not work with {trajectory.method.name}: use DiscreteAdjoint(), the default, or "
                "solve by a Rosenbrock method such as Rodas5P"
            )

    def _parts(self, model: Model) -> dict[str, slice]:
        """Where y, lambda and mu are in the state of the backward solve, as far as they are in it."""
        sizes, parts, size = {"y": model.n, "lam": model.n, "mu": model.m}, {}, 0
        for part in self.in_state:
            parts[part] = slice(size, size + sizes[part])
            size += sizes[part]
        return parts

    def _plan(self, model: Model, method) -> _BackwardPlan:
        key = (type(self), method)
        if key not in model.plans:
            model.plans[key] = _BackwardPlan(model, method, self.kernels)
        return model.plans[key]

    def _tolerance(self, trajectory, p, gys, options, at: dict[str, slice]) -> np.ndarray:
        """Rows of rtol and atol."""
        rtol = self.rtol if self.rtol is not None else min(1e-4, float(np.min(options.rtol)))
        atol = self.atol if self.atol is not None else rtol
        tolerance = np.empty((2, at[self.in_state[-1]].stop))
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


class _BackwardPlan:
    """What is made once per model and method of the forward solve."""

    def __init__(self, model: Model, method, kernels: dict):
        self.method, self.n, self.m = method, model.n, model.m
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
            _kernels[key] = native.link(
                backward.backward_solve, backward.SIGNATURE, constants, unrolled=False
            )
        self.kernel = _kernels[key].enter
        self._algebra = None

    def rows_of_state(self, tolerance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows of the loop's state, and the one in which the solution is."""
        z = np.zeros((self.rows, tolerance.shape[1]))
        z[self.tolerance] = tolerance
        return z, z[self.method.rows + 1]

    def counters(self, max_steps: int, size: int, quadrature: bool) -> tuple[np.ndarray, np.ndarray]:
        """``whole`` and ``real`` at the start, for so many unknowns."""
        whole = np.zeros(state.WHOLE_SIZE, dtype=np.int64)
        whole[state.SIZE] = size
        whole[state.MAX_STEPS] = max_steps
        whole[state.BUDGET] = -1
        whole[state.EVENTS] = quadrature
        whole[state.LINEAR_ALGEBRA] = self._own_work
        real = self.real.copy()
        real[state.LARGEST] = np.inf
        return whole, real

    def parameters(self, record: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Those of the adjoint equation: where the forward solve is, then the model's own."""
        packed = np.empty(backward.HEADER + self.m)
        packed[: backward.HEADER] = (
            *(self.table[0], record.ctypes.data, len(record), record.shape[1], len(record) - 1),
            *(self.n, self.m, *self.table[1:], *([] if self.stiff else [0, 0])),
        )
        packed[backward.HEADER :] = p[: self.m]
        return packed

    @property
    def _own_work(self) -> int:
        return backward.SPARE * (self.n + self.m + 1) + self.work_size

    def workspace(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """The table of addresses and the workspace, with that of the linear algebra where there is one."""
        head = self._own_work
        if not self.stiff:
            return self.table, np.empty(head)
        if self._algebra is None:
            from sciad.solvers.linear.solver_choice import dense_algebra

            self._algebra = dense_algebra(size)  # kept, since the table has addresses of what it owns
        algebra = self._algebra
        work = np.empty(head + algebra.size + size)
        mass = head + algebra.jacobian_size + algebra.factor_size
        work[mass : mass + algebra.mass_size] = algebra.mass_values()
        return algebra.table_behind(list(self.table[:1])), work


# families whose steps a backward solve can take, and what such a step begins with where it is another
BEGIN = {"explicit": {}, "rosenbrock": {"begin": backward.stiff_begin}}
_WORDS = {"y": "y", "lam": "lambda", "mu": "mu"}
_kernels: dict = {}
_NO_TIMES, _NO_ROWS = np.empty(0), np.empty((0, 2))


def _floor(size: np.ndarray) -> np.ndarray:
    """Sizes, those far below the largest one raised, so that no tolerance is infinite."""
    largest = size.max(initial=0.0)
    return np.maximum(size, 1e-4 * largest if largest > 0.0 else 1.0)
