"""Linear algebra in compiled programs: Jacobians by columns, derivatives of derivatives."""

import numpy as np

import sciad as ad
from sciad.compiler import Group, compile_function

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
