"""Which leaves of ``args`` are parameters, and the flat vector that they make."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sciad import tree
from sciad.eager.traced import Traced, operand

__all__ = ["example", "is_parameter", "join", "kind_of", "kinds_of", "path_of", "present", "unpacker"]

_NO_PARAMETERS = np.empty(0)
_FLOAT = np.dtype(float)


def is_parameter(leaf) -> bool:
    """Whether a leaf of ``args`` is a number or array that the model depends on smoothly."""
    return kind_of(leaf).__class__ is tuple


def kind_of(leaf):
    """The shape of a parameter; of anything else what the compiler specialises on."""
    cls = leaf.__class__
    if cls is np.ndarray:
        if leaf.dtype is _FLOAT or leaf.dtype.kind in "fO":
            return leaf.shape
        return f"{leaf.dtype.str}{leaf.shape}".encode() + leaf.tobytes()
    if cls is float or isinstance(leaf, np.floating):
        return ()
    if isinstance(leaf, Traced):
        return leaf.shape
    return f"{cls.__name__} {leaf!r}" if isinstance(leaf, bool | int | str) else _Same(leaf)


class _Same:
    """A key that is equal to that of the very same object only, and keeps it alive."""

    __slots__ = ("leaf",)

    def __init__(self, leaf):
        self.leaf = leaf

    def __eq__(self, other):
        return isinstance(other, _Same) and other.leaf is self.leaf

    def __hash__(self):
        return id(self.leaf)


def kinds_of(leaves: list) -> tuple:
    """The kind of each leaf of ``args``, which are changed to what they stand for at present."""
    kinds = []
    for k, leaf in enumerate(leaves):
        if isinstance(leaf, Traced) or (leaf.__class__ is np.ndarray and leaf.dtype is _FLOAT):
            kinds.append(leaf.shape)
        else:
            leaf = leaves[k] = present(leaf)
            kinds.append(kind_of(leaf))
    return tuple(kinds)


def example(leaf, kind):
    """A plain value of the leaf's shape for the compiler to look at."""
    if kind.__class__ is not tuple:
        return leaf
    return np.zeros(kind) if kind else 0.0


def join(leaves, kinds, captured):
    """The flat parameter vector; traced if one of its pieces is."""
    if len(kinds) == 1 and not captured and kinds[0].__class__ is tuple and len(kinds[0]) == 1:
        piece = leaves[0]  # the commonest: one vector
        if isinstance(piece, Traced) or (piece.__class__ is np.ndarray and piece.dtype is _FLOAT):
            return piece
    pieces = [leaf for leaf, kind in zip(leaves, kinds, strict=True) if kind.__class__ is tuple]
    pieces += captured
    if not pieces:
        return _NO_PARAMETERS
    if len(pieces) == 1:
        return _flat(pieces[0])
    return np.concatenate([_flat(piece) for piece in pieces])


def present(x):
    """What an array stands for: a local array that traced values were written into is a traced value;
    integers and truth values of NumPy are those of Python.
    """
    if isinstance(x, np.ndarray):
        if x.__class__ is np.memmap:
            return x.view(np.ndarray)
        if x.__class__ is not np.ndarray:
            return operand(x)
        return x.item() if x.ndim == 0 and x.dtype.kind in "iub" else x
    return x.item() if isinstance(x, np.integer | np.bool_) else x


def _flat(piece):
    piece = present(piece)
    if piece.__class__ is np.ndarray and piece.dtype is _FLOAT:
        return piece if piece.ndim == 1 else piece.reshape(-1)
    if isinstance(piece, Traced):
        return piece if piece.ndim == 1 else np.reshape(piece, (-1,))
    if isinstance(piece, np.ndarray) and piece.dtype == object:
        return np.stack([*piece.ravel()])
    return np.asarray(piece, dtype=float).reshape(-1)


def unpacker(leaves, structure) -> tuple[Callable, int]:
    """A function from the flat parameters to args, traced or not, and their number."""
    sizes = [np.size(leaf) if is_parameter(leaf) else None for leaf in leaves]

    def arguments(p):
        whole, start = [], 0
        for leaf, size in zip(leaves, sizes, strict=True):
            if size is None:
                whole.append(leaf)
            else:
                whole.append(np.reshape(p[start : start + size], np.shape(leaf))[()])
                start += size
        return tree.unflatten(structure, whole)

    return arguments, sum(size for size in sizes if size is not None)


def path_of(args, index: int) -> str:
    """How one would write the leaf that holds flat parameter ``index``."""
    for path, leaf in zip(tree.paths(args), tree.tree_leaves(args), strict=True):
        if is_parameter(leaf):
            if index < np.size(leaf):
                return path + (f"[{index}]" if np.ndim(leaf) else "")
            index -= np.size(leaf)
    return ""
