"""The distribution of Lewandowski, Kurowicka and Joe (2009) over correlation matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import gammaln

__all__ = ["lkj", "lkj_cholesky"]


def lkj(correlation: Any, eta: Any) -> Any:
    """Log density ``(eta - 1) log det R + constant`` over correlation matrices R.

    Parameters
    ----------
    correlation : array (n, n)
    eta : number
        1 is uniform; the larger, the closer to the identity.
    """
    factor = np.linalg.cholesky(correlation)
    logs = np.log(np.diagonal(factor))
    return 2.0 * (eta - 1.0) * np.sum(logs) + _constant(factor.shape[0], eta)


def lkj_cholesky(factor: Any, eta: Any) -> Any:
    """The same as a density over Cholesky factors: their Jacobian is in it.

    Parameters
    ----------
    factor : array (n, n)
        The lower triangular L of a correlation matrix ``L L^T``; `CholeskyCorrelation` makes them of free
        numbers.
    eta : number
    """
    n = factor.shape[0]
    powers = np.arange(n - 1, -1, -1.0) + 2.0 * (eta - 1.0)
    logs = np.log(np.diagonal(factor))
    return np.sum(powers[1:] * logs[1:]) + _constant(n, eta)


def _constant(n: int, eta):
    """The logarithm of one over the normalising constant (equations 16 and 17 there, over vines)."""
    total = 0.0
    for k in range(1, n):
        beta = eta + 0.5 * (n - 1 - k)
        # of partial correlations on (-1, 1) with density proportional to (1 - r^2)^(beta - 1)
        each = (2.0 * beta - 1.0) * np.log(2.0) + 2.0 * gammaln(beta) - gammaln(2.0 * beta)
        total = total + (n - k) * each
    return -total
