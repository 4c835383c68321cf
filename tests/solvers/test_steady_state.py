"""Steady states and their gradients, against closed forms, long solves and differences."""

import numpy as np
import pytest

import sciad as ad
from sciad.adjoints import DiscreteAdjoint, SteadyStateAdjoint
from sciad.solvers import SolverError, solve_ivp, steady_state
from tests.problems.ode_models import MODELS

ARGS = (np.array([2.0, 0.6]), {"in": 0.8})


def cell(t, y, k, feed):
    """Production with feedback, and decay: a nonlinear state far from the start."""
    x, z = y
    return np.array([feed["in"] / (1 + z**4) - k[0] * x + 0.1, k[1] * x - z])


@pytest.mark.parametrize("method", ["pseudo-transient", "newton"])
def test_gradient_against_differences_and_a_long_solve(method):
    y0 = np.array([3.0, 0.2])

    def f(k, feed):
        return np.sum(steady_state(cell, y0, (k, feed), method=method).y * np.array([1.0, -2.0]))

    def long(k, feed):
        sol = solve_ivp(cell, (0, 80.0), y0, "Tsit5", [80.0], args=(k, feed), rtol=1e-11, atol=1e-12)
        return np.sum(sol.y[:, 0] * np.array([1.0, -2.0]))

    assert not abs(f(*ARGS) - long(*ARGS)) > 1e-9
    for found, other in zip(ad.grad(f, (0, 1))(*ARGS), ad.grad(long, (0, 1))(*ARGS), strict=True):
        for a, b in zip(ad.tree.tree_leaves(found), ad.tree.tree_leaves(other), strict=True):
            assert np.abs(b).max() > 1e-2 and not np.abs(a - b).max() > 1e-8
    direction = (np.array([0.3, -1.0]), {"in": 0.7})
    tangent = ad.jvp(f, ARGS, direction)[1]
    h = 1e-5
    up, down = (f(ARGS[0] + s * h * direction[0], {"in": 0.8 + s * h * 0.7}) for s in (1, -1))
    assert not abs(tangent - (up - down) / (2 * h)) > 1e-8
    gk, gf = ad.grad(f, (0, 1))(*ARGS)
    assert not abs(gk @ direction[0] + gf["in"] * 0.7 - tangent) > 1e-12


def test_conserved_quantities_stay_and_are_differentiated():
    """A + B <-> C: the equilibrium depends on the totals of y0, which J at the steady state cannot know."""

    def reaction(t, y, k):
        a, b, c = y
        rate = k[0] * a * b - k[1] * c
        return np.array([-rate, -rate, rate])

    def closed(y0, k):  # K = k1/k2: (a0 - x)(b0 - x) K = c0 + x
        ratio = k[0] / k[1]
        p, q = y0[0] + y0[1] + 1 / ratio, y0[0] * y0[1] - y0[2] / ratio
        x = (p - np.sqrt(p * p - 4 * q)) / 2
        return y0[2] + x

    def found(y0, k):
        return steady_state(reaction, y0, (k,)).y[2]

    y0, k = np.array([1.0, 0.7, 0.1]), np.array([3.0, 0.5])
    assert not abs(found(y0, k) - closed(y0, k)) > 1e-10
    for a, b in zip(ad.grad(found, (0, 1))(y0, k), ad.grad(closed, (0, 1))(y0, k), strict=True):
        assert not np.abs(a - b).max() > 1e-9
    v = (np.array([0.1, -0.5, 0.3]), np.array([1.0, 2.0]))
    assert not abs(ad.jvp(found, (y0, k), v)[1] - ad.jvp(closed, (y0, k), v)[1]) > 1e-9


def test_stiff_networks_reach_the_state_of_a_long_solve():
    """HIRES decays into its steady state over nine decades of rates."""
    model = MODELS["hires"]
    found = steady_state(model.fun, model.y0, model.args)
    sol = solve_ivp(model.fun, (0, 1e6), model.y0, "Rodas5P", [1e6], args=model.args, rtol=1e-9, atol=1e-13)
    assert not np.abs(found.y - sol.y[:, 0]).max() > 1e-8
    assert found.success and not found.residual > 1e-10


def test_shape_and_counts():
    found = steady_state(lambda t, y: 1.0 - y**3, np.full((2, 3), 0.5))
    assert found.y.shape == (2, 3) and np.allclose(found.y, 1.0)
    assert found.steps > 0 and found.nfev > 0 and found.njev > 0


@pytest.mark.parametrize("method", ["pseudo-transient", "newton"])
def test_no_steady_state_is_an_error(method):
    with pytest.raises(SolverError, match="no steady state"):
        steady_state(lambda t, y: 1.0 + y**2, np.array([0.3]), method=method)


def test_singular_states_have_no_derivative():
    fold = lambda t, y, a: a - y**2  # noqa: E731
    curve = lambda t, y, a: np.array([a * y[1] - y[0], (a * y[1] - y[0]) ** 2])  # noqa: E731
    for model, y0, a in ((fold, np.zeros(1), 0.0), (curve, np.array([1.0, 0.3]), 0.5)):
        f = lambda a, model=model, y0=y0: steady_state(model, y0, (a,)).y[0]  # noqa: E731
        with pytest.raises(SolverError, match="bifurcation"):
            ad.grad(f)(a)


def test_wrong_arguments_are_named():
    fall = lambda t, y, k: -k * y  # noqa: E731
    with pytest.raises(ValueError, match="method must be"):
        steady_state(fall, np.ones(1), (1.0,), method="Radau")
    with pytest.raises(TypeError, match="SteadyStateAdjoint"):
        ad.grad(lambda k: steady_state(fall, np.ones(1), (k,), adjoint=DiscreteAdjoint()).y[0])(1.0)
    with pytest.raises(TypeError, match="adjoint must be"):
        adjoint = SteadyStateAdjoint()
        ad.grad(lambda k: solve_ivp(fall, (0, 1), np.ones(1), args=(k,), adjoint=adjoint).y[0, -1])(1.0)
