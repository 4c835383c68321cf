"""Who may write into what: arguments of transforms are passed by value, results are the caller's own."""

from __future__ import annotations

from sciad.eager.traced import Traced, check_alive, raw
from sciad.plain_numpy import np
from sciad.private_interfaces import count_references


def snapshot(x):
    """The present value of x as an object of its own."""
    y = x.__class__.__new__(x.__class__)
    y.value, y.owner, y.extra = x.value, x.owner, x.extra
    return y


def private(x):
    """A value that nobody else can write into: arguments of transforms are passed by value."""
    if isinstance(x, Traced):
        return snapshot(x)
    return np.array(x) if isinstance(x, np.ndarray) else x


def memory(x):
    """The array at the bottom of a traced value, as seen by one element of a `vmap`."""
    if not isinstance(x, Traced):
        return x
    return memory(x.value)[0] if x.batched else memory(x.value)


def writeable(x):
    """False for a read-only view, such as NumPy returns from `diagonal` and `broadcast_to`."""
    bottom = raw(x)
    return bottom.__class__ is not np.ndarray or bottom.flags.writeable


def fresh(leaves):
    """Make the results of a transform the caller's own: no two of them, and none and anything held elsewhere,
    share memory.  Changes the list and returns it.  0-d arrays become numbers, as everywhere in NumPy.
    """
    for k, a in enumerate(leaves):
        if a.__class__ is np.ndarray:
            if not a.ndim:
                leaves[k] = a[()]
            elif a.base is not None or count_references(a) > _ALONE or not a.flags.writeable:
                leaves[k] = np.array(a)
        elif isinstance(a, Traced):
            check_alive(a)
            leaves[k] = snapshot(a) if writeable(a) else np.copy(a)
    return leaves


def _alone():
    """The reference count of an array held by one list only, as `fresh` sees it."""
    leaves = [np.zeros(1)]
    return next(count_references(a) for _, a in enumerate(leaves))


_ALONE = _alone()
