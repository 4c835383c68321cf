"""From a model and a method to a trajectory: the driver of the integration loop.

``integrate`` is the primitive that ``solve_ivp`` and the adjoints call. What can be prepared once per
model, method and controller (compiled kernel, table of addresses, workspaces) is kept in a ``Plan``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from sciad.compiler import native
from solvers import control, loop, state, step_rk, step_rosenbrock
from solvers.problem import Model

__all__ = ["Options", "Trajectory", "integrate"]


@dataclass(frozen=True)
class Options:
    """How to integrate; everything about the problem itself is an argument of ``integrate``.

    Parameters
    ----------
    rtol, atol : float or ndarray of shape (n,)
    first_step : float or None
        Positive; chosen by Hairer's rule if None.
    max_step : float
    max_steps : int or None
        Largest number of attempted steps.
    stops : tuple of float
        Times inside the span to be hit exactly.
    controller : Controller or None
        The method's own if None.
    dense_always : bool
        Evaluate the extra stages of the dense output in every step.
    """

    rtol: float | np.ndarray = 1e-3
    atol: float | np.ndarray = 1e-6
    first_step: float | None = None
    max_step: float = math.inf
    max_steps: int | None = None
    stops: tuple[float, ...] = ()
    controller: control.Controller | None = None
    dense_always: bool = False


@dataclass(slots=True)
class Trajectory:
    """What an integration found.

    Attributes
    ----------
    ts : ndarray (k,)
        Output times that were reached.
    ys : ndarray (k, n)
    record : ndarray (steps, width)
        Accepted steps, one row [t, h, y (n), stages (rows * n)] each; ``record=1`` leaves out the stages,
        ``record=0`` everything. C-contiguous.
    place : ndarray (k, 2)
        For each output the row of its step in ``record``, as a float, and theta in [0, 1]; y(t + theta h)
        is the output.
    t, y : float, ndarray (n,)
        Where the integration stopped.
    code : int
        0 done, negative failed; see ``solvers.state``.
    message : str
    counts : dict
        accepted, rejected, nfev, njev, nlu.
    """

    method: object
    ts: np.ndarray
    ys: np.ndarray
    record: np.ndarray
    place: np.ndarray
    t: float
    y: np.ndarray
    code: int
    whole: np.ndarray
    message: str = ""

    @property
    def n(self) -> int:
        return len(self.y)

    @property
    def steps(self) -> int:
        return len(self.record)

    @property
    def t_steps(self) -> np.ndarray:
        """Starts of the recorded steps."""
        return self.record[:, 0]

    @property
    def h(self) -> np.ndarray:
        return self.record[:, 1]

    @property
    def y_steps(self) -> np.ndarray:
        """(steps, n) states at the starts of the recorded steps."""
        return self.record[:, 2 : 2 + self.n]

    @property
    def stages(self) -> np.ndarray:
        """(steps, rows, n) stages of the recorded steps."""
        return self.record[:, 2 + self.n :].reshape(self.steps, -1, self.n)

    @property
    def counts(self) -> dict[str, int]:
        names = ("accepted", "rejected", "nfev", "njev", "nlu")
        places = (state.ACCEPTED, state.REJECTED, state.NFEV, state.NJEV, state.NLU)
        return {name: int(self.whole[place]) for name, place in zip(names, places, strict=True)}


def integrate(
    model: Model,
    method,
    span: tuple[float, float],
    y0: np.ndarray,
    p: np.ndarray,
    ts: np.ndarray,
    options: Options = Options(),
    record: int = 2,
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
    record : {0, 1, 2}
        What to keep of each accepted step: nothing, (t, h, y), or the stages too.

    Returns
    -------
    trajectory : Trajectory
        Failures are in its ``code`` and ``message``; only exceptions of the model itself are raised.
    """
    key = (method, options.controller)
    plan = model.plans.get(key)
    if plan is None:
        plan = model.plans[key] = Plan(model, method, options.controller)
    desk = plan.take()
    try:
        return _run(plan, desk, span, y0, p, ts, options, record)
    finally:
        plan.desks.append(desk)


