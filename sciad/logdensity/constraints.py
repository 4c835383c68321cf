"""Smooth maps from all real numbers onto constrained values, with the logarithm of their Jacobian.

A sampler or an optimiser moves freely in `z`; the model sees ``x = constraint(z)``. The density of `z` is
that of `x` times ``exp(log_jacobian(z))``. Formulas: Stan Reference Manual, chapter "Constraint Transforms".
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.special import log_expit, logit

__all__ = [
    "Bounded",
    "CholeskyCorrelation",
    "Ordered",
    "Positive",
    "Simplex",
    "Unconstrained",
    "constraint_named",
]


class Unconstrained(NamedTuple):
    """All real numbers: the identity."""

    def __call__(self, z):
        return z

    def inverse(self, x):
        return np.asarray(x, dtype=float)

    def log_jacobian(self, z):
        return 0.0

    def free_shape(self, shape):
        return shape


class Positive(NamedTuple):
    """Numbers greater than `low`: ``x = low + exp(z)``, entry by entry."""

    low: float = 0.0

    def __call__(self, z):
        return self.low + np.exp(z)

    def inverse(self, x):
        x = np.asarray(x, dtype=float)
        if not np.all(x > self.low):
            raise ValueError(f"{x} is not greater than {self.low}")
        return np.log(x - self.low)

    def log_jacobian(self, z):
        return np.sum(z)

    def free_shape(self, shape):
        return shape


class Bounded(NamedTuple):
    """Numbers between `low` and `high`: ``x = low + (high - low)/(1 + exp(-z))``, entry by entry."""

    low: Any
    high: Any

    def __call__(self, z):
        return self.low + (self.high - self.low) * np.exp(log_expit(z))

    def inverse(self, x):
        x = np.asarray(x, dtype=float)
        if not np.all((x > self.low) & (x < self.high)):
            raise ValueError(f"{x} is not between {self.low} and {self.high}")
        return logit((x - self.low) / (self.high - self.low))

    def log_jacobian(self, z):
        return np.sum(np.log(self.high - self.low) + log_expit(z) + log_expit(-z))

    def free_shape(self, shape):
        return shape


class Ordered(NamedTuple):
    """Vectors of increasing numbers: the first is free, the differences are exponentials."""

    def __call__(self, z):
        return np.concatenate([z[:1], z[0] + np.cumsum(np.exp(z[1:]))])

    def inverse(self, x):
        x = np.asarray(x, dtype=float)
        if x.ndim != 1 or not np.all(np.diff(x) > 0):
            raise ValueError(f"{x} is not a vector of increasing numbers")
        return np.concatenate([x[:1], np.log(np.diff(x))])

    def log_jacobian(self, z):
        return np.sum(z[1:])

    def free_shape(self, shape):
        return shape


class Simplex(NamedTuple):
    """Vectors of positive numbers with sum 1: K of them from K - 1, by breaking a stick."""

    def __call__(self, z):
        taken, left = _stick(z)
        return np.exp(np.concatenate([left[:-1] + taken, left[-1:]]))

    def inverse(self, x):
        x = np.asarray(x, dtype=float)
        if x.ndim != 1 or len(x) < 2 or not np.all(x > 0) or abs(np.sum(x) - 1) > 1e-8:
            raise ValueError(f"{x} is not a vector of positive numbers with sum 1")
        left = np.cumsum(x[::-1])[::-1]  # what is left before each piece
        return np.log(x[:-1] / left[1:]) + np.log(np.arange(len(x) - 1, 0, -1.0))

    def log_jacobian(self, z):
        taken, left = _stick(z)
        offset = np.log(np.arange(len(z), 0, -1.0))
        return np.sum(taken + log_expit(-(z - offset)) + left[:-1])

    def free_shape(self, shape):
        return (shape[0] - 1,)


def _stick(z):
    """Logarithms of the fraction that each piece takes of what is left, and of what is left."""
    z = z - np.log(np.arange(len(z), 0, -1.0))  # z = 0 is the middle of the simplex
    left = np.concatenate([np.zeros(1), np.cumsum(log_expit(-z))])
    return log_expit(z), left


class CholeskyCorrelation(NamedTuple):
    """Cholesky factors L of K x K correlation matrices, from K(K - 1)/2 partial correlations ``tanh(z)``."""

    def __call__(self, z):
        n = _side(len(z))
        rows = [np.eye(n)[0]]
        for i in range(1, n):
            own = z[i * (i - 1) // 2 : i * (i + 1) // 2]
            left = _roots_left(own)
            rows.append(
                np.concatenate([np.tanh(own) * np.exp(left[:-1]), np.exp(left[-1:]), np.zeros(n - 1 - i)])
            )
        return np.stack(rows)

    def inverse(self, x):
        x = np.asarray(x, dtype=float)
        if x.ndim != 2 or x.shape[0] != x.shape[1] or np.any(np.triu(x, 1)) or not np.all(np.diag(x) > 0):
            raise ValueError("not a lower triangular matrix with a positive diagonal")
        if not np.allclose(np.sum(x * x, axis=1), 1.0, atol=1e-8):
            raise ValueError("the rows of the Cholesky factor of a correlation matrix have norm 1")
        w = []
        for i in range(len(x)):
            left = 1.0
            for j in range(i):
                w.append(x[i, j] / math.sqrt(left))
                left -= x[i, j] ** 2
        return np.arctanh(np.array(w))

    def log_jacobian(self, z):
        n = _side(len(z))
        total = 0.0
        for i in range(1, n):
            left = _roots_left(z[i * (i - 1) // 2 : i * (i + 1) // 2])
            total = total + 2.0 * left[-1] + np.sum(left[:-1])
        return total

    def free_shape(self, shape):
        return (shape[0] * (shape[0] - 1) // 2,)


def _roots_left(z):
    """Logarithms of the root of what is left of 1 before each entry of a row, and of its last entry."""
    logs = np.log(2.0) - np.logaddexp(z, -z)  # of sqrt(1 - tanh(z)^2)
    return np.concatenate([np.zeros(1), np.cumsum(logs)])


def _side(size: int) -> int:
    """Rows of the matrix that has so many entries below its diagonal."""
    return int(0.5 + math.sqrt(0.25 + 2 * size) + 1e-6)  # compiles, as isqrt does not


ENTRYWISE = (Unconstrained, Positive, Bounded)  # each entry of x depends on its own entry of z
_NAMED = {
    "free": Unconstrained(),
    "positive": Positive(),
    "unit": Bounded(0.0, 1.0),
    "ordered": Ordered(),
    "simplex": Simplex(),
    "cholesky_correlation": CholeskyCorrelation(),
}


def constraint_named(name: Any) -> Any:
    """The constraint of this name; an instance stands for itself, None for `Unconstrained`."""
    if name is None:
        return _NAMED["free"]
    if not isinstance(name, str):
        if not all(hasattr(name, part) for part in ("inverse", "log_jacobian", "free_shape")):
            raise TypeError(f"{name!r} is no constraint; take one of {', '.join(_NAMED)} or an instance")
        return name
    if name == "bounded":
        raise ValueError('"bounded" needs its bounds: write Bounded(low, high)')
    if name not in _NAMED:
        raise ValueError(
            f"there is no constraint {name!r}; there are {', '.join(_NAMED)}, Bounded(low, high)"
        )
    return _NAMED[name]
