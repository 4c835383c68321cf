"""Optimal control: controls that are constant or straight between given times, and costs along the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.solvers import solve_ivp

__all__ = ["controlled_cost", "stepped_control", "straight_control"]


def stepped_control(t: Any, knots: Any, values: Any) -> Any:
    """``values[k]`` for t from ``knots[k]`` to ``knots[k + 1]``; before and after, the nearest.

    Parameters
    ----------
    t : number
    knots : array (K + 1,)
    values : array (K,) or (K, controls)
    """
    k = 0
    while k < len(values) - 1 and t >= knots[k + 1]:
        k += 1
    return values[k]


def straight_control(t: Any, knots: Any, values: Any) -> Any:
    """Straight lines between ``values[k]`` at ``knots[k]``; constant before and after.

    Parameters
    ----------
    t : number
    knots : array (K,)
    values : array (K,) or (K, controls)
    """
    k = 0
    while k < len(knots) - 2 and t >= knots[k + 1]:
        k += 1
    share = np.clip((t - knots[k]) / (knots[k + 1] - knots[k]), 0.0, 1.0)
    return values[k] + share * (values[k + 1] - values[k])


def controlled_cost(
    field: Callable,
    running: Callable,
    final: Callable,
    y0: Any,
    knots: Any,
    values: Any,
    args: tuple = (),
    control: Callable = stepped_control,
    **options: Any,
) -> Any:
    """The cost of a control: ``final(y(T)) + integral of running(t, y, u) dt``.

    The integral is a state of the equation, so that it is inside of the error test and of the derivative;
    steps end at the knots.

    Parameters
    ----------
    field : callable
        ``field(t, y, u, *args) -> dy/dt`` of shape (n,).
    running, final : callable
        ``running(t, y, u, *args)`` and ``final(y, *args)``, numbers.
    y0 : array (n,)
    knots, values
        Of the control; the solve is from the first knot to the last.
    args : tuple
    control : callable
        `stepped_control` or `straight_control`.
    **options
        Of `solve_ivp`.
    """

    def model(t, y, values, knots, *args):
        u = control(t, knots, values)
        cost = running(t, y[:-1], u, *args)
        return np.concatenate([field(t, y[:-1], u, *args), np.reshape(cost, (1,))])

    span = (knots[0], knots[-1])
    start = np.concatenate([y0, np.zeros(1)])
    inner = np.asarray(knots)[1:-1]
    end = solve_ivp(
        model, span, start, t_eval=[span[1]], args=(values, knots, *args), tstops=inner, **options
    ).y[:, 0]
    return final(end[:-1], *args) + end[-1]
