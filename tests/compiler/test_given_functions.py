"""Functions and objects as arguments of jitted functions, and other things that programs hand about."""

import numpy as np
import pytest

import sciad as ad

GRID = [0.5, 2.0]


@ad.jit
def twice(f, x):
    return 2.0 * f(x)


class Line:
    def __init__(self, slope):
        self.slope = slope

    def at(self, x):
        return self.slope * x


def test_functions_are_told_apart():
    assert twice(lambda u: u * u, 3.0) == 18.0
    assert twice(lambda u: u + 1.0, 3.0) == 8.0
    assert twice(np.sqrt, 9.0) == 6.0
    assert twice(Line(4.0).at, 2.0) == 16.0
    assert twice(f=lambda u: u * u, x=2.0) == 8.0


def test_what_a_function_captures_is_read_at_each_call():
    def outer(x):
        return twice(lambda u: u * x, x)

    assert outer(3.0) == 18.0 and outer(4.0) == 32.0
    assert ad.grad(outer)(3.0) == pytest.approx(12.0)
    assert ad.jvp(outer, (3.0,), (1.0,))[1] == pytest.approx(12.0)
    assert len(twice._entries) <= 6  # one text, one entry


def test_objects_and_functions_inside_of_containers():
    @ad.jit
    def f(line, x, **more):
        return line.at(x) + more["parts"][0](x)

    assert f(Line(2.0), 3.0, parts=[np.sin]) == pytest.approx(6.0 + np.sin(3.0))
    assert f(Line(5.0), 3.0, parts=[np.sin]) == pytest.approx(15.0 + np.sin(3.0))
    assert ad.grad(lambda a: f(Line(a), 3.0, parts=[lambda u: a * u]))(2.0) == pytest.approx(6.0)


def test_models_take_functions_as_arguments():
    sol = ad.solve_ivp(lambda t, y, f: -f(y), (0.0, 1.0), [1.0], args=(lambda y: 2.0 * y,), rtol=1e-8)
    assert sol.y[0, -1] == pytest.approx(np.exp(-2.0), rel=1e-6)


def index_makers(x):
    a = np.r_[x, 1.0, np.array([2.0 * x, x]), 0:3]
    b = np.c_[a, a * x]
    return b[np.s_[1:3, 1]].sum() + np.r_[0:1:5j].sum() * x + np.mgrid[0:3, 0:2][0].sum() * x


def list_while(x):
    q = []
    while len(q) < 4:
        q.append(x * len(q))
        if len(q) == 3 and q[0] > 100.0:
            q[1] = 3.0
    while len(q) > 2:
        q.pop()
    q.insert(-1, 5.0 * x)
    q.insert(99, 7.0 * x)
    return q[0] + 10.0 * q[1] + 100.0 * q[2] + 1000.0 * q[3]


def list_from_outside(x):
    return np.interp(x, GRID + [3.0], [x, 2.0 * x, 1.0]) + (2 * GRID)[3] * x


def texts(x):
    d = {}
    for k in range(7):
        d[f"a{k}"] = x * k
        d["%d-%s" % (k, "b")] = x  # noqa: UP031
    name = "item " + str(x) if x > 0 else f"none {x:.3f}"
    if x > 5.0:
        raise ValueError(f"bad {name}")
    return d["a6"] + d["3-b"] + float("0.5") * x


@pytest.mark.parametrize("fun", [index_makers, list_while, list_from_outside, texts])
def test_as_in_python(fun):
    assert ad.jit(fun)(1.3) == pytest.approx(fun(1.3), rel=1e-14)
    slope = (fun(1.3 + 1e-5) - fun(1.3 - 1e-5)) / 2e-5
    assert ad.grad(ad.jit(fun))(1.3) == pytest.approx(slope, rel=1e-7)


def test_a_raised_text_is_that_of_the_program():
    with pytest.raises(ValueError, match="bad"):
        ad.jit(texts)(7.0)


NOTHING = None


@pytest.mark.parametrize(
    "fun, words",
    [
        (lambda x: NOTHING(x), "None is called, which is no function"),
        (lambda x: x(2.0), "a number is called"),
        (lambda x: float("%.17g" % x), "a text made of values"),  # noqa: UP031
        (lambda x: {f"{x}": 1.0}, "a text made of values"),
        (lambda x: np.r_["0,2", x, x], "directive"),
    ],
)
def test_refusals_say_what_is_wrong(fun, words):
    with pytest.raises(ad.UnsupportedSyntax, match=words) as info:
        ad.jit(fun)(1.3)
    assert info.value.lineno is not None and "^" in str(info.value)
