"""Dicts and sets: displays, comprehensions, keys that must be known, items that go."""

from __future__ import annotations

import ast
import enum
import operator

from sciad.compiler.fence import NeedUnroll, Refusal
from sciad.compiler.ir.nodes import Value
from sciad.compiler.objects import subscripts
from sciad.compiler.objects.kinds import UNDEFINED, DictBox, ListBox, SetBox, Text

_SETS = {ast.BitOr: operator.or_, ast.BitAnd: operator.and_, ast.Sub: operator.sub}


class Keyed:
    """Handlers of containers with keys, which are constants."""

    def _dict(self, node):
        made: dict = {}
        for k, v in zip(node.keys, node.values, strict=True):
            if k is None:
                other = self.eval(v)
                made |= {key: self.get_item(other, key) for key in self.keys(other)}
            else:
                made[self.static_key(self.eval(k))] = self.settled(self.eval(v))
        return self.box(made, cls=DictBox)

    def _set(self, node):
        return self.set(self.static_key(v) for v in self._elements(node.elts))

    def set(self, keys) -> SetBox:
        """A set, in the order in which Python goes through it."""
        return self.box(dict.fromkeys(list(set(keys)), True), cls=SetBox)

    def _set_comprehension(self, node):
        found = self._comprehension(ast.copy_location(ast.ListComp(node.elt, node.generators), node))
        return self.set(self.static_key(v) for v in self.items(found))

    def _dict_comprehension(self, node):
        pair = ast.copy_location(ast.Tuple([node.key, node.value], ast.Load()), node)
        found = self._comprehension(ast.copy_location(ast.ListComp(pair, node.generators), node))
        pairs = [self.items(v) for v in self.items(found)]
        return self.box({self.static_key(k): v for k, v in pairs}, cls=DictBox)

    def drop_item(self, owner, key) -> None:
        """``del owner[key]``."""
        if isinstance(owner, ListBox):
            items = owner.items()
            kept = list(items)
            try:
                del kept[self._static_slice(key) if isinstance(key, subscripts.Slice) else key]
            except (IndexError, TypeError) as error:
                raise Refusal(f"{type(error).__name__}: {error}") from None
            self._refill(owner, kept)
        elif isinstance(owner, DictBox):
            key = self.static_key(key)
            if key not in self.keys(owner):
                raise Refusal(f"KeyError: {key!r}")
            self.write(self.own(owner), key, UNDEFINED)
        else:
            raise Refusal(f"`del` of items of {self.describe(owner)}")

    def _refill(self, owner: ListBox, items: list) -> None:
        self.own(owner)
        for k, value in enumerate(items):
            self.write(owner, k, self.settled(value))
        self.write(owner, "len", len(items))

    def static_key(self, key):
        key = self.unwrapped(key)
        if isinstance(key, Text):
            raise NeedUnroll(*Text.refusal)
        if isinstance(key, Value) or not isinstance(
            key, (str, int, bool, float, tuple, type(None), enum.Enum)
        ):
            raise NeedUnroll("a key that is not known while compiling", "Use strings or constants as keys.")
        return key

    def _of_dicts(self, op, a, b):
        """``a | b`` of dicts; the operators of sets."""
        if isinstance(a, SetBox):
            sets = [set(self.keys(x)) for x in (a, b)]
            return self.set(_SETS[type(op)](*sets))
        if not isinstance(op, ast.BitOr):
            raise Refusal("arithmetic on dicts")
        return self.box({k: self.get_item(x, k) for x in (a, b) for k in self.keys(x)}, cls=DictBox)
