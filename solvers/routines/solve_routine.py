"""A solve as a routine of compiled programs: its plan, its failures, and where its derivatives are found."""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass, replace

import numpy as np

from sciad.compiler.ir.routines import Reversed, Routine
from sciad.errors import SolverError
from sciad.native.runtime import numbers_at, release, whole_at
from sciad.solvers.methods.explicit_tableaus import Tsit5
from sciad.solvers.methods.names import AUTO, method_named
from sciad.solvers.model.arguments import refuse_times
from sciad.solvers.model.models import Model
from sciad.solvers.ode import tolerance
from sciad.solvers.routines import plan_layout as at
from sciad.solvers.routines.native_plan import driver, named, resident
from sciad.solvers.routines.solve_driver import solve_plain, solve_recording
from sciad.solvers.stepping import loop_state as state
from sciad.solvers.stepping.failures import failure_message
from sciad.solvers.stepping.integrate import Desk, Plan, plan_of
from sciad.solvers.stepping.trajectory import Options

__all__ = ["SolveRoutine"]

RULES = "sciad.adjoints.ode.solve_routine_rules"
FIRST_CAPACITY = 64  # rows of a record


@dataclass(frozen=True, eq=False)
class SolveRoutine(Routine):
    """The solve of one model by one method.

    Outs: outputs (count, n). Args: (t0, t1), y0, p, output times, and what controls it, see `plan_layout`.

    Attributes
    ----------
    model : Model
    method : a tableau, or AUTO
    options : Options
    count : int
        Output times.
    adjoint : DiscreteAdjoint
    rtols, atols, stops : int
        How many relative and absolute tolerances and times to hit there are.
    record : int
        What to keep of each step, as for `integrate`: 0, or what a sweep backwards wants.
    """

    model: Model
    method: object
    options: Options
    count: int
    adjoint: object
    rtols: int = 1
    atols: int = 1
    stops: int = 0
    record: int = 0
    settled: bool = False  # tolerances are already those of the present scope
    guarded: bool = False  # steps are short enough for derivatives, too, as they are where there is a record
    back: bool = True  # whether a record is for a sweep backwards, or forwards

    name = "solve_ivp"

    def symbols(self) -> tuple[str, str]:
        if self.record:
            return driver(solve_recording, 9), self.plan[0]
        return driver(solve_plain, 8), self.plan[0]

    def recording(self, back: bool = True) -> SolveRoutine:
        """The same with a record that sweeps go over."""
        return replace(self, record=3, back=back)

    def beside_derivatives(self) -> SolveRoutine:
        return self if self.guarded or self.record else self.twin

    @functools.cached_property
    def twin(self) -> SolveRoutine:
        """The same solve with steps that are short enough for derivatives, too."""
        return replace(self, guarded=True)

    def reversed(self, wanted: tuple[bool, ...]) -> Reversed:
        return self._rules.reversed_solve(self, wanted)

    def tangent(self) -> Routine:
        return self._rules.tangent_of_solve(self)

    @property
    def _rules(self):
        return importlib.import_module(RULES)

    @functools.cached_property
    def plan(self) -> tuple[str, np.ndarray]:
        """The name of the plan, and the plan."""
        if self.method is AUTO:
            stiff = replace(self, method=method_named("Rodas5P"))
            return self._planned(Tsit5, *stiff.plan)
        return self._planned(self.method)

    def _planned(self, method, other_name: str = "", other: np.ndarray | None = None):
        model, options, guarded = self.model, self.options, bool(self.guarded or self.record)
        plan = plan_of(model, method, options, guarded)
        desk = Desk(plan)  # a new one, so that what it holds is the same in every process
        desk._serve(options, self.record, other is not None, False)
        scratch = desk.scratch if plan.mass is not None else np.empty(0)
        images = desk.first_whole, desk.first_real[: state.REAL_SIZE], desk.z, scratch
        memory = self.adjoint.memory
        numbers = {
            at.UNKNOWNS: model.n,
            at.PARAMETERS: model.m,
            at.OUTPUTS: self.count,
            at.STATE_ROWS: len(desk.z),
            at.ROW_Y1: method.rows + 1,
            at.ROW_CLOSING: plan.slope_rows[1],
            at.WIDTH: plan.widths[self.record],
            at.LEVEL: self.record,
            at.STOPS: self.stops,
            at.RTOLS: self.rtols,
            at.ATOLS: self.atols,
            at.ROW_RTOL: method.rows + 3,
            at.SCRATCH: len(desk.scratch),
            at.CAPACITY: FIRST_CAPACITY,
            at.MOST_BYTES: -1 if memory is None else int(memory),
            at.TABLE_SIZE: len(plan.table),
            at.ADAPTIVE_PLAN: method.adaptive,
        }
        if plan.guarded:
            numbers[at.MOVED_ROWS], numbers[at.SPARE] = len(desk.beside[1]), len(desk.beside[2])
        back_name, back = "", None
        if self.record:
            back_name, back = self._rules.back_plan(model, method, options.mass, self.back)
        made = np.zeros(at.PLAN_SIZE, dtype=np.int64)
        for place, number in numbers.items():
            made[place] = number
        for place, image in zip(_IMAGES, images, strict=True):
            made[place] = resident(image)
        if plan.guarded:
            made[at.MOVED_WHOLE_AT] = resident(desk.beside[0])
        made[at.TABLE_AT], made[at.KERNEL] = resident(plan.table), plan.code.address
        made[at.SHARE_AT] = resident(np.ones(1)) if self.settled else tolerance.present.ctypes.data
        made[at.OTHER_PLAN] = 0 if other is None else other.ctypes.data
        made[at.BACK_PLAN] = 0 if back is None else back.ctypes.data
        plan.desks.append(desk)
        names = [plan.code.stem, *model_names(model, plan.kinds), other_name, back_name]
        name, made = named(made, *images, sorted(numbers.items()), self.settled, *names)
        _solves[made.ctypes.data] = self, method, plan
        return name, made

    def failure(self, report: int) -> BaseException:
        return failure_of_report(report)


