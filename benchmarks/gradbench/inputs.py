"""Inputs of the evaluations: random ones as the suite makes them, small for tests, and of its sizes."""

import numpy as np


def small() -> dict:
    """One input for each evaluation, for tests."""
    return {
        "hello": 3.0,
        "det": det(5),
        "lse": lse(100),
        "llsq": llsq(64),
        "ode": ode(50, 4),
        "kmeans": kmeans(4, 200, 3),
        "gmm": gmm(4, 3, 50),
        "lstm": lstm(2, 20),
        "ba": ba(3, 10, 40),
        "ht": ht(22, 30, 12),
        "particle": {"w": 0.0},
        "saddle": {"start": [1.0, 1.0]},
    }


def _rng():
    return np.random.default_rng(31337)


def det(n):
    return {"A": _rng().normal(size=n * n).tolist(), "ell": n}


def lse(n):
    return {"x": _rng().uniform(-1.0, 1.0, n).tolist()}


def llsq(n, terms=4):
    return {"x": [1.0 / (k + 1) for k in range(terms)], "n": n}


def ode(steps, n):
    return {"x": _rng().uniform(size=n).tolist(), "s": steps}


def kmeans(k, n, d):
    """Centroids are among the points, so that each has one that is nearest to it."""
    points = _rng().uniform(size=(n, d))
    return {"points": points.tolist(), "centroids": points[:k].tolist()}


def gmm(d, k, n, m=0, gamma=1.0):
    rng = _rng()
    return {
        "d": d,
        "k": k,
        "n": n,
        "x": rng.normal(size=(n, d)).tolist(),
        "m": m,
        "gamma": gamma,
        "alpha": rng.normal(size=k).tolist(),
        "mu": rng.uniform(size=(k, d)).tolist(),
        "q": rng.normal(size=(k, d)).tolist(),
        "l": rng.normal(size=(k, d * (d - 1) // 2)).tolist(),
    }


def lstm(layers, characters, bits=14):
    rng = _rng()
    return {
        "main_params": rng.random((2 * layers, 4 * bits)).tolist(),
        "extra_params": rng.random((3, bits)).tolist(),
        "state": rng.random((2 * layers, bits)).tolist(),
        "sequence": rng.integers(0, 2, (characters, bits)).astype(float).tolist(),
    }


def ba(n, m, p):
    """One camera, point and feature, as often as is asked for; numbers of the size of the suite's."""
    return {
        "n": n,
        "m": m,
        "p": p,
        "cam": [0.017, -0.013, 0.02, 0.1, -0.2, -3.0, 400.0, 1.0, 2.0, -3.5e-1, 4e-2],
        "x": [0.3, -0.2, 1.0],
        "w": 0.7,
        "feat": [10.0, 20.0],
    }


def ht(bones, vertices, points, us=True):
    rng = _rng()
    triangles = 2 * vertices
    return {
        "theta": rng.normal(size=26).tolist(),
        "us": rng.random((points, 2)).tolist() if us else [],
        "data": {
            "model": {
                "parents": [-1, *(int(rng.integers(0, i)) for i in range(1, bones))],
                "base_relatives": (np.eye(4) + 0.1 * rng.normal(size=(bones, 4, 4))).tolist(),
                "inverse_base_absolutes": (np.eye(4) + 0.1 * rng.normal(size=(bones, 4, 4))).tolist(),
                "base_positions": rng.normal(size=(vertices, 4)).tolist(),
                "weights": rng.dirichlet(np.ones(bones), vertices).tolist(),
                "triangles": rng.integers(0, vertices, (triangles, 3)).tolist(),
                "is_mirrored": False,
            },
            "correspondences": rng.integers(0, vertices, points).tolist(),
            "points": rng.normal(size=(points, 3)).tolist(),
        },
    }
