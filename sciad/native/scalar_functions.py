"""Scalar functions that emitted code calls, each for compiled code (an intrinsic) and for plain Python.

The names are those of NumPy.  In compiled code a call becomes a few LLVM instructions, so loops over them
vectorise."""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types

from sciad.native import elementary
from sciad.native.intrinsics import intrinsic
from sciad.private_interfaces import cgutils, make_array

__all__ = ["fill", "pointer_to", "shift", "where"]  # and what is declared at the end


def _shift(pointer, n):
    """Memory from the n-th element on."""
    return pointer[n:]


@intrinsic(_shift)
def shift(typing_context, pointer, n):
    if not isinstance(pointer, types.CPointer):
        return None

    def generate(context, builder, signature, values):
        return builder.gep(values[0], [values[1]])

    return pointer(pointer, types.int64), generate


def _where(cond, a, b):
    """``a if cond else b``, both evaluated."""
    return a if cond else b


@intrinsic(_where)
def where(typing_context, cond, a, b):
    kind = types.int64 if all(isinstance(x, types.Integer) for x in (a, b)) else types.float64
    if isinstance(a, types.Boolean) and isinstance(b, types.Boolean):
        kind = types.boolean

    def generate(context, builder, signature, values):
        return builder.select(
            *values
        )  # as cast to the signature, which is all that numba tells cases apart by

    return kind(types.boolean, kind, kind), generate


def _fill(memory, start, size, value):
    """Set `size` elements from `start` on to `value`."""
    memory[start : start + size] = value


@intrinsic(_fill)
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


@intrinsic(_pointer_to)
def pointer_to(typing_context, array):
    def generate(context, builder, signature, values):
        return make_array(signature.args[0])(context, builder, values[0]).data

    return types.CPointer(types.float64)(array), generate


def _special(name):
    """A function of scipy.special, which is not imported before it is called."""

    def call(*args):
        import scipy.special

        return getattr(scipy.special, name)(*args)

    call.__name__ = name
    return call


def declared(name: str, python, arity: int, build, kind=types.float64):
    """A function of floats; `build` makes its LLVM value from those of its arguments."""

    @intrinsic(python)
    def function(typing_context, *arguments):
        def generate(context, builder, signature, values):
            values = [builder.extract_value(values[0], k) for k in range(arity)]
            return build(builder, *values)

        if len(arguments) == 1 and isinstance(arguments[0], types.BaseTuple):
            arguments = tuple(arguments[0])
        return kind(types.StarArgTuple([types.float64] * arity)), generate

    function.__name__ = name
    return function


def _declare(name: str, *how) -> None:
    """Enter a function of floats here."""
    globals()[name] = declared(name, *how)
    __all__.append(name)


def _external(symbol: str, arity: int):
    """A function of LLVM's or of the C library."""

    def build(builder, *values):
        kind = ir.FunctionType(ir.DoubleType(), [ir.DoubleType()] * arity)
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, symbol), values)

    return build


def _own(function):
    """A function of `elementary`."""

    def build(builder, *values):
        result = function(*(elementary.Float(builder, v) for v in values))
        return getattr(result, "value", result)

    return build


for _name in ("sqrt", "floor", "ceil", "trunc", "rint", "log2", "log10", "exp2", "fabs"):
    _declare(_name, getattr(np, _name), 1, _external(f"llvm.{_name}.f64", 1))
for _name in ("copysign",):
    _declare(_name, getattr(np, _name), 2, _external(f"llvm.{_name}.f64", 2))
for _name in ("exp", "expm1", "log", "log1p", "tanh", "sin", "cos"):
    _declare(_name, getattr(np, _name), 1, _own(getattr(elementary, _name)))
for _name in ("sign", "reciprocal", "degrees", "radians"):
    _declare(_name, getattr(np, _name), 1, _own(getattr(elementary, _name)))
for _name in ("maximum", "minimum", "fmax", "fmin", "heaviside"):
    _declare(_name, getattr(np, _name), 2, _own(getattr(elementary, _name)))
for _name in ("isnan", "isinf", "isfinite", "signbit"):
    _declare(_name, getattr(np, _name), 1, _own(getattr(elementary, _name)), types.boolean)
_declare("plus", np.add, 2, _own(elementary.plus))
_declare("minus", np.subtract, 2, _own(elementary.minus))
_declare("logaddexp", np.logaddexp, 2, _own(elementary.logaddexp))
_declare("expit", _special("expit"), 1, _own(elementary.expit))
for _name in ("tan", "sinh", "cosh", "cbrt"):
    _declare(_name, getattr(np, _name), 1, _external(_name, 1))
for _name in ("sin", "cos", "tan", "sinh", "cosh", "tanh"):
    _declare(f"arc{_name}", getattr(np, f"arc{_name}"), 1, _external(f"a{_name}", 1))
for _name, _symbol in {
    "arctan2": "atan2",
    "hypot": "hypot",
    "fmod": "fmod",
    "nextafter": "nextafter",
}.items():
    _declare(_name, getattr(np, _name), 2, _external(_symbol, 2))
for _name, _symbol in {"erf": "erf", "erfc": "erfc", "gamma": "tgamma", "gammaln": "lgamma"}.items():
    _declare(_name, _special(_name), 1, _external(_symbol, 1))
