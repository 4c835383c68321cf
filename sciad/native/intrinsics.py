"""The names of `runtime` for compiled code, as numba intrinsics."""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import carray, types

from sciad.native import runtime
from sciad.private_interfaces import Intrinsic, cgutils, make_array, populate_array

__all__ = ["Twin", "at_address", "call", "carray", "combine", "combine_from", "intrinsic", "row", "scatter"]
__all__ += ["allocate", "copy_memory", "numbers_at", "reallocate", "release", "symbol", "whole_at"]
__all__ += ["polled", "stack_f64", "view"]


class Twin(Intrinsic):
    """An intrinsic that can also be called from Python."""

    def __call__(self, *args):
        return self.python(*args)


def intrinsic(python):
    """Pair the Python meaning of a function with the numba intrinsic that follows it."""

    def pair(typing):
        twin = Twin(python.__name__, typing, prefer_literal=True)
        twin._register()
        twin.python = python
        twin.__doc__ = python.__doc__
        twin.__module__ = __name__
        return twin

    return pair


# -- calling a model -------------------------------------------------------------------------------


@intrinsic(runtime.call)
def call(typing_context, f, args):
    if not isinstance(f, types.Integer) or not isinstance(args, types.BaseTuple):
        return None
    for kind in args:
        if isinstance(kind, types.Array):
            if kind.layout != "C":
                return None
        elif not isinstance(kind, types.Float | types.Integer | types.CPointer):
            return None

    def generate(context, builder, signature, values):
        address, pack = values
        kinds = signature.args[1]
        native = []
        for k, kind in enumerate(kinds):
            item = builder.extract_value(pack, k)
            if isinstance(kind, types.Array):
                item = make_array(kind)(context, builder, item).data
                item = builder.bitcast(item, ir.DoubleType().as_pointer())
            elif isinstance(kind, types.Float):
                item = context.cast(builder, item, kind, types.float64)
            elif isinstance(kind, types.Integer):
                item = context.cast(builder, item, kind, types.int64)
            native.append(item)
        shape = ir.FunctionType(ir.IntType(64), [item.type for item in native])
        return builder.call(builder.inttoptr(address, shape.as_pointer()), native)

    return types.int64(types.int64, args), generate


@intrinsic(runtime.polled)
def polled(typing_context):
    def generate(context, builder, signature, values):
        return context.get_constant(types.boolean, False)

    return types.boolean(), generate


# -- arrays without reference counts ---------------------------------------------------------------


@intrinsic(runtime.stack_f64)
def stack_f64(typing_context, *shape):
    if len(shape) == 1 and isinstance(shape[0], types.BaseTuple):
        shape = tuple(shape[0])
    if not all(isinstance(n, types.IntegerLiteral) for n in shape):
        return None
    sizes = [n.literal_value for n in shape]
    kind = types.Array(types.float64, len(sizes), "C")

    def generate(context, builder, signature, values):
        memory = cgutils.alloca_once(builder, ir.ArrayType(ir.DoubleType(), int(np.prod(sizes))))
        data = builder.bitcast(memory, ir.DoubleType().as_pointer())
        return _array(context, builder, kind, data, [context.get_constant(types.intp, n) for n in sizes])

    return kind(types.StarArgTuple(shape)), generate


@intrinsic(runtime.row)
def row(typing_context, a, i):
    if not isinstance(a, types.Array) or a.layout != "C" or a.ndim < 2 or not isinstance(i, types.Integer):
        return None
    kind = types.Array(a.dtype, a.ndim - 1, "C")

    def generate(context, builder, signature, values):
        source = make_array(signature.args[0])(context, builder, values[0])
        index = context.cast(builder, values[1], signature.args[1], types.intp)
        shape = cgutils.unpack_tuple(builder, source.shape)[1:]
        size = shape[0]
        for n in shape[1:]:
            size = builder.mul(size, n)
        data = builder.gep(source.data, [builder.mul(index, size)])
        return _array(context, builder, kind, data, shape)

    return kind(a, types.intp), generate


@intrinsic(runtime.view)
def view(typing_context, a, start, size):
    if not isinstance(a, types.Array) or a.layout != "C" or a.ndim != 1:
        return None
    kind = types.Array(a.dtype, 1, "C")

    def generate(context, builder, signature, values):
        source = make_array(signature.args[0])(context, builder, values[0])
        return _array(context, builder, kind, builder.gep(source.data, [values[1]]), [values[2]])

    return kind(a, types.intp, types.intp), generate


@intrinsic(runtime.at_address)
def at_address(typing_context, address, rows, columns):
    kind = types.Array(types.float64, 2, "C")

    def generate(context, builder, signature, values):
        data = builder.inttoptr(values[0], ir.DoubleType().as_pointer())
        return _array(context, builder, kind, data, [values[1], values[2]])

    return kind(types.intp, types.intp, types.intp), generate


@intrinsic(runtime.numbers_at)
def numbers_at(typing_context, address, size):
    return _vector_at(types.float64)


@intrinsic(runtime.whole_at)
def whole_at(typing_context, address, size):
    return _vector_at(types.int64)


