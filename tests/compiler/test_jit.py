"""`ad.jit`: values and derivatives of every order against the same function run eagerly or in closed form."""

import numpy as np
import pytest

import sciad as ad


def newton(a):
    z = a
    while abs(z + 0.5 * np.sin(z) - a) > 1e-13:
        z = z - (z + 0.5 * np.sin(z) - a) / (1.0 + 0.5 * np.cos(z))
    return z


def network(p, x):
    h = np.tanh(x @ p["w"].T + p["b"])
    return np.sum((h @ p["v"]) ** 2)


def mutated(x, c):
    u = np.zeros(len(x))
    for i in range(1, len(x)):
        u[i] = u[i - 1] * c + x[i] ** 2
        if u[i] > 2.0:
            u[i] = 2.0 + np.log(u[i] - 1.0)
    return {"last": u[-1], "all": u[1:]}


RNG = np.random.default_rng(0)
P = {"w": RNG.normal(size=(6, 3)), "b": RNG.normal(size=6), "v": RNG.normal(size=(6, 2))}
X = RNG.normal(size=(5, 3))
Y = np.array([0.4, 1.3, 0.9, 1.1])


def test_newton_has_derivatives_of_order_three():
    f = ad.jit(newton)
    a = 1.7
    z = newton(a)
    d1 = 1 / (1 + 0.5 * np.cos(z))
    d2 = 0.5 * np.sin(z) * d1**3
    d3 = 0.5 * np.cos(z) * d1**4 + 1.5 * np.sin(z) * d1**2 * d2
    assert not abs(f(a) - z) > 1e-12
    assert not abs(ad.grad(f)(a) - d1) > 1e-9
    assert not abs(ad.grad(ad.grad(f))(a) - d2) > 1e-8
    assert not abs(ad.grad(ad.grad(ad.grad(f)))(a) - d3) > 1e-7
    assert not abs(ad.jvp(lambda z: ad.jvp(ad.grad(f), (z,), (1.0,))[1], (a,), (1.0,))[1] - d3) > 1e-7
    assert not abs(ad.jvp(ad.grad(f), (a,), (1.0,))[1] - d2) > 1e-8


def close(a, b, tol=1e-11):
    a, b = (np.concatenate([np.ravel(x) for x in ad.tree.flatten(t)[0]]) for t in (a, b))
    assert a.shape == b.shape and not np.max(np.abs(a - b)) > tol * (1 + np.max(np.abs(b)))


def test_gradients_of_nested_arguments_are_those_of_the_eager_core():
    f = ad.jit(network)
    close(f(P, X), network(P, X))
    close(ad.grad(f, (0, 1))(P, X), ad.grad(network, (0, 1))(P, X))
    close(
        ad.hessian(lambda b: f({**P, "b": b}, X))(P["b"]),
        ad.hessian(lambda b: network({**P, "b": b}, X))(P["b"]),
    )
    v = RNG.normal(size=X.shape)
    close(ad.hvp(lambda x: f(P, x), (X,), (v,)), ad.hvp(lambda x: network(P, x), (X,), (v,)))


def test_structured_results_and_jacobians():
    f = ad.jit(mutated)
    close(f(Y, 0.9), mutated(Y, 0.9))
    h = 1e-6
    for mode in ("forward", "reverse"):
        J = ad.jacobian(f, mode=mode)(Y, 0.9)["all"]
        for k, e in enumerate(np.eye(4)):
            close(J[:, k], (mutated(Y + h * e, 0.9)["all"] - mutated(Y - h * e, 0.9)["all"]) / (2 * h), 1e-7)
    _out, dout = ad.jvp(f, (Y, 0.9), (np.zeros(4), 1.0))
    close(dout["last"], (mutated(Y, 0.9 + h)["last"] - mutated(Y, 0.9 - h)["last"]) / (2 * h), 1e-7)


def test_captured_values_are_differentiated():
    def loss(c):
        g = ad.jit(lambda x: np.sum(np.exp(c * x)))
        return g(Y)

    close(ad.grad(loss)(0.3), np.sum(Y * np.exp(0.3 * Y)))


def test_a_jitted_function_calls_another():
    inner = ad.jit(lambda x: x * np.sin(x))
    outer = ad.jit(lambda x: inner(x) + inner(2.0 * x))
    close(ad.grad(outer)(0.7), np.sin(0.7) + 0.7 * np.cos(0.7) + 2 * np.sin(1.4) + 2.8 * np.cos(1.4))


def test_variables_may_have_the_names_of_functions_that_are_called():
    def f(x):
        sign, tanh, where, maximum = x * np.sign(x), 2 * x, 3 * x, 0.5 * x
        plus = np.where(sign > 1.0, np.tanh(tanh), where)
        return np.sum(plus * np.maximum(maximum, sign)) + np.sum(np.sin(where)) * tanh[0]

    x = np.array([0.7, -1.3, 1.9])
    close(ad.jit(f)(x), f(x))
    close(ad.grad(ad.jit(f))(x), ad.grad(f)(x))


def test_ints_are_static_and_keywords_are_accepted():
    f = ad.jit(lambda x, n: x**n)
    assert f(2.0, 3) == 8.0 and f(2.0, n=5) == 32.0
    close(ad.grad(f)(2.0, 3), 12.0)


def test_mapped_over_rows():
    f = ad.jit(lambda x: np.sum(np.tanh(x) ** 2))
    close(ad.vmap(ad.grad(f))(X), np.array([ad.grad(f)(x) for x in X]))


def test_source_is_shown():
    f = ad.jit(newton)
    f(1.0)
    for kind in ("primal", "pushforward", "pullback"):
        text = ad.source(f, kind)
        assert text.startswith("def newton") and "while" in text and "test_jit.py:" in text
    assert "z_bar" in ad.source(f, "pullback")
    with pytest.raises(ValueError, match="has not been compiled"):
        ad.source(lambda x: x)
