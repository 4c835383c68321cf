"""Functions of `scipy.special`, and of BLAS, for compiled code: SciPy's own, called by address.

A compiled module names them by symbols, which are bound to addresses when the module imports them from here;
so what the cache folder holds serves every process.
"""

from __future__ import annotations

import functools
import math

from llvmlite import binding, ir
from numba import njit

from sciad.native.scalar_functions import declared
from sciad.private_interfaces import capsule, cgutils, cython_functions, plain_cython_name

__all__ = ["PREFIX", "available", "provide"]

PREFIX = "sciad_special_"
_BLAS = {"dgemm"}

_DOUBLE, _INT = ir.DoubleType(), ir.IntType(32)


def available(name: str) -> bool:
    """Whether there is a function of this name for compiled code."""
    return name == "_zeta" or name in _entries()


def __getattr__(name: str):
    if name.startswith("__") or not available(name):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name not in _made:
        _made[name] = zeta if name == "_zeta" else _declare(name, _entries()[name][0])
    return _made[name]


_made: dict = {}


@functools.cache
def _entries() -> dict[str, tuple[int, int]]:
    """Name to (number of arguments, address) of what takes and returns only doubles."""
    from scipy.special import cython_special

    found = {}
    for name, item in cython_functions(cython_special).items():
        signature, address = capsule(item)
        result, _, rest = signature.partition(" (")
        *kinds, last = (kind.strip() for kind in rest.rstrip(")").split(","))
        if result == "double" and set(kinds) == {"double"} and last == "int __pyx_skip_dispatch":
            found[plain_cython_name(name)] = len(kinds), address
    return found


def provide(name: str) -> None:
    """Enter SciPy's function of this name among LLVM's symbols."""
    binding.add_symbol(PREFIX + name, _blas(name) if name in _BLAS else _entries()[name][1])


def _blas(name: str) -> int:
    from scipy.linalg import cython_blas

    return capsule(cython_functions(cython_blas)[name])[1]


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
