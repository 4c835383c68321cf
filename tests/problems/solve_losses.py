"""Losses of solves that several tests differentiate: a driven pendulum, Robertson's reaction."""

import numpy as np

import sciad as ad
from sciad.solvers import solve_ivp

TIMES = np.array([0.0, 0.13, 0.7, 0.7, 1.1, 2.0])


def pendulum(t, y, p):
    """Nonlinear and non-autonomous, every parameter in another place."""
    angle, speed = y
    return np.array([speed, -p["g"] * np.sin(angle) - p["drag"][0] * speed + p["drag"][1] * np.cos(3.0 * t)])


Y0 = np.array([1.0, 0.3])


P = {"g": 2.0, "drag": np.array([0.4, 0.7])}


def outputs(y0, p, times=TIMES, span=(0.0, 2.0), **keywords):
    keywords = {"method": "Tsit5", "rtol": 1e-6, "atol": 1e-9, **keywords}
    return solve_ivp(pendulum, span, y0, t_eval=times, args=(p,), **keywords).y


def loss(y0, p, **keywords):
    y = outputs(y0, p, **keywords)
    weights = np.cos(np.arange(y.size)).reshape(y.shape)
    return np.sum(weights * y**2) + np.sin(y[0, 2])


ORDERS = {
    "forward over reverse": lambda f, x, v: ad.jvp(ad.grad(f), (x,), (v,))[1],
    "reverse over reverse": lambda f, x, v: ad.grad(lambda x: np.sum(ad.grad(f)(x) * v))(x),
    "reverse over forward": lambda f, x, v: ad.grad(lambda x: ad.jvp(f, (x,), (v,))[1])(x),
    "hvp": lambda f, x, v: ad.hvp(f, (x,), (v,)),
}


def robertson(t, y, k):
    a, b, c = y
    return np.array([-k[0] * a + k[2] * b * c, k[0] * a - k[2] * b * c - k[1] * b * b, k[1] * b * b])


ROB_TIMES = np.concatenate([[0.0], np.logspace(-5, 5, 13)])


ROB_K = np.array([0.04, 3e7, 1e4])


def robertson_loss(k, **keywords):
    keywords = {"method": "Rodas5P", "rtol": 1e-6, "atol": 1e-9, **keywords}
    y = solve_ivp(robertson, (0, 1e5), np.array([1.0, 0, 0]), t_eval=ROB_TIMES, args=(k,), **keywords).y
    return np.sum(y**2 * np.array([[1.0], [1e8], [1.0]]))
