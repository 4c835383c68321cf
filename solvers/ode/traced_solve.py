"""A solve of traced values: pieces of the primitive ``solve``, joined where events change the state."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

import sciad
from sciad.eager.traced import Traced, raw
from sciad.errors import SolverError
from sciad.solvers.methods.explicit_tableaus import Tsit5
from sciad.solvers.methods.names import AUTO, method_named
from sciad.solvers.model.arguments import checked_start, contiguous, untraced, untraced_args
from sciad.solvers.ode.event_chain import Piece, chain
from sciad.solvers.ode.events import Events, Occurrence
from sciad.solvers.ode.mass_matrix import consistent, slope_at
from sciad.solvers.ode.solution import Solution
from sciad.solvers.ode.solve_primitive import Problem, failed, solve
from sciad.solvers.stepping import dense_output
from sciad.solvers.stepping import loop_state as state
from sciad.transforms.vmap import find_batch

__all__ = ["differentiable"]


def differentiable(
    problem: Problem, rebuild: Callable, t0, t1, ts, y0, p, args: tuple, events, dense_output: bool
) -> Solution:
    """The solution as ``solve_ivp`` returns it, with traced values; a failure raises.

    Parameters
    ----------
    problem, t0, t1, y0, p
        As for ``solve``.
    rebuild : callable
        ``rebuild(args) -> (model, p)`` for changed arguments.
    ts : array (k,) or None
    args : tuple
        Of the model and the events, traced leaves and all.
    events : callable, sequence of them or None
    dense_output : bool
    """
    if dense_output:  # which is asked later: arrays of the caller may be others by then
        ts, y0, p = (x.copy() if x.__class__ is np.ndarray else x for x in (ts, y0, p))
    if events is None and ts is not None and (not dense_output or _batched(t0, t1, ts, y0, p)):
        if problem.options.mass is not None:
            y0 = consistent(problem, t0, y0, p)
        if not dense_output and _batched(t0, t1, ts, y0, p):
            mapped_solves = importlib.import_module(MAPPED)  # which is built on this package
            if mapped_solves.serves(problem, t0, t1, ts, y0, p):
                y = mapped_solves.solve_mapped(problem, t0, t1, ts, y0, p)
                return _of_elements(ts, y, problem.method)
        problem.times = isinstance(ts, Traced) or isinstance(t0, Traced) or isinstance(t1, Traced)
        y = solve(problem, t0, t1, ts, y0, p)
        output = _Again(problem, t0, t1, y0, p) if dense_output else None
        return _solution(
            ts, y, output, [problem.trajectory], [t0 if t0.__class__ is float else _first_time(t0)]
        )
    pieces, watch = _plain_pieces(problem, rebuild, t0, t1, ts, y0, p, args, events)
    stretches, occurrences = _join(problem, rebuild, pieces, watch, t0, t1, ts, y0, p, args)
    if ts is None:
        times = [np.stack([s.t0, *s.inner]) for s in stretches if s.problem.known.steps]
        times.append(np.reshape(stretches[-1].t1, (1,)))
    else:
        count = sum(len(s.times) for s in stretches)
        times = [ts if count == len(ts) else ts[:count]]
    ys = [s.y for s in stretches if np.shape(s.y)[-1]]
    last = pieces[-1].last
    return _solution(
        times[0] if len(times) == 1 else np.concatenate(times),
        ys[0] if len(ys) == 1 else np.concatenate(ys, axis=-1) if ys else stretches[0].y,
        DifferentiableOutput(stretches) if dense_output else None,
        [part for piece in pieces for part in piece.parts],
        [piece.t for piece in pieces],
        None if watch is None else _by_event(occurrences, len(watch.functions), np.shape(y0)),
        int(last.code == state.EVENT),
        last.message,
    )


@dataclass(frozen=True)
class Stretch:
    """A smooth piece with traced ends.

    Attributes
    ----------
    problem : Problem
        Holds the steps of the piece.
    t0, t1, y0, p
        Traced or plain.
    times, y
        Output times in it, and the outputs there, time last.
    inner : list of float
        Where its steps begin, without the first.
    """

    problem: Problem
    t0: object
    t1: object
    y0: object
    p: object
    times: object = None
    y: object = None

    @property
    def inner(self) -> list[float]:
        return self.problem.known.t_steps[1:].tolist()

    @property
    def edges(self):
        """Ends of its steps; only the first and the last move."""
        return np.stack([self.t0, *self.inner, self.t1])

    def at(self, times):
        """The solution at times (k,), in any order."""
        if not len(times):
            return np.empty((*np.shape(self.y0), 0))
        sign = 1.0 if untraced(self.t1) >= untraced(self.t0) else -1.0
        order = np.argsort(untraced(times) * sign, kind="stable")
        if np.all(order[1:] > order[:-1]):
            return _outputs(self.problem, self.t0, self.t1, times, self.y0, self.p)
        values = _outputs(self.problem, self.t0, self.t1, times[order], self.y0, self.p)
        return values[..., np.argsort(order)]


class DifferentiableOutput:
    """The solution as a function of time, differentiable in time and in everything the solve depends on.

    Called as `sciad.solvers.ode.solution.DenseOutput` is.
    """

    def __init__(self, stretches: list[Stretch]):
        self._stretches = stretches

    @property
    def ts(self) -> np.ndarray:
        """Ends of the steps."""
        starts = [s.problem.known.t_steps for s in self._stretches]
        return np.concatenate([*starts, [untraced(self._stretches[-1].t1)]])

    @property
    def t_min(self) -> float:
        return self.ts.min()

    @property
    def t_max(self) -> float:
        return self.ts.max()

    def stretches(self) -> list:
        """Smooth pieces as pairs (ends of the steps, the solution as a function of ordered times)."""
        return [(s.edges, s.at) for s in self._stretches]

    def __call__(self, t):
        if np.ndim(t) > 1:
            raise ValueError(f"t must be a number or one-dimensional, not of shape {np.shape(t)}")
        times = np.reshape(t, (-1,))
        values = self._values(times)
        return values[..., 0] if np.ndim(t) == 0 else values

    def derivative(self, t):
        raise sciad.NotDifferentiable(
            "the slope of the dense output is not differentiable: call the right-hand side at sol.sol(t)"
        )

    def _values(self, times):
        if len(self._stretches) == 1:
            return self._stretches[0].at(times)
        sign = 1.0 if untraced(self._stretches[-1].t1) >= untraced(self._stretches[0].t0) else -1.0
        ends = np.array([sign * untraced(s.t1) for s in self._stretches[:-1]])
        which = np.searchsorted(ends, sign * untraced(times), side="left")
        parts = [s.at(times[which == i]) for i, s in enumerate(self._stretches) if np.any(which == i)]
        order = np.argsort(which, kind="stable")
        return np.concatenate(parts, axis=-1)[..., np.argsort(order)]


class _Again:
    """Dense output by taking the steps again, for solves of whole batches."""

    def __init__(self, problem, t0, t1, y0, p):
        self._rest = (problem, t0, t1, y0, p)

    def __call__(self, t):
        problem, t0, t1, y0, p = self._rest
        times = np.reshape(t, (-1,))
        order = np.argsort(untraced(times) * (1.0 if untraced(t1) >= untraced(t0) else -1.0), kind="stable")
        values = solve(problem, t0, t1, times[order], y0, p)
        return values[..., 0] if np.ndim(t) == 0 else values[..., np.argsort(order)]


# -- plain: which steps are taken, and where the pieces end ---------------------------------------------


def _plain_pieces(problem, rebuild, t0, t1, ts, y0, p, args, events) -> tuple[list[Piece], Events | None]:
    """The pieces of the solve of the plain values."""
    options = replace(problem.options, dense_always=True)
    span, shape = (float(untraced(t0)), float(untraced(t1))), np.shape(y0)
    ts = np.empty(0) if ts is None else untraced(ts)
    y0, p, ts = checked_start(args, *span, untraced(y0), untraced(p), ts, options.first_step)

    def rebuilt(changed):
        model, p = rebuild(changed)
        return model, contiguous(untraced(p))

    auto = problem.method is AUTO
    for method in (Tsit5, method_named("Rodas5P")) if auto else (problem.method,):
        watch = None if events is None else Events(events, untraced_args(args), shape)
        attempt = Problem(problem.model, method, options)
        watched = auto and method is Tsit5
        pieces = chain(attempt, span, y0, p, ts, 2, watch, rebuilt, watched=watched, guarded=True)
        last = pieces[-1].last
        # One method for the whole solve, so that its steps can be transposed as one sequence.
        if not (auto and last.code in (state.SWITCH, state.TOO_SMALL)):
            break
    if last.code < 0:
        raise failed(last)
    return pieces, watch


# -- traced: the same pieces as functions of each other ------------------------------------------------


def _join(problem, rebuild, pieces, watch, t0, t1, ts, y0, p, args):
    """The traced pieces, and the traced events as (k, t, y)."""
    shape = np.shape(y0)
    stretches, occurrences = [], []
    t, y = t0, y0
    for i, piece in enumerate(pieces):
        last, whole = piece.last, piece.last.code != state.EVENT
        inside = Problem(piece.model, last.method, problem.options, problem.adjoint, known=last)
        y = consistent(inside, t, y, p)
        if i:
            _check_repeated(pieces[i - 1].changes, piece, y, p)
        here = np.array([o.t for o in piece.found])
        if ts is None:
            # The steps' times are held; only the ends move.
            times = np.array(last.t_steps[1:])
            end = np.reshape(t1, (1,)) if whole else np.empty(0)
            asked = np.concatenate([times, end])
        else:
            asked = ts[piece.first : piece.first + len(last.ts)]
        stretch = Stretch(inside, t, t1, y, p)
        found = stretch.at(np.concatenate([asked, here]) if len(here) else asked)
        values = found[..., : len(asked)] if len(here) else found
        end, after = t1, None
        for j, o in enumerate(piece.found):
            end, after = _happened(watch, o, inside, p, args, found[..., len(asked) + j])
            occurrences.append((o.k, end, after))
        if ts is None:
            first = np.reshape(y, (*shape, 1))
            parts = [first, values] if last.steps else [values]
            if not whole and i == len(pieces) - 1:
                parts.append(np.reshape(after, (*shape, 1)))
            values = np.concatenate(parts, axis=-1)
        stretches.append(replace(stretch, t1=t1 if whole else end, times=asked, y=values))
        if piece.changes is not None:
            t = end
            y, new = watch.changed(piece.changes, t, np.reshape(after, shape) * 1.0, args)
            if new is not args or not piece.model.changeable:
                args = new
                _, p = rebuild(args)
    return stretches, occurrences


def _check_repeated(k: int, piece: Piece, y, p) -> None:
    """Refuse an event that leaves behind something else when it is applied again to be differentiated."""
    parameters = "args or values that the model captures"
    for what, before, now in (("state", piece.y, untraced(y)), (parameters, piece.p, untraced(p))):
        same = np.size(now) == np.size(before)
        gap, size = np.abs(np.ravel(now) - before) if same else np.inf, np.abs(before)
        if not np.all(gap <= 1e-6 * size + 1e-9 * size.max(initial=0.0)):
            raise sciad.NotDifferentiable(
                f"apply of event {k} at t = {piece.t:.6g} leaves behind another {what} when it is called "
                "again to be differentiated: it must be a function of its arguments. Keep what it counts in "
                "y or args"
            )


def _outputs(problem, t0, t1, times, y0, p):
    """``solve``, with the derivatives of the times where they are wanted."""
    if not any(isinstance(x, Traced) for x in (t0, times, y0, p)):
        return solve(problem, t0, t1, times, y0, p)
    problem.times = problem.times or any(isinstance(x, Traced) for x in (t0, times))
    return solve(problem, t0, t1, times, y0, p)


def _happened(watch: Events, o: Occurrence, problem: Problem, p, args: tuple, y):
    """Traced time and state of an event, from the traced state at its plain time.

    The time t is where g(t, y(t), args) = 0. With the solution followed at its slope y' there, the implicit
    function theorem gives dt = -dg / (g_t + g_y y') and the state at the event moves by dy + y' dt.
    """
    slope = _slope(problem, o, contiguous(untraced(p)))
    plain = untraced_args(args)
    shape = np.shape(y)

    def g(t, y):
        return watch.value(o.k, t, y, plain)

    rate = float(untraced(sciad.jvp(g, (o.t, o.y.reshape(shape)), (1.0, slope.reshape(shape)))[1]))
    if not (np.isfinite(rate) and abs(rate) > TOUCHING * o.rate):
        raise SolverError(
            f"event {o.k} touches zero at t = {o.t:.6g} without passing it (its total time derivative is "
            f"{rate}), so the time of the event has no derivative"
        )
    value = watch.value(o.k, o.t, y, args)
    return _moment(o.t, slope.reshape(shape), rate, y, value)


TOUCHING = 1e-10  # of the average rate of change around a zero: what is slower there does not pass it


def _slope(problem: Problem, o: Occurrence, p) -> np.ndarray:
    """y' of the computed solution on the way to an event."""
    trajectory = problem.known
    if not trajectory.steps:
        return slope_at(problem, o.t, trajectory.y, p)
    starts, method = trajectory.t_steps, trajectory.method
    sign = 1.0 if trajectory.h[0] > 0.0 else -1.0
    i = max(0, int(np.searchsorted(sign * starts, sign * o.t, side="left")) - 1)
    row = slice(i, i + 1)
    h, y, stages = trajectory.h[row], trajectory.y_steps[row], trajectory.stages[row]
    end = y + dense_output.change_of(method, h, stages)
    d = dense_output.vectors_of(method, h, stages)
    return dense_output.derivative((o.t - starts[i]) / h[0], h[0], y, end, d, 1)[0]


def _move(t, slope, rate, y, value):
    return np.float64(t), y


_moment = sciad.custom(_move)


@_moment.def_pushforward
def _push_moment(args, tangents):
    t, slope, rate, y, value = args
    _, _, _, dy, dvalue = tangents
    _refuse_nested(y, value, dy, dvalue)
    dt = 0.0 if dvalue is None else -float(dvalue) / rate
    dy = np.zeros(np.shape(y)) if dy is None else dy
    return (np.float64(t), y), (np.float64(dt), dy + slope * dt)


@_moment.def_pullback
def _pull_moment(args):
    t, slope, rate, y, value = args
    _refuse_nested(y, value)

    def pull(bars):
        bar_t, bar_y = bars
        _refuse_nested(bar_t, bar_y)
        return None, None, None, bar_y, -(bar_t + np.vdot(slope, bar_y)) / rate

    return (np.float64(t), y), pull


def _refuse_nested(*values):
    if any(isinstance(x, Traced) for x in values):
        raise sciad.NotDifferentiable(
            "second derivatives through events are not available; use differences of the gradient"
        )


# -- what the user gets ---------------------------------------------------------------------------------


def _by_event(occurrences, count: int, shape):
    """Times and states of each event's zeros, traced."""
    ts, ys = [], []
    for k in range(count):
        mine = [(t, y) for j, t, y in occurrences if j == k]
        ts.append(np.stack([t for t, _ in mine]) if mine else np.empty(0))
        ys.append(np.stack([np.reshape(y, shape) for _, y in mine]) if mine else np.empty((0, *shape)))
    return ts, ys


def _solution(t, y, output, parts, starts, events=None, status=0, message="") -> Solution:
    last, methods, total = parts[-1], [], None
    for start, part in zip(starts, parts, strict=True):
        methods.append((start, part.method.name))
        counts = part.counts
        total = counts if total is None else {name: total[name] + count for name, count in counts.items()}
    return Solution(
        t=t,
        y=y,
        sol=output,
        t_events=None if events is None else events[0],
        y_events=None if events is None else events[1],
        **total,
        status=status,
        message=message or SUCCESS,
        method=last.method.name,
        methods=methods,
    )


MAPPED = "sciad.solvers.routines.mapped_solves"


def _of_elements(ts, y, method) -> Solution:
    """The solution for elements of a batch, whose steps were not counted."""
    uncounted = dict.fromkeys(("nfev", "njev", "nlu", "accepted", "rejected"))
    return Solution(
        **{"t": ts, "y": y, "sol": None, "t_events": None, "y_events": None, **uncounted},
        **{"status": 0, "message": SUCCESS, "method": method.name, "methods": []},
    )


SUCCESS = "The solver successfully reached the end of the integration interval."


def _first_time(t) -> float:
    """A time, or that of the first element of a batch."""
    return t if t.__class__ is float else float(np.ravel(raw(t))[0])


def _batched(*values) -> bool:
    """Whether one of the values stands for a batch, at any level."""
    for x in values:
        while isinstance(x, Traced):
            if find_batch((x,)) is not None:
                return True
            x = x.value
    return False
