"""Nested containers of numbers: tuple, list, dict, NamedTuple and dataclass, flattened to leaves and rebuilt.

A leaf is anything that is not one of these containers.  `None` is an empty container, so an optional part
of a structure may be left out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

LEAF = None  # the structure of a leaf: compared by identity on the fast paths

_LEAF_TYPES = {np.ndarray, float, int, complex, bool, str, bytes, np.float64, np.float32, np.int64, np.bool_}


def flatten(tree: Any) -> tuple[list, Any]:
    """Split a nested structure into its leaves and its structure.

    Returns
    -------
    leaves : list
        In order; dictionaries by insertion order of their keys.
    structure : hashable when the keys are
        Compare with ``==``; give it to `unflatten`.

    Examples
    --------
    >>> leaves, structure = flatten({"a": 1.0, "b": (2.0, [3.0])})
    >>> leaves
    [1.0, 2.0, 3.0]
    >>> unflatten(structure, [10 * x for x in leaves])
    {'a': 10.0, 'b': (20.0, [30.0])}
    """
    cls = tree.__class__
    if (cls is tuple or cls is list) and _LEAF_TYPES.issuperset(map(type, tree)):
        return list(tree), (cls, None, (LEAF,) * len(tree))
    leaves: list = []
    return leaves, _flatten(tree, leaves)


def unflatten(structure: Any, leaves) -> Any:
    """Build the nested structure again, with these leaves."""
    return _build(structure, iter(leaves))


def tree_map(fn: Callable, tree: Any, *others: Any) -> Any:
    """Apply `fn` to the leaves of one or several trees of the same structure."""
    leaves, structure = flatten(tree)
    columns = [leaves]
    for other in others:
        more, found = flatten(other)
        if found != structure:
            raise ValueError(f"trees of different structure: {describe(structure)} and {describe(found)}")
        columns.append(more)
    return unflatten(structure, [fn(*row) for row in zip(*columns, strict=True)])


def register_leaf(cls: type) -> None:
    """Name a class whose instances are leaves, so that they are recognised at once."""
    _LEAF_TYPES.add(cls)


def tree_leaves(tree: Any) -> list:
    """Return the leaves of a nested structure, in order."""
    return flatten(tree)[0]


def paths(tree: Any, prefix: str = "") -> list[str]:
    """Name each leaf as one would write it in Python: ``['a'][0].rate``."""
    named = children(tree)
    if named is None:
        return [prefix]
    return [path for suffix, child in named for path in paths(child, prefix + suffix)]


def children(tree: Any) -> list[tuple[str, Any]] | None:
    """Return ``(suffix, child)`` pairs of a container, None for a leaf."""
    if tree is None:
        return []
    if isinstance(tree, dict):
        return [(f"[{key!r}]", child) for key, child in tree.items()]
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return [(f".{name}", child) for name, child in zip(tree._fields, tree, strict=True)]
    if isinstance(tree, (tuple, list)):
        return [(f"[{i}]", child) for i, child in enumerate(tree)]
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        return [(f".{f.name}", getattr(tree, f.name)) for f in dataclasses.fields(tree)]
    return None


def describe(structure: Any) -> str:
    """Write a structure for an error message, leaves as ``*``."""
    if structure is LEAF:
        return "*"
    return repr(_build(structure, iter(lambda: _STAR, None)))


class _Star:
    def __repr__(self) -> str:
        return "*"


_STAR = _Star()


def _flatten(tree, leaves):
    cls = tree.__class__
    if cls in _LEAF_TYPES:
        leaves.append(tree)
        return LEAF
    if cls is tuple or cls is list:
        return (cls, None, tuple([_flatten(child, leaves) for child in tree]))
    if cls is dict:
        return (cls, tuple(tree), tuple([_flatten(child, leaves) for child in tree.values()]))
    if tree is None:
        return (None, None, ())
    named = children(tree)
    if named is None:
        leaves.append(tree)
        return LEAF
    parts = tuple([_flatten(child, leaves) for _, child in named])
    if isinstance(tree, dict):
        return (cls, tuple(tree), parts)
    if dataclasses.is_dataclass(tree):
        return (cls, tuple(f.name for f in dataclasses.fields(tree)), parts)
    return (cls, None, parts)


def _build(structure, leaves):
    if structure is LEAF:
        return next(leaves)
    cls, keys, parts = structure
    if cls is None:
        return None
    built = [_build(part, leaves) for part in parts]
    if cls is tuple or cls is list:
        return cls(built)
    if keys is None:
        return cls(*built) if hasattr(cls, "_fields") else cls(built)
    if issubclass(cls, dict):
        return cls(zip(keys, built, strict=True))
    # copy-construct: a dataclass may have fields that __init__ does not take
    made = object.__new__(cls)
    for name, value in zip(keys, built, strict=True):
        object.__setattr__(made, name, value)
    return made
