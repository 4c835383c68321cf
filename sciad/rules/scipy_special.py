"""Rules of scipy.special, entered when it is first imported by someone.

Derivatives from the NIST Digital Library of Mathematical Functions: gamma and beta 5.9, 5.12; error
function 7.2; Bessel functions 10.6, 10.29; incomplete gamma and beta 8.8, 8.17.
"""

import math

import scipy.special as sp

import sciad.rules.more_special  # noqa: F401  enters its rules, too
from sciad.eager.traced import operand, strip
from sciad.plain_numpy import np
from sciad.private_interfaces import hurwitz_zeta, lambertw_ufunc
from sciad.rule_table import TABLE, Push, alias, array, composite, constant, scalar
from sciad.rules import special_slopes as slopes
from sciad.rules.selection import logsumexp

_SQRT_PI = math.sqrt(math.pi)
_SQRT_2PI = math.sqrt(2.0 * math.pi)

# error functions and the normal distribution
scalar(sp.erf, lambda y, x: 2.0 / _SQRT_PI * np.exp(-x * x), also=[math.erf])
scalar(sp.erfc, lambda y, x: -2.0 / _SQRT_PI * np.exp(-x * x), also=[math.erfc])
scalar(sp.erfcx, lambda y, x: slopes.erfcx_slope(y, x))
scalar(sp.erfi, lambda y, x: 2.0 / _SQRT_PI * np.exp(x * x))
scalar(sp.erfinv, lambda y, x: 0.5 * _SQRT_PI * np.exp(y * y))
scalar(sp.erfcinv, lambda y, x: -0.5 * _SQRT_PI * np.exp(y * y))
scalar(sp.dawsn, lambda y, x: slopes.dawson_slope(y, x))
scalar(sp.ndtr, lambda y, x: np.exp(-0.5 * x * x) / _SQRT_2PI)
scalar(sp.log_ndtr, lambda y, x: math.sqrt(2.0 / math.pi) / sp.erfcx(-math.sqrt(0.5) * x))
scalar(sp.ndtri, lambda y, x: _SQRT_2PI * np.exp(0.5 * y * y))

# gamma and beta functions
scalar(sp.gamma, lambda y, x: y * sp.digamma(x), also=[math.gamma])
scalar(sp.gammaln, lambda y, x: sp.digamma(x), also=[math.lgamma])
scalar(sp.rgamma, lambda y, x: slopes.rgamma_slope(x))
scalar(sp.digamma, lambda y, x: hurwitz_zeta(2.0, x))
# the derivative in the order s of the Hurwitz zeta function has no rule
scalar(hurwitz_zeta, None, lambda y, s, q: -s * hurwitz_zeta(s + 1.0, q))
scalar(sp.beta, lambda y, a, b: y * slopes.digamma_gap(a, b), lambda y, a, b: y * slopes.digamma_gap(b, a))
scalar(sp.betaln, lambda y, a, b: slopes.digamma_gap(a, b), lambda y, a, b: slopes.digamma_gap(b, a))
scalar(sp.betainc, None, None, lambda y, a, b, x: np.exp(
    sp.xlogy(a - 1.0, x) + sp.xlog1py(b - 1.0, -x) - sp.betaln(a, b)))  # fmt: skip
scalar(sp.gammainc, None, lambda y, a, x: np.exp(sp.xlogy(a - 1.0, x) - x - sp.gammaln(a)))
scalar(sp.gammaincc, None, lambda y, a, x: -np.exp(sp.xlogy(a - 1.0, x) - x - sp.gammaln(a)))
scalar(sp.betaincc, None, None, lambda y, a, b, x: -np.exp(
    sp.xlogy(a - 1.0, x) + sp.xlog1py(b - 1.0, -x) - sp.betaln(a, b)))  # fmt: skip
scalar(sp.stdtr, None, lambda y, df, t: np.exp(
    sp.gammaln(0.5 * (df + 1.0)) - sp.gammaln(0.5 * df) - 0.5 * np.log(df * math.pi)
    - 0.5 * (df + 1.0) * np.log1p(t * t / df)))  # fmt: skip
scalar(sp.poch, lambda y, a, m: slopes.poch_slope(y, a, m), lambda y, a, m: y * sp.digamma(a + m))
scalar(
    sp.binom,
    lambda y, n, k: slopes.binom_slopes(y, n, k)[0],
    lambda y, n, k: slopes.binom_slopes(y, n, k)[1],
)
constant(sp.gammasgn)

# logistic and entropy-like functions
scalar(sp.expit, lambda y, x: y * sp.expit(-x))
scalar(sp.logit, lambda y, x: 1 / (x * (1.0 - x)))
scalar(sp.log_expit, lambda y, x: sp.expit(-x))
scalar(sp.xlogy, lambda y, a, b: np.log(b + (b == 0)), lambda y, a, b: a / (b + (b == 0)))
scalar(sp.xlog1py, lambda y, a, b: np.log1p(b), lambda y, a, b: a / (1.0 + b))
scalar(sp.entr, lambda y, x: -np.log(x) - 1.0)
scalar(sp.rel_entr, lambda y, a, b: np.log(a / b) + 1.0, lambda y, a, b: -a / b)
scalar(sp.kl_div, lambda y, a, b: np.log(a / b), lambda y, a, b: (b - a) / b)
scalar(sp.boxcox, lambda y, x, k: x ** (k - 1.0), lambda y, x, k: _boxcox_order(y, x, k))
scalar(sp.cosm1, lambda y, x: -np.sin(x))
scalar(sp.exp10, lambda y, x: math.log(10.0) * y)
alias(TABLE[np.expm1], sp.expm1)
alias(TABLE[np.log1p], sp.log1p)
alias(TABLE[np.exp2], sp.exp2)
alias(TABLE[np.cbrt], sp.cbrt)


