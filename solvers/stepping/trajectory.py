"""What goes into an integration and what comes out, as plain arrays."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from sciad.solvers.stepping import controllers
from sciad.solvers.stepping import loop_state as state
from sciad.solvers.stepping.recording import Part, Taken

__all__ = ["Options", "Trajectory"]


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
    mass : ndarray (n, n), optional
        Mass matrix.
    kinks : bool
        Whether solves that are differentiated stop where the model switches.
    """

    rtol: float | np.ndarray = 1e-3
    atol: float | np.ndarray = 1e-6
    first_step: float | None = None
    max_step: float = math.inf
    max_steps: int | None = None
    stops: tuple[float, ...] = ()
    controller: controllers.Controller | None = None
    dense_always: bool = False
    mass: np.ndarray | None = None
    kinks: bool = True


@dataclass(slots=True)
class Trajectory:
    """What an integration found.

    Attributes
    ----------
    ts : ndarray (k,)
        Output times that were reached.
    ys : ndarray (k, n)
    record : ndarray (steps, width)
        Accepted steps, one row [t, h, y (n), stages (rows * n), LU factors] each; ``record=2`` leaves out
        the factors (which explicit methods have not), ``record=1`` the stages, ``record=0`` everything.
        C-contiguous.
    place : ndarray (k, 2)
        For each output the row of its step in ``record``, as a float, and theta in [0, 1]; y(t + theta h)
        is the output.
    t, y : float, ndarray (n,)
        Where the integration stopped.
    code : int
        0 done, negative failed; see ``sciad.solvers.stepping.loop_state``.
    step : float
        The step size that would have come next.
    message : str
    mass : ndarray (n, n) or None
    taken : sciad.solvers.stepping.recording.Taken or None
        All steps, where the record outgrew its budget; ``record`` then has those of the last part only.
    after : dict of float to float
        Where steps begin that follow a time to hit, a little to its other side, and that time.
    pieces : sciad.solvers.stepping.held_integration.Pieces or None
        The smooth pieces that it consists of, where the model switches and that was located.
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
    step: float = 0.0
    mass: np.ndarray | None = None
    taken: Taken | None = None
    began: float | None = None
    after: dict[float, float] = field(default_factory=dict)
    pieces: object = None

    def backwards(self) -> Iterable[Part]:
        """All steps in parts, the last one first. Rows of `place` count from the beginning of a part."""
        if self.taken is not None:
            return self.taken.backwards()
        return [Part(None, len(self.record), 0, len(self.place), self.record)]

    @property
    def t_start(self) -> float:
        """Where the integration began."""
        return self.t if self.began is None else self.began

    @property
    def n(self) -> int:
        return len(self.y)

    @property
    def steps(self) -> int:
        return len(self.record)

    @property
    def attempts(self) -> int:
        """Steps that were tried."""
        return int(self.whole[state.ACCEPTED] + self.whole[state.REJECTED])

    @property
    def t_steps(self) -> np.ndarray:
        """Starts of the recorded steps."""
        starts = self.record[:, 0]
        if not self.after:
            return starts
        return np.array([self.after.get(t, t) for t in starts.tolist()])

    def restarts(self, rows: np.ndarray) -> list[int]:
        """Those of the rows of a record that do not begin with what the step before has computed."""
        if not self.after:
            return []
        known = {*self.after, *self.after.values()}
        return [k for k, t in enumerate(rows[:, 0].tolist()) if t in known]

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
        first, size = 2 + self.n, self.method.rows * self.n
        return self.record[:, first : first + size].reshape(self.steps, self.method.rows, self.n)

    @property
    def counts(self) -> dict[str, int]:
        whole = self.whole.tolist()
        return {
            "accepted": whole[state.ACCEPTED],
            "rejected": whole[state.REJECTED],
            "nfev": whole[state.NFEV],
            "njev": whole[state.NJEV],
            "nlu": whole[state.NLU],
        }
