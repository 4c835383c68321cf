"""Calls: the user's functions are traced in place, known functions are looked up in the table of
`functions`.
"""

from __future__ import annotations

import ast
import builtins
from contextlib import contextmanager

import numpy as np

from sciad.compiler import functions
from sciad.compiler.fence import Refusal, located
from sciad.compiler.functions import distributions, written
from sciad.compiler.ir.nodes import Value
from sciad.compiler.objects.kinds import (
    UNDEFINED,
    Bound,
    Box,
    Closure,
    DictBox,
    FrameBox,
    Function,
    Host,
    RecordBox,
    Text,
    is_array,
    is_scalar,
)
from sciad.compiler.tracing import inner_customs
from sciad.compiler.tracing.exceptions import Raised
from sciad.compiler.tracing.generators import YIELDED
from sciad.compiler.tracing.instances import Instances, is_users_class
from sciad.compiler.tracing.jumps import RETURNED, VALUE
from sciad.compiler.tracing.repeated_calls import call_key, computed_only, contents
from sciad.compiler.tracing.source import Source, function_source
from sciad.eager.traced import Primitive
from sciad.errors import UnsupportedSyntax

DEPTH = 24  # a function may stand this often in the stack of calls (recursion that ends while compiling)


class Frame:
    """A function being traced: its names, and where to look up the others."""

    def __init__(self, box, source, function, depth: int, parent=None):
        self.box, self.source, self.function, self.parent, self.depth = box, source, function, parent, depth
        self.outer_names: set[str] = set()


