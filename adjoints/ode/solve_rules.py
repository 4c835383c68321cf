"""Derivative rules of the solvers' primitive, to any nesting of two orders.

``solve`` (in `sciad.solvers.ode.solve_primitive`) maps (t0, t1, ts, y0, p) to the outputs. Its pullback by
the chosen adjoint and its tangent are primitives of their own, `pull_solve` and `push_solve`, so that they
can be differentiated in turn; what both need of the second order is one thing,
`sciad.adjoints.ode.second_order.pull_pair`.
"""

from __future__ import annotations

import math

import numpy as np

import sciad
from sciad.adjoints.ode.choice import DEFAULT, chosen
from sciad.adjoints.ode.discrete import Cotangents, push
from sciad.adjoints.ode.held_pieces import pull_pieces, push_pieces
from sciad.adjoints.ode.second_order import pull_pair
from sciad.eager.traced import Traced, is_traced
from sciad.errors import LossNotFinite
from sciad.solvers.model.arguments import contiguous
from sciad.solvers.model.held_model import held_model
from sciad.solvers.ode.mass_matrix import slope_at
from sciad.solvers.ode.solve_primitive import Problem, run, solve, time_last
from sciad.solvers.stepping.held_integration import holds, integrate_held
from sciad.solvers.warn import warn

__all__ = ["pull_solve", "push_solve"]


@solve.def_pullback
def _solve_pullback(args):
    problem, t0, t1, ts, y0, p = args
    if (
        isinstance(p, Traced)
        or isinstance(y0, Traced)
        or isinstance(ts, Traced)
        or isinstance(t0, Traced)
        or isinstance(t1, Traced)
    ):
        ys = solve(*args)
        return ys, lambda gys: _through(problem, t0, t1, ts, y0, p, gys)
    adjoint = DEFAULT if problem.adjoint == "auto" else problem.adjoint
    # classes of users may say less
    dense, memory = getattr(adjoint, "dense", False), getattr(adjoint, "memory", None)
    guarded = getattr(adjoint, "of_steps", True)
    trajectory = run(problem, t0, t1, ts, y0, p, adjoint.record, dense, memory, guarded, held=True)

    def pull(gys):
        if isinstance(gys, Traced):
            _refuse_times(problem.times or None)
            return _through(problem, t0, t1, ts, y0, p, gys)
        c = _cotangents(problem, adjoint, trajectory, p, gys, problem.times)
        gy0 = c.y0.reshape(np.shape(y0))
        if not problem.times:
            return None, None, None, None, gy0, c.p
        return None, np.float64(c.t0), None, c.ts, gy0, c.p

    shape = np.shape(y0)
    return trajectory.ys.T if len(shape) == 1 else time_last(trajectory.ys, shape), pull


@solve.def_pushforward
def _solve_pushforward(args, tangents):
    problem, t0, t1, ts, y0, p = args
    _, dt0, _, dts, dy0, dp = tangents
    dy0 = np.zeros(np.shape(y0)) if dy0 is None else dy0
    dp = np.zeros(np.shape(p)) if dp is None else dp
    if any(map(is_traced, (t0, t1, ts, y0, p, dt0, dts, dy0, dp))):
        _refuse_times(dt0, dts, *filter(is_traced, (t0, ts)))
        return push_solve(problem, t0, t1, ts, y0, p, dy0, dp)
    trajectory = _recorded(problem, t0, t1, ts, y0, p, held=True)
    moved = None if dts is None and dt0 is None else contiguous(np.zeros(len(ts)) if dts is None else dts)
    dy0, dt0 = contiguous(dy0).reshape(-1), 0.0 if dt0 is None else float(dt0)
    if trajectory.pieces is not None:
        dys = push_pieces(trajectory, dy0, contiguous(dp), moved, dt0)
    elif trajectory.steps or moved is None:
        dys = push(problem.model, trajectory, contiguous(p), dy0, contiguous(dp), moved, dt0)
    else:
        dys = dy0 + np.outer(moved - dt0, slope_at(problem, trajectory.t, trajectory.y, contiguous(p)))
    return time_last(trajectory.ys, np.shape(y0)), time_last(dys, np.shape(y0))


