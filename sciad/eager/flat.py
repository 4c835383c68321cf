"""``x.flat`` of traced values and local arrays: reads and writes by number, in C order."""

from __future__ import annotations

from sciad.eager.traced import operand
from sciad.plain_numpy import np


class Flat:
    """What NumPy's flat iterator is to an array; NumPy's functions take it as a copy of the entries."""

    __slots__ = ("array", "base")
    __hash__ = None

    def __init__(self, array):
        self.array = self.base = array

    def _current(self):
        return np.copy(np.ravel(operand(self.array)))

    def __len__(self):
        return int(np.prod(np.shape(self.array)))

    def __iter__(self):
        return iter(self._current())

    def __getitem__(self, index):
        return self._current()[index]

    def __setitem__(self, index, values):
        places = np.arange(len(self))[index]
        values = np.ravel(operand(values))
        if not len(values):
            raise ValueError("no values to write")
        values = np.resize(values, np.shape(places)) if len(values) > 1 else values[0]
        self.array[np.unravel_index(places, np.shape(self.array))] = values

    def copy(self):
        return self._current()

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return getattr(ufunc, method)(*[operand(x) for x in inputs], **kwargs)

    def __array_function__(self, func, types, args, kwargs):
        return func(*[operand(x) if isinstance(x, Flat) else x for x in args], **kwargs)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self._current(), dtype=dtype)
