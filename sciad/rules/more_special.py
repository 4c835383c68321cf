"""Rules of the rarer functions of scipy.special: elliptic and hypergeometric ones, Kelvin, Struve and Airy
functions with their integrals, Kolmogorov's distribution, degrees.

Entered together with ``scipy_special``. From the NIST Digital Library of Mathematical Functions:
hypergeometric 13.3, 15.5; elliptic 19.4 (written so that nothing cancels at m = 0); Kelvin 10.63; Struve
11.4; Airy 9.2.
"""

import math

import scipy.special as sp

from sciad.plain_numpy import np
from sciad.rule_table import Push, array, constant, scalar
from sciad.rules.special_slopes import exprel_slope, kelvin_quotient

_SQRT_PI = math.sqrt(math.pi)
_SQRT_2PI = math.sqrt(2.0 * math.pi)
_DEGREE = math.pi / 180.0

# hypergeometric functions, in the argument
scalar(sp.hyp0f1, None, lambda y, b, x: sp.hyp0f1(b + 1.0, x) / b)
scalar(sp.hyp1f1, None, None, lambda y, a, b, x: a / b * sp.hyp1f1(a + 1.0, b + 1.0, x))
scalar(sp.hyp2f1, None, None, None, lambda y, a, b, c, x: a * b / c * sp.hyp2f1(a + 1.0, b + 1.0, c + 1.0, x))
scalar(sp.exprel, lambda y, x: exprel_slope(x))
array(sp.shichi, Push(lambda y, dx, x: (sp.hyp0f1(1.5, 0.25 * x * x) * dx, np.cosh(x) / x * dx)))

# complete elliptic integrals
scalar(sp.ellipk, lambda y, m: math.pi / 8.0 * sp.hyp2f1(0.5, 0.5, 2.0, m) / (1.0 - m))
scalar(sp.ellipkm1, lambda y, q: -math.pi / 8.0 * sp.hyp2f1(0.5, 0.5, 2.0, 1.0 - q) / q)
scalar(sp.ellipe, lambda y, m: -math.pi / 8.0 * sp.hyp2f1(0.5, 1.5, 2.0, m))

# inverse functions
scalar(sp.wrightomega, lambda y, x: y / (1.0 + y))
scalar(sp.ndtri_exp, lambda y, x: _SQRT_2PI * np.exp(x + 0.5 * y * y))
scalar(sp.loggamma, lambda y, x: sp.digamma(x))
scalar(sp.wofz, lambda y, x: 2j / _SQRT_PI - 2.0 * x * y)
constant(sp.round)

# degrees
scalar(sp.sindg, lambda y, x: _DEGREE * sp.cosdg(x))
scalar(sp.cosdg, lambda y, x: -_DEGREE * sp.sindg(x))
scalar(sp.tandg, lambda y, x: _DEGREE * (1.0 + y * y))
scalar(sp.cotdg, lambda y, x: -_DEGREE / sp.sindg(x) ** 2)

# Kelvin functions; the quotients have limits at 0
scalar(sp.ber, lambda y, x: sp.berp(x))
scalar(sp.bei, lambda y, x: sp.beip(x))
scalar(sp.ker, lambda y, x: sp.kerp(x))
scalar(sp.kei, lambda y, x: sp.keip(x))
scalar(sp.berp, lambda y, x: -sp.bei(x) - kelvin_quotient(y, x, 1))
scalar(sp.beip, lambda y, x: sp.ber(x) - kelvin_quotient(y, x, 0))
scalar(sp.kerp, lambda y, x: -sp.kei(x) - y / x)
scalar(sp.keip, lambda y, x: sp.ker(x) - y / x)

# Struve functions in the argument, and integrals of theirs
scalar(
    sp.struve, None, lambda y, v, x: 0.5 * (sp.struve(v - 1.0, x) - sp.struve(v + 1.0, x) + _between(v, x))
)
scalar(
    sp.modstruve,
    None,
    lambda y, v, x: 0.5 * (sp.modstruve(v - 1.0, x) + sp.modstruve(v + 1.0, x) + _between(v, x)),
)
scalar(sp.itstruve0, lambda y, x: sp.struve(0.0, x))
scalar(sp.itmodstruve0, lambda y, x: sp.modstruve(0.0, x))
scalar(sp.it2struve0, lambda y, x: -_struve_quotient(x))


