"""What a function reaches outside of itself: closure cells, globals, defaults, attributes.

Numbers that may change (floats, float arrays, traced values) are lifted: they become extra inputs,
appended to the last group, so that nothing differentiable is ever silently a constant.  Everything else
(ints, bools, strings, functions, modules, types) is static and guarded: a trace serves another function
object if its guards hold there.

A `Path` says how to reach an object from the function being traced, so that a lambda made anew on each
call finds its own captures.
"""

from __future__ import annotations

import builtins
import enum
import functools
import inspect
import types
from dataclasses import dataclass
from typing import Any

import numpy as np

from sciad import rule_table
from sciad.compiler.fence import Refusal
from sciad.compiler.functions.definitions import embedded
from sciad.compiler.functions.lowerings import known
from sciad.compiler.objects.kinds import Bound, Function, Host
from sciad.eager.rebind import original
from sciad.transforms.transformed import request_of

_STANDARD = ("sciad", "functools", "dataclasses", "contextlib", "warnings")
STATIC_ARRAY = 64  # int and bool arrays of at most this size are part of the key; larger ones are lifted
_TRUSTED = ("numpy", "scipy", "math", "numba", "sciad", "builtins", "operator")
_PLAIN_ARRAYS = (np.ndarray, np.memmap)  # subclasses may mean something else by their operators
_DTYPES = (np.float64, np.int64, np.int32, np.bool_)  # others round or wrap where these do not
_WRAPPERS = ("sciad", "numba")  # whose `__wrapped__` and `py_func` do what they do


@dataclass(frozen=True)
class Path:
    """A Python expression that leads from the traced function ``f`` (or an object of `constants`) to an
    object.
    """

    expression: str = "f"
    parent: Path | None = None
    fixed: bool = False  # leads into this package, which does not change: nothing is guarded or lifted

    def step(self, suffix: str) -> Path:
        return Path(self.expression + suffix, self, self.fixed)

    def attr(self, name: str) -> Path:
        return self.step("." + name)

    def item(self, key) -> Path:
        return self.step(f"[{key!r}]")

    def cell(self, k: int) -> Path:
        return self.step(f".__closure__[{k}].cell_contents")

    def glob(self, name: str) -> Path:
        return self.step(f".__globals__[{name!r}]")


@dataclass
class Capture:
    """A lifted number or array: ``get()`` is its present value; ``bind(other)`` reaches it from another
    function.
    """

    path: Path
    shape: tuple[int, ...]
    constants: dict[int, Any]
    fun: Any = None

    def get(self):
        return _reader(self.path, self.constants)(self.fun)

    def bind(self, fun) -> Capture:
        return Capture(self.path, self.shape, self.constants, fun)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=int))


