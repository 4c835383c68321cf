"""Random numbers for programs and for Python, by one piece of machine code, so that both get the same."""

from __future__ import annotations

import functools

import numpy as np

from sciad.native import llvm
from sciad.native.kernels import kernel, link_entry
from sciad.native.philox import WORD, philox, words_to_normals
from sciad.native.python_entries import signature
from sciad.native.runtime import numbers_at

__all__ = ["NORMAL", "UNIFORM", "WORDS", "fill_random", "random_entry"]

UNIFORM, NORMAL, WORDS = 0, 1, 2  # of 53 bits in [0, 1); standard normals; 32-bit words as numbers


@kernel
def fill(data, out_at, given_at, memory):
    """Numbers from `given`: two words of a key, two of a counter, which kind, and how many."""
    given = numbers_at(given_at, 6)
    kind, count = np.int64(given[4]), np.int64(given[5])
    out = numbers_at(out_at, count)
    k0, k1 = np.uint64(np.int64(given[0])), np.uint64(np.int64(given[1]))
    low, high = np.uint64(np.int64(given[2])), np.uint64(np.int64(given[3]))
    i = np.int64(0)
    while i < count:
        block = np.uint64(i >> np.int64(1))
        if kind == np.int64(WORDS):
            a, b, c, d = philox(low, high, block & np.uint64(WORD), np.uint64(WORDS), k0, k1)
            first, second = np.float64(np.int64(a)), np.float64(np.int64(b))
        else:
            a, b, c, d = philox(
                block & np.uint64(WORD), block >> np.uint64(32), np.uint64(0), np.uint64(kind), k0, k1
            )
            if kind == np.int64(NORMAL):
                first, second = words_to_normals(a, b, c, d)
            else:
                first = np.float64(np.int64((a << np.uint64(21)) ^ (b >> np.uint64(11)))) * 2.0**-53
                second = np.float64(np.int64((c << np.uint64(21)) ^ (d >> np.uint64(11)))) * 2.0**-53
        out[i] = first
        if i + np.int64(1) < count:
            out[i + np.int64(1)] = second
        i += np.int64(2)
    return np.int64(0)


@functools.cache
def random_entry() -> tuple[str, str]:
    """Names under which programs find the code, and data that it does not read."""
    llvm.provide(_DATA, _nothing.ctypes.data)
    code = _code()
    llvm.provide(code.stem, code.address)
    return code.stem, _DATA


@functools.cache
def _code():
    return link_entry(fill, "int64(int64, int64, int64, int64)")


@functools.cache
def _enter():
    from sciad.native.code import trampoline

    return trampoline(signature("int64(int64, float64[::1], float64[::1], int64)"))


def fill_random(given: np.ndarray, count: int) -> np.ndarray:
    """The same for Python."""
    out = np.empty(count)
    if count:
        _enter()(_code().address, 0, out, given, 0)
    return out


_DATA = "sciad_random_data"
_nothing = np.zeros(1, dtype=np.int64)
