"""Ways to solve linear systems, as C entries that steps call by address.

Conventions: ``factor(n, shift, J, M, F, table) -> status``, ``solve(n, F, x, table)`` and ``mass_times(n, M,
x, out, table)``; J, M and F are stored as each way wants. ``table`` is the model's table of addresses, whose
places from ``ALGEBRA`` on belong to the algebra: the numbers named below and, where J is sparse, from
``SCATTER`` on four lists with one item per entry of W (where it is found in J, or -1; where it belongs in the
storage that is factored; its row; its column) and the order of the unknowns in banded storage. M is given
entry by entry, in the same order.
"""

from __future__ import annotations

import functools

from sciad.native.kernels import kernel, link_entry
from sciad.native.runtime import call, carray, view
from sciad.solvers.linear.lu_kernels import ALGEBRA, JACOBIAN_SIZE, lu_factor, lu_solve, lu_solve_transposed

__all__ = ["entries"]

ROUTINE_FACTOR = ALGEBRA  # addresses of LAPACK's routines, or of the static elimination
ROUTINE_SOLVE = ALGEBRA + 1
ROUTINE_TRANSPOSED = ALGEBRA + 2
INTEGERS = ALGEBRA + 3  # address of the int32 numbers n, 1, kl, ku, rows of the band
LETTER_N = ALGEBRA + 4  # addresses of the letters N and T
LETTER_T = ALGEBRA + 5
BAND_ROWS = ALGEBRA + 6
STATIC_SIZE = ALGEBRA + 7
COUNT = ALGEBRA + 8  # entries of W
SCATTER = ALGEBRA + 9


@functools.cache
def entries(kind: str) -> tuple[int, int, int, int]:
    """Addresses of factor, solve, transposed solve and product with the mass matrix.

    Parameters
    ----------
    kind : {"own", "lapack", "scattered", "banded", "static"}
        Own LU of a dense J; LAPACK's; LAPACK's of a sparse J put into a dense matrix; its banded one; a
        static elimination (``sciad.solvers.linear.static_lu``) with the own LU to fall back on.
    """
    factor, solve, transposed, times = {
        "own": (own_factor, own_solve, own_solve_transposed, dense_times),
        "lapack": (lapack_factor, lapack_solve, lapack_solve_transposed, dense_times),
        "scattered": (scattered_factor, lapack_solve, lapack_solve_transposed, sparse_times),
        "banded": (banded_factor, banded_solve, banded_solve_transposed, sparse_times),
        "static": (static_factor, static_solve, static_solve_transposed, sparse_times),
    }[kind]
    numbers, places = "CPointer(float64)", "CPointer(int64)"
    solving = f"int64(int64, {numbers}, {numbers}, {places})"
    return (
        link_entry(factor, f"int64(int64, float64, {numbers}, {numbers}, {numbers}, {places})").address,
        link_entry(solve, solving).address,
        link_entry(transposed, solving).address,
        link_entry(times, f"int64(int64, {numbers}, {numbers}, {numbers}, {places})").address,
    )


# -- dense: J and M by rows -----------------------------------------------------------------------------


@kernel
def own_factor(n, shift, J, M, F, table):
    jacobian, mass, factors = carray(J, n * n), carray(M, n * n), carray(F, n * n + n)
    for j in range(n):
        for i in range(n):
            factors[j * n + i] = shift * mass[i * n + j] - jacobian[i * n + j]
    return lu_factor(n, view(factors, 0, n * n), view(factors, n * n, n))


@kernel
def own_solve(n, F, x, table):
    factors = carray(F, n * n + n)
    lu_solve(n, view(factors, 0, n * n), view(factors, n * n, n), carray(x, n))
    return 0


@kernel
def own_solve_transposed(n, F, x, table):
    factors = carray(F, n * n + n)
    lu_solve_transposed(n, view(factors, 0, n * n), view(factors, n * n, n), carray(x, n))
    return 0


@kernel
def dense_times(n, M, x, out, table):
    mass, vector, product = carray(M, n * n), carray(x, n), carray(out, n)
    for i in range(n):
        total = 0.0
        for j in range(n):
            total += mass[i * n + j] * vector[j]
        product[i] = total
    return 0


# -- LAPACK: W by rows, which it reads as the transpose; pivots and info, of 32 bits, live in floats --------


@kernel
def lapack_factor(n, shift, J, M, F, table):
    jacobian, mass, factors = carray(J, n * n), carray(M, n * n), carray(F, n * n + n + 1)
    for k in range(n * n):
        factors[k] = shift * mass[k] - jacobian[k]
    return getrf(n, factors, carray(table, SCATTER))


@kernel
def scattered_factor(n, shift, J, M, F, table):
    factors = carray(F, n * n + n + 1)
    for k in range(n * n):
        factors[k] = 0.0
    assemble(n, shift, J, M, factors, table)
    return getrf(n, factors, carray(table, SCATTER))


@kernel
def getrf(n, factors, own):
    size, pivots, info = own[INTEGERS], view(factors, n * n, n), view(factors, n * n + n, 1)
    info[0] = 0.0
    call(own[ROUTINE_FACTOR], (size, size, factors, size, pivots, info))
    return 0 if info[0] == 0.0 else 1


