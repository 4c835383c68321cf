"""NumPy's functions that write into their arguments, and those that make an array like another one."""

from __future__ import annotations

from math import prod

from sciad.eager.local_arrays import WRITES, Buffer, buffer
from sciad.eager.traced import Traced, operand, strip, strip_nested
from sciad.errors import PLAIN_TARGET, UnsupportedWrite
from sciad.plain_numpy import np
from sciad.rule_table import composite


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
    ind = np.asarray(strip_nested(ind))
    size = prod(a.shape)
    if mode == "raise":
        if np.any((ind < -size) | (ind >= size)):
            raise IndexError(f"np.put: an index is out of bounds for {size} entries")
        ind = ind % max(size, 1)
    else:
        ind = ind % size if mode == "wrap" else np.clip(ind, 0, size - 1)
    if ind.size:
        a[np.unravel_index(np.ravel(ind), a.shape)] = np.resize(operand(v), ind.size)


def _writable(target, fn):
    if not isinstance(target, (Traced, Buffer)):
        raise UnsupportedWrite(f"{fn.__name__}: {PLAIN_TARGET}")


def _nan_to_num(x, copy=True, **kwargs):
    y = np.nan_to_num(operand(x), True, **kwargs)
    if copy or not isinstance(x, Buffer):
        return y
    x[...] = y
    return x


def _full_like(x, fill_value, dtype=None, order="K", subok=True, shape=None, *, device=None):
    y = np.copy(np.broadcast_to(operand(fill_value), np.shape(x) if shape is None else shape))
    return y.astype(operand(x).dtype if dtype is None else dtype, copy=False)


def _values_or_zeros(x):
    x = strip(operand(x))
    return np.zeros(x.shape, x.dtype) if isinstance(x, Traced) else x


_WRITING = {
    np.copyto: _copyto,
    np.fill_diagonal: _fill_diagonal,
    np.put_along_axis: _put_along_axis,
    np.putmask: _putmask,
    np.place: _place,
    np.put: _put,
}
for _fn, _write in _WRITING.items():
    composite(_fn, _write, note="writes into a traced value or a local array")
WRITES.update(_WRITING)
WRITES[np.nan_to_num] = _nan_to_num  # has a rule of its own
for _fn in (np.zeros_like, np.ones_like, np.empty_like):
    composite(
        _fn,
        lambda x, *args, _fn=_fn, **kwargs: buffer(_fn(_values_or_zeros(x), *args, **kwargs)),
        note="a local array",
    )
composite(np.full_like, _full_like, note="a local array")
