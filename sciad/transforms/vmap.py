"""Vectorisation: a function written for one element runs over a whole axis at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sciad.eager.dual import Dual
from sciad.eager.indexing import astype_, concatenate_, getitem_, is_basic, scatter_, setitem_
from sciad.eager.ownership import fresh, memory, private
from sciad.eager.rebind import rebind
from sciad.eager.traced import Primitive, Traced, apply, apply_constant, next_level, operand, stack_
from sciad.eager.views import shown, window_
from sciad.plain_numpy import np
from sciad.rule_table import TABLE, Repeat, linear
from sciad.rules import array_functions, numpy_linalg, products
from sciad.rules.samples import windows_
from sciad.transforms.map_failures import with_failures
from sciad.transforms.transformed import Transformed
from sciad.tree import LEAF, children, flatten, register_leaf, tree_map, unflatten


def vmap(f: Callable, in_axes: Any = 0, out_axes: int = 0, *, failures: str = "raise") -> Mapped:
    """Return a function that maps `f` over an axis of its arguments.

    Elementwise functions, products, reductions and linear algebra run on the whole batch; other functions
    are called once per element and their results stacked, so every function of NumPy that `f` may call is
    right, if not fast.

    Parameters
    ----------
    f : callable
    in_axes : int, None or tuple
        The axis mapped over, per argument; None for an argument that is the same for every element.  In
        place of one axis, a structure like the argument's with an axis per leaf.
    out_axes : int
        Where the mapped axis goes in the results.
    failures : {"raise", "nan"}
        What becomes of elements whose compiled code fails (a solve that cannot go on): the first of them
        raises, or their results are NaN, and one warning (`FailedElements`) names them.

    Returns
    -------
    callable

    Raises
    ------
    ValueError
        If the mapped axes differ in length, or none is mapped.

    Examples
    --------
    >>> import numpy as np, sciad as ad
    >>> ad.vmap(ad.grad(lambda x: np.sum(np.sin(x))))(np.zeros((3, 2)))
    array([[1., 1.],
           [1., 1.],
           [1., 1.]])
    """
    return Mapped(f, in_axes, out_axes, failures)


class Mapped(Transformed):
    """A function over an axis of its arguments; made by `vmap`."""

    transform = staticmethod(vmap)

    def __init__(self, f: Callable, in_axes: Any = 0, out_axes: int = 0, failures: str = "raise"):
        super().__init__(f)
        if failures not in ("raise", "nan"):
            raise ValueError(f"failures must be 'raise' or 'nan', not {failures!r}")
        self.in_axes, self.out_axes, self.failures = in_axes, out_axes, failures

    def made_of(self) -> tuple:
        return self.f, self.in_axes, self.out_axes, self.failures

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        in_axes = self.in_axes
        axes = in_axes if isinstance(in_axes, (tuple, list)) else (in_axes,) * len(args)
        if len(axes) != len(args):
            raise ValueError(f"in_axes has {len(axes)} entries for {len(args)} arguments")
        level = next_level()
        sizes: set[int] = set()
        lifted = [_lift(arg, axis, level, sizes) for arg, axis in zip(args, axes, strict=True)]
        if len(sizes) != 1:
            raise ValueError(
                "vmap: no argument is mapped over"
                if not sizes
                else f"vmap: axes of different length {sorted(sizes)}"
            )
        (size,) = sizes
        try:
            with with_failures(self.failures):
                out = rebind(self.f)(*lifted, **kwargs)
        except IndexError as error:
            if not str(error).startswith("only integers"):
                raise
            raise IndexError(
                f"{error}. To index a plain array by what vmap runs over: np.take(array, k, axis=0)"
            ) from error
        leaves, structure = flatten(out)
        del out
        lowered = [_lower(operand(leaf), level, size, self.out_axes) for leaf in leaves]
        del leaves
        return unflatten(structure, fresh(lowered))


class Batch(Traced):
    """A value of a `vmap`: `value` has the mapped axis first, `shape` is that of one element."""

    __slots__ = ()
    level, length = Traced.owner, Traced.extra
    batched = True

    def __init__(self, value, level, length):
        self.value, self.level, self.length = value, level, length

    @property
    def shape(self):
        return self.value.shape[1:]

    def rewrap(self, value):
        """A batch of other values over the same axis."""
        return Batch(value, self.level, self.length)

    def process(self, record, args, kwargs):
        """Apply a function of the table to the whole batch, or to one element after the other."""
        level = self.level
        if record.kind == "custom":
            return record.whole(args) if record.prim.whole else self.each(record.fn, args)
        if record.kind == "scalar" or (record.kind == "constant" and isinstance(record.fn, np.ufunc)):
            rank = max(len(np.shape(a)) for a in args)
            y = record.fn(*[_aligned(a, level, rank) for a in args], **kwargs)
            return tuple(map(self.rewrap, y)) if isinstance(y, tuple) else self.rewrap(y)
        rule = WHOLE.get(record.fn)
        if rule is not None:
            mine = [a.__class__ is Batch and a.level == level for a in args]
            y = rule(
                self.length, mine, *[a.value if m else a for a, m in zip(args, mine, strict=True)], **kwargs
            )
            if y is not NotImplemented:
                return tuple(map(self.rewrap, y)) if isinstance(y, tuple) else self.rewrap(y)
        if record.kind == "constant":  # the elements may be those of another `vmap`
            return self.each(lambda *args, **kwargs: apply_constant(record, args, kwargs), args, kwargs)
        return self.each(record.fn, args, kwargs)

    def each(self, fn, args, kwargs=None):
        """Call `fn` for every element and stack what it returns."""
        results = []
        for k in range(self.length):
            results.append(fn(*[element(a, self.level, k) for a in args], **(kwargs or {})))
        return restack(results, self)


register_leaf(Batch)


def element(a, level, k):
    """Element k of an argument in which batches of this level may be nested."""
    if a.__class__ is Batch and a.level == level:
        return a.value[k]
    if a.__class__ is tuple or a.__class__ is list:
        return a.__class__([element(x, level, k) for x in a])
    return a


def restack(results, batch):
    """Join the results of single elements to batches."""
    columns = [flatten(r)[0] for r in results]
    structure = flatten(results[0])[1]
    leaves = []
    for column in zip(*columns, strict=True):
        if all(map(_is_numeric, column)):
            leaves.append(batch.rewrap(stack_(*[_array(x) for x in column])))
        else:
            leaves.append(column[0])
    return unflatten(structure, leaves)


def batch_levels(values) -> dict[int, int]:
    """Level and length of every `vmap` that runs over some of these values, at whatever depth."""
    found = {}
    todo = [v for v in values if isinstance(v, Traced)]
    while todo:
        v = todo.pop()
        if v.__class__ is Batch:
            found[v.level] = v.length
        elif v.__class__ is Dual and isinstance(v.tangent, Traced):
            todo.append(v.tangent)
        if isinstance(v.value, Traced):
            todo.append(v.value)
    return found


def find_batch(values):
    """Return the batch of highest level among values that are batches themselves, or None."""
    return max((v for v in values if v.__class__ is Batch), key=lambda v: v.level, default=None)


def map_elements(level, length, fn, *trees):
    """Map a function of nested structures over the elements of a `vmap`, which may lie below other levels."""
    results = []
    for k in range(length):
        results.append(fn(*[tree_map(lambda x, k=k: element_(x, level, k), tree) for tree in trees]))
    columns = zip(*[flatten(r)[0] for r in results], strict=True)
    leaves = [
        restack_(level, *map(_array, column)) if all(map(_is_numeric, column)) else column[0]
        for column in columns
    ]
    return unflatten(flatten(results[0])[1], leaves)


class _AcrossLevels(Primitive):
    """A function that works at one level: values of higher levels go to the table first."""

    def __call__(self, *args):
        level = args[self.place]
        if any(isinstance(a, Traced) and a.level > level for a in args):
            return apply(TABLE[self], args, {})
        return self.fn(*args)


@_AcrossLevels
def element_(x, level, k):
    """Element k of a value, of the `vmap` of this level; the value itself if that does not run over it."""
    return x.value[k] if x.__class__ is Batch and x.level == level else x


@_AcrossLevels
def restack_(level, *xs):
    """The batch of these elements."""
    return Batch(stack_(*xs), level, len(xs))


@_AcrossLevels
def place_(g, level, k, length):
    """A batch of zeros but for element k: the transpose of `element_`."""
    return Batch(stack_(*[g if i == k else np.zeros(g.shape) for i in range(length)]), level, length)


element_.place, restack_.place, place_.place = 1, 0, 1


def _element_transpose(g, x, level, k):
    length = batch_levels([x]).get(level)
    return g if length is None else place_(g, level, k, length)


linear(element_, _element_transpose)
linear(restack_, None, Repeat(lambda g, k, level, *xs: element_(g, level, k - 1)), joint=True)
linear(place_, lambda g, x, level, k, length: element_(g, level, k))


def _is_numeric(x):
    return isinstance(x, (Traced, np.ndarray, np.generic, float, int))


def _array(x):
    return x if isinstance(x, (Traced, np.ndarray)) else np.asarray(x)[()]


def _lift(arg, axis, level, sizes):
    if axis is None:
        return arg
    if isinstance(axis, int):
        leaves, structure = flatten(arg)
        return unflatten(structure, [_lift_leaf(x, axis, level, sizes) for x in leaves])
    parts, axes = children(arg), children(axis)
    if parts is None or axes is None or len(parts) != len(axes):
        raise ValueError(f"in_axes={axis!r} has not the structure of the argument")
    lifted = [_lift(x, a, level, sizes) for (_, x), (_, a) in zip(parts, axes, strict=True)]
    leaves, structures = [], []
    for part in lifted:
        found, structure = flatten(part)
        leaves += found
        structures.append(structure)
    cls, keys, _ = flatten(arg)[1]
    return unflatten((cls, keys, tuple(structures)), leaves)


def _lift_leaf(x, axis, level, sizes):
    x = operand(x)
    if not np.shape(x):
        raise ValueError("vmap: a number has no axis to map over; pass None for it in in_axes")
    x = private(np.moveaxis(x if isinstance(x, Traced) else np.asarray(x), axis, 0))
    sizes.add(x.shape[0])
    return Batch(x, level, x.shape[0])


def _lower(x, level, size, axis):
    if x.__class__ is Batch and x.level == level:
        value = x.value
    else:
        value = np.broadcast_to(x, (size, *np.shape(x)))
        value = value if isinstance(value, Traced) else value.copy()
    return np.moveaxis(value, 0, axis)


def _aligned(a, level, rank):
    """Put new axes behind the mapped one, so that elements broadcast as they would alone."""
    if a.__class__ is not Batch or a.level != level:
        return a
    value = a.value
    own = len(value.shape) - 1
    return (
        value if own == rank else np.reshape(value, (value.shape[0],) + (1,) * (rank - own) + value.shape[1:])
    )


# ---------------------------------------------------------------------- primitives that take a whole batch
# rule(size, which arguments are batches, *arguments, **keywords) -> value with the mapped axis first


def _one(rule):
    """A rule for functions of one array: it is the batch."""
    return lambda size, mine, x, *args, **kwargs: rule(x, *args, **kwargs)


def _all(size, mine, *xs):
    """Give every argument the mapped axis."""
    return [x if m else np.broadcast_to(x, (size, *np.shape(x))) for x, m in zip(xs, mine, strict=False)]


def _flat(size, mine, x, index, n=None):
    """All elements' flat arrays as one, and places in it that may differ between elements, of any level."""
    if not mine[0]:
        return x, index
    n = x.shape[1] if n is None else n
    first = n * np.arange(size).reshape((size,) + (1,) * (len(index.shape) - mine[1]))
    return np.reshape(x, (-1,)), first + index


