"""Typed values of translated code, and how each type is written in LLVM.

A type is a short text: ``f`` float64, ``i`` int64, ``u`` uint64, ``b`` bool, ``n`` nothing, ``pf`` a pointer
to float64, ``af2`` a C-contiguous float64 array of two dimensions, ``(fi)`` a tuple. A value of any type is a
list of LLVM operands: an array is the address of its first element and its dimensions, a tuple its items one
after the other.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

__all__ = [
    "NOTHING",
    "SCALARS",
    "TranslationError",
    "Val",
    "constant",
    "double",
    "llvm_types",
    "result_type",
    "split",
    "unify",
]

SCALARS = {"f": "double", "i": "i64", "u": "i64", "b": "i1"}


class TranslationError(Exception):
    """Generated code holds something the translator does not know."""


class Val:
    """A value: its type, its operands, and what is known of it.

    Attributes
    ----------
    type : str
    parts : list of str
        LLVM operands without their types.
    known : object
        The Python value of a constant, else None.
    from_zero : bool
        Whether an integer is known not to be negative.
    """

    __slots__ = ("from_zero", "known", "parts", "type")

    def __init__(self, type: str, parts: Sequence[str], known=None, from_zero: bool = False):
        self.type, self.parts, self.known, self.from_zero = type, parts, known, from_zero

    @property
    def text(self) -> str:
        return self.parts[0]

    @property
    def typed(self) -> str:
        """Operands with their types, as in calls."""
        return ", ".join(f"{t} {p}" for t, p in zip(llvm_types(self.type), self.parts, strict=True))

    @property
    def items(self) -> list[Val]:
        """The items of a tuple."""
        if isinstance(self.known, list):
            return self.known
        out, at = [], 0
        for type in split(self.type):
            count = len(llvm_types(type))
            out.append(Val(type, self.parts[at : at + count]))
            at += count
        return out


NOTHING = Val("n", ())


def constant(value) -> Val:
    """The value of a Python number, string or tuple of such."""
    if isinstance(value, bool):
        return Val("b", ("true" if value else "false",), value)
    if isinstance(value, int):
        if value >= 2**63:
            return Val("u", (str(value - 2**64),), value, True)
        return Val("i", (str(value),), value, value >= 0)
    if isinstance(value, float):
        return Val("f", (double(value),), value)
    if isinstance(value, tuple):
        items = [constant(item) for item in value]
        return Val(f"({''.join(x.type for x in items)})", [p for x in items for p in x.parts], items)
    if value is None:
        return NOTHING
    return Val("s", (), value)


def double(value: float) -> str:
    """A float64 as LLVM reads it, exactly."""
    return "0x" + struct.pack(">d", value).hex().upper()


def llvm_types(type: str) -> list[str]:
    """LLVM types of the operands of a value."""
    found = _types.get(type)
    if found is None:
        found = _types[type] = _llvm_types(type)
    return found


_types: dict[str, list[str]] = {key: [value] for key, value in SCALARS.items()} | {"n": [], "s": []}


def _llvm_types(type: str) -> list[str]:
    if type[0] == "p":
        return ["ptr"]
    if type[0] == "a":
        return ["ptr", *["i64"] * int(type[2:])]
    return [item for part in split(type) for item in llvm_types(part)]


def split(type: str) -> list[str]:
    """Types of the items of a tuple."""
    return list(_items(type[1:-1]))


def _items(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        end = at + 1
        if text[at] == "p":
            end = at + 2
        elif text[at] == "a":
            end = at + 3
        elif text[at] == "(":
            depth = 1
            while depth:
                depth += {"(": 1, ")": -1}.get(text[end], 0)
                end += 1
        yield text[at:end]
        at = end


def unify(a: str, b: str) -> str | None:
    """The type that holds values of both, if there is one."""
    if a == b or not a or not b:
        return a and b
    if {a, b} <= {"b", "i"}:
        return "i"
    if {a, b} <= {"b", "i", "f"}:
        return "f"
    if a[0] == b[0] == "(":
        pairs = list(zip(split(a), split(b), strict=False))
        items = [unify(x, y) for x, y in pairs]
        if len(split(a)) == len(split(b)) and all(items):
            return f"({''.join(items)})"
    return None


def result_type(type: str) -> str:
    """LLVM type of what a function returns."""
    types = llvm_types(type)
    if len(types) > 1:
        return "{ " + ", ".join(types) + " }"
    return types[0] if types else "void"
