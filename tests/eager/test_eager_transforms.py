# ruff: noqa: E501  tables read best one call to a line
"""Transforms of eager functions: against closed forms, each other, and every way of nesting them."""

import queue
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.optimize import rosen_der, rosen_hess

import sciad as ad

X = np.array([0.7, -1.2, 1.9, 0.4])


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def close(got, want, tolerance=1e-12):
    got, want = np.asarray(got), np.asarray(want)
    return got.shape == want.shape and np.max(np.abs(got - want)) <= tolerance * (1 + np.max(np.abs(want)))


def test_gradient_hessian_and_products_of_rosenbrock():
    v = np.array([1.0, -0.5, 0.25, 2.0])
    hessian = rosen_hess(X)
    assert close(ad.grad(rosenbrock)(X), rosen_der(X))
    assert close(ad.hessian(rosenbrock)(X), hessian)
    assert close(ad.hvp(rosenbrock, (X,), (v,)), hessian @ v)
    assert close(ad.jvp(rosenbrock, (X,), (v,))[1], rosen_der(X) @ v)
    assert close(ad.linearize(rosenbrock, X)[1](v), rosen_der(X) @ v)


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
def test_jacobian(mode):
    def f(x):
        return np.array([x[0] * x[1], np.sin(x[2]), x[3] ** 2 * x[0]])

    a, b, c, d = X
    expected = [[b, a, 0, 0], [0, 0, np.cos(c), 0], [d**2, 0, 0, 2 * d * a]]
    assert close(ad.jacobian(f, mode=mode)(X), expected)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_jacobian_of_more_directions_than_run_at_once(mode):
    a = np.random.default_rng(0).normal(size=(150, 150))
    assert close(ad.jacobian(lambda x: a @ np.sin(x), mode=mode)(np.zeros(150)), a)


def test_jacobian_of_trees():
    def f(p):
        return {"s": p["x"] * p["y"], "t": p["y"]}

    for mode in ("forward", "reverse"):
        found = ad.jacobian(f, mode=mode)({"x": X[:2], "y": 2.0})
        assert close(found["s"]["x"], 2.0 * np.eye(2)) and close(found["s"]["y"], X[:2])
        assert close(found["t"]["x"], np.zeros(2)) and close(found["t"]["y"], 1.0)


def test_jacobian_of_several_arguments():
    left, right = ad.jacobian(lambda a, b: a * b, argnums=(0, 1))(X, 2 * X)
    assert close(left, np.diag(2 * X)) and close(right, np.diag(X))


# ---------------------------------------------------------------------- nesting


def derivative(f, mode):
    if mode == "grad":
        return ad.grad(f)
    if mode == "jvp":
        return lambda x: ad.jvp(f, (x,), (1.0,))[1]
    if mode == "vjp":
        return lambda x: ad.vjp(f, x)[1](1.0)[0]
    if mode == "linearize":
        return lambda x: ad.linearize(f, x)[1](1.0)
    if mode == "vmap":
        return lambda x: ad.vmap(ad.grad(f))(np.stack([x, x]))[0]
    return lambda x: ad.jacobian(f, mode=mode)(x)


MODES = ["grad", "jvp", "vjp", "linearize", "forward", "reverse", "vmap"]


@pytest.mark.parametrize("inner", MODES)
@pytest.mark.parametrize("outer", MODES)
def test_no_perturbation_confusion(outer, inner):
    """d/dx [x d/dy (x + y)] = 1, the case that a single perturbation gets wrong."""

    def f(x):
        return x * derivative(lambda y: x + y, inner)(2.0)

    assert close(derivative(f, outer)(3.0), 1.0)

    def g(x):
        return x * derivative(lambda y: x * y * y, inner)(x)  # 2 x^3

    assert close(derivative(g, outer)(3.0), 54.0)


@pytest.mark.parametrize("modes", [(a, b, c) for a in MODES[:4] for b in MODES[:4] for c in MODES[:4]])
def test_third_derivative(modes):
    def f(x):
        return np.sin(x) * np.exp(0.5 * x)

    g = f
    for mode in modes:
        g = derivative(g, mode)
    # Im of the third derivative of exp((1/2 + i) x)
    expected = np.imag((0.5 + 1j) ** 3 * np.exp((0.5 + 1j) * 0.3))
    assert close(g(0.3), expected)


