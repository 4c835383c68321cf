"""Hessians of losses of a stiff solve, against differences of gradients and a non-stiff solve."""

import numpy as np
import pytest

import sciad as ad
from sciad.solvers import solve_ivp
from tests.problems.comparisons import close
from tests.problems.solve_losses import ORDERS, ROB_K, Y0, P, loss, robertson_loss

X = np.array([*Y0, P["g"], *P["drag"]])
V = np.array([0.3, -1.0, 0.5, 0.2, 0.9])


def pendulum_loss(x, **keywords):
    return loss(x[:2], {"g": x[2], "drag": x[3:]}, **keywords)


@pytest.mark.parametrize("order", ORDERS)
def test_rosenbrock_hessian_products(order):
    def stiff(x):
        return pendulum_loss(x, method="Rodas5P", rtol=1e-8, atol=1e-10)

    def exact(x):
        return pendulum_loss(x, method="DOP853", rtol=1e-13, atol=1e-14)

    close(ORDERS[order](stiff, X, V), ORDERS["hvp"](exact, X, V), 1e-7)


def test_robertson_hessian():
    """In relative changes of the rates; the solves that are differenced are far tighter."""

    def f(log_k, **keywords):
        return robertson_loss(np.exp(log_k), **keywords)

    at = np.log(ROB_K)
    hessian = ad.hessian(f)(at)
    gradient, h = ad.grad(f), 1e-4
    tight = {"rtol": 1e-10, "atol": 1e-13}
    expected = np.stack(
        [(gradient(at + h * e, **tight) - gradient(at - h * e, **tight)) / (2 * h) for e in np.eye(3)]
    )
    close(hessian, expected, 1e-4)
    close(hessian, hessian.T, 1e-9)


def test_hessian_of_a_model_with_many_rates():
    """A linear chain: the second derivative is known from a solve of its own equations."""

    def chain(t, y, k):
        return np.array([-k[0] * y[0], k[0] * y[0] - k[1] * y[1], k[1] * y[1]])

    def end(k):
        y0 = np.array([1.0, 0.0, 0.0])
        sol = solve_ivp(chain, (0, 1.0), y0, "Rodas5P", t_eval=[1.0], args=(k,), rtol=1e-9, atol=1e-11)
        return sol.y[1, 0]

    def closed(k):  # Bateman's solution
        return k[0] / (k[1] - k[0]) * (np.exp(-k[0]) - np.exp(-k[1]))

    k = np.array([2.0, 0.7])
    close(ad.hessian(end)(k), ad.hessian(closed)(k), 1e-7)


def test_tangents_of_a_linear_model():
    """Its derivative along a stage is constant."""

    def end(g):
        fall = lambda t, y, g: np.array([y[1], -g])  # noqa: E731
        return solve_ivp(fall, (0, 1.0), np.array([1.0, 0.0]), "Rodas5P", t_eval=[1.0], args=(g,)).y[0, 0]

    assert not abs(ad.jvp(end, (9.81,), (1.0,))[1] + 0.5) > 1e-10
    assert not abs(ad.grad(end)(9.81) + 0.5) > 1e-10
