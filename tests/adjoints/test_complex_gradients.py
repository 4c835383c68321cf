"""Gradients of solves of complex states against the same solve of their real and imaginary parts."""

import numpy as np
import pytest

import sciad as ad
from sciad.solvers import solve_ivp
from sciad.solvers.warn import InterpretedModel
from tests.problems.adjoint_list import AUTO_AND_OTHERS, adjoint_name
from tests.problems.comparisons import differences, relative
from tests.problems.event_functions import event

pytestmark = pytest.mark.filterwarnings("ignore::sciad.solvers.warn.InterpretedModel")
TIGHT = {"rtol": 1e-9, "atol": 1e-11}


def kerr(t, z, p):
    """Two coupled oscillators with a nonlinear frequency and a drive."""
    swapped = z[::-1]
    return -1j * (p[0] + p[1] * np.abs(z) ** 2) * z - 0.2 * z + 0.3j * swapped + p[2] * np.exp(1j * t)


def loss(x, **options):
    y0 = np.array([x[3] + 1j * x[4], 0.2 - 0.5j])
    z = solve_ivp(kerr, (0, x[5]), y0, "Tsit5", args=(x[:3],), **{**TIGHT, **options}).y[:, -1]
    return np.abs(z[0]) ** 2 + np.real(z[1] * np.exp(0.3j))


X = np.array([1.1, 0.4, 0.3, 0.7, -0.2, 2.0])


@pytest.mark.parametrize("adjoint", AUTO_AND_OTHERS, ids=adjoint_name)
def test_gradients(adjoint):
    relative(ad.grad(lambda x: loss(x, adjoint=adjoint))(X), differences(loss, X, 1e-3), 1e-5)


def test_forward_mode():
    direction = np.array([0.3, -0.2, 0.5, 1.0, 0.4, 0.0])
    relative(ad.jvp(loss, (X,), (direction,))[1], differences(loss, X, 1e-3) @ direction, 1e-6)


def test_captured_values_are_refused_by_name():
    def captured(a):
        return np.real(solve_ivp(lambda t, z: 1j * a * z, (0, 1), np.array([1 + 0j]), t_eval=[1.0]).y[0, 0])

    with pytest.raises(ad.NotDifferentiable, match="through args"):
        ad.grad(captured)(1.0)


def test_events_and_dense_output():
    """Times at which the real part passes zero, and the solution in between, in closed form."""
    real_part = event(lambda t, z, w: np.real(z[0]))

    def measure(w):
        keywords = {"args": (w,), "events": real_part, "dense_output": True, **TIGHT}
        sol = solve_ivp(lambda t, z, w: 1j * w * z, (0, 4.0), np.array([1.0 + 0j]), **keywords)
        return sol.t_events[0][0] + np.imag(sol.sol(1.5)[0])

    expected = -np.pi / (2 * 1.3**2) + 1.5 * np.cos(1.5 * 1.3)
    relative(ad.grad(measure)(1.3), expected)


def test_the_slow_way_warns():
    with pytest.warns(InterpretedModel, match="real and imaginary parts"):
        solve_ivp(lambda t, z: 1j * z, (0, 1), np.array([1 + 0j]))
