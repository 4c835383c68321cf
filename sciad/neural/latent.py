"""Latent differential equations: an encoder reads a series, a hidden motion is solved, a decoder shows it.

Y. Rubanova, R. T. Q. Chen and D. Duvenaud, "Latent ODEs for irregularly-sampled time series", NeurIPS 2019.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sciad.logdensity import normal
from sciad.neural.trajectories import neural_ode
from sciad.nn import dense, dense_weights, gru, gru_weights, mlp, mlp_weights

__all__ = ["decoded", "encoded", "latent_loss", "latent_weights"]


def latent_weights(rng: np.random.Generator, features: int, latent: int, hidden: int) -> dict:
    """Weights of all three parts."""
    return {
        "encoder": {
            "cell": gru_weights(rng, features + 1, hidden),
            "head": dense_weights(rng, hidden, 2 * latent),
        },
        "field": mlp_weights(rng, (latent, hidden, latent)),
        "decoder": mlp_weights(rng, (latent, hidden, features)),
    }


def encoded(w: dict, times: Any, ys: Any) -> tuple[Any, Any]:
    """Mean and logarithm of the standard deviation of the hidden state at the first time.

    Parameters
    ----------
    w : dict
        As from `latent_weights`.
    times : array (T,)
    ys : array (batch, T, features)

    Returns
    -------
    pair of arrays (batch, latent)
    """
    h = np.zeros((ys.shape[0], w["encoder"]["head"]["weight"].shape[0]))
    for k in range(len(times) - 1, -1, -1):
        gap = times[min(k + 1, len(times) - 1)] - times[k]
        h = gru(w["encoder"]["cell"], h, np.concatenate([ys[:, k], np.full((ys.shape[0], 1), gap)], axis=1))
    out = dense(w["encoder"]["head"], h)
    half = out.shape[1] // 2
    return out[:, :half], out[:, half:]


def decoded(w: dict, z0: Any, times: Any, **options: Any) -> Any:
    """Series (batch, T, features) that follow from hidden states (batch, latent) at the first time."""
    z = neural_ode(w["field"], z0, times, **options)
    return mlp(w["decoder"], np.moveaxis(z, -1, 1))


def latent_loss(
    w: dict, times: Any, ys: Any, noise: Any, sd: float, weight: float = 1.0, **options: Any
) -> Any:
    """The negative evidence bound per series, by one sample of each hidden state.

    Parameters
    ----------
    w, times, ys
        As of `encoded`.
    noise : array (batch, latent)
        Normal numbers.
    sd : float
        Of the observations.
    weight : float
        Of the divergence from the standard normal prior; raising it slowly to 1 helps.
    **options
        Of `solve_ivp`.
    """
    mean, log_sd = encoded(w, times, ys)
    shown = decoded(w, mean + np.exp(log_sd) * noise, times, **options)
    divergence = 0.5 * np.sum(mean**2 + np.exp(2 * log_sd) - 1.0 - 2 * log_sd)
    return (weight * divergence - normal(ys, shown, sd)) / ys.shape[0]
