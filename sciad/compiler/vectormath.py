"""Scalar functions that emitted code calls, each for compiled code (an intrinsic) and for plain Python.

The names are those of NumPy.  In compiled code a call becomes a few LLVM instructions, so loops over them vectorise.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.np.arrayobj import make_array

from .runtime import _intrinsic

__all__ = ["fill", "pointer_to", "shift", "where"]


def _shift(pointer, n):
    """Memory from the n-th element on."""
    return pointer[n:]


@_intrinsic(_shift)
def shift(typing_context, pointer, n):
    if not isinstance(pointer, types.CPointer):
        return None

    def generate(context, builder, signature, values):
        return builder.gep(values[0], [values[1]])

    return pointer(pointer, types.int64), generate


def _where(cond, a, b):
    """``a if cond else b``, both evaluated."""
    return a if cond else b


@_intrinsic(_where)
def where(typing_context, cond, a, b):
    kind = types.int64 if all(isinstance(x, types.Integer) for x in (a, b)) else types.float64
    if isinstance(a, types.Boolean) and isinstance(b, types.Boolean):
        kind = types.boolean

    def generate(context, builder, signature, values):
        return builder.select(context.cast(builder, values[0], cond, types.boolean), *values[1:])

    return kind(types.boolean, kind, kind), generate


def _fill(memory, start, size, value):
    """Set `size` elements from `start` on to `value`."""
    memory[start : start + size] = value


@_intrinsic(_fill)
def fill(typing_context, memory, start, size, value):
    def generate(context, builder, signature, values):
        pointer = builder.gep(values[0], [values[1]])
        with cgutils.for_range(builder, values[2]) as loop:
            builder.store(values[3], builder.gep(pointer, [loop.index]))
        return context.get_dummy_value()

    return types.none(memory, types.int64, types.int64, types.float64), generate


def _pointer_to(array):
    """The memory of an array."""
    return array


@_intrinsic(_pointer_to)
def pointer_to(typing_context, array):
    def generate(context, builder, signature, values):
        return make_array(signature.args[0])(context, builder, values[0]).data

    return types.CPointer(types.float64)(array), generate


_LLVM = {"sin": "sin", "cos": "cos", "exp": "exp", "log": "log", "sqrt": "sqrt", "floor": "floor", "ceil": "ceil"}
_LLVM |= {"trunc": "trunc", "rint": "rint", "log2": "log2", "log10": "log10", "exp2": "exp2", "fabs": "fabs"}
_LIBM = ["tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "expm1", "log1p", "cbrt"]
_LIBM += ["erf", "erfc", "lgamma", "tgamma"]
_NUMPY = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh"}


def _declare(name, symbol, python):
    @_intrinsic(python)
    def function(typing_context, x):
        def generate(context, builder, signature, values):
            kind = ir.FunctionType(ir.DoubleType(), [ir.DoubleType()])
            return builder.call(cgutils.get_or_insert_function(builder.module, kind, symbol), values)

        return types.float64(types.float64), generate

    function.__name__ = name
    globals()[name] = function
    __all__.append(name)


for _name, _symbol in _LLVM.items():
    _declare(_name, f"llvm.{_symbol}.f64", getattr(np, _name))
for _name in _LIBM:
    _numpy = _NUMPY.get(_name, _name)
    if hasattr(np, _numpy):
        _declare(_numpy, _name, getattr(np, _numpy))