def _recorded(problem: Problem, t0, t1, ts, y0, p, held: bool = False):
    """The steps with their stages and LU factors; taken once for all directions of a Jacobian."""
    problem.check_model()
    inputs = (t0, t1, ts, y0, p)
    if problem.recent is not None:
        before, trajectory = problem.recent
        if all(map(np.array_equal, (*inputs, held), before)):
            return trajectory
    trajectory = run(problem, *inputs, record=3, guarded=True, held=held)
    problem.recent = ([np.array(x) for x in (*inputs, held)], trajectory)
    return trajectory


def _cotangents(problem: Problem, adjoint, trajectory, p, gys, times: bool) -> Cotangents:
    """Those of the inputs of a solve; of one that takes no step, too: there all outputs are at t0."""
    if problem.witness is not None:
        problem.witness.check()
    model = problem.model
    if gys.__class__ is np.ndarray and gys.ndim == 2:
        gys = np.ascontiguousarray(gys.T, dtype=float)
        gys = gys if gys.flags.writeable else gys.copy()
    else:
        gys = _rows(gys)
    if p.__class__ is not np.ndarray or p.dtype is not _FLOAT or not p.flags.carray:
        p = contiguous(p)
    if not math.isfinite(np.vdot(gys, gys)) and not np.isfinite(gys).all():
        raise _loss_not_finite(trajectory, gys)
    if trajectory.pieces is not None and len(trajectory.record):
        return pull_pieces(adjoint, trajectory, gys, times, problem.options)
    if len(trajectory.record):
        return adjoint.pullback(model, trajectory, p, gys, times, problem.options)
    c = Cotangents(gys.sum(axis=0), np.zeros(model.m))
    if times:
        c.ts = gys @ slope_at(problem, trajectory.t, trajectory.y, p)
        c.t0 = -float(c.ts.sum())
    return c


def _loss_not_finite(trajectory, gys) -> LossNotFinite:
    row, k = np.argwhere(~np.isfinite(gys))[0]
    when = f" at t = {trajectory.ts[row]:.6g}" if len(trajectory.ts) == len(gys) else ""
    return loss_not_finite(k, when, gys[row, k])


def loss_not_finite(k: int, when: str, value: float) -> LossNotFinite:
    """What to raise where a loss has no finite derivative with respect to an output."""
    return LossNotFinite(
        f"the derivative of the loss with respect to component {k} of y{when} is not finite but "
        f"{value}. If the data hold NaN, leave those out of the loss (np.nansum does); else look for "
        "logarithms, roots or quotients at zero in what is computed from the solution"
    )


# -- second order ----------------------------------------------------------------------------------


def _pull(problem: Problem, t0, t1, ts, y0, p, gys):
    """Cotangents (y0, p) of a solve from those of its outputs; differentiable."""
    adjoint = chosen(problem)
    dense, memory = getattr(adjoint, "dense", False), getattr(adjoint, "memory", None)
    guarded = getattr(adjoint, "of_steps", True)
    trajectory = run(problem, t0, t1, ts, y0, p, adjoint.record, dense, memory, guarded)
    c = _cotangents(problem, adjoint, trajectory, p, gys, times=False)
    return c.y0.reshape(np.shape(y0)), c.p


def _push(problem: Problem, t0, t1, ts, y0, p, dy0, dp):
    """Outputs of a solve and their tangents along (dy0, dp); differentiable."""
    trajectory = _recorded(problem, t0, t1, ts, y0, p)
    dys = push(problem.model, trajectory, contiguous(p), contiguous(dy0).reshape(-1), contiguous(dp))
    return time_last(trajectory.ys, np.shape(y0)), time_last(dys, np.shape(y0))


pull_solve = sciad.custom(_pull)
push_solve = sciad.custom(_push)


def _pair(problem, trajectory, p, dy0, dp, gys, dgys):
    """`pull_pair` in the shapes that users see."""
    problem.check_model()
    _warn_of_kinks(problem, trajectory, p)
    flat = contiguous(dy0).reshape(-1)
    c, dc = pull_pair(problem.model, trajectory, contiguous(p), flat, contiguous(dp), _rows(gys), _rows(dgys))
    shape = np.shape(dy0)
    return (c.y0.reshape(shape), c.p), (dc.y0.reshape(shape), dc.p)


