"""Gradients of models that switch: their error by tolerance, with kinks located and without, and their time.

Run as ``python -m benchmarks.gradients_at_kinks``. The reference is SciPy's DOP853 at rtol 1e-12, by
differences.
"""

from __future__ import annotations

import time

import numpy as np
import scipy.integrate

import sciad as ad
from sciad.solvers import solve_ivp

__all__ = ["MODELS", "error", "reference"]


def friction(t, y, p):
    """An oscillator with dry friction."""
    return np.array([y[1], -p[0] * y[0] - p[1] * np.sign(y[1])])


def contact(t, y, p):
    """A mass that falls on a spring with a damper."""
    depth = np.maximum(-y[0], 0.0)
    return np.array([y[1], -9.81 + p[0] * depth - (p[1] * y[1] if y[0] < 0.0 else 0.0)])


def dead_zone(t, y, p):
    """A spring with play."""
    return np.array([y[1], -p[0] * (y[0] - np.clip(y[0], -p[1], p[1]))])


def thermostat(t, y, p):
    """A heater switched by a sensor that follows the room."""
    power = p[0] if y[2] < p[1] else 0.0
    return np.array([2.0 * y[1] - 0.5 * (y[0] - 5.0), 4.0 * (power - y[1]), 3.0 * (y[0] - y[2])])


def dose(t, y, p):
    """An infusion that begins after a lag and lasts."""
    feed = 3.0 if p[0] <= t < p[0] + p[1] else 0.0
    return np.array([feed - 1.3 * y[0], 1.3 * y[0] - 0.4 * y[1]])


def faster(t, y, p):
    """The faster of two rates."""
    return np.array([np.cos(t) - max(p[0] * y[0], p[1])])


MODELS = {  # model, start, parameters, end
    "dry friction": (friction, [2.0, 0.3], [4.0, 0.3], 3.0),
    "contact": (contact, [1.0, 0.0], [400.0, 4.0], 2.0),
    "dead zone": (dead_zone, [1.0, 0.7], [5.0, 0.4], 6.0),
    "thermostat": (thermostat, [10.0, 0.0, 10.0], [12.0, 19.0], 6.0),
    "dose window": (dose, [0.0, 0.0], [0.7, 1.1], 3.0),
    "faster of two": (faster, [1.5], [1.2, 0.4], 6.0),
}


def loss_of(name, rtol, kinks=True, method="Tsit5"):
    model, y0, _, end = MODELS[name]
    y0 = np.array(y0)
    weights = np.linspace(1.0, 0.6, len(y0))

    def loss(p):
        sol = solve_ivp(model, (0.0, end), y0, method, [end], args=(p,), rtol=rtol, atol=rtol, kinks=kinks)
        return weights @ sol.y[:, -1]

    return loss


def reference(name) -> np.ndarray:
    model, y0, p, end = MODELS[name]
    p, weights, columns = np.array(p), np.linspace(1.0, 0.6, len(y0)), []
    for k in range(len(p)):
        h = 1e-4 * p[k] * np.eye(len(p))[k]
        found = [
            weights
            @ scipy.integrate.solve_ivp(
                model, (0, end), y0, "DOP853", args=(p + s * h,), rtol=1e-12, atol=1e-13, max_step=0.05
            ).y[:, -1]
            for s in (-2, -1, 1, 2)
        ]
        columns.append((found[0] - 8 * found[1] + 8 * found[2] - found[3]) / (12 * h[k]))
    return np.array(columns)


def error(name, rtol, kinks=True, method="Tsit5", wanted=None) -> float:
    """Largest error of a derivative, relative to the largest one."""
    wanted = reference(name) if wanted is None else wanted
    found = ad.grad(loss_of(name, rtol, kinks, method))(np.array(MODELS[name][2]))
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def seconds(name, rtol, kinks) -> float:
    gradient, p = ad.grad(loss_of(name, rtol, kinks)), np.array(MODELS[name][2])
    gradient(p)
    best = np.inf
    for _ in range(20):
        start = time.perf_counter()
        gradient(p)
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    tolerances = (1e-4, 1e-6, 1e-8)
    print(f"{'model':14} {'kinks':6}" + "".join(f"{rtol:10.0e}" for rtol in tolerances) + "   ms at 1e-6")
    for name in MODELS:
        wanted = reference(name)
        for kinks in (False, True):
            errors = [error(name, rtol, kinks, wanted=wanted) for rtol in tolerances]
            took = 1e3 * seconds(name, 1e-6, kinks)
            print(f"{name:14} {kinks!s:6}" + "".join(f"{e:10.1e}" for e in errors) + f"{took:12.3f}")


if __name__ == "__main__":
    main()
