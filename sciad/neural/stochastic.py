"""Neural stochastic equations: fitted by moments of ensembles, or as hidden motions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["latent_sde", "moment_loss"]


def moment_loss(paths: Any, means: Any, deviations: Any) -> Any:
    """Mean squared error of the means and standard deviations of an ensemble.

    Parameters
    ----------
    paths : array (paths, ..., T)
        As `solve_sde` returns them.
    means, deviations : array (..., T)
    """
    found = np.mean(paths, axis=0)
    spread = np.sqrt(np.mean((paths - found) ** 2, axis=0) + 1e-12)
    return np.mean((found - means) ** 2) + np.mean((spread - deviations) ** 2)


def latent_sde(prior: Callable, posterior: Callable, diffusion: Callable) -> tuple[Callable, Callable]:
    """Drift and diffusion of a posterior motion, with its divergence from the prior as last state.

    X. Li, T.-K. L. Wong, R. T. Q. Chen and D. Duvenaud, "Scalable gradients for stochastic differential
    equations", AISTATS 2020, section 5: by Girsanov's theorem the divergence grows at the rate
    ``|(posterior - prior)/diffusion|^2 / 2``.

    Parameters
    ----------
    prior, posterior, diffusion : callable
        ``(t, z, *args)`` of the shape of z, whose last axis is the state; the noise is diagonal.

    Returns
    -------
    drift, diffusion : callables
        For `solve_sde`, of states with one entry more on the last axis, 0 at first. The mean of its last
        value over paths is the divergence.
    """

    def extended_drift(t, y, *args):
        z = y[..., :-1]
        drift = posterior(t, z, *args)
        u = (drift - prior(t, z, *args)) / diffusion(t, z, *args)
        return np.concatenate([drift, 0.5 * np.sum(u * u, axis=-1, keepdims=True)], axis=-1)

    def extended_diffusion(t, y, *args):
        return np.concatenate([diffusion(t, y[..., :-1], *args), 0.0 * y[..., -1:]], axis=-1)

    return extended_drift, extended_diffusion
