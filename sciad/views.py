"""In-place writes into traced values and their views.

A write never changes an array that something else may hold.  ``x[i] = v`` computes a new value
(`setitem_`, linear in both) and lets the object `x` stand for it from then on.  Values that share memory,
as views do in NumPy, form a family around their common memory, a flat value; a member is a window into
it.  A write through one member is a write into the common value, through which every other member is then
read again.  Which places a member shows, and whether a later `reshape` of it is a view or a copy, follows
from addresses and strides, exactly as in NumPy.
"""

from __future__ import annotations

import weakref

from .errors import UnsupportedWrite
from .indexing import frozen, is_mapped, is_mask, masked, places_of, scatter_, setitem_
from .ownership import memory, snapshot, writeable
from .plain import np
from .table import linear
from .tape import Var
from .tape_index import look, write
from .value import Primitive, Traced, operand, raw, strip_nested

READ_ONLY = "assignment destination is read-only"  # as NumPy says
COMPLEX_INTO_REAL = "a complex value cannot be written into a real array: make the array with dtype=complex"


def setitem(x, index, value):
    """``x[index] = value`` of a traced value."""
    index = strip_nested(index)
    if not writeable(x):
        raise ValueError(READ_ONLY)
    value = operand(value)
    if is_mask(index) and not np.ndim(value):
        index, value = Ellipsis, masked(x, index, value)
    if np.iscomplexobj(raw(value)) and not np.iscomplexobj(raw(x)):
        raise UnsupportedWrite(COMPLEX_INTO_REAL)
    if not x.shape and index not in ((), Ellipsis):
        raise TypeError("a number being differentiated does not support item assignment")
    family = getattr(x, "family", None)
    if family is None and is_mapped(index):
        family = x.family = Family(x)
    if family is None:
        _become(x, written(x, value, frozen(index)))
    else:
        family.write(x, index, value)


def link(view, parent):
    """Note that a new traced value shows memory of another one."""
    family = getattr(parent, "family", None)
    if family is None:
        family = parent.family = Family(parent)
    family.join(view, parent)


def written(x, value, index):
    """``x[index] = value`` as a new value; of a tape, in place where nobody can tell."""
    top = value if isinstance(value, Traced) and not (isinstance(x, Traced) and x.level >= value.level) else x
    if isinstance(index, Traced):
        return setitem_(x, value, index)
    return write(x, value, index) if top.__class__ is Var else setitem_(x, value, index)


def fitted(value, places):
    """Broadcast a value to the places it is written to."""
    return value if np.ndim(value) == 0 else np.broadcast_to(value, np.shape(places))


class Window:
    """How an array lies in a flat memory: where it starts, its shape and its strides, counted in entries."""

    __slots__ = ("places", "shape", "start", "strides", "writeable")

    def __init__(self, array, low, size, unit=None):
        unit = unit or array.itemsize
        self.shape = array.shape
        self.start = (array.__array_interface__["data"][0] - low) // unit if array.size else 0
        self.strides = tuple([s // unit for s in array.strides])
        self.writeable = array.flags.writeable
        self.places = self.look(np.arange(size)).copy()

    def look(self, flat):
        """Show this part of a flat array, as a view."""
        strides = [s * flat.strides[0] for s in self.strides]
        return np.lib.stride_tricks.as_strided(
            flat[self.start :], self.shape, strides, writeable=self.writeable
        )

    def look_each(self, flats):
        """The same of every row."""
        strides = [flats.strides[0], *[s * flats.strides[1] for s in self.strides]]
        return np.lib.stride_tricks.as_strided(
            flats[:, self.start :], (len(flats), *self.shape), strides, writeable=self.writeable
        )


@Primitive
def window_(flat, window):
    return window.look(flat)


def shown(flat, window):
    """What a window shows."""
    if window.__class__ is not Window:
        return window.shown(flat)
    if flat.__class__ is Var and flat.value.__class__ is np.ndarray:
        return look(flat, window)
    return window_(flat, window)


linear(window_, lambda g, flat, window: scatter_(g, window.places, flat.shape))


class Family:
    """Traced values that share memory: the memory, as a flat value, and who has which window into it."""

    __slots__ = ("flat", "mapped", "members", "origin", "room")

    def __init__(self, root):
        self.origin = snapshot(root)
        self.flat = None  # since the first write
        self.members = [[weakref.ref(root), None]]
        self.mapped = False  # whether a member shows other places in every element of a `vmap`
        self.room = 16

    def join(self, view, parent):
        home = self.window_of(parent) if self.mapped else None
        if home is None or home.__class__ is Window:
            window = None if self.flat is None else self.window(memory(view))
        else:
            window = home.inside(memory(view), memory(parent))
        self.add(view, window)

    def add(self, view, window):
        view.family = self
        self.members.append([weakref.ref(view), window])
        if len(self.members) > self.room:
            self.members = [member for member in self.members if member[0]() is not None]
            self.room = 2 * len(self.members) + 16

    def show(self, window):
        """A new member."""
        self.mapped = True
        view = shown(self.flat, window)
        self.add(view, window)
        return view

    def window(self, array):
        flat = memory(self.flat)
        unit = flat.strides[0] if flat.size > 1 else None
        return Window(array, flat.__array_interface__["data"][0], flat.size, unit)

    def window_of(self, member):
        return next((window for ref, window in self.members if ref() is member), None)

    def write(self, member, index, value):
        self.start()
        places = places_of(self.window_of(member).places, index)
        self.put(fitted(value, places), places)

    def put(self, value, places):
        self.flat = written(self.flat, value, places)
        self.refresh()

    def refresh(self):
        """Let every member show what is there now."""
        alive = [(ref, ref(), window) for ref, window in self.members]
        self.members = [[ref, window] for ref, member, window in alive if member is not None]
        for _, member, window in alive:
            if member is not None:
                _become(member, shown(self.flat, window))

    def start(self):
        """At the first write: note where in memory the members lie, and make that memory one flat value."""
        if self.flat is not None:
            return
        base = memory(self.origin)
        low, high = np.lib.array_utils.byte_bounds(base)
        size = (high - low) // base.itemsize if base.size else 0
        alive = [(ref, ref()) for ref, _ in self.members]
        self.members = [[ref, Window(memory(x), low, size)] for ref, x in alive if x is not None]
        self.flat = scatter_(self.origin, Window(base, low, size).places, (size,))


def _become(x, new):
    """Let the object x stand for another value."""
    x.__class__ = new.__class__
    x.value, x.owner, x.extra = new.value, new.owner, new.extra
