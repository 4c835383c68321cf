"""Every function of the rule table compiled: value and gradient are those of eager mode, or the reason why
it is refused stands in the table of reasons, from which the page is made.
"""

import warnings

import numpy as np
import pytest

from sciad import custom, grad, jit, rule_table, vjp
from sciad.compiler.derivatives.pullback import pullback
from sciad.compiler.functions.absent import REASONS
from sciad.compiler.ir import interpret
from sciad.compiler.ir.verify import verify
from sciad.compiler.passes.pipeline import finish, optimize
from sciad.compiler.tracing.trace import Group, trace
from sciad.eager.traced import Primitive
from sciad.errors import UnsupportedSyntax
from sciad.transforms.custom import Custom
from sciad.tree import flatten, unflatten
from tests.rules.rule_cases import written_calls

while rule_table.load_lazy():
    pass
RECORDS = {
    id(r): r
    for r in rule_table.TABLE.values()
    if not isinstance(r, Custom) and not isinstance(r.fn, Primitive) and r.kind != "constant"
}
CASES = {r.name: (r, calls) for r in RECORDS.values() if (calls := written_calls(r.fn, r.kind))}


def floats(tree):
    leaves = [np.ravel(x) for x in flatten(tree)[0] if np.asarray(x).dtype.kind == "f"]
    return np.concatenate([np.zeros(0), *leaves])


def agree(got, want):
    a, b = flatten(got), flatten(want)
    assert len(a[0]) == len(b[0])
    assert a[1] == b[1]
    for x, y in zip(a[0], b[0], strict=True):
        assert np.shape(x) == np.shape(y)
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12)


def check(function, args):
    """The compiled program, run by the reference interpreter, against eager mode."""
    found = trace(function, [Group("x", args, spread=True)])
    program = verify(optimize(found.program))
    flat = floats([args, list(found.gather(function))])
    want = function(*args)
    agree(found.out_tree.unflatten(interpret.run(program, flat)), want)
    leaves, structure = flatten(want)
    if not leaves or any(np.asarray(x).dtype.kind != "f" for x in leaves):
        return
    bar = unflatten(structure, [np.cos(1.0 + np.arange(np.size(x))).reshape(np.shape(x))[()] for x in leaves])
    reverse = verify(finish(pullback(program)))
    memory = {g.name: np.zeros(g.size) for g in reverse.parameters}
    memory |= {"x": flat, "out_bar": floats(bar)}
    interpret.execute(reverse, memory)
    eager = floats(vjp(function, *args)[1](bar))
    np.testing.assert_allclose(memory["x_bar"][: len(eager)], eager, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", sorted(CASES))
def test_compiled(name):
    _record, calls = CASES[name]
    refusals = []
    for function, args in calls:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)
                check(function, args)
        except UnsupportedSyntax as error:
            refusals.append(error.message)
    assert bool(refusals) == (name in REASONS), refusals


def test_composites_of_users_compile(monkeypatch):
    monkeypatch.setattr(rule_table, "TABLE", dict(rule_table.TABLE))

    def foreign(x, k=2):
        return np.sort(np.asarray(x)) ** k

    rule_table.composite(foreign, lambda x, k=2: np.sort(x) ** k)
    x = np.array([0.3, -0.1, 0.7])
    check(lambda x: np.sum(foreign(x, 3) * np.arange(3.0)), (x,))


def test_the_error_says_why():
    with pytest.raises(UnsupportedSyntax, match=r"np.linalg.pinv.* is not compiled: .*LAPACK") as caught:
        check(lambda x: np.sum(np.linalg.pinv(x)), (np.eye(3),))
    assert "test_compiled_rules.py" in str(caught.value)


@pytest.mark.parametrize("name", ["trace", "repeat", "swapaxes", "take"])
def test_methods_of_arrays_are_their_functions(name):
    arguments = {"repeat": (2,), "swapaxes": (0, 1), "take": (2,)}.get(name, ())
    check(lambda x: np.sum(np.sin(getattr(x, name)(*arguments))), (np.arange(12.0).reshape(3, 4),))


@pytest.mark.parametrize("name", ["sort", "compress"])
def test_methods_that_differ_from_their_functions_are_refused(name):
    with pytest.raises(UnsupportedSyntax, match=f"no attribute '{name}'"):
        check(lambda x: getattr(x, name)(), (np.arange(4.0),))


def test_rules_of_ones_own_are_not_ignored():
    doubled = custom(np.sin, pullback=lambda args: (np.sin(args[0]), lambda g: (2.0 * g * np.cos(args[0]),)))
    assert grad(jit(lambda x: doubled(x)))(1.0) == pytest.approx(2.0 * np.cos(1.0), rel=1e-15)
