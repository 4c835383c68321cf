"""Nested containers of the traced program as trees of Python's, and back."""

from __future__ import annotations

import dataclasses

from sciad import tree
from sciad.compiler.fence import Refusal
from sciad.compiler.objects.kinds import Array, DictBox, Host, ListBox, RecordBox

__all__ = ["TracedLeaf", "flatten", "mutable", "plain"]


class TracedLeaf:
    """A leaf of `plain`, so that no container of ours is taken for one of the user's."""

    def __init__(self, value):
        self.value = value


def plain(t, x):
    """Tuples, lists, dicts and records of Python's with `TracedLeaf` leaves."""
    if isinstance(x, ListBox):
        return [plain(t, e) for e in x.items()]
    if isinstance(x, DictBox):
        return {k: plain(t, v) for k, v in x.slots.items()}
    if isinstance(x, RecordBox):
        return _record(x.type, {k: plain(t, v) for k, v in x.slots.items()})
    if isinstance(x, tuple):
        made = [plain(t, e) for e in x]
        return type(x)(*made) if hasattr(x, "_fields") else tuple(made)
    if isinstance(x, Host):
        return _from_outside(t, x)
    if isinstance(x, Array) and x.sequence:
        raise Refusal("a long list as a result", "Return np.array(...) of it.")
    return None if x is None else TracedLeaf(x)


def _record(cls, fields):
    made = object.__new__(cls)
    for k, v in fields.items():
        object.__setattr__(made, k, v)
    return made


def _from_outside(t, x: Host):
    """A captured container, item by item."""
    obj = x.obj
    if isinstance(obj, dict):
        return {k: plain(t, t.captures.member(x, k)) for k in obj}
    if isinstance(obj, tuple) and hasattr(obj, "_fields"):
        return type(obj)(*(plain(t, t.captures.member(x, k)) for k in range(len(obj))))
    if isinstance(obj, list | tuple):
        return type(obj)(plain(t, t.captures.member(x, k)) for k in range(len(obj)))
    if dataclasses.is_dataclass(obj) and not isinstance(obj, type):
        names = [f.name for f in dataclasses.fields(obj)]
        return _record(type(obj), {k: plain(t, t.captures.attribute(x, k)) for k in names})
    return TracedLeaf(x)


def flatten(t, x) -> tuple[list, object]:
    """The leaves of something traced, and its structure."""
    leaves, structure = tree.flatten(plain(t, t.settled(x)))
    return [leaf.value if isinstance(leaf, TracedLeaf) else leaf for leaf in leaves], structure


def mutable(t, x):
    """Containers as the traced program holds them."""
    if isinstance(x, TracedLeaf):
        return x.value
    if isinstance(x, list):
        return t.list(mutable(t, e) for e in x)
    if isinstance(x, tuple):
        made = [mutable(t, e) for e in x]
        return type(x)(*made) if hasattr(x, "_fields") else tuple(made)
    if isinstance(x, dict):
        return t.box({k: mutable(t, v) for k, v in x.items()}, cls=DictBox)
    if (
        dataclasses.is_dataclass(x)
        and not isinstance(x, type)
        and type(x).__module__ != "sciad.compiler.objects.kinds"
    ):
        fields = {f.name: mutable(t, getattr(x, f.name)) for f in dataclasses.fields(x)}
        return t.box(fields, cls=RecordBox, type_=type(x))
    return x


def rebuild(t, structure, leaves):
    """Something traced of this structure."""
    return mutable(t, tree.unflatten(structure, [TracedLeaf(x) for x in leaves]))
