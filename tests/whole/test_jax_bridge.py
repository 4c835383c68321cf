"""Functions of NumPy in JAX: values, gradients and their derivatives under jit and vmap."""

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import sciad as ad  # noqa: E402
import sciad.jax as bridge  # noqa: E402
from sciad.solvers import solve_ivp  # noqa: E402

P = {"r": np.array([1.5, 1.0, 3.0, 1.0]), "y0": np.ones(2)}


@pytest.fixture(autouse=True)
def double():
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def lotka_volterra(t, y, p):
    return np.array([p[0] * y[0] - p[1] * y[0] * y[1], p[2] * y[0] * y[1] - p[3] * y[1]])


def loss(p):
    sol = solve_ivp(
        lotka_volterra, (0, 2), p["y0"], "Tsit5", [1.0, 2.0], args=(p["r"],), rtol=1e-8, atol=1e-8
    )
    return np.sum(sol.y**2)


def test_values_and_gradients_under_jit():
    f = bridge.function(loss)
    assert float(f(P)) == float(jax.jit(f)(P)) == loss(P)
    expected = ad.grad(loss)(P)
    for g in (jax.grad(f)(P), jax.jit(jax.grad(f))(P), jax.jit(jax.value_and_grad(f))(P)[1]):
        for name in P:
            np.testing.assert_allclose(g[name], expected[name], rtol=1e-13)


def test_second_derivatives():
    f = bridge.function(loss)
    at = lambda r: f({**P, "r": r})  # noqa: E731
    found = jax.jit(jax.jacrev(jax.grad(at)))(P["r"])
    expected = ad.hessian(lambda r: loss({**P, "r": r}))(P["r"])
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


def test_vmap_and_composition():
    f = bridge.function(loss)
    rates = np.stack([P["r"], 1.1 * P["r"]])
    at = lambda r: jax.numpy.log(f({**P, "r": 2.0 * r}))  # noqa: E731
    values = jax.vmap(at)(rates)
    np.testing.assert_allclose(values, [np.log(loss({**P, "r": 2 * r})) for r in rates], rtol=1e-12)
    slopes = jax.jit(jax.vmap(jax.grad(at)))(rates)
    expected = [ad.grad(lambda r: np.log(loss({**P, "r": 2 * r})))(r) for r in rates]
    np.testing.assert_allclose(slopes, expected, rtol=1e-10)


def test_nested_results_and_their_shapes():
    f = bridge.function(lambda x, y: {"sum": x + y, "parts": (np.sum(x), np.outer(x, x))})
    x = np.array([1.0, 2.0])
    found = jax.jit(f)(x, 3.0)
    np.testing.assert_array_equal(found["parts"][1], [[1, 2], [2, 4]])
    grad = jax.grad(lambda x: f(x, 3.0)["parts"][1].sum() + f(x, 3.0)["sum"][0])(x)
    np.testing.assert_allclose(grad, [7.0, 6.0])
    only_at_two = lambda x: np.sqrt(x - 2.0) if x >= 2 else _fail()  # noqa: E731
    with pytest.raises(ValueError, match="give it, function"):
        bridge.function(only_at_two)(6.0)
    assert float(bridge.function(only_at_two, out=0.0)(6.0)) == 2.0


def _fail():
    raise ArithmeticError("below two")


def test_single_precision():
    x = jax.numpy.array([1.0, 2.0], dtype=jax.numpy.float32)
    y = bridge.function(lambda x: np.sum(x**2))(x)
    assert y.dtype == jax.numpy.float32 and float(y) == 5.0
