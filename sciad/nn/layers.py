"""Layers of networks: functions of weights and inputs, batch axes first, with functions that make weights.

Weights are nested dicts and lists of arrays. An input has its features on the last axis and any axes before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from sciad.nn.activations import sigmoid
from sciad.nn.initializers import glorot_normal, orthogonal

__all__ = [
    "dense",
    "dense_weights",
    "gru",
    "gru_weights",
    "layer_norm",
    "layer_norm_weights",
    "mlp",
    "mlp_weights",
]


def dense_weights(
    rng: np.random.Generator, inputs: int, outputs: int, init: Callable = glorot_normal
) -> dict:
    """Weights of `dense`; the bias begins with zeros."""
    return {"weight": init(rng, inputs, outputs), "bias": np.zeros(outputs)}


def dense(w: dict, x: Any) -> Any:
    """``x @ weight + bias``."""
    return x @ w["weight"] + w["bias"]


def mlp_weights(
    rng: np.random.Generator,
    sizes: Sequence[int],
    init: Callable = glorot_normal,
    last: Callable | None = None,
) -> list:
    """Weights of `mlp`.

    Parameters
    ----------
    rng : Generator
    sizes : sequence of int
        Of the input, the hidden layers and the output.
    init, last : callable
        Draw the matrices; `last` the last one's, `sciad.nn.zeros` for a network that begins with zero.

    Returns
    -------
    list of dict
    """
    if len(sizes) < 2:
        raise ValueError(f"a network has sizes of its input and of its output at least, not {sizes}")
    pairs = list(pairwise(sizes))
    made = [dense_weights(rng, a, b, init) for a, b in pairs[:-1]]
    return [*made, dense_weights(rng, *pairs[-1], last or init)]


def mlp(w: list, x: Any, activation: Callable = np.tanh) -> Any:
    """Dense layers with an activation between them, none after the last.

    Examples
    --------
    >>> import numpy as np, sciad.nn as nn
    >>> w = nn.mlp_weights(np.random.default_rng(0), (2, 16, 3))
    >>> nn.mlp(w, np.ones((5, 2))).shape
    (5, 3)
    """
    for layer in w[:-1]:
        x = activation(x @ layer["weight"] + layer["bias"])
    return x @ w[-1]["weight"] + w[-1]["bias"]


def layer_norm_weights(size: int) -> dict:
    """Weights of `layer_norm`, which begins as a mere normalisation."""
    return {"scale": np.ones(size), "shift": np.zeros(size)}


def layer_norm(w: dict, x: Any, eps: float = 1e-5) -> Any:
    """Mean 0 and variance 1 over the features, then a scale and a shift of each (Ba et al., 2016)."""
    centered = x - np.mean(x, axis=-1, keepdims=True)
    variance = np.mean(centered * centered, axis=-1, keepdims=True)
    return centered / np.sqrt(variance + eps) * w["scale"] + w["shift"]


def gru_weights(rng: np.random.Generator, inputs: int, size: int) -> dict:
    """Weights of `gru`; the recurrent matrices begin orthogonal."""
    return {
        name: {
            "input": glorot_normal(rng, inputs, size),
            "state": orthogonal(rng, size, size),
            "bias": np.zeros(size),
        }
        for name in ("reset", "update", "candidate")
    }


def gru(w: dict, h: Any, x: Any) -> Any:
    """One step of a gated recurrent unit: the state after input x (Cho et al., 2014)."""
    reset = sigmoid(_gate(w["reset"], h, x))
    update = sigmoid(_gate(w["update"], h, x))
    candidate = np.tanh(_gate(w["candidate"], reset * h, x))
    return update * h + (1.0 - update) * candidate


def _gate(w, h, x):
    return x @ w["input"] + h @ w["state"] + w["bias"]
