"""Fits of long or chaotic trajectories: multiple shooting and collocation.

A single trajectory over a long time depends on its parameters so wildly that a search does not converge. Both
methods make the states on the way unknowns of their own, and their continuity residuals that the search
brings to zero. H. G. Bock, "Recent advances in parameter identification techniques for ODE", 1983;
C. R. Hargraves and S. W. Paris, "Direct trajectory optimization using nonlinear programming and collocation",
J. Guidance 10 (1987), for the defects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sciad.solvers import solve_ivp

__all__ = ["collocation_residuals", "segment_starts", "shooting_residuals"]


def segment_starts(count: int, length: int) -> list[int]:
    """Indices of the times at which segments of so many times begin."""
    return list(range(0, max(count - 1, 1), length))


def shooting_residuals(
    field: Callable,
    args: tuple,
    nodes: Any,
    times: Any,
    data: Any,
    starts: Sequence[int],
    weight: float = 1.0,
    observe: Callable | None = None,
    **options: Any,
) -> Any:
    """Residuals of data and of continuity, for `sciad.optimize.least_squares`.

    Parameters
    ----------
    field : callable
        ``field(t, y, *args)``.
    args : tuple
    nodes : array (segments, n)
        States where the segments begin: unknowns, at first those of the data.
    times : array (T,)
    data : array (m, T)
    starts : sequence of int
        As from `segment_starts`.
    weight : float
        Of the jumps between segments, against residuals of data: large at the end of a fit.
    observe : callable, optional
        ``observe(y)`` of states (n, k) gives what is compared with the data (m, k); by default the states.
    **options
        Of `solve_ivp`.

    Returns
    -------
    array (m*T + n*(segments - 1),)
    """
    ends = [*starts[1:], len(times) - 1]
    data_parts, jumps = [], []
    for k, (first, end) in enumerate(zip(starts, ends, strict=True)):
        own = times[first : end + 1]
        y = solve_ivp(field, (own[0], own[-1]), nodes[k], t_eval=own, args=args, **options).y
        last = k == len(starts) - 1
        kept = y if last else y[:, :-1]
        shown = kept if observe is None else observe(kept)
        data_parts.append(np.ravel(shown - data[:, first : first + kept.shape[1]]))
        if not last:
            jumps.append(weight * (y[:, -1] - nodes[k + 1]))
    return np.concatenate([*data_parts, *jumps])


def collocation_residuals(field: Callable, args: tuple, states: Any, times: Any, weight: float = 1.0) -> Any:
    """Defects of states at all times: zero where a cubic between each two of them solves the equation.

    No equation is solved: the states are unknowns, and the defects (Hermite-Simpson, of fourth order) are
    residuals beside those of the data.

    Parameters
    ----------
    field : callable
        ``field(t, y, *args)`` for all times at once: t of shape (T,), y of shape (n, T).
    args : tuple
    states : array (n, T)
    times : array (T,)
    weight : float

    Returns
    -------
    array (n*(T - 1),)
    """
    h = np.diff(times)
    f = field(times, states, *args)
    left, right = states[:, :-1], states[:, 1:]
    middle = 0.5 * (left + right) + h / 8.0 * (f[:, :-1] - f[:, 1:])
    between = field(times[:-1] + 0.5 * h, middle, *args)
    defect = right - left - h / 6.0 * (f[:, :-1] + 4.0 * between + f[:, 1:])
    return np.ravel(weight * defect)
