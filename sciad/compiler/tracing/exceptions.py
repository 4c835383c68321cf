"""``try``: what is raised where a handler may catch it becomes a flag, and a number that says where.

While handlers are in force, a failure of a class that one of them catches does not leave the program: it sets
the flag, and what follows is executed only where it is not set: the rest of the statement, of its block, of
the loop, of the function.  Failures that nobody catches leave the program as ever.
"""

from __future__ import annotations

import ast
import math
from contextlib import contextmanager

import numpy as np

from sciad.compiler.fence import Refusal
from sciad.compiler.ir.builder import type_of
from sciad.compiler.ir.nodes import Value, exception_class
from sciad.compiler.objects.kinds import UNDEFINED, Box, FrameBox, RecordBox, Text, is_scalar

_LARGEST_EXPONENT = 709.782712893384


class Raised(Exception):
    """The expression being read raises, on every path that leads here; a handler of the program waits."""


class Exceptions:
    """Handlers of ``try`` and ``raise``, and the flag."""

    def start_exceptions(self) -> None:
        self.raising: Box = self.box({"raised": False, "site": 0})
        self.catching: list[tuple] = []  # classes of the handlers in force
        self.raisers: dict[int, tuple] = {}  # by number of the site: class, and the exception's name
        self.handled: list = []  # sites of what the handlers being executed caught

    @contextmanager
    def own_exceptions(self):
        """A flag of its own for a program inside, where no handler around it waits for what it raises."""
        outer = self.raising
        if not self.catching:
            self.raising = self.box({"raised": False, "site": 0})
        try:
            yield
        finally:
            self.raising = outer

    @property
    def raised(self):
        return self.raising.slots["raised"]

    def where_raised(self, harmless, x):
        """`x`, or what does no harm where the flag is set: an index, a divisor."""
        return x if self.raised is False else self.builder.select(self.raised, harmless, x)

    def catches(self, cls) -> bool:
        return any(issubclass(cls, classes) for classes in self.catching)

    def require(self, cond, exception: str, message: str) -> None:
        """Leave the program with an error unless `cond`, or go to the handler that catches it."""
        cls = exception_class(exception)
        if cls is None or not self.catches(cls):
            self.leave_unless(cond, exception, message)
        elif cond is not True:
            self._set_flag(cond, cls, exception, message)

    def _set_flag(self, cond, cls, exception: str, message: str, args: tuple = (Text(),)) -> None:
        number = self.site_of(exception, message)
        self.raisers[number] = (cls, exception, message, args)
        box = self.raising
        failed = self.builder.op(np.logical_not, cond)
        before = self.raised
        site = self.builder.select(before, box.slots["site"], number) if before is not False else number
        self.write(box, "site", site)
        raised = self.builder.op(np.logical_or, before, failed)
        self.write(box, "raised", raised if isinstance(raised, Value) else bool(raised))
        if self.raised is True:
            raise Raised

    def fail(self, exception: str, message: str):
        """An error known while compiling: the program's own where a handler catches it, else a refusal."""
        if self.catches(exception_class(exception)):
            self.require(False, exception, message)
        raise Refusal(f"{exception}: {message}")

    def unless_raised(self, action):
        """What a statement does after its expressions have been evaluated; not done where one raised."""
        raised = self.raised
        if raised is False:
            return action()
        if raised is True:
            raise Raised
        return self.branch(raised, lambda: UNDEFINED, lambda: self._undisturbed(action))

    def _undisturbed(self, action):
        self.write(self.raising, "raised", False)
        return self.settled(action())

    def no_flag(self) -> None:
        """At the head of a loop that the flag ends."""
        if self.raised is not False:
            self.write(self.raising, "raised", False)

    # ---------------------------------------------------------------------------- statements

    def _try(self, s: ast.Try):
        if s.jumps_at_the_end:
            raise Refusal("a jump out of `finally`", "Return after the try statement.")
        classes = [self._classes(h) for h in s.handlers]
        self.catching.append(tuple(c for group in classes for c in group))
        try:
            self.run(s.body)
        except Raised:
            pass
        finally:
            self.catching.pop()
        raised, site = self.raised, self.raising.slots["site"]
        self.write(self.raising, "raised", False)

        def handlers():
            self._handle(s.handlers, classes, site)

        if not self.dead:
            self.branch(raised, handlers, lambda: self.run(s.orelse))
        if s.finalbody:
            raised, site = self.raised, self.raising.slots["site"]
            self.write(self.raising, "raised", False)
            self.run(s.finalbody)
            self.write(self.raising, "raised", raised)
            self.write(self.raising, "site", site)
        if self.raised is True and self.catching:
            raise Raised

    def _classes(self, handler) -> list:
        if handler.type is None:
            return [BaseException]
        found = self.eval(handler.type)
        found = self.items(found) if isinstance(found, tuple) else [found]
        if not all(isinstance(c, type) and issubclass(c, BaseException) for c in found):
            raise Refusal("`except` of something that is no class of exceptions")
        return found

    def _handle(self, handlers, classes, site) -> None:
        """The first handler that catches what was raised at `site`; else it goes on."""
        if not handlers:
            self._raise_again(site)
            return
        matches = False
        for number, (cls, *_) in self.raisers.items():
            if issubclass(cls, tuple(classes[0])):
                same = self.builder.op(np.equal, site, number) if isinstance(site, Value) else site == number
                matches = self.builder.op(np.logical_or, matches, same)
        self.branch(
            matches,
            lambda: self._run_handler(handlers[0], site),
            lambda: self._handle(handlers[1:], classes[1:], site),
        )

    def _run_handler(self, handler, site) -> None:
        self.handled.append(site)
        try:
            if handler.name is not None:
                known = self.raisers.get(site) if type(site) is int else None
                caught = {"args": known[3] if known is not None else (Text(),)}
                cls = known[0] if known is not None else Exception
                self.set_name(handler.name, self.box(caught, cls=RecordBox, type_=cls))
            self.run(handler.body)
            if handler.name is not None:
                box = self._home(self.frame, handler.name).box
                self.write(box, handler.name, UNDEFINED)
                self.write(box, FrameBox.flag(handler.name), False)
        except Raised:
            pass
        finally:
            self.handled.pop()

    def _raise_again(self, site) -> None:
        for number, (cls, exception, message, _) in list(self.raisers.items()):
            here = self.builder.op(np.equal, site, number) if isinstance(site, Value) else site == number
            if here is False:
                continue
            if self.catches(cls):
                box = self.raising
                self.write(box, "site", site)
                raised = self.builder.op(np.logical_or, self.raised, here)
                self.write(box, "raised", raised if isinstance(raised, Value) else bool(raised))
            else:
                self.leave_unless(self.builder.op(np.logical_not, here), exception, message)
                self.dead = self.dead or here is True

    def _raise(self, s: ast.Raise):
        self.node = s
        if s.exc is None:
            if not self.handled:
                raise Refusal("`raise` without an exception outside of a handler")
            self._raise_again(self.handled[-1])
            if self.raised is True:
                raise Raised
            return
        name, text = self._said(s.exc)
        if self.in_definition() and len(self._journals) <= self.frame.depth:
            raise Refusal(self._text(s, text))
        cls = self._class_raised(s.exc) if self.catching else None
        if cls is not None and self.catches(cls):
            given = s.exc.args if isinstance(s.exc, ast.Call) else []
            texts = all(isinstance(a, ast.Constant) and isinstance(a.value, str) for a in given)
            self._set_flag(False, cls, name, text, tuple(a.value for a in given) if texts else (Text(),))
        self.leave_unless(False, name, text)
        self.dead = True

    def _said(self, exc) -> tuple[str, str]:
        """Name and text of what is raised."""
        text = ""
        if isinstance(exc, ast.Call):
            text = ", ".join(
                str(a.value) if isinstance(a, ast.Constant) else ast.unparse(a) for a in exc.args
            )
            exc = exc.func
        return ast.unparse(exc).rpartition(".")[2], text

    def _class_raised(self, exc):
        found = self.eval(exc.func if isinstance(exc, ast.Call) else exc)
        found = found.type if isinstance(found, RecordBox) else found
        return found if isinstance(found, type) and issubclass(found, BaseException) else None

    def _text(self, s: ast.Raise, text: str) -> str:
        """What an error of ours says, where it is known while compiling."""
        try:
            return str(self.eval(s.exc.args[0]))
        except (Refusal, AttributeError, IndexError):
            return text

    # ---------------------------------------------------------------------------- numbers of Python's

    def is_python_number(self, *args) -> bool:
        """Whether Python's arithmetic raises for these: none of them is NumPy's."""
        return all(is_scalar(x) and not (isinstance(x, Value) and x in self.of_numpy) for x in args)

    def check_arithmetic(self, op, a, b) -> None:
        """What ``a op b`` of floats raises, where somebody catches it."""
        if not self.catching or not self.is_python_number(a, b) or "f" not in (type_of(a), type_of(b)):
            return
        if isinstance(op, (ast.Div, ast.FloorDiv, ast.Mod)) and self.catches(ZeroDivisionError):
            word = {ast.Div: "float division by zero", ast.Mod: "float modulo"}.get(
                type(op), "float division"
            )
            self.require(self.truth(b), "ZeroDivisionError", word)
        if isinstance(op, ast.Pow):
            self._check_power(a, b)

    def _check_power(self, a, b) -> None:
        less, either = self.builder.op, np.logical_or
        if self.catches(ZeroDivisionError):
            fine = less(either, self.truth(a), less(np.greater_equal, b, 0))
            self.require(fine, "ZeroDivisionError", "0.0 cannot be raised to a negative power")
        if self.catches(OverflowError):
            size = self.apply(np.absolute, [self.apply(np.power, [a, b])])
            infinite = less(np.equal, size, math.inf)
            entered = less(either, self._is_infinite(a), self._is_infinite(b))
            fine = less(either, less(np.logical_not, infinite), entered)
            self.require(fine, "OverflowError", "(34, 'Numerical result out of range')")

    def _is_infinite(self, x):
        return self.builder.op(np.equal, self.apply(np.absolute, [x]), math.inf)

    def check_math(self, fn, args) -> None:
        """What a function of `math` raises, where somebody catches it."""
        if not self.catching or getattr(fn, "__module__", None) != "math" or not all(map(is_scalar, args)):
            return
        op, x = self.builder.op, args[0] if args else 0.0
        if fn in _DOMAINS and self.catches(ValueError):
            low, strict, high = _DOMAINS[fn]
            outside = op(np.less_equal if strict else np.less, x, low)
            if high is not None:
                outside = op(np.logical_or, outside, op(np.greater, x, high))
            self.require(op(np.logical_not, outside), "ValueError", "math domain error")
        if fn in (math.exp, math.expm1, math.cosh, math.sinh) and self.catches(OverflowError):
            size = x if fn in (math.exp, math.expm1) else self.apply(np.absolute, [x])
            fine = op(np.logical_or, op(np.less_equal, size, _LARGEST_EXPONENT), self._is_infinite(x))
            self.require(fine, "OverflowError", "math range error")
        if fn is math.pow:
            self._check_power(args[0], args[1])


_DOMAINS = {  # least argument, whether it is outside, largest
    math.sqrt: (0.0, False, None),
    math.log: (0.0, True, None),
    math.log2: (0.0, True, None),
    math.log10: (0.0, True, None),
    math.log1p: (-1.0, True, None),
    math.asin: (-1.0, False, 1.0),
    math.acos: (-1.0, False, 1.0),
    math.acosh: (1.0, False, None),
    math.atanh: (-1.0, True, 0.9999999999999999),
}
