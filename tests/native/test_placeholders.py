"""Names that the linker fills: declared, refused where nobody filled them, and of no value before."""

import operator

import pytest

from sciad.native.kernels import interpret, kernel, link, linked_source
from sciad.native.placeholders import placeholder

FACTOR: float = placeholder("what is multiplied by")
FIXED = 2.0


@kernel
def scaled(x):
    return FACTOR * x + FIXED


@kernel
def other(x):
    return x


@kernel
def calls_other(x):
    return other(x)


def test_is_filled_by_its_name():
    assert interpret(scaled, {"FACTOR": 3.0})(5.0) == 17.0
    assert link(scaled, "float64(float64)", {"FACTOR": 3.0})(5.0) == 17.0
    assert link(scaled, "float64(float64)", {"FACTOR": 4.0})(5.0) == 22.0
    assert "placeholder" not in linked_source(scaled, {"FACTOR": 3.0})


def test_is_refused_where_nobody_filled_it():
    with pytest.raises(NameError, match=r"'scaled' uses 'FACTOR' \(what is multiplied by\)"):
        linked_source(scaled)
    with pytest.raises(NameError, match="'FACTOR'"):
        link(scaled, "float64(float64)")


@pytest.mark.parametrize(("entry", "name"), [(scaled, "FIXED"), (calls_other, "other")])
def test_what_is_none_cannot_be_replaced(entry, name):
    with pytest.raises(TypeError, match=f"{name!r} hides a global"):
        linked_source(entry, {"FACTOR": 1.0, name: 3.0})


@pytest.mark.parametrize(
    "use",
    [
        *(bool, int, float, len, iter, abs, operator.neg, operator.index),
        *(lambda f: f(1.0), lambda f: f[0], lambda f: f == 1, lambda f: f < 1, lambda f: f >= 1),
        *(lambda f: f + 1, lambda f: 1 + f, lambda f: 2.0 * f, lambda f: f**2, lambda f: 1 in f),
        lambda f: [10, 20, 30][f],
    ],
)
def test_raises_used_unlinked(use):
    with pytest.raises(TypeError, match="what is multiplied by"):
        use(FACTOR)
