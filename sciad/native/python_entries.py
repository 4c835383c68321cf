"""Entries for Python: LLVM text of functions that take NumPy arrays and numbers and call native code.

The C code behind them has for each array the address of its first element and its dimensions, numbers by
value. An entry checks that each array is one (C-contiguous, aligned, writable, of the right type and
number of dimensions), releases the interpreter's lock during the call, and costs about 0.2 us where a
call through ctypes costs 2.
"""

from __future__ import annotations

import functools
import re
import sys
from dataclasses import dataclass

import numpy as np

from sciad import private_interfaces as layout

__all__ = ["Signature", "c_types", "python_entry", "signature", "table_entry", "trampoline_entry"]


@dataclass(frozen=True)
class Parameter:
    """A number (``dimensions`` 0) or an array."""

    kind: str
    dimensions: int


@dataclass(frozen=True)
class Signature:
    result: str
    parameters: tuple[Parameter, ...]


@functools.cache
def signature(text: str) -> Signature:
    """Read a signature such as ``"int64(float64[:,::1], int64)"``.

    Raises
    ------
    ValueError
        For anything but float64, int64, uint64 and C-contiguous arrays of them; a number is returned.
    """
    whole = re.fullmatch(r"(float64|int64)\((.*)\)", text.strip())
    items = re.findall(r"(\w+)(\[[^\]]*\])?\s*(?:,|$)", whole[2]) if whole else []
    parameters = []
    for kind, brackets in items:
        if kind not in _LLVM or (brackets and not re.fullmatch(r"\[(:,)*::1\]", brackets)):
            raise ValueError(f"signature {text!r}: {kind}{brackets} is not supported")
        parameters.append(Parameter(kind, brackets.count(",") + 1 if brackets else 0))
    if not whole:
        raise ValueError(f"signature {text!r} is not of the form 'int64(float64[::1], ...)'")
    return Signature(whole[1], tuple(parameters))


def c_types(form: Signature) -> list[str]:
    """LLVM types of the C function's arguments: for each array a pointer and its dimensions."""
    types = []
    for parameter in form.parameters:
        types += ["ptr"] + ["i64"] * parameter.dimensions if parameter.dimensions else [_LLVM[parameter.kind]]
    return types


def python_entry(name: str, target: str, form: Signature) -> str:
    """LLVM text of ``name``, which calls ``target``."""
    declared = f"declare {_LLVM[form.result]} @{target}({', '.join(c_types(form))})"
    writer = _Writer(name, form)
    arguments = writer.arguments()
    return "\n".join([*_RUNTIME, declared, *writer.function(f"@{target}", arguments)])


def table_entry(name: str, target: str, form: Signature, symbol: str, length: int) -> str:
    """LLVM text of a C function ``name`` that calls ``target`` with an array of addresses, of that symbol and
    length, in place of its first argument.
    """
    result, types = _LLVM[form.result], c_types(form)
    given = [f"{t} %a{k}" for k, t in enumerate(types)]
    passed = [f"ptr @{symbol}", f"i64 {length}", *given[2:]]
    return "\n".join(
        [
            f"declare {result} @{target}({', '.join(types)})",
            f"define {result} @{name}({', '.join(given)}) {{",
            f"  %result = call {result} @{target}({', '.join(passed)})",
            f"  ret {result} %result",
            "}",
        ]
    )


def trampoline_entry(name: str, form: Signature) -> str:
    """LLVM text of ``name``, which calls the address that is its first argument with the others; arrays
    are passed without their dimensions.
    """
    whole = Signature(form.result, (Parameter("int64", 0), *form.parameters))
    writer = _Writer(name, whole)
    address, *arguments = writer.arguments(dimensions=False)
    writer.line(f"%target = inttoptr {address} to ptr")
    return "\n".join([*_RUNTIME, *writer.function("%target", arguments)])


