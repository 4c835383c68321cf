"""Rules next to singularities, at tiny and at huge arguments, against mpmath, compiled and not."""

import math

import mpmath as mp
import numpy as np
import pytest
import scipy.special as sp

import sciad as ad

WIDE = [0.0, 1e-300, 1e-12, 1e-8, 1e-4, 0.3, 1.0, 30.0, 1e4]
EVEN = [*WIDE, -1e-8, -0.3, -30.0]
POSITIVE = [1e-12, 1e-8, 1e-4, 0.3, 1.0, 30.0, 1e4, 1e150]
UNIT = [0.0, 1e-300, 1e-12, 1e-8, 1e-4, 0.3, 1 - 1e-4, 1 - 1e-8, 1 - 1e-12, -0.3, -1 + 1e-12]
ABOVE = [1 + 1e-12, 1 + 1e-8, 1 + 1e-4, 1.3, 30.0, 1e100]


def mp_sinc(x):
    return mp.sincpi(x)


def mp_expit(x):
    return 1 / (1 + mp.exp(-x))


def mp_spence(x):
    return mp.polylog(2, 1 - x)


# name: function, the same for mpmath, points, digits of the first and of the second derivative: relative
# to the largest of it, its absolute value and (for "absolute") 1
SCALAR = {
    "sin": (np.sin, mp.sin, [0.0, 1e-300, 1e-8, 1e-4, 0.3, 30.0, -0.3], 14),
    "cos": (np.cos, mp.cos, [0.0, 1e-300, 1e-8, 1e-4, 0.3, 30.0, -0.3], 14),
    "tan": (np.tan, mp.tan, [0.0, 1e-300, 1e-8, 1e-4, 0.3, 1.5, -0.3], 13),
    "arcsin": (np.arcsin, mp.asin, UNIT, 13),
    "arccos": (np.arccos, mp.acos, UNIT, 13),
    "arctan": (np.arctan, mp.atan, [*EVEN, 1e50], 13),
    "sinh": (np.sinh, mp.sinh, EVEN[:8], 13),
    "cosh": (np.cosh, mp.cosh, EVEN[:8], 13),
    "arcsinh": (np.arcsinh, mp.asinh, [*EVEN, 1e100], 13),
    "arccosh": (np.arccosh, mp.acosh, ABOVE, 13),
    "arctanh": (np.arctanh, mp.atanh, UNIT, 13),
    "exp": (np.exp, mp.exp, [0.0, 1e-300, 1e-8, 0.3, 30.0, -30.0, -700.0], 13),
    "expm1": (np.expm1, mp.expm1, [0.0, 1e-300, 1e-8, 0.3, 30.0, -30.0, -700.0], 13),
    "exp2": (np.exp2, lambda x: mp.mpf(2) ** x, [0.0, 1e-300, 1e-8, 0.3, 30.0, -30.0], 13),
    "log": (np.log, mp.log, POSITIVE, 13),
    "log1p": (np.log1p, mp.log1p, [*WIDE, -0.3, -1 + 1e-12, 1e100], 13),
    "log2": (np.log2, lambda x: mp.log(x, 2), POSITIVE, 13),
    "log10": (np.log10, mp.log10, POSITIVE, 13),
    "sqrt": (np.sqrt, mp.sqrt, POSITIVE, 13),
    "cbrt": (np.cbrt, mp.cbrt, POSITIVE, 13),
    "reciprocal": (np.reciprocal, lambda x: 1 / x, [1e-100, *POSITIVE[:-1], 1e100], 13),
    "sinc": (np.sinc, mp_sinc, [0.0, 1e-300, 1e-12, 1e-8, 1e-4, 0.03, 0.032, 0.3, 1.7, -1e-8], 12),
    # next to 0 the second derivative of expit, a difference of two halves, is right to 1e-16 only
    "expit": (sp.expit, mp_expit, [0.0, 0.3, 30.0, -30.0, 40.0, 100.0, -100.0], 13),
    "log_expit": (sp.log_expit, lambda x: -mp.log1p(mp.exp(-x)), [0.0, 1e-8, 0.3, 30.0, -30.0, 100.0], 13),
    "logit": (sp.logit, lambda x: mp.log(x / (1 - x)), [1e-100, 1e-12, 1e-8, 1e-4, 0.3, 1 - 1e-8], 13),
    "entr": (sp.entr, lambda x: -x * mp.log(x), [1e-100, 1e-12, 1e-8, 1e-4, 0.3, 1.0, 30.0], 13),
    "erf": (sp.erf, mp.erf, [0.0, 1e-300, 1e-8, 0.3, 3.0, -3.0, 6.0], 12),
    "erfc": (sp.erfc, mp.erfc, [0.0, 1e-300, 1e-8, 0.3, 3.0, -3.0, 6.0], 12),
    "ndtr": (sp.ndtr, mp.ncdf, [0.0, 1e-300, 1e-8, 0.3, 3.0, -3.0, -20.0], 12),
    "cosm1": (sp.cosm1, lambda x: mp.cos(x) - 1, [0.0, 1e-300, 1e-8, 0.3, 3.0], 13),
    "spence": (sp.spence, mp_spence, [1e-8, 0.3, 0.85, 0.95, 1 - 1e-8, 1.0, 1 + 1e-8, 1.05, 1.15, 30.0], 11),
}
PAIRS = {
    "hypot": (np.hypot, mp.hypot, [(3.0, 4.0), (3e100, 4e100), (3e-100, 4e-100), (0.3, 1.0), (0.0, 2.0)], 12),
    "arctan2": (
        np.arctan2,
        mp.atan2,
        [(3.0, 4.0), (3e150, 4e150), (3e-150, 4e-150), (1e-200, 1.0), (0.0, 2.0), (2.0, 0.0)],
        12,
    ),
    "logaddexp": (
        np.logaddexp,
        lambda a, b: mp.log(mp.exp(a) + mp.exp(b)),
        [(0.0, 0.0), (1e-8, 0.0), (50.0, 0.0), (-50.0, 1.0), (700.0, 1.0)],
        12,
    ),
    "xlogy": (sp.xlogy, lambda a, b: a * mp.log(b), [(1.0, 1e-8), (1e-300, 0.5), (2.0, 1e100)], 13),
    "kl_div": (
        sp.kl_div,
        lambda a, b: a * mp.log(a / b) - a + b,
        [(1.0, 1.0 + 1e-8), (1e-8, 1.0), (2.0, 0.3)],
        7,
    ),
    "boxcox": (
        sp.boxcox,
        lambda x, k: (x**k - 1) / k,
        [(2.0, 1e-12), (2.0, 1e-8), (2.0, 1e-4), (2.0, 0.6), (2.0, 0.8), (0.01, 1e-5), (30.0, 2.0)],
        11,
    ),
}


