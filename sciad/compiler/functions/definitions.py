"""Functions known by their definition alone: it is traced in place of the call, and what of it depends on
constants only (orders of axes, tables of places) is computed while compiling.

A rule that is `written in differentiable functions` compiles from that one text; so do those that users
declare by `sciad.rule_table.composite`.  What the definitions call of the eager core is
lowered in `core_services`.
"""

from __future__ import annotations

import builtins
import itertools
import math

import numpy as np

from sciad import rule_table as rules
from sciad.compiler.fence import Refusal
from sciad.compiler.ir.nodes import Address, Value
from sciad.compiler.objects.arrays import (
    SMALL,
    indices,
    row_major,
    static_shape,
)
from sciad.compiler.objects.kinds import (
    Array,
    Bound,
    Closure,
    Conflict,
    Deferred,
    DictBox,
    Function,
    Host,
    Iteration,
    Lazy,
    ListBox,
    Range,
    RecordBox,
    Small,
    is_array,
)
from sciad.compiler.objects.subscripts import Slice
from sciad.eager import traced

LONGEST = 4096  # elements of an expression that are looked at to find out whether it is constant
_DTYPES = {"f": float, "i": int, "b": bool}
_PURE = {
    math.prod,
    builtins.sorted,
    builtins.set,
    builtins.frozenset,
    builtins.divmod,
    builtins.iter,
    builtins.next,
    dict.fromkeys,
    itertools.pairwise,
    itertools.chain,
    itertools.product,
    np.dtype,
    builtins.slice,
    builtins.callable,
    np.broadcast_shapes,
    np.asarray,
    np.array,
    np.ndindex,
    np.indices,
}


class Dynamic(Exception):
    """Something is not known while compiling."""


# ---------------------------------------------------------------------- what is known while compiling


def static(t, x):
    """The object that `x` is whatever the arguments of the compiled function are; raises `Dynamic`."""
    x = t.unwrapped(x)
    if isinstance(x, (Value, Conflict, RecordBox, Closure, Bound, Function)):
        raise Dynamic
    if is_array(x):
        return _constant_array(t, x)
    if isinstance(x, Slice):
        return slice(*(static(t, p) for p in (x.start, x.stop, x.step)))
    if isinstance(x, ListBox):
        if isinstance(x.slots["len"], Value):
            raise Dynamic
        return [static(t, e) for e in x.items()]
    if isinstance(x, DictBox):
        return {k: static(t, e) for k, e in x.slots.items()}
    if isinstance(x, tuple):
        made = [static(t, e) for e in x]
        return type(x)(*made) if hasattr(x, "_fields") else tuple(made)
    if isinstance(x, Range):
        return range(static(t, x.start), static(t, x.stop), x.step)
    if isinstance(x, Iteration):
        if isinstance(x.count, Value):
            raise Dynamic
        return [static(t, x.item(k)) for k in range(x.count)]
    if isinstance(x, Host):
        if not x.path.fixed:
            raise Dynamic
        return x.obj
    return x


def _constant_array(t, x):
    if not static_shape(x.shape):
        raise Dynamic
    if isinstance(x, (Lazy, Deferred)) and x.forced is not None:
        return _constant_array(t, x.forced)
    if isinstance(x, Small):
        cells = [x.box.slots[c] for c in x.cells]
        if any(isinstance(c, Value) for c in cells):
            raise Dynamic
    elif isinstance(x, Array):
        if x.mem != "C" or not static_shape(x.strides) or x.address.terms:
            raise Dynamic
        return t.constant_values(x).astype(_DTYPES[x.kind])
    elif isinstance(x, Lazy) and math.prod(x.shape) <= LONGEST:
        cells = []
        for idx in indices(x.shape):
            cells.append(t.scratch(lambda idx=idx: x.elem(idx)))
            if isinstance(cells[-1], Value):
                raise Dynamic
    else:
        raise Dynamic
    return np.array(cells, dtype=_DTYPES[x.kind]).reshape(x.shape)


def embedded(t, x, k=0):
    """An object made while compiling, as the traced program holds it."""
    if isinstance(x, np.ndarray):
        if x.dtype.kind not in "fiub":
            raise Refusal(f"an array of dtype {x.dtype}")
        if not x.ndim:
            return x.item()
        site = (*t.site(), "constant", k)
        if x.size <= SMALL and t.decisions.get(site) is None:
            return t.static_array(x, site)
        kind = {"u": "i"}.get(x.dtype.kind, x.dtype.kind)
        offset = t.constants(x.ravel())
        return Array("C", Address(offset), x.shape, row_major(t, x.shape), t.constant_class, kind, site)
    if isinstance(x, np.generic):
        return embedded(t, np.asarray(x))
    if isinstance(x, complex):
        raise Refusal("a complex number", "Write real and imaginary parts as two numbers.")
    if isinstance(x, (list, map, filter, zip, set, frozenset)) or type(x).__module__ == "itertools":
        return t.list(embedded(t, e, (k, i)) for i, e in enumerate(x))
    if isinstance(x, dict):
        return t.box({key: embedded(t, e, (k, key)) for key, e in x.items()}, cls=DictBox)
    if isinstance(x, slice):
        return Slice(x.start, x.stop, x.step)
    if isinstance(x, range):
        return Range(x.start, x.stop, x.step)
    if isinstance(x, tuple):
        made = [embedded(t, e, (k, i)) for i, e in enumerate(x)]
        return type(x)(*made) if hasattr(x, "_fields") else tuple(made)
    return x


def computed(t, fn, args, kwargs):
    """``fn(*args, **kwargs)`` run now; raises `Dynamic` if it depends on what is not known yet."""
    args, kwargs = [static(t, a) for a in args], {k: static(t, a) for k, a in kwargs.items()}
    try:
        with np.errstate(all="ignore"):
            result = fn(*args, **kwargs)
    except Exception as error:
        raise Refusal(f"{type(error).__name__}: {error}") from None
    return embedded(t, result)


# ---------------------------------------------------------------------- calls


def early(t, fn, args, kwargs):
    """The result of a call inside of a definition if its arguments are constants; else raises `Dynamic`."""
    if fn in _FILLING or isinstance(fn, type) or not (_pure(fn) or rules.lookup(fn) is not None):
        raise Dynamic
    return computed(t, fn, args, kwargs)


_FILLING = {np.zeros, np.ones, np.full, np.empty, np.eye, np.zeros_like, np.ones_like, np.empty_like}
_PYTHON = {builtins.max, builtins.min, builtins.sum, builtins.abs, builtins.any, builtins.all, *_PURE}


def _pure(fn) -> bool:
    try:
        return fn in _PYTHON
    except TypeError:
        return False


def late(t, fn, args, kwargs):
    """A call of a function without a lowering: computed now, or by its definition; None if it has none."""
    record = rules.lookup(fn)
    known = record is not None or _pure(fn)
    if known and not isinstance(fn, traced.Primitive):
        try:
            return (computed(t, fn, args, kwargs),)
        except Dynamic:
            pass
    if t.in_primitive():
        return None  # what a primitive calls is NumPy itself
    if isinstance(fn, traced.Primitive):
        return (t.defined(fn.__name__, fn, args, kwargs),)
    if record is None or record.definition is None:
        return None
    return (t.defined(rules.name_of(fn), record, args, kwargs),)


def structural(t, fn, args, kwargs):
    """A helper of a definition that sees shapes and constants only: run while compiling."""
    try:
        return computed(t, fn, args, kwargs)
    except Dynamic:
        raise Refusal("a result whose shape, or where its elements come from, depends on values") from None
