"""Where 0 meets infinity in a derivative, its limits beside the point decide: in both modes, to second order,
and in compiled code as outside.
"""

import warnings

import numpy as np
import pytest
from numpy import inf, nan

import sciad as ad

V = np.array([3.0, 4.0])

# function, point, first and second derivative there
NUMBERS = {
    "resistances": (lambda x: 1 / (1 / x + 1 / 3), 0.0, 1.0, -2 / 3),
    "resistances of another scale": (lambda x: 1 / (1 / x + 1e7), 0.0, 1.0, None),
    "at another point": (lambda x: 1 / (1 / (x - 2) + 1 / 3), 2.0, 1.0, -2 / 3),
    "with an offset": (lambda x: 5 + x + 1 / (1 / x + 1 / 3), 0.0, 2.0, -2 / 3),
    "cube of a cube root": (lambda x: np.cbrt(x) ** 3, 0.0, 1.0, 0.0),
    "arctan of an inverse": (lambda x: np.arctan(1 / x), 0.0, -1.0, 0.0),
    "square of a root, one side": (lambda x: np.sqrt(x) ** 2, 0.0, 1.0, 0.0),
    "the other side": (lambda x: np.sqrt(1 - x) ** 2, 1.0, -1.0, 0.0),
    "logistic of a logarithm": (lambda x: 1 / (1 + np.exp(-2 * np.log(x))), 0.0, 0.0, 2.0),
    "infinities that cancel": (lambda x: (np.sqrt(x) + 1) * (np.sqrt(x) - 1), 0.0, 1.0, None),
    "mean of both sides": (lambda x: np.sqrt(x * x) + 2 * x, 0.0, 2.0, 0.0),
    "root of 1 - cos": (lambda x: np.sqrt(1 - np.cos(x)), 0.0, 0.0, None),
    "norm": (lambda x: np.linalg.norm(x * V), 0.0, 0.0, 0.0),
    "norm times vector": (lambda x: np.sum(np.linalg.norm(x * V) * x * V), 0.0, 0.0, 0.0),
    "deviation": (lambda x: np.std(x * V), 0.0, 0.0, 0.0),
    "root of a cube": (lambda x: np.sqrt(x**3), 0.0, 0.0, 0.0),
    "cusp": (lambda x: np.sqrt(np.abs(x)), 0.0, 0.0, 0.0),
    "branch that is not taken": (lambda x: np.where(x > 0, np.sqrt(x), 0.0), 0.0, 0.0, 0.0),
    "branch of one point": (lambda x: np.where(x == 0, 0.0, x * x / x), 0.0, 1.0, 0.0),
    "jump": (lambda x: np.where(x == 0, 1.0, x * x / x), 0.0, 0.0, None),
    "overflow": (lambda x: 5 / (1 + np.exp(-10 * (x - 90))), 0.0, 0.0, 0.0),
    "overflow of the value": (lambda x: np.log(np.exp(x + 800)), 0.0, nan, nan),
    "flat": (lambda x: np.exp(-1 / x**2), 0.0, 0.0, 0.0),
    "oscillation": (lambda x: np.sqrt(x * x) * np.sin(np.log(np.sqrt(x * x) + 1e-300)), 0.0, nan, None),
}


def first(g, x):
    """First derivatives, by all transforms."""
    yield ad.grad(g)(x)
    yield ad.jvp(g, (x,), (1.0,))[1]
    yield ad.vjp(g, x)[1](1.0)[0]
    yield ad.linearize(g, x)[1](1.0)
    yield ad.jacobian(g, mode="forward")(x)
    yield ad.jacobian(g, mode="reverse")(x)
    yield ad.vmap(ad.grad(g))(np.array([x, x]))[1]
    yield ad.jvp(ad.grad(g), (x,), (1.0,))[0]


def second(g, x):
    yield ad.hessian(g)(x)
    yield ad.grad(ad.grad(g))(x)
    yield ad.jvp(lambda y: ad.jvp(g, (y,), (1.0,))[1], (x,), (1.0,))[1]
    yield ad.vmap(lambda y: ad.jvp(ad.grad(g), (y,), (1.0,))[1])(np.array([x, x]))[1]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NUMBERS)
