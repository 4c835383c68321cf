"""A determinant by expansion in minors."""

import numpy as np

import sciad as ad
from benchmarks.gradbench.evaluation import Timed, array


def determinant(a):
    return minor(a, 0, tuple(range(len(a))))


def minor(a, row, columns):
    """The determinant of the rows from `row` on and of some columns."""
    if len(columns) == 1:
        return a[row, columns[0]]
    total, sign = 0.0, 1.0
    for k, column in enumerate(columns):
        total += sign * a[row, column] * minor(a, row + 1, columns[:k] + columns[k + 1 :])
        sign = -sign
    return total


def _prepare(given):
    return (array(given["A"]).reshape(given["ell"], given["ell"]),)


FUNCTIONS = {
    "primal": Timed(_prepare, ad.jit(determinant), float),
    "gradient": Timed(_prepare, ad.jit(ad.grad(determinant)), lambda g: np.ravel(g).tolist()),
}
