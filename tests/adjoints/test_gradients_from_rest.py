"""Gradients where the solution rests, or moves slowly only: its error estimate says nothing of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm

import sciad as ad
from sciad import adjoints
from sciad.solvers import solve_ivp


def pendulum(t, y, p):
    return np.array([y[1], -9.81 * np.sin(y[0]) - 0.1 * y[1] + p[0]])


def network(t, y, p):
    a, b, c = y[0], y[1], y[2]
    return np.array([-p[0] * a + p[1] * b, p[0] * a - p[1] * b - p[2] * b + p[3] * c, p[2] * b - p[3] * c])


def epidemic(t, y, p):
    s, i = y[0], y[1]
    return np.array([-p[0] * s * i, p[0] * s * i - p[1] * i, p[1] * i])


PLACES = (np.arange(24) + 0.5) / 24


def heat(t, y, p):
    inner = 24.0**2 * (np.roll(y, 1) - 2 * y + np.roll(y, -1))
    return 0.05 * p[0] * inner + p[1] * np.exp(-50 * (PLACES - 0.3) ** 2)


def transport(t, y, p):
    """Advection and diffusion; a smooth wave has none of the fast modes."""
    spread = np.roll(y, 1) - 2 * y + np.roll(y, -1)
    return 100.0 * p[0] * spread - 25.0 * p[1] * (np.roll(y, -1) - np.roll(y, 1))


WAVE = 1 + 0.5 * np.sin(2 * np.pi * np.arange(100) / 100)

# model, start, parameters, end
CASES = {
    "hanging": (pendulum, np.zeros(2), np.zeros(1), 8.0),
    "upright": (pendulum, np.array([np.pi, 0.0]), np.zeros(1), 3.0),
    "network": (network, np.array([1.0, 2.0, 4.0]), np.array([2.0, 1.0, 3.0, 1.5]), 10.0),
    "epidemic": (epidemic, np.array([1.0, 0.0, 0.0]), np.array([0.5, 0.2]), 30.0),
    "heat": (heat, np.full(24, 0.7), np.array([1.0, 0.0]), 2.0),
    "transport": (transport, WAVE, np.array([0.3, 1.0]), 0.5),
}


def differences(f, y, p):
    """The derivatives of f(0, y, p) by y and p."""
    n, z = len(y), np.concatenate([y, p])
    columns = []
    for k in range(len(z)):
        move = 1e-5 * np.eye(len(z))[k]
        ends = [f(0.0, (z + s * move)[:n], (z + s * move)[n:]) for s in (1, -1)]
        columns.append((ends[0] - ends[1]) / 2e-5)
    return np.array(columns).T


def exact(f, y, p, end):
    """Derivatives of the end by y and p: of the linear equations that hold along these solutions."""
    n, jacobian = len(y), differences(f, y, p)
    m = len(p)
    matrix = np.zeros((n + m, n + m))
    matrix[:n] = jacobian
    if f is transport:  # linear in y, the derivative by p follows from the exact solution
        h = 1e-5
        a = expm(end * jacobian[:, :n])
        columns = []
        for k in range(m):
            ends = []
            for s in (1, -1):
                q = p.copy()
                q[k] += s * h
                ends.append(expm(end * differences(f, y, q)[:, :n]) @ y)
            columns.append((ends[0] - ends[1]) / (2 * h))
        return np.hstack([a, np.array(columns).T])
    return expm(end * matrix)[:n]


def gradient(name, method, rtol, **options):
    f, y0, p, end = CASES[name]
    weights = np.cos(1.7 * np.arange(len(y0)) + 0.3)

    def loss(z):
        span = (0.0, end)
        tolerances = {"rtol": rtol, "atol": rtol}
        s = solve_ivp(
            f, span, z[: len(y0)], method, np.array([end]), args=(z[len(y0) :],), **tolerances, **options
        )
        return weights @ s.y[:, -1]

    return loss, np.concatenate([y0, p]), weights @ exact(f, y0, p, end), len(y0)


def gap(found, wanted, n):
    parts = (slice(0, n), slice(n, None))
    return max(np.abs(found - wanted)[at].max() / (np.abs(wanted[at]).max() + 1e-9) for at in parts)


@pytest.mark.parametrize("method", ["Tsit5", "RK45", "DOP853", "auto", "Rodas5P", "KenCarp4"])
@pytest.mark.parametrize("name", ["hanging", "upright"])
def test_pendulums_at_rest_by_every_kind_of_method(name, method):
    loss, z, wanted, n = gradient(name, method, 1e-7)
    assert gap(ad.grad(loss)(z), wanted, n) < 1e-3


@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P"])
@pytest.mark.parametrize("name", [name for name in CASES if CASES[name][0] is not pendulum])
def test_gradients_from_rest(name, method):
    loss, z, wanted, n = gradient(name, method, 1e-6)
    assert gap(ad.grad(loss)(z), wanted, n) < 1e-3
    tangent = ad.jvp(loss, (z,), (np.ones(len(z)),))[1]
    assert tangent == pytest.approx(wanted.sum(), rel=1e-3, abs=1e-3 * np.abs(wanted).max())


def test_zero_control_from_rest():
    """The first iterate of optimal control: each of twenty controls acts in its own time."""
    times = 0.25 * (np.arange(20) + 0.5)

    def driven(t, y, u):
        return np.array([y[1], -4.0 * np.sin(y[0]) + u @ np.exp(-(((t - times) / 0.15) ** 2))])

    def loss(u):
        s = solve_ivp(driven, (0.0, 5.0), np.zeros(2), "Tsit5", np.array([5.0]), args=(u,), rtol=1e-6)
        return s.y[0, -1]

    at = np.linspace(0.0, 5.0, 20001)
    response = 0.5 * np.sin(2.0 * (5.0 - at))
    wanted = [np.trapezoid(response * np.exp(-(((at - c) / 0.15) ** 2)), at) for c in times]
    assert np.abs(ad.grad(loss)(np.zeros(20)) - wanted).max() < 1e-3 * np.abs(wanted).max()


def test_the_estimate_of_the_error_sees_rest():
    loss, z, wanted, _ = gradient("hanging", "Tsit5", 1e-4)
    _, found, error = adjoints.value_and_grad(loss)(z)
    assert 0.1 < np.abs(found - wanted).max() / np.abs(error).max() < 10.0


@pytest.mark.parametrize("adjoint", [adjoints.BacksolveAdjoint(), adjoints.GaussAdjoint()])
def test_continuous_adjoints_are_right_at_rest(adjoint):
    """Their backward solve has an error estimate of the derivative itself, whatever steps were taken."""
    loss, z, wanted, n = gradient("hanging", "Tsit5", 1e-7, adjoint=adjoint)
    assert gap(ad.grad(loss)(z), wanted, n) < 1e-4


def test_taking_steps_again_takes_the_same():
    """A record in parts, which are taken again, has the same steps under the control of tangents."""
    gradients = []
    for memory in (None, 5000.0):
        loss, z, _, _ = gradient("hanging", "Tsit5", 1e-8, adjoint=adjoints.DiscreteAdjoint(memory=memory))
        gradients.append(ad.grad(loss)(z))
    np.testing.assert_array_equal(*gradients)
