"""Services of the eager core that definitions call (`operand`, `strip`, `fetch`, ...) and its primitives.

They are lowered to what they mean where nothing is traced by a derivative; those that NumPy and LAPACK have
in machine code to loops, in `written`.
"""

from __future__ import annotations

import numpy as np

from sciad import rule_table as rules
from sciad.compiler.fence import Refusal
from sciad.compiler.functions import (  # noqa: F401  (they enter the table)
    absent,
    creation,
    elementwise,
    matrices,
    reductions,
    shaping,
    written,
)
from sciad.compiler.functions.definitions import Dynamic, computed
from sciad.compiler.functions.lowerings import METHODS, TABLE, lower, lower_later
from sciad.compiler.objects import arrays
from sciad.compiler.objects.arrays import (
    copy,
    filled,
)
from sciad.compiler.objects.kinds import (
    Bound,
    Closure,
    Conflict,
    DictBox,
    Function,
    Lazy,
    ListBox,
    is_array,
    is_scalar,
)
from sciad.compiler.objects.subscripts import add_at
from sciad.eager import indexing, traced, writing_functions
from sciad.private_interfaces import SlogdetResult
from sciad.rules import array_functions, grids, numpy_linalg, samples


@lower(traced.operand, traced.raw, traced.number)
def _operand(t, x):
    x = t.as_array(x)
    if is_array(x) and not x.shape:
        return arrays.element(t, t.settled(x), ())
    return x


@lower(traced.strip, traced.strip_nested, indexing.stop_gradient)
def _strip(t, x):
    if isinstance(x, tuple):
        made = [_strip(t, e) for e in x]
        return type(x)(*made) if hasattr(x, "_fields") else tuple(made)
    if isinstance(x, ListBox):
        return t.list(_strip(t, e) for e in x.items())
    if isinstance(x, DictBox):
        return t.box({k: _strip(t, e) for k, e in x.slots.items()}, cls=DictBox)
    if not (is_array(x) or is_scalar(x)):
        return x
    kind = x.kind if is_array(x) else None
    if kind in ("i", "b") or not is_array(x):
        return x if is_array(x) else t.builder.stop(x)
    return arrays.elementwise(t, t.builder.stop, x, kind="f")


@lower(traced.plainly)
def _plainly(t, fn, *args, **kwargs):
    if isinstance(fn, Bound) and fn.fn == "method" and fn.args[1] == "accumulate":
        return _accumulated(t, fn.args[0], *args)
    record = None if isinstance(fn, (Bound, Closure, Function)) else rules.lookup(fn)
    if record is not None and record.definition is not None and fn not in TABLE:
        try:
            return computed(t, fn, args, kwargs)
        except Dynamic:
            raise Refusal(absent.refused(rules.name_of(fn))) from None
    return t.call(fn, list(args), kwargs)


def _accumulated(t, ufunc, x, axis=0):
    """Running extremes, without a derivative."""
    x = t.call(np.moveaxis, [_strip(t, x), axis, -1], {})
    shape = x.shape
    rows = t.call(np.reshape, [x, (-1, shape[-1])], {})
    made = _read(t, written.running, ufunc, rows)
    return t.call(np.moveaxis, [t.call(np.reshape, [made, shape], {}), -1, axis], {})


def _read(t, fn, *args):
    """A call of a function of `written`."""
    return t.call(t.own_function(fn), list(args), {})


@lower(indexing.fetch, indexing.getitem_)
def _fetch(t, x, index):
    return t.get_item(t.as_array(x), index)


@lower(np.take_along_axis)
def _take_along_axis(t, arr, indices, axis=-1):
    arr, indices = t.settled(t.as_array(arr)), t.settled(t.as_array(indices))
    if not len(arr.shape) == len(indices.shape) or indices.kind != "i":
        raise Refusal("np.take_along_axis takes places that are ints, of as many dimensions as the array")
    return _read(t, written.take_along_axis, arr, indices, axis)


@lower(indexing.setitem_)
def _setitem(t, x, value, index):
    made = copy(t, t.as_array(x))
    t.set_item(made, index, value)
    return made


@lower(indexing.scatter_)
def _scatter(t, g, index, shape):
    made = t.settled(filled(t, shape, 0.0, "f"))
    add_at(t, made, index, t.as_array(g))
    return made


@lower(indexing.astype_)
def _astype(t, x, dtype):
    return METHODS["array", "astype"](t, x, dtype)


@lower(traced.stack_)
def _stack(t, *parts):
    return TABLE[np.stack](t, list(parts))


@lower(indexing.concatenate_)
def _concatenate(t, axis, *parts):
    return TABLE[np.concatenate](t, list(parts), axis)


for _primitive_function, _name in {
    array_functions.reshape_: "reshape",
    array_functions.ravel_: "ravel",
    array_functions.transpose_: "transpose",
    array_functions.broadcast_to_: "broadcast_to",
    array_functions.sum_: "sum",
    array_functions.cumsum_: "cumsum",
    array_functions.copy_: "copy",
    array_functions.where_: "where",
    array_functions.real_: "real",
}.items():
    lower(_primitive_function)(TABLE[getattr(np, _name)])


@lower(np.argpartition)
def _argpartition(t, a, kth, axis=-1):
    return _argsort(t, a, axis)


@lower(np.argsort, method="argsort")
def _argsort(t, a, axis=-1, kind=None, order=None, stable=None):
    a = t.settled(t.as_array(a))
    if axis is None:
        a, axis = t.call(np.ravel, [a], {}), -1
    a = t.call(np.moveaxis, [a, axis, -1], {})
    rows = t.call(np.reshape, [a, (-1, a.shape[-1])], {})
    places = t.call(np.reshape, [_read(t, written.argsort_rows, _strip(t, rows)), a.shape], {})
    return t.call(np.moveaxis, [places, -1, axis], {})


