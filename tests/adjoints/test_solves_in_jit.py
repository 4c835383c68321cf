"""Solves inside of jitted functions: outputs and gradients are those outside."""

from __future__ import annotations

import numpy as np
import pytest

import sciad as ad
from sciad.solvers import solve_ivp

TS = np.linspace(0.0, 3.0, 7)
P = np.array([1.5, 1.0, 0.8, 3.0])
SCALE = 1.25  # a captured number


def predator(t, y, p):
    return np.array([p[0] * y[0] - p[1] * y[0] * y[1], SCALE * p[2] * y[0] * y[1] - p[3] * y[1]])


def outputs(p, y0, method, options):
    return solve_ivp(predator, (0.0, 3.0), y0, method, TS, args=(p,), rtol=1e-6, atol=1e-7, **options).y


METHODS = ["Tsit5", "DOP853", "RK23", "Vern7", "Rodas5P", "Rosenbrock23", "KenCarp4"]


@pytest.mark.parametrize("method", METHODS)
def test_outputs_and_gradients_are_those_outside(method):
    def end(p, y0):
        return outputs(p, y0, method, {})

    def loss(p, y0):
        return np.sum(outputs(p, y0, method, {}) ** 2)

    y0 = np.array([1.0, 1.1])
    assert np.array_equal(ad.jit(end)(P, y0), end(P, y0))
    value, grads = ad.value_and_grad(ad.jit(loss), (0, 1))(P, y0)
    wanted, those = ad.value_and_grad(loss, (0, 1))(P, y0)
    assert abs(value - wanted) <= 1e-14 * abs(wanted)
    for a, b in zip(grads, those, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)
    v = np.array([0.3, -0.2, 0.5, 0.1])
    np.testing.assert_allclose(ad.jvp(ad.jit(loss), (P, y0), (v, 0 * y0))[1], grads[0] @ v, rtol=1e-11)
