"""From a function and examples of its arguments to IR."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sciad import tree
from sciad.compiler.fence import MISTAKES, NeedUnroll, Refusal, Restart, internal_error, located
from sciad.compiler.ir import nodes as ir
from sciad.compiler.ir.builder import type_of
from sciad.compiler.ir.nodes import Input, Program, Value
from sciad.compiler.objects import arrays
from sciad.compiler.objects.kinds import Function, is_array, is_scalar
from sciad.compiler.tracing import inner_maps, inner_roots, inner_transforms  # noqa: F401  (they enter the table)
from sciad.compiler.tracing.captures import Capture, Captures, Path, compile_check, kind_of_array, readers
from sciad.compiler.tracing.given import Given, WithObjects, is_given
from sciad.compiler.tracing.jumps import RETURNED
from sciad.compiler.tracing.structures import TracedLeaf, mutable, plain
from sciad.compiler.tracing.tracer import Tracer

RESTARTS = 60


@dataclass
class Group:
    """One group of inputs of a compiled function.

    Parameters
    ----------
    name : str
        Its name in generated code; memory of the program.
    template : pytree
        Example of the argument: shapes and structure matter, float values do not; ints, bools, arrays of
        them and whatever is not a number are static.
    scalar : bool
        Passed by value (one float).
    spread : bool
        `template` is a tuple that fills all remaining positional parameters, as the ``args`` of an ODE's
        right-hand side.
    keywords : tuple of str
        Of a `spread` group: the names by which its last entries are passed.
    large : int
        Arrays of more elements are input groups of their own, before this one: they need not be copied.
    heed : str
        Of the last group: when 0 wins in derivatives that are taken inside, as for `pullback`.
    """

    name: str
    template: Any
    scalar: bool = False
    spread: bool = False
    keywords: tuple[str, ...] = ()
    large: float = math.inf
    heed: str = "where needed"


@dataclass
class OutTree:
    """Structure of a result: ``unflatten(flat)`` rebuilds it from the flat output."""

    structure: Any
    shapes: list
    statics: dict = field(default_factory=dict)

    def unflatten(self, flat):
        leaves, at = [], 0
        for k, (shape, kind) in enumerate(self.shapes):
            if k in self.statics:
                leaves.append(self.statics[k])
                continue
            size = math.prod(shape)
            part = flat[at : at + size]
            at += size
            if kind != "f":
                part = np.asarray(part).astype(int if kind == "i" else bool)
            leaves.append(part[0] if shape == () else part.reshape(shape))
        return tree.unflatten(self.structure, leaves)


@dataclass
class Traced:
    """What `trace` returns.

    Attributes
    ----------
    program : ir.Program
    out_tree : OutTree
    captures : list of Capture
        Lifted numbers and arrays, appended in this order to the last group.
    matches : callable
        ``matches(fun)``: whether this trace serves another function object with the same code.
    gather : callable
        ``gather(fun)``: tuple of the present values of the captures of `fun`.
    """

    program: Program
    out_tree: OutTree
    captures: list[Capture]
    matches: Callable[[Any], bool]
    gather: Callable[[Any], tuple]


def trace(fun: Callable, groups: Sequence[Group], detail: bool = False) -> Traced:
    """Translate a Python function to IR for arguments like those of `groups`.

    Parameters
    ----------
    fun : callable
        A Python function (or lambda, method, partial, numba dispatcher, ...) whose parameters are the
        groups in order.
    groups : sequence of Group
    detail : bool
        Give every node the line and text of its expression (slower; for locating failures).

    Raises
    ------
    UnsupportedSyntax
        With file, line and caret, where the function leaves the accepted language.
    """
    decisions: dict = {}
    for _ in range(RESTARTS):
        try:
            return _Trace(fun, groups, decisions, detail).run()
        except Restart as restart:
            new = {site: d for site, d in restart.decisions.items() if decisions.get(site) not in (d, "copy")}
            if not new:
                raise RuntimeError(f"the trace of {fun} does not settle: {restart}") from restart
            decisions |= new
    raise RuntimeError(f"the trace of {fun} does not settle")


class _Trace:
    def __init__(self, fun, groups, decisions, detail):
        self.fun, self.groups = fun, groups
        inputs = [Input(g.name, 0, g.scalar) for g in groups]
        self.program = Program(getattr(fun, "__name__", type(fun).__name__), inputs, 0, ir.Block())
        self.captures = Captures(None, fun)
        self.tracer = self.captures.tracer = Tracer(self.program, self.captures, decisions, detail)
        self.tracer.heed = groups[-1].heed

    def run(self) -> Traced:
        t = self.tracer
        node, filename = None, "<unknown>"
        with t.builder:
            try:
                t.enter_root()
                args = self._arguments()
                t.argument_sizes = {g.name: g.size for g in self.program.inputs}
                given = isinstance(self.fun, WithObjects)
                fn = self.captures.resolve(
                    *(self.fun.fun, Path().attr("fun")) if given else (self.fun, Path())
                )
                inner = _innermost(fn)
                if isinstance(inner, Function):
                    self.program.name, filename = inner.fn.__name__, inner.fn.__code__.co_filename
                    node = _Place(inner.fn.__code__.co_firstlineno)
                names = self.groups[-1].keywords
                kwargs = dict(zip(names, args[len(args) - len(names) :], strict=True))
                out_tree = self._results(t.call(fn, args[: len(args) - len(names)], kwargs))
            except Refusal as refusal:
                raise located(refusal, filename, t.node or node) from refusal
            except NeedUnroll as need:
                raise (need.error or located(need.refusal, filename, t.node or node)) from need
            except MISTAKES as error:
                filename = t.frame.source.filename if t.node is not None else filename
                raise internal_error(error, "Reading", filename, t.node or node) from error
        self.program.body[:0] = t.prologue
        self.program.filename, self.program.bases = filename, t.bases
        self.program.constants = np.array(t._constants, dtype=float)
        self.program.outputs = [[Input("out", self.program.n_out)]]
        captures = [c for c, _ in self.captures.lifted.values()]
        self.program.out_tree, self.program.captures = out_tree, captures
        self.program.guards = readers(self.captures)
        matches, gather = compile_check(self.captures)
        return Traced(self.program, out_tree, captures, matches, gather)

    def _arguments(self) -> list:
        args: list = []
        for group, into in zip(self.groups, list(self.program.inputs), strict=True):
            leaves, structure = tree.flatten(group.template)
            names = [_leaf_name(group.name, p, len(leaves)) for p in tree.paths(group.template)]
            values = [self._leaf(group, into, k, leaf, names[k]) for k, leaf in enumerate(leaves)]
            made = mutable(self.tracer, tree.unflatten(structure, values))
            args.extend(made if group.spread else [made])
        return args

    def _leaf(self, group, into, k, leaf, name):
        if isinstance(leaf, Given):
            return self.captures.resolve(self.fun.given[leaf.place], Path().attr("given").item(leaf.place))
        if is_given(leaf):
            return self.captures.resolve(leaf, self.captures.constant(leaf))
        if isinstance(leaf, (bool, int, np.integer, np.bool_)) or not _is_number(leaf):
            return leaf.item() if isinstance(leaf, np.generic) else leaf
        if isinstance(leaf, np.ndarray) and kind_of_array(leaf) != "f":
            return self.tracer.static_array(leaf, ("static", group.name, k))
        shape = np.shape(leaf)
        if math.prod(shape) > group.large:
            into = self._own_input(group, into, math.prod(shape))
        offset = into.size
        into.size += math.prod(shape)
        if shape == ():
            return self.tracer.input_scalar(into.name, offset, "f", name)
        return self.tracer.input_array(into.name, offset, shape, "f", ("input", group.name, k), name)

    def _own_input(self, group, into: Input, size: int) -> Input:
        """An input group for one array."""
        inputs = self.program.inputs
        names = {g.name for g in inputs}
        name = next(n for k in itertools.count(1) if (n := f"{group.name}{k}") not in names)
        made = Input(name, 0)
        inputs.insert(inputs.index(into), made)
        self.tracer.group_classes[name] = self.program.new_class()
        return made

    # ----------------------------------------------------------------------------------------------

    def _results(self, value) -> OutTree:
        t = self.tracer
        t.builder.line = t.last_line
        leaves, structure = tree.flatten(plain(t, value))
        shapes, statics = [], {}
        alias = self.program.new_class()
        for k, wrapped in enumerate(leaves):
            leaf = wrapped.value if isinstance(wrapped, TracedLeaf) else wrapped
            if not (is_array(leaf) or is_scalar(leaf)):
                if not isinstance(leaf, (str, bytes)):
                    raise Refusal(
                        f"the function returns {t.describe(leaf)}",
                        "Return numbers, arrays, or containers of these.",
                    )
                statics[k] = leaf
            shape = leaf.shape if is_array(leaf) else ()
            if not arrays.static_shape(shape):
                raise Refusal("the shape of the result depends on values", "Return an array of fixed length.")
            shapes.append(
                (shape, leaf.kind if is_array(leaf) else type_of(leaf) if is_scalar(leaf) else None)
            )
            if k in statics:
                continue
            target = arrays.Array(
                "out", arrays.Address(self.program.n_out), shape, arrays.row_major(t, shape), alias
            )
            self.program.n_out += math.prod(shape)
            if shape == ():
                arrays.store(t, target, (), leaf)
            elif isinstance(leaf, arrays.Small):
                for idx in arrays.indices(shape):
                    arrays.store(t, target, idx, arrays.element(t, leaf, idx))
            else:
                arrays.assign(t, target, leaf)
        return OutTree(structure, shapes, statics)


class _Place:
    """A line to point at where there is no node."""

    def __init__(self, line):
        self.lineno, self.col_offset = line, 0


def _innermost(fn):
    while hasattr(fn, "fn") and not isinstance(fn, Function):
        fn = fn.fn
    return fn


def _is_number(x) -> bool:
    if isinstance(x, (float, np.floating)):
        return True
    return isinstance(x, np.ndarray) or (type(x).__module__.startswith("sciad.") and hasattr(x, "shape"))


def _leaf_name(group: str, path: str, count: int) -> str:
    """A readable name for the leaf at `path`: its key or field, else the group's name."""
    words = [
        w for w in "".join(c if c.isalnum() or c == "_" else " " for c in path).split() if not w.isdigit()
    ]
    if words:
        return words[-1]
    return group if count == 1 else ""


__all__ = ["RETURNED", "Group", "OutTree", "Traced", "Value", "trace"]
