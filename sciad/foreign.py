"""Arrays of other packages among the arguments: pandas, xarray, PyTorch, JAX, pint and their like.

They count as the plain arrays that ``np.asarray`` makes of them. What cannot be one says so itself: a PyTorch
tensor that requires a gradient, for one; pint warns that units are dropped. A Series or a table that the
function reads by its labels, ``p["rate"]``, counts as a dict instead.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.tree import tree_map

__all__ = ["is_foreign", "plain_arguments", "plain_array"]

PACKAGES = frozenset({"dask", "jax", "jaxlib", "pandas", "pint", "polars", "pyarrow", "torch", "xarray"})


def is_foreign(x: Any) -> bool:
    """Whether a value is an array of one of these packages."""
    return _is_foreign_class(x.__class__)


def plain_array(x: Any) -> Any:
    """The plain array that such a value stands for; anything else as it is."""
    return _writable(x) if is_foreign(x) else x


def plain_arguments(args: tuple, fun: Callable) -> tuple:
    """Arguments of a function with plain arrays, or dicts of them, for arrays of other packages."""
    if PACKAGES.isdisjoint(sys.modules):
        return args
    return tree_map(lambda leaf: _plain(leaf, fun), args)


def _writable(x: Any) -> Any:
    """As kernels want their arrays; pandas shows its own as read only."""
    found = np.asarray(x)
    return (found if found.flags.writeable else found.copy())[()]


@functools.lru_cache(maxsize=1000)
def _is_foreign_class(cls: type) -> bool:
    array = any(hasattr(cls, name) for name in ("__array__", "__array_interface__"))
    return array and not issubclass(cls, np.ndarray | np.generic) and _package(cls) in PACKAGES


def _package(cls: type) -> str:
    """Also of classes that are made as they are asked for, as pint's are."""
    found = [base.__module__.partition(".")[0] for base in cls.__mro__]
    return next((name for name in found if name in PACKAGES), found[0])


def _plain(leaf: Any, fun: Callable) -> Any:
    if not is_foreign(leaf):
        return leaf
    labels = getattr(leaf, "columns", None) if getattr(leaf, "ndim", 1) > 1 else getattr(leaf, "index", None)
    if labels is not None and not callable(labels):
        named = {name for name in labels if isinstance(name, str)}
        if named and len(named) == len(labels) and named & _strings(getattr(fun, "__code__", None)):
            return {name: _writable(leaf[name]) for name in labels}
    return plain_array(leaf)


def _strings(code: types.CodeType | None) -> set[str]:
    """Text that a function's code mentions."""
    if code is None:
        return set()
    inner = [_strings(c) for c in code.co_consts if isinstance(c, types.CodeType)]
    return {c for c in code.co_consts if isinstance(c, str)}.union(*inner)
