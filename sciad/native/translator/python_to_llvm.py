"""A generated module as LLVM text: functions typed by their signatures, the arguments of their calls and
local inference, without numba.

The language is what kernels (`sciad.native.kernels`) and emitted programs use, no more: numbers, bools,
pointers and C-contiguous arrays of float64 and int64, loops over ranges, ``while``, ``if``, calls of each
other and of the functions `llvm_calls` knows. A name has one type in a function; a number that is given a
float somewhere is a float everywhere. Anything else is a `TranslationError` with the line.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import math
import re
from pathlib import Path

import numpy as np

from sciad.native.translator.function_to_llvm import Function
from sciad.native.translator.llvm_calls import handler
from sciad.native.translator.llvm_library import DEFINED, NEEDS, scalar_text
from sciad.native.translator.llvm_values import TranslationError, Val, constant, double

__all__ = ["translate"]


def translate(text: str, entry: str, symbol: str, separate: bool = False, sparing: bool = False) -> str:
    """LLVM text of a module whose C function ``entry``, marked ``@cfunc``, is called ``symbol`` there.

    Parameters
    ----------
    text : str
        Source of the module.
    entry, symbol : str
    separate : bool
        What the entry writes through one pointer is not reached through another.
    sparing : bool
        Loops are made vectors of only where they have weighted sums (`runtime.combine`): otherwise that is
        most of the code, and of the time to compile it.

    Raises
    ------
    TranslationError
        With the line of the module.
    """
    module = Module(Source(text, "the generated module"), sparing)
    module.entry(entry, symbol, separate)
    return module.text()


class Source:
    """The top level of one Python module."""

    def __init__(self, text: str, name: str):
        self.name = name
        self.functions: dict[str, ast.FunctionDef] = {}
        self.values: dict[str, ast.expr] = {}
        self.imports: dict[str, tuple[str, str]] = {}  # name to module and name there ("" for a module)
        for node in ast.parse(text).body:
            match node:
                case ast.FunctionDef():
                    self.functions[node.name] = node
                case ast.Import():
                    self.imports |= {(a.asname or a.name): (a.name, "") for a in node.names}
                case ast.ImportFrom():
                    self.imports |= {(a.asname or a.name): (node.module or "", a.name) for a in node.names}
                case ast.Assign(targets=[ast.Name(id=name)]):
                    self.values[name] = node.value
                case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                    self.values |= {
                        n.id: v for n, v in zip(names, values, strict=True) if isinstance(n, ast.Name)
                    }
        self.cold = _evaluated(self.values["COLD"]) if "COLD" in self.values else ()


@functools.cache
def _source_of(module: str) -> Source:
    """A module of this package, read without importing it."""
    path = Path(importlib.util.find_spec(module.rpartition(".")[0]).submodule_search_locations[0])
    text = (path / f"{module.rpartition('.')[2]}.py").read_text(encoding="utf-8")
    return Source(text, module)


FIRST_MARK = 1000  # number of our metadata: functions of the library bring some that count from 0


class Module:
    """The LLVM module as it grows."""

    def __init__(self, source: Source, sparing: bool = False):
        self.source, self.sparing = source, sparing
        self.marks: list[str] = []  # metadata of loops
        self.parts: dict[str, str] = {}  # of the library, by name
        self.declared: dict[str, str] = {}
        self.functions: list[str] = []
        self.instances: dict[tuple, tuple[str, str]] = {}  # symbol and type of the result
        self.globals: dict[tuple[str, str], Val] = {}
        self.tables: list[str] = []
        self.interruptible = False

    def text(self) -> str:
        text = "\n".join([*self.tables, *self.functions, *self.parts.values(), *self.marks])
        # A definition may bring its own declarations: each once.
        lines, seen = [], set()
        for line in text.splitlines():
            if line.startswith("declare "):
                if (name := _symbol(line)) in seen or name in self.declared:
                    continue
                seen.add(name)
            lines.append(line)
        return "\n".join([*self.declared.values(), *lines]) + "\n"

    def need(self, name: str) -> None:
        """Put in a function of the library."""
        if name not in self.parts:
            self.parts[name] = DEFINED[name]
            if name in NEEDS:
                self.need(NEEDS[name])

    def need_scalar(self, name: str) -> None:
        """Put in one of the elementary functions; what several of them share, once."""
        if name not in self.parts:
            self.parts[name] = ""
            for part in _definitions(scalar_text(name)):
                self.parts.setdefault(_symbol(part) if part.startswith(("define", "@")) else part, part)

    def external(self, symbol: str) -> None:
        """Something at an address that is known by its name when the code is loaded."""
        self.declared.setdefault(symbol, f"@{symbol} = external global i8")

    def declare(self, symbol: str, result: str, types: list[str], attributes: str = "") -> None:
        if symbol not in self.declared:
            self.declared[symbol] = f"declare {result} @{symbol}({', '.join(types)}) {attributes}".rstrip()

    def loop_mark(self, vectors: bool) -> str:
        """What is said of a loop where it jumps back: whether vectors pay."""
        if vectors or not self.sparing:
            return ""
        if not self.marks:
            self.marks.append(f'!{FIRST_MARK} = !{{!"llvm.loop.vectorize.enable", i1 false}}')
        number = FIRST_MARK + len(self.marks)
        self.marks.append(f"!{number} = distinct !{{!{number}, !{FIRST_MARK}}}")
        return f", !llvm.loop !{number}"

    # names

    def resolve(self, source: Source, name: str):
        """What a name of a module's top level stands for: a value, or ``(module, name)`` of a function."""
        if name in source.functions:
            return source, name
        if name in source.values:
            value = source.values[name]
            if isinstance(value, ast.Name) and value.id in source.functions:
                return source, value.id
            key = source.name, name
            if key not in self.globals:
                self.globals[key] = self.value(source, name, value)
            return self.globals[key]
        if name in source.imports:
            module, inner = source.imports[name]
            return (module, inner)
        return "builtins", name

    def callee(self, source: Source, name: str):
        """What is called: ``(Source, name)`` of restricted Python, or what writes the call."""
        found = self.resolve(source, name)
        if isinstance(found, Val):
            raise TranslationError(f"{name} is called")
        module, inner = found
        if isinstance(module, Source):
            return module, inner
        write = handler(module, inner)
        if write is None and module.startswith("sciad."):
            other = _source_of(module)
            found = self.resolve(other, {"_zeta": "zeta"}.get(inner, inner))
            if isinstance(found, tuple) and isinstance(found[0], Source):
                return found
        if write is None:
            raise TranslationError(f"{name}, that is {inner} of {module}, is not known")
        return write

    def value(self, source: Source, name: str, node: ast.expr) -> Val:
        """A constant of the module."""
        value = _evaluated(node)
        if isinstance(value, np.ndarray):
            kind = {"float64": "f", "int64": "i"}.get(str(value.dtype))
            if kind is None:
                raise TranslationError(f"{name} is an array of {value.dtype}")
            return Val(f"a{kind}{value.ndim}", (self.table(value.ravel(), kind), *map(str, value.shape)))
        return constant(value)

    def table(self, values, kind: str) -> str:
        """Numbers in memory; their address."""
        symbol = f"@table{len(self.tables)}"
        type, write = ("double", double) if kind == "f" else ("i64", str)
        items = ", ".join(f"{type} {write(x)}" for x in values) or ""
        self.tables.append(f"{symbol} = private constant [{len(values)} x {type}] [{items}]")
        return symbol

    # functions

    def entry(self, name: str, symbol: str, separate: bool) -> None:
        node = self.source.functions[name]
        kinds = _c_signature(node.decorator_list[0], self.source)
        names = [a.arg for a in node.args.args]
        if len(names) != len(kinds):
            raise TranslationError(f"{name} has {len(names)} parameters, its signature {len(kinds)}")
        self.interruptible = separate  # programs, which are functions of a status; kernels say where they ask
        function = Function(self, self.source, node, _flags(node))
        result = function.translate(kinds)
        if result not in ("i", "f"):
            raise TranslationError(f"{name} returns {result}")
        mark = "noalias " if separate else ""
        self.functions.append(function.text(f"@{symbol}", "nounwind", "", mark))

    def instance(self, source: Source, name: str, types: tuple[str, ...], cold: bool) -> tuple[str, str]:
        """A function for arguments of these types, as part of what runs seldom or not: its symbol and the
        type of its result.
        """
        cold = name in source.cold or (cold and _inlined(source.functions[name]))
        key = source.name, name, types, cold
        if key not in self.instances:
            node = source.functions[name]
            if len(types) != len(node.args.args):
                raise TranslationError(f"{name} called with {len(types)} arguments")
            function = Function(self, source, node, _flags(node), cold)
            result = function.translate(list(types))
            symbol = f"@{name}.{len(self.instances)}"
            attributes = "alwaysinline nounwind" if _inlined(node) else "nounwind"
            attributes += " cold noinline optsize" if name in source.cold else ""
            self.functions.append(function.text(symbol, attributes, "internal "))
            self.instances[key] = symbol, result
        return self.instances[key]


