"""Where NumPy's arrays keep their elements: which reshapes are views, and the order of new arrays.

Traced arrays keep NumPy's order, so that views and copies come out as NumPy makes them.
"""

from __future__ import annotations

import math

from sciad.compiler.ir.nodes import Value
from sciad.compiler.objects.kinds import Array, Lazy, Small


def strides_of(x) -> tuple | None:
    """Strides of an array in elements; None where they are not known while compiling."""
    if isinstance(x, Lazy) and x.forced is not None:
        return strides_of(x.forced)
    if any(isinstance(n, Value) for n in x.shape):
        return None
    if isinstance(x, Array):
        return None if any(isinstance(s, Value) for s in x.strides) else x.strides
    if isinstance(x, Small):
        return _small_strides(x)
    return compact(x.shape, getattr(x, "order", None))


def _small_strides(x: Small) -> tuple:
    out, step = [], len(x.cells)
    for n in x.shape:
        step = step // n if n else 0
        out.append(x.cells[step] - x.cells[0] if n > 1 else 0)
    return tuple(out)


def compact(shape, order=None) -> tuple:
    """Strides of a new array with its axes in memory in this order, slowest first."""
    strides, step = [0] * len(shape), 1
    for axis in reversed(range(len(shape)) if order is None else order):
        strides[axis] = step
        step *= shape[axis]
    return tuple(strides)


def contiguous(x) -> bool:
    """Whether the elements stand one behind the other, the last index fastest; True where not known."""
    strides = strides_of(x)
    if strides is None or 0 in x.shape:
        return True
    wanted = compact(x.shape)
    return all(n == 1 or s == w for n, s, w in zip(x.shape, strides, wanted, strict=True))


def reshaped(shape, strides, new) -> tuple | None:
    """Strides of a view in the shape `new`; None if NumPy makes a copy (`_attempt_nocopy_reshape`)."""
    if math.prod(shape) == 0:
        return compact(new)
    old = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    made = [0] * len(new)
    i, j = 0, 0  # where the next group of axes of equal size begins, old and new
    while i < len(old) and j < len(new):
        i_end, j_end, size, wanted = i + 1, j + 1, old[i][0], new[j]
        while size != wanted:
            if wanted < size:
                wanted *= new[j_end]
                j_end += 1
            else:
                size *= old[i_end][0]
                i_end += 1
        for k in range(i, i_end - 1):
            if old[k][1] != old[k + 1][0] * old[k + 1][1]:
                return None
        made[j_end - 1] = old[i_end - 1][1]
        for k in range(j_end - 1, j, -1):
            made[k - 1] = made[k] * new[k]
        i, j = i_end, j_end
    for k in range(j, len(new)):
        made[k] = made[j - 1] if j else 1
    return tuple(made)


def result_order(shape, operands) -> tuple | None:
    """The order of the axes in memory of the result of an elementwise function, as `numpy.nditer` finds it:
    that of the operands, C order where they conflict; None for C order.
    """
    if len(shape) < 2:
        return None
    found = [_broadcast(strides_of(x), x.shape, len(shape)) for x in operands if len(x.shape) > 1]
    if not found or None in found:
        return None
    axes: list[int] = []  # fastest first
    for axis in reversed(range(len(shape))):
        place = len(axes)
        for k in reversed(range(len(axes))):
            pairs = [(abs(s[axis]), abs(s[axes[k]])) for s in found if s[axis] and s[axes[k]]]
            if pairs:
                if any(other <= mine for mine, other in pairs):
                    break
                place = k
        axes.insert(place, axis)
    order = tuple(reversed(axes))
    return None if order == tuple(range(len(shape))) else order


def _broadcast(strides, shape, ndim) -> tuple | None:
    if strides is None:
        return None
    kept = [0 if n == 1 else s for n, s in zip(shape, strides, strict=True)]
    return (*[0] * (ndim - len(kept)), *kept)
