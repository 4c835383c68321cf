"""Functions of `scipy.special`, and of BLAS, for code compiled by numba: SciPy's own, called by address."""

from __future__ import annotations

import math

from llvmlite import ir
from numba import njit

from sciad.native.scalar_functions import declared
from sciad.native.scipy_symbols import PREFIX, available, entries, provide
from sciad.private_interfaces import cgutils

__all__ = ["PREFIX", "available", "provide"]

_DOUBLE, _INT = ir.DoubleType(), ir.IntType(32)


def __getattr__(name: str):
    if name.startswith("__") or not available(name):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name not in _made:
        _made[name] = zeta if name == "_zeta" else _declare(name, entries()[name][0])
    return _made[name]


_made: dict = {}


def _declare(name: str, arity: int):
    import scipy.special

    symbol = PREFIX + name
    provide(name)

    def build(builder, *values):
        kind = ir.FunctionType(_DOUBLE, [_DOUBLE] * arity + [_INT])
        function = cgutils.get_or_insert_function(builder.module, kind, symbol)
        return builder.call(function, [*values, ir.Constant(_INT, 0)])

    return declared(name, getattr(scipy.special, name), arity, build)


# Bernoulli numbers: (2k)!/B_2k, of the Euler-Maclaurin series of the Hurwitz zeta function (DLMF 25.11.5)
_SERIES = (
    12.0,
    -720.0,
    30240.0,
    -1209600.0,
    47900160.0,
    -1.8924375803183791606e9,
    7.47242496e10,
    -2.950130727918164224e12,
    1.1646782814350067249e14,
    -4.5979787224074726105e15,
    1.8152105401943546773e17,
    -7.1661652561756670113e18,
)


@njit(error_model="numpy")
def _hurwitz(s, q):
    """sum of (q + k)**-s over k = 0, 1, ...: nine or more terms, then the Euler-Maclaurin series."""
    if not s >= 1.0:
        return math.nan
    if s == 1.0:
        return math.inf
    if q <= 0.0:
        if q == math.floor(q):
            return math.inf
        if s != math.floor(s):
            return math.nan
    if q > 1e8:
        return (1.0 / (s - 1.0) + 1.0 / (2.0 * q)) * q ** (1.0 - s)
    total, a, term, k = q**-s, q, 0.0, 0
    while k < 9 or a <= 9.0:
        k += 1
        a += 1.0
        term = a**-s
        total += term
        if abs(term) < 1.1e-16 * abs(total):
            return total
    total += term * a / (s - 1.0) - 0.5 * term
    factor, j = 1.0, 0.0
    for c in _SERIES:
        factor *= s + j
        term /= a
        step = factor * term / c
        total += step
        if abs(step) < 1.1e-16 * abs(total):
            return total
        j += 1.0
        factor *= s + j
        term /= a
        j += 1.0
    return total


zeta = _hurwitz
