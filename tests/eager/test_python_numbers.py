"""Errors that Python's numbers raise reach the programs that catch them; NumPy's numbers raise none."""

import math

import numpy as np
import pytest

import sciad as ad


def divided(x):
    try:
        return 1.0 / (x - 2.0)
    except ZeroDivisionError:
        return 3.0 * x


def powers(x):
    try:
        return (x - 2.0) ** -1
    except (ArithmeticError, TypeError) as error:
        assert isinstance(error, ZeroDivisionError)
        return x * x


def remainders(x):
    try:
        return 5.0 % (x - 2.0)
    except ZeroDivisionError:
        return 4.0 * x


def whole(x):
    try:
        return x * (7.0 // (x - 2.0))
    except Exception:
        return 5.0 * x


def overflows(x):
    try:
        return (x * 1e200) ** 2.0
    except OverflowError:
        return x**3


def bare(x):
    try:
        return x / (x - 2.0)
    except:  # noqa: E722
        return 7.0 * x


def in_a_helper(x):
    def helper(y):
        return 1.0 / y

    try:
        try:
            y = helper(x - 2.0)
        finally:
            x = x * 1.0
    except ValueError:
        return x
    except ZeroDivisionError:
        return 8.0 * x
    return y


def root(x):
    try:
        return math.sqrt(x - 3.5)
    except ValueError:
        return 2.0 * x


def logarithm(x):
    try:
        return math.log(x - 2.0)
    except ValueError:
        return 6.0 * x


def exponential(x):
    try:
        return math.exp(x * 500.0)
    except OverflowError:
        return 9.0 * x


CAUGHT = [divided, powers, remainders, whole, overflows, bare, in_a_helper, root, logarithm, exponential]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("f", CAUGHT, ids=lambda f: f.__name__)
def test_the_other_branch(f):
    h, want = 1e-6, {"powers": 4.0, "overflows": 12.0}.get(f.__name__, f(2.0) / 2.0)
    assert ad.value_and_grad(f)(2.0) == (f(2.0), pytest.approx(want))
    assert ad.jvp(f, (2.0,), (1.0,)) == (f(2.0), pytest.approx(want))
    assert ad.vjp(f, 2.0)[0] == f(2.0)
    assert ad.jvp(ad.grad(f), (2.0,), (1.0,))[0] == pytest.approx(want)
    x = 4.3  # nothing is raised
    assert ad.grad(f)(x) == pytest.approx((f(x + h) - f(x - h)) / (2 * h), rel=1e-6) or f is exponential


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("f", [divided, powers, remainders, bare, in_a_helper])
def test_numbers_of_numpy_raise_nothing(f):
    x = np.float64(2.0)
    plain, traced = f(x), ad.value_and_grad(f)(x)[0]
    assert not np.isfinite(plain) and (traced == plain or np.isnan(plain))
    values = np.array([2.0, 3.0])
    assert not np.isfinite(ad.value_and_grad(lambda v: f(v[0]))(values)[0])


@pytest.mark.filterwarnings("ignore")
def test_what_nobody_catches_stays_infinite():
    assert ad.grad(lambda x: np.where(x > 2, 1.0 / (x - 2.0), 3.0 * x))(2.0) == 3.0
    assert ad.grad(lambda x: 1 / (1 / x + 1 / 3))(0.0) == pytest.approx(1.0)

    def other(x):
        try:
            return 1 / (1 / x + 1 / 3)
        except KeyError:
            return x

    assert ad.grad(other)(0.0) == pytest.approx(1.0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("x", [1.0, np.float64(1.0), np.ones(1)])
def test_functions_of_math_raise_what_they_raise(x):
    for f, error in [
        (lambda x: math.sqrt(x - 2.5), ValueError),
        (lambda x: math.log(x - 1.0), ValueError),
        (lambda x: math.exp(x * 1000.0), OverflowError),
        (lambda x: math.acos(x + 1.0), ValueError),
        (lambda x: math.pow(x - 1.0, -1.0), ValueError),
    ]:
        for run in (lambda f, x: ad.value_and_grad(f)(x), lambda f, x: ad.jvp(f, (x,), (x,))):
            with pytest.raises(error):
                run(lambda x, f=f: f(x if np.ndim(x) == 0 else x[0]), x)


def test_values_of_an_ended_jvp_are_refused():
    kept = []
    ad.jvp(lambda x: kept.append(x) or x * x, (np.array([2.0, 3.0]),), (np.ones(2),))
    for use in (
        lambda x: x + 1.0,
        lambda x: 2.0 * x,
        lambda x: x * x,
        lambda x: x / np.ones(2),
        lambda x: -x,
        lambda x: x[0],
        lambda x: np.sin(x),
        lambda x: 1.0 / x,
        lambda x: x**2,
        np.sum,
    ):
        with pytest.raises(ad.EscapedValue):
            use(kept[0])
