"""Which linear solver a model gets: by its number of unknowns and the pattern of its Jacobian."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csc_array, eye_array
from scipy.sparse.csgraph import reverse_cuthill_mckee

from sciad.private_interfaces import capsule, cython_functions
from sciad.solvers.linear import lu_kernels, solver_entries
from sciad.solvers.linear.lu_kernels import ALGEBRA, FACTOR
from sciad.solvers.linear.solver_entries import entries
from sciad.solvers.linear.static_lu import eliminate, static_lu
from sciad.solvers.linear.superlu import SuperLU

__all__ = ["Algebra", "algebra_of", "dense_algebra"]

LOOK = 6  # unknowns from which on the pattern of the Jacobian is looked for
STATIC = 6000  # operations of an elimination that is written out: a second of compiling, once
OWN = 28  # unknowns up to which the own dense LU is faster than LAPACK's
LARGE = 200_000_000  # numbers in a dense matrix, at most


@dataclass(eq=False)
class Algebra:
    """How J is stored and W = shift M - J is factored.

    Attributes
    ----------
    kind : str
        "inline", "own", "lapack", "scattered", "banded", "static" or "SuperLU".
    jacobian_size, factor_size, mass_size : int
        Float64 numbers that J, the factors and M take.
    pattern : csc_array (n, n), optional
        Of W, where it is sparse.
    places : list of int
        The table of addresses from ``FACTOR`` on.
    kept_size : int
        How many of the first factors are enough to solve again later, 0 if they cannot be kept.
    doubt : int
        Place in the factors that is not 0 where these are not enough after all, -1 if there is none.
    jacobian : SparseJacobian, optional
        The code for J, where it is not the model's dense one.
    """

    kind: str
    n: int
    jacobian_size: int
    factor_size: int
    mass_size: int
    places: list[int]
    kept_size: int = 0
    doubt: int = -1
    pattern: csc_array | None = None
    jacobian: object = None
    source: np.ndarray | None = None
    kept: list = field(default_factory=list)  # what the addresses belong to

    def __repr__(self) -> str:
        return f"<{self.kind} linear algebra, n = {self.n}>"

    @property
    def size(self) -> int:
        """Float64 numbers of workspace: J, factors and M, one behind the other."""
        return self.jacobian_size + self.factor_size + self.mass_size

    def table(self, model, kinds: tuple[str, ...]) -> np.ndarray:
        """Addresses of the entries of `kinds`, "jacobian" among them in second place, and of these."""
        addresses = [
            self.jacobian.address if kind == "jacobian" and self.jacobian else model.address(kind)
            for kind in kinds
        ]
        return self.table_behind(addresses, model.autonomous)

    def table_behind(self, addresses: list[int], autonomous: bool = False) -> np.ndarray:
        """A table with other addresses (at most three) before those of the linear algebra."""
        table = np.array([*addresses, *[0] * (FACTOR - len(addresses)), *self.places], dtype=np.int64)
        table[lu_kernels.JACOBIAN_SIZE] = self.jacobian_size
        table[lu_kernels.FACTOR_SIZE] = self.factor_size
        table[lu_kernels.MASS_SIZE] = self.mass_size
        table[lu_kernels.KEPT_SIZE] = self.kept_size
        table[lu_kernels.DOUBT] = self.doubt
        table[lu_kernels.AUTONOMOUS] = autonomous
        return table

    def work_size(self, model, kinds: tuple[str, ...]) -> int:
        """Workspace that the model's entries want."""
        if self.jacobian is None:
            return model.work_size_of(*kinds)
        others = [kind for kind in kinds if kind != "jacobian"]
        return max(model.work_size_of(*others), self.jacobian.work_size)

    def mass_values(self, mass=None) -> np.ndarray:
        """M, the identity if None, as the entries want it."""
        if self.pattern is None:
            dense = np.eye(self.n) if mass is None else mass
            return np.ascontiguousarray(dense.toarray() if hasattr(dense, "toarray") else dense).ravel()
        mass = eye_array(self.n, format="csc") if mass is None else csc_array(mass)
        columns = np.repeat(np.arange(self.n), np.diff(self.pattern.indptr))
        return _entries_of(mass, self.pattern.indices, columns)

    def largest_row_sum(self, jacobian: np.ndarray) -> float:
        """The maximum norm of J."""
        if self.pattern is None:
            return float(np.abs(jacobian.reshape(self.n, self.n)).sum(axis=1).max(initial=0.0))
        there = self.source >= 0
        rows = self.pattern.indices[there]
        sums = np.bincount(rows, np.abs(jacobian[self.source[there]]), minlength=self.n)
        return float(sums.max(initial=0.0))