def test_tenth_derivative():
    f = np.sin
    for k in range(10):
        f = derivative(f, "jvp" if k % 2 else "grad") if k < 4 else derivative(f, "jvp")
    assert close(f(0.4), -np.sin(0.4), 1e-10)


def test_pullback_is_differentiable_in_its_cotangent():
    out, pullback = ad.vjp(lambda x: x**2, X)
    assert close(ad.grad(lambda g: np.sum(pullback(g)[0] ** 2))(np.ones(4)), 8 * X**2)
    assert close(out, X**2)


def test_gradient_through_an_inner_optimisation():
    def inner(a):
        x = 0.0
        for _ in range(60):
            x = x - 0.2 * ad.grad(lambda z: (z - a) ** 2 + 0.5 * z**2)(x)
        return x

    assert close(ad.grad(inner)(1.5), 2.0 / 3.0, 1e-9)


# ---------------------------------------------------------------------- arguments


class Pair(NamedTuple):
    rate: float
    weights: Any


@dataclass
class Box:
    size: float
    parts: list


def test_nested_arguments_keep_their_structure():
    p = {"a": 2.0, "b": (X, [Pair(3.0, X)]), "c": Box(1.5, [X[0]])}

    def loss(p):
        return (
            p["a"] * np.sum(p["b"][0])
            + p["b"][1][0].rate * np.sum(p["b"][1][0].weights ** 2)
            + p["c"].size * p["c"].parts[0]
        )

    g = ad.grad(loss)(p)
    assert close(g["a"], np.sum(X)) and close(g["b"][0], np.full(4, 2.0))
    assert (
        isinstance(g["b"][1][0], Pair)
        and close(g["b"][1][0].weights, 6 * X)
        and close(g["b"][1][0].rate, np.sum(X**2))
    )
    assert isinstance(g["c"], Box) and close(g["c"].size, X[0]) and close(g["c"].parts[0], 1.5)
    dp = {"a": 1.0, "b": (X, [Pair(0.0, 0 * X)]), "c": Box(0.0, [0.0])}
    assert close(ad.jvp(loss, (p,), (dp,))[1], np.sum(X) + 2 * np.sum(X))


def test_argnums_keywords_and_aux():
    def f(a, b, c=1.0):
        return a * b * c

    assert ad.grad(f, (0, 1))(2.0, 3.0, c=5.0) == (15.0, 10.0)
    assert ad.grad(f, 1)(2.0, 3.0) == 2.0
    (value, aux), g = ad.value_and_grad(lambda x: (x**2, {"twice": 2 * x}), has_aux=True)(3.0)
    assert (value, aux, g) == (9.0, {"twice": 6.0}, 6.0) and not ad.is_traced(aux["twice"])


def test_unused_argument_has_zero_gradient():
    g = ad.grad(lambda p: p["x"] ** 2)({"x": 2.0, "unused": X})
    assert close(g["unused"], np.zeros(4))
    assert ad.grad(lambda x: 3.0)(2.0) == 0.0


def test_same_value_twice_and_identity():
    assert close(ad.grad(lambda x: x)(2.0), 1.0)
    _out, pullback = ad.vjp(lambda x: (x, x, 2 * x), X)
    assert close(pullback((X, X, X))[0], 4 * X)


# ---------------------------------------------------------------------- vmap


def test_vmap_axes():
    def f(x, w):
        return np.dot(x, w)

    rows = np.stack([X, 2 * X, 3 * X])
    assert close(ad.vmap(f, in_axes=(0, None))(rows, X), rows @ X)
    assert close(ad.vmap(f, in_axes=(1, 1))(rows.T, rows.T), np.sum(rows * rows, 1))
    assert close(ad.vmap(lambda x: np.outer(x, x), out_axes=2)(rows), np.einsum("bi,bj->ijb", rows, rows))
    assert close(ad.vmap(lambda p: p["a"] * np.sum(p["b"]), in_axes=({"a": 0, "b": 1},))({"a": rows[:, 0], "b": rows.T}),
                 rows[:, 0] * rows.sum(1))  # fmt: skip
    with pytest.raises(ValueError, match="different length"):
        ad.vmap(f)(rows, X)
    with pytest.raises(ValueError, match="no argument"):
        ad.vmap(f, in_axes=None)(rows, X)


