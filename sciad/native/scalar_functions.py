"""Scalar functions that emitted code calls, each for compiled code (an intrinsic) and for plain Python.

The names are those of NumPy.  In compiled code a call becomes a few LLVM instructions, so loops over them
vectorise."""

from __future__ import annotations

from llvmlite import ir
from numba import types

from sciad.native import elementary
from sciad.native.intrinsics import intrinsic
from sciad.native.scalar_table import FUNCTIONS
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


for _name, _entry in FUNCTIONS.items():
    _build = _external(_entry.symbol, _entry.arity) if _entry.symbol else _own(_entry.own)
    _kind = types.boolean if _entry.boolean else types.float64
    globals()[_name] = declared(_name, _entry.python, _entry.arity, _build, _kind)
    __all__.append(_name)