class Calls(Instances):
    """Handlers of calls and of names from outside of the function."""

    def outside(self, frame, name: str):
        """A free variable or global of the function of `frame`."""
        key = (frame.function.path, name)
        if key not in self._outside:
            self._outside[key] = self.captures.name(frame.function.fn, frame.function.path, name)
        return self._outside[key]

    def call_expression(self, node: ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id.startswith("#"):
            return self.ask(node)
        fn = self.eval(node.func)
        starred = [isinstance(a, ast.Starred) for a in node.args]
        values = self.eval_all(
            [a.value if isinstance(a, ast.Starred) else a for a in node.args]
            + [k.value for k in node.keywords]
        )
        args: list = []
        for star, value in zip(starred, values, strict=False):
            args.extend(self.items(value) if star else [value])
        kwargs: dict = {}
        for keyword, value in zip(node.keywords, values[len(starred) :], strict=True):
            if keyword.arg is None:
                kwargs.update({k: self.get_item(value, k) for k in self.keys(value)})
            else:
                kwargs[keyword.arg] = value
        self.inflight.append((fn, args, list(kwargs.values())))
        if self.raised is False:
            result = self.call(fn, args, kwargs)
        else:
            result = self.unless_raised(lambda: self.call(fn, args, kwargs))
        self.inflight.pop()
        if self.raised is True or self.dead:
            raise Raised
        return result

    def call(self, fn, args: list, kwargs: dict):
        """``fn(*args, **kwargs)`` for anything that can be called."""
        if isinstance(fn, Bound):
            if fn.fn == "nothing":
                return None
            if fn.fn == "method":
                return self.call_method(fn.args[0], fn.args[1], args, kwargs)
            return self.call(fn.fn, [*fn.args, *args], {**fn.kwargs, **kwargs})
        if isinstance(fn, Function):
            if getattr(fn.fn, "structural", False):
                return functions.structural(self, fn.fn, args, kwargs)
            return self.traced_once(fn, args, kwargs)
        if isinstance(fn, Closure):
            return self.inline(fn.source, fn, args, kwargs)
        if isinstance(fn, Host):
            if not callable(fn.obj):
                raise Refusal(f"{self.describe(fn)} is not callable")
            return self.call(self.captures.attribute(fn, "__call__"), args, kwargs)
        if is_users_class(fn) or (isinstance(fn, type) and issubclass(fn, tuple) and hasattr(fn, "_fields")):
            return self.construct(fn, args, kwargs)
        if fn is builtins.super:
            return self.super_of(args)
        if isinstance(fn, RecordBox) and self.special(fn, "__call__") is not None:
            return self.call(self.special(fn, "__call__"), args, kwargs)
        if fn is None or isinstance(fn, (str, tuple, Box, Text)) or is_scalar(fn) or is_array(fn):
            raise Refusal(f"{self.describe(fn)} is called, which is no function")
        if distributions.is_distribution(fn):
            return distributions.frozen(fn, args, kwargs)
        self.check_math(fn, args)
        result = functions.call(self, fn, args, kwargs)
        if isinstance(result, Value) and (
            isinstance(fn, np.ufunc) or (getattr(fn, "__module__", None) or "").startswith("numpy")
        ):
            self.of_numpy.add(result)
        return result

    def call_method(self, owner, name: str, args: list, kwargs: dict):
        return functions.call_method(self, owner, name, args, kwargs)

    def array_attribute(self, owner, name: str):
        return functions.attribute(self, owner, name)

    def in_definition(self) -> bool:
        frame = self.frame
        while frame is not None:
            path = getattr(frame.function, "path", None)
            if path is not None:
                return path.fixed and frame.function.fn.__module__ != written.__name__
            frame = frame.parent
        return False

    def in_primitive(self) -> bool:
        return getattr(self.frame.function, "fn", None) in self._primitives

    def own_function(self, fn):
        return self.captures.resolve(fn, self.captures.own(fn))

    def requested(self, request, fun):
        """What a transform made outside of the compiled function."""
        return self.call(request.transform, [fun, *request.options], {})

    def custom_from_outside(self, obj, path):
        """A function with derivative rules of its own."""
        return inner_customs.from_outside(obj, path, self.captures.resolve)

    def defined(self, name: str, record, args: list, kwargs: dict):
        if isinstance(record, Primitive):
            self._primitives.add(record.fn)
            definition = self.own_function(record.fn)
        else:
            definition = self.captures.definition(record)
        node, frame, path, frames = self.node, self.frame, self.path, len(self.frames)
        try:
            return self.call(definition, args, kwargs)
        except UnsupportedSyntax as error:
            self.node, self.frame, self.path = node, frame, path
            del self.frames[frames:]
            message = error.message
            if not isinstance(record, Primitive) and not message.startswith(name):
                message = f"{name}: {message}"
            raise Refusal(message, error.hint) from error

    # ----------------------------------------------------------------------------------------------

    def closure(self, node) -> Closure:
        """A function defined inside the traced one."""
        args = node.args
        names = [a.arg for a in args.posonlyargs + args.args]
        defaults = [self.settled(self.eval(d)) for d in args.defaults]
        kw = {
            a.arg: self.settled(self.eval(d))
            for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True)
            if d is not None
        }
        kw |= dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))
        source = Source.of(node, self.frame.source.filename)
        return Closure(source, self.frame, kw_defaults=kw)

    @contextmanager
    def scope(self):
        """A frame of its own for the names of a comprehension."""
        outer = self.frame
        self.frame = Frame(self.box({}, cls=FrameBox), outer.source, None, len(self._journals), outer)
        self.frames.append(self.frame)
        try:
            yield
        finally:
            self.frames.pop()
            self.frame = outer

    def traced_once(self, fn: Function, args: list, kwargs: dict):
        """A call, or the result of an equal one before."""
        key = call_key(fn, args, kwargs)
        if key is None:
            return self.inline(function_source(fn.fn), fn, args, kwargs)
        found = self.builder.shared(key)
        if found is None:
            block = self.builder.block
            before = len(block)
            result = self.inline(function_source(fn.fn), fn, args, kwargs)
            plain = computed_only(block[before:], result) and self.builder.block is block and not self.dead
            if not plain or call_key(fn, args, kwargs) != key:
                return result
            found = self.builder.share(key, (result, contents([*args, *kwargs.values()])))
        return found[0]

    def inline(self, source: Source, fn, args: list, kwargs: dict):
        """Trace the body of a function in place of its call."""
        if sum(f.source is source for f in self.frames) >= DEPTH:
            raise Refusal(
                f"{source.name} calls itself, to a depth that is not known while compiling",
                "Write it as a loop with an array as a stack.",
            )
        slots = self._parameters(source, fn, args, kwargs)
        slots = {**dict.fromkeys(source.locals, UNDEFINED), **slots}
        slots |= {RETURNED: False, VALUE: UNDEFINED}
        caller, path, node, line = self.frame, self.path, self.node, self.builder.line
        box = self.box(slots, cls=FrameBox)
        frame = Frame(box, source, fn, len(self._journals), fn.frame if isinstance(fn, Closure) else None)
        self.frame, self.path = frame, (*path, id(node))
        self.frames.append(frame)
        try:
            for name, value in slots.items():
                self.label(value, name)
            self.run(source.body)
            value = self.result(frame)
        finally:
            self.frames.pop()
            self.frame, self.path, self.builder.line = caller, path, line
        self.node = node
        return value

    def result(self, frame):
        """What the function whose body has been run returns."""
        if frame.source.yields:
            return frame.box.slots[YIELDED]
        value = frame.box.slots[VALUE]
        if value is UNDEFINED:
            return None
        returned = frame.box.slots[RETURNED]
        if not frame.source.returns_always and not self.dead and returned is not True:
            self.node = frame.source.node
            self.require(returned, "TypeError", f"{frame.source.name} ended without return")
        from sciad.compiler.objects.kinds import Conflict

        if isinstance(value, Conflict):
            self.node = frame.source.node
            raise Refusal(
                "the function returns different kinds of things: " + value.message.removeprefix("this is ")
            )
        return value

    def _parameters(self, source: Source, fn, args, kwargs) -> dict:
        a = source.args
        names = [x.arg for x in a.posonlyargs + a.args]
        slots = {}
        args = [self.settled(v) for v in args]
        kwargs = {k: self.settled(v) for k, v in kwargs.items()}
        if len(args) > len(names) and a.vararg is None:
            raise Refusal(f"{source.name} takes {len(names)} arguments, {len(args)} were given")
        slots.update(zip(names, args, strict=False))
        if a.vararg is not None:
            slots[a.vararg.arg] = tuple(args[len(names) :])
        extra = {}
        keyword_names = {*(x.arg for x in a.args), *(x.arg for x in a.kwonlyargs)}
        for k, v in kwargs.items():
            if k in slots and k in keyword_names:
                raise Refusal(f"{source.name} got two values for {k!r}")
            if k not in keyword_names and a.kwarg is None:
                raise Refusal(f"{source.name} has no argument {k!r}")
            (slots if k in keyword_names else extra)[k] = v
        if a.kwarg is not None:
            slots[a.kwarg.arg] = self.box(extra, cls=DictBox)
        for name in (*names, *(x.arg for x in a.kwonlyargs)):
            if name not in slots:
                slots[name] = self._default(source, fn, names, name)
        return slots

    def _default(self, source, fn, names, name):
        if isinstance(fn, Closure):
            if name in fn.kw_defaults:
                return fn.kw_defaults[name]
        else:
            defaults = fn.fn.__defaults__ or ()
            k = names.index(name) - len(names) + len(defaults) if name in names else -1
            if k >= 0:
                return self.captures.resolve(defaults[k], fn.path.attr("__defaults__").item(k))
            if name in (fn.fn.__kwdefaults__ or {}):
                return self.captures.resolve(
                    fn.fn.__kwdefaults__[name], fn.path.attr("__kwdefaults__").item(name)
                )
        raise Refusal(f"{source.name} misses its argument {name!r}")

    def keys(self, mapping) -> list:
        if isinstance(mapping, Host):
            return list(mapping.obj)
        if not isinstance(mapping, DictBox):
            raise Refusal(f"{self.describe(mapping)} where a dict is expected")
        return [k for k, v in mapping.slots.items() if v is not UNDEFINED]


__all__ = ["Calls", "located"]
