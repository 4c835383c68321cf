"""`tree_map` and `tree_leaves` of nested containers: what is a leaf is known while compiling."""

from __future__ import annotations

from sciad import tree
from sciad.compiler.fence import Refusal
from sciad.compiler.functions.lowerings import lower
from sciad.compiler.objects.kinds import DictBox, Host, ListBox, RecordBox


@lower(tree.tree_map)
def _tree_map(t, fn, tree, *others):
    parts = _parts(t, tree)
    if parts is None:
        return t.settled(t.call(fn, [tree, *others], {}))
    rows = [_parts(t, other) for other in others]
    kinds = (_kind(t, tree), list(parts))
    for other, row in zip(others, rows, strict=True):
        if row is None or (_kind(t, other), list(row)) != kinds:
            raise Refusal(
                f"tree_map of containers of different structure: {t.describe(tree)} and {t.describe(other)}"
            )
    made = {key: _tree_map(t, fn, part, *(row[key] for row in rows)) for key, part in parts.items()}
    return _built(t, tree, made)


@lower(tree.tree_leaves)
def _tree_leaves(t, tree):
    return t.list(_leaves(t, tree))


def _leaves(t, x) -> list:
    parts = _parts(t, x)
    if parts is None:
        return [t.settled(x)]
    return [leaf for part in parts.values() for leaf in _leaves(t, part)]


def _parts(t, x) -> dict | None:
    """The children of a container by key, None for a leaf."""
    x = t.unwrapped(x)
    if x is None:
        return {}
    if isinstance(x, RecordBox):
        return {name: t.get_attribute(x, name) for name in x.slots}
    if isinstance(x, tuple):
        return dict(enumerate(x))
    if isinstance(x, DictBox) or (isinstance(x, Host) and isinstance(x.obj, dict)):
        return {key: t.get_item(x, key) for key in t.keys(x)}
    if isinstance(x, ListBox) or (isinstance(x, Host) and isinstance(x.obj, list)):
        return dict(enumerate(t.items(x)))
    return None


def _kind(t, x):
    x = t.unwrapped(x)
    if isinstance(x, RecordBox):
        return x.type
    if isinstance(x, (DictBox, Host)):
        return type(x.obj) if isinstance(x, Host) else dict
    return list if isinstance(x, ListBox) else type(x)


def _built(t, like, made: dict):
    """A container of the kind of `like` with other children."""
    like = t.unwrapped(like)
    if like is None:
        return None
    if isinstance(like, RecordBox):
        return t.box(made, cls=RecordBox, type_=like.type)
    if isinstance(like, tuple):
        return type(like)(*made.values()) if hasattr(like, "_fields") else tuple(made.values())
    if _kind(t, like) is list:
        return t.list(made.values())
    return t.box(made, cls=DictBox)