def derivative(f, x, orders):
    """A derivative of a function of numbers at huge precision, by differences."""
    tiny = any(0 < abs(v) < 1e-50 for v in x)
    with mp.workdps(1200 if tiny else 200):
        x = [mp.mpf(v) for v in x]
        scale = [abs(v) * mp.mpf(10) ** -25 if v else mp.mpf(10) ** -45 for v in x]
        k = [n for n, order in enumerate(orders) for _ in range(order)]

        def at(v, rest):
            if not rest:
                return f(*v)
            i, h = rest[0], scale[rest[0]]
            up, down = list(v), list(v)
            up[i], down[i] = v[i] + h, v[i] - h
            return (at(up, rest[1:]) - at(down, rest[1:])) / (2 * h)

        found = at(x, k)
        return found if all(x) or abs(found) > 1e-80 else mp.mpf(0)  # next to 0 the step is not small


def close(found, want, digits):
    if abs(want) < 1e-300:
        return abs(found) <= 1e-299
    if abs(want) > 1e308:
        return math.isinf(found)
    return abs(mp.mpf(float(found)) - want) <= mp.mpf(10) ** -digits * abs(want)


def quotients(f, x):
    """First and second derivatives in every mode."""
    n = tuple(range(len(x)))
    with np.errstate(all="ignore"):
        first = [np.ravel(ad.grad(f, n)(*x) if len(n) > 1 else ad.grad(f)(*x))]
        tangents = np.eye(len(x))
        first.append(np.array([ad.jvp(f, x, tuple(e))[1] for e in tangents]))
        second = [[ad.jvp(lambda *v, k=k: ad.grad(f, k)(*v), x, tuple(e))[1] for e in tangents] for k in n]
    return first, np.array(second)


