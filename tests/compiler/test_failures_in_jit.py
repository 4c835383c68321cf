"""What NumPy raises, compiled code raises, and its handlers get it."""

import math

import numpy as np
import pytest

import sciad as ad
from sciad.errors import UnsupportedSyntax


def singular_inverse(x):
    return np.linalg.inv(np.array([[x, x], [x, x]]))[0, 0]


def singular_by_three(x):
    return np.linalg.solve(np.array([[x, 1.0, 0.0], [2 * x, 2.0, 0.0], [0.0, 0.0, 1.0]]), np.ones(3))[0]


def singular_by_five(x):
    return np.linalg.solve(x * np.ones((5, 5)), np.ones(5))[0]


def indefinite(x):
    return np.linalg.cholesky(np.array([[x, 2.0], [2.0, x]]))[0, 0]


@pytest.mark.parametrize("f", [singular_inverse, singular_by_three, singular_by_five, indefinite])
def test_matrices_that_have_no_inverse_or_factor(f):
    for g in (f, ad.jit(f), ad.grad(ad.jit(f)), ad.jit(ad.grad(f))):
        with pytest.raises(np.linalg.LinAlgError):
            g(1.0)


def test_nan_and_infinity_go_through_as_in_numpy():
    a = np.ones((5, 5)) + np.eye(5)
    solve = ad.jit(lambda a: np.linalg.solve(a, np.ones(5)))
    assert np.allclose(solve(a), np.linalg.solve(a, np.ones(5)), rtol=1e-14)
    a[0, 0] = np.nan
    assert np.isnan(solve(a)).all()


def with_jitter(x):
    try:
        return np.sum(np.linalg.cholesky(np.array([[x, 2.0], [2.0, x]])))
    except np.linalg.LinAlgError:
        return 7.0 * x


def through_inverse(x):
    try:
        return np.sum(np.linalg.inv(np.array([[x, 2.0], [2.0, 4.0]])))
    except np.linalg.LinAlgError:
        return 5.0 * x


@pytest.mark.parametrize("f", [with_jitter, through_inverse])
@pytest.mark.parametrize("x", [1.0, 3.0, 1.5])
def test_handlers_of_linear_algebra(f, x):
    if f is through_inverse and x == 1.0:
        assert ad.jit(f)(x) == f(x) == 5.0
        return
    value, slope = ad.value_and_grad(ad.jit(f))(x)
    h = 1e-6
    assert value == pytest.approx(f(x), rel=1e-13)
    assert slope == pytest.approx((f(x + h) - f(x - h)) / (2 * h), rel=1e-8)


def logarithm(x):
    try:
        return math.log(x)
    except ValueError:
        return 3.0 * x


def raised(x):
    try:
        if x > 1.0:
            raise KeyError("a")
        return x * x
    except KeyError:
        return 5.0 * x


@pytest.mark.parametrize(
    ("f", "x", "slope"),
    [(logarithm, -2.0, 3.0), (logarithm, 2.0, 0.5), (raised, -2.0, -4.0), (raised, 2.0, 5.0)],
)
def test_handlers_inside_of_what_a_transform_inside_is_given(f, x, slope):
    assert ad.jit(ad.grad(f))(x) == slope
    assert ad.jit(ad.value_and_grad(f))(x) == (f(x), slope)


def test_error_states_that_raise_are_refused():
    def f(x):
        with np.errstate(divide="raise"):
            return np.log(x)

    with pytest.raises(UnsupportedSyntax, match="raises, calls or prints"):
        ad.jit(f)(0.0)


def test_arrays_without_axes_are_numbers():
    f = ad.jit(lambda x: np.zeros(()) + x)
    assert ad.value_and_grad(f)(1.1) == (1.1, 1.0)


def test_writes_in_a_lambda_inside_of_a_lambda():
    assert ad.grad(lambda x: (lambda z: (z.fill(x), z[0])[1])(np.zeros(3)))(2.0) == 1.0
