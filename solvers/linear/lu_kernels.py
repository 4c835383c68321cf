"""The linear systems of implicit steps, as kernels: W x = b and W^T x = b with W = shift M - J.

Steps and adjoints use five kernels, put in by the linker under the names of `linked_systems`:

``system_jacobian(model, n, t, y, p, jacobian, spare, work) -> status``
    J at (t, y), stored as the model's `Algebra` says; `spare` is any vector of n numbers.
``system_factor(model, n, shift, jacobian, mass, factors) -> status``
    Factors of W; status 1 where W is singular or not finite.
``system_solve(model, n, factors, x)``, ``system_solve_transposed(model, n, factors, x)``
    Overwrite x.
``mass_times(model, n, mass, x, out)``

For the few unknowns that a kernel is specialised for (n <= 4) they are the dense ones below, inlined. For all
other n they call the entries whose addresses the model's table holds from place `FACTOR` on, so a step knows
nothing of how systems are solved; ``sciad.solvers.linear.solver_choice`` chooses.

Dense layout: ``lu[j * n + i]`` is row i, column j; ``pivots[k]`` the row exchanged with row k, as a float.
Diagonals are stored as their reciprocals. Column order lets both elimination and substitution run along
contiguous memory.
"""

from __future__ import annotations

from sciad.native.kernels import kernel
from sciad.native.runtime import call as call_entry
from sciad.native.runtime import view

__all__ = ["linked_algebra", "lu_factor", "lu_solve", "lu_solve_transposed"]

# Places in the table of addresses; 0 and 2 belong to the step or the sweep.
JACOBIAN = 1
FACTOR = 3
SOLVE = 4
SOLVE_TRANSPOSED = 5
MASS_TIMES = 6
COLOURS = 7  # 0: the entry at JACOBIAN writes J; else it is a pushforward, called once for each colour
SEEDS = 8  # address of the directions (colours, n)
JACOBIAN_SIZE = 9  # numbers that J, the factors and M take
FACTOR_SIZE = 10
MASS_SIZE = 11
KEPT_SIZE = 12  # of the factors, how many to keep where they are to be used again; 0: they cannot be kept
DOUBT = 13  # place in the factors of a number that is not 0 where what was kept is not enough; -1: none
AUTONOMOUS = 14  # 1: f does not depend on t
ALGEBRA = 16  # what the entries themselves need begins here


def linked_algebra(n: int) -> dict:
    """The kernels for a specialised n, or for any other if n is 0."""
    if n > 0:
        return {
            "system_jacobian": dense_jacobian,
            "system_factor": dense_factor,
            "system_solve": dense_solve,
            "system_solve_transposed": dense_solve_transposed,
            "mass_times": dense_mass_times,
        }
    return {
        "system_jacobian": entry_jacobian,
        "system_factor": entry_factor,
        "system_solve": entry_solve,
        "system_solve_transposed": entry_solve_transposed,
        "mass_times": entry_mass_times,
    }


@kernel
def entry_jacobian(model, n, t, y, p, jacobian, spare, work):
    if model[COLOURS] == 0:
        return call_entry(model[JACOBIAN], (t, y, p, jacobian, work))
    for c in range(model[COLOURS]):
        seed = model[SEEDS] + 8 * n * c
        status = call_entry(model[JACOBIAN], (t, y, p, seed, spare, view(jacobian, c * n, n), work))
        if status != 0:
            return status
    return 0


@kernel
def entry_factor(model, n, shift, jacobian, mass, factors):
    return call_entry(model[FACTOR], (n, shift, jacobian, mass, factors, model))


@kernel
def entry_solve(model, n, factors, x):
    return call_entry(model[SOLVE], (n, factors, x, model))


@kernel
def entry_solve_transposed(model, n, factors, x):
    return call_entry(model[SOLVE_TRANSPOSED], (n, factors, x, model))


@kernel
def entry_mass_times(model, n, mass, x, out):
    return call_entry(model[MASS_TIMES], (n, mass, x, out, model))


@kernel
def dense_jacobian(model, n, t, y, p, jacobian, spare, work):
    return call_entry(model[JACOBIAN], (t, y, p, jacobian, work))


@kernel
def dense_factor(model, n, shift, jacobian, mass, factors):
    """J and M are stored by rows."""
    for j in range(n):
        for i in range(n):
            factors[j * n + i] = shift * mass[i * n + j] - jacobian[i * n + j]
    return lu_factor(n, view(factors, 0, n * n), view(factors, n * n, n))


@kernel
def dense_solve(model, n, factors, x):
    lu_solve(n, view(factors, 0, n * n), view(factors, n * n, n), x)
    return 0


@kernel
def dense_solve_transposed(model, n, factors, x):
    lu_solve_transposed(n, view(factors, 0, n * n), view(factors, n * n, n), x)
    return 0


@kernel
def dense_mass_times(model, n, mass, x, out):
    for i in range(n):
        total = 0.0
        for j in range(n):
            total += mass[i * n + j] * x[j]
        out[i] = total
    return 0


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
