# ruff: noqa: E501, B023  tables read best one call to a line
"""Every rule of the table, in every mode, argument and broadcast shape, to the second order."""

import numpy as np
import pytest
import scipy.linalg
import scipy.special  # noqa: F401

import sciad as ad
from sciad import rule_table as table
from sciad.random import drawn
from sciad.transforms.custom import Custom
from sciad.tree import flatten, unflatten
from tests.rules.rule_cases import cases

while table.load_lazy():
    pass
RECORDS = {id(r): r for r in table.TABLE.values() if not isinstance(r, Custom)}
DIFFERENTIABLE = sorted((r for r in RECORDS.values() if r.kind != "constant"), key=lambda r: r.name)
P = np.array([0.5, -1.25, 2.0])
CONSTANT = sorted((r for r in RECORDS.values() if r.kind == "constant"), key=lambda r: r.name)
FIRST_ORDER_ONLY = {
    "frechet_",
    "scipy.linalg.expm_frechet",
}  # their second order is that of expm, checked there


@pytest.mark.parametrize("record", DIFFERENTIABLE, ids=lambda r: r.name)
def test_rule(record):
    calls = cases(record.fn, record.kind)
    assert calls, f"{record.name} has a rule and no test case: add one to tests/rules/rule_cases.py"
    for f, args in calls:
        f = _numeric(f)
        ad.check_grads(f, args, order=1 if record.name in FIRST_ORDER_ONLY else 2, rtol=2e-6, atol=2e-6)
        _identity(f, args)
        # each argument alone: partials are evaluated for active arguments only
        leaves = len(args)
        for k in range(leaves) if leaves > 1 else ():
            ad.check_grads(
                lambda x, k=k: f(*args[:k], x, *args[k + 1 :]), (args[k],), order=1, rtol=2e-6, atol=2e-6
            )


def _numeric(f):
    """Keep the differentiable results of a function that returns integers beside them."""

    def g(*args):
        leaves = flatten(f(*args))[0]
        return [x for x in leaves if hasattr(x, "dtype") and x.dtype.kind in "fc"]

    return g


def _identity(f, args):
    """<v, J u> = <J' v, u> along a random direction, to rounding."""
    rng = np.random.default_rng(3)
    leaves, structure = flatten(args)
    u = [rng.standard_normal(np.shape(x)) for x in leaves]
    u = unflatten(structure, u)
    out, dout = ad.jvp(f, args, u)
    v = [rng.standard_normal(np.shape(x)) for x in flatten(out)[0]]
    cotangents = ad.vjp(f, *args)[1](v)
    forward = sum(np.sum(np.real(a * b)) for a, b in zip(v, flatten(dout)[0], strict=True))
    reverse = sum(np.sum(np.real(a * b)) for a, b in zip(flatten(u)[0], flatten(cotangents)[0], strict=True))
    scale = max(abs(forward), 1.0)
    assert abs(forward - reverse) <= 1e-10 * scale


@pytest.mark.parametrize("record", [r for r in DIFFERENTIABLE if r.note == ""], ids=lambda r: r.name)
def test_rule_under_vmap(record):
    """Mapping over a batch gives what a loop over its elements gives."""
    for f, args in cases(record.fn, record.kind):
        f = _numeric(f)
        leaves, structure = flatten(args)
        if any(np.shape(x) == () for x in leaves):
            continue  # a number has no axis: covered by the arrays of the same rule
        rows = [args, unflatten(structure, [1.01 * x for x in leaves])]
        stacked = unflatten(
            structure, [np.stack(x) for x in zip(*(flatten(r)[0] for r in rows), strict=True)]
        )
        mapped = ad.vmap(f)(*stacked)
        for got, one, two in zip(mapped, f(*rows[0]), f(*rows[1]), strict=True):
            want = np.stack([one, two])
            assert np.shape(got) == np.shape(want)
            assert np.max(np.abs(got - want), initial=0.0) <= 1e-9 * (1 + np.max(np.abs(want), initial=0.0))


CONSTANT_CALLS = {
    np.heaviside: (P, 0.5), np.floor_divide: (P, 0.7), np.logical_and: (P, P), np.logical_or: (P, P),
    np.logical_xor: (P, P), np.less: (P, 1.0), np.less_equal: (P, 1.0), np.greater: (P, 1.0), np.greater_equal: (P, 1.0),
    np.equal: (P, 1.0), np.not_equal: (P, 1.0), np.isclose: (P, 1.0), np.allclose: (P, 1.0), np.array_equal: (P, P),
    np.array_equiv: (P, P), np.searchsorted: (np.sort(P), 1.0), np.argpartition: (P, 1), np.isin: (P, [1.0]),
    np.digitize: (P, [0.0, 1.0]), np.can_cast: (P.dtype, float), np.lexsort: ([P, P],), np.may_share_memory: (P, P),
    np.shares_memory: (P, P),
}  # fmt: skip
INTEGER = {drawn, np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift, np.gcd, np.lcm, np.isnat,
           np.unravel_index, (np.logical_and, "reduce"), (np.logical_or, "reduce")}  # fmt: skip


@pytest.mark.parametrize("record", CONSTANT, ids=lambda r: r.name)
def test_constant(record):
    """What has derivative zero on purpose gives NumPy's plain answer for a traced value."""
    if record.fn in INTEGER:
        return
    args = CONSTANT_CALLS.get(record.fn, (P,))
    expected = record.fn(*args)
    found = []

    def f(x):
        result = record.fn(*[x if a is P else a for a in args])
        found.append(result)
        assert not any(ad.is_traced(r) for r in flatten(result)[0])
        return np.sum(x)

    assert np.array_equal(ad.grad(f)(P), np.ones(3))
    assert np.array_equal(np.asarray(found[0]), np.asarray(expected))
