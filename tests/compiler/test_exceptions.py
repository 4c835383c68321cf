"""Exceptions to the letter of Python: what is caught, what goes on, what is done before and after."""

import math

import numpy as np
import pytest

import sciad as ad

TABLE = np.array([1.0, 2.0, 4.0])


def not_caught_goes_on(x):
    try:
        if x > 1.0:
            raise KeyError("x")
        y = 1.0
    except ValueError:
        y = 2.0
    return y * x


def order_of_effects(x):
    log = [x]
    try:
        log[0] += 1.0
        log[0] *= 1.0 / (x - 2.0)
        log[0] += 100.0
    except ZeroDivisionError:
        log[0] *= 3.0
    return log[0]


def assigned_before_and_not_after(x):
    a, b = 1.0, 1.0
    try:
        a = 5.0 * x
        b = math.log(x - 1.5)
        a = 9.0
    except ValueError:
        b = 4.0
    return a + b


def handler_raises_for_the_next(x):
    try:
        try:
            y = math.sqrt(x - 1.0)
        except ValueError as error:
            raise KeyError("no root") from error
    except KeyError:
        y = 7.0 * x
    return y


def raised_again(x):
    t = 0.0
    try:
        try:
            if x > 1.0:
                raise ValueError("a")
            t += 1.0
        except ValueError:
            t += 10.0 * x
            raise
    except ValueError:
        t += 100.0
    return t


def in_a_long_loop(x):
    t, failures = 0.0, 0
    for k in range(60):
        try:
            t += 1.0 / (x - 0.125 * k) if k % 2 else math.sqrt(x - 0.125 * k)
        except (ValueError, ZeroDivisionError):
            failures += 1
            if failures > 20:
                break
    return t + failures


def index_out_of_bounds(x):
    total = 0.0
    for k in range(5):
        try:
            total += TABLE[int(x) + k] * x
        except IndexError:
            total += 0.5
    return total


def division_of_integers(x):
    n = int(x) - 1
    try:
        return 10 // n + x
    except ZeroDivisionError:
        return -x


def numbers_of_numpy_do_not_raise(x):
    v = np.array([1.0, x - 2.0])
    try:
        y = v[0] / v[1]
    except ZeroDivisionError:
        y = 0.0
    return 1.0 / y if y != 0.0 else 5.0


def deep(v):
    if v > 1.5:
        raise OverflowError("deep")
    return v * v


def middle(v):
    w = deep(v)
    return w + deep(0.5 * v)


def raised_deep_inside(x):
    total = 0.0
    for k in range(4):
        try:
            total += middle(x * k)
        except ArithmeticError:
            total -= 1.0
    return total


def returned_from_a_try(x):
    for k in range(4):
        try:
            return math.sqrt(k - x)
        except ValueError:
            continue
    return 0.0


def finally_after_a_return(x):
    q = [0.0]

    def f():
        try:
            return x * 2.0
        finally:
            q[0] = x

    return f() + q[0]


def always_raises(x):
    def stop():
        raise RuntimeError("stop")

    return x + stop()


PROGRAMS = [
    not_caught_goes_on, order_of_effects, assigned_before_and_not_after, handler_raises_for_the_next,
    raised_again, in_a_long_loop, index_out_of_bounds, division_of_integers, numbers_of_numpy_do_not_raise,
    raised_deep_inside, returned_from_a_try, finally_after_a_return, always_raises,
]  # fmt: skip


def outcome(f, x):
    with np.errstate(all="ignore"):
        try:
            return float(f(x))
        except Exception as error:
            return type(error)


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("x", [0.83, 1.31, 2.0, 2.57])
def test_as_in_python(f, x):
    want, got = outcome(f, x), outcome(ad.jit(f), x)
    if not isinstance(want, float):
        assert got == want
        return
    assert got == pytest.approx(want, rel=1e-12)
    ends = [outcome(f, x + h) for h in (1e-6, -1e-6)]
    if x != 2.0 and all(isinstance(e, float) for e in ends):
        slope = (ends[0] - ends[1]) / 2e-6
        assert ad.grad(ad.jit(f))(x) == pytest.approx(slope, rel=1e-5, abs=1e-5)