class Captures:
    """Collects captures and guards while tracing; `resolve` turns outside objects into traced things."""

    def __init__(self, tracer, fun):
        self.tracer, self.fun = tracer, fun
        self.lifted: dict[Path, tuple[Capture, Any]] = {}
        self.guards: dict[tuple, Any] = {}
        self.constants: dict[int, Any] = {}  # classes of arguments: where their methods are found

    def resolve(self, obj, path: Path):
        """What `obj`, found at `path`, is in the traced program."""
        obj_type = type(obj)
        if obj is None or obj_type in (int, bool, str, bytes):
            self.guard(path, "value", obj)
            return obj
        if isinstance(obj, enum.Enum):
            self.guard(path, "is", obj)
            return obj
        if isinstance(obj, (np.integer, np.bool_)):
            self.guard(path, "item", obj.item())
            return obj.item()
        if path.fixed and isinstance(obj, (float, np.floating, np.ndarray)):
            return embedded(self.tracer, obj)
        if isinstance(obj, (float, np.floating)) or _is_traced(obj):
            return self.lift(path, _shape_of(obj), "f")
        if isinstance(obj, np.ndarray):
            return self._array(obj, path)
        if isinstance(obj, (complex, np.complexfloating)):
            raise Refusal("a complex number", "Write real and imaginary parts as two numbers.")
        called = self.callable(obj, path)
        if called is not None:
            return called
        if isinstance(obj, types.ModuleType) and not is_library(obj):
            self.guard(path, "is", obj)
            return Host(obj, path)
        if (
            isinstance(obj, (types.ModuleType, type, types.BuiltinFunctionType, np.ufunc, np.dtype))
            or obj is Ellipsis
            or obj is NotImplemented
        ):
            self.guard(path, "is", obj)
            return original(obj)
        if is_library(type(obj)) and callable(obj) and not isinstance(obj, tuple):
            self.guard(path, "is", obj)
            return obj
        if isinstance(obj, (tuple, list)):
            self.guard(path, "length", (obj_type, len(obj)))
        elif isinstance(obj, dict):
            self.guard(path, "keys", (obj_type, tuple(obj)))
        else:
            self.guard(path, "type", obj_type)
        return Host(obj, path)

    def callable(self, obj, path: Path):
        """Functions of the user's, through the wrappers they come in; None for anything else."""
        request = request_of(obj)
        if request is not None:
            self.guard(path, "request", (request.transform, request.options))
            return self.tracer.requested(request, self.resolve(request.fun, path.attr("request").attr("fun")))
        if isinstance(obj, types.FunctionType):
            package = (getattr(obj, "__module__", None) or "").partition(".")[0]
            if package in _TRUSTED[:2] or (package in _STANDARD and known(obj)):
                self.guard(path, "is", obj)
                return original(obj)
            if package == "sciad" and obj.__closure__ is None:  # one that captures may capture the user's
                self.guard(path, "is", obj)
                return Function(obj, self.own(obj))
            self.guard(path, "code", obj.__code__)
            return Function(obj, path)
        library = type(obj).__module__.partition(".")[0]
        if library == "numba" and isinstance(getattr(obj, "py_func", None), types.FunctionType):
            return self.callable(obj.py_func, path.attr("py_func"))
        if isinstance(obj, types.MethodType) and is_library(_class_of(obj.__self__)):
            self.guard(path.attr("__self__"), "is", obj.__self__)
            self.guard(path.attr("__func__"), "is", obj.__func__)
            return obj
        if isinstance(obj, types.MethodType):
            fn = self.callable(obj.__func__, path.attr("__func__"))
            return Bound(fn, (self.resolve(obj.__self__, path.attr("__self__")),))
        if isinstance(obj, functools.partial):
            args = tuple(self.resolve(a, path.attr("args").item(k)) for k, a in enumerate(obj.args))
            kwargs = {k: self.resolve(a, path.attr("keywords").item(k)) for k, a in obj.keywords.items()}
            self.guard(path, "partial", (len(args), tuple(kwargs)))
            return Bound(self.resolve(obj.func, path.attr("func")), args, kwargs)
        if library == "sciad" and getattr(obj, "kind", None) == "custom":
            self.guard(path, "type", type(obj))
            return self.tracer.custom_from_outside(obj, path)
        if library == "sciad" and getattr(obj, "kind", None) == "transform":
            raise Refusal(
                f"{obj.__name__} is a derivative or another transform, which compiled code does not call",
                "Call it outside of the compiled function: transforms of compiled functions are compiled.",
            )
        if library in _WRAPPERS or isinstance(obj, _CACHED):  # other decorators run: `__call__` is traced
            wrapped = getattr(obj, "__wrapped__", None)
            if callable(wrapped) and not isinstance(obj, type):
                return self.resolve(wrapped, path.attr("__wrapped__"))
        return None

    def name(self, fn: types.FunctionType, path: Path, name: str):
        """A free variable or global of a function."""
        code = fn.__code__
        if name in code.co_freevars:
            k = code.co_freevars.index(name)
            try:
                content = fn.__closure__[k].cell_contents
            except ValueError:
                raise Refusal(f"{name} is not bound yet in the enclosing function") from None
            return self.resolve(content, path.cell(k))
        if name in fn.__globals__:
            return self.resolve(fn.__globals__[name], path.glob(name))
        if hasattr(builtins, name):
            self.guard(path.step(f".__globals__.get({name!r})"), "value", None)  # not shadowed meanwhile
            home = self.own(builtins) if path.fixed else self.constant(builtins)
            return self.resolve(getattr(builtins, name), home.attr(name))
        raise Refusal(f"name {name!r} is not defined")

    def attribute(self, host: Host, name: str):
        """``host.name``: instance attributes, methods and properties."""
        obj, path = host.obj, host.path
        static = inspect.getattr_static(type(obj), name, None)
        if isinstance(static, property):
            self.guard(path, "type", type(obj))
            fget = self.callable(static.fget, path.attr(f"__class__.{name}.fget"))
            return self.tracer.call(fget, [host], {})
        if isinstance(static, types.FunctionType) and name not in getattr(obj, "__dict__", {}):
            fn = self.callable(static, path.attr(f"__class__.{name}"))
            return Bound(fn, (host,))
        if any(_overridden(type(obj), hook) for hook in ("__getattr__", "__getattribute__")) and (
            name not in getattr(obj, "__dict__", {}) and static is None
        ):
            raise Refusal(
                f"attribute {name!r} of a {type(obj).__name__}, which its __getattr__ computes",
                "Read it before the compiled function.",
            )
        try:
            found = getattr(obj, name)
        except Exception as error:
            raise Refusal(f"{type(obj).__name__} has no attribute {name!r} ({error})") from None
        return self.resolve(found, path.attr(name))

    def class_attribute(self, cls: type, name: str):
        """``cls.name`` of a class of the user's: what it is now, not what it was when traced."""
        try:
            found = getattr(cls, name)
        except AttributeError:
            raise Refusal(f"class {cls.__name__} has no attribute {name!r}") from None
        return self.resolve(found, self.constant(cls).attr(name))

    def member(self, host: Host, key):
        """``host[key]`` of a captured tuple, list or dict."""
        try:
            obj = host.obj[key]
        except (KeyError, IndexError, TypeError) as error:
            self.guard(
                host.path,
                "keys" if isinstance(host.obj, dict) else "type",
                PROBES["keys" if isinstance(host.obj, dict) else "type"](host.obj),
            )
            self.tracer.fail(type(error).__name__, str(error))
        return self.resolve(obj, host.path.item(key))

    def lift(self, path: Path, shape: tuple, kind: str):
        if path not in self.lifted:
            capture = Capture(path, tuple(shape), self.constants, self.fun)
            self.guard(path, "shape", (kind, capture.shape))
            self.lifted[path] = (capture, self.tracer.lifted_input(capture, kind))
        return self.lifted[path][1]

    def _array(self, obj, path):
        kind = kind_of_array(obj)
        if kind == "f" or obj.size > STATIC_ARRAY:
            return self.lift(path, obj.shape, kind)
        self.guard(path, "array", _content(obj))
        return self.tracer.static_array(obj, ("static", path))

    def constant(self, obj) -> Path:
        """A path that begins at an object which is the same in every function this trace serves."""
        self.constants[id(obj)] = obj
        return Path(f"constants[{id(obj)}]")

    def own(self, obj) -> Path:
        """A path to what does not change while the package is loaded."""
        self.constants[id(obj)] = obj
        return Path(f"constants[{id(obj)}]", None, True)

    def definition(self, record):
        """The definition of a function in the rule table; the user's may be declared anew."""
        definition = record.definition
        if is_library(definition):
            return self.resolve(definition, self.own(definition))
        for obj in (rule_table, record.fn):
            self.constants[id(obj)] = obj
        known = f"constants[{id(rule_table)}].lookup(constants[{id(record.fn)}]).definition"
        return self.resolve(definition, Path(known))

    def guard(self, path: Path, probe: str, expected) -> None:
        if not path.fixed:
            self.guards[path, probe] = expected


