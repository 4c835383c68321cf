"""Two values of one variable made into one, wherever control flow meets."""

from __future__ import annotations

import enum
from collections.abc import Callable

from sciad.compiler.fence import NeedPeel, NeedUnroll, Restart
from sciad.compiler.ir.builder import type_of
from sciad.compiler.ir.nodes import Address, Value
from sciad.compiler.objects.kinds import (
    UNDEFINED,
    Array,
    Closure,
    Conflict,
    DictBox,
    Function,
    Host,
    ListBox,
    RecordBox,
    SetBox,
    Small,
    Tag,
    Text,
    is_array,
    is_scalar,
)


class Merge:
    """``merge(a, b, name)``: the common structure of `a` and `b`, with ``leaf(x, y)`` in place of their
    numbers.

    Returns `a` itself if no leaf changed.  `arms` tell what boxes hold on either side.  `address(address,
    side)` gives an address as an operand.  A `mode` says that the left side is what a loop assumes at its
    head ("fits": compare it with the end of the body; "collect": visit only; "final": rebuild); leaves
    are then always asked.
    """

    def __init__(
        self, state, arms, leaf: Callable, address: Callable | None = None, mode: str = "", owner=None
    ):
        self.state, self.arms, self.leaf, self.mode, self.name = state, arms, leaf, mode, ""
        self.address = address or self._placed
        self.owner = owner  # the loop or branch
        self._leaves: dict = {}
        self._boxes: dict = {}

    def is_own(self, box) -> bool:
        """Whether the box stands for what this very loop carries; to an inner loop it is like any other."""
        return box.is_param is not None and box.is_param is self.owner

    def __call__(self, a, b, name=""):
        self.name = name if isinstance(name, str) else ""
        return self.merge(a, b)

    def merge(self, a, b):
        if a is UNDEFINED and b is UNDEFINED:
            return a
        if isinstance(a, Conflict) or isinstance(b, Conflict):
            return a if isinstance(a, Conflict) else b
        x = b if a is UNDEFINED else a
        other = a if a is UNDEFINED else b
        if _is_tag(x) and (other is UNDEFINED or _is_tag(other)):
            return _tag(self, a, b)
        if is_scalar(x) and (other is UNDEFINED or is_scalar(other)):
            return self.scalar(a, b)
        if isinstance(x, Text) and isinstance(other, (Text, str)):
            return a if isinstance(a, Text) else b
        if other is not UNDEFINED and type(x) is not type(other):
            if isinstance(x, str) and isinstance(other, Text):
                return b if x is a else a
            if is_array(x) and is_array(other):
                self.settle(x, other)
            return self.conflict(a, b)
        handler = _HANDLERS.get(type(x)) or (_tuple if isinstance(x, tuple) else _static)
        return handler(self, a, b)

    def scalar(self, a, b):
        if not self.mode and same(a, b):
            return a
        key = tuple(id(x) if isinstance(x, Value) or x is UNDEFINED else (type(x), repr(x)) for x in (a, b))
        if key not in self._leaves or self.mode == "fits":  # there equal now need not mean equal later
            made = self.leaf(a, b)
            if isinstance(made, Value) and not made.name:
                made.name = self.name
            self._leaves[key] = (made, a, b)
        return self._leaves[key][0]

    def settle(self, a, b):
        """Arrays kept in different ways: have them in one memory."""
        decisions = {}
        for x in (a, b):
            if isinstance(x, Small):
                decisions |= dict.fromkeys(x.box.sites, "memory")
            elif isinstance(x, Array) and x.mem != "T" and a.__class__ is b.__class__:
                decisions[x.site] = "copy"
        if decisions:
            raise Restart(decisions)

    def conflict(self, a, b):
        if self.mode == "fits" and a is None and self.owner.peelable:
            raise NeedPeel
        return Conflict(f"{self.name or 'this'} is {describe(a)} on one path and {describe(b)} on another")

    def boxed(self, left, right, keys, make):
        """The box with the merged contents of two; memoised, so that aliases stay aliases.

        `keys` are triples: key in `left`, key in `right`, key in the box ``make(values)`` returns.
        """
        memo = (id(left), id(right), tuple(keys))
        if memo not in self._boxes:
            values, changed = {}, False
            for p, q, k in keys:
                x = (
                    UNDEFINED
                    if left is UNDEFINED
                    else left.slots[p]
                    if self.mode
                    else self.arms[0].read(left, p)
                )
                y = UNDEFINED if right is UNDEFINED else self.arms[1].read(right, q)
                values[k] = self.merge(x, y)
                changed = changed or values[k] is not x
            keep = self.mode == "collect" or (
                self.mode == "fits" and not changed and left is not UNDEFINED and left.is_param is self.owner
            )
            made = left
            if not keep:
                made = make(values)
                made.is_param = self.owner if self.mode == "fits" else None
                made.kin = tuple(x for x in (left, right) if x is not UNDEFINED)
                for x in made.kin:
                    x.kin = (*x.kin, made)
            self._boxes[memo] = (made, left, right)
        return self._boxes[memo][0]

    def _placed(self, address: Address, side: int):
        with self.state.builder.into(self.arms[side].block):
            return self.state.operand(address)