@pytest.mark.parametrize("name", [*SCALAR, *PAIRS])
def test_against_mpmath(name):
    f, reference, points, digits = (SCALAR | PAIRS)[name]
    number = (lambda x: f(x)) if name in SCALAR else (lambda a, b: f(a, b))
    compiled = ad.jit(number)
    wrong = []
    for point in points:
        x = point if isinstance(point, tuple) else (point,)
        eager, fast = quotients(number, x), quotients(compiled, x)
        for k in range(len(x)):
            want = derivative(reference, x, [int(j == k) for j in range(len(x))])
            for how, found in (("eager", eager), ("compiled", fast)):
                for mode, first in zip(("reverse", "forward"), found[0], strict=True):
                    if not close(first[k], want, digits):
                        wrong.append((x, how, mode, k, float(first[k]), float(want)))
            for j in range(len(x)):
                orders = [int(i == k) + int(i == j) for i in range(len(x))]
                want = derivative(reference, x, orders)
                for how, found in (("eager", eager), ("compiled", fast)):
                    if not close(found[1][k, j], want, digits - 2):
                        wrong.append((x, how, "second", k, j, float(found[1][k, j]), float(want)))
    assert not wrong, "\n".join(map(str, wrong))


# where a convention decides, or a limit: first derivative, second derivative; the same in and out of
# compiled code
CONVENTIONS = {
    "logaddexp of two infinities": (lambda x: np.logaddexp(x, x - 1.0), -math.inf, 1.0, 0.0),
    "logaddexp of one": (lambda x: np.logaddexp(x, -math.inf), 2.0, 1.0, 0.0),
    "abs": (np.abs, 0.0, 0.0, 0.0),
    "maximum at a tie": (lambda x: np.maximum(x, 0.0), 0.0, 0.5, 0.0),
    "minimum at a tie": (lambda x: np.minimum(x, 0.0), 0.0, 0.5, 0.0),
    "sqrt": (np.sqrt, 0.0, math.inf, -math.inf),
    "log": (np.log, 0.0, math.inf, -math.inf),
    "reciprocal": (lambda x: 1.0 / x, 0.0, -math.inf, math.inf),
    "xlogy": (lambda x: sp.xlogy(0.0, x), 0.0, 0.0, 0.0),
    "entr": (sp.entr, 0.0, math.inf, -math.inf),
    "expit": (sp.expit, math.inf, 0.0, 0.0),
    "tanh": (np.tanh, 400.0, 0.0, 0.0),
    "square root of a square": (lambda x: np.sqrt(x * x), 0.0, 0.0, None),
}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_conventions(name):
    f, x, first, second = CONVENTIONS[name]
    with np.errstate(all="ignore"):
        for g in (f, ad.jit(lambda v: f(v))):
            assert ad.grad(g)(x) == first and ad.jvp(g, (x,), (1.0,))[1] == first
            if second is not None:
                assert ad.jvp(ad.grad(g), (x,), (1.0,))[1] == second


def leibniz(a):
    """A determinant of numbers or of anything that can be multiplied."""
    if len(a) == 1:
        return a[0][0]
    minors = [[[r[j] for j in range(len(a)) if j != k] for r in a[1:]] for k in range(len(a))]
    return sum((-1) ** k * a[0][k] * leibniz(m) for k, m in enumerate(minors))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("rank", [0, 1, 2, 5])
def test_determinants(n, rank):
    rng = np.random.default_rng(n)
    a = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, n))
    direction = rng.normal(size=(n, n))
    for f in (np.linalg.det, lambda m: np.linalg.det(m[None])[0]):
        np.testing.assert_allclose(ad.grad(f)(a), ad.grad(leibniz)(a), rtol=1e-9, atol=1e-12)
        found = ad.jvp(ad.grad(f), (a,), (direction,))[1]
        want = ad.jvp(ad.grad(leibniz), (a,), (direction,))[1]
        np.testing.assert_allclose(found, want, rtol=1e-9, atol=1e-12)
