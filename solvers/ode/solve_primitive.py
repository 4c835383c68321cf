"""``solve``, the differentiable primitive behind ``solve_ivp``; its rules are defined by ``adjoints``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sciad.eager.traced import Traced
from sciad.errors import SolverError
from sciad.solvers.methods.explicit_tableaus import Tsit5
from sciad.solvers.methods.names import AUTO, method_named
from sciad.solvers.model.arguments import checked_start, contiguous, flat
from sciad.solvers.model.entries import Witness
from sciad.solvers.model.held_model import held_model
from sciad.solvers.model.models import Model
from sciad.solvers.ode.solution import DenseOutput
from sciad.solvers.stepping import loop_state as state
from sciad.solvers.stepping.dense_output import locate
from sciad.solvers.stepping.held_integration import holds, integrate_held, joined
from sciad.solvers.stepping.integrate import Options, Trajectory, integrate
from sciad.transforms.delegated import Delegated

__all__ = ["Problem", "failed", "placed", "run", "solve", "time_last"]


class Problem:
    """What of a solve is not differentiated: model, method, options, adjoint.

    Attributes
    ----------
    times : bool
        Whether derivatives with respect to t0, t1 or the output times are wanted.
    known : Trajectory or None
        The steps, with stages and dense output, where they have been taken already.
    trajectory : Trajectory or None
        What `run` found last.
    recent : tuple or None
        Inputs and steps that the rules of tangents keep from one direction to the next.
    witness : Witness or None
        What the model was in the first solve, where it could change.
    """

    __slots__ = ("adjoint", "known", "method", "model", "options", "recent", "times", "trajectory", "witness")

    def __init__(self, model: Model, method, options: Options, adjoint="auto", known=None):
        self.model, self.method, self.options, self.adjoint = model, method, options, adjoint
        self.trajectory: Trajectory | None = None
        self.known: Trajectory | None = known
        self.recent: tuple | None = None
        self.witness: Witness | None = None
        self.times = False

    def dense(self, inputs: tuple) -> DenseOutput | None:
        """The solution as a function of time, the steps taken once more; None where there is none to be had.

        Parameters
        ----------
        inputs : tuple
            What `solve_ivp` was given, as it keeps it.
        """
        _, _, t0, t1, _, y0, p, *_ = inputs
        if any(isinstance(x, Traced) for x in (t0, t1, y0, p)) or self.options.mass is not None:
            return None
        fresh = Problem(self.model, self.method, self.options)
        try:
            trajectory = run(fresh, t0, t1, np.empty(0), y0, p, record=2, dense=True)
        except SolverError:
            return None
        return DenseOutput.of([trajectory], np.shape(y0))

    def check_model(self) -> None:
        """Raise if the model is no longer what it was in the first solve."""
        if self.witness is not None:
            self.witness.check()


def run(
    problem: Problem,
    t0: float,
    t1: float,
    ts,
    y0,
    p,
    record: int,
    dense: bool = False,
    memory=None,
    guarded: bool = False,
    held: bool = False,
) -> Trajectory:
    """Integrate, with ``record`` as in ``integrate``; a failure raises ``SolverError``. Rules of
    ``solve`` use this.

    All arguments are plain numbers and arrays; ``dense`` asks for the dense output of every step,
    ``memory`` is the budget of ``integrate``, ``guarded`` its control of tangents; ``held`` asks for a stop
    wherever the model switches, where that can be had.
    The trajectory is also left in ``problem.trajectory``.
    """
    if problem.witness is not None:
        problem.witness.check()
    if problem.known is not None:
        y0, p, ts = flat(y0), contiguous(p), contiguous(ts)
        problem.trajectory = placed(problem.known, ts)
        _attest(problem, float(t0), y0, p)
        return problem.trajectory
    y0, p, ts = checked_start((), t0, t1, y0, p, ts, problem.options.first_step)
    span = (float(t0), float(t1))
    auto = problem.method is AUTO
    method = Tsit5 if auto else problem.method
    options = problem.options
    if dense and not options.dense_always:
        options = replace(options, dense_always=True)
    model = None
    if held and record and problem.model.plans.get("held", 0) is not None and holds(method, options):
        model = held_model(problem.model)
    if model is None:
        model, take, limits = problem.model, integrate, {"memory": memory, "guarded": guarded}
    else:
        take, limits = integrate_held, {"guarded": guarded}
    trajectory = take(model, method, span, y0, p, ts, options, record, watched=auto, **limits)
    if auto and (trajectory.code == state.SWITCH or trajectory.code == state.TOO_SMALL):
        # One method for the whole solve, so that its steps can be transposed as one sequence.
        method = method_named("Rodas5P")
        trajectory = take(model, method, span, y0, p, ts, options, record, **limits)
    problem.trajectory = trajectory
    if trajectory.code < 0:
        raise failed(trajectory)
    if problem.witness is None and problem.model.changeable:
        _attest(problem, span[0], y0, p)
    return trajectory


def _attest(problem: Problem, t0: float, y0, p) -> None:
    """Keep what the model is at the start, and in the middle and at the end of the recorded steps."""
    if problem.witness is None and problem.model.changeable:
        steps = problem.trajectory.record
        rows = [steps[k] for k in sorted({len(steps) // 2, len(steps) - 1})] if len(steps) else []
        states = [(t0, y0), *((row[0], row[2 : 2 + len(y0)]) for row in rows)]
        problem.witness = problem.model.witness([(float(t), y.copy(), p.copy()) for t, y in states])


def failed(trajectory: Trajectory) -> SolverError:
    return SolverError(
        f"the solve by {trajectory.method.name} failed, so it has no derivative. {trajectory.message}"
    )


def placed(trajectory: Trajectory, ts: np.ndarray) -> Trajectory:
    """The same steps, taken with stages and dense output, with outputs at other times.

    A time at which one step ends and the next begins belongs to the first; times outside the steps to the
    nearest one, whose polynomial is continued.
    """
    if trajectory.pieces is not None:
        parts = trajectory.pieces.parts
        sign = 1.0 if trajectory.t >= trajectory.t_start else -1.0
        which = np.searchsorted([sign * part.t for part in parts[:-1]], sign * ts, side="left")
        parts = [placed(part, ts[which == k]) for k, part in enumerate(parts)]
        return joined(replace(trajectory.pieces, parts=parts))
    place = np.zeros((len(ts), 2))
    ys = np.tile(trajectory.y, (len(ts), 1))
    if trajectory.steps and len(ts):
        edges = np.append(trajectory.t_steps, trajectory.t)
        place[:, 0], place[:, 1] = locate(edges, trajectory.h, ts)
        ys = np.ascontiguousarray(DenseOutput.of([trajectory], (trajectory.n,))(ts).T)
    return replace(trajectory, ts=ts, ys=ys, place=place)


def _solve(problem: Problem, t0, t1, ts, y0, p):
    """Outputs y(ts), time last, of the solve of ``problem.model`` from (t0, y0) towards t1 with parameters p.

    The differentiable primitive. ``ts`` (k,) and ``p`` (m,) are flat float64 arrays and ``y0`` one of any
    shape, traced or not, t0 and t1 numbers; ``problem`` is static. Since outputs are at ``ts``, nothing
    depends on t1 alone.
    """
    return time_last(run(problem, t0, t1, ts, y0, p, record=0).ys, np.shape(y0))


solve = Delegated(_solve, rules_from="sciad.adjoints.ode.solve_rules")


def time_last(ys: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Rows (k, n) of outputs as users see them: of shape (*shape, k)."""
    return ys.T if len(shape) == 1 else ys.T.reshape(*shape, len(ys))
