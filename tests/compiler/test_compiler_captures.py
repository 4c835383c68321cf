"""What a function reaches outside of itself is found again, followed and differentiated."""

import functools
import linecache

import numpy as np
import pytest

from sciad.errors import UnsupportedSyntax
from tests.compiler.agree import Y, agree, run, traced


def test_captures_are_inputs():
    def make(k, shift, n):
        return lambda t, y: k * y[0] + shift.sum() + n

    f = make(2.0, np.array([1.0, 2.0]), 3)
    found = traced(f, 0.0, Y)
    assert [c.shape for c in found.captures] == [(), (2,)]
    other = make(5.0, np.array([0.5, 0.5]), 3)
    assert found.matches(other)
    agree(run(found, other, 0.0, Y), other(0.0, Y))
    assert found.captures[0].bind(other).get() == 5.0
    for changed in (
        make(5.0, np.zeros(3), 3),
        make(5.0, np.zeros(2), 4),
        make(5, np.zeros(2), 3),
        make(5.0, 1.0, 3),
    ):
        assert not found.matches(changed)
    assert all(reader(f) == expected for reader, expected in found.program.guards)


def test_functions_in_closures_are_followed():
    def make(rate, fn):
        return lambda t, y: fn(y[0]) * rate

    def scale(a):
        return lambda x: a * x

    found = traced(make(2.0, scale(3.0)), 0.0, Y)
    other = make(1.5, scale(4.0))
    assert len(found.captures) == 2 and found.matches(other)
    agree(run(found, other, 0.0, Y), other(0.0, Y))
    assert not found.matches(make(1.5, lambda x: x + 1))


def test_methods_partials_and_instances():
    class Model:
        def __init__(self, k):
            self.k, self.names = k, ("a", "b")

        def rhs(self, t, y):
            return self.k * y[: len(self.names)] + self.offset

        @property
        def offset(self):
            return 2 * self.k

        def __call__(self, t, y):
            return self.rhs(t, y) * 2

    for fun in (Model(2.0).rhs, functools.partial(lambda t, y, k: k * y, k=3.0), Model(1.5)):
        found = traced(fun, 0.0, Y)
        assert len(found.captures) == 1
        agree(run(found, fun, 0.0, Y), fun(0.0, Y))


# ---------------------------------------------------------------------------- source


def test_the_right_lambda_of_a_line():
    a, b = (lambda t, y: y[0] + 1), (lambda t, y: y[0] * 2)
    c = [lambda t, y: y[1] - t, lambda t, y: y[2]]
    for fun in (a, b, *c):
        agree(run(traced(fun, 0.3, Y), fun, 0.3, Y), fun(0.3, Y))


def test_functions_typed_in_a_cell():
    text = """\
import numpy as np
k = 2.0
def f(t, y):
    g = lambda v: v * k
    return g(y) + 1
h = lambda t, y: f(t, y)[0]
"""
    name = "<cell 1>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    space = {}
    exec(compile(text, name, "exec"), space)
    for key in "fh":
        agree(run(traced(space[key], 0.3, Y), space[key], 0.3, Y), space[key](0.3, Y))


def test_no_source():
    space = {}
    exec("def f(t, y):\n    return y", space)
    with pytest.raises(UnsupportedSyntax, match="source text of f cannot be read"):
        traced(space["f"], 0.0, Y)


def module_of(tmp_path, text):
    file = tmp_path / "edited.py"
    file.write_text(text)
    space = {"__name__": "edited"}
    exec(compile(text, str(file), "exec"), space)
    return file, space


EDITS = {  # what is changed in the file after it was imported
    "constant": ("2.0 * y[0]", "3.0 * y[0]"),
    "operator": ("y[0] + rate", "y[0] - rate"),
    "name": ("+ rate *", "+ other *"),
    "keyword": ("axis=0", "keepdims=0"),
    "inner": ("u * 5.0", "u * 6.0"),
    "indentation": ("        total += 1.0\n", "    total += 1.0\n"),
}
EDITED = """\
import numpy as np
rate = other = 1.5
def f(t, y):
    total = 2.0 * y[0] + rate * np.sum(y, axis=0)
    def g(u):
        return u * 5.0
    if y[0] > 0.5:
        total = g(total)
        total += 1.0
    return total
h = lambda t, y: 2.0 * y[0] + rate
"""


@pytest.mark.parametrize("edit", EDITS)
def test_a_file_edited_since_it_was_imported(tmp_path, edit):
    text = EDITED.replace("0.5", f"0.{list(EDITS).index(edit) + 1}")  # equal code objects share their source
    file, space = module_of(tmp_path, text)
    old, new = EDITS[edit]
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(UnsupportedSyntax, match=r"import it again|was not found"):
        traced(space["h" if edit == "operator" else "f"], 0.3, Y)


def test_a_file_not_edited(tmp_path):
    _, space = module_of(tmp_path, EDITED.replace("0.5", "0.05"))
    for fun in (space["f"], space["h"]):
        agree(run(traced(fun, 0.3, Y), fun, 0.3, Y), fun(0.3, Y))
