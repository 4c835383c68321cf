"""A polynomial fitted to the sign function by least squares."""

import numpy as np

import sciad as ad
from benchmarks.gradbench.evaluation import Timed, array


def objective(x, n):
    total = 0.0
    for i in range(n):
        t = -1.0 + i * 2.0 / (n - 1)
        value = 0.0
        for j in range(len(x)):
            value = value * t + x[len(x) - 1 - j]
        total += (np.sign(t) - value) ** 2
    return 0.5 * total


def _prepare(given):
    return array(given["x"]), int(given["n"])


FUNCTIONS = {
    "primal": Timed(_prepare, ad.jit(objective), float),
    "gradient": Timed(_prepare, ad.jit(ad.grad(objective))),
}