_CACHED = type(functools.lru_cache(lambda: None))


def kind_of_array(x: np.ndarray) -> str:
    """The kind of an array's elements; refused where NumPy's arithmetic on it is not that of float64, int64
    or bool.
    """
    cls = type(x)
    if cls not in _PLAIN_ARRAYS and not cls.__module__.startswith("sciad."):
        raise Refusal(
            f"an array of type {cls.__module__}.{cls.__name__}", "Give it as np.asarray(...), a plain array."
        )
    if x.dtype == object and all(_is_traced(e) or isinstance(e, (float, int)) for e in x.flat):
        return "f"
    if x.dtype.type not in _DTYPES:
        kind = {"f": "float", "i": "int", "u": "int"}.get(x.dtype.kind)
        hint = "Use arrays of floats or ints." if kind is None else f"Convert it with astype({kind})."
        raise Refusal(f"an array of dtype {x.dtype}", hint)
    return x.dtype.kind


def is_library(x) -> bool:
    """Whether a module or class is NumPy's, SciPy's, Python's or our own, which do not change."""
    name = x.__name__ if isinstance(x, types.ModuleType) else x.__module__
    return name.partition(".")[0] in _TRUSTED


def _class_of(owner) -> type:
    """The class that a method belongs to, which for class methods is what it is bound to."""
    return owner if isinstance(owner, type) else type(owner)


def _overridden(cls: type, name: str) -> bool:
    return getattr(cls, name, None) is not getattr(object, name, None)


def _is_traced(x) -> bool:
    from sciad.eager.traced import Traced

    return isinstance(x, Traced)


