"""Jacobians, Hessians and their products."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from sciad.eager.rebind import rebind
from sciad.foreign import is_foreign, plain_arguments
from sciad.plain_numpy import np
from sciad.transforms.gradients import check_request, grad, jvp, vjp
from sciad.transforms.transformed import Transformed, is_compiled
from sciad.transforms.vmap import vmap
from sciad.tree import flatten, tree_map, unflatten


def jacobian(f: Callable, argnums: int | tuple[int, ...] = 0, mode: str = "auto") -> Jacobian:
    """Return a function that computes the Jacobian of `f`.

    Parameters
    ----------
    f : callable
        Returns an array or a nested structure of arrays.
    argnums : int or tuple of int
    mode : {"auto", "forward", "reverse"}
        One pass per entry of the input or of the output; "auto" takes the fewer.

    Returns
    -------
    callable
        Its result has, for each leaf of the output, the structure of the argument, with arrays of shape
        ``output.shape + input.shape``, in the precision NumPy gives to the output times the input: of
        float32 of float32 it is float32.  Integers count as float64.

    Examples
    --------
    >>> import numpy as np, sciad as ad
    >>> ad.jacobian(lambda x: np.array([x[0] * x[1], x[1] ** 2]))(np.array([2.0, 3.0]))
    array([[3., 2.],
           [0., 6.]])
    """
    return Jacobian(f, argnums, mode)


class Jacobian(Transformed):
    """A function that computes a Jacobian; made by `jacobian`."""

    transform = staticmethod(jacobian)

    def __init__(self, f: Callable, argnums: int | tuple[int, ...] = 0, mode: str = "auto"):
        if mode not in ("auto", "forward", "reverse"):
            raise ValueError(f"mode={mode!r}: choose 'auto', 'forward' or 'reverse'")
        check_request(f, argnums)
        super().__init__(f, "Jacobian")
        self.argnums, self.mode = argnums, mode
        self.native = f.under(jacobian, argnums, mode) if is_compiled(f) else None

    def made_of(self) -> tuple:
        return self.f, self.argnums, self.mode

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if any(map(is_foreign, args)):
            args = plain_arguments(args, self.f)
        found = None if self.native is None else self.native(args, kwargs)
        if found is not None:
            return found[0]
        argnums = self.argnums
        numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        chosen = tuple(tree_map(_lifted, args[n]) for n in numbers)
        run = rebind(self.f)

        def inner(*xs):
            full = list(args)
            for n, x in zip(numbers, xs, strict=True):
                full[n] = x
            return run(*full, **kwargs)

        direction = self.mode
        if direction == "auto":
            out = inner(*chosen)
            direction = "forward" if _size(chosen) <= _size(out) else "reverse"
        structure, blocks = (_by_columns if direction == "forward" else _by_rows)(inner, chosen)
        if isinstance(argnums, int):
            blocks = [block[0] for block in blocks]
        return unflatten(structure, blocks)


def hessian(f: Callable, argnums: int = 0) -> Hessian:
    """Return a function that computes the matrix of second derivatives of `f`: forward mode over reverse
    mode.

    Returns
    -------
    callable
        For an array argument its result has shape ``x.shape + x.shape``; for a nested argument, leaf by leaf.

    Examples
    --------
    >>> import numpy as np, sciad as ad
    >>> ad.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    return Hessian(f, argnums)


class Hessian(Transformed):
    """A function that computes second derivatives; made by `hessian`."""

    transform = staticmethod(hessian)

    def __init__(self, f: Callable, argnums: int = 0):
        super().__init__(f, "Hessian")
        self.argnums, self._rows = argnums, Jacobian(grad(f, argnums), argnums, "forward")
        self.native = f.under(hessian, argnums) if is_compiled(f) else None

    def made_of(self) -> tuple:
        return self.f, self.argnums

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if any(map(is_foreign, args)):
            args = plain_arguments(args, self.f)
        found = None if self.native is None else self.native(args, kwargs)
        return self._rows(*args, **kwargs) if found is None else found[0]


