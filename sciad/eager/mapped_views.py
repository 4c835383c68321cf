"""Views whose place differs from one element of a `vmap` to the next: ``row = u[k]`` with k mapped.

NumPy has no array that shows them, so what is read is a copy; but it is a member of the family of the
array it shows, and is written and read again with it like every other view.
"""

from __future__ import annotations

from sciad.eager.indexing import getitem_mapped, places_of
from sciad.eager.traced import Traced
from sciad.eager.views import Family, Places
from sciad.plain_numpy import np


def mapped_item(x, index):
    """``x[index]`` of a traced value or a local array, for an index that is mapped."""
    if not _is_view(index, len(x.shape)):
        return getitem_mapped(x if isinstance(x, Traced) else x._current(), index)
    if isinstance(x, Traced):
        family = getattr(x, "family", None)
        if family is None:
            family = x.family = Family(x)
        family.start()
        home = family.window_of(x)
    else:
        root = x._root()
        family = root.__dict__.get("_rows")
        if family is None:
            family = root.__dict__["_rows"] = Rows(root)
        home = x._window()
    return family.show(Places(places_of(home.places, index), getattr(home, "part", None)))


def _is_view(index, ndim):
    """Whether NumPy would return a view: integers, slices and None only, and an axis is left."""
    numbers = 0
    for i in index if index.__class__ is tuple else (index,):
        if isinstance(i, (int, np.integer)) or (
            isinstance(i, Traced) and not i.shape and i.dtype.kind in "iu"
        ):
            numbers += 1
        elif not (i is None or i is Ellipsis or isinstance(i, slice)):
            return False
    return numbers < ndim


class Rows(Family):
    """Those of a local array, which keeps its memory itself."""

    __slots__ = ("root",)

    def __init__(self, root):
        self.root, self.members, self.room = root, [], 16
        self.copies = True

    @property
    def flat(self):
        return self.root._flatly()

    def put(self, value, places):
        self.root._put(value, places)

    def start(self):
        pass
