"""Every rule of the table, in every mode, argument and broadcast shape, to the second order."""

import numpy as np
import pytest
import scipy.linalg  # noqa: F401  its rules are entered when it is there
import scipy.special  # noqa: F401

import sciad as ad
from sciad import table
from sciad.custom import Custom
from sciad.tree import flatten
from tests.rule_cases import cases

while table.load_lazy():
    pass
RECORDS = {id(r): r for r in table.TABLE.values() if not isinstance(r, Custom)}
DIFFERENTIABLE = sorted((r for r in RECORDS.values() if r.kind != "constant"), key=lambda r: r.name)
CONSTANT = sorted((r for r in RECORDS.values() if r.kind == "constant"), key=lambda r: r.name)
FIRST_ORDER_ONLY = {"frechet_", "scipy.linalg.expm_frechet"}  # their second order is that of expm, checked there


@pytest.mark.parametrize("record", DIFFERENTIABLE, ids=lambda r: r.name)
def test_rule(record):
    calls = cases(record.fn, record.kind)
    assert calls, f"{record.name} has a rule and no test case: add one to tests/rule_cases.py"
    for f, args in calls:
        f = _numeric(f)
        ad.check_grads(f, args, order=1 if record.name in FIRST_ORDER_ONLY else 2, rtol=2e-6, atol=2e-6)
        _identity(f, args)
        # each argument alone: partials are evaluated for active arguments only
        leaves = len(args)
        for k in range(leaves) if leaves > 1 else ():
            ad.check_grads(lambda x, k=k: f(*args[:k], x, *args[k + 1 :]), (args[k],), order=1, rtol=2e-6, atol=2e-6)


def _numeric(f):
    """Keep the differentiable results of a function that returns integers beside them."""

    def g(*args):
        leaves = flatten(f(*args))[0]
        return [x for x in leaves if getattr(x, "dtype", np.dtype(float)).kind in "fc"]

    return g


def _identity(f, args):
    """<v, J u> = <J' v, u> along a random direction, to rounding."""
    rng = np.random.default_rng(3)
    leaves, structure = flatten(args)
    u = [rng.standard_normal(np.shape(x)) for x in leaves]
    u = ad.tree_unflatten(structure, u) if hasattr(ad, "tree_unflatten") else _unflatten(structure, u)
    out, dout = ad.jvp(f, args, u)
    v = [rng.standard_normal(np.shape(x)) for x in flatten(out)[0]]
    cotangents = ad.vjp(f, *args)[1](v)
    forward = sum(np.sum(np.real(a * b)) for a, b in zip(v, flatten(dout)[0], strict=True))
    reverse = sum(np.sum(np.real(a * b)) for a, b in zip(flatten(u)[0], flatten(cotangents)[0], strict=True))
    scale = max(abs(forward), 1.0)
    assert abs(forward - reverse) <= 1e-10 * scale


def _unflatten(structure, leaves):
    from sciad.tree import unflatten

    return unflatten(structure, leaves)
