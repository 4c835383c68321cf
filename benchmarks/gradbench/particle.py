"""A charge that is steered through the origin: derivatives of a path whose forces are derivatives."""

import numpy as np

import sciad as ad
from benchmarks.gradbench.descent import argmin, forward, reverse
from benchmarks.gradbench.evaluation import Timed

DT = 1e-1


def finder(outer, inner):
    """The search with the derivative `outer` of the miss, `inner` of the potential."""

    def miss(w):
        def potential(x):
            near = np.sqrt((x[0] - 10.0) ** 2 + (x[1] - (10.0 - w[0])) ** 2)
            far = np.sqrt((x[0] - 10.0) ** 2 + x[1] ** 2)
            return 1.0 / near + 1.0 / far

        slope = inner(potential)
        x, v = np.array([0.0, 8.0]), np.array([0.75, 0.0])
        while True:
            a = -slope(x)
            x = x + DT * v
            if x[1] <= 0.0:
                break
            v = v + DT * a
        end = x - (x[1] / v[1]) * v
        return end[0] ** 2

    def search(w):
        return argmin(miss, outer(miss), w)

    return ad.jit(search)


FUNCTIONS = {
    name: Timed(lambda given: (np.array([float(given["w"])]),), finder(outer, inner), lambda w: float(w[0]))
    for name, outer, inner in (
        ("ff", forward, forward), ("fr", forward, reverse), ("rf", reverse, forward), ("rr", reverse, reverse)
    )
}  # fmt: skip
