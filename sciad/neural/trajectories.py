"""Neural differential equations: a network as a vector field, its variants, and their regularisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.nn import mlp
from sciad.solvers import solve_ivp

__all__ = ["augmented", "neural_ode", "second_order", "universal", "with_energy"]


def neural_ode(w: Any, y0: Any, times: Any, net: Callable = mlp, **options: Any) -> Any:
    """States of ``dy/dt = net(w, y)`` at `times` (Chen et al., 2018).

    Parameters
    ----------
    w : nested weights
    y0 : array (..., n)
        At the first of the times; all batches are solved as one equation.
    times : array (T,)
    net : callable
        ``net(w, y)`` of the shape of y.
    **options
        Of `solve_ivp`: method, rtol, atol, adjoint, ...

    Returns
    -------
    array (..., n, T)
    """

    def field(t, y, w):
        return net(w, y)

    return solve_ivp(field, (times[0], times[-1]), y0, t_eval=times, args=(w,), **options).y


def augmented(y0: Any, extra: int) -> Any:
    """`y0` with `extra` zeros on its last axis (Dupont, Doucet and Teh, 2019).

    Trajectories of an equation cannot cross; with more dimensions their projections can.
    """
    return np.concatenate([y0, np.zeros((*np.shape(y0)[:-1], extra))], axis=-1)


def second_order(acceleration: Callable) -> Callable:
    """The field of ``x'' = acceleration(t, x, v, *args)`` on states with positions, then velocities.

    S. Massaroli et al., "Dissecting neural ODEs", NeurIPS 2020; A. Norcliffe et al., "On second order
    behaviour in augmented neural ODEs", NeurIPS 2020.
    """

    def field(t, y, *args):
        half = y.shape[-1] // 2
        x, v = y[..., :half], y[..., half:]
        return np.concatenate([v, acceleration(t, x, v, *args)], axis=-1)

    return field


def universal(known: Callable, net: Callable = mlp) -> Callable:
    """Known terms plus a network (Rackauckas et al., 2020): ``field(t, y, p)``.

    Parameters
    ----------
    known : callable
        ``known(t, y, rates)``.
    net : callable
        ``net(w, y)``.

    Returns
    -------
    callable
        Its parameters are ``{"known": rates, "net": w}``.
    """

    def field(t, y, p):
        return known(t, y, p["known"]) + net(p["net"], y)

    return field


def with_energy(field: Callable) -> Callable:
    """The field with one state more, whose growth is the square of the speed (Finlay et al., 2020).

    The last entry of each state, 0 at first, becomes the integral of ``|f|^2``: a penalty on it keeps
    trajectories straight and steps long.
    """

    def extended(t, y, *args):
        f = field(t, y[..., :-1], *args)
        return np.concatenate([f, np.sum(f * f, axis=-1, keepdims=True)], axis=-1)

    return extended
