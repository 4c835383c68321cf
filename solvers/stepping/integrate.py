"""From a model and a method to a trajectory: the driver of the integration loop.

``integrate`` is the primitive that ``solve_ivp`` and the adjoints call. What can be prepared once per
model, method and controller (compiled kernel, table of addresses, workspaces) is kept in a ``Plan``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from sciad.errors import MissingRule, SolverError
from sciad.private_interfaces import count_references
from sciad.solvers.model.arguments import refuse_times
from sciad.solvers.model.interpreted import with_differences
from sciad.solvers.model.models import Model
from sciad.solvers.stepping import controllers as control
from sciad.solvers.stepping import dense_output, tangent_control
from sciad.solvers.stepping import loop_state as state
from sciad.solvers.stepping.failures import failure_message
from sciad.solvers.stepping.families import FAMILIES, linked, loop_constants
from sciad.solvers.stepping.integration_loop import beside
from sciad.solvers.stepping.recording import Part, Recording, Taken
from sciad.solvers.stepping.trajectory import Options, Trajectory

__all__ = ["Options", "Trajectory", "failure_message", "integrate", "loop_constants", "plan_of"]

DEFAULT = Options()
LOOKED_THROUGH = 500  # unknowns up to which a Jacobian is looked through for what is not finite


def integrate(
    model: Model,
    method,
    span: tuple[float, float],
    y0: np.ndarray,
    p: np.ndarray,
    ts: np.ndarray,
    options: Options = DEFAULT,
    record: int = 2,
    events=None,
    progress=None,
    watched: bool = False,
    easy=None,
    memory: float | None = None,
    guarded: bool = False,
    switches=None,
) -> Trajectory:
    """Integrate y' = f(t, y, p) over ``span``.

    Parameters
    ----------
    model : Model
    method : RungeKutta or Rosenbrock
    span : (t0, t1)
    y0 : ndarray (n,), p : ndarray (m,)
        float64, contiguous, writable.
    ts : ndarray (k,)
        Output times in the order of integration, inside the span.
    options : Options
    record : {0, 1, 2, 3}
        What to keep of each accepted step: nothing, (t, h, y), the stages too, or also the LU factors.
    events : sciad.solvers.ode.events.Events, optional
    progress : callable, optional
        Called with the time and the step size every thousand attempted steps.
    watched : bool
        Return with code ``SWITCH`` where an explicit method finds the problem stiff.
    easy : callable, optional
        ``easy(size, norm of the Jacobian) -> bool``, asked now and then: whether to return
        with code ``SWITCH``.
    memory : float, optional
        Bytes that the record may take; of a longer one only the last part is at hand, see
        `Trajectory.backwards`. Not with events.
    guarded : bool
        Take steps that are short enough for derivatives, too, see
        `sciad.solvers.stepping.tangent_control`. Methods that do not choose their steps ignore it.
    switches : sciad.solvers.stepping.held_integration.Switches, optional
        Watches the places where a model with held branches switches.

    Returns
    -------
    trajectory : Trajectory
        Failures are in its ``code`` and ``message``; only exceptions of the model itself are raised.
    """
    plan = plan_of(model, method, options, guarded)
    if plan.model.changeable and span[0] != span[1] and math.isfinite(span[1]):
        plan.model.time_scale = abs(span[1] - span[0])
    try:
        desk = plan.desks.pop()
    except IndexError:
        desk = Desk(plan)
    try:
        return _run(
            *(plan, desk, span, y0, p, ts, options, record, events, progress, watched, easy, memory, switches)
        )
    finally:
        plan.desks.append(desk)


def plan_of(model: Model, method, options: Options, guarded: bool) -> Plan:
    """The plan of a solve; arguments as for ``integrate``."""
    key = (method, options.controller, None if options.mass is None else options.mass.tobytes(), guarded)
    plan = model.plans.get(key)
    if plan is None:
        try:
            plan = Plan(model, method, options.controller, options.mass, guarded)
        except MissingRule as error:
            # The Jacobian of a step need not be exact; derivatives of the solve ask the model itself.
            plan = Plan(with_differences(model, error), method, options.controller, options.mass, guarded)
        model.plans[key] = plan
    return plan


class Plan:
    """What is made once per model, method, controller and mass matrix."""

    def __init__(self, model: Model, method, controller, mass=None, guarded: bool = False):
        self.model = model
        self.method = method
        self.controller = controller or control.default(method)
        self.family = FAMILIES[method.family]
        self.kinds = self.family.kinds
        tables = self.family.tables(method)
        self.slope_rows = tables.get("START", 0), tables["CLOSING"]
        self.algebra = self.mass = None
        if method.implicit:
            from sciad.solvers.linear.solver_choice import (
                algebra_of,  # brings SciPy, which explicit methods do not need
            )

            self.algebra = algebra_of(model, mass)
            self.mass = self.algebra.mass_values(mass)
            self.table = self.algebra.table(model, self.kinds)
            self.work_size = self.algebra.work_size(model, self.kinds)
        else:
            self.table = model.table(*self.kinds)
            self.work_size = model.work_size_of(*self.kinds)
        size = model.n if model.specialised else 0
        self.guarded = guarded and method.adaptive and self.controller.kernel is not control.keep
        kernel = linked(method, self.controller.kernel, size, self.guarded, model.switches > 0)
        self.code = model.served(kernel, self.kinds, self.table, self.algebra)
        self.kernel = self.code.enter
        self.real = np.zeros(state.REAL_SIZE)
        self.controller.write(self.real, method)
        self.desks: list[Desk] = []
        self.capacity = 64
        self.spare: list[np.ndarray] = []
        n, factors = model.n, self.algebra.kept_size if self.family.factored else 0
        stages = n * method.rows
        # numbers in a row of the record, by what is recorded
        self.widths = (2 + n, 2 + n, 2 + n + stages, 2 + n + stages + factors)

    def unused_rows(self, width: int) -> np.ndarray | None:
        """The memory of an earlier record that nobody looks at any more: fresh pages are dear."""
        try:
            rows = self.spare.pop()  # so that no other thread takes them too
        except IndexError:
            return None
        if rows.shape[1] == width and count_references(rows) == _NOBODY_ELSE:
            return rows
        self.spare.append(rows)
        return None

    def take(self) -> Desk:
        try:
            return self.desks.pop()
        except IndexError:
            return Desk(self)


class Desk:
    """Work arrays of one integration at a time; a plan keeps them for the next one."""

    def __init__(self, plan: Plan):
        n, method = plan.model.n, plan.method
        self.whole = np.zeros(state.WHOLE_SIZE, dtype=np.int64)
        self.real = np.zeros(state.REAL_SIZE + 1)
        rows = self.rows = method.rows
        self.plan = plan
        self.z = np.zeros((rows + 6 + len(method.dense), n))
        self.opening, self.closing, self.y, self.y1, self.rtol, self.atol = (
            self.z[k] for k in (*plan.slope_rows, rows, rows + 1, rows + 3, rows + 4)
        )  # f at the ends of the last step, its ends, tolerances
        work = self.work = plan.work_size
        self.served = (None,)
        self.scratch = np.zeros(work + plan.family.workspace(plan.model, plan.algebra))
        if plan.mass is not None:
            start = work + plan.algebra.jacobian_size + plan.algebra.factor_size
            self.scratch[start : start + plan.algebra.mass_size] = plan.mass
        self.beside = ()  # the state of steps beside the solution
        if plan.guarded:
            whole = np.zeros(state.WHOLE_SIZE, dtype=np.int64)
            whole[state.SIZE], whole[state.LINEAR_ALGEBRA] = n, work
            moved = np.zeros((len(self.z) + tangent_control.OWN_ROWS, n))
            self.beside = whole, moved, np.append(self.scratch, np.zeros(max(1, plan.model.m)))

    def start(self, options: Options, record: int, watched: bool, events: bool, span) -> np.ndarray:
        """Set the state to the start of a solve; returns ``real``, longer where there are times to hit."""
        whole, real = self.whole, self.real
        if self.served[0] is not options or self.served[1:] != (record, watched, events):
            self._serve(options, record, watched, events)
        whole[:] = self.first_whole
        t0, t1 = span
        if options.stops:
            real = np.append(self.first_real[:-1], [*_inside(options.stops, t0, t1), t1])
            whole[state.AT_STOP], whole[state.END_IS_STOP] = t0 in options.stops, t1 in options.stops
        else:
            real[:] = self.first_real
            real[-1] = t1
        real[state.T0] = real[state.T1] = t0
        real[state.END] = t1
        if t1 < t0:
            real[state.DIRECTION] = -1.0
        return real

    def _serve(self, options: Options, record: int, watched: bool, events: bool) -> None:
        """What solves with these options have in common."""
        plan, n = self.plan, self.plan.model.n
        whole = np.zeros_like(self.whole)
        whole[state.SIZE] = n
        whole[state.LINEAR_ALGEBRA] = self.work
        whole[state.BUDGET] = -1
        whole[state.RECORD_LEVEL] = record
        whole[state.DENSE_ALWAYS] = options.dense_always
        whole[state.MAX_STEPS] = -1 if options.max_steps is None else options.max_steps
        whole[state.EVENTS] = events
        whole[state.WATCHED] = watched
        whole[state.MASS] = options.mass is not None
        real = np.append(plan.real, 0.0)
        real[state.DIRECTION] = 1.0
        real[state.BOUND] = math.inf
        real[state.LARGEST] = options.max_step
        real[state.STEP] = _first_step(plan.method, options)
        self.first_whole, self.first_real = whole, real
        self.rtol[:] = options.rtol
        self.atol[:] = options.atol
        self.served = (options, record, watched, events)

    def prepare_dense(self, p, whole, real) -> None:
        """Extra stages and the rows of the dense output of the last step."""
        whole[state.PENDING] = 2
        plan, none = self.plan, _NOTHING[:, 0]
        code = plan.kernel(
            *(plan.table, whole, real, self.z, p, none, _NOTHING, _NOTHING, _NOTHING, self.scratch),
            *self.beside,
        )
        if code == state.MODEL_RAISED:
            raise plan.model.failure(int(whole[state.RAISED]))

    def jacobian_norm(self, whole) -> float:
        """The maximum norm of the Jacobian in the last step of a method that uses one."""
        at, algebra = int(whole[state.LINEAR_ALGEBRA]), self.plan.algebra
        return algebra.largest_row_sum(self.scratch[at : at + algebra.jacobian_size])

    def inside(self, t0: float, t1: float):
        """The last step's dense output as a function of time."""
        y, y1, rows = self.y.copy(), self.y1.copy(), self.z[self.rows + 6 :]
        powers = dense_output.powers(y, y1, rows)[::-1]

        def solution(t: float) -> np.ndarray:
            if t == t1:
                return y1
            theta, total = (t - t0) / (t1 - t0), powers[0]
            for row in powers[1:]:
                total = total * theta + row
            return total

        return solution