@lower(np.searchsorted, method="searchsorted")
def _searchsorted(t, a, v, side="left"):
    v = t.as_array(v)
    flat = t.call(np.ravel, [t.call(np.atleast_1d, [v], {})], {})
    places = _read(t, written.searchsorted, t.settled(t.as_array(a)), flat, side)
    if is_scalar(v):
        return t.get_item(places, 0)
    return t.call(np.reshape, [places, v.shape], {})


@lower(grids.convolve_)
def _convolve(t, a, v):
    return _read(t, written.convolve, a, v)


@lower(samples.windows_)
def _windows(t, x, shape, axis):
    x = t.settled(x)
    lengths = list(x.shape)
    for n, k in zip(shape, axis, strict=True):
        lengths[k] = lengths[k] - n + 1

    def elem(idx):
        place = list(idx[: len(x.shape)])
        for i, k in zip(idx[len(x.shape) :], axis, strict=True):
            place[k] = t.builder.op(np.add, place[k], i)
        return arrays.element(t, x, tuple(place))

    reads = tuple((r, False) for r, _ in arrays.reads_of(x))
    return Lazy((*lengths, *shape), elem, x.kind, reads, work=False)


def _of_matrices(t, fn, *stacks, pair: bool = False):
    """A function of matrices for stacks of them; it returns an array, or a pair of arrays."""
    stacks = [t.settled(t.as_array(x)) for x in stacks]
    if all(len(x.shape) == 2 for x in stacks):
        return _read(t, fn, *stacks)
    lead = arrays.broadcast_shape(t, *(x.shape[:-2] for x in stacks))
    rows = []
    for x in stacks:
        x = t.call(np.broadcast_to, [x, (*lead, *x.shape[-2:])], {})
        rows.append(t.settled(t.call(np.reshape, [x, (-1, *x.shape[-2:])], {})))
    made = _read(t, written.each_pair if pair else written.each, t.own_function(fn), *rows)
    parts = [t.call(np.reshape, [x, (*lead, *x.shape[1:])], {}) for x in (made if pair else (made,))]
    return tuple(parts) if pair else parts[0]


@lower(numpy_linalg.cholesky_)
def _cholesky(t, a):
    return _of_matrices(t, written.cholesky, a)


@lower(numpy_linalg.qr_)
def _qr(t, a):
    return _of_matrices(t, written.qr, a, pair=True)


@lower(np.linalg.lstsq)
def _lstsq(t, a, b, rcond=None):
    a, b = t.settled(t.as_array(a)), t.settled(t.as_array(b))
    if len(a.shape) != 2 or not arrays.static_shape(a.shape) or a.shape[0] < a.shape[1]:
        raise Refusal(
            "np.linalg.lstsq of fewer equations than unknowns: that needs the singular value decomposition",
            "Solve the normal equations, with a small multiple of the identity added.",
        )
    rows = t.call(np.reshape, [b, (-1, 1)], {}) if len(b.shape) == 1 else b
    x, squares = _read(t, written.least_squares, a, rows)
    if len(b.shape) == 1:
        x = t.call(np.reshape, [x, (-1,)], {})
    squares = squares if a.shape[0] > a.shape[1] else t.settled(filled(t, (0,), 0.0, "f"))
    values = Conflict("the singular values of np.linalg.lstsq are not computed in compiled functions")
    return x, squares, a.shape[1], values


@lower(np.vectorize)
def _vectorize(t, fn, **kwargs):
    if kwargs:
        raise Refusal(f"np.vectorize with {', '.join(kwargs)}", "Write a loop.")
    return Bound(_each_element, (fn,))


def _each_element(fn, *args):
    raise AssertionError("lowered")


@lower(_each_element)
def _elements(t, fn, *args):
    args = [t.settled(t.as_array(a)) for a in args]
    if all(map(is_scalar, args)):
        return t.call(fn, args, {})
    shape = arrays.broadcast_shape(t, *(() if is_scalar(a) else a.shape for a in args))
    flat = [t.call(np.ravel, [t.call(np.broadcast_to, [a, shape], {})], {}) for a in args]
    return t.call(np.reshape, [_read(t, written.each_element, fn, *flat), shape], {})


@lower(np.linalg.slogdet)
def _slogdet(t, a):
    return SlogdetResult(*_of_matrices(t, written.slogdet, a, pair=True))


@lower(np.linalg.det)
def _det(t, a):
    a = t.settled(t.as_array(a))
    if len(a.shape) == 2 and type(a.shape[0]) is int and a.shape[0] <= 3:
        return matrices.det(t, a)
    return _of_matrices(t, written.det, a)


@lower(np.linalg.inv)
def _inv(t, a):
    a = t.settled(t.as_array(a))
    return matrices.inv(t, a) if len(a.shape) == 2 else _of_matrices(t, written.inv, a)


@lower_later("sciad.rules.scipy_linalg", "solve_triangular_")
def _solve_triangular(t, a, b, lower=False):
    a, b = t.settled(t.as_array(a)), t.settled(t.as_array(b))
    if len(b.shape) == 1:
        made = _solve_triangular(t, a, t.call(np.reshape, [b, (-1, 1)], {}), lower)
        return t.call(np.reshape, [made, b.shape], {})
    return _of_matrices(t, written.solve_lower if lower else written.solve_upper, a, b)


@lower(numpy_linalg.solve_)
def _solve(t, a, b):
    a, b = t.settled(t.as_array(a)), t.settled(t.as_array(b))
    return (
        matrices.solve(t, a, b) if len(a.shape) == len(b.shape) == 2 else _of_matrices(t, written.solve, a, b)
    )


@lower(writing_functions._writable)
def _writable(t, target, fn):
    return None
