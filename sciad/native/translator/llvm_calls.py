"""Calls that translated code makes of what is not translated itself: Python's and NumPy's own functions, and
those of `sciad.native.runtime` and `sciad.native.scalar_table`.

``handler(name)`` finds what writes such a call; it takes the writer and the arguments.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

from sciad.native.runtime import terms
from sciad.native.scalar_table import FUNCTIONS
from sciad.native.translator.llvm_values import (
    NOTHING,
    SCALARS,
    TranslationError,
    Val,
    constant,
    double,
    llvm_types,
    unify,
)
from sciad.native.translator.llvm_writer import Writer

__all__ = ["handler"]

Handler = Callable[[Writer, list[Val]], Val]
_SUM = "nsz contract "


def handler(module: str, name: str) -> Handler | None:
    """What writes a call of that function of a module, if it is known."""
    last = module.rpartition(".")[2]
    if last in ("intrinsics", "runtime", "numba"):
        return _RUNTIME.get(name)
    if last == "scalar_functions":
        return _RUNTIME.get(name) or (_scalar(name) if name in FUNCTIONS else None)
    if last == "scipy_addresses" and not name.startswith("_") and name != "zeta":
        return functools.partial(_special, name)
    if last == "matrix_kernels" and name == "gemm":
        return _gemm
    return _PYTHON.get(name if module == "builtins" else f"{module}.{name}")


# -- Python's and NumPy's ------------------------------------------------------------------------------


def _to(type: str) -> Handler:
    def write(w: Writer, args: list[Val]) -> Val:
        (x,) = args
        if x.type == "s":  # float("inf")
            return constant(float(x.known))
        return w.cast(x, type)

    return write


def _length(w: Writer, args: list[Val]) -> Val:
    (x,) = args
    if x.type[0] == "a":
        return size(x.parts[1])
    if x.type[0] == "(":
        return constant(len(x.items))
    raise TranslationError(f"len of {x.type}")


def size(text: str) -> Val:
    """A dimension of an array."""
    return constant(int(text)) if text.isdigit() else Val("i", (text,), None, True)


def _external(symbol: str, arity: int = 1) -> Handler:
    def write(w: Writer, args: list[Val]) -> Val:
        if len(args) != arity:
            raise TranslationError(f"{symbol} of {len(args)} arguments")
        operands = [w.floating(x).text for x in args]
        return Val("f", (w.call("double", symbol, ["double"] * arity, operands),))

    return write


def _rounded(symbol: str) -> Handler:
    """``math.floor`` and ``math.ceil`` give integers."""

    def write(w: Writer, args: list[Val]) -> Val:
        if args[0].type != "f":
            return args[0]
        return w.cast(_external(symbol)(w, args), "i")

    return write


def _finite(w: Writer, args: list[Val]) -> Val:
    x = w.absolute(w.floating(args[0]))
    return Val("b", (w.new(f"fcmp olt double {x.text}, {double(math.inf)}"),))


def _is_nan(w: Writer, args: list[Val]) -> Val:
    x = w.floating(args[0]).text
    return Val("b", (w.new(f"fcmp uno double {x}, {x}"),))


_PYTHON: dict[str, Handler] = {
    "float": _to("f"),
    "int": _to("i"),
    "bool": _to("b"),
    "numpy.float64": _to("f"),
    "numpy.int64": _to("i"),
    "numpy.uint64": _to("u"),
    "len": _length,
    "min": lambda w, args: w.extreme("<", args),
    "max": lambda w, args: w.extreme(">", args),
    "abs": lambda w, args: w.absolute(args[0]),
    "math.floor": _rounded("llvm.floor.f64"),
    "math.ceil": _rounded("llvm.ceil.f64"),
    "math.isfinite": _finite,
    "math.isnan": _is_nan,
    "math.pow": _external("llvm.pow.f64", 2),
    "math.copysign": _external("llvm.copysign.f64", 2),
    "math.atan2": _external("atan2", 2),
    "math.hypot": _external("hypot", 2),
}
for _name in ("sqrt", "exp", "log", "sin", "cos", "fabs", "log2", "log10"):
    _PYTHON[f"math.{_name}"] = _PYTHON[f"numpy.{_name}"] = _external(f"llvm.{_name}.f64")
for _name in ("tan", "sinh", "cosh", "tanh", "asin", "acos", "atan", "expm1", "log1p", "erf", "erfc"):
    _PYTHON[f"math.{_name}"] = _external(_name)


# -- of the runtime ------------------------------------------------------------------------------------


def _call(w: Writer, args: list[Val]) -> Val:
    """Of a C function at an address: arrays as the address of their first element."""
    address, pack = args
    types, operands = [], []
    for x in pack.items:
        if x.type[0] in "ap":
            types.append("ptr")
            operands.append(x.text)
        else:
            x = x if x.type in "fiu" else w.cast(x, "i")
            types.append(SCALARS[x.type])
            operands.append(x.text)
    target = w.new(f"inttoptr i64 {address.text} to ptr")
    inside = ", ".join(f"{t} {x}" for t, x in zip(types, operands, strict=True))
    return Val("i", (w.new(f"call i64 {target}({inside}){' noinline' if w.cold else ''}"),))


def _polled(w: Writer, args: list[Val]) -> Val:
    return Val("b", (w.polled(16),))


def _stack(w: Writer, args: list[Val]) -> Val:
    if len(args) == 1 and args[0].type[0] == "(":
        args = args[0].items
    sizes = [x.known for x in args]
    if not all(isinstance(n, int) for n in sizes):
        raise TranslationError("stack_f64 of a shape that is not constant")
    memory = w.slot(f"[{math.prod(sizes)} x double]")
    return Val(f"af{len(sizes)}", (memory, *map(str, sizes)))


def _row(w: Writer, args: list[Val]) -> Val:
    array, index = args
    if array.type[0] != "a" or len(array.parts) < 3:
        raise TranslationError(f"row of {array.type}")
    address, rest = w.place(array, [index], wrap=False)
    return Val(f"a{array.type[1]}{len(rest)}", (address, *rest))


def _view(w: Writer, args: list[Val]) -> Val:
    array, start, count = args
    if array.type[0] != "a" or array.type[2:] != "1":
        raise TranslationError(f"view of {array.type}")
    address = w.element(array.text, array.type[1], w.integer(start))
    return Val(array.type, (address, w.cast(count, "i").text))


def _at_address(w: Writer, args: list[Val]) -> Val:
    address, rows, columns = (w.cast(x, "i").text for x in args)
    return Val("af2", (w.new(f"inttoptr i64 {address} to ptr"), rows, columns))


def _vector_at(kind: str) -> Handler:
    def write(w: Writer, args: list[Val]) -> Val:
        address, count = (w.cast(x, "i").text for x in args)
        return Val(f"a{kind}1", (w.new(f"inttoptr i64 {address} to ptr"), count))

    return write


def _symbol(w: Writer, args: list[Val]) -> Val:
    (name,) = args
    if name.type != "s":
        raise TranslationError("a symbol whose name is not constant")
    w.library.external(name.known)
    return Val("i", (f"ptrtoint (ptr @{name.known} to i64)",))


def _allocate(w: Writer, args: list[Val]) -> Val:
    memory = w.call("ptr", "malloc", ["i64"], [w.cast(args[0], "i").text])
    return Val("i", (w.new(f"ptrtoint ptr {memory} to i64"),))


def _pointer(w: Writer, x: Val) -> str:
    return w.new(f"inttoptr i64 {w.cast(x, 'i').text} to ptr")


def _reallocate(w: Writer, args: list[Val]) -> Val:
    memory, count = args
    moved = w.call("ptr", "realloc", ["ptr", "i64"], [_pointer(w, memory), w.cast(count, "i").text])
    return Val("i", (w.new(f"ptrtoint ptr {moved} to i64"),))


def _release(w: Writer, args: list[Val]) -> Val:
    w.call("void", "free", ["ptr"], [_pointer(w, args[0])])
    return NOTHING


def _copy_memory(w: Writer, args: list[Val]) -> Val:
    target, source, count = args
    operands = [_pointer(w, target), _pointer(w, source), w.cast(count, "i").text]
    w.call("ptr", "memcpy", ["ptr", "ptr", "i64"], operands)
    return NOTHING


def _carray(w: Writer, args: list[Val]) -> Val:
    pointer, shape = args
    sizes = shape.items if shape.type[0] == "(" else [shape]
    if pointer.type[0] != "p":
        raise TranslationError(f"carray of {pointer.type}")
    return Val(f"a{pointer.type[1]}{len(sizes)}", (pointer.text, *(w.cast(x, "i").text for x in sizes)))


def _weights(x: Val) -> tuple[tuple[int, float], ...]:
    if x.type != "s":
        raise TranslationError("weights of a sum that are not constant")
    return terms(x.known)


def _column(w: Writer, matrix: Val, k: Val) -> Callable[[int], str]:
    """From j to the address of matrix[j, k]."""
    if matrix.type != "af2":
        raise TranslationError(f"a sum over {matrix.type}")

    def place(j: int) -> str:
        return w.place(matrix, [constant(j), k], wrap=False)[0]

    return place


def _sum(w: Writer, weights: Val, place: Callable[[int], str]) -> Val:
    total = double(0.0)
    for j, weight in _weights(weights):
        value = w.load("f", place(j))
        term = w.new(f"fmul {_SUM}double {double(weight)}, {value.text}")
        total = w.new(f"fadd {_SUM}double {total}, {term}")
    return Val("f", (total,))


def _combine(w: Writer, args: list[Val]) -> Val:
    weights, matrix, k = args
    return _sum(w, weights, _column(w, matrix, k))


def _combine_from(w: Writer, args: list[Val]) -> Val:
    weights, array, start, stride = args
    first = w.element(array.text, "f", w.integer(start))

    def place(j: int) -> str:
        return w.element(first, "f", w.binary("*", w.cast(stride, "i"), constant(j)))

    return _sum(w, weights, place)


def _scatter(w: Writer, args: list[Val]) -> Val:
    weights, matrix, k, value = args
    value, place = w.floating(value), _column(w, matrix, k)
    for j, weight in _weights(weights):
        address = place(j)
        change = w.new(f"fmul {_SUM}double {double(weight)}, {value.text}")
        old = w.load("f", address)
        w.store(Val("f", (w.new(f"fadd {_SUM}double {old.text}, {change}"),)), address)
    return NOTHING


def _shift(w: Writer, args: list[Val]) -> Val:
    pointer, n = args
    return Val(pointer.type, (w.element(pointer.text, pointer.type[1], w.integer(n)),))


def _where(w: Writer, args: list[Val]) -> Val:
    test, a, b = args
    type = unify(a.type, b.type)
    if type not in ("f", "i", "b"):
        raise TranslationError(f"where of {a.type} and {b.type}")
    return w.choose(w.truth(test), w.cast(a, type), w.cast(b, type))


def _fill(w: Writer, args: list[Val]) -> Val:
    memory, start, count, value = args
    w.library.need("sciad_fill")
    address = w.element(memory.text, "f", w.integer(start))
    operands = [address, w.cast(count, "i").text, w.floating(value).text]
    w.called("void", "sciad_fill", ["ptr", "i64", "double"], operands)
    return NOTHING


def _pointer_to(w: Writer, args: list[Val]) -> Val:
    return Val(f"p{args[0].type[1]}", (args[0].text,))


_RUNTIME: dict[str, Handler] = {
    "call": _call,
    "polled": _polled,
    "stack_f64": _stack,
    "row": _row,
    "view": _view,
    "at_address": _at_address,
    "carray": _carray,
    "numbers_at": _vector_at("f"),
    "whole_at": _vector_at("i"),
    "symbol": _symbol,
    "allocate": _allocate,
    "reallocate": _reallocate,
    "release": _release,
    "copy_memory": _copy_memory,
    "combine": _combine,
    "combine_from": _combine_from,
    "scatter": _scatter,
    "shift": _shift,
    "where": _where,
    "fill": _fill,
    "pointer_to": _pointer_to,
}


# -- functions of floats -------------------------------------------------------------------------------


@functools.cache
def _scalar(name: str) -> Handler:
    entry = FUNCTIONS[name]
    if entry.symbol:
        return _external(entry.symbol, entry.arity)
    if name in ("plus", "minus"):
        how = "fadd" if name == "plus" else "fsub"

        def write(w: Writer, args: list[Val]) -> Val:
            a, b = (w.floating(x).text for x in args)
            return Val("f", (w.new(f"{how} reassoc nsz contract double {a}, {b}"),))

        return write

    def write(w: Writer, args: list[Val]) -> Val:
        operands = [w.floating(x).text for x in args]
        w.library.need_scalar(name)
        kind = "b" if entry.boolean else "f"
        types, symbol = ["double"] * entry.arity, f"sciad_of_{name}"
        return Val(kind, (w.called(SCALARS[kind], symbol, types, operands, w.called_often(symbol)),))

    return write


def _special(name: str, w: Writer, args: list[Val]) -> Val:
    """SciPy's, by address."""
    types, operands = ["double"] * len(args), [w.floating(x).text for x in args]
    symbol = f"sciad_special_{name}"
    return Val("f", (w.call("double", symbol, [*types, "i32"], [*operands, "0"]),))


def _gemm(w: Writer, args: list[Val]) -> Val:
    kinds = ["pf", "i", "i", "b", "pf", "i", "i", "b", "pf", "i", "i", "i", "i", "i", "f", "b"]
    values = [x if kind == "pf" else w.cast(x, kind) for x, kind in zip(args, kinds, strict=True)]
    w.library.need("sciad_gemm")
    types = [t for x in values for t in llvm_types(x.type)]
    w.called("void", "sciad_gemm", types, [x.text for x in values])
    return NOTHING