def _warn_of_kinks(problem: Problem, trajectory, p) -> None:
    """Second derivatives are those of the steps; they do not see that moments of switches move."""
    model = held_model(problem.model) if len(trajectory.record) else None
    if model is None or not holds(trajectory.method, problem.options):
        return
    y0, span = trajectory.y_steps[0].copy(), (trajectory.t_start, trajectory.t)
    again = integrate_held(
        model, trajectory.method, span, y0, contiguous(p), np.empty(0), problem.options, record=1
    )
    pieces = again.pieces
    for part, before, behind in zip(pieces.parts, pieces.parameters, pieces.parameters[1:], strict=False):
        changed = np.flatnonzero(before[model.modes] != behind[model.modes])
        if not any(np.any(np.concatenate(model.gradient(k, part.t, part.y, before)[1:])) for k in changed):
            continue  # at a time that is given
        directions = 1.0, np.ones(model.n), np.zeros(model.m)
        slopes = [
            np.ravel(model.call("pushforward", part.t, part.y, q, *directions)) for q in (before, behind)
        ]
        if not np.allclose(*slopes, rtol=1e-6, atol=1e-6 * np.abs(slopes[0]).max()):
            warn(
                "the second derivative of a solve leaves out how the moments move at which its model "
                f"switches: it switches at t = {part.t:.6g}. Use differences of the gradient"
            )
            return


@pull_solve.def_pushforward
def _pull_pushforward(args, tangents):
    problem, t0, t1, ts, y0, p, gys = args
    _, dt0, _, dts, dy0, dp, dgys = tangents
    _refuse_times(dt0, dts)
    _refuse_third(args, tangents)
    trajectory = _recorded(problem, t0, t1, ts, y0, p, held=True)
    moved = [np.zeros_like(x) if dx is None else dx for x, dx in ((y0, dy0), (p, dp), (gys, dgys))]
    return _pair(problem, trajectory, p, moved[0], moved[1], gys, moved[2])


@pull_solve.def_pullback
def _pull_pullback(args):
    problem, t0, t1, ts, y0, p, gys = args
    _refuse_third(args)
    trajectory = _recorded(problem, t0, t1, ts, y0, p)

    def pull(bars):
        # <bar, J^T g> = <J bar, g>: linear in g, and in (y0, p) the mixed second derivative.
        dy0, dp = bars
        dys = push(problem.model, trajectory, contiguous(p), contiguous(dy0).reshape(-1), contiguous(dp))
        _, (gy0, gp) = _pair(problem, trajectory, p, dy0, dp, gys, np.zeros_like(gys))
        return None, None, None, None, gy0, gp, time_last(dys, np.shape(y0))

    return _pull(*args), pull


@push_solve.def_pullback
def _push_pullback(args):
    problem, t0, t1, ts, y0, p, dy0, dp = args
    _refuse_third(args)
    trajectory = _recorded(problem, t0, t1, ts, y0, p)

    def pull(bars):
        bar, dbar = bars
        linear, mixed = _pair(problem, trajectory, p, dy0, dp, dbar, bar)
        return None, None, None, None, *mixed, *linear

    return _push(*args), pull


def _through(problem, t0, t1, ts, y0, p, gys):
    """The cotangents of `solve` by the differentiable primitive."""
    _refuse_times(t0 if is_traced(t0) else None, ts if is_traced(ts) else None)
    gy0, gp = pull_solve(problem, t0, t1, ts, y0, p, gys)
    return None, None, None, None, gy0, gp


def _refuse_times(*moving):
    if any(x is not None and (is_traced(x) or np.any(x)) for x in moving):
        raise sciad.NotDifferentiable(
            "second derivatives of a solve with respect to t_span or t_eval are not available; "
            "differentiate twice with respect to y0 and args only"
        )


def _refuse_third(*groups):
    if any(is_traced(x) for group in groups for x in group):
        raise sciad.NotDifferentiable("third derivatives of a solve are not available")


def _rows(gys) -> np.ndarray:
    """Cotangents of outputs, time last, as rows (k, n)."""
    return np.ascontiguousarray(np.reshape(gys, (-1, np.shape(gys)[-1])).T, dtype=float)


_FLOAT = np.dtype(float)
