"""What generated code and kernels call besides NumPy: raw calls of models, stack arrays, views without
bookkeeping.

This is their meaning in plain Python, so that a kernel can be stepped through in a debugger; `intrinsics` has
the same names for compiled code.
"""

from __future__ import annotations

import ctypes
import functools

import numpy as np

__all__ = ["at_address", "call", "carray", "combine", "combine_from", "row", "scatter", "stack_f64"]
__all__ += ["allocate", "copy_memory", "numbers_at", "reallocate", "release", "symbol", "whole_at"]
__all__ += ["polled", "unroll", "view"]


NO_MEMORY = 1 << 62  # status of a program that asked for memory in vain


def unroll(values):
    """Mark a loop over compile-time constants that the linker writes out; in Python it is the identity."""
    return values


def call(f, args):
    """Call ``f``, an address (int64) in compiled code and a callable in Python, with the items of a tuple.

    Arrays are passed as the address of their first element, floats and ints by value; the result is an
    int64 status.
    """
    return f(*args)


def polled():
    """Whether Python wants to interrupt: to be asked in every round of a long loop, which is then to be left.
    Compiled code looks now and then (`sciad.native.interruption`); Python interrupts itself.
    """
    return False


def stack_f64(*shape):
    """An uninitialised float64 array on the stack; ``shape`` is literal. It dies with the function that
    made it.
    """
    return np.empty(shape)


def row(a, i):
    """Row ``i`` (not negative, in range) of a matrix, as a view that must not outlive it."""
    return a[i]


def view(a, start, size):
    """``a[start:start + size]`` of a flat array, unchecked, as a view that must not outlive it."""
    return a[start : start + size]


def at_address(address, rows, columns):
    """The float64 matrix of that shape at a memory address, as a view that must not outlive it."""
    flat = (ctypes.c_double * (int(rows) * int(columns))).from_address(int(address))
    return np.frombuffer(flat).reshape(int(rows), int(columns))


def symbol(name):
    """The address of what is entered under this name by `sciad.native.llvm.provide`; `name` is literal."""
    from sciad.native import llvm

    return Address(llvm.provided(name))


class Address(int):
    """An address in plain Python, which can be called with arrays and numbers."""

    def __call__(self, *args):
        kinds = [ctypes.c_double if isinstance(a, float) else ctypes.c_int64 for a in args]
        plain = [a.ctypes.data if isinstance(a, np.ndarray) else a for a in args]
        return ctypes.CFUNCTYPE(ctypes.c_int64, *kinds)(int(self))(*plain)


# -- memory that outlives the function that asks for it ----------------------------------------------


def allocate(size):
    """The address of that many bytes, or 0 where there is no more memory."""
    return _libc("malloc", ctypes.c_size_t)(int(size)) or 0


def reallocate(address, size):
    """The same memory with another size, perhaps elsewhere; 0, and the old one as it was, if none."""
    return _libc("realloc", ctypes.c_void_p, ctypes.c_size_t)(int(address), int(size)) or 0


def release(address):
    """Give back what `allocate` gave."""
    _libc("free", ctypes.c_void_p)(int(address))


def copy_memory(target, source, size):
    """Copy bytes between addresses."""
    ctypes.memmove(int(target), int(source), int(size))


def whole_at(address, size):
    """The int64 numbers at an address, as a view that must not outlive them."""
    return np.frombuffer((ctypes.c_int64 * int(size)).from_address(int(address)), dtype=np.int64)


def numbers_at(address, size):
    """The float64 numbers at an address, as a view that must not outlive them."""
    return np.frombuffer((ctypes.c_double * int(size)).from_address(int(address)))


@functools.cache
def _libc(name, *kinds):
    function = getattr(ctypes.CDLL(None), name)
    function.restype, function.argtypes = ctypes.c_void_p, kinds
    return function


def carray(pointer, shape):
    """The C-contiguous array of that shape at a pointer."""
    return np.ctypeslib.as_array(pointer, shape if isinstance(shape, tuple) else (shape,))


# -- sums with constant weights ------------------------------------------------------------------------

# One call where a loop written out would be a statement for each weight, of which numba translates about
# five hundred a second.
WEIGHTED = frozenset({"combine", "combine_from", "scatter"})


def combine(weights, a, k):
    """sum_j w_j a[j, k]; the linker makes constant text of the weights."""
    return sum((w * a[j, k] for j, w in terms(weights)), 0.0)


def combine_from(weights, a, start, stride):
    """sum_j w_j a[start + j stride] of a flat array."""
    return sum((w * a[start + j * stride] for j, w in terms(weights)), 0.0)


def scatter(weights, a, k, value):
    """a[j, k] += w_j value for all j."""
    for j, w in terms(weights):
        a[j, k] += w * value


def weights_text(weights) -> str:
    """The weights that are not zero with their places, as text."""
    return ";".join(f"{j}:{float(w)!r}" for j, w in enumerate(weights) if w != 0.0)


@functools.lru_cache(maxsize=10000)
def terms(weights) -> tuple[tuple[int, float], ...]:
    """Places and values of the weights that are not zero, from a sequence or from text."""
    text = weights if isinstance(weights, str) else weights_text(weights)
    pairs = (item.split(":") for item in text.split(";") if item)
    return tuple((int(j), float(w)) for j, w in pairs)