def _getitem(size, mine, x, index):
    if mine[1] or isinstance(index, Traced):  # places in a flat array
        x, places = _flat(size, mine, x, index)
        return getitem_(x, places)
    if not mine[0] or not isinstance(
        index, (int, slice, tuple, np.ndarray, np.integer, type(None), type(Ellipsis))
    ):
        return NotImplemented
    index = index if index.__class__ is tuple else (index,)
    if is_basic(index):
        return x[(slice(None), *index)]
    if any(isinstance(i, (slice, type(None), type(Ellipsis))) for i in index):
        return NotImplemented  # where NumPy puts the axes of mixed indices is not worth repeating here
    return x[(slice(None), *index)]


def _scatter(size, mine, g, index, shape):
    if mine[1] or isinstance(index, Traced):
        (g,) = _all(size, mine, g)
        _, places = _flat(size, (True, mine[1]), g, index, *shape)
        return np.reshape(scatter_(g, places, (size * shape[0],)), (size, *shape))
    if not mine[0]:
        return NotImplemented
    parts = index if index.__class__ is tuple else (index,)
    if not is_basic(index) and any(isinstance(i, (slice, type(None), type(Ellipsis))) for i in parts):
        return NotImplemented
    return scatter_(g, (slice(None), *parts), (size, *shape))