def _jacobian(model: Model, t: float, y: np.ndarray, p: np.ndarray) -> np.ndarray:
    return model.call("jacobian", t, y, p)[0].reshape(model.n, model.n)


def _run(
    plan: Plan,
    desk: Desk,
    span,
    y0,
    p,
    ts,
    options: Options,
    record: int,
    events,
    progress,
    watched,
    easy,
    memory,
    switches,
) -> Trajectory:
    method, n = plan.method, plan.model.n
    t0, t1 = span
    whole, real = desk.whole, desk.start(options, record, watched, events is not None, span)
    desk.y1[:] = y0
    ys = np.empty((len(ts), n))
    recording, rows, place = None, _NOTHING, _NOTHING
    if record:
        width, budget = plan.widths[record], memory if record > 1 and events is None else None
        recording = Recording(plan.capacity, width, budget, rows=plan.unused_rows(width))
        rows, place = recording.rows, np.empty((len(ts), 2))
    if events is not None:
        events.start(t0, desk.y1)
    if switches is not None:
        switches.start(whole)

    kernel, beside = plan.kernel, desk.beside
    end = None  # time and state of an event that stops the solve
    while True:
        if easy is not None:
            whole[state.BUDGET] = EASY_STEPS
        elif progress is not None:
            whole[state.BUDGET] = PROGRESS_STEPS
        if n == 0:
            real[state.T1], whole[state.OUTPUT], code = t1, len(ts), state.DONE
            break
        code = kernel(plan.table, whole, real, desk.z, p, ts, ys, place, rows, desk.scratch, *beside)
        if code == state.RECORD_FULL:
            recording.full(desk, whole, real)
            rows = recording.rows
            plan.capacity = max(plan.capacity, len(rows))
        elif code == state.EVENT:
            if whole[state.CROSSED]:
                end = switches.after_step(desk, p, real, whole)
            if end is None and events is not None:
                end = events.after_step(desk, p, real, whole)
        elif code == state.BUDGET_SPENT:
            if progress is not None:
                progress(float(real[state.T1]), float(real[state.STEP]))
            if easy is not None and easy(float(real[state.STEP]), desk.jacobian_norm(whole)):
                code = state.SWITCH
                break
        else:
            break

    if code == state.BAD_TIMES:
        refuse_times(ts, t0, t1)
    if code == state.MODEL_RAISED:
        raise plan.model.failure(int(whole[state.RAISED]))
    count = int(whole[state.OUTPUT])
    if t0 == t1:
        ys[:] = y0
        count = len(ts)
    taken = None
    if record:
        plan.spare[:] = [rows] if SMALL <= rows.nbytes <= LARGE else []
        rows = rows[: int(whole[state.RECORDED])]
        if recording.past:
            again = _again(plan, span, y0, p, ts, options, record, watched, ys, place)
            taken = Taken(recording.parts(whole), again, memory)
    if count < len(ts):
        ts, ys, place = ts[:count], ys[:count], place[:count]
    message = ""
    if code < 0:
        t_end, explicit = float(real[state.T1]), not method.implicit
        jacobian = (
            None if explicit or n > LOOKED_THROUGH else lambda: _jacobian(plan.model, t_end, desk.y1, p)
        )
        message = failure_message(code, t_end, desk.y1, desk.closing, whole, real, explicit, jacobian)
    elif code == state.DONE and end is not None:
        code = state.EVENT
        message = "A termination event occurred."
    t_end, y_end = (float(real[state.T1]), desk.y1.copy()) if end is None else end
    step = float(real[state.STEP])
    return Trajectory(
        *(method, ts, ys, rows, place, t_end, y_end, code, whole.copy(), message, step, options.mass, taken),
        *(t0, _after(options.stops, t0, t1) if options.stops else _NO_STOPS),
    )


