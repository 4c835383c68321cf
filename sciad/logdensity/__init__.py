"""Logarithms of densities, and maps of real numbers onto constrained values, for compiled posteriors.

A posterior density is the sum of calls of these functions; a constraint adds its ``log_jacobian``.
"""

from sciad.logdensity.constraints import (
    Bounded,
    CholeskyCorrelation,
    Ordered,
    Positive,
    Simplex,
    Unconstrained,
)
from sciad.logdensity.correlations import lkj, lkj_cholesky
from sciad.logdensity.counts import binomial, binomial_logit, negative_binomial, poisson
from sciad.logdensity.densities import exponential, gamma, lognormal, multivariate_normal, normal, student_t

__all__ = [
    "Bounded", "CholeskyCorrelation", "Ordered", "Positive", "Simplex", "Unconstrained", "binomial",
    "binomial_logit", "exponential", "gamma", "lkj", "lkj_cholesky", "lognormal", "multivariate_normal",
    "negative_binomial", "normal", "poisson", "student_t",
]  # fmt: skip
