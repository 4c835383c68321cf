"""The problems of the work-precision diagrams, with reference values at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.integrate

import sciad as ad
from tests.problems.ode_models import MODELS


@dataclass(frozen=True, eq=False)
class Problem:
    """`fun(t, y, *args)` from y0; absolute tolerances are `atol` times the relative ones."""

    name: str
    fun: Callable
    y0: np.ndarray
    span: tuple[float, float]
    args: tuple
    stiff: bool
    reference: np.ndarray
    atol: float = 1e-3
    sparsity: object = None

    def error(self, y) -> float:
        """Largest relative error of a component, those far below the largest one counted as if larger."""
        floor = 1e-6 * np.abs(self.reference).max()
        return float(np.max(np.abs(np.ravel(y) - self.reference) / (np.abs(self.reference) + floor)))


def e5(t, y, a, b, m, c):
    """Chemical pyrolysis (Hairer & Wanner II, IV.10; Enright, Hull & Lindberg 1975)."""
    first = a * y[0]
    second = b * y[0] * y[2]
    gain = first - m * c * y[1] * y[2]
    rest = second - c * y[3]
    return np.array([-first - second, gain, gain - rest, rest])  # y1' = y2' + y3' survives rounding


def brusselator_2d(t, y, a, b, alpha):
    """On a periodic square; y holds the grid of u, then that of v."""
    d = np.empty_like(y)
    n = y.shape[1]
    c = alpha * n * n
    for i in range(n):
        up, down = (i - 1) % n, (i + 1) % n
        for j in range(n):
            left, right = (j - 1) % n, (j + 1) % n
            u, v = y[0, i, j], y[1, i, j]
            uuv = u * u * v
            around = y[0, up, j] + y[0, down, j] + y[0, i, left] + y[0, i, right]
            d[0, i, j] = b + uuv - (a + 1) * u + c * (around - 4 * u)
            around = y[1, up, j] + y[1, down, j] + y[1, i, left] + y[1, i, right]
            d[1, i, j] = a * u - uuv + c * (around - 4 * v)
    return d


FROM_MODELS = {
    "lotka_volterra": "Lotka-Volterra",
    "pleiades": "Pleiades",
    "arenstorf": "Arenstorf",
    "robertson": "Robertson",
    "hires": "HIRES",
    "oregonator": "OREGO",
    "van_der_pol": "van der Pol, 1e6",
    "pollu": "POLLU",
    "brusselator": "Brusselator 1-D",
}


def problems() -> list[Problem]:
    found = []
    for key, name in FROM_MODELS.items():
        model = MODELS[key]
        atol = {"robertson": 1e-8, "lotka_volterra": 1.0, "pleiades": 1.0, "arenstorf": 1.0}.get(key, 1e-3)
        final = model.final()
        found.append(Problem(name, model.fun, model.y0, model.t_span, model.args, model.stiff, final, atol))
    found.insert(-1, _e5())
    found.append(_brusselator_2d(12))
    return found


def _tight(fun, span, y0, args, **options):
    solution = scipy.integrate.solve_ivp(fun, span, y0, "Radau", args=args, rtol=1e-10, **options)
    assert solution.success, solution.message
    return solution.y[:, -1]


def _e5() -> Problem:
    y0, args = np.array([1.76e-3, 0.0, 0.0, 0.0]), (7.89e-10, 1.1e7, 1e6, 1.13e3)
    final = _tight(e5, (0.0, 1e7), y0, args, atol=1e-28)
    return Problem("E5", e5, y0, (0.0, 1e7), args, True, final, 1e-18)


def _brusselator_2d(n: int) -> Problem:
    x, z = np.meshgrid(np.arange(n) / n, np.arange(n) / n)
    y0, args, span = np.stack([22 * z * (1 - z) ** 1.5, 27 * x * (1 - x) ** 1.5]), (3.4, 1.0, 0.1), (0.0, 2.0)
    pattern = ad.sparsity(brusselator_2d, (0.0, y0, *args), 1)

    def flat(t, y):
        return jitted(t, y.reshape(2, n, n), *args).ravel()

    jitted = ad.jit(brusselator_2d)
    final = _tight(flat, span, y0.ravel(), (), atol=1e-12, jac_sparsity=pattern)
    return Problem("Brusselator 2-D", brusselator_2d, y0, span, args, True, final, 1e-3, pattern)
