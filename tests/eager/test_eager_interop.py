# ruff: noqa: E501, UP031  tables read best one call to a line
"""NumPy's and Python's habits on traced values, and what errors say."""

import copy
import math
import operator
import warnings
from math import exp

import numpy as np
import pytest
import scipy.interpolate
import scipy.linalg
import scipy.special
from numpy import array, zeros
from scipy.linalg import expm
from scipy.optimize import minimize
from scipy.special import logsumexp

import sciad as ad

X = np.array([1.0, 2.0, 3.0])


def newton(a):
    z = 1.0
    while abs(z * z - a) > 1e-13:
        z = z - (z * z - a) / (2 * z)
    return z


def bisect(a):
    low, high = a * 0.0, a
    while np.linalg.norm(np.array([high - low])) > 1e-9:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if middle < 1.0 else (low, middle)
    return np.sum(np.array([a, a * a]))


def by_name(x):
    out = zeros(3)
    out[1] = exp(x[0])
    return np.sum(out) + logsumexp(x) + np.sum(array([x[1], x[2] ** 2])) + expm(x[0] * np.eye(1))[0, 0]


SOFTMAX = np.exp(X) / np.sum(np.exp(X))

# function, argument, gradient in closed form
HABITS = {
    "while on values": (newton, 4.0, 0.25),
    "norm in a condition": (bisect, 2.0, 5.0),
    "if on values": (lambda x: x**2 if x > 1 and not x < 0 else -x, 3.0, 6.0),
    "names imported from modules": (by_name, X, SOFTMAX + [2 * math.e, 1.0, 6.0]),
    "math": (lambda x: math.exp(x) * math.sin(x) + math.pow(x, 3.0), 1.0, math.e * (math.sin(1) + math.cos(1)) + 3),
    "math of several": (lambda x: math.hypot(x[0], x[1]) + math.fsum(x) + math.log(x[1], 2.0), X,
                        [1 / 5**0.5 + 1, 2 / 5**0.5 + 1 + 0.5 / math.log(2), 1.0]),
    "math.floor": (lambda x: math.floor(x) * x, 3.7, 3.0),
    "np.array of values": (lambda x: np.sum(np.array([x[0], x[1] * x[2]]) ** 2), X, [2.0, 36.0, 24.0]),
    "np.array of rows": (lambda x: np.sum(np.array([[x[0], 1.0], [2.0, x[1]]]) @ np.array([x[2], x[2]])), X, [3.0, 3.0, 6.0]),
    "object arrays": (lambda x: np.dot(np.array([x[0], x[1]], dtype=object), np.array([1.0, 2.0])), X, [1.0, 2.0, 0.0]),
    "sum of a list": (lambda x: sum([a * a for a in x]) + np.sum([x[0], x[1]]), X, [3.0, 5.0, 6.0]),
    "builtins": (lambda x: max(x) * min(x[0], 2.0) + abs(-x[1]) + sorted(x)[0] ** 2, X, [5.0, 1.0, 1.0]),
    "divmod": (lambda x: divmod(x, 2.0)[1] * x, 3.3, 4.6),
    "membership": (lambda x: x[0] if 2.0 in x else x[1], X, [1.0, 0.0, 0.0]),
    "boolean mask": (lambda x: np.sum(x[x > 1.5] ** 2), X, [0.0, 4.0, 6.0]),
    "left operands": (lambda x: np.float64(2.0) * x + np.array(3.0) * x - 1 / x + 2**x, 2.0, 5.25 + 4 * math.log(2)),
    "plain matrix on the left": (lambda x: np.sum(np.diag([1.0, 2.0, 3.0]) @ x), X, [1.0, 2.0, 3.0]),
    "methods": (lambda x: x.sum() * x.dot(x) + x.T @ x + x.reshape(3, 1).mean() + x.max() + x.copy()[0] + x.item(1)
                + x.astype(float)[2] + x.flatten()[0] + x.clip(0, 2.5).sum(), X, [14 + 12 + 2 + 1 / 3 + 1 + 1 + 1,
                14 + 24 + 4 + 1 / 3 + 1 + 1, 14 + 36 + 6 + 1 / 3 + 1 + 1]),
    "linspace to a value": (lambda a: np.sum(np.linspace(0, a, 5)), 3.0, 2.5),
    "full": (lambda a: np.sum(np.full((2, 2), a) * a), 3.0, 24.0),
    "vectorize": (lambda x: np.sum(np.vectorize(lambda a: a * a)(x)), X, 2 * X),
    "deepcopy": (lambda x: np.sum(copy.deepcopy(x) ** 2), X, 2 * X),
    "tolist": (lambda x: np.sum(np.array(x.tolist()) ** 2), X, 2 * X),
    "operator functions": (lambda x: operator.mul(x, operator.add(x, 1.0)), 2.0, 5.0),
    "where with a bad branch": (lambda x: np.sum(np.where(x > 1.5, np.log(x), 0.0)), X, [0.0, 0.5, 1 / 3]),
    "arrays by keyword": (lambda x: np.sum(a=x) + np.mean(a=x, axis=0) + np.interp(x=0.5, xp=[0.0, 1.0, 2.0], fp=x), X,
                          [1 + 1 / 3 + 0.5, 1 + 1 / 3 + 0.5, 1 + 1 / 3]),
    "index tricks": (lambda x: np.sum(np.r_[x, 1.0]) + np.sum(np.outer(x, x)[np.ix_([0, 1], [1])]), X, [3.0, 6.0, 1.0]),
    "unpacking": (lambda x: (lambda a, b, c: a * b * c)(*x), X, [6.0, 3.0, 2.0]),
    "iteration and enumerate": (lambda x: sum(k * v**2 for k, v in enumerate(x)), X, [0.0, 4.0, 12.0]),
    "scipy modules": (lambda x: scipy.special.logsumexp(x) + scipy.linalg.norm(x), X, SOFTMAX + X / 14**0.5),
    "complex inside": (lambda x: np.real((x[0] + 1j * x[1]) ** 2), X, [2.0, -4.0, 0.0]),
    "formatted printing": (lambda x: (f"{x[0]:.3f} {x} {x!r}", "%.3f" % x[0], f"{x[1]:5.1e}")[0] and x[0] ** 2, X,
                           [2.0, 0.0, 0.0]),
    "int() counts": (lambda x: x * int(x), 3.7, 3.0),
    "norm at zero": (lambda x: np.linalg.norm(x - X) + np.sum(x), X, [1.0, 1.0, 1.0]),
    "power of zero": (lambda x: np.sum((x - X) ** 2) + np.sum((x - X) ** 1) + np.sum((x - X) ** 0), X, [1.0, 1.0, 1.0]),
}  # fmt: skip


