"""Functions of the user's that are not traced in place but compiled by themselves: models of solves.

What such a function reads of the function around it becomes an argument of it (closure conversion). The
result is an ordinary Python function, compiled like any other, and the traced values that its arguments and
captures stand for.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from types import CellType, CodeType, FunctionType
from typing import Any

import numpy as np

from sciad import tree
from sciad.compiler.fence import Refusal
from sciad.compiler.ir.nodes import Value
from sciad.compiler.objects import arrays
from sciad.compiler.objects.kinds import (
    UNDEFINED,
    Array,
    Bound,
    Closure,
    DictBox,
    FrameBox,
    Function,
    Host,
    ListBox,
    RecordBox,
    Small,
    is_array,
    is_flag,
    is_scalar,
)
from sciad.compiler.tracing.captures import Path, _reader
from sciad.compiler.tracing.source import Source, register

__all__ = ["Outline", "outline"]


@dataclass
class Outline:
    """A function to be compiled by itself.

    Attributes
    ----------
    fun : callable
        ``fun(*leading, *args)``: as the user's, with what it reads of the function around it in the last of
        `args`, if it does.
    args : tuple
        Examples of the further arguments.
    values : list
        The traced numbers and arrays that the float leaves of `args` stand for.
    """

    fun: Callable
    args: tuple
    values: list
    places: dict[str, Path] = field(default_factory=dict)  # paths in `fun`, and those in the function traced
    paths: list[Path] = field(default_factory=list)  # to what `fun` is made of
    made_of: Callable | None = None

    def captured(self, t, function) -> list:
        """The traced values of the captures of `function`, which is `fun` compiled; from now on the trace
        serves only functions for which that would be the same code.
        """
        t.captures.constants.update({k: v for c in function.captures for k, v in c.constants.items()})
        root = Path()
        serves = t.captures.guards.get((root, "serves")) or _Serves()
        serves.models.append(_Served(function.matches, self.paths, self.made_of, t.captures.constants))
        t.captures.guard(root, "serves", serves)
        return [t.captures.resolve(c.get(), self._place(c.path)) for c in function.captures]

    def _place(self, path: Path) -> Path:
        expression = path.expression
        if expression.startswith("constants["):
            return path
        start = max((p for p in self.places if expression.startswith(p)), key=len)
        return Path(self.places[start].expression + expression[len(start) :])


class _Serves:
    """Equal to functions for which all models would be compiled to the same code."""

    def __init__(self):
        self.models: list[_Served] = []

    __hash__ = None

    def __eq__(self, other) -> bool:
        return all(model.serves(other) for model in self.models)


class _Served:
    """One model, and what it is made of in another function."""

    def __init__(self, matches: Callable, paths: list[Path], made_of: Callable, constants: dict):
        self.matches, self.paths, self.made_of, self.constants = matches, paths, made_of, constants
        self.readers: list[Callable] | None = None
        self.last: tuple[list, Any] = ([], None)  # parts and the model made of them

    def serves(self, other) -> bool:
        if self.readers is None:
            self.readers = [_reader(path, self.constants) for path in self.paths]
        parts = [read(other) for read in self.readers]
        before, model = self.last
        if model is None or any(a is not b for a, b in zip(parts, before, strict=True)):
            model = self.made_of(*parts)
            self.last = parts, model
        return self.matches(model)


def outline(t, fn, leading: int, args: tuple) -> Outline:
    """The function `fn` of the program being traced, to be compiled by itself.

    Parameters
    ----------
    t : Tracer
    fn : what is called
    leading : int
        How many arguments come before `args`; the caller passes those itself.
    args : tuple
        Traced things.
    """
    if isinstance(fn, Function):
        given, values = _examples(t, args)
        return Outline(fn.fn, given, values, {"f": fn.path}, [fn.path], lambda model: model)
    if isinstance(fn, (Closure, Bound)):
        return _converted(t, fn, leading, args)
    raise Refusal(f"{t.describe(fn)} as a model", "Give a function of your own.")


# ------------------------------------------------------------ arguments


class _Leaf:
    def __init__(self, value):
        self.value = value


def _examples(t, args: tuple) -> tuple[tuple, list]:
    """Examples of arguments as the compiler wants them, and the traced values of their float leaves."""
    leaves, structure = tree.flatten(tuple(_plain(t, x) for x in args))
    examples, values = [], []
    for leaf in leaves:
        value = leaf.value if isinstance(leaf, _Leaf) else leaf
        example = _example(t, value)
        if isinstance(example, (float, np.ndarray)) and np.asarray(example).dtype.kind == "f":
            values.append(value)
        examples.append(example)
    return tree.unflatten(structure, examples), values


def _plain(t, x):
    """A traced thing as a tree of Python's containers."""
    x = t.settled(t.unwrapped(x))
    if isinstance(x, ListBox):
        return [_plain(t, e) for e in x.items()]
    if isinstance(x, DictBox):
        return {k: _plain(t, v) for k, v in x.slots.items()}
    if isinstance(x, RecordBox):
        made = object.__new__(x.type)
        for k, v in x.slots.items():
            object.__setattr__(made, k, _plain(t, v))
        return made
    if isinstance(x, tuple):
        made = [_plain(t, e) for e in x]
        return type(x)(*made) if hasattr(x, "_fields") else tuple(made)
    if isinstance(x, Host):
        return _plain_host(t, x)
    return _Leaf(x) if is_array(x) or is_scalar(x) else x


