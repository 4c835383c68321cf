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
__all__ += ["unroll", "view"]


def unroll(values):
    """Mark a loop over compile-time constants that the linker writes out; in Python it is the identity."""
    return values


def call(f, args):
    """Call ``f``, an address (int64) in compiled code and a callable in Python, with the items of a tuple.

    Arrays are passed as the address of their first element, floats and ints by value; the result is an
    int64 status.
    """
    return f(*args)


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