@pytest.mark.parametrize("name", HABITS)
def test_habit(name):
    f, x, expected = HABITS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value, gradient = ad.value_and_grad(f)(x)
    error = np.max(np.abs(np.asarray(gradient) - expected))
    assert error <= 1e-7 * (1 + np.max(np.abs(expected)))
    assert value == pytest.approx(float(f(x)), rel=1e-12)
    direction = np.ones_like(x)
    forward = ad.jvp(f, (x,), (direction,))[1]
    assert abs(forward - np.sum(np.asarray(expected) * direction)) <= 1e-7 * (1 + np.sum(np.abs(expected)))


def test_scipy_optimizers_take_value_and_grad():
    result = minimize(ad.value_and_grad(lambda x: np.sum((x - X) ** 4 + (x - X) ** 2)), np.zeros(3), jac=True)
    assert result.success and np.allclose(result.x, X, atol=1e-4)


@pytest.mark.parametrize(
    ("x", "kind"),
    [
        (3.0, np.float64),
        (3, np.float64),
        (np.float32(3), np.float32),
        (np.array(3.0), np.float64),
        (np.float64(3), np.float64),
    ],
)
def test_numbers_of_every_kind(x, kind):
    g = ad.grad(lambda x: x**3)(x)
    assert g == pytest.approx(27.0) and np.asarray(g).dtype == kind and np.shape(g) == ()


def test_arrays_of_every_kind():
    assert np.array_equal(ad.grad(lambda x: np.sum(x**3))(np.array([1, 2])), [3.0, 12.0])
    g = ad.grad(lambda x: np.sum(x**3))(np.array([1, 2], np.float32))
    assert g.dtype == np.float32 and np.array_equal(g, [3.0, 12.0])
    for mode in ("forward", "reverse"):
        x = np.array([1, 2], np.float32)
        matrix = ad.jacobian(lambda x: x**3, mode=mode)(x)
        assert matrix.dtype == np.float32 and np.array_equal(matrix, np.diag([3.0, 12.0]))
        matrix = ad.jacobian(lambda x: x**3 * np.ones(2), mode=mode)(x)
        assert matrix.dtype == np.float64 and np.array_equal(matrix, np.diag([3.0, 12.0]))
    assert ad.hessian(lambda x: np.sum(x**3))(x).dtype == np.float32
    assert ad.hvp(lambda x: np.sum(x**3), (x,), (x,)).dtype == np.float32
    assert ad.jacobian(lambda n: 2.0 * n)(np.arange(2)).dtype == np.float64
    assert np.array_equal(ad.grad(lambda x: np.sum(x**2))(np.zeros(0)), np.zeros(0))
    g = ad.grad(lambda p: p["x"] ** 2 if p["on"] else 0.0)({"x": 3.0, "on": True, "none": None})
    assert g["x"] == 6.0


def test_float_drops_the_derivative_loudly():
    with pytest.warns(ad.DerivativeDropped, match="stop_gradient"):
        assert ad.grad(lambda x: x * float(x))(3.0) == 3.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ad.grad(lambda x: x * float(ad.stop_gradient(x)))(3.0) == 3.0