def _plain_host(t, x: Host):
    obj = x.obj
    if isinstance(obj, dict):
        return {k: _plain(t, t.captures.member(x, k)) for k in obj}
    if isinstance(obj, (list, tuple)):
        made = [_plain(t, t.captures.member(x, k)) for k in range(len(obj))]
        return type(obj)(*made) if hasattr(obj, "_fields") else type(obj)(made)
    leaves, _ = tree.flatten(obj)
    if len(leaves) != 1 or leaves[0] is not obj:  # a dataclass
        made = object.__new__(type(obj))
        for k in vars(obj):
            object.__setattr__(made, k, _plain(t, t.captures.attribute(x, k)))
        return made
    raise Refusal(
        f"{t.describe(x)} as an argument of a model", "Pass numbers, arrays, or containers of these."
    )


def _example(t, x):
    """A plain value of the kind of a traced one."""
    if isinstance(x, Value):
        if x.type == "f":
            return 0.0
        raise Refusal(
            "an integer that is not known while compiling, in a model",
            "Use it outside of the model, as in rows[i], and pass what it selects; or make it a float.",
        )
    if is_array(x):
        if not arrays.static_shape(x.shape):
            raise Refusal("an array of unknown length in a model", "Give arrays of fixed length.")
        return np.zeros(x.shape) if x.kind == "f" else _constant(t, x)
    return x


def _constant(t, x) -> np.ndarray:
    kind = {"i": int, "b": bool}[x.kind]
    if isinstance(x, Array) and x.mem == "C":
        return t.constant_values(x).astype(kind)
    if isinstance(x, Small):
        cells = [arrays.element(t, x, idx) for idx in arrays.indices(x.shape)]
        if not any(isinstance(c, Value) for c in cells):
            return np.array(cells, dtype=kind).reshape(x.shape)
    raise Refusal(
        "an integer array that is not known while compiling, in a model",
        "Use it outside of the model and pass what it selects; or make it a float array.",
    )


# ------------------------------------------------------------ functions that read of the one around them


_PASSED = (str, tuple, ListBox, DictBox, RecordBox)


