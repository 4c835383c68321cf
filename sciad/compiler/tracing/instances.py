"""Instances of the user's classes that the program makes: construction, attributes, methods, operators."""

from __future__ import annotations

import ast
import dataclasses
import enum
import functools
import inspect
import types

from sciad.compiler.fence import Refusal
from sciad.compiler.objects.kinds import Bound, Host, RecordBox
from sciad.compiler.tracing.captures import is_library

BINARY = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.FloorDiv: "floordiv",
    ast.Mod: "mod", ast.Pow: "pow", ast.MatMult: "matmul", ast.BitAnd: "and", ast.BitOr: "or",
    ast.BitXor: "xor", ast.LShift: "lshift", ast.RShift: "rshift",
}  # fmt: skip
UNARY = {ast.USub: "__neg__", ast.UAdd: "__pos__", ast.Invert: "__invert__"}
COMPARE = {
    ast.Eq: ("__eq__", "__eq__"), ast.NotEq: ("__ne__", "__ne__"), ast.Lt: ("__lt__", "__gt__"),
    ast.Gt: ("__gt__", "__lt__"), ast.LtE: ("__le__", "__ge__"), ast.GtE: ("__ge__", "__le__"),
}  # fmt: skip


@dataclasses.dataclass(eq=False)
class Super:
    """``super()`` in a method: what comes after `after` in the classes of `owner`."""

    after: type
    owner: RecordBox


def is_users_class(cls) -> bool:
    """A class whose instances the program may make."""
    return isinstance(cls, type) and not is_library(cls) and cls.__module__ not in _OTHERS