def _is_tag(x) -> bool:
    return isinstance(x, (str, Tag)) or (isinstance(x, enum.Enum) and not is_scalar(x))


def _tag(m: Merge, a, b):
    """One of several constants: the number of it is what control flow decides."""
    if a is UNDEFINED or b is UNDEFINED:
        x = b if a is UNDEFINED else a
        if not isinstance(x, Tag):
            return x
        index = m.scalar(*(UNDEFINED if y is UNDEFINED else y.index for y in (a, b)))
        return a if a is x and index is x.index else Tag(index, x.options)
    if not isinstance(a, Tag) and not isinstance(b, Tag) and type(a) is type(b) and a == b:
        return a
    sides = [y.index if isinstance(y, Tag) else m.state.tag_number(y) for y in (a, b)]
    options = frozenset().union(*(y.options if isinstance(y, Tag) else {y} for y in (a, b)))
    index = m.scalar(*sides)
    if isinstance(a, Tag) and index is a.index and options == a.options:
        return a
    return Tag(index, options)


def _array(m: Merge, a, b):
    if a is UNDEFINED or b is UNDEFINED:
        x = b if a is UNDEFINED else a
    else:
        x = a
        if a.mem != b.mem:
            m.settle(a, b)
        if a.kind != b.kind or len(a.shape) != len(b.shape) or a.mem != b.mem:
            return m.conflict(a, b)
        if a.alias != b.alias:
            m.state.program.union(a.alias, b.alias)
    name = m.name
    sides = [None if y is UNDEFINED else y.address for y in (a, b)]
    if None not in sides and sides[0].key() == sides[1].key() and _single(sides[0]) is None:
        address = x.address
    else:
        m.name = f"{name}_at" if name else "at"
        ends = [_end(m, s, k) for k, s in enumerate(sides)]
        place = m.scalar(*ends)
        _note_base(m, place, ends)
        address = x.address if place is ends[0] and a is not UNDEFINED else m.state.affine(place)
        m.name = name

    def entries(field):
        mine, theirs = ([UNDEFINED] * len(x.shape) if y is UNDEFINED else getattr(y, field) for y in (a, b))
        made = tuple(m.scalar(p, q) for p, q in zip(mine, theirs, strict=True))
        return (
            getattr(x, field) if all(p is q for p, q in zip(made, getattr(x, field), strict=True)) else made
        )

    shape, strides = entries("shape"), entries("strides")
    if a is not UNDEFINED and address is a.address and shape is a.shape and strides is a.strides:
        return a
    return Array(x.mem, address, shape, strides, x.alias, x.kind, x.site, x.sequence)


def _small(m: Merge, a, b):
    if a is not UNDEFINED and b is not UNDEFINED:
        if a.shape != b.shape:
            m.settle(a, b)
            return m.conflict(a, b)
        if a.box is b.box and a.cells == b.cells and not m.is_own(a.box):
            return a
    x = b if a is UNDEFINED else a
    missing = [UNDEFINED] * len(x.cells)
    left, right = (missing if y is UNDEFINED else y.cells for y in (a, b))
    boxes = [y if y is UNDEFINED else y.box for y in (a, b)]
    sites = frozenset().union(*(y.sites for y in boxes if y is not UNDEFINED))
    order = tuple(range(len(x.cells)))
    box = m.boxed(
        *boxes, list(zip(left, right, order, strict=True)), lambda values: m.state.box(values, sites)
    )
    if box is boxes[0]:
        return a
    kind = x.kind if a is UNDEFINED or b is UNDEFINED or a.kind == b.kind else "f"
    return Small(box, x.shape, order, kind)


