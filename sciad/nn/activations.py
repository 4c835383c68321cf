"""Activation functions, entry by entry, without overflow; smooth ones have derivatives of all orders."""

from __future__ import annotations

import numpy as np
from scipy.special import erf, expit

__all__ = ["elu", "gelu", "relu", "sigmoid", "silu", "softmax", "softplus"]


def sigmoid(x):
    """``1/(1 + exp(-x))``."""
    return expit(x)


def softplus(x):
    """``log(1 + exp(x))``: positive, about x for large x."""
    return np.logaddexp(0.0, x)


def silu(x):
    """``x*sigmoid(x)``, also called swish."""
    return x * expit(x)


def gelu(x):
    """x times the normal distribution function at x (Hendrycks and Gimpel, 2016)."""
    return 0.5 * x * (1.0 + erf(x / np.sqrt(2.0)))


def relu(x):
    """The positive part of x. Its kink makes adaptive steps short: prefer `softplus` in a vector field."""
    return np.maximum(x, 0.0)


def elu(x, scale: float = 1.0):
    """x where positive, ``scale*(exp(x) - 1)`` elsewhere."""
    return np.where(x > 0, x, scale * np.expm1(np.minimum(x, 0.0)))


def softmax(x):
    """Positive numbers with sum 1 along the last axis, in proportion to ``exp(x)``."""
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)
