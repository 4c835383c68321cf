"""Derivatives of solves inside of compiled programs: the sweeps of the discrete adjoint, called natively."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sciad.adjoints.ode.discrete import SweepPlan, check_finite, sweep_failure, sweep_plan
from sciad.adjoints.ode.solve_rules import loss_not_finite
from sciad.adjoints.ode.sweeps.sweep_driver import solve_along, solve_backwards
from sciad.compiler.ir.routines import Reversed, Routine
from sciad.errors import NotDifferentiable, SolverError
from sciad.solvers.model.held_model import held_model
from sciad.solvers.model.models import Model
from sciad.solvers.routines import plan_layout as at
from sciad.solvers.routines.native_plan import driver, named, resident
from sciad.solvers.routines.solve_routine import SolveRoutine, failure_of_report, model_names
from sciad.solvers.warn import warn

__all__ = ["back_plan", "failure_of_sweep", "reversed_solve", "tangent_of_solve"]


def reversed_solve(routine: SolveRoutine, wanted: tuple[bool, ...]) -> Reversed:
    """A solve with its record, and the sweep backwards over it."""
    if routine.record:
        raise _second_order()
    _warn_of_kinks(routine)
    span, _, _, times, _ = wanted
    return Reversed(routine.recording(), 1, Backwards(span or times))


def tangent_of_solve(routine: SolveRoutine) -> Routine:
    """A solve with its record and the sweep forwards over it."""
    if routine.record:
        raise _second_order()
    _warn_of_kinks(routine)
    return Along(routine.recording(back=False))


def _warn_of_kinks(routine: SolveRoutine) -> None:
    if routine.options.kinks and held_model(routine.model) is not None:
        warn(
            "the model switches (if, abs, maximum, where), and a solve inside of a compiled function "
            "does not stop there: its derivative is less accurate, and leaves out how moments of jumps move. "
            "Take ad.jit from the function around the solve, or give kinks=False to accept that"
        )


def _second_order() -> NotDifferentiable:
    return NotDifferentiable(
        "second derivatives of a solve inside of a compiled function are not available: take ad.jit from the "
        "function, and differentiate it twice outside"
    )


@dataclass(frozen=True)
class Backwards(Routine):
    """Cotangents of the arguments of a recorded solve; `times`: whether those of times are wanted."""

    times: bool

    name = "the gradient of solve_ivp"

    def symbols(self) -> tuple[str, str]:
        data = np.array([self.times], dtype=np.int64)
        return driver(solve_backwards, 9), named(data, "backwards", self.times)[0]

    def failure(self, report: int) -> BaseException:
        return failure_of_report(report)

    def reversed(self, wanted):
        raise _second_order()

    def tangent(self):
        raise _second_order()


@dataclass(frozen=True)
class Along(Routine):
    """Outputs of a solve and their tangents."""

    solve: SolveRoutine

    name = "the tangent of solve_ivp"

    def symbols(self) -> tuple[str, str]:
        return driver(solve_along, 14), self.solve.plan[0]

    def failure(self, report: int) -> BaseException:
        return failure_of_report(report)

    def reversed(self, wanted):
        raise _second_order()

    def tangent(self):
        raise _second_order()


def back_plan(model: Model, method, mass, back: bool) -> tuple[str, np.ndarray]:
    """The name and the plan of sweeps over the records of a method, backwards or forwards."""
    plan = sweep_plan(model, method, mass, "pull" if back else "push")
    desk = plan.take()
    numbers = {
        at.SWEEP_STATE_ROWS: plan.rows["SWEEP_ROWS"],
        at.ROW_LAM: plan.rows["LAM"],
        at.SWEEP_SCRATCH: len(desk.scratch),
        at.SWEEP_WORK: len(desk.work),
        at.SWEEP_MASS_ROWS: 0 if mass is None else len(mass),
        at.SWEEP_TABLE_SIZE: len(plan.table),
        at.SWEEP_CARRIED: method.stages if plan.family.carried else -1,
    }
    made = np.zeros(at.SWEEP_PLAN_SIZE, dtype=np.int64)
    for place, number in numbers.items():
        made[place] = number
    mass, scratch = np.empty(0) if mass is None else mass, np.empty(0)
    if plan.algebra is not None:
        scratch, start = np.zeros(len(desk.scratch)), plan.algebra.factor_size + plan.algebra.jacobian_size
        scratch[start : start + plan.algebra.mass_size] = plan.mass
    made[at.SWEEP_SCRATCH_AT], made[at.SWEEP_MASS_AT] = resident(scratch), resident(mass)
    made[at.SWEEP_TABLE_AT], made[at.SWEEP_KERNEL] = resident(plan.table), plan.code.address
    plan.desks.append(desk)
    names = [plan.code.stem, *model_names(model, plan.kinds)]
    name, made = named(made, mass, scratch, sorted(numbers.items()), *names)
    _sweeps[made.ctypes.data] = plan
    return name, made


_sweeps: dict[int, SweepPlan] = {}  # by the address of a plan


def failure_of_sweep(code, where, plan_at, whole, first, second) -> BaseException:
    """The exception for a report of a sweep."""
    plan = _sweeps[plan_at]
    if code == at.LOSS_NOT_FINITE:
        output, k = divmod(where, plan.model.n)
        return loss_not_finite(k, f" at output time {output}", first[0])
    if code == at.SWEEP_RAISED:
        return sweep_failure(plan.model, where)
    if code == at.EMPTY_SPAN:
        return SolverError("the derivative in time of an empty solve with a mass matrix is not available")
    try:
        if code == at.TANGENT_NOT_FINITE:
            check_finite(first, first, "the forward sensitivity")
        else:
            check_finite(first[:where], first[where:], "the discrete adjoint")
    except SolverError as error:
        return error
    raise AssertionError(f"a sweep failed with code {code}")