def _again(plan: Plan, span, y0, p, ts, options: Options, record: int, watched: bool, ys, place) -> Callable:
    """A function that takes the steps of a part of this solve again."""
    y0, p, ts = y0.copy(), p.copy(), ts.copy()

    def again(part: Part, memory: float) -> list[Part]:
        desk = plan.take()
        whole, real = desk.whole, desk.start(options, record, watched, False, span)
        desk.y1[:] = y0
        if part.begin is not None:
            everything = (whole, real, desk.z, desk.scratch, *desk.beside)
            for array, saved in zip(everything, part.begin, strict=True):
                if saved is not None:
                    array[:] = saved
        recording = Recording(part.steps, plan.widths[record], memory, part)
        while True:
            rows = recording.rows
            code = plan.kernel(
                plan.table, whole, real, desk.z, p, ts, ys, place, rows, desk.scratch, *desk.beside
            )
            if code != state.RECORD_FULL or not recording.full(desk, whole, real):
                break
        plan.desks.append(desk)
        parts = recording.parts(whole)
        if sum(part.steps for part in parts) != part.steps:
            raise SolverError("the steps of the solve could not be taken again: the model is not a function")
        return parts

    return again


SMALL, LARGE = 1 << 17, 1 << 26  # bytes of a record whose memory is worth keeping for the next one
PROGRESS_STEPS = 1000  # between two looks at the progress
EASY_STEPS = 25  # between two looks at whether a stiff method is still needed

_NOTHING = np.empty((0, 2))


def _nobody_else() -> int:
    """References to rows that only `Plan.unused_rows` holds; differs between versions of Python."""
    spare = [np.empty((1, 1))]
    rows = spare.pop()
    return count_references(rows)


_NOBODY_ELSE = _nobody_else()


def _first_step(method, options: Options) -> float:
    if options.first_step is not None:
        return options.first_step
    if method.adaptive:
        return 0.0
    if math.isfinite(options.max_step):
        return options.max_step
    raise ValueError(f"{method.name} has a fixed step: give it as first_step")


_NO_STOPS: dict[float, float] = {}


def _after(stops, t0: float, t1: float) -> dict[float, float]:
    """Where steps begin that follow a time to hit, and that time."""
    return {beside(t, 1.0 if t1 >= t0 else -1.0): t for t in stops}


def _inside(stops, t0: float, t1: float) -> list[float]:
    """Times to hit, those inside the span only, in the order of integration."""
    low, high = min(t0, t1), max(t0, t1)
    return sorted({t for t in stops if low < t < high}, reverse=t1 < t0)
