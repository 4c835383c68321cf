"""Vector fields from scalar functions: Hamiltonian motion, and functions that are convex by construction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.nn.activations import softplus
from sciad.nn.initializers import glorot_normal

__all__ = ["convex", "convex_weights", "hamiltonian_field"]


def convex_weights(rng: np.random.Generator, inputs: int, hidden: tuple[int, ...]) -> list:
    """Weights of `convex` for inputs of this size."""
    made, before = [], 0
    for size in (*hidden, 1):
        layer = {"input": glorot_normal(rng, inputs, size), "bias": np.zeros(size)}
        if before:
            layer["state"] = glorot_normal(rng, before, size) - np.log(before)
        made.append(layer)
        before = size
    return made


def convex(w: list, x: Any) -> Any:
    """An input-convex network (Amos, Xu and Kolter, 2017): a number for each row of x, convex in it.

    Matrices between hidden layers count as ``softplus(state)``, so that they are positive; softplus is convex
    and increasing.
    """
    z = softplus(x @ w[0]["input"] + w[0]["bias"])
    for layer in w[1:-1]:
        z = softplus(z @ softplus(layer["state"]) + x @ layer["input"] + layer["bias"])
    last = w[-1]
    return (z @ softplus(last["state"]) + x @ last["input"] + last["bias"])[..., 0]


def hamiltonian_field(gradient: Callable) -> Callable:
    """The motion ``(dq/dt, dp/dt) = (dH/dp, -dH/dq)`` of an energy given by its gradient.

    Parameters
    ----------
    gradient : callable
        ``gradient(y, *args)`` of the shape of y, whose last axis holds positions, then momenta; for instance
        ``sciad.grad`` of an energy of one state.

    Returns
    -------
    callable
        ``field(t, y, *args)``, for `sciad.solvers.solve_ivp` (Greydanus et al., 2019).
    """

    def field(t, y, *args):
        slope = gradient(y, *args)
        half = slope.shape[-1] // 2
        return np.concatenate([slope[..., half:], -slope[..., :half]], axis=-1)

    return field