def test_text_turned_into_a_number_drops_the_derivative_loudly():
    texts = [str, "{}".format, lambda x: f"{x}", lambda x: f"{x:25.17g}".strip(), lambda x: f"{x}"[:9],
             lambda x: "0" + str(x), lambda x: str(x) + "e0", lambda x: (str(x) + " 1").split()[0],
             lambda x: f"{f'{x}':>9}", lambda x: str(str(x)).replace(",", ".")]  # fmt: skip
    for text in texts:
        for number in (float, np.float64):
            with pytest.warns(ad.DerivativeDropped, match="text"):
                assert ad.grad(lambda x, text=text, number=number: x * number(text(x)))(3.0) == 3.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        texts = []
        ad.grad(lambda x: (texts.append(f"x = {x:.2f}" + str(x)), x)[1])(3.0)
    assert texts == ["x = 3.003.0"]


@pytest.mark.parametrize(
    "f", [lambda x: x, lambda x: x * x, lambda x: np.where(x > 0, x, 0.0), lambda x: np.array(x)]
)
@pytest.mark.parametrize(
    "kind", [float, np.float64, np.float32, np.array, int, lambda x: np.array(x, np.float32)]
)
def test_numbers_of_every_kind_have_numpy_scalars_for_results(f, kind):
    x = kind(3)
    dtype = np.asarray(x).dtype if np.asarray(x).dtype.kind == "f" else np.dtype(float)
    value, gradient = ad.value_and_grad(f)(x)
    out, tangent = ad.jvp(f, (x,), (kind(1),))
    (cotangent,) = ad.vjp(f, x)[1](kind(1))
    (nothing,) = ad.vjp(lambda x: 2.0, x)[1](1.0)
    for number in (value, gradient, out, tangent, cotangent, nothing):
        assert isinstance(number, np.floating)
    assert {gradient.dtype, cotangent.dtype, nothing.dtype} == {dtype}


def test_numpy_is_unchanged_by_a_transform():
    before = {name: getattr(np, name) for name in ("zeros", "array", "empty", "asarray")}
    sine = math.sin
    seen = []
    ad.grad(lambda x: (seen.append(operator.attrgetter("__name__")(np.zeros)), x)[1])(1.0)
    with pytest.raises(ZeroDivisionError):
        ad.grad(lambda x: 1 / 0)(1.0)
    assert (
        all(getattr(np, name) is fn for name, fn in before.items()) and math.sin is sine and seen == ["zeros"]
    )


# ---------------------------------------------------------------------- errors say what, where and what to do


def loss_with_histogram(x):
    return np.sum(np.histogram2d(x, x)[0])


kept = []

ERRORS = {
    "no rule": (loss_with_histogram, X, ad.MissingRule, ["np.histogram2d", "ad.custom", "stop_gradient"]),
    "no rule in this argument": (lambda v: scipy.special.jv(v, 2.0), 1.5, ad.MissingRule,
                                 ["scipy.special.jv", "argument 0", "reverse"]),
    "vector loss": (lambda x: x, X, ad.NotScalar, ["shape (3,)", "sum", "jacobian"]),
    "no return": (lambda x: None, X, ad.NotScalar, ["None", "return"]),
    "pair": (lambda x: (x[0], "text"), X, ad.NotScalar, ["tuple"]),
    "complex loss": (lambda x: 1j * x, 1.0, ad.NotScalar, ["complex", "np.real"]),
    "used as an integer": (lambda n: sum(range(n)), 2, ad.NotDifferentiable, ["integer", "close over"]),
    "string leaf": (lambda p: p["a"], {"a": 1.0, "kind": ["fast"]}, ad.NotDifferentiable, ["['kind'][0]", "'fast'", "argnums"]),
    "escaped value": (lambda y: kept[0] * y, 2.0, ad.EscapedValue, ["ended", "stop_gradient"]),
    "code that wants numbers": (lambda a: scipy.interpolate.CubicSpline(np.arange(4.0), X[[0, 1, 2, 0]])(a), 1.5,
                                (ad.NotDifferentiable, ad.UnsupportedWrite), ["stop_gradient", "ad.custom"]),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_error(name):
    if not kept:
        ad.grad(lambda x: (kept.append(x), x)[1])(1.0)
    f, x, error, words = ERRORS[name]
    with pytest.raises(error) as raised:
        ad.grad(f)(x)
    for word in words:
        assert word in str(raised.value)


def test_errors_of_the_call_itself():
    with pytest.raises(ValueError, match="argnums=2"):
        ad.grad(lambda a: a, 2)(1.0)
    with pytest.raises(ValueError, match="twice"):
        ad.grad(lambda a: a, (0, 0))(1.0)
    with pytest.raises(ValueError, match="structure"):
        ad.jvp(lambda x: x, ({"a": 1.0},), (1.0,))
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        ad.jvp(np.sin, (X,), (np.ones(2),))
    with pytest.raises(ValueError, match="mode"):
        ad.jacobian(np.sin, mode="sideways")
    with pytest.raises(ValueError, match="shape"):
        ad.vjp(np.sin, X)[1](np.ones(2))
