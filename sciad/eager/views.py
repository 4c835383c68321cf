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

from sciad.eager.indexing import frozen, getitem_, is_mapped, is_mask, masked, places_of, scatter_, setitem_
from sciad.eager.ownership import memory, snapshot, writeable
from sciad.eager.tape import Var
from sciad.eager.tape_indexing import look, write
from sciad.eager.traced import Primitive, Traced, operand, raw, strip_nested
from sciad.errors import UnsupportedWrite
from sciad.plain_numpy import np
from sciad.rule_table import linear

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
        reach = [(n - 1) * s for n, s in zip(self.shape, self.strides, strict=True)]
        first, last = (self.start + sum(f(r, 0) for r in reach) for f in (min, max))
        if array.size and not 0 <= first <= last < size:
            raise UnsupportedWrite(
                "a view of an array being differentiated could not be found in its memory: take a copy, by "
                "np.copy, before writing"
            )
        self.places = self.look(np.arange(size)).copy()

    def look(self, flat):
        """Show this part of a flat array, as a view; of every row, if there are axes of `vmap` before."""
        strides = (*flat.strides[:-1], *[s * flat.strides[-1] for s in self.strides])
        return np.lib.stride_tricks.as_strided(
            flat[..., self.start :], flat.shape[:-1] + self.shape, strides, writeable=self.writeable
        )

    def index(self, flat):
        """The index by which a flat array shows this part, as a copy."""
        return self.places if len(flat.shape) == 1 else (Ellipsis, self.places)


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


linear(window_, lambda g, flat, window: scatter_(g, window.index(flat), flat.shape))


class Places:
    """A part of a flat memory that no strides describe: places that differ between the elements of a `vmap`,
    or the real or imaginary parts of complex numbers.  What it shows is a copy, in C order.
    """

    __slots__ = ("part", "places")

    def __init__(self, places, part=None):
        self.places, self.part = places, part

    def shown(self, flat):
        y = getitem_(flat, self.places)
        if self.part is not None:
            return np.copy(self.part(y), "C")
        return y if memory(y).flags.c_contiguous else np.copy(y, "C")

    def inside(self, view, parent):
        """The places that a view of what is shown has."""
        low, high = np.lib.array_utils.byte_bounds(parent)
        size = (high - low) // parent.itemsize
        number = np.empty(size, int)  # which entry of the parent lies there
        number[Window(parent, low, size).places] = np.arange(parent.size).reshape(parent.shape)
        window = located(view, low, size, parent.itemsize)
        part = self.part if window.__class__ is Window else window.part
        return Places(np.reshape(self.places, (-1,))[number[window.places]], part)

    def whole(self, value, flat, places):
        """The numbers to write to some of the places, to give what is shown of them this value."""
        if self.part is None:
            return value
        now = getitem_(flat, places)
        return value + 1j * np.imag(now) if self.part is np.real else np.real(now) + 1j * value


def located(array, low, size, unit):
    """How an array lies in a memory of so many numbers of `unit` bytes."""
    window = Window(array, low, size, unit)
    if array.dtype.kind == "c" or array.itemsize == unit:
        return window
    imaginary = (array.__array_interface__["data"][0] - low) % unit
    return Places(window.places, np.imag if imaginary else np.real)


class Family:
    """Traced values that share memory: the memory, as a flat value, and who has which window into it."""

    __slots__ = ("copies", "flat", "members", "origin", "room")

    def __init__(self, root):
        self.origin = snapshot(root)
        self.flat = None  # since the first write
        self.members = [[weakref.ref(root), None]]
        self.copies = False  # whether there are members that show copies
        self.room = 16

    def join(self, view, parent):
        home = self.window_of(parent) if self.copies else None
        if home is None or home.__class__ is Window:
            window = None if self.flat is None else self.window(memory(view))
        else:
            window = home.inside(memory(view), memory(parent))
        self.add(view, window)
        if window.__class__ is Places and home.__class__ is not Places:
            _become(view, shown(self.flat, window))  # places of its own parts are counted in the copy

    def add(self, view, window):
        view.family = self
        self.copies = self.copies or window.__class__ is Places
        self.members.append([weakref.ref(view), window])
        if len(self.members) > self.room:
            self.members = [member for member in self.members if member[0]() is not None]
            self.room = 2 * len(self.members) + 16

    def show(self, window):
        """A new member."""
        view = shown(self.flat, window)
        self.add(view, window)
        return view

    def window(self, array):
        flat = memory(self.flat)
        unit = flat.strides[0] if flat.size > 1 else flat.itemsize
        return located(array, flat.__array_interface__["data"][0], flat.size, unit)

    def window_of(self, member):
        return next((window for ref, window in self.members if ref() is member), None)

    def write(self, member, index, value):
        self.start()
        window = self.window_of(member)
        places = places_of(window.places, index)
        value = fitted(value, places)
        self.put(value if window.__class__ is Window else window.whole(value, self.flat, places), places)

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
        self.members = [
            [ref, located(memory(x), low, size, base.itemsize)] for ref, x in alive if x is not None
        ]
        self.copies = any(window.__class__ is Places for _, window in self.members)
        self.flat = scatter_(self.origin, Window(base, low, size).places, (size,))
        del alive
        self.refresh()  # from now on they lie there


def _become(x, new):
    """Let the object x stand for another value."""
    x.__class__ = new.__class__
    x.value, x.owner, x.extra = new.value, new.owner, new.extra


Traced.link = link
