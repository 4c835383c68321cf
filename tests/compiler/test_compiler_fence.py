"""What leaves the accepted language is refused with line and caret; failures are located."""

import linecache

import numpy as np
import pytest

import sciad as ad
from sciad.compiler import compiled_function
from sciad.compiler.functions import lowerings
from sciad.compiler.nan_debugging import debug_nan
from sciad.errors import UnsupportedSyntax
from tests.compiler.agree import LONG, Y, agree, traced
from tests.problems.traced_programs import stencil

RATE = 0.7


def refused_try(t, y):
    try:
        return y[0]
    finally:
        return 0.0  # noqa: B012, SIM107


def refused_function(t, y):
    return np.fft.fft(y)


def refused_print(t, y):
    print(y)
    return y


def refused_global(t, y):
    global RATE
    RATE = 1.0
    return y


def refused_recursion(t, y):
    return y[0] if y[0] < 0 else refused_recursion(t, y - 1)


def refused_growing_list(t, y):
    out = []
    while len(out) < 3 or y[0] > 1:
        out.append(y[0])
    return sum(out)


def refused_shapes(t, y):
    return y[:3] + y[:4]


def refused_index(t, y):
    return y[12]


def refused_unknown_name(t, y):
    return y * not_there  # noqa: F821


def refused_two_kinds(t, y):
    x = y[0]
    if x > 0:
        x = y[:2]
    return x + 1


def refused_mask(t, y):
    return y[y > 0.5]


def refused_string(t, y):
    return y + "a"


def refused_complex(t, y):
    return y * 1j


def refused_truth(t, y):
    if y > 0:
        return y
    return -y


def refused_keyword(t, y):
    return np.sum(y, colour=y > 0)


def refused_unbound(t, y):
    if False:
        z = 1.0
    return z + y


def refused_generator(t, y):
    def g():
        got = yield 1
        yield got

    return sum(g()) * y


def refused_result(t, y):
    return np


def refused_value_shape(t, y):
    return np.zeros(int(y[0] * 10))


def refused_callee(t, y):
    return helper_that_is_refused(y)


def helper_that_is_refused(y):
    with open("x") as f:
        return f


REFUSED = {
    refused_try: "jump out of `finally`",
    refused_function: "fft.fft",
    refused_print: "print",
    refused_global: "global",
    refused_recursion: "calls itself",
    refused_growing_list: "list changes its length",
    refused_shapes: r"\(3,\) and \(4,\)",
    refused_index: "index 12 is out of bounds",
    refused_unknown_name: "not_there",
    refused_two_kinds: "x is",
    refused_mask: "mask",
    refused_string: "arithmetic",
    refused_complex: "complex",
    refused_truth: "truth of an array",
    refused_keyword: "colour",
    refused_unbound: "z",
    refused_generator: "`yield` inside of an expression",
    refused_result: "returns",
    refused_value_shape: "shape",
    refused_callee: "open",
}


@pytest.mark.parametrize("fun", REFUSED, ids=lambda f: f.__name__)
def test_fence(fun):
    with pytest.raises(UnsupportedSyntax, match=REFUSED[fun]) as caught:
        traced(fun, 0.3, Y)
    error = caught.value
    assert error.filename == __file__
    owner = helper_that_is_refused if fun is refused_callee else fun
    first = owner.__code__.co_firstlineno
    assert first <= error.lineno <= first + 7
    assert error.text == linecache.getline(__file__, error.lineno)
    assert "^" in str(error)


# ---------------------------------------------------------------------------- located failures


def makes_nan(t, y):
    z = y - 2.0
    for k in range(3):
        z = z + 0.1 * k
    return z * np.sqrt(z)


def makes_infinity(t, y):
    total = 0.0
    for v in y:
        total += 1.0 / (v - y[3])
    return total


def reads_unwritten(t, y):
    work = np.empty(100)
    work[1:] = t
    return work.sum() + y[0]


@pytest.mark.parametrize(
    "fun, words",
    [
        (makes_nan, ["nan in", "np.sqrt(z)", "line 5", "sqrt(", "-1."]),
        (makes_infinity, ["inf in", "1.0 / (v - y[3])", "line 4", "divide(1.0, 0.0) = inf"]),
        (reads_unwritten, ["never written", "line 4"]),
    ],
)
def test_debug_nan(fun, words):
    with pytest.raises(FloatingPointError) as caught:
        debug_nan(fun)(0.3, LONG)
    number = fun.__code__.co_firstlineno - 1
    for word in words:
        word = f"line {number + int(word[5:])}" if word.startswith("line ") else word
        assert word in str(caught.value), str(caught.value)


def test_debug_nan_without_nan():
    agree(debug_nan(stencil)(0.3, LONG), stencil(0.3, LONG))
    with pytest.raises(FloatingPointError, match="an element of argument y is nan"):
        debug_nan(stencil)(0.3, np.where(np.arange(100) == 2, np.nan, LONG))


def test_a_mistake_of_the_compiler_is_not_said_to_be_one_of_the_function(monkeypatch):
    """Outside of these tests it is an InternalError with the place of the mistake; here it shows itself."""

    def broken(t, a):
        return {}["nothing"]

    monkeypatch.setitem(lowerings.TABLE, np.log1p, broken)

    def f(x):
        return np.log1p(x) + 1.0

    with pytest.raises(KeyError, match="nothing"):
        ad.jit(f)(0.5)
    monkeypatch.delenv("SCIAD_STRICT")
    with pytest.raises(
        ad.InternalError, match=r"(?s)KeyError: 'nothing'; .*test_compiler_fence.py, line"
    ) as info:
        ad.jit(f)(0.5)
    assert isinstance(info.value, ad.UnsupportedSyntax) and "report it" in str(info.value)
    assert info.value.lineno == f.__code__.co_firstlineno + 1
    with pytest.warns(UserWarning, match="called in Python.*mistake of its own"):
        solution = ad.solve_ivp(lambda t, y: -np.log1p(y), (0.0, 1.0), [1.0])
    assert np.isfinite(solution.y).all()


@pytest.mark.parametrize("stage", ["optimize", "pullback", "emit"])
def test_mistakes_of_later_passes_are_named_as_such(monkeypatch, stage):
    """Not only reading a function can fail by a mistake of the compiler."""

    def broken(*args):
        raise AssertionError("a node of no kind")

    monkeypatch.setattr(compiled_function, stage, broken)
    monkeypatch.delenv("SCIAD_STRICT")
    with pytest.raises(ad.InternalError, match="a node of no kind"):
        ad.source(lambda x: x * 2.0 + 0.125, "pullback", args=(1.0,))