class Plan:
    """What is made once per model, method and controller."""

    def __init__(self, model: Model, method, controller):
        self.model = model
        self.method = method
        self.controller = controller or control.default(method)
        self.family = FAMILIES[method.family]
        self.kinds = self.family.kinds
        self.table = model.table(*self.kinds)
        size = model.n if model.specialised else 0
        self.kernel = _kernel(method, self.controller.kernel, size)
        self.real = np.zeros(state.REAL_SIZE)
        self.controller.write(self.real, method)
        self.desks: list[Desk] = []
        self.capacity = 64

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
        rows = method.rows
        self.z = np.zeros((rows + 6 + len(method.dense), n))
        self.closing, self.y1, self.rtol, self.atol = (
            self.z[k] for k in (rows - 1, rows + 1, rows + 3, rows + 4)
        )
        work = plan.model.work_size_of(*plan.kinds)
        self.blank = self.whole.copy()
        self.blank[state.SIZE] = n
        self.blank[state.LINEAR_ALGEBRA] = work
        self.blank[state.BUDGET] = -1
        self.scratch = np.zeros(work + plan.family.workspace(plan.model))


def _run(plan: Plan, desk: Desk, span, y0, p, ts, options: Options, record: int) -> Trajectory:
    method, n = plan.method, plan.model.n
    whole, real, z = desk.whole, desk.real, desk.z
    whole[:] = desk.blank
    whole[state.RECORD_LEVEL] = record
    whole[state.DENSE_ALWAYS] = options.dense_always
    whole[state.MAX_STEPS] = -1 if options.max_steps is None else options.max_steps
    t0, t1 = span
    if options.stops:
        real = np.append(plan.real, [*options.stops, t1])
    else:
        real[:-1] = plan.real
        real[-1] = t1
    real[state.T0] = real[state.T1] = t0
    real[state.END] = t1
    real[state.LARGEST] = options.max_step
    real[state.STEP] = _first_step(method, options)
    desk.y1[:] = y0
    desk.rtol[:] = options.rtol
    desk.atol[:] = options.atol
    ys = np.empty((len(ts), n))
    if record:
        width = 2 + n * (1 + method.rows * (record > 1))
        rows = np.empty((plan.capacity, width))
        place = np.empty((len(ts), 2))
    else:
        rows, place = _NOTHING, _NOTHING

    while True:
        code = plan.kernel(plan.table, whole, real, z, p, ts, ys, place, rows, desk.scratch)
        if code != state.RECORD_FULL:
            break
        plan.capacity = 2 * len(rows)
        grown = np.empty((plan.capacity, rows.shape[1]))
        grown[: len(rows)] = rows
        rows = grown

    if code == state.BAD_TIMES:
        refuse_times(ts, t0, t1)
    if code == state.MODEL_RAISED:
        raise plan.model.failure(int(whole[state.RAISED]))
    count = int(whole[state.OUTPUT])
    if t0 == t1:
        ys[:] = y0
        count = len(ts)
    if record:
        rows = rows[: int(whole[state.RECORDED])]
    if count < len(ts):
        ts, ys, place = ts[:count], ys[:count], place[:count]
    end = float(real[state.T1])
    y_end = desk.y1.copy()
    message = "" if code == 0 else failure_message(code, end, y_end, desk.closing, whole, real)
    return Trajectory(method, ts, ys, rows, place, end, y_end, code, whole.copy(), message)


_NOTHING = np.empty((0, 2))


def _first_step(method, options: Options) -> float:
    if options.first_step is not None:
        return options.first_step
    if method.adaptive:
        return 0.0
    if math.isfinite(options.max_step):
        return options.max_step
    raise ValueError(f"{method.name} has a fixed step: give it as first_step")


def refuse_times(ts, t0: float, t1: float) -> None:
    """Say what is wrong with output times that the loop refused."""
    low, high = (t0, t1) if t0 <= t1 else (t1, t0)
    outside = ts[~((ts >= low) & (ts <= high))]
    if len(outside):
        raise ValueError(
            f"Values in `t_eval` are not within `t_span`: {outside[0]} is not in [{low}, {high}]"
        )
    steps = np.diff(ts) if t1 >= t0 else -np.diff(ts)
    if len(steps) and not steps.min() >= 0:
        k = int(np.argmin(steps))
        raise ValueError(
            f"Values in `t_eval` are not properly sorted: t_eval[{k}] = {ts[k]} comes before "
            f"t_eval[{k + 1}] = {ts[k + 1]}"
        )