def _primal(x):
    while _is_traced(x):
        x = x.value
    return x


def _content(x):
    return (x.dtype.str, x.shape, x.tobytes())


def _shape_of(x) -> tuple[int, ...]:
    """The shape; of a batch that of one element."""
    return x.shape if _is_traced(x) else np.shape(x)


def _shape(x):
    shape = _shape_of(x)
    x = _primal(x)
    kind = (
        "f"
        if isinstance(x, float)
        else {"u": "i", "O": "f"}.get(np.asarray(x).dtype.kind, np.asarray(x).dtype.kind)
    )
    return (kind, shape)


def _request(x):
    found = request_of(x)
    return found and (found.transform, found.options)


PROBES = {
    "request": _request,
    "value": lambda x: (type(x), x),
    "item": lambda x: x.item(),
    "is": lambda x: x,
    "code": lambda x: x.__code__,
    "length": lambda x: (type(x), len(x)),
    "keys": lambda x: (type(x), tuple(x)),
    "type": type,
    "partial": lambda x: (len(x.args), tuple(x.keywords)),
    "array": _content,
    "shape": _shape,
    "serves": lambda x: x,  # compared with what knows for which functions it serves
}
_FAST = {  # tests written out in the generated check
    "value": "{x}.__class__ is {t} and {x} == {e}",
    "is": "{x} is {e}",
    "code": "{x}.__code__ is {e}",
    "type": "{x}.__class__ is {e}",
    "length": "{x}.__class__ is {t} and len({x}) == {e}",
}


@functools.lru_cache(maxsize=4096)
def _compiled_reader(expression: str):
    return compile(f"lambda f: {expression}", "<capture>", "eval")


def _reader(path: Path, constants: dict):
    return eval(_compiled_reader(path.expression), {"constants": constants})


def readers(captures: Captures) -> list[tuple]:
    """Guards as ``(reader, expected)``: the guard holds for `fun` if ``reader(fun) == expected``."""
    out = []
    for (path, probe), expected in captures.guards.items():
        expected = (type(expected), expected) if probe == "value" else expected
        out.append((_composed(PROBES[probe], _reader(path, captures.constants)), expected))
    return out


def _composed(probe, read):
    return lambda fun: probe(read(fun))


def compile_check(captures: Captures):
    """``matches(fun) -> bool`` and ``gather(fun) -> tuple of captured values``, each a microsecond or
    less.
    """
    names: dict[str, Any] = {
        "constants": captures.constants,
        "ndarray": np.ndarray,
        "float64": np.dtype(float),
    }
    lines: list[str] = []
    known: dict[str, str] = {"f": "f"}

    def variable(path: Path) -> str:
        if path.expression not in known:
            parent = variable(path.parent) if path.parent else ""
            suffix = path.expression[len(path.parent.expression) if path.parent else 0 :]
            known[path.expression] = f"v{len(known)}"
            lines.append(f"{known[path.expression]} = {parent}{suffix}")
        return known[path.expression]

    tests = []
    for k, ((path, probe), expected) in enumerate(captures.guards.items()):
        x = variable(path)
        names[f"e{k}"] = expected
        if probe == "value":
            names[f"t{k}"] = type(expected)
        elif probe == "length":
            names[f"t{k}"], names[f"e{k}"] = expected
        elif probe == "shape" and expected[0] == "f":
            names[f"p{k}"], names[f"s{k}"] = PROBES[probe], expected[1]
            usual = f"{x}.__class__ is ndarray and {x}.dtype is float64 and {x}.shape == s{k}"
            usual = usual if expected[1] else f"{x}.__class__ is float"
            tests.append(f"({usual} or p{k}({x}) == e{k})")
            continue
        names[f"p{k}"] = PROBES[probe]
        test = _FAST.get(probe, "p{k}({x}) == {e}")
        tests.append("(" + test.format(x=x, e=f"e{k}", t=f"t{k}", k=k) + ")")
    body = "".join(f"        {line}\n" for line in lines)
    text = f"def matches(f):\n    try:\n{body}        return {' and '.join(tests) or 'True'}\n"
    text += "    except Exception:\n        return False\n"
    known.clear()
    known["f"] = "f"
    lines.clear()
    values = [variable(c.path) for c, _ in captures.lifted.values()]
    body = "".join(f"    {line}\n" for line in lines)
    text += f"def gather(f):\n{body}    return ({''.join(v + ', ' for v in values)})\n"
    exec(text, names)
    return names["matches"], names["gather"]
