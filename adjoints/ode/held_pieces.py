"""Derivatives of solves that stop where their model switches: piece by piece, by any adjoint, and across the
moments between (`sciad.solvers.stepping.held_integration`).

Where the slope jumps, the moment itself moves with the state, the parameters and the time.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sciad.adjoints.ode.discrete import Cotangents, push
from sciad.solvers.adjoint import Adjoint
from sciad.solvers.stepping.trajectory import Trajectory

__all__ = ["pull_pieces", "push_pieces"]


def pull_pieces(adjoint: Adjoint, trajectory: Trajectory, gys, times: bool, options) -> Cotangents:
    """Cotangents of a solve's inputs from its outputs'; see `sciad.adjoints.ode.discrete.pull`."""
    pieces = trajectory.pieces
    own, n = pieces.model.own, trajectory.n
    gp, lam, shift, gts = np.zeros(own), np.zeros(n), 0.0, []
    last, later = len(gys), False
    for k in range(len(pieces.parts) - 1, -1, -1):
        part, q = pieces.parts[k], pieces.parameters[k]
        count = len(part.ts)
        rows, last = gys[last - count : last], last - count
        if later:
            jump = pieces.jumps[k]
            if jump is not None:
                moved = -(lam @ jump.difference) / jump.rate
                lam = lam + moved * jump.gy
                gp += moved * jump.gp
                shift += moved * jump.gt
            part, rows = _with_end(part), np.concatenate([rows, lam[None]])
        here = np.zeros(len(rows))
        if len(rows) and not part.steps:
            lam = rows.sum(axis=0)
            later = True
        elif len(rows):
            c = adjoint.pullback(pieces.model, part, q, np.ascontiguousarray(rows), times, options)
            lam, later = c.y0, True
            gp += c.p[:own]
            if times:
                here = c.ts
                shift += c.t0 + here.sum()
        gts.append(here[:count])
    if not times:
        return Cotangents(lam, gp)
    gts = np.concatenate(gts[::-1])
    return Cotangents(lam, gp, gts, float(shift - gts.sum()))


def push_pieces(trajectory: Trajectory, dy0, dp, dts=None, dt0: float = 0.0) -> np.ndarray:
    """Tangents of the outputs along one direction; see `sciad.adjoints.ode.discrete.push`."""
    pieces = trajectory.pieces
    own, dy, dout, first = pieces.model.own, dy0, [], 0
    if dts is None:
        dts = np.zeros(len(trajectory.ts))
    for k, (part, q) in enumerate(zip(pieces.parts, pieces.parameters, strict=True)):
        count = len(part.ts)
        direction = np.zeros(len(q))
        direction[:own] = dp[:own]
        moved = np.append(dts[first : first + count], dt0)
        first += count
        found = push(pieces.model, _with_end(part), q, dy, direction, moved, dt0)
        dout.append(found[:-1])
        dy = found[-1]
        jump = pieces.jumps[k] if k < len(pieces.jumps) else None
        if jump is not None:
            moment = -(jump.gt * dt0 + jump.gy @ dy + jump.gp @ dp[:own]) / jump.rate
            dy = dy + moment * jump.difference
        dy = np.ascontiguousarray(dy)
    return np.concatenate(dout)


def _with_end(part: Trajectory) -> Trajectory:
    """A trajectory whose end is one more output."""
    end = [[max(0, part.steps - 1), 1.0]]
    return replace(
        part,
        ts=np.append(part.ts, part.t),
        ys=np.concatenate([part.ys, part.y[None]]),
        place=np.concatenate([part.place, end]),
    )
