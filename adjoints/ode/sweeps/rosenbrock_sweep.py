"""Derivatives of Rosenbrock steps with the step sizes held, as kernels over the record of a solve.

With W = M / (gamma h) - J(t, y), a step solves

    W U_i = f(t + c_i h, Y_i, p) + M sum_j (C_ij / h) U_j + h d_i f_t(t, y),   Y_i = y + sum_j a_ij U_j,
    y1 = y + sum b_i U_i.

The reverse step transposes this in reverse order with the same W, transposed: with v_i = W^-T (cotangent
of U_i), the right-hand side gives a pullback of f at Y_i, and W and f_t together the gradient of v_i^T (J
U_i + h d_i f_t) in (y, p). That is one pullback of the derivative of f at (t, y) along (h d_i, U_i), which
models offer as the kind "pullback_along"; the tangent step takes its "pushforward_along". So the gradient
is that of the computed solution and inherits the stability of the method (A. Sandu, D. N. Daescu, G. R.
Carmichael, Atmos. Environ. 37 (2003)).

Where the record has the factors of the forward solve (level 3), they are used again.
"""

from __future__ import annotations

from sciad.adjoints.ode.sweeps.linked_sweep_names import (
    LAM,
    Y1DOT,
    YBAR,
    YDOT,
    F,
    O,
    call_along,
    call_pullback,
    factors_of,
    solve_transposed,
)
from sciad.native.kernels import kernel
from sciad.native.runtime import call, combine, combine_from, row, scatter, unroll, view
from sciad.solvers.linear.linked_systems import (
    system_factor,
    system_jacobian,
    system_solve,
    system_solve_transposed,
)
from sciad.solvers.linear.lu_kernels import DOUBT, FACTOR_SIZE, JACOBIAN_SIZE, KEPT_SIZE, MASS_SIZE
from sciad.solvers.stepping.linked_names import GAMMA, NODES, ROWS, STAGES, TIMES, A, B, C, U

__all__ = [
    "factor",
    "plain_factors_of",
    "plain_solve_transposed",
    "rosenbrock_pull_first",
    "rosenbrock_pull_step",
    "rosenbrock_push_first",
    "rosenbrock_push_step",
    "rosenbrock_scratch_size",
]


def rosenbrock_scratch_size(model, algebra) -> int:
    """Factors, J and M as stored, a direction (n + m), ignored cotangents (2 (n + m + 2))."""
    return algebra.size + 3 * (model.n + max(1, model.m) + 2)


@kernel
def plain_factors_of(model, n, t, h, saved, p, work, scratch):
    """Factor W, unless the record has the factors. Returns a status, -1 where W is singular."""
    if recorded(model, saved, 2 + (1 + ROWS) * n):
        return 0
    return factor(model, n, t, h, saved, p, work, scratch)


@kernel
def recorded(model, saved, tail):
    """Whether the record, from place `tail` on, has factors that are enough to solve with."""
    if saved.shape[0] == tail:
        return False
    return model[DOUBT] < 0 or saved[tail + model[DOUBT]] == 0.0


@kernel
def factor(model, n, t, h, saved, p, work, scratch):
    """Factor W, of n unknowns, into the beginning of `scratch`."""
    size = model[FACTOR_SIZE]
    jacobian = view(scratch, size, model[JACOBIAN_SIZE])
    mass = view(scratch, size + model[JACOBIAN_SIZE], model[MASS_SIZE])
    spare = view(scratch, scratch.shape[0] - n, n)
    status = system_jacobian(model, n, t, view(saved, 2, n), p, jacobian, spare, work)
    if status != 0:
        return status
    return -system_factor(model, n, 1.0 / (GAMMA * h), jacobian, mass, view(scratch, 0, size))


@kernel
def factors_at(model, saved, tail, scratch):
    """The factors, where `factors_of` has left or found them."""
    if recorded(model, saved, tail):
        return view(saved, tail, model[KEPT_SIZE])
    return view(scratch, 0, model[FACTOR_SIZE])


@kernel
def plain_solve_transposed(model, n, t, saved, p, factors, x, work, scratch):
    """Overwrite x with W^-T x."""
    system_solve_transposed(model, n, factors, x)
    return 0


