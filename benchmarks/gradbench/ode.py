"""A linear chain of equations, integrated by the classical Runge-Kutta method."""

import numpy as np

import sciad as ad
from benchmarks.gradbench.evaluation import Timed, array


def slope(x, y):
    z = np.empty(len(x))
    z[0] = x[0]
    z[1:] = x[1:] * y[:-1]
    return z


def final_state(x, s):
    h = 2.0 / s
    y = np.zeros(len(x))
    for _ in range(s):
        k1 = slope(x, y)
        k2 = slope(x, y + h * k1 / 2.0)
        k3 = slope(x, y + h * k2 / 2.0)
        k4 = slope(x, y + h * k3)
        y = y + h * (k1 + 2.0 * k2 + 2.0 * k3 + k4) / 6.0
    return y


def last_component(x, s):
    return final_state(x, s)[-1]


def _prepare(given):
    return array(given["x"]), int(given["s"])


FUNCTIONS = {
    "primal": Timed(_prepare, ad.jit(final_state)),
    "gradient": Timed(_prepare, ad.jit(ad.grad(last_component))),
}
