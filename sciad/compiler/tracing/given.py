"""Functions and objects of the user's among the arguments of a compiled function.

They are compiled in, yet what they capture may change from call to call, and a function made anew each time
has the same text.  So they travel beside the function that is traced, and are read through it as its captures
are.
"""

from __future__ import annotations

import enum
import functools
import types
from collections.abc import Callable
from typing import Any

from sciad.compiler.tracing.captures import is_library


class Given:  # no dataclass: those are taken apart as structures
    """Stands in an example of the arguments for the `place`-th object given, of which `key` is known."""

    def __init__(self, place: int, key: Any):
        self.place, self.key = place, key

    def __eq__(self, other) -> bool:
        return isinstance(other, Given) and (self.place, self.key) == (other.place, other.key)

    def __hash__(self) -> int:
        return hash((self.place, self.key))


class WithObjects:
    """A function, and the objects among its arguments."""

    def __init__(self, fun: Callable, given: tuple):
        self.fun, self.given = fun, given

    @property
    def __name__(self) -> str:
        fun = self.fun
        while isinstance(fun, functools.partial):
            fun = fun.func
        return getattr(fun, "__name__", type(fun).__name__)

    def key(self, key_of: Callable) -> tuple:
        return (key_of(self.fun), *map(object_key, self.given))


def is_given(x) -> bool:
    """Whether an argument is a function or an object of the user's."""
    if isinstance(x, (types.FunctionType, types.MethodType, functools.partial)):
        return True
    if isinstance(x, (type, enum.Enum, types.ModuleType)) or hasattr(x, "dtype"):
        return False
    return not is_library(type(x))


def object_key(x):
    """Functions of one text, objects of one class: whether one trace serves two of them, its guards say."""
    code = getattr(x, "__code__", None)
    return type(x) if code is None else (code, code.co_filename)