def _list(m: Merge, a, b):
    if a is b and not m.is_own(a):
        return a
    lengths = [m.arms[k].read(y, "len") for k, y in enumerate((a, b)) if y is not UNDEFINED]
    if not all(isinstance(n, int) and n == lengths[0] for n in lengths):
        if m.mode:
            raise NeedUnroll(
                "a list changes its length in a loop", "Fill an array made by np.empty before the loop."
            )
        return Conflict(f"{m.name or 'the list'} has a different length on different paths")
    keys = [(k, k, k) for k in range(lengths[0])]
    return m.boxed(a, b, keys, lambda values: m.state.list(values.values()))


def _dict(m: Merge, a, b):
    if a is b and not m.is_own(a):
        return a
    x = b if a is UNDEFINED else a
    if isinstance(x, RecordBox) and any(y is not UNDEFINED and y.type is not x.type for y in (a, b)):
        return m.conflict(a, b)
    keys = list(x.slots)
    if any(list(y.slots) != keys for y in (a, b) if y is not UNDEFINED):
        return Conflict(f"{m.name or 'the dict'} has different keys on different paths")

    def make(values):
        if isinstance(x, RecordBox):
            return m.state.box(values, cls=RecordBox, type_=x.type)
        return m.state.box(values, cls=type(x))

    return m.boxed(a, b, [(k, k, k) for k in keys], make)


def _tuple(m: Merge, a, b):
    x = b if a is UNDEFINED else a
    missing = (UNDEFINED,) * len(x)
    left, right = (missing if y is UNDEFINED else y for y in (a, b))
    if len(left) != len(right):
        return m.conflict(a, b)
    made = [m.merge(p, q) for p, q in zip(left, right, strict=True)]
    if a is not UNDEFINED and all(p is q for p, q in zip(made, a, strict=True)):
        return a
    return type(x)(*made) if hasattr(x, "_fields") else tuple(made)


def _static(m: Merge, a, b):
    if a is UNDEFINED or b is UNDEFINED:
        return b if a is UNDEFINED else a
    if isinstance(a, (Host, Function)):
        equal = a.path == b.path
    elif isinstance(a, Text):
        equal = True
    elif isinstance(a, Closure):
        equal = a.source is b.source and a.frame is b.frame
    else:
        equal = a is b or (isinstance(a, (str, bytes)) and a == b)
    return a if equal else m.conflict(a, b)


_HANDLERS = {Array: _array, Small: _small, ListBox: _list, DictBox: _dict, RecordBox: _dict, SetBox: _dict}


def _note_base(m: Merge, place, ends) -> None:
    """Tell `bases` where an offset comes from."""
    bases = m.state.bases
    first, second = (None if e is UNDEFINED else e for e in ends)
    if m.mode == "fits":
        if place is not first:
            bases.carried(place, m.owner, first)
        bases.returns(place, second)
    elif m.mode == "final" and place is not first:
        bases.left(place, m.owner, first)
    elif not m.mode and place is not first and place is not second:
        bases.met(place, m.owner, first, second)


def _end(m: Merge, address: Address | None, side: int):
    if address is None:
        return UNDEFINED
    one = _single(address)
    return m.address(address, side) if one is None else one


def _single(address: Address) -> Value | None:
    """The one value an address consists of, if it does."""
    if address.const == 0 and len(address.terms) == 1 and address.terms[0][0] == 1:
        return address.terms[0][1]
    return None


def same(a, b) -> bool:
    if isinstance(a, Value) or isinstance(b, Value) or a is UNDEFINED or b is UNDEFINED:
        return a is b
    return type(a) is type(b) and (a == b or (a != a and b != b)) and repr(a) == repr(b)


def describe(x) -> str:
    """What kind of thing a user would say `x` is."""
    if is_scalar(x):
        return {"f": "a number", "i": "an integer", "b": "a truth value"}[type_of(x)]
    if is_array(x):
        return f"an array of shape {tuple('?' if isinstance(n, Value) else n for n in x.shape)}"
    names = {
        ListBox: "a list",
        DictBox: "a dict",
        SetBox: "a set",
        tuple: "a tuple",
        Text: "a text",
        str: "a text",
        type(None): "None",
    }
    return names.get(type(x)) or getattr(x, "described", None) or f"a {type(x).__name__}"
