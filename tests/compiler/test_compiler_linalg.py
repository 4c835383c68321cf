"""Linear algebra in compiled programs: Jacobians by columns, derivatives of derivatives."""

import functools

import numpy as np

import sciad as ad
from sciad.compiler import Group, compile_function
from sciad.compiler.backend.array_call_text import TEXTS
from sciad.compiler.derivatives.array_call_rules import PULLBACKS, PUSHFORWARDS
from sciad.compiler.ir.array_calls import ARRAY_CALLS

A = np.array([[4.0, 1.0, 0.5], [0.3, 3.0, 0.2], [0.1, 0.7, 5.0]])
B = np.array([[0.4, 1.0, 0.5], [0.3, 0.3, 0.2], [0.1, 0.7, 0.5]])
P = np.array([1.0, -0.5, 2.0])


def all_three(y, p):
    a = y.reshape(3, 3)
    return np.linalg.inv(a) @ np.linalg.solve(a, p) * np.linalg.det(a)


def inverse(y, p):
    return np.linalg.inv(y.reshape(3, 3)).ravel()


def test_jacobians_whose_columns_are_arrays():
    for fun in (all_three, inverse):
        compiled = compile_function(fun, [Group("y", A.ravel()), Group("p", P)])
        J = np.empty((compiled.n_out, 9))
        assert compiled.interpreted("jacobian")(A.ravel(), P, J.ravel()) == 0
        flat = J.ravel()
        assert compiled.call("jacobian", A.ravel(), P, flat) == 0
        np.testing.assert_allclose(J, ad.jacobian(fun)(A.ravel(), P), rtol=1e-12, atol=1e-12)


def curve(s):
    a = A + np.sin(s) * B
    x = np.linalg.solve(a, np.array([1.0, s, 2.0]))
    y = np.linalg.solve(a.T, x * s)
    return np.sum(np.linalg.inv(a) @ x * y) * np.linalg.det(a)


def test_third_derivatives_in_any_mode():
    fun, s = ad.jit(curve), 0.7
    second, third = ad.grad(ad.grad(curve)), ad.grad(ad.grad(ad.grad(curve)))(s)
    h = 1e-4
    assert not abs(third - (second(s + h) - second(s - h)) / (2 * h)) > 1e-6 * abs(third)
    assert not abs(ad.grad(lambda s: ad.jvp(fun, (s,), (1.0,))[1])(s) - second(s)) > 1e-11
    assert not abs(ad.grad(ad.grad(ad.grad(fun)))(s) - third) > 1e-11
    assert not abs(ad.grad(lambda s: ad.jvp(ad.grad(fun), (s,), (1.0,))[1])(s) - third) > 1e-11


def test_large_products_go_through_blas():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(40, 30)), rng.normal(size=(30, 40))

    def by_rows(a, b):
        return np.sum(np.tanh(a @ b) @ b.T)

    def by_columns(a, b):
        return np.sum((b.T @ a.T) * np.sin(a @ b).T)

    for fun in (by_rows, by_columns):
        compiled = compile_function(fun, [Group("x", (a, b), spread=True)])
        assert "gemm(" in compiled.source("pullback") and "matmul(" not in compiled.source("pullback")
        value, gradient = ad.value_and_grad(fun, (0, 1))(a, b)
        flat, expected = np.concatenate([a.ravel(), b.ravel()]), np.concatenate([g.ravel() for g in gradient])
        for run in (compiled.interpreted("pullback"), functools.partial(compiled.call, "pullback")):
            out, bar = np.empty(1), np.zeros(flat.size)
            assert run(flat, np.ones(1), out, bar) == 0
            np.testing.assert_allclose(out[0], value, rtol=1e-12)
            np.testing.assert_allclose(bar, expected, rtol=1e-11, atol=1e-11)


def test_every_array_primitive_is_declared_on_all_floors():
    """Its meaning, its derivatives and its kernel; `solve` is replaced by others before."""
    declared = set(ARRAY_CALLS) - {"solve"}
    assert declared == set(PULLBACKS) == set(PUSHFORWARDS) == set(TEXTS)
