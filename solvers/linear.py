"""Small dense linear algebra as kernels: LU with partial pivoting of a matrix stored by columns in flat
memory.

Layout: ``lu[j * n + i]`` is row i, column j; ``pivots[k]`` the row exchanged with row k, as a float.
Diagonals are stored as their reciprocals. Column order lets both elimination and substitution run along
contiguous memory.
"""

from __future__ import annotations

from sciad.compiler.native import kernel
from sciad.compiler.runtime import view

__all__ = ["lu_factor", "lu_solve", "lu_solve_transposed"]


@kernel
def lu_factor(n, lu, pivots):
    """Factor in place. Returns 0, or 1 where the matrix is singular or not finite."""
    for k in range(n):
        column = view(lu, k * n, n)
        p = k
        largest = abs(column[k])
        for i in range(k + 1, n):
            size = abs(column[i])
            if size > largest:
                largest = size
                p = i
        if not (largest > 0.0 and largest < 1e300):
            return 1
        pivots[k] = p
        if p != k:
            # Not in the columns before k: the solves exchange and eliminate in turn, as was done here.
            for j in range(k, n):
                other = view(lu, j * n, n)
                kept = other[k]
                other[k] = other[p]
                other[p] = kept
        inverse = 1.0 / column[k]
        column[k] = inverse
        for i in range(k + 1, n):
            column[i] *= inverse
        below = view(lu, k * n + k + 1, n - k - 1)
        for j in range(k + 1, n):
            factor = lu[j * n + k]
            if factor != 0.0:
                target = view(lu, j * n + k + 1, n - k - 1)
                for i in range(n - k - 1):
                    target[i] -= factor * below[i]
    return 0


@kernel
def lu_solve(n, lu, pivots, x):
    """Overwrite x with the solution of A x = b."""
    for k in range(n):
        p = int(pivots[k])
        value = x[p]
        if p != k:
            x[p] = x[k]
            x[k] = value
        if value != 0.0:
            below = view(lu, k * n + k + 1, n - k - 1)
            rest = view(x, k + 1, n - k - 1)
            for i in range(n - k - 1):
                rest[i] -= value * below[i]
    for q in range(n):
        k = n - 1 - q
        column = view(lu, k * n, n)
        value = x[k] * column[k]
        x[k] = value
        for i in range(k):
            x[i] -= value * column[i]


@kernel
def lu_solve_transposed(n, lu, pivots, x):
    """Overwrite x with the solution of A^T x = b."""
    for k in range(n):
        column = view(lu, k * n, n)
        total = x[k]
        for i in range(k):
            total -= column[i] * x[i]
        x[k] = total * column[k]
    for q in range(n):
        k = n - 1 - q
        below = view(lu, k * n + k + 1, n - k - 1)
        rest = view(x, k + 1, n - k - 1)
        total = x[k]
        for i in range(n - k - 1):
            total -= below[i] * rest[i]
        p = int(pivots[k])
        x[k] = x[p]
        x[p] = total
