"""`compile_function`: a user's function as native primal and derivatives, each kind compiled when first
wanted."""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Callable, Hashable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from sciad.compiler.backend.emit import Text, emit
from sciad.compiler.backend.module import native_code, python_function, source_text, trampoline
from sciad.compiler.derivatives import held_branches
from sciad.compiler.derivatives.as_programs import along
from sciad.compiler.derivatives.jacobian import jacobian
from sciad.compiler.derivatives.pullback import pullback
from sciad.compiler.derivatives.pushforward import pushforward
from sciad.compiler.fence import MISTAKES, internal_error
from sciad.compiler.ir.nodes import Program
from sciad.compiler.ir.routines import failure_of
from sciad.compiler.passes.pipeline import finish, optimize
from sciad.compiler.tracing.given import WithObjects
from sciad.compiler.tracing.trace import Group, Traced, trace
from sciad.eager.rebind import original
from sciad.errors import SciadError
from sciad.native.code import Code
from sciad.native.notices import compiling
from sciad.recent import Made, Recent
from sciad.transforms.transformed import request_of
from sciad.tree import flatten

__all__ = ["KINDS", "CompiledFunction", "Group", "compile_function"]

KINDS = ("primal", "pushforward", "pullback", "jacobian", "second")
KINDS += ("along", "pushforward_along", "pullback_along", "second_along")


