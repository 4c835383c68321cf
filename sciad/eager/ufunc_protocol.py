"""NumPy's protocol of ufuncs beyond the plain call: ``out=``, ``where=``, ``at``, ``reduce`` and
``accumulate`` of any of them.
"""

from __future__ import annotations

from sciad.eager.indexing import places_of, scatter_, setitem_
from sciad.eager.traced import Traced, converted, number, operand, strip_nested
from sciad.errors import PLAIN_TARGET, NotDifferentiable, UnsupportedWrite
from sciad.plain_numpy import np
from sciad.private_interfaces import NO_VALUE
from sciad.rule_table import TABLE, composite


def write_out(out, result, where=True):
    """Serve ``out=``: write into a traced value or a local array, only where `where` is true."""
    results = result if isinstance(result, tuple) else (result,)
    for target, value in zip(out, results, strict=True):
        if target is not None:
            target[...] = value if where is True else np.where(where, value, operand(target))
    return out[0] if len(out) == 1 else out


def call_where(ufunc, inputs, out, where, kwargs):
    """``ufunc(*inputs, out=out, where=where)``: elsewhere the function is not evaluated, and `out` stays."""
    if out is None or any(target is None for target in out):
        raise NotDifferentiable(
            f"np.{ufunc.__name__} with where= and without out= leaves the other entries undefined: give an "
            "array for them in out=, or use np.where"
        )
    where = strip_nested(where)
    inputs = [np.where(where, operand(x), 1) for x in inputs]  # 1 is in the domain of nearly all
    return write_out(out, ufunc(*inputs, **kwargs), where)


def keywords(ufunc, kwargs):
    """The keywords of a ufunc that its rule has to know."""
    kwargs = {k: v for k, v in kwargs.items() if k not in ("casting", "order", "subok")}
    dtype = kwargs.pop("dtype", None)
    if kwargs or (dtype is not None and np.dtype(dtype).kind not in "fc"):
        raise NotDifferentiable(
            f"np.{ufunc.__name__} of a value being differentiated, with the keyword "
            f"{sorted(kwargs) or 'dtype'}: apply .astype to its result instead"
        )
    return kwargs


def at(ufunc, target, index, *values):
    """``np.add.at(target, index, value)`` and the same of other ufuncs, into a traced value or a local array.

    Places named more than once are served in turn: all first namings together, then all second ones.
    """
    if not hasattr(target, "_current") and not isinstance(target, Traced):
        raise UnsupportedWrite(f"{ufunc.__name__}: {PLAIN_TARGET}")
    size = int(np.prod(target.shape))
    places = places_of(np.arange(size).reshape(target.shape), strip_nested(index))
    values = [np.broadcast_to(operand(v), np.shape(places)) for v in values]
    if ufunc in (np.add, np.subtract):
        added = scatter_(np.ravel(values[0] * 1.0), np.ravel(places), (size,))
        target[...] = ufunc(operand(target), np.reshape(added, target.shape))
        return
    if isinstance(places, Traced):
        raise UnsupportedWrite(
            f"np.{ufunc.__name__}.at at places that differ between the elements of a vmap: loop over the "
            "places and write x[k] = ..., or use np.add.at"
        )
    places, values = np.ravel(places), [np.ravel(v) for v in values]
    current = np.ravel(operand(target))
    turns = _turns(places)
    for turn in range(int(np.max(turns, initial=-1)) + 1):
        now = np.flatnonzero(turns == turn)
        current = np.copy(current)
        changed = ufunc(current[places[now]], *[v[now] for v in values])
        current = setitem_(current, changed, places[now])
    target[...] = np.reshape(current, target.shape)


def _turns(places):
    """How often each place has been named before."""
    order = np.argsort(places, kind="stable")
    first = np.searchsorted(places[order], places[order], side="left")
    turns = np.empty(len(places), int)
    turns[order] = np.arange(len(places)) - first
    return turns


def _reduce(ufunc):
    def reduce(x, axis=0, dtype=None, out=None, keepdims=False, initial=None, where=True):
        x = converted(operand(x), dtype)
        axes = list(range(np.ndim(x))) if axis is None else [int(k) for k in np.atleast_1d(axis)]
        if len(axes) != 1 or where is not True:
            raise NotDifferentiable(
                f"np.{ufunc.__name__}.reduce is differentiable over one axis at a time, and without where="
            )
        rows = np.moveaxis(x, axes[0], 0)
        y = rows[0] if initial is None or initial is NO_VALUE else ufunc(initial, rows[0])
        for k in range(1, len(rows)):
            y = ufunc(y, rows[k])
        return np.expand_dims(y, axes[0]) if keepdims else number(y)

    return reduce


def _accumulate(ufunc):
    def accumulate(array, axis=0, dtype=None, out=None):
        rows = np.moveaxis(converted(operand(array), dtype), axis, 0)
        results = [rows[0]] if len(rows) else []
        for k in range(1, len(rows)):
            results.append(ufunc(results[-1], rows[k]))
        return np.moveaxis(np.stack(results), 0, axis) if results else rows

    return accumulate


# not np.power and np.arctan2: np.power.reduce([2, 3, 1.5]) is 2**1.5 to NumPy 2.4
for _ufunc in (np.subtract, np.divide, np.hypot, np.fmax, np.fmin, np.logaddexp, np.logaddexp2):
    for _method, _made in (("reduce", _reduce), ("accumulate", _accumulate)):
        if (_ufunc, _method) not in TABLE:
            composite((_ufunc, _method), _made(_ufunc))