@kernel
def rosenbrock_pull_step(model, n, t, h, looked, z, saved, p, gp, gt, work, scratch, mass):
    """Transpose one step; the rows of ``z`` as for explicit methods, ``model`` = pullback, jacobian,
    pullback_along.
    """
    status = factors_of(model, n, t, h, saved, p, work, scratch)
    if status != 0:
        return status
    m = gp.shape[0]
    tail = 2 + (1 + ROWS) * n
    factors = factors_at(model, saved, tail, scratch)
    ignored = view(scratch, scratch.shape[0] - 2 * (n + m + 2), n + 1)
    y = view(saved, 2, n)
    for k in range(n):
        z[YBAR, k] += z[LAM, k]
    for i in unroll(range(STAGES - 1, -1, -1)):
        v = row(z, i)
        for k in range(n):
            z[i, k] += B[i] * z[LAM, k]
        status = solve_transposed(model, n, t, saved, p, factors, v, work, scratch)
        if status != 0:
            return status
        for k in range(n):
            z[U, k] = y[k] + combine_from(A[i], saved, 2 + n + k, n)
            z[O, k] = 0.0
        status = call_pullback(
            model[0], (t + NODES[i] * h, row(z, U), p, v, row(z, F), gt, row(z, O), gp, work)
        )
        if status != 0:
            return status
        u = view(saved, 2 + (1 + i) * n, n)
        status = call_along(
            model[2],
            (
                t,
                y,
                p,
                h * TIMES[i],
                u,
                v,
                row(z, F),
                gt,
                row(z, YBAR),
                gp,
                view(ignored, n, 1),
                ignored,
                work,
            ),
        )
        if status != 0:
            return status
        for k in range(n):
            z[YBAR, k] += z[O, k]
            pulled = z[i, k] if mass.shape[0] == 0 else mass_row(n, mass, v, k, True)
            scatter(A[i], z, k, z[O, k])
            scatter(C[i], z, k, pulled / h)
    for k in range(n):
        z[LAM, k] = z[YBAR, k]
    return 0


@kernel
def mass_row(n, mass, v, k, transposed):
    """Component k of M v or M^T v, with M for each of the blocks that v consists of."""
    size = mass.shape[0]
    first = k // size * size
    total = 0.0
    for j in range(size):
        total += (mass[j, k - first] if transposed else mass[k - first, j]) * v[first + j]
    return total


@kernel
def rosenbrock_pull_first(model, n, t, z, saved, p, gp, gt, work):
    """Nothing is left over: f(t, y) is part of the step."""
    return 0


@kernel
def rosenbrock_push_step(model, n, t, h, looked, z, saved, p, dp, dt, work, scratch, mass):
    """Differentiate one step along (dy, dp, dt); ``model`` = pushforward, jacobian, pushforward_along."""
    status = plain_factors_of(model, n, t, h, saved, p, work, scratch)
    if status != 0:
        return status
    m = dp.shape[0]
    tail = 2 + (1 + ROWS) * n
    factors = factors_at(model, saved, tail, scratch)
    total_c = view(scratch, scratch.shape[0] - 2 * (n + m + 2), n)
    y = view(saved, 2, n)
    for i in unroll(range(STAGES)):
        x = row(z, i)
        for k in range(n):
            z[U, k] = y[k] + combine_from(A[i], saved, 2 + n + k, n)
            z[O, k] = z[YDOT, k] + combine(A[i], z, k)
            total_c[k] = combine(C[i], z, k) / h
        status = call(model[0], (t + NODES[i] * h, row(z, U), p, dt, row(z, O), dp, row(z, F), x, work))
        if status != 0:
            return status
        u = view(saved, 2 + (1 + i) * n, n)
        status = call(model[2], (t, y, p, h * TIMES[i], u, dt, row(z, YDOT), dp, row(z, F), row(z, O), work))
        if status != 0:
            return status
        for k in range(n):
            carried = total_c[k] if mass.shape[0] == 0 else mass_row(n, mass, total_c, k, False)
            x[k] += z[O, k] + carried
        system_solve(model, n, factors, x)
    for k in range(n):
        z[Y1DOT, k] = z[YDOT, k] + combine(B, z, k)
    return 0


@kernel
def rosenbrock_push_first(model, n, t, z, saved, p, dp, dt, work):
    """Nothing is left over: f(t, y) is part of the step."""
    return 0