def _setitem(size, mine, x, value, index):
    (x,) = _all(size, mine, x)
    if mine[2] or isinstance(index, Traced):
        flat, places = _flat(size, (True, mine[2]), x, index)
        if mine[1]:
            rank = len(places.shape) - 1
            value = np.reshape(value, (size,) + (1,) * (rank + 1 - len(value.shape)) + value.shape[1:])
        return np.reshape(setitem_(flat, value, places), x.shape)
    parts = index if index.__class__ is tuple else (index,)
    if not is_basic(index) and any(isinstance(i, (slice, type(None), type(Ellipsis))) for i in parts):
        return NotImplemented
    target = (slice(None), *parts)
    if mine[1]:
        rank = len(np.empty(x.shape[1:], bool)[index].shape if x.shape[1:] else ())
        own = len(value.shape) - 1
        if own > rank:
            return NotImplemented
        value = np.reshape(value, (size,) + (1,) * (rank - own) + value.shape[1:])
    return setitem_(x, value, target)


def _axes(axis):
    return tuple(k + 1 if k >= 0 else k for k in (axis if isinstance(axis, tuple) else (axis,)))


def _sum(x, axis=None, keepdims=False):
    axes = tuple(range(1, len(x.shape))) if axis is None else _axes(axis)
    return array_functions.sum_(x, axis=axes, keepdims=keepdims)


