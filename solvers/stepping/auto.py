"""``method="auto"``: Tsit5 where the problem is not stiff, Rodas5P where it is, switched both ways."""

from __future__ import annotations

from dataclasses import replace

from sciad.solvers.methods.explicit_tableaus import Tsit5
from sciad.solvers.model.models import Model
from sciad.solvers.stepping import loop_state as state
from sciad.solvers.stepping.integrate import integrate
from sciad.solvers.stepping.trajectory import Options, Trajectory

__all__ = ["integrate_auto"]

EASY = 1.0  # h |J| under which an explicit method is not limited by stability


def integrate_auto(
    model: Model, span, y0, p, ts, options: Options, record: int, events=None, progress=None
) -> list[Trajectory]:
    """Segments of the solve, each by one method; arguments as for ``integrate``.

    Returns
    -------
    segments : list of Trajectory
        The last one's ``code`` and ``message`` are those of the whole.
    """
    t, t1 = span
    stiff = False
    segments: list[Trajectory] = []
    used = 0
    while True:
        left = replace(options, max_steps=None if options.max_steps is None else options.max_steps - used)
        if stiff:
            part = _stiff(model, (t, t1), y0, p, ts, left, record, events, progress)
        else:
            part = integrate(model, Tsit5, (t, t1), y0, p, ts, left, record, events, progress, watched=True)
        segments.append(part)
        used += part.counts["accepted"] + part.counts["rejected"]
        failed = part.code == state.TOO_SMALL and not stiff
        if part.code != state.SWITCH and not failed:
            return segments
        stiff = not stiff
        t, y0, ts = part.t, part.y, ts[len(part.ts) :]
        options = replace(options, first_step=None if failed else min(part.step, abs(t1 - t)))


def _stiff(model, span, y0, p, ts, options, record, events, progress) -> Trajectory:
    """Rodas5P until the end or until steps are so short that an explicit method would do."""
    from sciad.solvers.methods.rosenbrock_tableaus import Rodas5P

    def easy(size, norm):
        return size * norm < EASY

    return integrate(model, Rodas5P, span, y0, p, ts, options, record, events, progress, easy=easy)