def hvp(f: Callable, primals: tuple, tangents: tuple) -> Any:
    """Return the Hessian of `f` times a direction, without the Hessian: forward mode over reverse mode.

    Parameters
    ----------
    f : callable
        Returns one number.
    primals, tangents : tuple
        Arguments and directions (None: that argument does not move).

    Returns
    -------
    The product with the directions, for the first argument, or a tuple of them for several; in the shape and
    precision of the argument.

    Examples
    --------
    >>> import numpy as np, sciad as ad
    >>> ad.hvp(lambda x: np.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
    array([6., 0.])
    """
    primals = primals if isinstance(primals, tuple) else (primals,)
    tangents = tangents if isinstance(tangents, tuple) else (tangents,)
    found = f.under(_products)((primals, tangents), {}) if is_compiled(f) else None
    if found is not None:
        return found[0]
    argnums = 0 if len(primals) == 1 else tuple(range(len(primals)))
    return jvp(grad(f, argnums), primals, tangents)[1]


def _products(f):
    return functools.partial(hvp, f)


def _lifted(x):
    """What is differentiated is NumPy's number, as in the other transforms."""
    return np.float64(x) if x.__class__ is float else x


def _size(tree):
    return sum(int(np.prod(np.shape(x))) for x in flatten(tree)[0])


def _units(shape):
    n = int(np.prod(shape))
    return np.eye(n).reshape((n, *shape))


def _by_columns(f, primals):
    """Jacobian by one forward pass per entry of the input."""
    leaves, structure = flatten(primals)
    zeros = [np.zeros(np.shape(x))[()] for x in leaves]
    columns = []
    for i, x in enumerate(leaves):

        def push(unit, i=i):
            direction = unflatten(structure, [unit if j == i else z for j, z in enumerate(zeros)])
            return flatten(jvp(f, primals, direction)[1])[0]

        columns.append(_chunks(push, np.shape(x)))
    out = jvp(f, primals, unflatten(structure, zeros))[1] if not any(columns) else f(*primals)
    outs, out_structure = flatten(out)
    blocks = []
    for k, o in enumerate(outs):
        row = []
        for x, douts in zip(leaves, columns, strict=True):
            shape = np.shape(o) + np.shape(x)
            block = np.reshape(np.moveaxis(douts[k], 0, -1), shape) if douts else np.zeros(shape)
            row.append(_precise(block, o, x))
        blocks.append(unflatten(structure, row))
    return out_structure, blocks


def _precise(block, o, x):
    """A block in the precision of output and input together; of numbers a number."""
    o, x = (getattr(z, "dtype", _F64) for z in (o, x))
    dtype = np.result_type(*[z if z.kind in "fc" else _F64 for z in (o, x)])
    block = block if block.dtype == dtype or block.dtype.kind != dtype.kind else block.astype(dtype)
    return block if np.ndim(block) else block[()]


_F64 = np.dtype(np.float64)


def _chunks(linear_map, shape):
    """Apply a linear map to all unit vectors, many at once; the first axis of each result counts them."""
    units = _units(shape)
    if len(units) == 1:
        return [np.expand_dims(y, 0) for y in linear_map(units[0][()])]
    parts = [vmap(linear_map)(units[k : k + _CHUNK]) for k in range(0, len(units), _CHUNK)]
    return parts[0] if len(parts) == 1 else [np.concatenate(p) for p in zip(*parts, strict=True)]


_CHUNK = 128  # as many unit vectors at once: bounds the memory, costs little time


def _by_rows(f, primals):
    """Jacobian by one reverse sweep per entry of the output."""
    leaves, structure = flatten(primals)
    out, pullback = vjp(f, *primals)
    outs, out_structure = flatten(out)
    zeros = [np.zeros(np.shape(o))[()] for o in outs]
    blocks = []
    for k, o in enumerate(outs):

        def pull(unit, k=k):
            return flatten(
                pullback(unflatten(out_structure, [unit if j == k else z for j, z in enumerate(zeros)]))
            )[0]

        rows = _chunks(pull, np.shape(o))
        row = []
        for i, x in enumerate(leaves):
            shape = np.shape(o) + np.shape(x)
            row.append(_precise(np.reshape(rows[i], shape) if rows else np.zeros(shape), o, x))
        blocks.append(unflatten(structure, row))
    return out_structure, blocks
