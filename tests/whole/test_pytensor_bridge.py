"""Functions of NumPy as Ops of PyTensor: values, gradients, products with Hessians, a posterior of PyMC."""

import numpy as np
import pytest

pytensor = pytest.importorskip("pytensor")

import pytensor.tensor as pt  # noqa: E402

import sciad as ad  # noqa: E402
import sciad.pytensor as bridge  # noqa: E402
from sciad.solvers import solve_ivp  # noqa: E402

RATES, START = np.array([1.5, 1.0, 3.0, 1.0]), np.ones(2)


def lotka_volterra(t, y, p):
    return np.array([p[0] * y[0] - p[1] * y[0] * y[1], p[2] * y[0] * y[1] - p[3] * y[1]])


def states(p, y0):
    return solve_ivp(lotka_volterra, (0, 2), y0, "Tsit5", [1.0, 2.0], args=(p,), rtol=1e-8, atol=1e-8).y


def loss(p, y0):
    return np.sum(states(p, y0) ** 2)


def compiled(inputs, outputs):
    return pytensor.function(inputs, outputs, mode="FAST_COMPILE")


def test_value_gradient_and_hessian_product():
    p, y0 = pt.dvector("p"), pt.dvector("y0")
    value = bridge.function(loss)(p, y0)
    slopes = pytensor.grad(pt.log(value), [p, y0])
    found = compiled([p, y0], [value, *slopes])(RATES, START)
    expected = ad.value_and_grad(lambda p, y: np.log(loss(p, y)), (0, 1))(RATES, START)
    assert found[0] == loss(RATES, START)
    for a, b in zip(found[1:], expected[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    v = np.array([0.3, -0.5, 0.2, 0.7])
    product = pytensor.grad(pt.sum(pytensor.grad(value, p) * v), p)
    np.testing.assert_allclose(
        compiled([p, y0], product)(RATES, START), ad.hvp(lambda p: loss(p, START), (RATES,), (v,)), rtol=1e-8
    )


def test_arrays_and_other_arguments():
    p = pt.dvector("p")
    y = bridge.function(states, ndim=2)(p, START)
    weights = np.array([[1.0, 2.0], [-1.0, 0.5]])
    found = compiled([p], [y, pytensor.grad(pt.sum(weights * y), p)])(RATES)
    np.testing.assert_array_equal(found[0], states(RATES, START))
    np.testing.assert_allclose(
        found[1], ad.grad(lambda p: np.sum(weights * states(p, START)))(RATES), rtol=1e-12
    )


def test_a_solve_that_fails_is_nan():
    def grow(k):
        sol = solve_ivp(lambda t, y, k: k * y * y, (0, 1), np.ones(1), "Tsit5", [1.0], args=(k,))
        return sol.y[0, 0]

    k = pt.dscalar("k")
    value = bridge.function(grow)(k)
    f = compiled([k], [value, pytensor.grad(value, k)])
    assert np.isnan(f(3.0)).all() and f(0.5)[0] == pytest.approx(2.0, rel=1e-2)


@pytest.mark.long
def test_a_posterior_of_pymc():
    """Decay with known noise: the posterior of the rate is that of a grid."""
    pm = pytest.importorskip("pymc")
    times = np.array([0.5, 1.0, 2.0])
    data = np.exp(-0.7 * times) + np.array([0.02, -0.01, 0.03])

    def decay(k):
        return solve_ivp(
            lambda t, y, k: -k * y, (0, 2), np.ones(1), "Tsit5", times, args=(k,), rtol=1e-8, atol=1e-8
        ).y[0]

    with pm.Model():
        k = pm.LogNormal("k", 0.0, 1.0)
        pm.Normal("data", bridge.function(decay, ndim=1)(k), 0.05, observed=data)
        draws = (
            pm.sample(600, tune=400, chains=2, cores=1, random_seed=1, progressbar=False)
            .posterior["k"]
            .values
        )
    grid = np.linspace(0.3, 1.4, 2000)
    logs = -0.5 * np.sum((np.exp(-grid[:, None] * times) - data) ** 2, axis=1) / 0.05**2
    logs += -0.5 * np.log(grid) ** 2 - np.log(grid)
    weight = np.exp(logs - logs.max())
    mean = np.sum(grid * weight) / np.sum(weight)
    sd = np.sqrt(np.sum((grid - mean) ** 2 * weight) / np.sum(weight))
    assert draws.mean() == pytest.approx(mean, abs=0.25 * sd) and draws.std() == pytest.approx(sd, rel=0.25)
