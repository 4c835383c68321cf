"""Slopes of functions of scipy.special whose plain formulas cancel, or have poles and the slopes have not.

Each is written for several ranges of the argument, with arguments that are kept inside of the range (and a
little beyond it, so that no derivative is taken at the edge); operators and ufuncs only, as in every rule.
From the NIST Digital Library of Mathematical Functions: gamma 5.5, error functions 7.12, Kelvin 10.65.
"""

import math

import scipy.special as sp

from sciad.plain_numpy import np

_SQRT_PI = math.sqrt(math.pi)
_ODD_FACTORIALS = [math.prod(range(2 * n + 1, 0, -2)) / 2.0**n for n in range(21)]  # (2n+1)!!/2^n


def _far_series(x, sign):
    """Sum of ``sign^n (2n+1)!!/(2 x^2)^n`` for x of 7 and more."""
    w, total = sign / (x * x), 0.0
    for c in reversed(_ODD_FACTORIALS):
        total = total * w + c
    return total


def erfcx_slope(y, x):
    """``2 x y - 2/sqrt(pi)``, whose terms cancel for large x."""
    near, far = x < 8.0, np.fmax(x, 7.0)
    apart = -1.0 / (_SQRT_PI * far) / far * _far_series(far, -1.0)
    return near * (2.0 * np.fmin(x, 9.0) * y - 2.0 / _SQRT_PI) + (1.0 - near) * apart


def dawson_slope(y, x):
    """``1 - 2 x y``, whose terms cancel for large x."""
    size = np.absolute(x)
    near, far = size < 8.0, np.fmax(size, 7.0)
    apart = -0.5 / far / far * _far_series(far, 1.0)
    return near * (1.0 - 2.0 * np.fmax(np.fmin(x, 9.0), -9.0) * y) + (1.0 - near) * apart


def exprel_slope(x):
    """``(exp(x) (x - 1) + 1)/x^2``; near 0 by a function that SciPy does not get ready with far out."""
    size = np.absolute(x)
    near, far = size < 2.0, np.copysign(np.fmax(size, 1.5), x)
    series = 0.5 * sp.hyp1f1(2.0, 3.0, np.fmax(np.fmin(x, 3.0), -3.0))
    return near * series + (1.0 - near) * (np.exp(far) * (1.0 - 1.0 / far) / far + 1.0 / far / far)


def rgamma_slope(x):
    """The slope of ``1/gamma(x)``, by reflection below 1/2."""
    low, left, right = x < 0.5, np.fmin(x, 0.6), np.fmax(x, 0.4)
    turn = np.cos(math.pi * left) - np.sin(math.pi * left) * sp.digamma(1.0 - left) / math.pi
    return low * sp.gamma(1.0 - left) * turn - (1.0 - low) * sp.rgamma(right) * sp.digamma(right)


def _only(mask, x, other=1.0):
    """`x` where the mask is true, else `other`."""
    return mask * np.fmax(np.fmin(x, 1e300), -1e300) + (1.0 - mask) * other


def _whole(n, *xs):
    """Where n is a whole number and all of `xs` are at or near poles, which cancel."""
    mask = 1.0 * (np.rint(n) == n)
    for x in xs:
        mask = mask * (x <= 0.5)
    return mask


def digamma_gap(a, b):
    """``digamma(a) - digamma(a + b)``, by reflection where both have poles that cancel."""
    s = a + b
    whole = _whole(b, a, s)
    apart = sp.digamma(_only(1.0 - whole, a)) - sp.digamma(_only(1.0 - whole, s))
    reflected = sp.digamma(1.0 - _only(whole, a, 0.0)) - sp.digamma(1.0 - _only(whole, s, 0.0))
    return (1.0 - whole) * apart + whole * reflected


def poch_slope(y, a, m):
    """The slope of ``gamma(a + m)/gamma(a)`` in a."""
    s = a + m
    plain = 1.0 - (1.0 - _whole(m, a, s)) * (1.0 - (a > 0.0) * (s > 0.0))
    gap = -digamma_gap(_only(plain, a), _only(plain, m, 0.0))
    a, s = _only(1.0 - plain, a), _only(1.0 - plain, s)
    return plain * y * gap + (1.0 - plain) * (sp.gamma(s) * rgamma_slope(a) + y * sp.digamma(s))


def binom_slopes(y, n, k):
    """The slopes of ``gamma(n + 1)/gamma(k + 1)/gamma(n - k + 1)`` in n and in k."""
    t = n - k + 1.0
    plain = 1.0 * (t > 0.0) * (k > -1.0) * (n > -1.0)
    u, v, w = (_only(plain, x) for x in (n + 1.0, k + 1.0, t))
    by_n, by_k = y * (sp.digamma(u) - sp.digamma(w)), y * (sp.digamma(w) - sp.digamma(v))
    u, v, w = (_only(1.0 - plain, x) for x in (n + 1.0, k + 1.0, t))
    odd_n = y * sp.digamma(u) + sp.gamma(u) * sp.rgamma(v) * rgamma_slope(w)
    odd_k = sp.gamma(u) * (rgamma_slope(v) * sp.rgamma(w) - sp.rgamma(v) * rgamma_slope(w))
    return plain * by_n + (1.0 - plain) * odd_n, plain * by_k + (1.0 - plain) * odd_k


def kelvin_quotient(y, x, first):
    """``berp(x)/x`` for `first` 1, ``beip(x)/x`` for 0; near 0 by the series."""
    small = np.absolute(x) < 1.0
    z, series = 0.25 * np.fmin(x * x, 2.0), 0.0
    for k in range(7, first - 1, -1):
        n = 2 * k if first else 2 * k + 1
        c = (-1) ** k * n / (2.0 * math.factorial(n) ** 2)
        series = series * z * z + c
    series = series * z if first else series
    return small * series + (1.0 - small) * y / (x + small * (2.0 - x))