class Instances:
    """Handlers of classes and of what their instances do."""

    def construct(self, cls, args, kwargs):
        """An instance of a class."""
        if issubclass(cls, tuple):
            bound = self._arguments_of(cls, args, kwargs)
            return cls(**{k: self.settled(v) for k, v in bound.items()})
        if issubclass(cls, enum.Enum):
            return self._member_of(cls, args)
        if issubclass(cls, BaseException):
            return self.box({"args": tuple(args)}, cls=RecordBox, type_=cls)
        if type(cls).__call__ is not type.__call__ or inspect.getattr_static(cls, "__new__") is not (
            inspect.getattr_static(object, "__new__")
        ):
            raise Refusal(
                f"an instance of {cls.__name__}, whose class makes them in a way of its own",
                "Make it before the compiled function.",
            )
        made = self.box({}, cls=RecordBox, type_=cls)
        init = inspect.getattr_static(cls, "__init__")
        if dataclasses.is_dataclass(cls) and "__init__" in _generated(cls):
            self._initialised(made, cls, args, kwargs)
        elif isinstance(init, types.FunctionType):
            self.call(self.record_attribute(made, "__init__"), args, kwargs)
        elif args or kwargs:
            raise Refusal(f"TypeError: {cls.__name__}() takes no arguments")
        return made

    def _arguments_of(self, cls, args, kwargs) -> dict:
        try:
            bound = inspect.signature(cls).bind(*args, **kwargs)
        except TypeError as error:
            raise Refusal(f"{cls.__name__}: {error}") from None
        bound.apply_defaults()
        return dict(bound.arguments)

    def _initialised(self, made: RecordBox, cls, args, kwargs) -> None:
        """What the ``__init__`` of a dataclass does."""
        given = self._arguments_of(cls, args, kwargs)
        path = self.captures.constant(cls).attr("__dataclass_fields__")
        for f in dataclasses.fields(cls):
            value = given.get(f.name, f.default)
            if f.default_factory is not dataclasses.MISSING and (
                f.name not in given or type(value).__name__ == "_HAS_DEFAULT_FACTORY_CLASS"
            ):
                factory = self.captures.resolve(f.default_factory, path.item(f.name).attr("default_factory"))
                value = self.call(factory, [], {})
            elif value is f.default and value is not dataclasses.MISSING:
                value = self.captures.resolve(value, path.item(f.name).attr("default"))
            if value is not dataclasses.MISSING:
                self.write(made, f.name, self.settled(value))
        if any(type(f.type).__name__ == "InitVar" for f in cls.__dataclass_fields__.values()):
            raise Refusal(f"{cls.__name__} has an InitVar", "Make it before the compiled function.")
        if hasattr(cls, "__post_init__"):
            self.call(self.record_attribute(made, "__post_init__"), [], {})

    def _member_of(self, cls, args):
        try:
            return cls(*[self.unwrapped(a) for a in args])
        except (TypeError, ValueError) as error:
            raise Refusal(f"{type(error).__name__}: {error}") from None

    # ---------------------------------------------------------------------------- attributes

    def record_attribute(self, owner, name: str, cls=None, after: type | None = None):
        """An attribute that the class of an instance has."""
        cls = cls or owner.type
        order = cls.__mro__ if after is None else cls.__mro__[cls.__mro__.index(after) + 1 :]
        home = next((k for k in order if name in vars(k)), None)
        if home is None or (home is object and name not in _OF_OBJECT):
            raise Refusal(
                f"{cls.__name__} has no field or method {name!r}", getattr(cls, "in_programs", None)
            )
        if home is object or is_library(home):
            if name in ("__init__", "__post_init__", "__init_subclass__"):
                return Bound("nothing", ())
            raise Refusal(f"{name!r} of {home.__name__}, which {cls.__name__} inherits")
        found, path = vars(home)[name], self.captures.constant(home).attr(name)
        if isinstance(found, property):
            return self.call(self.captures.callable(found.fget, path.attr("fget")), [owner], {})
        if isinstance(found, functools.cached_property):
            value = self.call(self.captures.callable(found.func, path.attr("func")), [owner], {})
            self.write(self.own(owner), name, self.settled(value))
            return value
        if isinstance(found, staticmethod):
            return self.captures.callable(found.__func__, path)
        if isinstance(found, classmethod):
            return Bound(self.captures.callable(found.__func__, path.attr("__func__")), (cls,))
        if isinstance(found, types.FunctionType):
            return Bound(self.captures.callable(found, path), (owner,))
        fn = self.captures.callable(found, path)
        return self.captures.class_attribute(cls, name) if fn is None else Bound(fn, (owner,))

    def set_record_attribute(self, owner: RecordBox, name: str, value) -> None:
        found = inspect.getattr_static(owner.type, name, None)
        if isinstance(found, property):
            if found.fset is None:
                raise Refusal(f"AttributeError: property {name!r} of {owner.type.__name__} has no setter")
            path = self.captures.constant(owner.type).attr(name).attr("fset")
            self.call(self.captures.callable(found.fset, path), [owner, value], {})
            return
        parameters = getattr(owner.type, "__dataclass_params__", None)
        if parameters is not None and parameters.frozen:
            raise Refusal(f"FrozenInstanceError: cannot assign to field {name!r}", "Use dataclasses.replace.")
        if isinstance(inspect.getattr_static(owner.type, "__setattr__"), types.FunctionType):
            raise Refusal(f"{owner.type.__name__} has a __setattr__ of its own")
        self.write(self.own(owner), name, self.settled(value))

    def super_of(self, args: list) -> Super:
        """``super()`` or ``super(cls, self)``."""
        if args:
            return Super(args[0], args[1])
        frame = self.frame
        while frame is not None and frame.function is None:
            frame = frame.parent
        fn = getattr(getattr(frame, "function", None), "fn", None)
        names = [a.arg for a in (*frame.source.args.posonlyargs, *frame.source.args.args)] if fn else []
        if not names or "__class__" not in fn.__code__.co_freevars:
            raise Refusal("super() outside of a method")
        cell = fn.__closure__[fn.__code__.co_freevars.index("__class__")]
        return Super(cell.cell_contents, frame.box.slots[names[0]])

    def super_attribute(self, owner: Super, name: str):
        cls = owner.owner if isinstance(owner.owner, type) else self.class_of(owner.owner)
        return self.record_attribute(owner.owner, name, cls, owner.after)

    # ---------------------------------------------------------------------------- special methods

    def class_of(self, x) -> type | None:
        """The user's class that an object is an instance of."""
        if isinstance(x, RecordBox):
            return x.type
        if isinstance(x, tuple) and type(x) is not tuple:
            return type(x)
        if isinstance(x, Host) and is_users_class(type(x.obj)):
            return type(x.obj)
        return type(x) if isinstance(x, enum.Enum) else None

    def special(self, x, name: str):
        """The method of an operator that the class of `x` defines, bound; else None."""
        cls = self.class_of(x)
        if cls is None:
            return None
        home = next((k for k in cls.__mro__ if name in vars(k)), object)
        if home is object or is_library(home) or not isinstance(vars(home)[name], types.FunctionType):
            return None
        if name in _generated(home):
            return None
        if isinstance(x, Host):
            return self.captures.attribute(x, name)
        return self.record_attribute(x, name, cls)

    def by_method(self, x, name: str, *args):
        """What the operator's method of `x` gives; `NotImplemented` if it has none or does not know."""
        method = self.special(x, name)
        return NotImplemented if method is None else self.call(method, list(args), {})

    def binary_of_objects(self, op, a, b, in_place: bool = False):
        """``a op b`` where one of both is an instance of a class with operators; else `NotImplemented`."""
        if self.class_of(a) is None and self.class_of(b) is None:
            return NotImplemented
        name = BINARY[type(op)]
        found = self.by_method(a, f"__i{name}__", b) if in_place else NotImplemented
        if found is NotImplemented:
            found = self.by_method(a, f"__{name}__", b)
        if found is NotImplemented and self.class_of(b) is not self.class_of(a):
            found = self.by_method(b, f"__r{name}__", a)
        return found

    def compare_objects(self, op, a, b):
        """A comparison of instances; else `NotImplemented`."""
        if type(op) not in COMPARE or (self.class_of(a) is None and self.class_of(b) is None):
            return NotImplemented
        name, reflected = COMPARE[type(op)]
        found = self.by_method(a, name, b)
        if found is NotImplemented:
            found = self.by_method(b, reflected, a)
        if found is NotImplemented and isinstance(op, ast.NotEq):
            equal = self.compare_objects(ast.Eq(), a, b)
            return equal if equal is NotImplemented else self.negate(self.truth(equal))
        if found is NotImplemented and isinstance(a, RecordBox) and isinstance(b, RecordBox):
            return self._compare_fields(op, name, a, b)
        return found

    def _compare_fields(self, op, name: str, a: RecordBox, b: RecordBox):
        """What the generated comparisons of dataclasses do; other instances equal themselves only."""
        if a.type is b.type and name in _generated(a.type):
            names = [f.name for f in dataclasses.fields(a.type) if f.compare]
            left, right = (tuple(self.get_attribute(x, n) for n in names) for x in (a, b))
            return self.compare(op, left, right)
        self.told_apart(a, b)
        return (a is b) if isinstance(op, ast.Eq) else NotImplemented


def _generated(cls) -> frozenset[str]:
    """Names of the methods that `dataclass` wrote."""
    if "__dataclass_params__" not in vars(cls):
        return frozenset()
    found = {"__init__"} if cls.__dataclass_params__.init else set()
    if cls.__dataclass_params__.eq:
        found.add("__eq__")
    if cls.__dataclass_params__.order:
        found |= {"__lt__", "__le__", "__gt__", "__ge__"}
    generated = (n for n in found if getattr(vars(cls).get(n), "__code__", None) is not None)
    return frozenset(n for n in generated if vars(cls)[n].__code__.co_filename == "<string>")


_OTHERS = ("functools", "itertools", "contextlib", "warnings", "collections", "dataclasses", "enum", "typing")
_OF_OBJECT = ("__init__",)

__all__ = ["BINARY", "COMPARE", "UNARY", "Instances", "Super", "is_users_class"]
