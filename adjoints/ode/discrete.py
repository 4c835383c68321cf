"""The discrete adjoint: the exact gradient of the computed solution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sciad.adjoints.ode.sweeps import esdirk_sweep as sweep_esdirk
from sciad.adjoints.ode.sweeps import explicit_sweep as sweep_explicit
from sciad.adjoints.ode.sweeps import reverse_loop as sweep
from sciad.adjoints.ode.sweeps import rosenbrock_sweep as sweep_rosenbrock
from sciad.errors import SolverError
from sciad.native import kernels as native
from sciad.native.runtime import call
from sciad.solvers.adjoint import Adjoint
from sciad.solvers.linear.lu_kernels import linked_algebra
from sciad.solvers.stepping.families import FAMILIES
from sciad.solvers.stepping.recording import Part

__all__ = ["Cotangents", "DiscreteAdjoint", "check_finite", "pull", "push", "sweep_failure", "sweep_plan"]


@dataclass(frozen=True)
class DiscreteAdjoint(Adjoint):
    """Exact gradient of the numerical solution, step sizes held constant.

    The recorded steps are transposed one by one, backwards. The result is the derivative of the numbers
    that were computed, so it agrees with the forward sensitivities of the same steps to rounding and
    converges to the true gradient with the tolerance of the solve. It inherits the stability of the
    method, so stiff problems need no care, and outputs cost nothing extra. Storage grows with the steps
    taken, up to `memory`; the steps of longer solves are kept in part and taken again, which costs at most
    one more solve unless the budget is tiny (it grows with the square of the budget: 100 MB are enough for
    more than 10^8 steps of a small system).

    It fails (raises) where the solve failed. Where the solution has layers much thinner than its
    tolerance resolves, such as relaxation oscillations, the derivative of the computed solution can be
    far from that of the true one: tighten rtol until it settles.

    Parameters
    ----------
    memory : float or None
        Bytes that the record of the steps may take; no limit if None. Solves without `t_eval`, with
        dense output or with events, and second derivatives, keep all their steps.

    References
    ----------
    W. W. Hager, Runge-Kutta methods in optimal control and the transformed adjoint system, Numer. Math.
    87 (2000). A. Sandu, On the properties of Runge-Kutta discrete adjoints, ICCS 2006.
    """

    memory: float | None = 2.0**30

    serves = ("solve_ivp", "solve_sde")
    record = 3  # what it wants of each step: the stages, and the LU factors where there are any

    def pullback(self, model, trajectory, p, gys, times: bool, options) -> Cotangents:
        """Cotangents of the inputs of a solve from those of its outputs; see `pull`."""
        return pull(model, trajectory, p, gys, times)


@dataclass(slots=True)
class Cotangents:
    """What a backward pass returns.

    Attributes
    ----------
    y0 : ndarray (n,)
    p : ndarray (m,)
    ts : ndarray (k,) or None
        Of the output times.
    t0 : float
        Of the initial time, the output times held.
    """

    y0: np.ndarray
    p: np.ndarray
    ts: np.ndarray | None = None
    t0: float = 0.0


def pull(model, trajectory, p: np.ndarray, gys: np.ndarray, times: bool = False) -> Cotangents:
    """Transpose the steps of a trajectory.

    Parameters
    ----------
    model : sciad.solvers.model.models.Model
    trajectory : sciad.solvers.stepping.integrate.Trajectory
        With stages in its record.
    p : ndarray (m,)
    gys : ndarray (k, n)
        Cotangents of ``trajectory.ys``.
    times : bool
        Whether cotangents of the times are wanted.

    Raises
    ------
    SolverError
        If the cotangents become infinite or NaN.
    """
    mass = trajectory.mass
    plan = model.plans.get((trajectory.method, "pull", None if mass is None else mass.tobytes()))
    if plan is None:
        plan = sweep_plan(model, trajectory.method, mass, "pull")
    if not len(trajectory.record):  # an empty span: every output is y0
        return Cotangents(gys.sum(axis=0), np.zeros(model.m), np.zeros(len(gys)) if times else None)
    try:
        desk = plan.desks.pop()
    except IndexError:
        desk = _Desk(plan)
    place, mass = trajectory.place, _NO_ROWS if mass is None else mass
    whole, state = desk.whole, desk.state
    whole[sweep.SIZE] = model.n
    whole[sweep.WANT_TIMES] = times
    state[:] = 0.0
    gp, gt = np.zeros(max(1, model.m)), np.zeros(1)
    gts = np.zeros(len(place)) if times else _NONE
    taken, record = trajectory.taken, trajectory.record
    for part in [Part(None, len(record), 0, len(place), record)] if taken is None else taken.backwards():
        here = slice(part.first, part.last)
        whole[sweep.CURSOR] = part.last - part.first
        arrays = part.rows, place[here], gys[here], gts[here], state, p, gp, gt, desk.work, desk.scratch, mass
        restarts = trajectory.restarts(part.rows) if trajectory.after else _NO_RESTARTS
        high = part.steps
        for low in _FIRST_ROW if not restarts else [*(k for k in reversed(restarts) if k), 0]:
            whole[sweep.LOW], whole[sweep.HIGH] = low, high
            whole[sweep.BEGINS] = low > 0 or part.begin is None or 0 in restarts
            status = plan.kernel(plan.table, whole, *arrays)
            if status:
                break
            if restarts and whole[sweep.BEGINS] and plan.family.carried:
                state[trajectory.method.stages] = 0.0  # the step before closes with a stage of its own
            high = low
        if status:
            break
    lam = state[plan.rows["LAM"]].copy()
    plan.desks.append(desk)
    if status:
        raise sweep_failure(model, status)
    if not math.isfinite(np.vdot(lam, lam) + np.vdot(gp, gp)):
        check_finite(lam, gp, "the discrete adjoint")
    if not times:
        return Cotangents(lam, gp[: model.m])
    return Cotangents(lam, gp[: model.m], gts, float(gt[0] - gts.sum()))


def push(
    model, trajectory, p, dy0, dp, dts=None, dt0: float = 0.0, drecord: np.ndarray | None = None
) -> np.ndarray:
    """Tangents of the outputs of a trajectory along one direction.

    Parameters
    ----------
    model, trajectory, p
        As for `pull`.
    dy0, dp, dts : ndarray (n,), (m,), (k,)
        The direction; times stand still if `dts` is None.
    dt0 : float
    drecord : ndarray (steps, (1 + rows) n), optional
        Receives the tangents of the recorded states and stages.

    Returns
    -------
    dys : ndarray (k, n)
    """
    plan = sweep_plan(model, trajectory.method, trajectory.mass, "push")
    record, place = trajectory.record, trajectory.place
    dout = np.zeros((len(place), model.n))
    if dts is None:
        dts = np.zeros(len(place))
    if not len(record):
        dout[:] = dy0
        return dout
    desk = plan.take()
    whole, state = desk.whole, desk.state
    whole[sweep.SIZE] = model.n
    whole[sweep.CURSOR] = 0
    whole[sweep.BEGINS] = 1
    state[:] = 0.0
    state[plan.rows["Y1DOT"]] = dy0
    for low, high in pairwise([0, *(k for k in trajectory.restarts(record) if k), len(record)]):
        whole[sweep.LOW], whole[sweep.HIGH] = low, high
        status = plan.kernel(
            *(plan.table, whole, record, place, dts, dout, _NO_ROWS if drecord is None else drecord),
            *(state, p, dp, dt0, desk.work, desk.scratch, _mass(trajectory)),
        )
        if status:
            break
    plan.desks.append(desk)
    if status:
        raise sweep_failure(model, status)
    check_finite(dout, dout, "the forward sensitivity")
    return dout


def _mass(trajectory) -> np.ndarray:
    return _NO_ROWS if trajectory.mass is None else trajectory.mass


def sweep_failure(model, status: int) -> BaseException:
    if status == -1:
        return SolverError(
            "the Jacobian of a recorded step is singular or not finite where the forward solve went through"
        )
    return model.failure(status)


def check_finite(a: np.ndarray, b: np.ndarray, what: str) -> None:
    """Raise where a derivative is not finite: a failed backward pass is an error, never a number."""
    if math.isfinite(np.vdot(a, a) + np.vdot(b, b)):
        return
    for values in (a, b):
        # The sum of squares overflows before the values do: then look at each.
        if not math.isfinite(np.vdot(values, values)) and not np.isfinite(values).all():
            bad = np.argwhere(~np.isfinite(values))[0]
            raise SolverError(
                f"{what} is not finite (component {', '.join(map(str, bad))} is {values[tuple(bad)]}): the "
                "derivative of the model overflows or is undefined on the solution. Look for square roots "
                "at zero, divisions by zero or logarithms of zero in the model, or rescale the loss."
            )


@dataclass(frozen=True)
class SweepFamily:
    """The derivative steps of one family of methods and the derivatives of the model they call."""

    pull: dict
    push: dict
    pull_kinds: tuple[str, ...]
    push_kinds: tuple[str, ...]
    workspace: object
    direct: dict  # names by which the reverse step calls the model and its linear algebra, unless linked
    carried: bool  # whether the closing row of a step is the first row of the next one


SWEEPS = {
    "explicit": SweepFamily(
        pull={
            "pull_step": sweep_explicit.explicit_pull_step,
            "pull_first": sweep_explicit.explicit_pull_first,
        },
        push={
            "push_step": sweep_explicit.explicit_push_step,
            "push_first": sweep_explicit.explicit_push_first,
        },
        pull_kinds=("pullback",),
        push_kinds=("pushforward",),
        workspace=lambda model, algebra: 1,
        carried=True,
        direct={"call_pullback": call},
    ),
    "rosenbrock": SweepFamily(
        pull={
            "pull_step": sweep_rosenbrock.rosenbrock_pull_step,
            "pull_first": sweep_rosenbrock.rosenbrock_pull_first,
        },
        push={
            "push_step": sweep_rosenbrock.rosenbrock_push_step,
            "push_first": sweep_rosenbrock.rosenbrock_push_first,
        },
        pull_kinds=("pullback", "jacobian", "pullback_along"),
        push_kinds=("pushforward", "jacobian", "pushforward_along"),
        workspace=sweep_rosenbrock.rosenbrock_scratch_size,
        carried=False,
        direct={
            "call_pullback": call,
            "call_along": call,
            "factors_of": sweep_rosenbrock.plain_factors_of,
            "solve_transposed": sweep_rosenbrock.plain_solve_transposed,
        },
    ),
}


SWEEPS["esdirk"] = SweepFamily(
    pull={"pull_step": sweep_esdirk.esdirk_pull_step, "pull_first": sweep_explicit.explicit_pull_first},
    push={"push_step": sweep_esdirk.esdirk_push_step, "push_first": sweep_explicit.explicit_push_first},
    pull_kinds=("pullback", "jacobian"),
    push_kinds=("pushforward", "jacobian"),
    workspace=sweep_esdirk.esdirk_scratch_size,
    carried=True,
    direct={"call_pullback": call},
)


class SweepPlan:
    """What is made once per model, method, direction and mass matrix."""

    def __init__(self, model, method, direction: str, mass):
        family = SWEEPS[method.family]
        self.model, self.method, self.family = model, method, family
        self.kinds = family.pull_kinds if direction == "pull" else family.push_kinds
        self.algebra = None
        if method.implicit:
            from sciad.solvers.linear.solver_choice import algebra_of

            self.algebra = model.algebra(mass) if hasattr(model, "algebra") else algebra_of(model, mass)
            self.mass = self.algebra.mass_values(mass)
            self.table = self.algebra.table(model, self.kinds)
            self.work_size = self.algebra.work_size(model, self.kinds)
        else:
            self.table = model.table(*self.kinds)
            self.work_size = model.work_size_of(*self.kinds)
        self.rows = sweep.sweep_rows(method)
        self.code = model.served(_kernel(method, direction, model), self.kinds, self.table, self.algebra)
        self.kernel = self.code.enter
        self.desks: list[_Desk] = []

    def take(self) -> _Desk:
        try:
            return self.desks.pop()
        except IndexError:
            return _Desk(self)


class _Desk:
    """Work arrays of one sweep at a time."""

    def __init__(self, plan: SweepPlan):
        self.whole = np.zeros(8, dtype=np.int64)
        self.state = np.zeros((plan.rows["SWEEP_ROWS"], plan.model.n))
        self.work = np.empty(plan.work_size)
        self.scratch = np.empty(plan.family.workspace(plan.model, plan.algebra))
        if plan.algebra is not None:
            start = plan.algebra.factor_size + plan.algebra.jacobian_size
            self.scratch[start : start + plan.algebra.mass_size] = plan.mass


def sweep_plan(model, method, mass, direction: str) -> SweepPlan:
    """The plan of sweeps over the records of a method, "pull" or "push"."""
    key = (method, direction, None if mass is None else mass.tobytes())
    plan = model.plans.get(key)
    if plan is None:
        plan = model.plans[key] = SweepPlan(model, method, direction, mass)
    return plan


def _kernel(method, direction: str, model):
    links = model.links(method) if hasattr(model, "links") else {}
    n = model.n if model.specialised else 0
    key = (method, direction, n, *links.values())
    if key not in _kernels:
        family = SWEEPS[method.family]
        direct = family.direct if direction == "pull" else {}
        constants = {
            **method_constants(method),
            **sweep.sweep_rows(method),
            **(family.pull if direction == "pull" else family.push),
            **(linked_algebra(n) if method.implicit else {}),
            **{**direct, **links},
            "N": n,
        }
        entry, signature = {
            "pull": (sweep.pull_sweep, sweep.PULL_SIGNATURE),
            "push": (sweep.push_sweep, sweep.PUSH_SIGNATURE),
        }[direction]
        _kernels[key] = native.link(entry, signature, constants, unrolled=n > 0)
    return _kernels[key]


_kernels: dict = {}
_NONE = np.empty(0)
_NO_RESTARTS: list[int] = []
_FIRST_ROW = (0,)
_NO_ROWS = np.empty((0, 0))


def method_constants(method) -> dict:
    """The tableau as the forward kernel sees it."""
    return {
        **FAMILIES[method.family].tables(method),
        "SCALED": method.scaled,
        "ROWS": method.rows,
        "DENSE": method.dense,
        "DENSE_ROWS": len(method.dense),
        "CARRIED": method.stages if SWEEPS[method.family].carried else -1,
    }
