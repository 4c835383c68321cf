"""The addresses of SciPy's special functions, and of BLAS, for compiled code.

A compiled module names them by symbols, which are bound to addresses when it is loaded; so what the cache
folder holds serves every process.
"""

from __future__ import annotations

import functools

from llvmlite import binding

from sciad.private_interfaces import capsule, cython_functions, plain_cython_name

__all__ = ["PREFIX", "available", "entries", "provide"]

PREFIX = "sciad_special_"
_BLAS = {"dgemm"}


def available(name: str) -> bool:
    """Whether there is a function of this name for compiled code."""
    return name == "_zeta" or name in entries()


@functools.cache
def entries() -> dict[str, tuple[int, int]]:
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
    binding.add_symbol(PREFIX + name, _blas(name) if name in _BLAS else entries()[name][1])


def _blas(name: str) -> int:
    from scipy.linalg import cython_blas

    return capsule(cython_functions(cython_blas)[name])[1]
