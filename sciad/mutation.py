"""In-place writes: into traced values, their views, and local arrays made while a function is differentiated.

A write never changes an array that something else may hold.  ``x[i] = v`` computes a new value (`setitem_`, linear in
both) and lets the object `x` stand for it from then on.  Values that share memory, as views do in NumPy, form a
family: each member knows the places of the common memory it shows, so a write through one of them is a write into the
common value, of which every other member is read again.
"""

from __future__ import annotations

import dis
import opcode
import sys
import warnings
import weakref
from functools import wraps

from .errors import DerivativeDropped, NotDifferentiable, UnsupportedWrite
from .indexing import scatter_, setitem_
from .plain import np
from .table import composite, missing
from .tape import Var, write
from .value import Traced, holds_traced, operand, raw, strip, strip_nested

_COMPLEX = "a complex value cannot be written into a real array: make the array with dtype=complex"


class Family:
    """Traced values that share memory: the common value, flat, and who shows which places of it."""

    __slots__ = ("common", "flat", "members", "room")

    def __init__(self, root):
        self.common = _snapshot(root)
        self.flat = None  # the common value, flat, since the first write
        self.members = [(weakref.ref(root), None)]
        self.room = 16

    def join(self, view, parent):
        places = None if self.flat is None else _shown(memory(parent), memory(view), self.places(parent))
        self.members.append((weakref.ref(view), places))
        if len(self.members) > self.room:
            self.members = [member for member in self.members if member[0]() is not None]
            self.room = 2 * len(self.members) + 16

    def places(self, member):
        for ref, places in self.members:
            if ref() is member:
                return places
        raise AssertionError("not a member of its family")

    def write(self, member, index, value):
        self.start()
        places = self.places(member)[index]
        self.flat = _written(self.flat, _fitted(value, places), places)
        alive = []
        for ref, shown in self.members:
            x = ref()
            if x is not None:
                _become(x, self.flat[shown])
                alive.append((ref, shown))
        self.members = alive

    def start(self):
        """At the first write: note where in memory the members lie."""
        if self.flat is not None:
            return
        base = memory(self.common)
        home = np.arange(base.size).reshape(base.shape)
        alive = [(ref, ref()) for ref, _ in self.members]
        self.members = [(ref, _shown(base, memory(x), home)) for ref, x in alive if x is not None]
        self.flat = np.reshape(self.common, (-1,))


def memory(x):
    """The array at the bottom of a traced value, as seen by one element of a `vmap`."""
    if not isinstance(x, Traced):
        return x
    return memory(x.value)[0] if x.batched else memory(x.value)


def link(view, parent):
    """Note that a new traced value shows memory of another one."""
    family = getattr(parent, "family", None)
    if family is None:
        family = parent.family = Family(parent)
    view.family = family
    family.join(view, parent)


def _fitted(value, places):
    return value if np.ndim(value) == 0 else np.broadcast_to(value, np.shape(places))


def setitem(x, index, value):
    """``x[index] = value`` of a traced value."""
    index = strip_nested(index)
    value = operand(value)
    if np.iscomplexobj(raw(value)) and not np.iscomplexobj(raw(x)):
        raise UnsupportedWrite(_COMPLEX)
    if not x.shape and index not in ((), Ellipsis):
        raise TypeError("a number being differentiated does not support item assignment")
    family = getattr(x, "family", None)
    if family is None:
        _become(x, _written(x, value, index))
    else:
        family.write(x, index, value)


def _written(x, value, index):
    """``x[index] = value`` as a new value; of a tape, in place where nobody can tell."""
    top = value if isinstance(value, Traced) and not (isinstance(x, Traced) and x.level >= value.level) else x
    return write(x, value, index) if top.__class__ is Var else setitem_(x, value, index)


def _snapshot(x):
    """The present value of x as an object of its own."""
    y = x.__class__.__new__(x.__class__)
    y.value, y.owner, y.extra = x.value, x.owner, x.extra
    return y


def _become(x, new):
    """Let the object x stand for another value."""
    if not isinstance(new, Traced):
        raise UnsupportedWrite("internal: a write lost its derivative")
    x.__class__ = new.__class__
    x.value, x.owner, x.extra = new.value, new.owner, new.extra


