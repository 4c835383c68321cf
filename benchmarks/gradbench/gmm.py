"""The log likelihood of a mixture of Gaussians, with the prior of Wishart on their precisions."""

import math

import numpy as np
from scipy.special import multigammaln

import sciad as ad
from benchmarks.gradbench.evaluation import Timed, array


def log_sum_exp(x):
    largest = np.max(x)
    return largest + np.log(np.sum(np.exp(x - largest)))


def log_likelihood(alpha, mu, q, l, x, gamma, m):
    """`q` [k, d] and `l` [k, d (d - 1)/2] are the diagonals (as logarithms) and the rest of triangles."""
    n, d = x.shape
    k = len(alpha)
    columns, rows = np.triu_indices(d, 1)
    diagonals, sums = np.exp(q), np.sum(q, axis=1)
    terms = np.empty((n, k))
    for c in range(k):
        triangle = np.diag(diagonals[c])
        triangle[rows, columns] = l[c]
        turned = (x - mu[c]) @ triangle.T
        terms[:, c] = alpha[c] + sums[c] - 0.5 * np.sum(turned * turned, axis=1)
    largest = np.max(terms, axis=1)
    total = np.sum(largest + np.log(np.sum(np.exp(terms - largest[:, None]), axis=1)))
    prior = 0.5 * gamma**2 * (np.sum(diagonals**2) + np.sum(l**2)) - m * np.sum(sums)
    return total - n * log_sum_exp(alpha) - prior


def constant(d, k, n, gamma, m):
    """What of the objective depends on sizes only."""
    degrees = d + m + 1
    wishart = degrees * d * (math.log(gamma) - 0.5 * math.log(2.0)) - multigammaln(0.5 * degrees, d)
    return -n * d * 0.5 * math.log(2.0 * math.pi) + k * wishart


def objective(alpha, mu, q, l, x, gamma, m, fixed):
    return log_likelihood(alpha, mu, q, l, x, gamma, m) + fixed


def _prepare(given):
    arrays = [array(given[name]) for name in ("alpha", "mu", "q", "l", "x")]
    gamma, m = float(given["gamma"]), int(given["m"])
    return (*arrays, gamma, float(m), constant(given["d"], given["k"], given["n"], gamma, m))


def _output(gradients):
    return {
        name: np.asarray(g).tolist() for name, g in zip(("alpha", "mu", "q", "l"), gradients, strict=True)
    }


FUNCTIONS = {
    "objective": Timed(_prepare, ad.jit(objective), float),
    "jacobian": Timed(_prepare, ad.jit(ad.grad(objective, argnums=(0, 1, 2, 3))), _output),
}
