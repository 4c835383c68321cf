"""What a trace offers to the lowerings of functions and to the operations on arrays, which call it `t`.

`tracing.tracer.Tracer` is what they are given; a test holds them to this list, and the list to the tracer.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from sciad.compiler.ir.builder import Builder
from sciad.compiler.ir.nodes import Address, Operand, Program, Value
from sciad.compiler.objects.kinds import Array, Box, Iteration, ListBox

__all__ = ["TraceServices"]


class TraceServices(Protocol):
    """One trace of a function, as seen from below."""

    # ------------------------------------------------ what is being made
    builder: Builder
    program: Program
    node: ast.AST | None  # of the user's source, being read
    detail: bool  # whether nodes carry the text of their expression
    captures: Any  # what the program reaches outside of itself
    raised: Any  # whether the program has raised and not yet come to the handler
    decisions: dict  # of earlier attempts: how arrays are held, by the site that makes them
    bases: Any  # which offsets in the arena are different allocations
    constant_class: int  # alias class of the program's constants

    def site(self) -> tuple:
        """Identifies the place of the program that makes an array, over restarts."""

    def require(self, cond: Operand, exception: str, message: str) -> None:
        """Leave the program with an error unless `cond`."""

    def captured_only(self, x) -> bool:
        """Whether a number or array is known, or captured as it stands."""

    def routine_site(self, routine) -> int:
        """A place at which a routine may fail."""

    def scratch(self, thunk: Callable[[], Any]) -> Any:
        """The value of `thunk`, computed nowhere: for its kind."""

    def input(self, x: Array, at: int) -> Value:
        """An element of memory that is never written."""

    def constants(self, values) -> int:
        """Where in the program's constants these values begin."""

    def constant_values(self, x: Array) -> np.ndarray:
        """The values of an array of constants."""

    # ------------------------------------------------ numbers
    def apply(self, fn, args) -> Operand:
        """A scalar operation; truth values count as 0 and 1 in arithmetic."""

    def arithmetic(self, fn, args) -> Operand:
        """A scalar operation of the user's, checked as Python's numbers are."""

    def of_truths(self, fn, args):
        """The function that NumPy's `fn` is on truth values."""

    def integer(self, x) -> Operand:
        """A number as an int."""

    def truth(self, x) -> Operand:
        """The truth of a value."""

    def affine(self, x: Operand) -> Address:
        """An int operand as a sum of others."""

    def operand(self, address: Address) -> Operand:
        """The int an address stands for."""

    def counts(self, i: Operand, n: Operand, strict: bool = True) -> bool:
        """Whether ``i < n`` (or ``<=``) is known."""

    def sum_of(self, n: Operand, term: Callable) -> Operand:
        """``sum(term(k) for k in range(n))``."""

    # ------------------------------------------------ boxes: what the program can change
    def box(self, slots: dict, sites=frozenset(), cls=Box, **fields) -> Box:
        """A new box."""

    def list(self, items) -> ListBox:
        """A new list."""

    def write(self, box: Box, key, value) -> None:
        """The only way to change a box."""

    def shared(self, box: Box) -> list[Box]:
        """Boxes that are this one on some path and have another name."""

    def own(self, box: Box) -> Box:
        """`box`, if no other name can see a write to it."""

    def distinct(self, a: Array, b: Array) -> bool:
        """Whether two local arrays are known to be different allocations."""

    # ------------------------------------------------ values of the program
    def settled(self, value):
        """A value as it may be kept: expressions computed."""

    def as_array(self, x):
        """A number, array, list or tuple as an array."""

    def stack_scalars(self, items):
        """A vector of numbers."""

    def kind_of_dtype(self, dtype) -> str:
        """The kind of element a dtype stands for."""

    def unwrapped(self, x):
        """NumPy's scalar constants as Python's."""

    def items(self, x, expected: int | None = None) -> list:
        """The items of something whose length is known."""

    def keys(self, mapping) -> list:
        """The keys of a dict."""

    def iteration(self, x) -> Iteration:
        """`x` as something to loop over."""

    def get_item(self, owner, key):
        """``owner[key]``."""

    def set_item(self, owner, key, value) -> None:
        """``owner[key] = value``."""

    def get_attribute(self, owner, name: str):
        """``owner.name``."""

    def call(self, fn, args: list, kwargs: dict):
        """``fn(*args, **kwargs)``."""

    def binary(self, op, fn, a, b, in_place: bool = False):
        """``a op b`` of anything."""

    def operator(self, op):
        """NumPy's function of an operator of the syntax tree."""

    def compare(self, op, a, b):
        """A comparison of anything."""

    def branch(self, cond: Operand, then: Callable, orelse: Callable, live: set | None = None, line=None):
        """What one of two thunks gives, by a condition."""

    def construct(self, cls, args, kwargs):
        """An instance of a class of the user's."""

    def class_of(self, x) -> type | None:
        """The class of the user's that an object is an instance of."""

    def by_method(self, x, name: str, *args):
        """What a special method of an object gives; `NotImplemented` without one."""

    def set(self, keys) -> Box:
        """A set of constants."""

    def static_key(self, key):
        """The key of a dict, which must be known while compiling."""

    def drop_item(self, owner, key) -> None:
        """``del owner[key]``."""

    def fail(self, exception: str, message: str):
        """An error known while compiling, for a handler of the program or as a refusal."""

    def where_raised(self, harmless, x):
        """`x`, or what does no harm where the program has raised and not yet come to the handler."""

    def in_region(self) -> bool:
        """Whether what is traced here may be traced again."""

    def in_definition(self) -> bool:
        """Whether a definition of ours is read: what it does with constants is done while compiling."""

    def in_primitive(self) -> bool:
        """Whether the function that is read is what a primitive of the eager core computes."""

    def own_function(self, fn):
        """A function of this package as one to trace."""

    def defined(self, name: str, record, args: list, kwargs: dict):
        """The definition of a function (or what a primitive computes) traced in place of its call; what it
        refuses is refused there.
        """

    def static_array(self, values: np.ndarray, site):
        """A small array of numbers known while compiling."""

    def describe(self, x) -> str:
        """`x` in words, for messages."""