class _Conversion:
    """The parts of one outlined function, as they are found."""

    def __init__(self, t):
        self.t = t
        self.globals_of: Function | None = None
        self.values: dict[str, Any] = {}  # name to traced thing: they become an argument
        self.cells: dict[str, tuple[Any, Path | None]] = {}  # name to object and path: they are captured
        self.definitions: list[ast.stmt] = []
        self.known: dict[str, Any] = {}

    def read(self, name: str, value) -> None:
        """Let the function find `value` under a name."""
        if name in self.known:
            if self.known[name] is not value:
                raise Refusal(
                    f"a model that reads two different things called {name!r}", "Rename one of them."
                )
            return
        self.known[name] = value
        if isinstance(value, Closure):
            self.define(name, value)
        elif isinstance(value, (Function, Host)):
            self.cells[name] = (value.fn if isinstance(value, Function) else value.obj, value.path)
        elif value is None or is_array(value) or is_scalar(value) or isinstance(value, _PASSED):
            self.values[name] = value
        elif isinstance(value, Bound):
            raise Refusal(f"{name}, a method or partial function, read by a model", "Call it by a def.")
        else:
            self.cells[name] = (value, None)

    def define(self, name: str, closure: Closure) -> None:
        """Put a function of the one being traced into the outlined one, under a name."""
        home = closure.frame
        while home is not None and not isinstance(home.function, Function):
            home = home.parent
        if home is not None:
            if self.globals_of is not None and (
                self.globals_of.fn.__globals__ is not home.function.fn.__globals__
            ):
                raise Refusal("a model made of functions of several modules", "Define them in one module.")
            self.globals_of = self.globals_of or home.function
        node = copy.copy(closure.source.node)
        node.__dict__.pop("_source", None)
        node.args = copy.copy(node.args)
        self.defaults(name, node.args, closure)
        if isinstance(node, ast.Lambda):
            made = ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], node), node)
            ast.fix_missing_locations(made)
        else:
            made, node.name, node.decorator_list, node.returns = node, name, [], None
        self.definitions.append(made)
        for free in _free_names(made, name, closure.frame):
            if free != name:
                self.read(free, _looked_up(self.t, closure.frame, free))

    def defaults(self, name: str, args: ast.arguments, closure: Closure) -> None:
        """Defaults were computed where the function was defined."""
        named = [a.arg for a in args.posonlyargs + args.args]
        named = named[len(named) - len(args.defaults) :]
        own = []
        for k, parameter in enumerate(named):
            own.append(self.default(f"{name}_default_{parameter}", closure.kw_defaults[parameter], args, k))
        args.defaults = own
        args.kw_defaults = [
            None
            if d is None
            else self.default(f"{name}_default_{a.arg}", closure.kw_defaults[a.arg], args, 0)
            for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True)
        ]

    def default(self, name: str, value, args: ast.arguments, k: int) -> ast.expr:
        self.read(name, value)
        place = args.defaults[k] if args.defaults else args.args[0]
        return ast.copy_location(ast.Name(name, ast.Load()), place)


_MODEL, _READ = "model_of_the_program", "read_by_the_model"