def _vector_at(dtype):
    kind = types.Array(dtype, 1, "C")

    def generate(context, builder, signature, values):
        data = builder.inttoptr(values[0], context.get_data_type(dtype).as_pointer())
        return _array(context, builder, kind, data, [values[1]])

    return kind(types.intp, types.intp), generate


# -- memory, and what has a name -------------------------------------------------------------------


@intrinsic(runtime.symbol)
def symbol(typing_context, name):
    if not isinstance(name, types.StringLiteral):
        return None

    def generate(context, builder, signature, values):
        byte, known = ir.IntType(8), builder.module.globals
        place = known.get(name.literal_value) or ir.GlobalVariable(builder.module, byte, name.literal_value)
        return builder.ptrtoint(place, ir.IntType(64))

    return types.int64(name), generate


def _of_c(name: str, count: int, gives: bool):
    """An intrinsic that calls a function of C's library with int64 addresses and sizes."""

    def generate(context, builder, signature, values):
        word, nothing = ir.IntType(64), ir.VoidType()
        kind = ir.FunctionType(word if gives else nothing, [word] * count)
        result = builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)
        return result if gives else context.get_dummy_value()

    return (types.int64 if gives else types.none)(*[types.int64] * count), generate


@intrinsic(runtime.allocate)
def allocate(typing_context, size):
    return _of_c("malloc", 1, True)


@intrinsic(runtime.reallocate)
def reallocate(typing_context, address, size):
    return _of_c("realloc", 2, True)


@intrinsic(runtime.release)
def release(typing_context, address):
    return _of_c("free", 1, False)


@intrinsic(runtime.copy_memory)
def copy_memory(typing_context, target, source, size):
    signature, generate = _of_c("memcpy", 3, True)
    return types.int64(*signature.args), generate


# -- sums with constant weights ------------------------------------------------------------------------

_FLAGS = ("contract", "nsz")


@intrinsic(runtime.combine)
def combine(typing_context, weights, a, k):
    if not isinstance(weights, types.StringLiteral) or not _is_matrix(a) or not isinstance(k, types.Integer):
        return None
    kind = types.float64(weights, a, types.intp)

    def generate(context, builder, signature, values):
        place = _entry(context, builder, signature.args[1], values[1], values[2])
        return _sum(builder, weights, place)

    return kind, generate


@intrinsic(runtime.combine_from)
def combine_from(typing_context, weights, a, start, stride):
    if not isinstance(weights, types.StringLiteral) or not _is_row(a):
        return None

    def generate(context, builder, signature, values):
        data = make_array(signature.args[1])(context, builder, values[1]).data
        first = builder.gep(data, [values[2]])

        def place(j):
            return builder.gep(first, [builder.mul(values[3], ir.Constant(values[3].type, j))])

        return _sum(builder, weights, place)

    return types.float64(weights, a, types.intp, types.intp), generate


@intrinsic(runtime.scatter)
def scatter(typing_context, weights, a, k, value):
    if not isinstance(weights, types.StringLiteral) or not _is_matrix(a) or not isinstance(k, types.Integer):
        return None

    def generate(context, builder, signature, values):
        place = _entry(context, builder, signature.args[1], values[1], values[2])
        for j, w in runtime.terms(weights.literal_value):
            pointer = place(j)
            change = builder.fmul(ir.Constant(ir.DoubleType(), w), values[3], flags=_FLAGS)
            builder.store(builder.fadd(builder.load(pointer), change, flags=_FLAGS), pointer)
        return context.get_dummy_value()

    return types.none(weights, a, types.intp, types.float64), generate


def _is_matrix(kind) -> bool:
    return isinstance(kind, types.Array) and kind.ndim == 2 and kind.layout == "C"


def _is_row(kind) -> bool:
    return isinstance(kind, types.Array) and kind.ndim == 1 and kind.layout == "C"


def _entry(context, builder, kind, matrix, k):
    """From j to the address of matrix[j, k]."""
    a = make_array(kind)(context, builder, matrix)
    width = cgutils.unpack_tuple(builder, a.shape)[1]

    def place(j):
        return builder.gep(a.data, [builder.add(builder.mul(width, ir.Constant(width.type, j)), k)])

    return place


def _sum(builder, weights, place):
    total = ir.Constant(ir.DoubleType(), 0.0)
    for j, w in runtime.terms(weights.literal_value):
        term = builder.fmul(ir.Constant(ir.DoubleType(), w), builder.load(place(j)), flags=_FLAGS)
        total = builder.fadd(total, term, flags=_FLAGS)
    return total


def _array(context, builder, kind, data, shape):
    """A C-contiguous array over memory that nobody counts references to."""
    itemsize = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides = [itemsize]
    for n in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], n))
    array = make_array(kind)(context, builder)
    populate_array(
        array,
        data=builder.bitcast(data, array.data.type),
        shape=cgutils.pack_array(builder, shape),
        strides=cgutils.pack_array(builder, strides),
        itemsize=itemsize,
        meminfo=None,
    )
    return array._getvalue()
