"""Every elementwise rule at every special point: value, first and second derivative are the same in compiled
code as outside, NaN for NaN.

That they are right is for `test_special_points`; here nothing may be left out.
"""

import math

import numpy as np
import pytest
import scipy.special
from numpy import inf, nan

import sciad as ad
from sciad import rule_table as table

while table.load_lazy():
    pass
ONE = [0.0, 1e-300, 1e-12, 1e-8, 1e-4, 0.5, 1.0, 2.0, math.pi / 2, math.pi, 30.0, 180.0, 800.0, 1e300, inf]
ONE = np.array([*ONE, *(-x for x in ONE), nan])
TWO = [0.0, -0.0, 1e-300, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 30.0, 1e300, -1e300, inf, -inf, nan]
TWO = [np.array(x) for x in zip(*((a, b) for a in TWO for b in TWO), strict=True)]
# arguments that are whole numbers to the function, and are not differentiated
ORDERS, FEW = [1, 2], np.array([0.0, 1e-300, 1e-8, 0.5, 2.0, 30.0, -0.5, -30.0, nan])

RECORDS = {r.name: r for r in table.TABLE.values() if r.kind == "scalar" and isinstance(r.fn, np.ufunc)}
# not by themselves: of integers; called by the rules of others only
RECORDS = {n: r for n, r in RECORDS.items() if n not in ("np.ldexp", "scipy.special._zeta")}
UNARY = sorted(n for n, r in RECORDS.items() if len(r.partials) == 1)
BINARY = sorted(n for n, r in RECORDS.items() if len(r.partials) == 2)
# where exp(x)/x overflows its slope is the difference of two infinities, in which order decides
OVERFLOWN = {
    ("scipy.special.expi", 1e300),
    ("scipy.special.exp1", -1e300),
    ("scipy.special.exprel", 1e300),
}


def has(record, k):
    return record.partials[k].__name__ != "partial"  # the stand-in for a partial there is none of


def quotients(f, args, k):
    """Value, first derivatives in both modes, and second derivatives in argument k, at all points at once."""
    unit = tuple(1.0 if i == k else 0.0 for i in range(len(args)))
    found = {
        "value": ad.vmap(f)(*args),
        "reverse": ad.vmap(ad.grad(f, k))(*args),
        "forward": ad.vmap(lambda *x: ad.jvp(f, x, unit)[1])(*args),
        "second": ad.vmap(lambda *x: ad.jvp(ad.grad(f, k), x, unit)[1])(*args),
    }
    return {key: np.asarray(x, float) for key, x in found.items()}


def differ(a, b, scale):
    """Where two results are not the same, up to rounding of numbers of that size."""
    same = (a == b) | (np.isnan(a) & np.isnan(b)) | (np.maximum(abs(a), abs(b)) < 1e-290)
    return ~(same | (abs(a - b) <= 1e-6 * np.maximum(abs(a), abs(b)) + 1e-12 * scale))


def compare(name, args, numbers, order=None):
    f = RECORDS[name].fn
    if order is not None:
        f = lambda x, f=f: f(order, x)  # noqa: E731
    else:
        f = (lambda x, f=f: f(x)) if len(args) == 1 else (lambda a, b, f=f: f(a, b))
    compiled, wrong = ad.jit(f), []
    try:
        compiled(*(1.5 for _ in args))
    except ad.UnsupportedSyntax:
        return "refused"
    for k in numbers:
        eager, fast = quotients(f, args, k), quotients(compiled, args, k)
        finite = [np.where(np.isfinite(x), abs(x), 0.0) for x in (eager["value"], eager["reverse"])]
        for what in eager:
            scale = {"value": 0.0, "second": finite[0] + finite[1]}.get(what, finite[0])
            places = differ(eager[what], fast[what], scale)
            for i in np.flatnonzero(places):
                if (name, float(args[0][i])) in OVERFLOWN and what == "second":
                    continue
                if name == "scipy.special.kl_div" and abs(eager[what][i] - fast[what][i]) < 1e-15:
                    continue  # the logarithm of a quotient next to 1
                wrong.append((what, k, *(float(x[i]) for x in args), eager[what][i], fast[what][i]))
        # both modes are one derivative, wherever the function is a number
        for i in np.flatnonzero(differ(eager["reverse"], eager["forward"], 0.0) & ~np.isnan(eager["value"])):
            wrong.append(("modes", k, *(float(x[i]) for x in args), eager["reverse"][i], eager["forward"][i]))
    return wrong


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", UNARY)
def test_one_argument(name):
    with np.errstate(all="ignore"):
        wrong = compare(name, [ONE], [0])
    assert wrong in ([], "refused"), f"{name}:\n" + "\n".join(map(str, wrong))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", BINARY)
def test_two_arguments(name):
    numbers, args = [k for k in (0, 1) if has(RECORDS[name], k)], TWO
    if name == "scipy.special.boxcox":  # of positive numbers; beyond, the exponents overflow
        args = [x[(TWO[0] >= 0) & (abs(TWO[1]) <= 30)] for x in TWO]
    with np.errstate(all="ignore"):
        if numbers == [1]:
            wrong = [x for order in ORDERS for x in compare(name, [FEW], [0], order) or ()]
            wrong = "refused" if "refused" in "".join(map(str, wrong)) else wrong
        else:
            wrong = compare(name, args, numbers)
    assert wrong in ([], "refused"), f"{name}:\n" + "\n".join(map(str, wrong))


def test_nothing_is_left_out():
    assert len(UNARY) > 80 and len(BINARY) > 25 and scipy.special.erfcx.__name__ in str(UNARY)
