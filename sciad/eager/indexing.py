"""Primitives of indexing, writing, stacking and conversion: the structural half of the rule table."""

from __future__ import annotations

from typing import Any

from sciad.eager.ownership import private
from sciad.eager.traced import Primitive, Traced, apply, operand, plainly, strip
from sciad.errors import NotDifferentiable
from sciad.plain_numpy import np
from sciad.rule_table import TABLE, Repeat, linear
from sciad.tree import tree_map


def stop_gradient(x: Any) -> Any:
    """Return `x` as a constant: the value stays, the derivative is cut.

    Parameters
    ----------
    x : array_like or nested structure of them

    Examples
    --------
    >>> import sciad as ad
    >>> ad.grad(lambda x: x * ad.stop_gradient(x))(3.0)
    np.float64(3.0)
    """
    return _stopped(x) if isinstance(x, Traced) else tree_map(_stopped, x)


def _stopped(leaf):
    return private(strip(operand(leaf)))


def astype(x, dtype, copy=True):
    """Convert the numbers of a traced value; to integers or booleans it becomes a constant."""
    dtype = np.dtype(dtype)
    if dtype.kind not in "fc":
        return astype_(strip(x), dtype)
    return x if not copy and dtype == x.dtype else astype_(x, dtype)


# ---------------------------------------------------------------------- primitives
@Primitive
def getitem_(x, index):
    return x[index]


@Primitive
def scatter_(g, index, shape):
    """Add `g` into zeros of this shape at these places: the transpose of taking them."""
    out = np.zeros(shape, g.dtype)
    if is_basic(index):
        out[index] = g
    else:
        np.add.at(out, index, g)
    return out


@Primitive
def setitem_(x, value, index):
    """A copy of `x` in which ``x[index] = value``."""
    out = same_layout(np.asarray(x) if not np.iscomplexobj(value) else np.asarray(x, dtype=complex))
    out[index] = value
    return out


@Primitive
def concatenate_(axis, *parts):
    return np.concatenate(parts, axis)


@Primitive
def astype_(x, dtype):
    return np.asarray(x).astype(dtype)[()]


def same_layout(x):
    """A copy with the strides of `x`: whether a later reshape is a view depends on them."""
    if not x.flags.writeable:  # perhaps broadcast
        return x.copy()
    if x.flags.c_contiguous or x.flags.f_contiguous:
        return x.copy(order="K")
    low, high = np.lib.array_utils.byte_bounds(x)
    room = np.zeros((high - low) // x.itemsize, x.dtype)
    start = (x.__array_interface__["data"][0] - low) // x.itemsize
    out = np.lib.stride_tricks.as_strided(room[start:], x.shape, x.strides)
    out[...] = x
    return out


def is_basic(index) -> bool:
    """True if an index is made of integers, slices, None and Ellipsis only: it names no place twice."""
    parts = index if index.__class__ is tuple else (index,)
    return all(i is None or i is Ellipsis or isinstance(i, (int, slice, np.integer)) for i in parts)


def frozen(index):
    """An index that later changes of the user's index arrays do not reach."""
    if index.__class__ is tuple:
        return tuple([i.copy() if isinstance(i, np.ndarray) else i for i in index])
    return index.copy() if isinstance(index, np.ndarray) else index


def share_written(g, index, shape):
    """The share of a written value: what its places got; of a place written twice, the last value's only."""
    if isinstance(index, Traced):  # under `vmap`
        return np.where(plainly(_wins, index, shape), apply(TABLE[getitem_], (g, index), {}), 0.0)
    g = g[index]
    if not is_basic(index):
        wins = _wins(index, shape)
        if not np.all(wins):
            g = np.where(wins, g, 0.0)
    return g


def _wins(index, shape):
    """Which of the values written to these places stay there."""
    last = np.zeros(shape, int)
    order = np.arange(last[index].size).reshape(last[index].shape)
    last[index] = order
    return last[index] == order


def _take_part(g, k, axis, *parts):
    start = sum(p.shape[axis] for p in parts[: k - 1])
    index = [slice(None)] * len(g.shape)
    index[axis] = slice(start, start + parts[k - 1].shape[axis])
    return g[tuple(index)]


linear(getitem_, lambda g, x, index: scatter_(g, index, np.shape(x)))
linear(scatter_, lambda g, x, index, shape: g[index])
linear(setitem_, lambda g, x, value, index: setitem_(g, 0.0, index),
       lambda g, x, value, index: share_written(g, index, np.shape(x)), joint=True)  # fmt: skip
linear(concatenate_, None, Repeat(_take_part), joint=True)
linear(astype_, lambda g, x, dtype: g if g.dtype.kind == "c" else astype(g, x.dtype))

TABLE[getitem_].view = True


def is_mapped(index) -> bool:
    """True if an index, stripped of derivatives, differs from one element of a `vmap` to the next."""
    return any(isinstance(i, Traced) for i in (index if index.__class__ is tuple else (index,)))


def is_mask(index) -> bool:
    """True for a boolean array that differs between the elements of a `vmap`."""
    return isinstance(index, Traced) and index.dtype.kind == "b"


def places_of(home, index):
    """``home[index]`` of an array of places, for any index."""
    if not is_mapped(index):
        return home[index]
    return plainly(_fetch, home, *(index if index.__class__ is tuple else (index,)))


def fetch(x, index):
    """``x[index]``, where either may be traced."""
    return x[index] if isinstance(x, Traced) or not isinstance(index, Traced) else getitem_(x, index)


def masked(x, mask, value):
    """What x is after ``x[mask] = number``, where how many places that is differs under `vmap`."""
    mask = np.reshape(mask, np.shape(mask) + (1,) * (np.ndim(x) - np.ndim(mask)))
    return np.where(mask, value, x)


def getitem_mapped(x, index):
    """Places that differ from one element of a `vmap` to the next: counted in the flat array, then
    fetched.
    """
    try:
        places = places_of(np.arange(int(np.prod(x.shape))).reshape(x.shape), index)
    except ValueError:
        if any(map(is_mask, index if index.__class__ is tuple else (index,))):
            raise NotDifferentiable(COUNTS_DIFFER.format("an index")) from None
        raise
    return apply(TABLE[getitem_], (np.reshape(x, (-1,)), places), {})


COUNTS_DIFFER = (
    "{} under vmap, with a mask that chooses another number of entries in every element: keep all entries, "
    "by np.where(mask, x, 0.0) or by where= of the reduction"
)


def _fetch(home, *parts):
    return np.asarray(home[tuple([int(i) if isinstance(i, np.integer) else i for i in parts])])