def failure_message(code: int, t: float, y: np.ndarray, f: np.ndarray, whole, real) -> str:
    """What happened, where, and what to do."""
    if code == state.TOO_MANY_STEPS:
        attempts = int(whole[state.ACCEPTED] + whole[state.REJECTED])
        return (
            f"The largest number of steps, max_steps={attempts}, was used up at t = {t:.6g}; allow more steps, "
            "loosen rtol and atol, or use a method for stiff problems (such as Rodas5P)."
        )
    text = f"Required step size is less than spacing between numbers. The solution stopped at t = {t:.6g}"
    for what, values in (("y", y), ("the right-hand side", f)):
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            k = bad[0]
            return f"{text}, where component {k} of {what} is {values[k]}; check the model near this time."
    largest = np.abs(y).argmax()
    if not math.isfinite(real[state.ERROR]):
        return (
            f"{text}: beyond it the model is not finite, however short the step. Check the model there (a pole of "
            f"the solution, a logarithm or root of a negative number); the largest component is y[{largest}] = "
            f"{y[largest]:.6g}."
        )
    return (
        f"{text}, where the error (the fastest component is y[{np.abs(f).argmax()}]) cannot be brought under the "
        "tolerance: the solution may have a singularity or a jump there, or be stiff. Put a jump into tstops, or "
        "try Rodas5P."
    )


# -- families of methods -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Family:
    """How the linker and the driver deal with one kind of tableau."""

    kinds: tuple[str, ...]
    kernels: dict
    tables: object
    workspace: object
    scaled: bool
    extra: dict = field(default_factory=dict)

    def constants(self, method, controller) -> dict:
        return {**self.kernels, **self.tables(method), "SCALED": self.scaled}


def _explicit_tables(method) -> dict:
    return {
        "STAGES": method.stages,
        "A": tuple(map(tuple, method.matrix.tolist())),
        "B": method.b,
        "C": tuple(method.nodes.tolist()),
        "ESTIMATE": method.error or (),
        "DAMPING": method.error_damping or (),
        "CLOSED": method.fsal,
        "CLOSING": method.stages,
    }


FAMILIES = {
    "explicit": Family(
        kinds=("primal",),
        kernels={
            "begin": step_rk.rk_begin,
            "attempt": step_rk.rk_attempt,
            "close": step_rk.rk_close,
            "complete": step_rk.rk_complete,
        },
        tables=_explicit_tables,
        workspace=lambda model: 1,
        scaled=True,
    )
}


def _rosenbrock_tables(method) -> dict:
    return {
        "STAGES": method.stages,
        "A": ((), *method.a),
        "C": ((), *method.C),
        "B": method.b,
        "ERROR_WEIGHTS": method.error,
        "NODES": method.c,
        "TIMES": method.d,
        "GAMMA": method.gamma,
        "START": method.stages,
        "CLOSING": method.stages + 1,
        "CLOSED": False,
    }


FAMILIES["rosenbrock"] = Family(
    kinds=("primal", "jacobian", "pushforward"),
    kernels={
        "begin": step_rosenbrock.rosenbrock_begin,
        "attempt": step_rosenbrock.rosenbrock_attempt,
        "close": step_rosenbrock.rosenbrock_close,
        "complete": step_rosenbrock.rosenbrock_complete,
    },
    tables=_rosenbrock_tables,
    workspace=lambda model: 2 * model.n**2 + 2 * model.n + model.m,
    scaled=False,
)


def _kernel(method, propose, n: int):
    """The loop, linked for this method and, where ``n`` is not 0, for this number of unknowns."""
    key = (method, propose, n)
    if key not in _kernels:
        _kernels[key] = native.link(loop.integrate, loop.SIGNATURE, loop_constants(method, propose, n))
    return _kernels[key]


def loop_constants(method, propose, n: int) -> dict:
    """What the linker puts into the loop's kernels for this method, controller kernel and number of
    unknowns.
    """
    rows, dense = method.rows, len(method.dense)
    return {
        **FAMILIES[method.family].constants(method, None),
        "N": n,
        "ROWS": rows,
        "Y": rows,
        "Y1": rows + 1,
        "U": rows + 2,
        "RTOL": rows + 3,
        "ATOL": rows + 4,
        "SLOPE": rows + 5,
        "D": rows + 6,
        "DENSE": method.dense,
        "DENSE_ROWS": dense,
        "ALL_ROWS": rows + 6 + dense,
        "ADAPTIVE": method.adaptive,
        "CONTROL_ORDER": method.control_order,
        "propose": propose,
    }


_kernels: dict = {}
