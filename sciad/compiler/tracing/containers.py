"""Containers: displays and comprehensions, items, slices, attributes, iteration."""

from __future__ import annotations

import ast
import enum
import inspect
import itertools
from types import FunctionType, ModuleType

import numpy as np

from sciad.compiler import functions
from sciad.compiler.fence import NeedUnroll, Refusal
from sciad.compiler.functions import distributions
from sciad.compiler.ir.builder import type_of
from sciad.compiler.ir.nodes import Block, Value
from sciad.compiler.objects import arrays, subscripts
from sciad.compiler.objects.kinds import (
    UNDEFINED,
    Array,
    Bound,
    Closure,
    Conflict,
    DictBox,
    DictView,
    Frozen,
    Host,
    Iteration,
    ListBox,
    Range,
    RecordBox,
    Tag,
    Text,
    is_array,
    is_scalar,
)
from sciad.compiler.objects.merging import describe
from sciad.compiler.tracing.captures import is_library
from sciad.compiler.tracing.instances import Super
from sciad.compiler.tracing.keyed import Keyed

UNROLLED_ITEMS = 64  # comprehensions of at most this length are lists of separate values


class Containers(Keyed):
    """Handlers of expressions that make containers or look into them."""

    # ----------------------------------------------------------------------------------------------

    def _tuple(self, node):
        return tuple(self._elements(node.elts))

    def _list(self, node):
        return self.list(self.settled(v) for v in self._elements(node.elts))

    def _elements(self, nodes):
        values = self.eval_all([n.value if isinstance(n, ast.Starred) else n for n in nodes])
        out = []
        for n, v in zip(nodes, values, strict=True):
            out.extend(self.items(v) if isinstance(n, ast.Starred) else [v])
        return out

    def _comprehension(self, node):
        generator = node.generators[0]
        source = self.iteration(self.eval(generator.iter))
        with self.scope():
            if len(node.generators) > 1:
                return self._nested_comprehension(node, source)
            if isinstance(source.count, Value) or (source.count > UNROLLED_ITEMS and not source.static):
                if generator.ifs:
                    raise Refusal(
                        "a long comprehension with a condition", "Write a loop that fills an array."
                    )
                return self._filled_by_loop(node, generator.target, source)
            return self.list(
                self._comprehended(generator, source, lambda: [self.settled(self.eval(node.elt))])
            )

    def _comprehended(self, generator, source, items):
        out = []
        for k in itertools.takewhile(source.more, itertools.count()):
            self.bind(generator.target, source.item(k))
            conditions = [self.condition(c) for c in generator.ifs]
            if any(isinstance(c, Value) for c in conditions):
                raise Refusal(
                    "a comprehension whose condition depends on values", "Write a loop that fills an array."
                )
            if all(conditions):
                out.extend(items())
        return out

    def _nested_comprehension(self, node, source):
        first, *rest = node.generators
        if isinstance(source.count, Value) or source.count > UNROLLED_ITEMS:
            raise Refusal("a comprehension over several long ranges", "Write a loop that fills an array.")
        inner = ast.copy_location(ast.ListComp(node.elt, rest), node)
        return self.list(self._comprehended(first, source, lambda: self._comprehension(inner).items()))

    def _filled_by_loop(self, node, target, source: Iteration):
        """A long comprehension: an array of its items, filled by a loop."""
        made = None

        def body(k):
            nonlocal made
            self.bind(target, source.item(k))
            item = self.eval(node.elt)
            if made is None:
                raise _FirstItem(item)
            subscripts.set_item(self, made, k, item)

        try:
            with self.region(Block()):
                body(Value("i", "", 0))
        except _FirstItem as first:
            item = first.item
        if is_array(item):
            if not arrays.static_shape(item.shape):
                raise Refusal("a comprehension of arrays of unknown length") from None
            shape, kind = item.shape, item.kind
        elif is_scalar(item):
            shape, kind = (), type_of(item)
        else:
            raise Refusal(
                f"a long comprehension of {self.describe(item)}", "Write a loop that fills arrays."
            ) from None
        made = arrays.allocate(self, (source.count, *shape), kind)
        self.loop(body, count=source.count, live_head=set(), live=set())
        return Array(made.mem, made.address, made.shape, made.strides, made.alias, kind, sequence=True)

    def _lambda(self, node):
        return self.closure(node)

    def _joined(self, node):
        parts = []
        for value in node.values:
            if isinstance(value, ast.Constant):
                parts.append(str(value.value))
                continue
            x = self.unwrapped(self.eval(value.value))
            spec = self._joined(value.format_spec) if value.format_spec else ""
            if type(x) not in (str, int, bool, float, type(None)) or type(spec) is not str:
                parts.append(Text())
                continue
            x = {115: str, 114: repr, 97: ascii}.get(value.conversion, lambda v: v)(x)
            parts.append(format(x, spec))
        return Text() if any(isinstance(p, Text) for p in parts) else "".join(parts)

    # ------------------------------------------------------------------------------------------- su

    def _subscript(self, node):
        owner = self.eval(node.value)
        return self.get_item(owner, self.subscript(node.slice))

    def subscript(self, node):
        if isinstance(node, ast.Slice):
            parts = [None if p is None else self.unwrapped(self.eval(p)) for p in (node.lower, node.upper)]
            if isinstance(node.step, ast.Constant):
                return subscripts.Slice(*parts, node.step.value)  # complex in np.r_[0:1:5j]
            return subscripts.Slice(
                *parts, None if node.step is None else self.unwrapped(self.eval(node.step))
            )
        if isinstance(node, ast.Tuple):
            return tuple(self.subscript(e) for e in node.elts)
        return self.unwrapped(self.eval(node))

    def get_item(self, owner, key):
        owner = self.unwrapped(owner)
        keys = key if isinstance(key, tuple) else (key,)
        if is_scalar(owner) and all(k is None or k is Ellipsis for k in keys):
            added = sum(k is None for k in keys)
            return arrays.small(self, (1,) * added, [owner], type_of(owner)) if added else owner
        if is_array(owner):
            found = subscripts.get_item(self, owner, key)
            if isinstance(found, Value):
                self.of_numpy.add(found)
            return found
        if isinstance(owner, (ListBox, tuple)):
            items = owner.items() if isinstance(owner, ListBox) else owner
            if isinstance(key, subscripts.Slice):
                picked = items[self._static_slice(key)]
                return self.list(picked) if isinstance(owner, ListBox) else tuple(picked)
            return self._item(items, key)
        if isinstance(key, Tag):
            return self.by_tag(key, lambda option: self.get_item(owner, option))
        if isinstance(owner, DictBox):
            key = self.static_key(key)
            if key not in self.keys(owner):
                self.fail("KeyError", repr(key))
            return self._readable(owner.slots[key])
        if isinstance(owner, Host) and self.special(owner, "__getitem__") is None:
            if isinstance(key, subscripts.Slice):
                return self.list(self.items(owner)[self._static_slice(key)])
            if isinstance(key, Value):
                return self._item(self.items(owner), key)
            return self.captures.member(owner, key)
        if isinstance(owner, Range) and is_scalar(key):
            return self.builder.op(np.add, owner.start, self.builder.op(np.multiply, key, owner.step))
        if isinstance(owner, str) and isinstance(key, (int, subscripts.Slice)):
            return owner[key if isinstance(key, int) else self._static_slice(key)]
        method = self.special(owner, "__getitem__")
        if method is not None:
            return self.call(method, [key], {})
        if functions.has_method(owner, "__getitem__"):
            return self.call_method(owner, "__getitem__", [key], {})
        if isinstance(owner, Text):
            raise NeedUnroll(*Text.refusal)
        raise Refusal(f"{self.describe(owner)} cannot be indexed")

    def _item(self, items, key):
        if isinstance(key, Value):
            raise NeedUnroll(
                "a list or tuple is indexed by a value not known while compiling",
                "Make it an array with np.array(...).",
            )
        try:
            return self._readable(items[key])
        except (IndexError, TypeError) as error:
            self.fail(type(error).__name__, str(error))

    def _readable(self, value):
        if isinstance(value, Conflict):
            raise Refusal(value.message)
        return value

    def _static_slice(self, key):
        parts = (key.start, key.stop, key.step)
        if any(isinstance(p, Value) for p in parts):
            raise NeedUnroll(
                "a slice of a list with bounds not known while compiling",
                "Make it an array with np.array(...).",
            )
        return slice(*parts)

    def set_item(self, owner, key, value) -> None:
        if is_array(owner):
            value = self.as_array(value) if isinstance(value, (ListBox, tuple, Host)) else value
            if not (is_scalar(value) or is_array(value)):
                raise Refusal(f"an array is set to {self.describe(value)}")
            subscripts.set_item(self, owner, key, value)
        elif isinstance(owner, ListBox):
            n = owner.slots["len"]
            if isinstance(key, Value) or isinstance(n, Value):
                raise NeedUnroll(
                    "a list is written at a place not known while compiling", "Use an array made by np.empty."
                )
            if isinstance(key, subscripts.Slice):
                kept = list(owner.items())
                kept[self._static_slice(key)] = self.items(value)
                self._refill(owner, kept)
                return
            if not isinstance(key, int) or not -n <= key < n:
                raise Refusal("only existing single items of a list are assigned")
            self.write(self.own(owner), key % n, self.settled(value))
        elif isinstance(owner, DictBox):
            self.write(self.own(owner), self.static_key(key), self.settled(value))
        elif self.special(owner, "__setitem__") is not None:
            self.call(self.special(owner, "__setitem__"), [key, value], {})
        elif isinstance(owner, Host):
            raise Refusal(
                "writing into an object from outside of the function", "Make a copy and write into that."
            )
        else:
            raise Refusal(f"items of {self.describe(owner)} cannot be assigned")

    def own(self, box):
        """`box`, if no other name can see the write through a merge of control flow."""
        if self.shared(box):
            raise Refusal(
                "a list or dict that is another one on another path is changed",
                "Change it before the paths meet.",
            )
        return box

    def _attribute(self, node):
        return self.get_attribute(self.eval(node.value), node.attr)

    def get_attribute(self, owner, name: str):
        if isinstance(owner, enum.Enum) or (isinstance(owner, type) and not is_library(owner)):
            return self._object_attribute(owner, name)
        if isinstance(owner, Tag):
            return self.tag_attribute(owner, name)
        if is_array(owner) or is_scalar(owner):
            return self.array_attribute(owner, name)
        if isinstance(owner, Host):
            if isinstance(owner.obj, (dict, list)) and callable(getattr(owner.obj, name, None)):
                return Bound("method", (owner, name))
            made = distributions.thawed(self, owner)
            return self.captures.attribute(owner, name) if made is None else self.get_attribute(made, name)
        if isinstance(owner, Frozen):
            return distributions.method(self, owner, name)
        if isinstance(owner, RecordBox):
            return self._instance_attribute(owner, name)
        if isinstance(owner, Super):
            return self.super_attribute(owner, name)
        if isinstance(owner, tuple) and name in getattr(owner, "_fields", ()):
            return getattr(owner, name)
        if (
            isinstance(owner, tuple)
            and type(owner) is not tuple
            and not hasattr(tuple, name)
            and (not name.startswith("_"))
        ):
            return self.record_attribute(owner, name, type(owner))
        if isinstance(owner, ModuleType):
            try:
                found = getattr(owner, name)
            except AttributeError:
                raise Refusal(f"module {owner.__name__} has no attribute {name!r}") from None
            if isinstance(found, (int, float)):  # math.pi, which someone may set to something else
                self.captures.guard(self.captures.constant(owner).attr(name), "is", found)
            if isinstance(found, FunctionType) and found.__module__.startswith("sciad."):
                return self.captures.callable(found, self.captures.own(found))
            return float(found) if isinstance(found, np.floating) else found
        if isinstance(owner, (ListBox, DictBox, tuple, str)):
            return Bound("method", (owner, name))
        if isinstance(owner, np.ufunc):
            return Bound("method", (owner, name))
        if isinstance(owner, (type, np.dtype, np.random.Generator)) or callable(owner):
            found = getattr(owner, name, None)
            if found is not None:
                return found
        raise Refusal(f"attribute {name!r} of {self.describe(owner)}")

    def _instance_attribute(self, owner: RecordBox, name: str):
        if name == "__class__":
            return owner.type
        refused = getattr(owner.type, "not_in_programs", {}).get(name)
        if refused is not None:
            raise Refusal(*refused)
        value = owner.slots.get(name, UNDEFINED)
        if isinstance(inspect.getattr_static(owner.type, name, None), property) or value is UNDEFINED:
            if name in owner.slots and not hasattr(owner.type, name):
                raise Refusal(
                    f"attribute {name!r} of a {owner.type.__name__} may not be set",
                    f"Set {name} on every path, best in __init__.",
                )
            return self.record_attribute(owner, name)
        return self._readable(value)

    def _object_attribute(self, owner, name: str):
        """An attribute of a class of the user's or of a member of an enumeration."""
        if isinstance(owner, type):
            return self.captures.class_attribute(owner, name)
        return self.captures.attribute(Host(owner, self.captures.constant(owner)), name)

    def set_attribute(self, owner, name: str, value) -> None:
        if not isinstance(owner, RecordBox):
            raise Refusal(
                f"assignment to attribute {name!r} of {self.describe(owner)}", "Return the new value instead."
            )
        self.set_record_attribute(owner, name, value)

    # ----------------------------------------------------------------------------------------------

    def describe(self, x) -> str:
        if isinstance(x, Host):
            return f"a {type(x.obj).__name__} from outside of the function"
        if isinstance(x, Closure) or callable(x):
            return f"the function {getattr(x, '__name__', getattr(getattr(x, 'source', None), 'name', x))}"
        return describe(x)

    def unwrapped(self, x):
        """NumPy's scalar constants and numbers of enumerations as Python's."""
        if isinstance(x, np.generic):
            return x.item()
        if isinstance(x, enum.Enum) and isinstance(x, (int, float, str)):
            return x.value
        return x

    def items(self, x, expected: int | None = None) -> list:
        """The items of something whose length is known, for unpacking and writing out."""
        if isinstance(x, ListBox):
            return [self._readable(v) for v in x.items()]
        if isinstance(x, (tuple, list)):
            return list(x)
        source = self.iteration(x)
        if isinstance(source.count, Value):
            if expected is None:
                raise Refusal("a length that is not known while compiling")
            self.require(
                self.builder.op(np.equal, source.count, expected),
                "ValueError",
                "wrong number of values to unpack",
            )
            return [source.item(k) for k in range(expected)]
        if expected is not None and source.count != expected:
            raise Refusal(f"cannot unpack {source.count} values into {expected} names")
        return [source.item(k) for k in range(source.count)]

    def iteration(self, x) -> Iteration:
        """`x` as something to loop over."""
        if isinstance(x, Iteration):
            return x
        if isinstance(x, Range):
            return self._range_iteration(x)
        if is_array(x):
            if not x.shape:
                raise Refusal("a loop over a number")
            x = arrays.force(self, x)
            return Iteration(x.shape[0], lambda k: subscripts.get_item(self, x, k))
        if isinstance(x, (ListBox, tuple)):
            count = len(x.items() if isinstance(x, ListBox) else x)
            if isinstance(x, ListBox):
                return Iteration(count, lambda k: self._item(x.items(), k), True, lambda k: self._holds(x, k))
            return Iteration(count, lambda k: self._item(x, k), static=True)
        if isinstance(x, (DictBox, DictView)):
            owner = x.owner if isinstance(x, DictView) else x
            of_key = x.item if isinstance(x, DictView) else lambda key: key
            keys = self.keys(owner)
            return Iteration(len(keys), lambda k: of_key(keys[k]), True, lambda k: self._kept(owner, keys, k))
        if isinstance(x, str):
            return Iteration(len(x), lambda k: x[k], static=True)
        if isinstance(x, Host) and isinstance(x.obj, dict):
            keys = list(x.obj)
            return Iteration(len(keys), lambda k: self._item(keys, k), static=True)
        if isinstance(x, Host) and isinstance(x.obj, (list, tuple)):
            return Iteration(len(x.obj), lambda k: self.captures.member(x, k), static=True)
        method = self.special(x, "__iter__")
        if method is not None:
            return self.iteration(self.call(method, [], {}))
        if isinstance(x, type) and issubclass(x, enum.Enum):
            members = list(x)
            return Iteration(len(members), lambda k: self._item(members, k), static=True)
        raise Refusal(
            f"a loop over {self.describe(x)}", "Loop over range(...), an array, a list, enumerate or zip."
        )

    def _holds(self, x: ListBox, k: int) -> bool:
        """Whether a list that is looped over has a k-th item now."""
        length = x.slots["len"]
        if isinstance(length, Value):
            raise Refusal(
                "a loop over a list whose length changes meanwhile by a condition on values",
                "Loop over a copy, list(...), and collect what is new in another list.",
            )
        return k < length

    def _kept(self, owner, keys: list, k: int) -> bool:
        if self.keys(owner) != keys:
            raise Refusal(
                "a loop over a dict that gets or loses keys meanwhile (a RuntimeError of Python's)",
                "Loop over list(...) of it.",
            )
        return k < len(keys)

    def _range_iteration(self, r: Range) -> Iteration:
        op = self.builder.op
        gap = self.operand(self.affine(r.stop) + self.affine(r.start) * -1)
        if r.step < 0:
            gap = op(np.negative, gap)
        step = abs(r.step)
        count = gap if step == 1 else op(np.floor_divide, op(np.add, gap, step - 1), step)
        if (count.low if isinstance(count, Value) else count) < 0:
            count = op(np.maximum, count, 0)
        return Iteration(count, lambda k: op(np.add, op(np.multiply, k, r.step), r.start))


class _FirstItem(Exception):
    def __init__(self, item):
        self.item = item
