"""The logarithm of a sum of exponentials."""

import numpy as np

import sciad as ad
from benchmarks.gradbench.evaluation import Timed, array


def log_sum_exp(x):
    largest = np.max(x)
    return largest + np.log(np.sum(np.exp(x - largest)))


FUNCTIONS = {
    "primal": Timed(lambda given: (array(given["x"]),), ad.jit(log_sum_exp), float),
    "gradient": Timed(lambda given: (array(given["x"]),), ad.jit(ad.grad(log_sum_exp))),
}
