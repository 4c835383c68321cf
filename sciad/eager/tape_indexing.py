"""Reverse mode of indexing and writing: cotangents are added to and cleared in place.

A loop that reads or writes one entry after the other costs what its operations cost, not the length of
the array each time, and its tape holds no copies of the array.
"""

from __future__ import annotations

from sciad.eager.dual import Dual
from sciad.eager.indexing import frozen, is_basic, same_layout, scatter_, setitem_, share_written
from sciad.eager.tape import Var, fit
from sciad.eager.traced import Traced, linked, strip_nested
from sciad.plain_numpy import np
from sciad.private_interfaces import count_references

_F64 = np.dtype(np.float64)
_ndarray = np.ndarray


def _getitem(self, index):
    if index.__class__ is not int and index.__class__ is not slice:
        index = strip_nested(index)
        if isinstance(index, Traced) or (
            index.__class__ is tuple and any(isinstance(i, Traced) for i in index)
        ):
            return Traced.__getitem__(self, index)
        index = frozen(index)
    tape, a = self.tape, self.value
    y = a[index]
    place = len(tape)
    tape.record((_GETITEM, y, (a.shape, index), (self.index, None)))
    y = Var(y, tape, place)
    return y if y.value.__class__ is np.float64 else linked(y, self)


Var.__getitem__ = _getitem


class _Getitem:
    """Reverse rule of indexing: adds into the cotangent of the array in place, so a loop over entries
    stays linear.
    """

    __slots__ = ()

    def push(self, y, args, tangents):
        return tangents[0][args[1]]

    def pull(self, g, y, args, parents, grads, owned):
        shape, index = args
        j = parents[0]
        buffer = grads[j]
        if g.dtype is not _F64 or (buffer is not None and buffer.dtype is not _F64):
            c = scatter_(g, index, shape)
            grads[j] = c if buffer is None else buffer + c
            return
        if j not in owned:
            buffer = np.zeros(shape) if buffer is None else _own(buffer)
            owned.add(j)
        grads[j] = _add_at(buffer, index, g, shape)


_GETITEM = _Getitem()


class _Setitem:
    """Reverse rule of writing: what was overwritten gets nothing, the value gets what its places got."""

    __slots__ = ()

    def push(self, y, args, tangents):
        shape, index, value_shape, _ = args
        old, new = [
            np.zeros(s) if t is None else t for s, t in zip((shape, value_shape), tangents, strict=True)
        ]
        return setitem_(old, new, index)

    def pull(self, g, y, args, parents, grads, owned):
        shape, index, value_shape, place = args
        old, new = parents
        if new is not None:
            c = share_written(g, index, shape)
            if c.shape != value_shape:
                c = fit(c, np.empty(value_shape))
            if c.__class__ is _ndarray:
                c = c.copy()  # g is about to be written into
            grads[new] = c if grads[new] is None else grads[new] + c
        if old is not None:
            if g.__class__ is _ndarray:
                if place not in owned:
                    g = g.copy()
                g[index] = 0.0
                if grads[old] is None:
                    owned.add(old)
            else:
                g = setitem_(g, 0.0, index)
            grads[old] = g if grads[old] is None else grads[old] + g


_SETITEM = _Setitem()


def write(x, value, index):
    """A value in which ``x[index] = value``, for `x` or `value` of a tape; writes in place if nobody else
    can see.
    """
    var = x if x.__class__ is Var and (value.__class__ is not Var or value.level <= x.level) else value
    tape = var.tape
    mine = x.__class__ is Var and x.tape is tape, value.__class__ is Var and value.tape is tape
    v = value.value if mine[1] else value
    a = x.value if mine[0] else x
    if (
        np.iscomplexobj(v)
        or a.dtype is not _F64
        or not all(m or not isinstance(z, Traced) for m, z in zip(mine, (x, value), strict=True))
    ):
        return setitem_(x, value, index)
    if a.__class__ is _ndarray and not isinstance(v, Traced):
        if count_references(a) != _UNSHARED or a.base is not None or not a.flags.writeable:
            a = same_layout(a)
        a[index] = v
        y = a
    else:
        y = setitem_(a, v, index)
    place = len(tape)
    parents = (x.index if mine[0] else None, value.index if mine[1] else None)
    # neither old nor new content is needed by the backward sweep, and not to hold them lets the next
    # write be in place
    tape.record((_SETITEM, None, (y.shape, index, np.shape(v), place), parents))
    return Var(y, tape, place)


def look(flat, window):
    """Show a part of a flat value, holding nothing of it for the backward sweep but the places."""
    tape, y = flat.tape, window.look(flat.value)
    place = len(tape)
    tape.record((_GETITEM, None, (flat.shape, window.index(flat)), (flat.index, None)))
    return Var(y, tape, place)


def _unshared():
    """The reference count of an array held by one value and one local name, as `write` sees it."""
    holder = Var(np.zeros(1), None, 0)
    x = holder
    a = x.value if x.__class__ is Var else x
    return count_references(a)


_UNSHARED = _unshared()


def _own(buffer):
    """A copy that may be added into in place, down to the arrays."""
    if buffer.__class__ is Dual:
        return Dual(_own(buffer.value), _own(buffer.tangent), buffer.level)
    return buffer if isinstance(buffer, Traced) else np.array(buffer)


def _add_at(buffer, index, g, shape):
    """Add `g` at some places of a buffer that is ours; returns the buffer."""
    if g.__class__ is Dual:
        if buffer.__class__ is not Dual:
            if isinstance(buffer, Traced):
                return buffer + scatter_(g, index, shape)
            buffer = Dual(buffer, np.zeros(shape), g.level)
        elif buffer.level != g.level:
            return buffer + scatter_(g, index, shape)
        buffer.value = _add_at(buffer.value, index, g.value, shape)
        buffer.tangent = _add_at(buffer.tangent, index, g.tangent, shape)
        return buffer
    if isinstance(g, Traced) or isinstance(buffer, Traced):
        return buffer + scatter_(g, index, shape)
    if index.__class__ is int or is_basic(index):
        buffer[index] += g
    else:
        np.add.at(buffer, index, g)
    return buffer