WRITTEN_OUT = 6  # arrays of an entry whose checks are written out each, which saves a nanosecond a piece
_LLVM = {"float64": "double", "int64": "i64", "uint64": "i64"}
_LETTER = {kind: np.dtype(kind).char for kind in _LLVM}

_RUNTIME = (
    "@sciad_ndarray = external global i8",
    "@sciad_TypeError = external global i8",
    "declare i64 @PyLong_AsLongLong(ptr)",
    "declare ptr @PyLong_FromLongLong(i64)",
    "declare double @PyFloat_AsDouble(ptr)",
    "declare ptr @PyFloat_FromDouble(double)",
    "declare ptr @PyErr_Occurred()",
    "declare ptr @PyErr_Format(ptr, ptr, ...)",
    "declare ptr @PyEval_SaveThread()",
    "declare void @PyEval_RestoreThread(ptr)",
)


class _Writer:
    def __init__(self, name: str, form: Signature):
        self.name, self.form = name, form
        self.lines: list[str] = []
        self.count = 0
        # Written out for each array, the checks of a kernel with many are a tenth of its code.
        self.shared_check = sum(p.dimensions > 0 for p in form.parameters) > WRITTEN_OUT

    def line(self, text: str) -> None:
        self.lines.append("  " + text)

    def new(self, text: str) -> str:
        self.count += 1
        self.line(f"%v{self.count} = {text}")
        return f"%v{self.count}"

    def field(self, base: str, offset: int, kind: str) -> str:
        return self.new(f"load {kind}, ptr {self.new(f'getelementptr i8, ptr {base}, i64 {offset}')}")

    def arguments(self, dimensions: bool = True) -> list[str]:
        """Unpack the arguments; their LLVM operands with types."""
        n = len(self.form.parameters)
        self.line(f"%right = icmp eq i64 %nargs, {n}")
        self.line("br i1 %right, label %a0, label %count")
        operands = []
        for k, parameter in enumerate(self.form.parameters):
            self.lines.append(f"a{k}:")
            item = self.new(f"load ptr, ptr {self.new(f'getelementptr ptr, ptr %args, i64 {k}')}")
            if parameter.dimensions:
                operands += self.array(k, item, parameter, dimensions)
            else:
                operands.append(self.number(k, item, parameter))
        self.lines.append(f"a{n}:")
        return operands

    def array(self, k: int, item: str, parameter: Parameter, dimensions: bool) -> list[str]:
        wanted = int.from_bytes((_LETTER[parameter.kind] + "=").encode(), sys.byteorder)
        if self.shared_check:
            kinds = f"ptr {item}, i32 {parameter.dimensions}, i16 {wanted}"
            self.line(f"%is{k} = call i1 @{self.name}.usable({kinds})")
            self.line(f"br i1 %is{k}, label %c{k}, label %e{k}")
        else:
            kind = self.field(item, layout.TYPE, "ptr")
            self.line(f"%is{k} = icmp eq ptr {kind}, @sciad_ndarray")
            self.line(f"br i1 %is{k}, label %b{k}, label %e{k}")
            self.lines.append(f"b{k}:")
            right = self.usable(item, f"{parameter.dimensions}", f"{wanted}")
            self.line(f"br i1 {right}, label %c{k}, label %e{k}")
        self.fail(k, parameter)
        self.lines.append(f"c{k}:")
        operands = [f"ptr {self.field(item, layout.DATA, 'ptr')}"]
        if dimensions:
            sizes = self.field(item, layout.DIMENSIONS, "ptr")
            operands += [f"i64 {self.field(sizes, 8 * j, 'i64')}" for j in range(parameter.dimensions)]
        self.line(f"br label %a{k + 1}")
        return operands

    def usable(self, item: str, dimensions: str, letter: str) -> str:
        """Whether an array is of the right kind."""
        flags = self.field(item, layout.FLAGS, "i32")
        count = self.field(item, layout.COUNT, "i32")
        code = self.field(self.field(item, layout.DESCR, "ptr"), layout.CODE, "i16")
        tests = [
            self.new(f"icmp eq i32 {self.new(f'and i32 {flags}, {layout.USABLE}')}, {layout.USABLE}"),
            self.new(f"icmp eq i32 {count}, {dimensions}"),
            self.new(f"icmp eq i16 {code}, {letter}"),
        ]
        return self.new(f"and i1 {self.new(f'and i1 {tests[0]}, {tests[1]}')}, {tests[2]}")

    def check_function(self) -> list[str]:
        """The check of an array as a function of its own."""
        if not self.shared_check:
            return []
        writer = _Writer(self.name, self.form)
        kind = writer.field("%item", layout.TYPE, "ptr")
        writer.line(f"%is = icmp eq ptr {kind}, @sciad_ndarray")
        writer.line("br i1 %is, label %array, label %other")
        writer.lines.append("array:")
        writer.line(f"ret i1 {writer.usable('%item', '%dimensions', '%letter')}")
        head = f"define internal i1 @{self.name}.usable(ptr %item, i32 %dimensions, i16 %letter) noinline {{"
        return [head, *writer.lines, "other:", "  ret i1 false", "}"]

    def number(self, k: int, item: str, parameter: Parameter) -> str:
        kind = _LLVM[parameter.kind]
        convert = "PyLong_AsLongLong" if kind == "i64" else "PyFloat_AsDouble"
        value = self.new(f"call {kind} @{convert}(ptr {item})")
        test = f"icmp eq i64 {value}, -1" if kind == "i64" else f"fcmp oeq double {value}, -1.0"
        self.line(f"br i1 {self.new(test)}, label %b{k}, label %a{k + 1}")
        self.lines.append(f"b{k}:")
        error = self.new("call ptr @PyErr_Occurred()")
        self.line(f"br i1 {self.new(f'icmp eq ptr {error}, null')}, label %a{k + 1}, label %raised")
        return f"{kind} {value}"

    def fail(self, k: int, parameter: Parameter) -> None:
        self.lines.append(f"e{k}:")
        self.line(
            f"call ptr (ptr, ptr, ...) @PyErr_Format(ptr @sciad_TypeError, ptr @{self.name}.array, "
            f"i32 {k + 1}, i32 {parameter.dimensions}, ptr @{self.name}.{parameter.kind})"
        )
        self.line("br label %raised")

    def function(self, target: str, arguments: list[str]) -> list[str]:
        result = _LLVM[self.form.result]
        back = "PyLong_FromLongLong" if result == "i64" else "PyFloat_FromDouble"
        n = len(self.form.parameters)
        messages = {
            "array": f"{self.name}: argument %d must be a contiguous, writable array of %d dimensions, %s",
            "count": f"{self.name} takes {n} arguments",
            **{kind: kind for kind in _LLVM},
        }
        texts = [
            f'@{self.name}.{key} = private constant [{len(text) + 1} x i8] c"{text}\\00"'
            for key, text in messages.items()
        ]
        return [
            *texts,
            *self.check_function(),
            f"define ptr @{self.name}(ptr %self, ptr %args, i64 %nargs) {{",
            *self.lines,
            "  %thread = call ptr @PyEval_SaveThread()",
            f"  %result = call {result} {target}({', '.join(arguments)})",
            "  call void @PyEval_RestoreThread(ptr %thread)",
            "  %error = call ptr @PyErr_Occurred()",  # interrupted
            "  %fine = icmp eq ptr %error, null",
            "  br i1 %fine, label %return, label %raised",
            "return:",
            f"  %object = call ptr @{back}({result} %result)",
            "  ret ptr %object",
            "count:",
            f"  call ptr (ptr, ptr, ...) @PyErr_Format(ptr @sciad_TypeError, ptr @{self.name}.count)",
            "  br label %raised",
            "raised:",
            "  ret ptr null",
            "}",
        ]
