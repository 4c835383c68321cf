"""Comparisons: of numbers and arrays elementwise, of anything else as Python compares it or not at all."""

from __future__ import annotations

import ast
import enum

import numpy as np

from sciad.compiler.fence import Refusal
from sciad.compiler.objects import arrays
from sciad.compiler.objects.kinds import (
    ARRAYS,
    Bound,
    Box,
    Closure,
    DictBox,
    Function,
    Host,
    ListBox,
    RecordBox,
    Tag,
    is_array,
    is_scalar,
)

_COMPARISONS = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}


class Comparisons:
    """Meaning of ``==``, ``is``, ``in`` and the orders."""

    def compare(self, op, a, b):
        if isinstance(op, (ast.Is, ast.IsNot)):
            if any(isinstance(x, Tag) for x in (a, b)):
                found = self._same_tags(a, b)
                return found if isinstance(op, ast.Is) else self.negate(found)
            return self._same(a, b) == isinstance(op, ast.Is)
        if isinstance(op, (ast.In, ast.NotIn)):
            found = self._contains(b, a)
            return found if isinstance(op, ast.In) else self.negate(found)
        fn = _COMPARISONS[type(op)]
        found = self.compare_objects(op, a, b)
        if found is not NotImplemented:
            return found
        if all(is_scalar(x) or is_array(x) for x in (a, b)):
            return arrays.elementwise(self, fn, a, b)
        if isinstance(op, (ast.Eq, ast.NotEq)):
            equal = self._equal(a, b)
            return equal if isinstance(op, ast.Eq) else self.negate(equal)
        if all(isinstance(x, _SEQUENCES) for x in (a, b)) and type(a) is type(b):
            return self._ordered(op, self.items(a), self.items(b))
        if all(isinstance(x, str) for x in (a, b)):
            return {ast.Lt: a < b, ast.LtE: a <= b, ast.Gt: a > b, ast.GtE: a >= b}[type(op)]
        raise Refusal(f"comparison of {self.describe(a)} and {self.describe(b)}")

    def _ordered(self, op, a: list, b: list):
        """The order of sequences: that of the first items that differ."""
        if not a or not b:
            sizes = (len(a), len(b))
            return {ast.Lt: sizes[0] < sizes[1], ast.LtE: not a, ast.Gt: sizes[0] > sizes[1], ast.GtE: not b}[
                type(op)
            ]
        equal = self.truth(self.compare(ast.Eq(), a[0], b[0]))
        first = self.truth(self.compare(op, a[0], b[0]))
        rest = self.truth(self._ordered(op, a[1:], b[1:]))
        return self.builder.op(
            np.logical_or,
            self.builder.op(np.logical_and, equal, rest),
            self.builder.op(np.logical_and, self.negate(equal), first),
        )

    def _same_tags(self, a, b):
        options = [o for x in (a, b) for o in (x.options if isinstance(x, Tag) else [x])]
        if any(isinstance(o, str) and not isinstance(o, enum.Enum) for o in options):
            raise Refusal("`is` on texts", "Compare with ==.")
        return self.equal_tags(a, b)

    def _same(self, a, b) -> bool:
        """``a is b``."""
        if a is None or b is None:
            return a is b
        if _distinct(a, b) or _distinct(b, a):
            return False
        if any(is_scalar(x) or isinstance(x, tuple) for x in (a, b)) and not all(
            isinstance(x, bool) for x in (a, b)
        ):
            raise Refusal("`is` on numbers or tuples", "Compare with ==.")
        if is_array(a) and is_array(b) and a is not b:
            raise Refusal("`is` on arrays", "Keep a flag that says which one it is.")
        objects = [self._outer_object(x) for x in (a, b)]
        self.told_apart(*objects)
        return objects[0] is objects[1]

    def told_apart(self, a, b) -> None:
        """Refuse to say whether two objects are one, where control flow has made a third of them."""
        if isinstance(a, Box) and isinstance(b, Box) and a is not b and (a.kin or b.kin):
            raise Refusal("whether two objects are one depends on values", "Compare what they hold.")

    def _outer_object(self, x):
        """The object itself that something captured stands for; the trace serves that one only."""
        if isinstance(x, (Host, Function)):
            found = x.obj if isinstance(x, Host) else x.fn
            self.captures.guard(x.path, "is", found)
            return found
        return x

    def _equal(self, a, b):
        """``a == b`` where not both are numbers or arrays."""
        if isinstance(a, Tag) or isinstance(b, Tag):
            return self.equal_tags(a, b)
        if isinstance(a, enum.Enum) or isinstance(b, enum.Enum):
            if type(a).__eq__ is enum.Enum.__eq__ or type(a).__eq__ is object.__eq__ or a is b:
                return a is b
        elif isinstance(a, DictBox) and isinstance(b, DictBox):
            return self._equal_dicts(a, b)
        elif all(isinstance(x, _SEQUENCES) or _is_host(x, (list, tuple)) for x in (a, b)):
            return self._equal_items(a, b)
        elif all(isinstance(x, _SIMPLE) for x in (a, b)):
            return bool(a == b)
        elif any(isinstance(x, (str, type(None), type, np.dtype)) for x in (a, b)) and not any(
            is_array(x) or isinstance(x, (Host, RecordBox)) for x in (a, b)
        ):
            return False
        objects = [self._outer_object(x) for x in (a, b)]
        if all(_by_identity(x) for x in objects):
            return objects[0] is objects[1]
        raise Refusal(
            f"comparison of {self.describe(a)} and {self.describe(b)}", "Compare the numbers they hold."
        )

    def _equal_dicts(self, a, b):
        if type(a) is not type(b) or set(self.keys(a)) != set(self.keys(b)):
            return False
        pairs = [(self.get_item(a, k), self.get_item(b, k)) for k in self.keys(a)]
        return self._equal_items(tuple(p[0] for p in pairs), tuple(p[1] for p in pairs))

    def _equal_items(self, a, b):
        kinds = [list if isinstance(x, ListBox) or _is_host(x, list) else tuple for x in (a, b)]
        first, second = self.items(a), self.items(b)
        if kinds[0] is not kinds[1] or len(first) != len(second):
            return False
        result = True
        for x, y in zip(first, second, strict=True):
            one = self.compare(ast.Eq(), self.unwrapped(x), self.unwrapped(y))
            if is_array(one):
                raise Refusal("comparison of containers of arrays", "Compare the arrays they hold.")
            result = self.builder.op(np.logical_and, result, one)
        return result

    def _contains(self, container, x):
        if isinstance(container, DictBox) or _is_host(container, dict):
            if isinstance(x, Tag):
                return self.by_tag(x, lambda key: key in self.keys(container))
            x = self.static_key(x)
            return x in self.keys(container)
        if isinstance(container, str):
            return x in container
        result = False
        for item in self.items(container):
            one = self.compare(ast.Eq(), x, item)
            result = self.builder.op(np.logical_or, result, one)
        return result


def _is_host(x, cls) -> bool:
    return isinstance(x, Host) and isinstance(x.obj, cls)


def _distinct(a, b) -> bool:
    """Whether these cannot be one object: an array and a truth value, a number and something else."""
    if is_array(a):
        return not is_array(b)
    return is_scalar(a) and not is_scalar(b) and not is_array(b)


def _by_identity(x) -> bool:
    """Whether ``==`` of it and another object asks for identity."""
    if isinstance(x, (Box, tuple, *ARRAYS)):
        return False
    return isinstance(x, (Closure, Bound)) or type(x).__eq__ is object.__eq__


_SIMPLE = (str, type(None), int, bool, float, type, np.dtype)
_SEQUENCES = (ListBox, tuple)
