"""Logarithms of probability densities of real numbers, summed over all observations.

They are normalised: differences between models are likelihood ratios. Arguments broadcast; any of them may be
differentiated. Outside of its support a density is zero and its logarithm minus infinity.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import gammaln

__all__ = ["exponential", "gamma", "lognormal", "multivariate_normal", "normal", "student_t"]

_HALF_LOG_2PI = 0.9189385332046727


def normal(x: Any, mean: Any = 0.0, sd: Any = 1.0) -> Any:
    """Sum of log densities of the normal distribution.

    Parameters
    ----------
    x, mean, sd : number or array
        Observations, means and standard deviations.

    Examples
    --------
    >>> import numpy as np
    >>> from sciad import logdensity
    >>> round(float(logdensity.normal(np.array([0.0, 1.0]), 0.0, 1.0)), 6)
    -2.337877
    """
    z = (x - mean) / sd
    return np.sum(-0.5 * z * z - np.log(sd) - _HALF_LOG_2PI)


def lognormal(x: Any, mean: Any = 0.0, sd: Any = 1.0) -> Any:
    """Sum of log densities of numbers whose logarithms are normal.

    Parameters
    ----------
    x : number or array
        Positive observations.
    mean, sd : number or array
        Of the logarithms.
    """
    inside = x > 0
    logs = np.log(np.where(inside, x, 1.0))
    z = (logs - mean) / sd
    return np.sum(np.where(inside, -0.5 * z * z - np.log(sd) - _HALF_LOG_2PI - logs, -np.inf))


def student_t(x: Any, df: Any, mean: Any = 0.0, scale: Any = 1.0) -> Any:
    """Sum of log densities of Student's t with location and scale.

    Parameters
    ----------
    x, df, mean, scale : number or array
        Observations, degrees of freedom, location and scale.
    """
    z = (x - mean) / scale
    constant = gammaln(0.5 * (df + 1.0)) - gammaln(0.5 * df) - 0.5 * np.log(np.pi * df)
    return np.sum(constant - np.log(scale) - 0.5 * (df + 1.0) * np.log1p(z * z / df))


def exponential(x: Any, rate: Any = 1.0) -> Any:
    """Sum of log densities ``rate*exp(-rate*x)`` of numbers that are not negative."""
    return np.sum(np.where(x >= 0, np.log(rate) - rate * x, -np.inf))


def gamma(x: Any, shape: Any, rate: Any = 1.0) -> Any:
    """Sum of log densities of the gamma distribution: mean ``shape/rate``, variance ``shape/rate^2``."""
    inside = x > 0
    safe = np.where(inside, x, 1.0)
    density = shape * np.log(rate) - gammaln(shape) + (shape - 1.0) * np.log(safe) - rate * safe
    return np.sum(np.where(inside, density, -np.inf))


def multivariate_normal(x: Any, mean: Any, factor: Any) -> Any:
    """Log density of a normal vector, or the sum over the rows of a matrix.

    Parameters
    ----------
    x : array (n,) or (rows, n)
    mean : array (n,) or number
    factor : array (n, n)
        The Cholesky factor L of the covariance ``L L^T``: lower triangular, with a positive diagonal.
    """
    size = factor.shape[0]
    rows = np.reshape(x - mean + np.zeros(size), (-1, size))
    z = np.linalg.solve(factor, rows.T)
    each = np.sum(np.log(np.diagonal(factor))) + size * _HALF_LOG_2PI
    return -0.5 * np.sum(z * z) - rows.shape[0] * each