def _shown(base, view, places):
    """Which places a view of `base` shows, by their addresses; `places` are those that `base` shows."""
    owner = base
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    low, high = np.lib.array_utils.byte_bounds(owner)
    table = np.full((high - low) // base.itemsize, -1)
    _at(table, base, low)[...] = places
    return _at(table, view, low).copy()


def _at(table, array, low):
    """A window into `table` that lies as `array` lies in its memory."""
    start = (array.__array_interface__["data"][0] - low) // array.itemsize
    strides = [s // array.itemsize * table.itemsize for s in array.strides]
    return np.lib.stride_tricks.as_strided(table[start:] if array.size else table, array.shape, strides)


# ---------------------------------------------------------------------- local buffers


class Buffer(np.ndarray):
    """An array made by np.zeros and the like inside a function that is differentiated.

    It is a plain array until a traced value is written into it; from then on it stands for a traced value, which all
    its views share.  Its own memory then holds NaN, so that code which bypasses NumPy's protocols cannot take stale
    numbers for a result.
    """

    def __array_finalize__(self, obj):
        if obj is None or self.base is None:
            self._home = None
        else:
            home = getattr(obj, "_home", None)
            self._home = obj if home is None and isinstance(obj, Buffer) else home

    def _root(self):
        home = self._home
        return self if home is None else home

    def _current(self):
        """Return the traced value this array stands for; a plain view of it while nothing traced is in it."""
        root = self._root()
        state = root.__dict__.get("_state")
        if state is None:
            return self.view(np.ndarray)
        if self is root:
            return state
        seen = self.__dict__.get("_seen")
        if seen is None or seen[0] is not state:
            seen = self.__dict__["_seen"] = (state, np.reshape(state, (-1,))[self._places()])
        return seen[1]

    def _places(self):
        root = self._root()
        home = np.arange(root.size).reshape(root.shape)
        return home if self is root else _shown(root.view(np.ndarray), self.view(np.ndarray), home)

    def __setitem__(self, index, value):
        root = self._root()
        index = strip_nested(index)
        state = root.__dict__.get("_state")
        if state is None and not holds_traced(value):
            np.ndarray.__setitem__(self, index, value)
            return
        value = operand(value)
        if np.iscomplexobj(raw(value)) and self.dtype.kind != "c":
            raise UnsupportedWrite(_COMPLEX)
        if state is None:
            state = np.array(root.view(np.ndarray))
            root.view(np.ndarray)[...] = np.nan
        if self is root:
            new = _written(state, value, index)
        else:
            places = self._places()[index]
            new = np.reshape(_written(np.reshape(state, (-1,)), _fitted(value, places), places), root.shape)
        root.__dict__["_state"] = new

    def __getitem__(self, index):
        index = strip_nested(index)
        found = np.ndarray.__getitem__(self, index)
        if self._root().__dict__.get("_state") is None:
            return found
        if isinstance(found, Buffer) and found._home is not None and np.may_share_memory(found, self):
            return found  # a view: reads and writes go through the root
        return self._current()[index]

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        if method == "at":
            return at(ufunc, *inputs)
        result = getattr(ufunc, method)(*map(_value, inputs), **kwargs)
        if out is None:
            return result
        for target, value in zip(out, result if isinstance(result, tuple) else (result,), strict=True):
            if target is not None:
                target[...] = value
        return out[0] if len(out) == 1 else out

    def __array_function__(self, func, types, args, kwargs):
        write = WRITES.get(func)
        if write is not None:
            return write(*args, **kwargs)
        out = kwargs.pop("out", None)
        result = func(*map(_value, args), **{key: _value(a) for key, a in kwargs.items()})
        if out is None:
            return result
        out[...] = result
        return out

    def __repr__(self):
        return repr(raw(self._current()))

    def __str__(self):
        return str(raw(self._current()))

    def fill(self, value):
        self[...] = value

    def sort(self, axis=-1, kind=None, order=None):
        self[...] = np.sort(self._current(), axis=axis)

    def put(self, indices, values, mode="raise"):
        self.reshape(-1)[indices] = values


def _delegate(name):
    """Methods of arrays do not pass NumPy's protocols: ask the traced value if there is one."""
    plain = getattr(np.ndarray, name)

    @wraps(plain)
    def method(self, *args, **kwargs):
        current = self._current()
        if isinstance(current, Traced):
            return getattr(current, name)(*args, **kwargs)
        return plain(self, *args, **kwargs)

    return method


for _name in (
    "all any argmax argmin argsort astype choose clip compress conj conjugate copy cumprod cumsum diagonal dot flatten "
    "item max mean min nonzero prod repeat round searchsorted std sum take tolist trace var __float__ __int__ "
    "__bool__ __index__ __complex__ __contains__ __deepcopy__ __copy__"
).split():
    setattr(Buffer, _name, _delegate(_name))


def _value(a):
    if isinstance(a, Buffer):
        return a._current()
    if a.__class__ is list or a.__class__ is tuple:
        return a.__class__([_value(x) for x in a])
    return a


# ---------------------------------------------------------------------- NumPy's functions that write


def at(ufunc, target, index, value=None):
    """``np.add.at`` and ``np.subtract.at`` into a traced value or a local array."""
    if ufunc not in (np.add, np.subtract):
        raise missing((ufunc, "at"), None, "derivative")
    _writable(target, ufunc)
    index = strip_nested(index)
    shape = np.shape(np.empty(target.shape, bool)[index])
    added = scatter_(np.broadcast_to(operand(value) * 1.0, shape), index, target.shape)
    target[...] = ufunc(operand(target), added)


def _copyto(dst, src, casting="same_kind", where=True):
    _writable(dst, np.copyto)
    if where is True:
        dst[...] = src
    else:
        where = np.broadcast_to(strip_nested(where), dst.shape)
        dst[where] = np.broadcast_to(operand(src), dst.shape)[where]


def _fill_diagonal(a, val, wrap=False):
    _writable(a, np.fill_diagonal)
    n = min(a.shape)
    a[tuple([np.arange(n)] * len(a.shape))] = val


def _put_along_axis(arr, indices, values, axis):
    _writable(arr, np.put_along_axis)
    places = np.take_along_axis(np.arange(arr.size).reshape(arr.shape), indices, axis)
    where = np.unravel_index(places, arr.shape)
    arr[where] = np.broadcast_to(operand(values), places.shape)


def _putmask(a, mask, values):
    _writable(a, np.putmask)
    mask = np.broadcast_to(strip_nested(mask), a.shape)
    values = np.resize(operand(values), a.shape)
    a[mask] = values[mask]


def _place(arr, mask, vals):
    _writable(arr, np.place)
    mask = np.broadcast_to(strip_nested(mask), arr.shape)
    arr[mask] = np.resize(np.ravel(vals), (int(np.sum(mask)),))


def _put(a, ind, v, mode="raise"):
    _writable(a, np.put)
    a[np.unravel_index(ind, a.shape)] = v


def _writable(target, fn):
    if not isinstance(target, (Traced, Buffer)):
        raise UnsupportedWrite(f"{fn.__name__}: {_PLAIN_TARGET}")


_PLAIN_TARGET = (
    "a value being differentiated was written into a plain NumPy array, which cannot hold it. Make that array inside "
    "the differentiated function by np.zeros, np.empty, np.ones, np.full, np.array or np.copy (called as np.zeros, "
    "not imported by name), or collect the values in a list and give it to np.array"
)
WRITES = {
    np.copyto: _copyto,
    np.fill_diagonal: _fill_diagonal,
    np.put_along_axis: _put_along_axis,
    np.putmask: _putmask,
    np.place: _place,
    np.put: _put,
}
for _fn, _write in WRITES.items():
    composite(_fn, _write, note="writes into a traced value or a local array")
for _fn in (np.zeros_like, np.ones_like, np.empty_like):
    composite(_fn, lambda x, *args, _fn=_fn, **kwargs: buffer(_fn(_plain(x), *args, **kwargs)), note="a local array")
composite(np.full_like, lambda x, fill_value, *args, **kwargs: np.copy(
    np.broadcast_to(operand(fill_value), kwargs.get("shape", np.shape(x)))), note="a local array")  # fmt: skip


def _plain(x):
    x = strip(operand(x))
    return np.zeros(x.shape, x.dtype) if isinstance(x, Traced) else x


def buffer(a):
    """Make a new array one that traced values can be written into."""
    if a.__class__ is np.ndarray and a.dtype.kind in "fc" and a.flags.writeable and a.ndim:
        return (a if a.base is None else a.copy()).view(Buffer)
    return a


# ---------------------------------------------------------------------- float()

# code of these packages gets plain arrays: what it makes of them is its own affair
LIBRARIES = frozenset({"numpy", "scipy", "numba", "sciad", "solvers", "adjoints", "matplotlib"})


def to_float(x):
    """``float(x)``: the number, with a warning that its derivative is dropped."""
    frame = sys._getframe(2)
    _check_store(frame)
    value = strip(x)
    while _module(frame).startswith("sciad."):
        frame = frame.f_back
    module = _module(frame)
    if module.split(".")[0] in LIBRARIES:
        raise NotDifferentiable(
            f"a value being differentiated was turned into a plain number inside {module}, which does not know it. "
            "Give that function ad.stop_gradient(x), or wrap it by ad.custom(f, pushforward=..., pullback=...)"
        )
    operation = frame.f_code.co_code[frame.f_lasti : frame.f_lasti + 2]
    if dis.opname[operation[0]] == "BINARY_OP" and operation[1] == _REMAINDER:  # "%.3f" % x
        return float(raw(value))
    warnings.warn(
        "float() of a value being differentiated drops its derivative: what is computed from this number is a "
        "constant. Leave float() away, or write float(ad.stop_gradient(x)) to say it is meant",
        DerivativeDropped,
        stacklevel=3,
    )
    return float(raw(value))


_REMAINDER = next((k for k, (name, _) in enumerate(getattr(opcode, "_nb_ops", ())) if name == "NB_REMAINDER"), None)


def _module(frame):
    return frame.f_globals.get("__name__", "") if frame else ""


def to_object_array(x, dtype):
    """What NumPy's C code gets when it wants an array of a traced value: an object array that still holds it."""
    _check_store(sys._getframe(2))
    if dtype is not None and np.dtype(dtype) != object:
        raise UnsupportedWrite(
            f"a value being differentiated was to be turned into a plain array of {np.dtype(dtype)}, probably inside a "
            "function that is not differentiable here. Give it ad.stop_gradient(x), or wrap that function by "
            "ad.custom(f, pushforward=..., pullback=...)"
        )
    made = np.empty(x.shape, dtype=object)
    for place in np.ndindex(x.shape):
        made[place] = x[place] if place else x
    return made


def _check_store(frame):
    if dis.opname[frame.f_code.co_code[frame.f_lasti]].startswith("STORE_SUBSCR"):
        raise UnsupportedWrite(_PLAIN_TARGET[0].upper() + _PLAIN_TARGET[1:])
