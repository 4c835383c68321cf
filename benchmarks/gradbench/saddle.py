"""A saddle point by descent inside of descent: four ways of nesting forward and reverse mode."""

import numpy as np

import sciad as ad
from benchmarks.gradbench.descent import argmin, forward, reverse
from benchmarks.gradbench.evaluation import Timed, array


def height(x, y):
    return (x[0] ** 2 + x[1] ** 2) - (y[0] ** 2 + y[1] ** 2)


def finder(outer, inner):
    """The search with the derivative `outer` of the minimum, `inner` of the maximum."""

    def saddle(start):
        def most(x, derivative):
            def depth(y):
                return -height(x, y)

            return argmin(depth, derivative(depth), start)

        def highest(x):
            return height(x, most(x, inner))

        x = argmin(highest, outer(highest), start)
        return np.concatenate([x, most(x, outer)])

    return ad.jit(saddle)


FUNCTIONS = {
    name: Timed(lambda given: (array(given["start"]),), finder(outer, inner))
    for name, outer, inner in (
        ("ff", forward, forward), ("fr", forward, reverse), ("rf", reverse, forward), ("rr", reverse, reverse)
    )
}  # fmt: skip