def test_vmap_nests():
    rows = np.stack([X, 2 * X, 3 * X])
    pairs = ad.vmap(lambda a: ad.vmap(lambda b: np.dot(a, b))(rows))(rows)
    assert close(pairs, rows @ rows.T)
    assert close(ad.vmap(ad.hessian(rosenbrock))(rows), np.stack([rosen_hess(r) for r in rows]))
    assert close(
        ad.grad(lambda r: np.sum(ad.vmap(rosenbrock)(r)))(rows), np.stack([rosen_der(r) for r in rows])
    )


def test_vmap_refuses_a_decision_per_element():
    with pytest.raises(ad.NotDifferentiable, match=r"np\.where"):
        ad.vmap(lambda x: x if x > 0 else -x)(X)


# ---------------------------------------------------------------------- custom rules


def outer_product(p, label):
    return {"y": np.outer(p, p), "label": label, "n": 3}


def test_custom_pullback_and_pushforward():
    def pullback(args):
        return (outer_product(*args), lambda g: ((g["y"] + g["y"].T) @ args[0], None))

    def pushforward(args, t):
        return (outer_product(*args), {"y": np.outer(t[0], args[0]) + np.outer(args[0], t[0]),
                                                              "label": None, "n": None})  # fmt: skip

    for rules in (
        {"pullback": pullback},
        {"pushforward": pushforward},
        {"pullback": pullback, "pushforward": pushforward},
    ):
        product = ad.custom(outer_product, **rules)

        def f(p, product=product):
            return np.sum(product(p, "name")["y"] ** 2)

        assert close(ad.grad(f)(X), 4 * X * np.sum(X * X))
        assert close(ad.jvp(f, (X,), (X,))[1], 4 * np.sum(X * X) ** 2)
        ad.check_grads(f, (X,), order=2)
        assert product(X, "name")["label"] == "name"


def test_custom_rules_may_be_numerical_to_first_order():
    """Rules that leave the differentiable language: first derivatives and their Jacobians."""
    seen = []

    def pull(args):
        assert type(args[0]) is np.ndarray
        seen.append(1)
        return args[0] ** 2, lambda g: (np.asarray(2 * args[0] * g, dtype=float),)

    square = ad.custom(lambda x: x**2, pullback=pull)
    assert close(ad.grad(lambda x: np.sum(square(x)))(X), 2 * X)
    assert close(ad.jacobian(square, mode="reverse")(X), np.diag(2 * X))
    assert close(ad.jacobian(square, mode="forward")(X), np.diag(2 * X))
    assert seen


def test_custom_without_rule():
    f = ad.custom(lambda x: x**2)
    assert f(3.0) == 9.0
    with pytest.raises(ad.MissingRule, match="reverse"):
        ad.grad(f)(3.0)
    with pytest.raises(ad.MissingRule, match="forward"):
        ad.jvp(f, (3.0,), (1.0,))


def test_custom_that_captures_a_differentiated_value_raises():
    def loss(a):
        scale = ad.custom(lambda x: x * a, pullback=lambda args: (args[0] * a, lambda g: (g * a,)))
        return scale(a)

    with pytest.raises(ad.NotDifferentiable, match="argument"):
        ad.grad(loss)(2.0)


def test_checkpoint_is_the_function_and_keeps_nothing():
    weights = np.array([1.0, 2.0, 3.0, 4.0])
    calls = queue.SimpleQueue()  # of Python's own: not copied for the later calls

    def block(y):
        calls.put(1)
        return np.tanh(y * weights)

    def f(x):
        return np.sum(ad.checkpoint(block)(ad.checkpoint(block)(x)) ** 2)

    def plain(x):
        return np.sum(block(block(x)) ** 2)

    assert close(ad.grad(f)(X), ad.grad(plain)(X)) and close(ad.hessian(f)(X), ad.hessian(plain)(X))

    def captured(a):
        return np.sum(ad.checkpoint(lambda y: y * a)(X * a))

    assert close(ad.grad(captured)(2.0), 4 * np.sum(X))
    before = calls.qsize()
    ad.grad(f)(X)
    assert calls.qsize() - before == 4


