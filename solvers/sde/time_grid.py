"""Where steps end and where outputs lie: fixed steps, and output times of adaptive ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sciad.solvers.sde.brownian import SNAP, BrownianMotion

__all__ = ["Grid", "OutputTimes", "fixed_grid", "output_times", "recorded_grid"]


@dataclass(frozen=True, eq=False)
class Grid:
    """Fixed steps.

    Attributes
    ----------
    times : ndarray (K + 1,)
        Ends of the steps.
    cells : ndarray (K,)
        Cell of the Brownian motion that is the step, or -1.
    slots : ndarray (K + 1,)
        Output column of the state at that time, or -1.
    ts : ndarray (T,)
        Output times.
    """

    times: np.ndarray
    cells: np.ndarray
    slots: np.ndarray
    ts: np.ndarray

    def ending(self) -> Grid:
        """The same steps with the last time as the only output."""
        slots = np.full(len(self.times), -1)
        slots[-1] = 0
        return Grid(self.times, self.cells, slots, self.ts[-1:])


def fixed_grid(t0, t1, dt, t_eval, brownian: BrownianMotion) -> Grid:
    """Steps of dt from t0 on, cut where an output time lies."""
    count = max(1, math.ceil((t1 - t0) / dt * (1 - 1e-12) - 1e-9))
    times = t0 + dt * np.arange(count + 1)
    times[-1] = t1
    if t_eval is None:
        slots = np.arange(len(times))
        ts = times
    else:
        ts = t_eval
        # an output time that is a step's end up to rounding is that end
        near = np.clip(np.searchsorted(times, ts), 0, count)
        near = np.where(
            np.abs(times[np.maximum(near - 1, 0)] - ts) < np.abs(times[near] - ts), near - 1, near
        )
        snapped = np.where(np.abs(times[near] - ts) <= SNAP * dt, times[near], ts)
        if not np.all(np.diff(snapped) > 0):
            close = int(np.argmin(np.diff(snapped)))
            raise ValueError(
                f"t_eval[{close}] = {ts[close]} and t_eval[{close + 1}] = {ts[close + 1]} are the same time "
                f"up to rounding"
            )
        # nothing is stepped over after the last output: a path may end there, and its derivatives with it
        times = np.union1d(times, snapped)
        times = times[times <= snapped[-1]]
        slots = np.full(len(times), -1)
        slots[np.searchsorted(times, snapped)] = np.arange(len(ts))
    return Grid(times, _cells_of(times, brownian), slots.astype(np.int64), ts)


def _cells_of(times, brownian: BrownianMotion) -> np.ndarray:
    """For each interval between times the cell of the motion that it is, or -1."""
    position = (times - brownian.start) / brownian.dt
    nearest = np.round(position)
    edge = np.abs(position - nearest) <= SNAP
    whole = edge[:-1] & edge[1:] & (np.diff(nearest) == 1)
    return np.where(whole, nearest[:-1], -1).astype(np.int64)


@dataclass(frozen=True, eq=False)
class OutputTimes:
    """Times that adaptive steps of a path end at.

    Attributes
    ----------
    ends : ndarray
        All of them, the initial time first.
    chosen : ndarray of int, slice, or None
        Those that are outputs; None where all steps are.
    """

    ends: np.ndarray
    chosen: np.ndarray | slice | None

    def of(self, record: np.ndarray) -> np.ndarray:
        """The output times of a path whose steps ended at the times of the record."""
        return record if self.chosen is None else self.ends[self.chosen]


def output_times(t0, t1, t_eval, paths) -> OutputTimes:
    """Those asked for; else all steps of a single path, start and end of an ensemble."""
    if t_eval is None:
        return OutputTimes(np.array([t0, t1]), None if paths is None else slice(None))
    ends = np.unique(np.concatenate([[t0], t_eval]))
    return OutputTimes(ends, np.searchsorted(ends, t_eval))


def recorded_grid(record: np.ndarray, outputs: OutputTimes) -> Grid:
    """The steps of a path of an adaptive run, as fixed ones."""
    ts = outputs.of(record)
    slots = np.full(len(record), -1)
    slots[np.searchsorted(record, ts)] = np.arange(len(ts))
    return Grid(record, np.full(len(record) - 1, -1), slots, ts)
