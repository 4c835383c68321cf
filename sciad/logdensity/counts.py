"""Logarithms of probabilities of counts, summed over all observations; counts need not be of integer type."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import gammaln, log_expit, xlogy

__all__ = ["binomial", "binomial_logit", "negative_binomial", "poisson"]


def poisson(k: Any, mean: Any) -> Any:
    """Sum of log probabilities of the Poisson distribution.

    Parameters
    ----------
    k : number or array
        Counts.
    mean : number or array
        Means, of zero at least; a mean of zero allows the count zero only.
    """
    return np.sum(np.where(k >= 0, xlogy(k, mean) - mean - gammaln(k + 1.0), -np.inf))


def binomial(k: Any, trials: Any, probability: Any) -> Any:
    """Sum of log probabilities of `k` successes among `trials`."""
    inside = (k >= 0) & (k <= trials)
    k = np.where(inside, k, 0.0)
    density = _choose(trials, k) + xlogy(k, probability) + xlogy(trials - k, 1.0 - probability)
    return np.sum(np.where(inside, density, -np.inf))


def binomial_logit(k: Any, trials: Any, logit: Any) -> Any:
    """As `binomial`, with the probability ``1/(1 + exp(-logit))``: exact where it is close to 0 or 1."""
    inside = (k >= 0) & (k <= trials)
    k = np.where(inside, k, 0.0)
    density = _choose(trials, k) + k * log_expit(logit) + (trials - k) * log_expit(-logit)
    return np.sum(np.where(inside, density, -np.inf))


def negative_binomial(k: Any, mean: Any, dispersion: Any) -> Any:
    """Sum of log probabilities of counts with variance ``mean + mean^2/dispersion``.

    Parameters
    ----------
    k : number or array
        Counts.
    mean : number or array
    dispersion : number or array
        Also called size or phi; the Poisson distribution is the limit of a large one.
    """
    share = mean / (mean + dispersion)
    density = (
        gammaln(k + dispersion)
        - gammaln(dispersion)
        - gammaln(k + 1.0)
        - dispersion * np.log1p(mean / dispersion)
        + xlogy(k, share)
    )
    return np.sum(np.where(k >= 0, density, -np.inf))


def _choose(n, k):
    return gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)
