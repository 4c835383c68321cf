"""Deep equilibria, steady states and periodic orbits: solutions that are conditions, not trajectories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.solvers import solve_ivp
from sciad.transforms.implicit import fixed_point

__all__ = ["deep_equilibrium", "orbit_residuals"]


def deep_equilibrium(cell: Callable, w: Any, x: Any, size: int, **options: Any) -> Any:
    """The hidden state that a layer leaves as it is: ``z = cell(w, z, x)`` (Bai, Kolter and Koltun, 2019).

    Its derivative comes from the implicit function theorem: nothing of the iteration is kept.

    Parameters
    ----------
    cell : callable
        ``cell(w, z, x)`` of the shape of z, a contraction in z.
    w : nested weights
    x : array (..., features)
    size : int
        Of the hidden state.
    **options
        Of `sciad.fixed_point`.

    Returns
    -------
    array (..., size)
    """
    start = np.zeros((*np.shape(x)[:-1], size))
    return fixed_point(lambda z, w, x: cell(w, z, x), start, w, x, **options)


def orbit_residuals(field: Callable, y0: Any, period: Any, args: tuple = (), **options: Any) -> Any:
    """Zero where y0 lies on a periodic orbit of this period: ``y(period) - y0``, and a phase condition.

    The last residual is the slope of the first component at y0, so that y0 is where that one is largest or
    least.

    Parameters
    ----------
    field : callable
        ``field(t, y, *args)``, which does not depend on t.
    y0 : array (n,)
    period : number
    args : tuple
    **options
        Of `solve_ivp`.

    Returns
    -------
    array (n + 1,)
    """
    sol = solve_ivp(field, (0.0, period), y0, t_eval=[period], args=args, **options)
    return np.concatenate([sol.y[:, 0] - y0, field(0.0, y0, *args)[:1]])
