"""NumPy's objects that are indexed to make arrays: `np.r_`, `np.c_`, `np.s_`, `np.mgrid`, `np.ogrid`."""

from __future__ import annotations

import numpy as np

from sciad.compiler.fence import Refusal
from sciad.compiler.functions.definitions import embedded
from sciad.compiler.functions.lowerings import METHODS
from sciad.compiler.ir.nodes import Value
from sciad.compiler.objects.kinds import is_array
from sciad.compiler.objects.subscripts import Slice


def _pieces(t, key) -> list:
    """The parts of the index of `np.r_` as arrays of one or more dimensions."""
    pieces = []
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, str):
            raise Refusal(f"np.r_ with the directive {part!r}", "Use np.concatenate or np.stack.")
        if isinstance(part, Slice):
            part = _stretch(t, part)
        pieces.append(t.call(np.atleast_1d, [t.as_array(part)], {}))
    return pieces


def _stretch(t, s: Slice):
    start = 0 if s.start is None else s.start
    if isinstance(s.step, complex):
        return t.call(np.linspace, [start, s.stop, int(abs(s.step))], {})
    return t.call(np.arange, [start, s.stop, 1 if s.step is None else s.step], {})


def _r(t, owner, key):
    return t.call(np.concatenate, [t.list(_pieces(t, key))], {})


def _c(t, owner, key):
    columns = [t.call(np.reshape, [x, (-1, 1)], {}) if len(x.shape) == 1 else x for x in _pieces(t, key)]
    return t.call(np.concatenate, [t.list(columns)], {"axis": -1})


def _index(t, owner, key):
    return (key,) if owner.maketuple and not isinstance(key, tuple) else key


def _grid(t, owner, key):
    """`np.mgrid` and `np.ogrid` of ends that are constants."""
    keys = key if isinstance(key, tuple) else (key,)
    for s in keys:
        if not isinstance(s, Slice) or any(
            isinstance(x, Value) or is_array(x) for x in (s.start, s.stop, s.step)
        ):
            raise Refusal("a grid whose ends depend on values", "Use np.meshgrid of np.linspace.")
    found = (
        owner[tuple(slice(s.start, s.stop, s.step) for s in keys)]
        if isinstance(key, tuple)
        else owner[slice(key.start, key.stop, key.step)]
    )
    return embedded(t, found)


METHODS["RClass", "__getitem__"] = _r
METHODS["CClass", "__getitem__"] = _c
METHODS["IndexExpression", "__getitem__"] = _index
METHODS["MGridClass", "__getitem__"] = METHODS["OGridClass", "__getitem__"] = _grid
