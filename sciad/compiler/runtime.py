"""What generated code and kernels call besides NumPy: raw calls of models, stack arrays, views without
bookkeeping.

This is their meaning in plain Python, so that a kernel can be stepped through in a debugger; `intrinsics` has
the same names for compiled code.
"""

from __future__ import annotations

import ctypes

import numpy as np

__all__ = ["at_address", "call", "carray", "row", "stack_f64", "unroll", "view"]


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