def _converted(t, fn, leading: int, args: tuple) -> Outline:
    parts, lead, named = _Conversion(t), (), {}
    while isinstance(fn, Bound) and fn.fn != "method":
        fn, lead, named = fn.fn, (*fn.args, *lead), {**fn.kwargs, **named}
    if not isinstance(fn, (Function, Closure)):
        raise Refusal(f"{t.describe(fn)} as a model", "Give a function of your own.")
    parts.read(_MODEL, fn)
    lead_names = [f"bound_{k}" for k in range(len(lead))]
    for name, value in (*zip(lead_names, lead, strict=True), *named.items()):
        parts.read(name, value)
    home = parts.globals_of or fn
    filename = home.fn.__code__.co_filename
    line = fn.source.node.lineno if isinstance(fn, Closure) else fn.fn.__code__.co_firstlineno
    parameters = [f"argument_{k}" for k in range(leading + len(args))]
    passed = [*lead_names, *parameters, *(f"{name}={name}" for name in named)]
    text = [f"def outer({', '.join(parts.cells)}):", f"  def model({', '.join([*parameters, _READ])}):"]
    text += [f"    {name} = {_READ}[{k}]" for k, name in enumerate(parts.values)]
    text += [f"    return {_MODEL}({', '.join(passed)})"]
    module = ast.parse("\n".join(text))
    for n in ast.walk(module):
        if hasattr(n, "lineno"):
            n.lineno = n.end_lineno = line
            n.col_offset = n.end_col_offset = 0
    outer = module.body[0]
    model = outer.body[0]
    model.body[-1:-1] = parts.definitions
    code, node = _compiled(t, fn, module, model, filename, tuple(parts.cells))
    made = _function(code, home.fn.__globals__, {k: v for k, (v, _) in parts.cells.items()})
    register(made, Source.of(node, filename))
    places = {"f.__globals__": home.path.step(".__globals__")}
    found = {name: path for name, (_, path) in parts.cells.items() if path is not None}
    for k, name in enumerate(code.co_freevars):
        if name in found:
            places[f"f.__closure__[{k}].cell_contents"] = found[name]

    def made_of(home_function, *contents):
        cells = {k: v for k, (v, _) in parts.cells.items()} | dict(zip(found, contents, strict=True))
        return _function(code, home_function.__globals__, cells)

    examples, values = _examples(t, (*args, tuple(parts.values.values())))
    return Outline(made, examples, values, places, [home.path, *found.values()], made_of)


_made: dict = {}  # by what they are made of: code and syntax tree, so that it is compiled once


def _compiled(t, fn, module: ast.Module, model: ast.FunctionDef, filename: str, cells: tuple):
    """The code of the outlined function and its syntax tree: those of the first time."""
    owner = fn.source.node if isinstance(fn, Closure) else fn.fn.__code__
    key = (id(owner), filename, ast.dump(module, annotate_fields=False))
    found = _made.get(key)
    if found is None:
        for n in ast.walk(module):
            n.__dict__.pop("_source", None)
        whole = compile(module, filename, "exec", dont_inherit=True)
        (outer,) = (c for c in whole.co_consts if isinstance(c, CodeType))
        code = next(c for c in outer.co_consts if isinstance(c, CodeType) and c.co_name == "model")
        found = _made[key] = (code, model, owner)
    return found[:2]


def _function(code: CodeType, names: dict, cells: dict) -> FunctionType:
    closure = tuple(CellType(cells[name]) for name in code.co_freevars)
    made = FunctionType(code, names, "model", None, closure)
    made.__module__ = names.get("__name__")
    return made


def _free_names(definition: ast.stmt, name: str, frame) -> list[str]:
    """Names that a function reads of the frames around it, or of the function that these belong to."""
    visible: dict[str, None] = {}
    while frame is not None:
        slots = frame.box.slots
        visible.update(
            dict.fromkeys(
                k for k in slots if isinstance(k, str) and k.isidentifier() and not is_flag(frame.box, k)
            )
        )
        if isinstance(frame.function, Function):
            visible.update(dict.fromkeys(frame.function.fn.__code__.co_freevars))
        frame = frame.parent
    visible.pop(name, None)
    arguments = ast.arguments([], [ast.arg(k) for k in visible], None, [], [], None, [])
    outer = ast.FunctionDef("outer", arguments, [definition], [], lineno=1, col_offset=0)
    module = ast.fix_missing_locations(ast.Module([outer], []))
    whole = compile(module, "<outline>", "exec", dont_inherit=True)
    (code,) = (c for c in whole.co_consts if isinstance(c, CodeType))
    return [k for k in visible if k in code.co_cellvars]


def _looked_up(t, frame, name: str):
    here, t.frame = t.frame, frame
    try:
        value = t.name(name)
    finally:
        t.frame = here
    assert value is not UNDEFINED and not isinstance(value, FrameBox)
    return t.settled(value)