@kernel
def lapack_solve(n, F, x, table):
    own = carray(table, SCATTER)
    return getrs(n, own[LETTER_T], F, x, own)


@kernel
def lapack_solve_transposed(n, F, x, table):
    own = carray(table, SCATTER)
    return getrs(n, own[LETTER_N], F, x, own)


@kernel
def getrs(n, letter, F, x, own):
    factors, size = carray(F, n * n + n + 1), own[INTEGERS]
    pivots, info = view(factors, n * n, n), view(factors, n * n + n, 1)
    call(own[ROUTINE_SOLVE], (letter, size, size + 4, factors, size, pivots, carray(x, n), size, info))
    return 0


# -- sparse ---------------------------------------------------------------------------------------------


@kernel
def assemble(n, shift, J, M, storage, table):
    """Put the entries of W where they belong."""
    own = carray(table, SCATTER)
    count = own[COUNT]
    lists = carray(table, SCATTER + 2 * count)
    jacobian, mass = carray(J, own[JACOBIAN_SIZE]), carray(M, count)
    for k in range(count):
        source = lists[SCATTER + k]
        value = shift * mass[k]
        if source >= 0:
            value -= jacobian[source]
        storage[lists[SCATTER + count + k]] = value


@kernel
def sparse_times(n, M, x, out, table):
    count = carray(table, SCATTER)[COUNT]
    lists = carray(table, SCATTER + 4 * count)
    mass, vector, product = carray(M, count), carray(x, n), carray(out, n)
    for i in range(n):
        product[i] = 0.0
    for k in range(count):
        product[lists[SCATTER + 2 * count + k]] += mass[k] * vector[lists[SCATTER + 3 * count + k]]
    return 0


# -- banded: F is the band by columns (rows, n), pivots (n), info, the vector in the order of the band (n) --


@kernel
def banded_factor(n, shift, J, M, F, table):
    own = carray(table, SCATTER)
    end, size = own[BAND_ROWS] * n, own[INTEGERS]
    factors = carray(F, end + 2 * n + 1)
    for k in range(end):
        factors[k] = 0.0
    assemble(n, shift, J, M, factors, table)
    pivots, info = view(factors, end, n), view(factors, end + n, 1)
    info[0] = 0.0
    call(own[ROUTINE_FACTOR], (size, size, size + 8, size + 12, factors, size + 16, pivots, info))
    return 0 if info[0] == 0.0 else 1


@kernel
def banded_solve(n, F, x, table):
    return gbtrs(n, carray(table, SCATTER)[LETTER_N], F, x, table)


@kernel
def banded_solve_transposed(n, F, x, table):
    return gbtrs(n, carray(table, SCATTER)[LETTER_T], F, x, table)


@kernel
def gbtrs(n, letter, F, x, table):
    own = carray(table, SCATTER)
    end, size, start = own[BAND_ROWS] * n, own[INTEGERS], SCATTER + 4 * own[COUNT]
    order, vector, factors = carray(table, start + n), carray(x, n), carray(F, end + 2 * n + 1)
    pivots, info = view(factors, end, n), view(factors, end + n, 1)
    sorted_vector = view(factors, end + n + 1, n)
    for k in range(n):
        sorted_vector[k] = vector[order[start + k]]
    call(
        own[ROUTINE_SOLVE],
        (
            *(letter, size, size + 8, size + 12, size + 4),
            *(factors, size + 16, pivots, sorted_vector, size, info),
        ),
    )
    for k in range(n):
        vector[order[start + k]] = sorted_vector[k]
    return 0


# -- static elimination: F is its factors, and behind them a flag and the dense factors it may need ---------


@kernel
def static_factor(n, shift, J, M, F, table):
    own = carray(table, SCATTER)
    size = own[STATIC_SIZE]
    factors = carray(F, size + 1 + n * n + n)
    jacobian, mass = carray(J, own[JACOBIAN_SIZE]), carray(M, own[COUNT])
    factors[size] = 0.0
    if call(own[ROUTINE_FACTOR], (shift, jacobian, mass, factors)) == 0:
        return 0
    factors[size] = 1.0
    lu, pivots = view(factors, size + 1, n * n), view(factors, size + 1 + n * n, n)
    for k in range(n * n):
        lu[k] = 0.0
    assemble(n, shift, J, M, lu, table)
    return lu_factor(n, lu, pivots)


@kernel
def static_solve(n, F, x, table):
    own = carray(table, SCATTER)
    size = own[STATIC_SIZE]
    factors, vector = carray(F, size + 1 + n * n + n), carray(x, n)
    if factors[size] == 0.0:
        return call(own[ROUTINE_SOLVE], (factors, vector))
    lu_solve(n, view(factors, size + 1, n * n), view(factors, size + 1 + n * n, n), vector)
    return 0


@kernel
def static_solve_transposed(n, F, x, table):
    own = carray(table, SCATTER)
    size = own[STATIC_SIZE]
    factors, vector = carray(F, size + 1 + n * n + n), carray(x, n)
    if factors[size] == 0.0:
        return call(own[ROUTINE_TRANSPOSED], (factors, vector))
    lu_solve_transposed(n, view(factors, size + 1, n * n), view(factors, size + 1 + n * n, n), vector)
    return 0