def algebra_of(model, mass=None, inline: bool = True) -> Algebra:
    """The linear algebra of a model's implicit steps.

    Parameters
    ----------
    model : Model
    mass : array or sparse array (n, n), optional
        Mass matrix; only where it has entries matters.
    inline : bool
        Whether kernels specialised for a small model have their own; otherwise that is called by address,
        with the same layout of factors.

    Raises
    ------
    ValueError
        If the Jacobian is dense, or not known to be sparse, and too large.
    """
    pattern = None if mass is None else csc_array(mass).astype(bool)
    key = ("algebra", inline, None if mass is None else (pattern.indptr.tobytes(), pattern.indices.tobytes()))
    found = model.plans.get(key)
    if found is None:
        found = model.plans[key] = _choose(model, pattern, inline)
    return found


def dense_algebra(n: int) -> Algebra:
    """That of dense Jacobians stored by rows, called by address."""
    return _dense("own", n) if n <= OWN else _lapack("lapack", n)


def _choose(model, mass: csc_array | None, inline: bool) -> Algebra:
    n = model.n
    if model.specialised:
        return _dense("inline" if inline else "own", n)
    jacobian = model.sparse_jacobian() if n >= LOOK else None
    if jacobian is not None:
        pattern, source = _of_w(jacobian, mass)
        sparse = pattern.nnz <= 0.5 * n * n
        if sparse:
            found = (
                _static(jacobian, pattern, source, mass is not None)
                or _banded(jacobian, pattern, source)
                or _superlu(jacobian, pattern, source)
            )
            if found is not None:
                return found
        if n > OWN and (jacobian.colours or sparse) and jacobian.colours < n:
            return _lapack("scattered", n, jacobian, pattern, source)
    if n * n > LARGE:
        raise ValueError(
            f"the Jacobian of {n} unknowns is not known to be sparse, and a dense one would take "
            f"{8e-9 * n * n:.0f} GB: give jac_sparsity, or use an explicit method such as Tsit5"
        )
    return dense_algebra(n)


def _of_w(jacobian, mass: csc_array | None) -> tuple[csc_array, np.ndarray]:
    """Pattern of W and where in J its entries are found."""
    n = jacobian.pattern.shape[0]
    other = eye_array(n, dtype=bool, format="csc") if mass is None else mass
    pattern = csc_array((jacobian.pattern + other).astype(bool))
    pattern.sum_duplicates()
    pattern.sort_indices()
    places = csc_array(
        (jacobian.place + 1.0, jacobian.pattern.indices, jacobian.pattern.indptr), shape=pattern.shape
    )
    columns = np.repeat(np.arange(n), np.diff(pattern.indptr))
    source = _entries_of(places, pattern.indices, columns).astype(np.int64) - 1
    return pattern, source