def _reshape(x, shape, order="C"):
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if -1 in shape:
        rest = int(np.prod([n for n in shape if n != -1]))
        shape = tuple(int(np.prod(x.shape[1:])) // max(rest, 1) if n == -1 else n for n in shape)
    shape = tuple(map(int, shape))
    if order == "F":
        return _transpose(array_functions.reshape_(_transpose(x), (x.shape[0], *shape[::-1])))
    return array_functions.reshape_(x, (x.shape[0], *shape))


def _ravel(x, order="C"):
    if order == "F":
        return _ravel(_transpose(x))
    y = array_functions.reshape_(x, (x.shape[0], int(np.prod(x.shape[1:]))))
    return y if memory(x)[:1].flags.c_contiguous else np.copy(y)  # where NumPy copies an element


def _transpose(x, axes=None):
    axes = range(len(x.shape) - 1)[::-1] if axes is None else axes
    return array_functions.transpose_(x, (0, *[k % (len(x.shape) - 1) + 1 for k in axes]))


def _broadcast_to(x, shape):
    own = len(x.shape) - 1
    x = np.reshape(x, (x.shape[0],) + (1,) * (len(shape) - own) + x.shape[1:])
    return array_functions.broadcast_to_(x, (x.shape[0], *shape))


def _matmul(size, mine, a, b):
    ranks = [len(np.shape(x)) - m for x, m in zip((a, b), mine, strict=True)]
    if ranks[0] == 1:  # a row
        a = a[..., None, :]
    if ranks[1] == 1:  # a column
        b = b[..., None]
    rank = max(2, *ranks)
    a, b = (np.reshape(x, (size,) + (1,) * (rank + 1 - len(x.shape)) + x.shape[1:]) if m else x
            for x, m in zip((a, b), mine, strict=True))  # fmt: skip
    y = np.matmul(a, b)
    if ranks[1] == 1:
        y = y[..., 0]
    if ranks[0] == 1:
        y = y[..., 0, :] if ranks[1] != 1 else y[..., 0]
    return y


def _einsum(size, mine, subscripts, *arrays):
    inputs, output = subscripts.split("->")
    letter = next(c for c in products._LETTERS if c not in subscripts)
    inputs = [letter + term if m else term for term, m in zip(inputs.split(","), mine[1:], strict=True)]
    return products.einsum_(",".join(inputs) + "->" + letter + output, *arrays)


def _where(size, mine, condition, a, b):
    rank = max(len(np.shape(x)) - m for x, m in zip((condition, a, b), mine, strict=True))
    parts = [np.reshape(x, (size,) + (1,) * (rank + 1 - len(x.shape)) + x.shape[1:]) if m else x
             for x, m in zip((condition, a, b), mine, strict=True)]  # fmt: skip
    return array_functions.where_(*parts)


def _stack(size, mine, *parts):
    return np.stack(_all(size, mine, *parts), axis=1)


def _concatenate(size, mine, axis, *parts):
    return concatenate_(axis + 1, *_all(size, mine[1:], *parts))


def _batched_solve(size, mine, a, b):
    a, b = _all(size, mine, a, b)
    return numpy_linalg.solve_(a, b) if len(a.shape) == len(b.shape) else NotImplemented


WHOLE = {
    window_: _one(shown),
    getitem_: _getitem,
    scatter_: _scatter,
    setitem_: _setitem,
    stack_: _stack,
    concatenate_: _concatenate,
    element_: _one(element_),
    place_: _one(place_),
    restack_: lambda size, mine, level, *xs: restack_(level, *_all(size, mine[1:], *xs)),
    astype_: _one(astype_),
    array_functions.sum_: _one(_sum),
    array_functions.cumsum_: _one(lambda x, axis: array_functions.cumsum_(x, *_axes(axis))),
    array_functions.reshape_: _one(_reshape),
    array_functions.ravel_: _one(_ravel),
    array_functions.diagonal_: _one(lambda x, k=0, a=0, b=1, writeable=False: array_functions.diagonal_(
        x, k, *_axes((a, b)), writeable=writeable)),
    array_functions.transpose_: _one(_transpose),
    array_functions.broadcast_to_: _one(_broadcast_to),
    array_functions.where_: _where,
    windows_: _one(lambda x, shape, axis: windows_(x, shape, _axes(axis))),
    array_functions.real_: _one(array_functions.real_),
    array_functions.imag_: _one(array_functions.imag_),
    array_functions.copy_: _one(array_functions.copy_),
    products.einsum_: _einsum,
    np.conjugate: _one(np.conjugate),
    np.matmul: _matmul,
    numpy_linalg.solve_: _batched_solve,
    numpy_linalg.fft_: _one(lambda x, axis, norm: numpy_linalg.fft_(x, *_axes(axis), norm)),
    numpy_linalg.ifft_: _one(lambda x, axis, norm: numpy_linalg.ifft_(x, *_axes(axis), norm)),
    **{
        fn: _one(fn)
        for fn in (np.linalg.inv, np.linalg.det, np.linalg.slogdet, np.linalg.pinv, np.linalg.eig,
                   numpy_linalg.cholesky_, numpy_linalg.eigh_, numpy_linalg.svd_, numpy_linalg.qr_)
    },
}  # fmt: skip
assert LEAF is None
