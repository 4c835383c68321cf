"""The dense output of a step, as kernels and in NumPy.

With theta in [0, 1] where in the step, y and y1 the states at its ends, and vectors d_m that are sums of its
stages (times the step size h where stages are slopes),

    y(theta) = (1-theta) y + theta (y1 + (1-theta) P(theta)),   P(theta) = sum_m theta^m d_m,
    h y'(theta) = y1 - y + (1 - 2 theta) P + theta (1-theta) P'.

Kernels work on component k: those on ``z`` with the rows of d_m from ``first`` on and of the states ``start``
and ``end``, those on ``saved`` with a step's row of the record, [t, h, y, stages].
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial.polynomial import polyder

from sciad.native.kernels import kernel
from sciad.native.runtime import combine, combine_from, scatter, unroll
from sciad.solvers.stepping.linked_names import DENSE, DENSE_ROWS, SCALED, B

__all__ = [
    "change_of",
    "derivative",
    "locate",
    "powers",
    "prepare_vectors",
    "pull_value",
    "pull_vectors",
    "saved_slope",
    "saved_value",
    "value",
    "value_at",
    "vectors_of",
]


# -- kernels -------------------------------------------------------------------------------------------


@kernel
def prepare_vectors(z, first, h, k):
    """Write d_m, from the stages, which are the first rows."""
    for m in unroll(range(DENSE_ROWS)):
        total = combine(DENSE[m], z, k)
        z[first + m, k] = h * total if SCALED else total


@kernel
def pull_vectors(z, first, h, k):
    """Add to the cotangents of the stages what those of d_m ask of them."""
    for m in unroll(range(DENSE_ROWS)):
        weight = h * z[first + m, k] if SCALED else z[first + m, k]
        scatter(DENSE[m], z, k, weight)


@kernel
def value_at(z, first, start, end, theta, k):
    """y(theta)."""
    total = 0.0
    for m in unroll(range(DENSE_ROWS - 1, -1, -1)):
        total = total * theta + z[first + m, k]
    return (1.0 - theta) * z[start, k] + theta * (z[end, k] + (1.0 - theta) * total)


@kernel
def pull_value(z, first, start, end, theta, g, k):
    """Add to the cotangents of y, y1 and d_m what the cotangent g of y(theta) asks of them."""
    z[end, k] += theta * g
    z[start, k] += (1.0 - theta) * g
    weight = theta * (1.0 - theta) * g
    for m in unroll(range(DENSE_ROWS)):
        z[first + m, k] += weight
        weight *= theta


@kernel
def saved_value(n, saved, theta, k):
    """y(theta)."""
    p = 0.0
    for m in unroll(range(DENSE_ROWS - 1, -1, -1)):
        p = p * theta + combine_from(DENSE[m], saved, 2 + n + k, n)
    change = combine_from(B, saved, 2 + n + k, n)
    scale = saved[1] if SCALED else 1.0
    return saved[2 + k] + theta * scale * (change + (1.0 - theta) * p)


@kernel
def saved_slope(n, saved, theta, k):
    """dy/dt."""
    p = 0.0
    dp = 0.0
    for m in unroll(range(DENSE_ROWS - 1, -1, -1)):
        dp = dp * theta + p
        p = p * theta + combine_from(DENSE[m], saved, 2 + n + k, n)
    change = combine_from(B, saved, 2 + n + k, n)
    slope = change + (1.0 - 2.0 * theta) * p + theta * (1.0 - theta) * dp
    return slope if SCALED else slope / saved[1]


# -- in NumPy ------------------------------------------------------------------------------------------


def change_of(method, h: np.ndarray, stages: np.ndarray) -> np.ndarray:
    """y1 - y of steps (s, n), from their sizes (s,) and stages (s, rows, n)."""
    return _sum(method, method.b, h, stages)


def vectors_of(method, h: np.ndarray, stages: np.ndarray) -> list[np.ndarray]:
    """The d_m of steps, (s, n) each; arguments as for `change_of`."""
    return [_sum(method, weights, h, stages) for weights in method.dense]


def _sum(method, weights, h, stages):
    total = np.einsum("j,sjk->sk", np.array(weights), stages[:, : len(weights)])
    return total * h[:, None] if method.scaled else total


def value(theta, y, y1, d):
    """y(theta), where the d_m are the items of ``d``."""
    return (1 - theta) * y + theta * (y1 + (1 - theta) * _horner(d, theta))


def derivative(theta, h, y, y1, d, order: int):
    """The derivative of an order >= 1 in time."""
    return _horner(polyder(powers(y, y1, d), order), theta) / h**order


def powers(y, y1, d) -> np.ndarray:
    """Coefficients of the powers of theta, y + theta (y1 - y) + (theta - theta^2) sum_m theta^m d_m."""
    d = np.reshape(d, (len(d), *y.shape))
    found = np.zeros((len(d) + 2, *y.shape))
    found[0], found[1] = y, y1 - y
    found[1:-1] += d
    found[2:] -= d
    return found


def _horner(coefficients, theta):
    total = 0.0 * theta
    for row in coefficients[::-1]:
        total = total * theta + row
    return total


def locate(edges: np.ndarray, h: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The step that each time lies in and theta there, of steps of sizes ``h`` between ``edges``.

    A time at which one step ends and the next begins belongs to the first, and the end of a whole step is
    met exactly; times outside belong to the nearest step.
    """
    sign = 1.0 if h[0] > 0.0 else -1.0
    step = np.searchsorted(sign * edges, sign * times, side="left") - 1
    step = np.clip(step, 0, len(h) - 1)
    theta = (times - edges[step]) / h[step]
    theta[(times == edges[step + 1]) & (np.abs(theta - 1.0) < 1e-9)] = 1.0
    return step, theta
