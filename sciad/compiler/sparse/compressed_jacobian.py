"""Sparse Jacobians: native code for the entries that can differ from zero.

Programs whose columns can be written out compute every such entry once. Others are pushed forward along one
direction per colour: columns that share no row have the same colour and are told apart by their rows (A. R.
Curtis, M. J. D. Powell & J. K. Reid, J. Inst. Maths Applics 13 (1974)).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array

from sciad.compiler.backend.emit import emit
from sciad.compiler.backend.module import native_address, trampoline
from sciad.compiler.compiled_function import CompiledFunction
from sciad.compiler.derivatives.jacobian import columns_of, nonzeros
from sciad.compiler.derivatives.pushforward import pushforward
from sciad.compiler.passes.pipeline import finish
from sciad.compiler.sparse.pattern import sparsity
from sciad.private_interfaces import group_columns

__all__ = ["SparseJacobian", "colour_columns", "pattern_of", "sparse_jacobian"]


def pattern_of(function: CompiledFunction, wrt: str | None = None) -> csc_array | None:
    """Pattern of the Jacobian with respect to an input group, found from the program; see `sparsity`."""
    wrt = wrt or function.wrt
    return function.once(("pattern", wrt), lambda: sparsity(function.program(), wrt))


def sparse_jacobian(
    function: CompiledFunction, wrt: str | None = None, pattern: csc_array | None = None
) -> SparseJacobian | None:
    """Code for the entries of `pattern`, those that can differ from zero by default.

    Parameters
    ----------
    pattern : csc_array (n_out, n), optional
        Entries outside of it must not be wanted, or be zero.

    Returns
    -------
    SparseJacobian, or None where the pattern is not known.
    """
    wrt = wrt or function.wrt
    if pattern is None:
        pattern = pattern_of(function, wrt)
    if pattern is None:
        return None
    key = ("sparse jacobian", wrt, pattern.indptr.tobytes(), pattern.indices.tobytes())
    return function.once(key, lambda: _make(function, wrt, pattern))


@dataclass(eq=False)
class SparseJacobian:
    """How the nonzeros of a Jacobian are computed.

    Attributes
    ----------
    pattern : csc_array of bool
    colours : int
        0: the entry is ``jacobian(*inputs, J, w)`` and writes `size` numbers. Else it is
        ``pushforward(*inputs, dot, out, out_dot, w)``, to be called with each row of `seeds` as ``dot``; the
        ``out_dot`` of colour k are the numbers from ``k * n_out`` on.
    place : ndarray (nnz,)
        Where among these numbers the entries of the pattern are, in CSC order.
    seeds : ndarray (colours, n)
    """

    text: object
    pattern: csc_array
    colours: int
    size: int
    place: np.ndarray
    seeds: np.ndarray

    @functools.cached_property
    def address(self) -> int:
        """Of the C entry."""
        return native_address(self.text)

    @property
    def work_size(self) -> int:
        return self.text.layout.work_size

    def values(self, *inputs) -> tuple[int, np.ndarray]:
        """Status, and the entries of the pattern in CSC order, at flat inputs."""
        shape = "".join("s" if scalar else "a" for _, scalar in self.text.parameters) + "a"
        enter, work = trampoline(shape), np.empty(max(1, self.work_size))
        numbers = np.zeros(max(1, self.size))
        if not self.colours:
            return enter(self.address, *inputs, numbers, work), numbers[self.place]
        n_out = self.pattern.shape[0]
        out, rows = np.empty(max(1, n_out)), numbers.reshape(self.colours, n_out)
        status = 0
        for seed, row in zip(self.seeds, rows, strict=True):
            status = status or enter(self.address, *inputs, seed, out, row, work)
        return status, numbers[self.place]


def colour_columns(pattern: csc_array) -> np.ndarray:
    """A colour for each column; no two columns of one colour have an entry in the same row."""
    if pattern.nnz == 0:
        return np.zeros(pattern.shape[1], dtype=np.int64)
    order = np.argsort(-np.diff(pattern.indptr), kind="stable")  # dense columns first, then as they come
    best = None
    for tried in (np.arange(pattern.shape[1]), order):
        colours = group_columns(pattern, tried)
        if best is None or colours.max() < best.max():
            best = colours
    return np.asarray(best, dtype=np.int64)


def _make(function: CompiledFunction, wrt: str, pattern: csc_array) -> SparseJacobian:
    program = function.program()
    n_out, n = pattern.shape
    colours = colour_columns(pattern)
    count = int(colours.max(initial=0)) + 1
    if columns_of(program, wrt, count):
        text = emit(finish(nonzeros(program, wrt, pattern)))
        return SparseJacobian(text, pattern, 0, pattern.nnz, np.arange(pattern.nnz), np.empty((0, n)))
    column = np.repeat(np.arange(n), np.diff(pattern.indptr))
    place = colours[column] * n_out + pattern.indices
    seeds = np.zeros((count, n))
    seeds[colours, np.arange(n)] = 1.0
    seeds[:, np.diff(pattern.indptr) == 0] = 0.0
    text = emit(finish(pushforward(program, {wrt})))
    return SparseJacobian(text, pattern, count, count * n_out, place, seeds)