# ---------------------------------------------------------------------- implicit solutions


def test_deep_equilibrium_layer():
    w = 0.3 * np.random.default_rng(1).normal(size=(4, 4))

    def layer(w, b):
        return ad.fixed_point(lambda z: np.tanh(w @ z + b), np.zeros(4))

    def unrolled(w, b):
        z = np.zeros(4)
        for _ in range(300):
            z = np.tanh(w @ z + b)
        return z

    for k in range(2):
        implicit = ad.grad(lambda *a: np.sum(layer(*a) ** 2), k)(w, X)
        explicit = ad.grad(lambda *a: np.sum(unrolled(*a) ** 2), k)(w, X)
        assert close(implicit, explicit, 1e-8)
    ad.check_grads(lambda w, b: np.sum(layer(w, b) ** 2), (w, X), order=2, rtol=1e-5, atol=1e-5)


def test_root_of_a_system():
    def f(a, b):
        return ad.root(lambda x, a: x**3 + a * x - b, np.ones(4), a)

    ad.check_grads(f, (2.0, X**2), order=2, rtol=1e-5, atol=1e-5)
    solution = f(2.0, X**2)
    assert close(ad.jacobian(f, 1)(2.0, X**2), np.diag(1 / (3 * solution**2 + 2)))


def test_iterations_that_do_not_converge_raise():
    with pytest.raises(ad.NotConverged, match="contraction"):
        ad.fixed_point(lambda x: 2 * x + 1, 1.0, max_iterations=50)
    with pytest.raises(ad.NotConverged, match="residual"):
        ad.root(lambda x: x**2 + 1.0, 0.3)


# ---------------------------------------------------------------------- check_grads itself, long tapes, complex numbers


def test_check_grads_finds_wrong_rules():
    wrong = ad.custom(lambda x: x**2, pullback=lambda args: (args[0] ** 2, lambda g: (2.001 * args[0] * g,)))
    with pytest.raises(ad.CheckFailed, match="reverse"):
        ad.check_grads(wrong, (3.0,), modes=("reverse",))
    nan = ad.custom(lambda x: x**2, pullback=lambda args: (args[0] ** 2, lambda g: (np.nan * g,)))
    with pytest.raises(ad.CheckFailed):
        ad.check_grads(nan, (3.0,), modes=("reverse",))


def test_long_tape_does_not_recurse():
    def f(x):
        for _ in range(50_000):
            x = x * 0.99999 + 1e-6
        return x

    assert close(ad.grad(f)(1.0), 0.99999**50_000, 1e-9)


def test_real_function_through_complex_numbers():
    def power(x):
        spectrum = np.fft.fft(x * np.exp(1j * x))
        return (
            np.sum(np.abs(spectrum) ** 3)
            + np.real(spectrum[1] * np.conj(spectrum[2]))
            + np.angle(spectrum[0])
        )

    ad.check_grads(power, (X,), order=2, rtol=1e-5, atol=1e-5)
    g = ad.grad(power)(X)
    assert g.dtype == np.float64


@pytest.mark.parametrize("take", [lambda a, k: np.take(a, k, axis=0), lambda a, k: np.array(a)[k]])
def test_plain_arrays_at_places_that_vmap_runs_over(take):
    table, ks = np.arange(12.0).reshape(4, 3), np.array([0, 3])
    assert np.array_equal(ad.vmap(lambda k: take(table, k))(ks), table[ks])
    rows = ad.vmap(lambda k, x: ad.grad(lambda x: np.sum(take(table, k) * x**2))(x))(ks, np.ones((2, 3)))
    assert np.array_equal(rows, 2 * table[ks])
    with pytest.raises(IndexError, match=r"np\.take"):
        ad.vmap(lambda k: table[k])(ks)
