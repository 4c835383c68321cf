"""Views whose place differs from one element of a `vmap` to the next: ``row = u[k]`` with k mapped.

NumPy has no array that shows them, so what is read is a copy; but it is a member of the family of the
array it shows, and is written and read again with it like every other view.
"""

from __future__ import annotations

from .indexing import getitem_, getitem_mapped, places_of, scatter_
from .ownership import memory
from .plain import np
from .value import Traced
from .views import Family, Window


def row(x, index):
    """``x[index]`` of a traced value or a local array, for an index that is mapped."""
    if not _is_view(index, len(x.shape)):
        return getitem_mapped(x if isinstance(x, Traced) else x._current(), index)
    if isinstance(x, Traced):
        family = getattr(x, "family", None)
        if family is None:
            family = x.family = Family(x)
        if family.flat is None:
            family.start()
            family.refresh()
        home = family.window_of(x).places
    else:
        root = x._root()
        family = root.__dict__.get("_rows")
        if family is None:
            family = root.__dict__["_rows"] = Rows(root)
        home = x._window().places
    return family.show(Places(places_of(home, index)))


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


class Places:
    """A window into a flat memory that differs between the elements of a `vmap`."""

    __slots__ = ("places",)

    def __init__(self, places):
        self.places = places

    def shown(self, flat):
        """What there is at these places, each element of the `vmap` in C order."""
        y = getitem_(flat, self.places)
        return y if memory(y).flags.c_contiguous else np.copy(y, "C")

    def inside(self, view, parent):
        """The places that a view of what is shown has."""
        low, high = np.lib.array_utils.byte_bounds(parent)
        size = (high - low) // parent.itemsize
        number = np.empty(size, int)  # which entry of the parent lies there
        number[Window(parent, low, size).places] = np.arange(parent.size).reshape(parent.shape)
        return Places(np.reshape(self.places, (-1,))[number[Window(view, low, size).places]])


class Rows(Family):
    """Those of a local array, which keeps its memory itself."""

    __slots__ = ("root",)

    def __init__(self, root):
        self.root, self.members, self.room = root, [], 16
        self.mapped = True

    @property
    def flat(self):
        state = self.root._state()
        if state is None:
            plain = self.root.view(np.ndarray)
            state = scatter_(plain, self.root._window().places, (plain.size,))
        return state

    def put(self, value, places):
        self.root._put(value, places)

    def start(self):
        pass