def _entries_of(matrix: csc_array, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    if not len(rows):
        return np.zeros(0)
    return np.asarray(matrix[rows, columns], dtype=float).ravel()


def _dense(kind: str, n: int) -> Algebra:
    places = [0] * (ALGEBRA - FACTOR)
    if kind == "own":
        places[:4] = entries("own")
    return Algebra(kind, n, n * n, n * n + n, n * n, places, n * n + n)


def _lapack(kind: str, n: int, jacobian=None, pattern=None, source=None) -> Algebra:
    kept, own = _routines("dgetrf", "dgetrs", n, 0, 0, 0)
    size = n * n + n + 1
    found = Algebra(kind, n, n * n, size, n * n, _places(kind, own), size, kept=kept)
    if jacobian is None:
        return found
    columns = np.repeat(np.arange(n), np.diff(pattern.indptr))
    return _scattered(found, jacobian, pattern, source, pattern.indices.astype(np.int64) * n + columns)


def _banded(jacobian, pattern: csc_array, source: np.ndarray) -> Algebra | None:
    """LAPACK's band solver, if some order of the unknowns makes a narrow band."""
    n = pattern.shape[0]
    columns = np.repeat(np.arange(n), np.diff(pattern.indptr))
    best = None
    for order in (np.arange(n), reverse_cuthill_mckee((pattern + pattern.T).tocsr(), symmetric_mode=True)):
        rank = np.empty(n, dtype=np.int64)
        rank[order] = np.arange(n)
        offsets = rank[pattern.indices] - rank[columns]
        below, above = max(0, int(offsets.max(initial=0))), max(0, int(-offsets.min(initial=0)))
        if best is None or below + above < best[0] + best[1]:
            best = below, above, order, rank
    below, above, order, rank = best
    if 2 * below + above > min(40, n // 5):
        return None
    rows = 2 * below + above + 1
    kept, own = _routines("dgbtrf", "dgbtrs", n, below, above, rows)
    i, j = rank[pattern.indices], rank[columns]
    target = j * rows + below + above + i - j
    size = rows * n + 2 * n + 1
    found = Algebra("banded", n, 0, size, 0, _places("banded", own), size, kept=kept)
    return _scattered(found, jacobian, pattern, source, target, order)


def _static(jacobian, pattern: csc_array, source: np.ndarray, mass: bool) -> Algebra | None:
    """The elimination written out, if it is short and no pivot is zero by structure."""
    n = pattern.shape[0]
    if n > 1000 or (pattern.diagonal() == 0).any():
        return None
    plan = eliminate(pattern, min(STATIC, n**3 // 6))
    if plan is None:
        return None
    code = static_lu(pattern, plan, source, mass)
    own = [0] * (solver_entries.SCATTER - ALGEBRA)
    for at, address in (
        (solver_entries.ROUTINE_FACTOR, code.factor),
        (solver_entries.ROUTINE_SOLVE, code.solve),
        (solver_entries.ROUTINE_TRANSPOSED, code.solve_transposed),
        (solver_entries.STATIC_SIZE, code.size),
    ):
        own[at - ALGEBRA] = address
    size = code.size + 1 + n * n + n
    places = _places("static", own)
    found = Algebra("static", n, 0, size, 0, places, code.size + 1, code.size, kept=[code])
    columns = np.repeat(np.arange(n), np.diff(pattern.indptr))
    return _scattered(found, jacobian, pattern, source, columns * n + pattern.indices)


def _superlu(jacobian, pattern: csc_array, source: np.ndarray) -> Algebra | None:
    n = pattern.shape[0]
    if n < 200 or pattern.nnz > 0.1 * n * n:
        return None
    solver = SuperLU(pattern, source, jacobian.size)
    own = [0] * (solver_entries.SCATTER - ALGEBRA)
    found = Algebra("SuperLU", n, 0, 1, 0, _places(solver.addresses, own), kept=[solver])
    return _scattered(found, jacobian, pattern, source, source)


def _scattered(found: Algebra, jacobian, pattern, source, target, order=()) -> Algebra:
    """Complete an algebra for a sparse J."""
    n, places = found.n, found.places
    columns = np.repeat(np.arange(n), np.diff(pattern.indptr))
    places[lu_kernels.COLOURS - FACTOR] = jacobian.colours
    places[lu_kernels.SEEDS - FACTOR] = jacobian.seeds.ctypes.data
    places[solver_entries.COUNT - FACTOR] = pattern.nnz
    for part in (source, target, pattern.indices, columns, order):
        places.extend(np.asarray(part, dtype=np.int64).tolist())
    found.jacobian_size, found.mass_size = max(1, jacobian.size), max(1, pattern.nnz)
    found.pattern, found.jacobian, found.source = pattern, jacobian, source
    found.kept.append(jacobian)
    return found


def _places(kind, own: list[int]) -> list[int]:
    """The table from ``FACTOR`` on: addresses of the entries, and what belongs to them."""
    addresses = entries(kind) if isinstance(kind, str) else kind
    return [*addresses, *[0] * (ALGEBRA - FACTOR - 4), *own]


def _lapack_address(routine: str) -> int:
    from scipy.linalg import cython_lapack

    return capsule(cython_functions(cython_lapack)[routine])[1]


def _routines(factor: str, solve: str, n: int, below: int, above: int, rows: int):
    """LAPACK's routines and the arguments they take by address."""
    numbers = np.array([n, 1, below, above, max(rows, 1)], dtype=np.int32)
    letters = [ctypes.create_string_buffer(letter) for letter in (b"N", b"T")]
    own = [0] * (solver_entries.SCATTER - ALGEBRA)
    for at, value in (
        (solver_entries.ROUTINE_FACTOR, _lapack_address(factor)),
        (solver_entries.ROUTINE_SOLVE, _lapack_address(solve)),
        (solver_entries.INTEGERS, numbers.ctypes.data),
        (solver_entries.LETTER_N, ctypes.addressof(letters[0])),
        (solver_entries.LETTER_T, ctypes.addressof(letters[1])),
        (solver_entries.BAND_ROWS, rows),
    ):
        own[at - ALGEBRA] = value
    return [numbers, *letters], own
