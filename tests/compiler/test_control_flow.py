"""Control flow and names to the letter of Python: jumps out of `else`, containers that change while they are
looped over, names that may not be bound, scopes, arguments.  CPython is the judge."""

# ruff: noqa: F821, SIM

import numpy as np
import pytest

import sciad as ad
from sciad.errors import UnsupportedSyntax
from tests.problems import loop_programs, name_programs

PROGRAMS = [*loop_programs.PROGRAMS, *name_programs.PROGRAMS]


def outcome(fun, x):
    """The value, or the exception's class and what it says up to the place."""
    try:
        return float(fun(x))
    except NameError as error:
        return type(error), str(error).partition(" (")[0]


@pytest.mark.parametrize("fun", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("x", [0.93, -1.07, 6.9])
def test_as_in_python(fun, x):
    want, got = outcome(fun, x), outcome(ad.jit(fun), x)
    if isinstance(want, float):
        assert got == pytest.approx(want, rel=1e-14)
        slope = (fun(x + 1e-4) - fun(x - 1e-4)) / 2e-4  # all are piecewise of degree 1 or 2: exact
        assert ad.grad(ad.jit(fun))(x) == pytest.approx(slope, rel=1e-7, abs=1e-7)
        assert ad.jvp(ad.jit(fun), (x,), (1.0,))[1] == pytest.approx(slope, rel=1e-7, abs=1e-7)
    else:
        assert got == want
        assert outcome(ad.grad(ad.jit(fun)), x) == want


def dict_grows(x):
    d = {"a": x}
    for k in d:
        d[k + "x"] = 1.0
    return d["a"]


def dict_view_grows(x):
    d = {"a": x, "b": x}
    for k, v in d.items():
        d[k + "x"] = v
    return x


def list_grows_by_values(x):
    q = [x, 2 * x]
    for e in q:
        if e * x > 0.5 and len(q) < 4:
            q.append(e)
    return sum(q)


def list_of_unknown_length(x):
    q = [x]
    if x > 0:
        q.append(2 * x)
    return q[-1]


def never_set(x):
    del x
    return x


def endless(x):
    q = [x]
    for e in q:
        q.append(e)
    return x


REFUSED = {
    dict_grows: "gets or loses keys",
    dict_view_grows: "gets or loses keys",
    list_grows_by_values: "changes meanwhile by a condition",
    list_of_unknown_length: "changes its length",
    never_set: "may be used before",
    endless: "without end",
}


@pytest.mark.parametrize("fun", REFUSED, ids=lambda f: f.__name__)
def test_refused(fun):
    with pytest.raises(UnsupportedSyntax, match=REFUSED[fun]):
        ad.jit(fun)(1.0)


def test_a_model_whose_name_is_not_bound_says_so():
    def model(t, y, k):
        if t > 0.5:
            rate = k
        return -rate * y

    with pytest.raises(UnboundLocalError, match="'rate'"):
        ad.solve_ivp(model, (0.0, 1.0), np.array([1.0]), args=(2.0,))
