"""A Newton step of k-means clustering: the gradient over the diagonal of the Hessian."""

import numpy as np

import sciad as ad
from benchmarks.gradbench.evaluation import Timed, array


def cost(centroids, points):
    """Sum over points of the squared distance to the nearest centroid."""
    total = 0.0
    for i in range(len(points)):
        nearest = np.inf
        for j in range(len(centroids)):
            distance = 0.0
            for k in range(points.shape[1]):
                distance += (points[i, k] - centroids[j, k]) ** 2
            nearest = min(nearest, distance)
        total += nearest
    return total


def newton_step(centroids, points):
    def slope(c):
        return ad.grad(cost)(c, points)

    gradient, diagonal = ad.jvp(slope, (centroids,), (np.ones(centroids.shape),))  # the Hessian is diagonal
    return gradient / diagonal


def _prepare(given):
    return array(given["centroids"]), array(given["points"])


FUNCTIONS = {
    "cost": Timed(_prepare, ad.jit(cost), float),
    "dir": Timed(_prepare, ad.jit(newton_step)),
}
