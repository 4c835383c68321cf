"""Numbers of traced programs: truth values, ints beyond 64 bits, divisions by zero, NaN and infinities."""

import numpy as np
import pytest

import sciad as ad
from sciad.compiler.ir import interpret
from sciad.errors import UnsupportedSyntax
from tests.compiler.agree import floats, follows_python

SIGNED = np.array([0.3, -1.2, 2.0, 0.7])


def truths(y):
    m, n = y > 0, y > 1.0
    out = [m + n, m * n, (m + n) + n, np.maximum(m, n), m.sum() + n.sum(), m * 2, m / 2, m + 1, (m * y).sum()]
    return [*out, 3 * (y[0] > 0), (y[0] > 0) * (y[1] > 0) * 2.0, sum([y[0] > 0, y[2] > 0]), int(y[0] > 0) + 1]


def first_nan(y):
    roots = np.sqrt(y)
    return [np.argmax(roots), np.argmin(roots), np.argmax(y), np.argmin(y), np.argmax(-roots[::-1])]


def replaced(y):
    z = np.array([np.nan, 1.0, -np.inf, np.inf]) * y
    return np.nan_to_num(z), np.nan_to_num(z, nan=3.0, posinf=1.0, neginf=-2.0)


def divided_by_zero(y):
    n = 0
    return y / n, y[1] / 0.0, y[0] / -0.0, y // 0.0, 0.0 / (y * n)


def large_ints(y):
    n = 2**70
    return n * y, y / 10**30, (3**50) // 7**20, float(2**65), int(y[2]) * 2**40


def texts(y):
    d = {}
    for i in range(3):
        d[f"k{i}"] = y[i] * i
    return d["k1"] + d["k2"], d[f"k{2:d}"], len(d), len(f"{3.14159:.2f}"), sorted([3, 1, 2]), str(12) == "12"


def interpolated(y):
    return np.interp(y[0], [0.0, 1.0], [2.0, 3.0]), np.interp(y, [-1.0, 0.0, 2.0], (0.0, 5.0, y[0]))


def appended(y):
    items = [y[0]]
    for i in range(10):
        items.append(items[-1] * 0.5 + i)
    return items


def parts(y):
    return np.ldexp(y, 3), np.ldexp(y[0], np.array([-2, 5])), np.modf(y * 2.5), np.divmod(y, 0.3), y % -0.7


VALUES = [parts, truths, first_nan, replaced, divided_by_zero, large_ints, texts, interpolated, appended]


@pytest.mark.parametrize("fun", VALUES, ids=lambda f: f.__name__)
def test_values(fun):
    follows_python(fun, SIGNED)


def test_a_derivative_through_a_division_by_zero():
    fun = ad.jit(lambda y: y[1] / 0)
    assert fun(SIGNED) == -np.inf and ad.grad(fun)(SIGNED)[1] == np.inf


def factorial(y):
    n = 1
    for k in range(1, int(y[2]) + 20):
        n *= k
    return n


def fibonacci(y):
    a, b = 0, 1
    for _ in range(int(50 * y[2])):
        a, b = b, a + b
    return a


def power(y):
    return int(100 * y[2]) ** 9 + 2


def int_of_nan(y):
    return int(np.sqrt(y[1])) + y[0]


def int_of_much(y):
    return int(1e300 * y[0])


def divides_ints(y):
    n = int(y[0])
    return 3 // n


def remainder_of_ints(y):
    n = int(y[0])
    return 3 % n


def quotient_of_ints(y):
    n = int(y[0])
    return n / n


RAISED = {factorial: "64 bits", fibonacci: "64 bits", power: "64 bits", int_of_nan: "int", int_of_much: "int"}
RAISED |= dict.fromkeys((divides_ints, remainder_of_ints, quotient_of_ints), "by zero")


@pytest.mark.parametrize("fun", RAISED, ids=lambda f: f.__name__)
def test_what_ints_cannot_hold_raises(fun):
    """Never a number that has wrapped: a status with the exception's text."""
    with np.errstate(all="ignore"):
        found = follows_python(fun, np.array([1.3, 4.0, 0.02, 1.0])) if fun is not int_of_much else None
        fun_jit = ad.jit(fun)
        with pytest.raises((OverflowError, ValueError, ZeroDivisionError), match=RAISED[fun]):
            fun_jit(SIGNED)
    if found is not None:
        with pytest.raises(interpret.Left):
            interpret.run(found.program, floats(SIGNED))


def added_truths(y):
    return (y[0] > 0) + (y[1] > 0)


def subtracted_truths(y):
    return (y > 0) - (y > 1)


def negated_truths(y):
    return -(y > 0)


def huge_int(y):
    return int(y[0]) + 2**70


def text_of_value(y):
    return {"a1": y}[f"a{y[0]}"]


def extreme_of_nothing(y):
    return np.max(y[4:])


REFUSED = [added_truths, subtracted_truths, negated_truths, huge_int, text_of_value, extreme_of_nothing]


@pytest.mark.parametrize("fun", REFUSED, ids=lambda f: f.__name__)
def test_refused(fun):
    with pytest.raises(UnsupportedSyntax) as caught:
        follows_python(fun, SIGNED)
    assert caught.value.lineno >= fun.__code__.co_firstlineno
