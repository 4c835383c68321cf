"""A solve as a chain of smooth pieces: from its start, and from every event that changes the state, to the
next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sciad.errors import SolverError
from sciad.solvers.methods.names import AUTO
from sciad.solvers.model.held_model import held_model
from sciad.solvers.model.models import Model
from sciad.solvers.ode.events import Events, Occurrence
from sciad.solvers.ode.mass_matrix import Algebraic
from sciad.solvers.stepping import loop_state as state
from sciad.solvers.stepping.auto import integrate_auto
from sciad.solvers.stepping.held_integration import holds, integrate_held
from sciad.solvers.stepping.integrate import integrate
from sciad.solvers.stepping.trajectory import Options, Trajectory

__all__ = ["Piece", "chain"]


@dataclass(frozen=True)
class Piece:
    """One smooth stretch of a solve.

    Attributes
    ----------
    model : Model
    parts : list of Trajectory
        Its steps; more than one part where the method was switched.
    found : list of Occurrence
        Events passed in it, in order.
    changes : int or None
        The event at its end that changes the state.
    t, y : float, ndarray (n,)
        Where it begins.
    p : ndarray (m,)
        Its parameters.
    first : int
        Index of its first output time.
    """

    model: Model
    parts: list[Trajectory]
    found: list[Occurrence]
    changes: int | None
    t: float
    y: np.ndarray
    p: np.ndarray
    first: int

    @property
    def last(self) -> Trajectory:
        return self.parts[-1]


def chain(
    problem,
    span,
    y0,
    p,
    ts,
    level: int,
    watch: Events | None,
    rebuild: Callable,
    shown=None,
    watched: bool = False,
    guarded: bool = False,
) -> list[Piece]:
    """Integrate from event to event.

    Parameters
    ----------
    problem : sciad.solvers.ode.solve_primitive.Problem
    span, y0, p, ts : as for ``integrate``
    level : what to record of each step
    watch : Events or None
    rebuild : callable
        ``rebuild(args) -> (model, p)`` where an event has changed the arguments.
    shown, watched, guarded
        As ``progress``, ``watched`` and ``guarded`` of ``integrate``.

    Returns
    -------
    pieces : list of Piece
        The last one's last part says how the solve ended.
    """
    model, method, options = problem.model, problem.method, problem.options
    pieces: list[Piece] = []
    (t, t1), first, used, stuck = span, 0, 0, 0
    y0 = _consistent(model, options, t, y0, p)
    changed: dict[int, list[float]] = {}
    while True:
        seen = 0 if watch is None else len(watch.found)
        allowed = None if options.max_steps is None else options.max_steps - used
        work = ((t, t1), y0, p, ts[first:], replace(options, max_steps=allowed), level, watch, shown)
        if method is AUTO:
            parts = integrate_auto(model, *work)
        else:
            held = held_model(model) if guarded and holds(method, options) else None
            if held is None:
                parts = [integrate(model, method, *work, watched=watched, guarded=guarded)]
            else:
                parts = [integrate_held(held, method, *work[:-1], watched=watched, guarded=guarded)]
        last = parts[-1]
        found = [] if watch is None else watch.found[seen:]
        changes = watch.due[0] if last.code == state.EVENT and watch.due else None
        pieces.append(Piece(model, parts, found, changes, t, y0, p, first))
        first += sum(len(part.ts) for part in parts)
        used += sum(part.counts["accepted"] + part.counts["rejected"] for part in parts)
        if last.code != state.EVENT or changes is None:
            return pieces
        stuck = stuck + 1 if last.t == t else 0
        t, y0 = last.t, last.y
        times = changed.setdefault(changes, [])
        if not times or times[-1] != t:
            times.append(t)
        if len(times) >= CLOSE and abs(t - times[-CLOSE]) < 1e-9 * abs(t - span[0]):
            parts[-1] = replace(last, code=state.TOO_SMALL, message=ACCUMULATE.format(t, changes))
            return pieces
        while watch.due:
            args = watch.args
            y0, rest = watch.go_on(y0, t)
            if watch.args is not args or not model.changeable:
                # Whatever the model reads, apply may have changed it.
                model, p = rebuild(watch.args)
                p = p.copy()
            left = y0
            y0 = _consistent(model, options, t, left, p)
            watch.settled(t, left, y0)
            seen = len(watch.found)
            watch.happen(rest, t, y0)
            if len(watch.found) > seen:
                # Another event at the same time: a piece without steps.
                changes = watch.due[0] if watch.due else None
                part = _standing(last, t, y0)
                pieces.append(Piece(model, [part], watch.found[seen:], changes, t, y0, p, first))
                if watch.ended:
                    return pieces
        if stuck == STUCK:
            raise SolverError(
                f"events change the state again and again at t = {t:.6g} (event {pieces[-1].changes} "
                "last): time does not go on. Let apply move the state off the zero of its event, or give "
                "the event a direction or make it terminal"
            )


CLOSE = 6  # changes of the state by one event within a billionth of the time passed that are one too many
ACCUMULATE = (
    "Event {1} changes the state ever more often, at times that accumulate at t = {0:.6g}, where the solve "
    "cannot go on: end it there by a terminal event, or let apply leave the model in a state of rest."
)
STUCK = 100  # changes of the state at one time that are one too many


def _consistent(model: Model, options: Options, t: float, y, p) -> np.ndarray:
    if options.mass is None:
        return y
    return Algebraic.of(options.mass).solve(model, t, y, p, options)


def _standing(like: Trajectory, t: float, y: np.ndarray) -> Trajectory:
    """A trajectory without steps."""
    none = np.empty(0)
    return replace(
        like,
        ts=none,
        ys=np.empty((0, len(y))),
        record=like.record[:0],
        place=np.empty((0, 2)),
        t=t,
        y=y,
        whole=np.zeros_like(like.whole),
    )