def _definitions(text: str) -> list[str]:
    """Whole functions, and single lines."""
    out: list[str] = []
    inside = False
    for line in text.splitlines():
        if inside:
            out[-1] += "\n" + line
            inside = line != "}"
        elif line.strip():
            out.append(line)
            inside = line.startswith("define")
    return out


def _symbol(line: str) -> str:
    return re.search(r'@"?([\w.]+)', line)[1]


def _flags(node: ast.FunctionDef) -> str:
    for decorator in node.decorator_list:
        for keyword in getattr(decorator, "keywords", ()):
            if keyword.arg == "fastmath":
                return "".join(f"{flag} " for flag in sorted(ast.literal_eval(keyword.value)))
    return ""


def _inlined(node: ast.FunctionDef) -> bool:
    return any(k.arg == "forceinline" for d in node.decorator_list for k in getattr(d, "keywords", ()))


def _c_signature(decorator: ast.expr, source: Source) -> list[str]:
    """Types of the parameters of a C function, from ``types.int64(double, ...)`` or the same as text."""
    signature = decorator.args[0]
    if isinstance(signature, ast.Constant):
        signature = ast.parse(signature.value, mode="eval").body
    return [_c_type(argument, source) for argument in signature.args]


def _c_type(node: ast.expr, source: Source) -> str:
    match node:
        case ast.Name(id=name) if name in source.values:
            return _c_type(source.values[name], source)
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in ("float64", "int64", "uint64"):
            return name[0]
        case ast.Call(args=[inner]) if ast.unparse(node.func).rpartition(".")[2] == "CPointer":
            return "p" + _c_type(inner, source)
    raise TranslationError(f"a parameter of type {ast.unparse(node)}")


def _evaluated(node: ast.expr):
    """The value of a constant expression."""
    match node:
        case ast.Tuple(elts=items):
            return tuple(_evaluated(item) for item in items)
        case ast.List(elts=items):
            return [_evaluated(item) for item in items]
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_evaluated(inner)
        case ast.Constant(value=value):
            return value
        case ast.Call(func=ast.Name(id="float"), args=[inner]):
            return float(_evaluated(inner))
        case ast.Call(func=ast.Attribute(attr="array"), args=[inner], keywords=keywords):
            kind = next((k.value.attr for k in keywords if k.arg == "dtype"), None)
            return np.array(_evaluated(inner), dtype=kind)
        case ast.BinOp() | ast.Attribute():
            try:
                return eval(compile(ast.Expression(node), "", "eval"), {"math": math, "np": np})
            except NameError:
                pass
    raise TranslationError(f"line {node.lineno}: {ast.unparse(node)} is not constant")
