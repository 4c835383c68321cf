"""`compile_function`: a user's function as native primal and derivatives, each kind compiled when first wanted."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..tree import flatten
from .emit import Text, emit
from .forward import pushforward
from .ir import Program
from .jacobian import jacobian
from .module import module_text, native_address, python_function, trampoline
from .optimize import finish, optimize
from .reverse import pullback

__all__ = ["KINDS", "CompiledFunction", "Group", "compile_function"]

KINDS = ("primal", "pushforward", "pullback", "jacobian", "second")


class Group(NamedTuple):
    """An argument of the compiled function.

    `template` is a pytree of example values: shapes and the values of Python ints and bools are compiled in, the values
    of floats are not.  A `scalar` group is one float, passed by value.
    """

    name: str
    template: Any
    scalar: bool = False


def compile_function(fun: Callable, groups: list[Group]) -> CompiledFunction:
    """Compile ``fun(*groups)``.

    Parameters
    ----------
    fun : callable
        Takes one argument per group (`fence` says what its source may contain).  For a group whose template is an
        `Arguments` tuple, its entries are positional arguments.
    groups : list of Group

    Returns
    -------
    CompiledFunction
        The same one whenever code, static captures and structure of the groups are the same.

    Raises
    ------
    UnsupportedSyntax
        With file, line and what to write instead.
    """
    key = (_code(fun), tuple(_structure(g) for g in groups))
    variants = _compiled.setdefault(key, [])
    for function in variants:
        if function.fun is fun and function.current():
            return function
    for function in variants:
        if function.matches(fun):
            return function.bound_to(fun)
    from .trace import trace

    function = CompiledFunction(fun, _Shared(trace(fun, groups)))
    variants.append(function)
    return function


_compiled: dict = {}


class CompiledFunction:
    """Native code of a function and its derivatives, with the calling convention

    ``primal(*inputs, out, w)``, ``pushforward(*inputs, *dots, out, out_dot, w)``,
    ``pullback(*inputs, out_bar, out, *bars, w)``, ``jacobian(*inputs, J, w)`` and
    ``second(*inputs, out_bar, *dots, out_bar_dot, out, out_dot, *bars, *bar_dots, w)``:
    pointers to float64 (scalar groups by value), an int64 status returned: 0, or the number of the `Site` of
    `sites` at which the program raised.  `bars` and `bar_dots` are accumulated into, all else is overwritten.

    Attributes
    ----------
    n_in : dict of group name to number of floats
    n_out : int
    out_tree : structure of the result
    captures : objects whose ``get()`` is the present value of a captured number or array, appended to the last group
    sites : list of Site
    """

    def __init__(self, fun: Callable, shared: _Shared, captures: list | None = None):
        self.fun, self.shared = fun, shared
        program = shared.primal
        self.captures = program.captures if captures is None else captures
        self.n_in = {g.name: g.size for g in program.inputs}
        self.n_out, self.out_tree, self.sites = program.n_out, program.out_tree, program.sites

    def address(self, kind: str) -> int:
        """Address of the C entry."""
        return self.shared.address(kind)

    def work_size(self, kind: str) -> int:
        """Length of the workspace ``w``."""
        return self.shared.text(kind).layout.work_size

    def source(self, kind: str) -> str:
        """The emitted Python."""
        return self.shared.source(kind)

    def call(self, kind: str, *arrays) -> int:
        """Call natively with flat arrays (floats for scalar inputs) in the order of the convention, without ``w``."""
        enter, address, work = self.shared.entry(kind)
        return enter(address, *arrays, work)

    def interpreted(self, kind: str) -> Callable:
        """The same emitted text as a plain Python function of the same arrays."""
        return self.shared.interpreted(kind)

    # a function object made anew from the same code

    def current(self) -> bool:
        return self.matches(self.fun)

    def matches(self, fun: Callable) -> bool:
        return all(_same(read(fun), expected) for read, expected in self.shared.primal.guards)

    def bound_to(self, fun: Callable) -> CompiledFunction:
        return CompiledFunction(fun, self.shared, [c.bind(fun) for c in self.captures])


class _Shared:
    """What all function objects of one code share: programs and compiled kinds."""

    def __init__(self, traced: Program):
        self.primal = optimize(traced)
        names = [g.name for g in traced.inputs]
        self.wrt = "y" if "y" in names else next((g.name for g in traced.inputs if not g.scalar), names[0])
        for name in ("program", "text", "address", "entry", "source", "interpreted"):  # one of each per kind
            setattr(self, name, functools.cache(getattr(self, name)))

    def program(self, kind: str) -> Program:
        if kind == "primal":
            return self.primal
        if kind == "pushforward":
            return pushforward(self.primal)
        if kind == "pullback":
            return pullback(self.primal)
        if kind == "jacobian":
            return jacobian(self.primal, self.wrt)
        if kind == "second":
            return pushforward(self.program("pullback"))
        raise ValueError(f"kind {kind!r}: one of {', '.join(KINDS)}")

    def text(self, kind: str) -> Text:
        return emit(finish(self.program(kind)))

    def source(self, kind: str) -> str:
        return module_text(self.text(kind))

    def address(self, kind: str) -> int:
        return native_address(self.text(kind))

    def interpreted(self, kind: str) -> Callable:
        return python_function(self.text(kind))

    def entry(self, kind: str):
        text = self.text(kind)
        pattern = "".join("s" if scalar else "a" for _, scalar in text.parameters) + "a"
        return trampoline(pattern), self.address(kind), np.empty(max(1, text.layout.work_size))


def _code(fun):
    return getattr(fun, "__code__", None) or getattr(getattr(fun, "py_func", None), "__code__", None) or fun


def _structure(group: Group):
    leaves, structure = flatten(group.template)
    return group.name, group.scalar, structure, tuple(_leaf(x) for x in leaves)


def _leaf(x):
    if isinstance(x, float):
        return None
    if isinstance(x, np.ndarray):
        return x.shape, x.dtype.kind
    if isinstance(x, bool | int | str):
        return type(x), x
    return np.shape(x)


def _same(a, b) -> bool:
    if a is b:
        return True
    try:
        return bool(type(a) is type(b) and a == b)
    except ValueError:  # arrays
        return bool(np.array_equal(a, b))
