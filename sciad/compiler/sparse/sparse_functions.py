"""Sparse Jacobians of functions in plain NumPy."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import csc_array

from sciad.eager.traced import is_traced
from sciad.errors import NotDifferentiable
from sciad.transforms.transformed import Transformed
from sciad.tree import flatten, unflatten

__all__ = ["sparse_jacobian", "sparsity"]


def sparsity(f: Callable, args: tuple, argnums: int = 0) -> csc_array:
    """Find which entries of a Jacobian can differ from zero, from the source of the function.

    Parameters
    ----------
    f : callable
        Compiled as by `jit`, from its values' shapes at `args`; its result is numbers and arrays.
    args : tuple
        Example arguments; only their structure and shapes matter (and ints, bools and strings).
    argnums : int
        The argument to differentiate with respect to, a number, an array or a structure of them.

    Returns
    -------
    pattern : csc_array of bool, shape (size of the result, size of the argument)
        Exact where loops have known lengths and indices do not depend on values; every possibility is
        included otherwise. An entry outside of it is zero for all values of the arguments.

    Raises
    ------
    UnsupportedSyntax
        If the function cannot be compiled.

    Examples
    --------
    >>> import numpy as np, sciad as ad
    >>> def second_difference(u):
    ...     d = np.zeros_like(u)
    ...     for i in range(1, len(u) - 1):
    ...         d[i] = u[i - 1] - 2 * u[i] + u[i + 1]
    ...     return d
    >>> ad.sparsity(second_difference, (np.zeros(4),)).toarray().astype(int)
    array([[0, 0, 0, 0],
           [1, 1, 1, 0],
           [0, 1, 1, 1],
           [0, 0, 0, 0]])
    """
    from sciad.compiler.sparse.compressed_jacobian import pattern_of

    function, columns, _ = _compiled(f, args, argnums)
    pattern = pattern_of(function, "x")
    if pattern is None:
        pattern = csc_array(np.ones((function.n_out, function.n_in["x"]), dtype=bool))
    return pattern[:, columns]


def sparse_jacobian(f: Callable, argnums: int = 0) -> SparseJacobian:
    """Return a function that computes the Jacobian of `f` as a sparse matrix, by native code.

    Columns without a common row are computed together, so the cost does not grow with the size of the
    argument but with the number of entries in a row.

    Parameters
    ----------
    f : callable
        Compiled as by `jit`.
    argnums : int

    Returns
    -------
    callable
        Called like `f`, it returns a csc_array of shape (size of the result, size of the argument) with the
        pattern that `sparsity` finds.

    Raises
    ------
    UnsupportedSyntax
        If the function cannot be compiled.

    Examples
    --------
    >>> import numpy as np, sciad as ad
    >>> jac = ad.sparse_jacobian(lambda x: x * np.roll(x, 1))
    >>> jac(np.array([1.0, 2.0, 3.0])).toarray()
    array([[3., 0., 1.],
           [2., 1., 0.],
           [0., 3., 2.]])
    """

    return SparseJacobian(f, argnums)


class SparseJacobian(Transformed):
    """A function that computes a sparse Jacobian; made by `sparse_jacobian`."""

    def __init__(self, f: Callable, argnums: int = 0):
        super().__init__(f, "sparse Jacobian")
        self.argnums = argnums

    def made_of(self) -> tuple:
        return self.f, self.argnums

    def __call__(self, *args: Any) -> csc_array:
        from sciad.compiler.sparse.compressed_jacobian import pattern_of, sparse_jacobian

        if any(is_traced(x) for x in flatten(args)[0]):
            raise NotDifferentiable(
                "sparse_jacobian cannot be differentiated: its result is a SciPy matrix; use jacobian, jvp "
                "or vjp inside of other derivatives"
            )
        function, columns, x = _compiled(self.f, args, self.argnums)
        pattern = pattern_of(function, "x")
        if pattern is None:
            pattern = csc_array(np.ones((function.n_out, function.n_in["x"]), dtype=bool))
        wanted = _only(pattern, columns)
        sparse = sparse_jacobian(function, "x", wanted)
        status, values = sparse.values(x)
        if status:
            raise function.failure(status)
        matrix = csc_array((values, wanted.indices, wanted.indptr), shape=wanted.shape)
        return matrix[:, columns]


def _only(pattern: csc_array, columns: slice) -> csc_array:
    """The pattern without the entries of other columns."""
    first, last = pattern.indptr[columns.start], pattern.indptr[columns.stop]
    indptr = np.clip(pattern.indptr, first, last) - first
    indices = pattern.indices[first:last]
    return csc_array((np.ones(len(indices), bool), indices, indptr), shape=pattern.shape)


def _compiled(f: Callable, args: tuple, argnums: int):
    """The compiled function of one flat group "x", the argument's part of it, and its value."""
    from sciad.compiler.compiled_function import compile_function
    from sciad.compiler.jit import Jitted, WithObjects, _example, _kind, original
    from sciad.compiler.jitted_version import flat
    from sciad.compiler.tracing.trace import Group

    if isinstance(f, Jitted):
        f = f.__wrapped__
    leaves, structure = flatten(tuple(args))
    kinds = [_kind(x) for x in leaves]
    places = itertools.count()
    template = unflatten(structure, [_example(x, k, places) for x, k in zip(leaves, kinds, strict=True)])
    given = tuple([original(x) for x, k in zip(leaves, kinds, strict=True) if k[0] == "given"])
    f = WithObjects(f, given) if given else f
    function = compile_function(f, [Group("x", template, spread=True)])
    start = sum(_size(x) for x in args[:argnums])
    columns = slice(start, start + _size(args[argnums]))
    numbers = [x for x, k in zip(leaves, kinds, strict=True) if k[0] == "f"]
    return function, columns, flat(numbers + list(function.gather()))


def _size(argument) -> int:
    """Floats in an argument."""
    from sciad.compiler.jit import _kind

    return sum(int(np.size(x)) for x in flatten(argument)[0] if _kind(x)[0] == "f")