def _struve_quotient(x):
    """H_0(x)/x, near 0 by its series; both for arguments of its own, as in what follows."""
    small, far, series = np.abs(x) < 1.0, np.maximum(np.abs(x), 1.0), 0.0
    z = np.minimum(np.abs(x), 1.0)
    for k in range(9, -1, -1):
        series = 1.0 - z * z / (2 * k + 3) ** 2 * series
    return 2.0 / math.pi * series * small + sp.struve(0.0, far) / far * (1.0 - small)


def _between(v, x):
    return (0.5 * x) ** v * sp.rgamma(v + 1.5) / _SQRT_PI


# Airy functions and integrals of those and of Bessel functions
array(sp.airy, Push(lambda y, dx, x: (y[1] * dx, x * y[0] * dx, y[3] * dx, x * y[2] * dx)))
array(sp.airye, Push(lambda y, dx, x: _scaled_airy_slopes(y, dx, x, np.sqrt(np.maximum(x, 0.0)))))
array(sp.itairy, Push(lambda y, dx, x: tuple(a * dx for a in (*sp.airy(x)[::2], *sp.airy(-x)[::2]))))
array(sp.iti0k0, Push(lambda y, dx, x: (sp.i0(x) * dx, sp.k0(x) * dx)))
array(sp.itj0y0, Push(lambda y, dx, x: (sp.j0(x) * dx, sp.y0(x) * dx)))
array(sp.it2i0k0, Push(lambda y, dx, x: (_bessel_quotient(x, 1.0) * dx, -sp.k0(x) / x * dx)))
array(sp.it2j0y0, Push(lambda y, dx, x: (_bessel_quotient(x, -1.0) * dx, -sp.y0(x) / x * dx)))


def _scaled_airy_slopes(y, dx, x, root):
    a, da, b, db = y
    return (da + root * a) * dx, (x * a + root * da) * dx, (db - root * b) * dx, (x * b - root * db) * dx


def _bessel_quotient(x, sign):
    """(I_0(x) - 1)/x for sign 1, (1 - J_0(x))/x for sign -1; by the series where the difference cancels."""
    small = np.abs(x) < 1.0
    z = np.where(small, x, 0.0)
    w, series = 0.25 * sign * z * z, 0.0
    for k in range(9, 0, -1):
        series = (1.0 + series * w) / (k * k)
    far = np.where(small, 2.0, x)
    whole = (sp.i0(far) - 1.0) / far if sign > 0 else (1.0 - sp.j0(far)) / far
    return np.where(small, 0.25 * z * series, whole)


# Kolmogorov's distribution: its density by the series that converges faster, and the inverse
def _kolmogorov_density(x):
    near = np.minimum(np.maximum(x, 0.04), 1.0)
    low = 0.0
    for k in (1, 3, 5):
        a = (k * math.pi) ** 2 / 8.0
        low = low + np.exp(-a / near**2) * (2.0 * a / near**4 - 1.0 / near**2)
    far = np.maximum(x, 0.8)
    high = 0.0
    for k in (1, 2, 3, 4):
        high = high - (-1) ** k * k * k * np.exp(-2.0 * k * k * far**2)
    return (x >= 0.04) * (x < 0.9) * _SQRT_2PI * low + (x >= 0.9) * 8.0 * far * high


scalar(sp.kolmogorov, lambda y, x: -_kolmogorov_density(x))
scalar(sp.kolmogi, lambda y, x: -1.0 / _kolmogorov_density(y))

# Riemann's zeta function less one, by the derivative of the series of Euler and Maclaurin (DLMF 25.2.9)
_LAST = 12
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)


def _zeta_slope(s):
    total = 0.0
    for n in range(2, _LAST):
        total = total - math.log(n) * np.exp(-math.log(n) * s)
    log, last = math.log(_LAST), np.exp(-math.log(_LAST) * s)
    q = s - 1.0
    total = total - _LAST * last * (log * q + 1.0) / (q * q) - 0.5 * log * last
    # each further term is c s (s+1) ... (s+2k-2) N^(-s-2k+1), as a product and its derivative
    product, slope = s, 1.0
    for k, bernoulli in enumerate(_BERNOULLI, 1):
        c = bernoulli / math.factorial(2 * k) / _LAST ** (2 * k - 1)
        total = total + c * last * (slope - log * product)
        for j in (2 * k - 1, 2 * k):
            slope = slope * (s + j) + product
            product = product * (s + j)
    return total + 0.0 * np.log(1.0 * (s >= -4.0))  # NaN below, where rounding would spoil it


scalar(sp.zetac, lambda y, x: _zeta_slope(x))