def compile_function(fun: Callable, groups: list[Group]) -> CompiledFunction:
    """Compile ``fun(*groups)``.

    Parameters
    ----------
    fun : callable
        Takes one argument per group, those of a `spread` group as positional arguments.
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
    fun = original(fun)
    key = (_code(fun), tuple(_structure(g) for g in groups))
    variants = _compiled.setdefault(key, [])
    for function in variants:
        if function.matches(fun):
            return function if function.fun is fun else function.bound_to(fun)
    with compiling(getattr(fun, "__name__", type(fun).__name__)):
        function = CompiledFunction(fun, _Code(trace(fun, groups)))
    variants.append(function)
    return function


def compiled_before(fun: Callable) -> CompiledFunction | None:
    """The version of a function compiled last, for any arguments."""
    fun = original(fun)
    found = [v for (code, _), variants in _compiled.items() if code == _code(fun) for v in variants]
    return next((v for v in reversed(found) if v.matches(fun)), None)


_compiled = Recent(4096)  # by code and structure of the arguments: versions for different captures


class CompiledFunction:
    """Native code of a function and its derivatives.

    The calling convention is ``primal(*inputs, out, w)``, ``pushforward(*inputs, *dots, out, out_dot, w)``,
    ``pullback(*inputs, out_bar, out, *bars, w)``, ``jacobian(*inputs, J, w)`` and
    ``second(*inputs, out_bar, *dots, out_bar_dot, out, out_dot, *bars, *bar_dots, w)``; ``along``, of the
    inputs t, y, p, s, u, is the derivative J u + f_t s, and ``pushforward_along`` (in t, y and p only),
    ``pullback_along`` and ``second_along`` are its derivatives (p may hold more groups, t may be missing):
    pointers to float64 (scalar groups by value), an int64 status returned: 0, or the number of the `Site` of
    `sites` at which the program raised.  `bars` and `bar_dots` are accumulated into, all else is overwritten.

    Attributes
    ----------
    n_in : dict of group name to number of floats
    n_out : int
    out_tree : structure of the result
    captures : objects whose ``get()`` is the present value of a captured number or array, appended to the
        last group
    sites : list of Site
    wrt : str
        The group that the Jacobian is taken with respect to.
    matches : callable
        ``matches(other)``: whether this code serves another function object.
    gather_from : callable
        ``gather_from(other)``: tuple of the present values of the captures of that function object.
    """

    def __init__(self, fun: Callable, code: _Code):
        self.fun, self._code = fun, code
        self.matches, self.gather_from = code.traced.matches, code.traced.gather
        self.captures = [c.bind(fun) for c in code.traced.captures]
        self.n_in = {g.name: g.size for g in code.primal.inputs}
        self.n_out, self.out_tree, self.sites = code.primal.n_out, code.traced.out_tree, code.primal.sites
        self.wrt = code.wrt

    def program(self, kind: str = "primal") -> Program:
        """The IR, not to be changed."""
        return self._code.program(kind)

    def text(self, kind: str) -> Text:
        """The emitted text with what it needs."""
        return self._code.text(kind)

    def once(self, key: tuple, make: Callable[[], Any]) -> Any:
        """What is derived from this code elsewhere, made once for all function objects that share it.

        Parameters
        ----------
        key : tuple
            The name of what is made, and what it depends on.
        make : callable
        """
        return self._code.made.get(key, make)

    def address(self, kind: str) -> int:
        """Address of the C entry."""
        return self.code(kind).address

    def code(self, kind: str) -> Code:
        """The native code, for kernels to be linked with."""
        return self.once(("code", kind), lambda: native_code(self.text(kind)))

    def work_size(self, kind: str) -> int:
        """Length of the workspace ``w``."""
        return self.text(kind).layout.work_size

    def source(self, kind: str) -> str:
        """The emitted Python."""
        return source_text(self.text(kind), kind)

    def call(self, kind: str, *arrays) -> int:
        """Call natively with flat arrays (floats for scalar inputs) in the order of the convention,
        without ``w``."""
        return self.caller(kind)(*arrays)

    def caller(self, kind: str) -> Callable[..., int]:
        """A function that does as `call` does, for many calls."""
        text, address = self.text(kind), self.address(kind)
        enter = trampoline("".join("s" if scalar else "a" for _, scalar in text.parameters) + "a")
        size = max(1, text.layout.work_size)
        return lambda *arrays: enter(address, *arrays, np.empty(size))

    def failure(self, status: int) -> Exception:
        """The exception that a status other than 0 stands for."""
        return failure_of(self.sites, status)

    def with_held_branches(self, moving: set[str], group: str, most: int) -> Held | None:
        """This function with a mode for each place where it switches while the inputs `moving` vary.

        Modes, and room for as many differences, follow the numbers of the input `group`. None where there is
        no such place, or there are more than `most` of them; see `sciad.compiler.derivatives.held_branches`.
        """
        code = self.once(("held", group, most), lambda: _held(self._code, moving, group, most))
        if code is None:
            return None
        held, differences, count = code
        return Held(CompiledFunction(self.fun, held), CompiledFunction(self.fun, differences), count)

    def interpreted(self, kind: str) -> Callable:
        """The same emitted text as a plain Python function of the same arrays."""
        return self.once(("interpreted", kind), lambda: python_function(self.text(kind)))

    def gather(self) -> tuple:
        """Present values of the captures."""
        return self.gather_from(self.fun)

    def bound_to(self, fun: Callable) -> CompiledFunction:
        """The same code for a function object made anew."""
        return CompiledFunction(fun, self._code)

    def shares_code_with(self, other: CompiledFunction) -> bool:
        """Whether both were compiled at once, for function objects of one code."""
        return self._code is other._code


class _Code:
    """What all function objects of one code share: the trace, and what was made from it, each once."""

    def __init__(self, traced: Traced):
        self.traced, self.made = traced, Made()
        with self.watched("Simplifying"):
            self.primal = optimize(traced.program)
        names = [g.name for g in self.primal.inputs]
        self.wrt = (
            "y" if "y" in names else next((g.name for g in self.primal.inputs if not g.scalar), names[0])
        )

    def program(self, kind: str) -> Program:
        if kind == "primal":
            return self.primal
        if kind not in KINDS:
            raise ValueError(f"kind {kind!r}: one of {', '.join(KINDS)}")
        return self.made.get(("program", kind), lambda: self._derived(kind))

    def _derived(self, kind: str) -> Program:
        with self.watched("Differentiating"):
            return self._derive(kind)

    def _derive(self, kind: str) -> Program:
        if kind == "pushforward":
            return pushforward(self.primal)
        if kind == "pullback":
            return pullback(self.primal)
        if kind == "jacobian":
            return jacobian(self.primal, self.wrt)
        if kind == "second":
            return pushforward(self.program("pullback"))
        if kind == "along":
            return along(self.primal, {"t", self.wrt} & {g.name for g in self.primal.inputs})
        if kind == "pushforward_along":
            return pushforward(self.program("along"), {g.name for g in self.primal.inputs})
        if kind == "pullback_along":
            return pullback(self.program("along"))
        assert kind == "second_along", kind
        return pushforward(self.program("pullback_along"))

    def text(self, kind: str) -> Text:
        return self.made.get(("text", kind), lambda: self._text(self.program(kind)))

    def _text(self, program: Program) -> Text:
        with self.watched("Writing out"):
            return emit(finish(program))

    @contextmanager
    def watched(self, doing: str):
        """Mistakes of the compiler are named as such."""
        try:
            with compiling(self.traced.program.name):
                yield
        except MISTAKES as error:
            if isinstance(error, SciadError):
                raise
            raise internal_error(error, doing, self.traced.program.filename) from error


@dataclass(frozen=True)
class Held:
    """A function with held branches, the function of the differences that hold them, and their number."""

    function: CompiledFunction
    differences: CompiledFunction
    count: int


def _held(code: _Code, moving: set[str], group: str, most: int) -> tuple[_Code, _Code, int] | None:
    program, traced = code.primal, code.traced
    count = held_branches.count_switches(program, moving)
    if not 0 < count <= most:
        return None
    at = next(g.size for g in program.inputs if g.name == group)
    with code.watched("Holding the branches of"):
        held = held_branches.held(program, moving, group, at, at + 2 * count)
        differences = held_branches.switching(program, moving, group, at, at + 2 * count, count)
    return (
        *(_Code(dataclasses.replace(traced, program=program)) for program in (held, differences)),
        count,
    )


def _code(fun):
    """What function objects of one text share; equality of code objects leaves out their file."""
    if isinstance(fun, WithObjects):
        return fun.key(_code)
    request = request_of(fun)
    if request is not None:
        return request.transform, repr(request.options), _code(request.fun)
    if isinstance(fun, functools.partial):
        functions = tuple([_code(x) for x in fun.args if isinstance(x, types.FunctionType)])
        return functools.partial, _code(fun.func), functions, len(fun.args), tuple(fun.keywords)
    code = getattr(fun, "__code__", None) or getattr(getattr(fun, "py_func", None), "__code__", None)
    return fun if code is None else (code, code.co_filename)


def _structure(group: Group):
    leaves, structure = flatten(group.template)
    kinds = tuple(_leaf(x) for x in leaves)
    return (
        group.name, group.scalar, group.spread, group.keywords, group.large, group.heed, structure, kinds
    )  # fmt: skip


def _leaf(x):
    if isinstance(x, float):
        return None
    if isinstance(x, np.ndarray):
        return x.shape, x.dtype.str, type(x), None if x.dtype.kind == "f" else x.tobytes()
    if isinstance(x, bool | int | str | np.integer | np.bool_):
        return type(x), x
    if isinstance(x, np.floating) or (type(x).__module__.startswith("sciad.") and hasattr(x, "shape")):
        return type(x), np.shape(x)
    return type(x), x if isinstance(x, Hashable) else _Same(x)  # compiled in: functions, enumerations


@dataclass(frozen=True)
class _Same:
    """An object that is equal to itself only."""

    of: Any

    def __eq__(self, other) -> bool:
        return isinstance(other, _Same) and self.of is other.of

    def __hash__(self) -> int:
        return id(self.of)
