"""Local arrays of differentiated functions: plain until a traced value is written into them."""

from __future__ import annotations

from functools import wraps

from sciad.eager import ufunc_protocol as ufuncs
from sciad.eager.flat import Flat
from sciad.eager.indexing import is_mapped, is_mask, masked, places_of, scatter_
from sciad.eager.mapped_views import mapped_item
from sciad.eager.ownership import snapshot
from sciad.eager.traced import Traced, holds_traced, memory_owner, operand, raw, strip_nested
from sciad.eager.views import COMPLEX_INTO_REAL, READ_ONLY, Window, fitted, located, shown, written
from sciad.errors import UnsupportedWrite
from sciad.plain_numpy import np
from sciad.tree import tree_leaves, tree_map

WRITES: dict = {}  # NumPy's functions that write into a local array; filled by `writing_functions`


class Buffer(np.ndarray):
    """An array made by np.zeros and the like inside a function that is differentiated.

    It is a plain array until a traced value is written into it; from then on it stands for a traced
    value, which all its views share.  Its own memory then holds NaN, so that code which bypasses NumPy's
    protocols cannot take stale numbers for a result.
    """

    def __array_finalize__(self, obj):
        home = None
        if self.base is not None and isinstance(obj, Buffer):
            home = obj._root()
            if memory_owner(self) is not memory_owner(home):  # a copy
                home = None
        self._home = home

    def _root(self):
        home = self._home
        return self if home is None else home

    @property
    def flat(self):
        return Flat(self)

    @flat.setter
    def flat(self, values):
        self.flat[:] = values

    def _current(self):
        """Return the traced value this array stands for; a plain view of it while nothing traced is in it."""
        state = self._state()
        if state is None:
            return self.view(np.ndarray)
        seen = self.__dict__.get("_seen")
        if seen is None or seen[0] is not state:
            seen = self.__dict__["_seen"] = (state, shown(state, self._window()))
        return snapshot(seen[1])  # an object of its own: what is done to it is not done to this array

    def _state(self):
        """The memory of the root as a flat traced value; None while it is plain."""
        return self._root().__dict__.get("_flat")

    def _window(self):
        window = self.__dict__.get("_shows")
        if window is None:
            low, high = np.lib.array_utils.byte_bounds(self._root())
            unit = self._root().itemsize
            window = self.__dict__["_shows"] = located(self, low, (high - low) // unit, unit)
        return window

    def __setitem__(self, index, value):
        index = strip_nested(index)
        state = self._state()
        if state is None and not holds_traced(value) and not is_mapped(index):
            np.ndarray.__setitem__(self, index, value)
            rows = self._root().__dict__.get("_rows")
            if rows is not None:
                rows.refresh()
            return
        if not self.flags.writeable:
            raise ValueError(READ_ONLY)
        value = operand(value)
        if is_mask(index) and not np.ndim(value):
            index, value = Ellipsis, masked(self._current(), index, value)
        if np.iscomplexobj(raw(value)) and self.dtype.kind != "c":
            raise UnsupportedWrite(COMPLEX_INTO_REAL)
        window = self._window()
        places = places_of(window.places, index)
        self.__dict__.pop("_seen", None)  # it would hold the memory that is written into
        value = fitted(value, places)
        root = self._root()
        if window.__class__ is not Window:
            value = window.whole(value, root._flatly(), places)
        root._put(value, places)

    def _flatly(self):
        """The memory that is this array's own as a flat value, traced or not."""
        state = self._state()
        if state is None:
            return scatter_(self.view(np.ndarray), self._window().places, (self.size,))
        return state

    def _put(self, value, places):
        """Write at places of the memory that is this array's own."""
        state = self._state()
        first = state is None
        if first:
            state = self._flatly()
        self.__dict__["_flat"] = written(state, value, places)
        if first:  # not before all that may fail is done
            self.view(np.ndarray)[...] = np.nan
        rows = self.__dict__.get("_rows")
        if rows is not None:
            rows.refresh()

    def __getitem__(self, index):
        index = strip_nested(index)
        if is_mapped(index):
            return mapped_item(self, index)
        found = np.ndarray.__getitem__(self, index)
        if self._state() is None or _shares(found, self):
            return found  # reads and writes of a view go through the root
        window = self._window()
        places = window.places[index]
        found = self._state()[int(places) if np.ndim(places) == 0 else places]
        return found if window.__class__ is Window or window.part is None else np.copy(window.part(found))[()]

    @property
    def real(self):
        return np.ndarray.real.__get__(self)

    @real.setter
    def real(self, value):
        self.real[...] = value

    @property
    def imag(self):
        return np.ndarray.imag.__get__(self)

    @imag.setter
    def imag(self, value):
        self.imag[...] = value

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        if method == "at":
            return ufuncs.at(ufunc, *inputs)
        where = kwargs.pop("where", True) if method == "__call__" else True
        if where is not True:
            return ufuncs.call_where(ufunc, inputs, out, where, kwargs)
        result = getattr(ufunc, method)(*map(_value, inputs), **kwargs)
        return result if out is None else ufuncs.write_out(out, result)

    def __array_function__(self, func, types, args, kwargs):
        write = WRITES.get(func)
        if write is not None:
            return write(*args, **kwargs)
        if func in _VIEWING:
            found = self._tracked(func(*map(_memory, args), **kwargs))
            if self._state() is None or all(_shares(x, self) for x in tree_leaves(found)):
                return found
        out = kwargs.pop("out", None)
        result = func(*map(_value, args), **{key: _value(a) for key, a in kwargs.items()})
        if out is None:
            return result if self._state() is not None else self._tracked(result)
        out[...] = result
        return out

    def _tracked(self, found):
        """Let views of this array's memory in a result know that they are."""
        root = self._root()
        home = memory_owner(root)

        def track(leaf):
            if not isinstance(leaf, np.ndarray) or isinstance(leaf, Buffer) or memory_owner(leaf) is not home:
                return leaf
            leaf = leaf.view(Buffer)
            leaf._home = root
            return leaf

        return track(found) if isinstance(found, np.ndarray) else tree_map(track, found)

    def __repr__(self):
        return repr(raw(self._current()))

    def __str__(self):
        return str(raw(self._current()))

    def astype(self, dtype, order="K", casting="unsafe", subok=True, copy=True):
        if not copy and self.dtype == dtype:
            return self
        current = self._current()
        return current.astype(dtype, order, casting, subok, copy)

    def fill(self, value):
        self[...] = value

    def sort(self, axis=-1, kind=None, order=None):
        self[...] = np.sort(self._current(), axis=axis)

    def partition(self, kth, axis=-1, kind="introselect", order=None):
        self[...] = np.partition(self._current(), kth, axis)

    def put(self, indices, values, mode="raise"):
        np.put(self, indices, values, mode)


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


for _name in [
    "all",
    "any",
    "argmax",
    "argmin",
    "argpartition",
    "argsort",
    "choose",
    "clip",
    "compress",
    "copy",
    "cumprod",
    "cumsum",
    "dot",
    "flatten",
    "item",
    "max",
    "mean",
    "min",
    "nonzero",
    "prod",
    "repeat",
    "round",
    "searchsorted",
    "std",
    "sum",
    "take",
    "tolist",
    "trace",
    "var",
    "__float__",
    "__int__",
    "__bool__",
    "__index__",
    "__complex__",
    "__contains__",
    "__deepcopy__",
    "__copy__",
]:
    setattr(Buffer, _name, _delegate(_name))


def _viewing(name):
    """Methods that return a view where they can."""
    plain = getattr(np.ndarray, name)

    @wraps(plain)
    def method(self, *args, **kwargs):
        found = plain(self, *args, **kwargs)
        if self._state() is None or _shares(found, self):
            return found
        return getattr(self._current(), name)(*args, **kwargs)

    return method


for _name in ("reshape", "ravel", "diagonal", "conj", "conjugate"):
    setattr(Buffer, _name, _viewing(_name))
_VIEWING = {np.reshape, np.ravel, np.transpose, np.permute_dims, np.matrix_transpose, np.swapaxes,
            np.moveaxis, np.rollaxis, np.squeeze, np.expand_dims, np.flip, np.flipud, np.fliplr,
            np.rot90, np.split, np.array_split, np.hsplit, np.vsplit, np.dsplit, np.unstack, np.atleast_1d,
            np.atleast_2d,
            np.atleast_3d, np.real, np.diagonal, np.diag, np.linalg.diagonal, np.einsum, np.broadcast_to,
            np.diff, np.real_if_close, np.linalg.matrix_power, np.broadcast_arrays, np.meshgrid,
            np.lib.stride_tricks.sliding_window_view}  # fmt: skip


def _shares(found, buffer):
    """Whether a result shows the memory of a local array."""
    return found is buffer or (isinstance(found, Buffer) and found._home is buffer._root())


def _memory(a):
    return a.view(np.ndarray) if isinstance(a, Buffer) else a


def _value(a):
    if isinstance(a, Buffer):
        return a._current()
    if a.__class__ is list or a.__class__ is tuple:
        return a.__class__([_value(x) for x in a])
    return a


def buffer(a):
    """Make a new array one that traced values can be written into."""
    if a.__class__ is np.ndarray and a.dtype.kind in "fc" and a.flags.writeable:
        return (a if a.base is None else a.copy()).view(Buffer)
    return a