_IMAGES = (at.WHOLE_AT, at.REAL_AT, at.STATE_AT, at.SCRATCH_AT)
_solves: dict[int, tuple] = {}  # by the address of a plan: what was solved with it


def model_names(model: Model, kinds: tuple[str, ...]) -> list[str]:
    """What tells the code of models apart, the same in every process."""
    code = getattr(model.function, "code", None)
    return [code(kind).stem for kind in kinds] if code else []


def failure_of_report(report: int) -> BaseException:
    """The exception for a report of the driver, which is given back."""
    if report <= 1:
        return MemoryError("no memory for a solve")
    code, where, plan_at, n = map(int, whole_at(report, at.REPORT_HEAD))
    place = report + 8 * at.REPORT_HEAD
    whole = whole_at(place, state.WHOLE_SIZE).copy()
    real = numbers_at(place + 8 * state.WHOLE_SIZE, state.REAL_SIZE).copy()
    place += 8 * (state.WHOLE_SIZE + state.REAL_SIZE)
    first, second = (numbers_at(place + 8 * n * k, n).copy() if n else np.empty(0) for k in range(2))
    release(report)
    if code == at.NO_MEMORY:
        return MemoryError("no memory for a solve")
    if plan_at not in _solves:
        return importlib.import_module(RULES).failure_of_sweep(code, where, plan_at, whole, first, second)
    solve, method, plan = _solves[plan_at]
    return solve_failure(code, where, solve, method, plan, whole, real, first, second)


def _bad_control(where: int, value: float, solve: SolveRoutine, length: float) -> ValueError:
    if where == at.FIRST_STEP and value > length:
        return ValueError(f"first_step = {value} is longer than the whole t_span ({length})")
    if where < at.TOLERANCES:
        name = "max_step" if where else "first_step"
        return ValueError(f"{name} must be positive, but is {value}")
    name = "rtol" if where < at.TOLERANCES + solve.rtols else "atol"
    if value == 0.0:
        return ValueError(
            "rtol and atol are both zero: no step is short enough for that; set one of them above zero"
        )
    return ValueError(f"{name} must not be negative or NaN, but is {value}")


def solve_failure(code, where, solve, method, plan: Plan, whole, real, y, f) -> BaseException:
    """What to raise where the loop or its driver gave up."""
    if code == at.BAD_SPAN:
        return ValueError("t_span must be two times (t0, t1), the first of them finite")
    if code == at.BAD_START:
        return ValueError(
            f"All components of the initial state `y0` must be finite. y0[{where}] is {y[where]}"
        )
    if code == at.BAD_PARAMETER:
        return ValueError(f"parameter {where} of args is {y[where]}: parameters must be finite numbers")
    t0, t1 = float(real[state.T0]), float(real[state.END])
    if code == at.BAD_CONTROL:
        return _bad_control(where, y[0], solve, abs(t1 - t0))
    if code == at.RECORD_TOO_LONG:
        return SolverError(
            f"the record of the steps takes more than the {solve.adjoint.memory:.3g} bytes that the adjoint "
            f"may take, at t = {real[state.T1]:.6g}: allow more, as adjoint=ad.DiscreteAdjoint(memory=...), "
            "or solve outside of the compiled function, where steps are taken again"
        )
    if code == state.BAD_TIMES:
        try:
            refuse_times(y, t0, t1)
        except ValueError as error:
            return error
        return ValueError("t_eval is not finite")
    if code == state.MODEL_RAISED:
        return plan.model.failure(int(whole[state.RAISED]))
    message = failure_message(code, float(real[state.T1]), y, f, whole, real, not method.implicit)
    return SolverError(f"the solve by {method.name} failed, so it has no value. {message}")