def test_limits(name):
    f, x, one, two = NUMBERS[name]
    for g in (f, ad.jit(f)):
        np.testing.assert_allclose(list(first(g, x)), one, rtol=1e-9, atol=1e-9)
        if two is not None:
            np.testing.assert_allclose(list(second(g, x)), two, rtol=1e-6, atol=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("wrap", [lambda f: f, ad.jit], ids=["eager", "compiled"])
def test_arrays_and_structures(wrap):
    f = wrap(lambda p: np.sum(1 / (1 / (p["a"] - 2) + 1 / 3)) * p["b"] + np.sum(p["a"]))
    p = {"a": np.array([2.0, 1.0, 0.0, 5.0]), "b": 3.0}
    found = ad.grad(f)(p)
    np.testing.assert_allclose(found["a"], 1 + 3 * np.array([1.0, 2.25, 9.0, 0.25]), rtol=1e-12)
    np.testing.assert_allclose(found["b"], np.sum(1 / (1 / (np.array([1e-300, -1.0, -2.0, 3.0])) + 1 / 3)))
    value, pull = ad.vjp(f, p)
    np.testing.assert_allclose(pull(2.0)[0]["a"], 2 * found["a"], rtol=1e-12)
    cubes = wrap(lambda x: np.cbrt(x) ** 3 * np.array([1.0, 2.0]))
    np.testing.assert_allclose(ad.jacobian(cubes)(np.array([0.0, 4.0])), [[1, 0], [0, 2]], rtol=1e-12)
    np.testing.assert_allclose(ad.grad(f)({"a": np.full(4, 2.0), "b": 0.0})["a"], 1.0, rtol=1e-12)
    (value, aux), found = ad.value_and_grad(lambda x: (np.cbrt(x) ** 3, x), has_aux=True)(0.0)
    assert (value, aux) == (0.0, 0.0) and abs(found - 1) < 1e-12


@pytest.mark.filterwarnings("ignore")
def test_single_precision():
    found = ad.grad(lambda x: np.sum(np.cbrt(x) ** 3))(np.array([0.0, 2.0], np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 1.0, rtol=1e-5)


def test_partly_compiled():
    inner = ad.jit(lambda x: np.cbrt(x))
    with np.errstate(all="ignore"):
        assert abs(ad.grad(lambda x: inner(x) ** 3)(0.0) - 1) < 1e-12
        assert abs(ad.grad(lambda x: inner(x**3))(0.0) - 1) < 1e-12
        assert ad.grad(lambda x: inner(x) ** 2 * np.sqrt(x**2))(0.0) == 0.0


def test_what_is_not_determined_warns():
    f = NUMBERS["oscillation"][0]
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="tends to nothing"):
        assert np.isnan(ad.grad(f)(0.0))
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="grows without limit"):
        assert ad.grad(lambda x: (x > 0) * np.sqrt(x))(0.0) == 0.0
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ad.grad(lambda x: np.where(x > 0, np.sqrt(x), 0))(0.0) == 0.0
        assert ad.grad(lambda x: np.sqrt(np.abs(x)))(0.0) == 0.0


def test_a_function_that_has_changed_is_refused():
    power = [3]
    with np.errstate(all="ignore"):
        _, pull = ad.vjp(lambda x: np.cbrt(x) ** power[0] + power[0], 0.0)
        power[0] = 2
        with pytest.raises(ad.NotDifferentiable, match="computed once more"):
            pull(1.0)


def test_smooth_points_are_computed_once():
    calls = []

    def f(x):
        calls.append(x)
        return np.sum(np.sqrt(x) * x)

    ad.grad(f)(np.array([1.0, 2.0]))
    ad.jvp(f, (np.array([1.0, 2.0]),), (np.ones(2),))
    assert len(calls) == 2


def test_infinite_slopes_stay():
    with np.errstate(all="ignore"):
        for g in (np.sqrt, ad.jit(lambda x: np.sqrt(x))):
            assert ad.grad(g)(0.0) == inf
