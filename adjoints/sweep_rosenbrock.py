"""Derivatives of Rosenbrock steps with the step sizes held, as kernels over the record of a solve.

With W = I / (gamma h) - J(t, y), a step solves

    W U_i = f(t + c_i h, Y_i, p) + sum_j (C_ij / h) U_j + h d_i f_t(t, y),   Y_i = y + sum_j a_ij U_j,
    y1 = y + sum b_i U_i.

The reverse step transposes this in reverse order with the same W, transposed: with v_i = W^-T (cotangent
of U_i), the right-hand side gives a pullback of f at Y_i, and W and f_t together the derivative of v_i^T
(J U_i + h d_i f_t) with respect to (y, p), which is the pullback of f at (t, y) differentiated along (h
d_i, U_i). So the gradient is that of the computed solution and inherits the stability of the method (A.
Sandu, D. N. Daescu, G. R. Carmichael, Atmos. Environ. 37 (2003)).
"""

# ruff: noqa: F821
from __future__ import annotations

from sciad.compiler.native import kernel
from sciad.compiler.runtime import call, row, unroll, view
from solvers.linear import lu_factor, lu_solve, lu_solve_transposed

__all__ = ["pull_first", "pull_step", "push_first", "push_step", "scratch_size"]


def scratch_size(model) -> int:
    """J and LU (n n each), pivots (n), zeros (n + m), ignored cotangents (n + m + 1), cotangents of one
    component.
    """
    m = max(1, model.m)
    return 2 * model.n**2 + model.n + 3 * (model.n + m + 1)


@kernel
def factor(model, n, t, h, saved, p, work, scratch):
    """J at the start of the step and the LU decomposition of W. Returns a status, -1 where W is singular."""
    jacobian = view(scratch, 0, n * n)
    status = call(model[1], (t, view(saved, 2, n), p, jacobian, work))
    if status != 0:
        return status
    shift = 1.0 / (GAMMA * h)
    for j in range(n):
        for i in range(n):
            scratch[n * n + j * n + i] = -jacobian[i * n + j]
        scratch[n * n + j * n + j] += shift
    return -lu_factor(n, view(scratch, n * n, n * n), view(scratch, 2 * n * n, n))


@kernel
def pull_step(model, n, t, h, looked, z, saved, p, gp, gt, work, scratch):
    """Transpose one step; the rows of ``z`` as for explicit methods, ``model`` = pullback, jacobian,
    second.
    """
    status = factor(model, n, t, h, saved, p, work, scratch)
    if status != 0:
        return status
    m = gp.shape[0]
    lu = view(scratch, n * n, n * n)
    pivots = view(scratch, 2 * n * n, n)
    at = 2 * n * n + n
    zeros = view(scratch, at, n + m)
    for k in range(n + m):
        zeros[k] = 0.0
    ignored = view(scratch, at + n + m, n + m + 1)
    y = view(saved, 2, n)
    for k in range(n):
        z[YBAR, k] += z[LAM, k]
    for i in unroll(range(STAGES - 1, -1, -1)):
        for k in range(n):
            z[i, k] += B[i] * z[LAM, k]
        lu_solve_transposed(n, lu, pivots, row(z, i))
        for k in range(n):
            total = 0.0
            for j in unroll(range(i)):
                if A[i][j] != 0.0:
                    total += A[i][j] * saved[2 + (1 + j) * n + k]
            z[U, k] = y[k] + total
            z[O, k] = 0.0
        status = call(
            model[0], (t + NODES[i] * h, row(z, U), p, row(z, i), row(z, F), gt, row(z, O), gp, work)
        )
        if status != 0:
            return status
        for k in range(n):
            z[YBAR, k] += z[O, k]
            for j in unroll(range(i)):
                if A[i][j] != 0.0:
                    z[j, k] += A[i][j] * z[O, k]
                if C[i][j] != 0.0:
                    z[j, k] += C[i][j] / h * z[i, k]
        status = call(
            model[2],
            (
                t,
                y,
                p,
                row(z, i),
                h * TIMES[i],
                view(saved, 2 + (1 + i) * n, n),
                zeros,
                zeros,
                row(z, F),
                row(z, U),
                view(ignored, n + m, 1),
                ignored,
                view(ignored, n, m),
                gt,
                row(z, YBAR),
                gp,
                work,
            ),
        )
        if status != 0:
            return status
    for k in range(n):
        z[LAM, k] = z[YBAR, k]
    return 0


@kernel
def pull_first(model, n, t, z, saved, p, gp, gt, work):
    """Nothing is left over: f(t, y) is part of the step."""
    return 0


@kernel
def push_step(model, n, t, h, looked, z, saved, p, dp, dt, work, scratch):
    """Differentiate one step along (dy, dp, dt); ``model`` = pushforward, jacobian, second."""
    status = factor(model, n, t, h, saved, p, work, scratch)
    if status != 0:
        return status
    m = dp.shape[0]
    lu = view(scratch, n * n, n * n)
    pivots = view(scratch, 2 * n * n, n)
    at = 2 * n * n + n
    zeros = view(scratch, at, n + m)
    for k in range(n + m):
        zeros[k] = 0.0
    ignored = view(scratch, at + n + m, n + m + 1)
    bars = view(scratch, at + 2 * (n + m) + 1, n + m + 1)
    y = view(saved, 2, n)
    for i in unroll(range(STAGES)):
        for k in range(n):
            total = 0.0
            tangent = 0.0
            for j in unroll(range(i)):
                if A[i][j] != 0.0:
                    total += A[i][j] * saved[2 + (1 + j) * n + k]
                    tangent += A[i][j] * z[j, k]
            z[U, k] = y[k] + total
            z[O, k] = z[YDOT, k] + tangent
        status = call(
            model[0], (t + NODES[i] * h, row(z, U), p, dt, row(z, O), dp, row(z, F), row(z, i), work)
        )
        if status != 0:
            return status
        # The second derivative of f along (h d_i, U_i) and (dt, dy, dp), one component at a time.
        for k in range(n):
            for q in range(n + m + 1):
                bars[q] = 0.0
            zeros[k] = 1.0
            for q in range(n):
                z[U, q] = zeros[q]
            zeros[k] = 0.0
            status = call(
                model[2],
                (
                    t,
                    y,
                    p,
                    row(z, U),
                    h * TIMES[i],
                    view(saved, 2 + (1 + i) * n, n),
                    zeros,
                    zeros,
                    row(z, F),
                    row(z, O),
                    view(ignored, n + m, 1),
                    ignored,
                    view(ignored, n, m),
                    view(bars, n + m, 1),
                    bars,
                    view(bars, n, m),
                    work,
                ),
            )
            if status != 0:
                return status
            total = bars[n + m] * dt
            for q in range(n):
                total += bars[q] * z[YDOT, q]
            for q in range(m):
                total += bars[n + q] * dp[q]
            z[i, k] += total
        for k in range(n):
            total = 0.0
            for j in unroll(range(i)):
                if C[i][j] != 0.0:
                    total += C[i][j] * z[j, k]
            z[i, k] += total / h
        lu_solve(n, lu, pivots, row(z, i))
    for k in range(n):
        total = z[YDOT, k]
        for i in unroll(range(STAGES)):
            if B[i] != 0.0:
                total += B[i] * z[i, k]
        z[Y1DOT, k] = total
    return 0


@kernel
def push_first(model, n, t, z, saved, p, dp, dt, work):
    """Nothing is left over: f(t, y) is part of the step."""
    return 0
