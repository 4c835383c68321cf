"""Who may write into what: arguments of transforms are passed by value, results are the caller's own."""

from __future__ import annotations

import sys

from .plain import np
from .value import Traced


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


def fresh(leaves):
    """Make the results of a transform the caller's own: no two of them, and none and anything held elsewhere,
    share memory.  Changes the list and returns it.  0-d arrays become numbers, as everywhere in NumPy.
    """
    for k, a in enumerate(leaves):
        if a.__class__ is np.ndarray:
            if not a.ndim:
                leaves[k] = a[()]
            elif a.base is not None or sys.getrefcount(a) > _ALONE or not a.flags.writeable:
                leaves[k] = np.array(a)
        elif isinstance(a, Traced):
            leaves[k] = snapshot(a)
    return leaves


def _alone():
    """The reference count of an array held by one list only, as `fresh` sees it."""
    leaves = [np.zeros(1)]
    return next(sys.getrefcount(a) for _, a in enumerate(leaves))


_ALONE = _alone()