def _boxcox_order(y, x, k):
    """Derivative of (x^k - 1)/k in k; near k = 0 by its series in ``z = k log(x)``."""
    z = k * np.log(x)
    near = np.absolute(z) < 0.5
    w, series = np.fmax(np.fmin(z, 0.5), -0.5), 0.0
    for n in range(16, -1, -1):
        series = series * w + 1.0 / (math.factorial(n) * (n + 2))
    apart = ((y * k + 1.0) * np.log(x) - y) / (k * (1.0 - near) + near)
    return near * series * np.log(x) ** 2 + (1.0 - near) * apart


# exponential integrals
scalar(sp.exp1, lambda y, x: -np.exp(-x) / x)
scalar(sp.expi, lambda y, x: np.exp(x) / x)
scalar(sp.expn, None, lambda y, n, x: -sp.expn(n - 1, x))
scalar(lambertw_ufunc, lambda y, x, k, tol: 1 / (x + np.exp(y)), None, None)
scalar(sp.spence, lambda y, x: _spence_slope(x))


def _spence_slope(x):
    """``log(x)/(1 - x)``; near 1 by its series."""
    near = np.absolute(x - 1.0) < 0.1
    w, series = np.fmax(np.fmin(x - 1.0, 0.1), -0.1), 0.0
    for n in range(20, -1, -1):
        series = (-1.0) ** (n + 1) / (n + 1) + series * w
    return near * series + (1.0 - near) * np.log(x) / (1.0 - x + near)


# Bessel functions, in the argument; their derivative in the order has no rule
scalar(sp.j0, lambda y, x: -sp.j1(x))
scalar(sp.j1, lambda y, x: 0.5 * (sp.j0(x) - sp.jv(2, x)))
scalar(sp.jv, None, lambda y, v, x: 0.5 * (sp.jv(v - 1, x) - sp.jv(v + 1, x)))
scalar(sp.y0, lambda y, x: -sp.y1(x))
scalar(sp.y1, lambda y, x: 0.5 * (sp.y0(x) - sp.yv(2, x)))
scalar(sp.yv, None, lambda y, v, x: 0.5 * (sp.yv(v - 1, x) - sp.yv(v + 1, x)))
scalar(sp.yn, None, lambda y, n, x: 0.5 * (sp.yv(n - 1, x) - sp.yv(n + 1, x)))
scalar(sp.i0, lambda y, x: sp.i1(x))
scalar(sp.i1, lambda y, x: 0.5 * (sp.i0(x) + sp.iv(2, x)))
scalar(sp.iv, None, lambda y, v, x: 0.5 * (sp.iv(v - 1, x) + sp.iv(v + 1, x)))
scalar(sp.i0e, lambda y, x: sp.i1e(x) - np.sign(x) * y)
scalar(sp.i1e, lambda y, x: 0.5 * (sp.i0e(x) + sp.ive(2, x)) - np.sign(x) * y)
scalar(sp.ive, None, lambda y, v, x: 0.5 * (sp.ive(v - 1, x) + sp.ive(v + 1, x)) - np.sign(x) * y)
scalar(sp.k0, lambda y, x: -sp.k1(x))
scalar(sp.k1, lambda y, x: -0.5 * (sp.k0(x) + sp.kv(2, x)))
scalar(sp.kv, None, lambda y, v, x: -0.5 * (sp.kv(v - 1, x) + sp.kv(v + 1, x)))
scalar(sp.kn, None, lambda y, n, x: -0.5 * (sp.kv(n - 1, x) + sp.kv(n + 1, x)))
scalar(sp.k0e, lambda y, x: y - sp.k1e(x))
scalar(sp.k1e, lambda y, x: y - 0.5 * (sp.k0e(x) + sp.kve(2, x)))
scalar(sp.kve, None, lambda y, v, x: y - 0.5 * (sp.kve(v - 1, x) + sp.kve(v + 1, x)))
array(
    sp.fresnel,
    Push(lambda y, dx, x: (np.sin(0.5 * math.pi * x * x) * dx, np.cos(0.5 * math.pi * x * x) * dx)),
)
array(sp.sici, Push(lambda y, dx, x: (np.sinc(x / math.pi) * dx, np.cos(x) / x * dx)))


# written in functions that have a rule
def softmax(x, axis=None):
    """Exponentials divided by their sum."""
    x = operand(x)
    terms = np.exp(x - np.max(strip(x), axis=axis, keepdims=True))
    return terms / np.sum(terms, axis=axis, keepdims=True)


def _polygamma(n, x):
    n, x = np.asarray(n), operand(x)
    higher = (-1.0) ** (n + 1) * sp.gamma(n + 1.0) * sp.zeta(n + 1.0, x)
    return np.where(n == 0, sp.digamma(x), higher)


def _logsumexp(a, axis=None, b=None, keepdims=False, return_sign=False):
    if return_sign:
        raise NotImplementedError("scipy.special.logsumexp with return_sign=True is not differentiable here")
    return logsumexp(a, axis, b, keepdims)


def _multigammaln(a, d):
    total = d * (d - 1) / 4.0 * math.log(math.pi)
    for j in range(1, int(d) + 1):
        total = total + sp.gammaln(a + (1.0 - j) / 2.0)
    return total


composite(sp.logsumexp, _logsumexp)
composite(sp.softmax, softmax)
composite(sp.log_softmax, lambda x, axis=None: operand(x) - logsumexp(x, axis, keepdims=True))
composite(sp.polygamma, _polygamma)
composite(sp.multigammaln, _multigammaln)
composite(sp.zeta, lambda x, q=None, out=None: hurwitz_zeta(x, 1.0 if q is None else q))
