"""One attempted step of a Rosenbrock method, as kernels.

Rows of ``z`` besides those of every method: ``START`` f(t, y), ``CLOSING`` f(t + h, y1), ``SLOPE`` f_t(t,
y). Constants put in by the linker: ``N``, ``STAGES``, ``A``, ``C``, ``B``, ``ERROR_WEIGHTS``, ``NODES``,
``TIMES`` (the d_i), ``GAMMA``. Memory in ``scratch``, from ``whole[LINEAR_ALGEBRA]`` on: J by rows (n *
n), LU of W by columns (n * n), pivots (n), zeros (n + m, directions of the pushforward); the mass
matrix by rows, where there is one, is at the very end.
"""

# ruff: noqa: F403, F405
from __future__ import annotations

from sciad.compiler.native import kernel
from sciad.compiler.runtime import call, row, unroll, view
from solvers.linear import lu_factor, lu_solve
from solvers.state import *

__all__ = ["rosenbrock_attempt", "rosenbrock_begin", "rosenbrock_close", "rosenbrock_complete"]


@kernel
def rosenbrock_begin(model, t, z, p, whole, scratch):
    """J and f_t at the start of the step; f there is the closing row of the last one."""
    n = N if N > 0 else whole[SIZE]
    at = whole[LINEAR_ALGEBRA]
    for k in range(n):
        z[START, k] = z[CLOSING, k]
    status = call(model[1], (t, row(z, Y), p, view(scratch, at, n * n), scratch))
    whole[NJEV] += 1
    if status == 0:
        zeros = view(scratch, at + 2 * n * n + n, n)
        status = call(model[2], (t, row(z, Y), p, 1.0, zeros, zeros, row(z, U), row(z, SLOPE), scratch))
        whole[NFEV] += 1
    whole[RAISED] = status
    return status


@kernel
def rosenbrock_attempt(model, t, h, z, p, whole, scratch):
    """Try a step from (t, z[Y]); the new state goes to z[Y1]. Returns the mean squared scaled error,
    maybe not finite.
    """
    n = N if N > 0 else whole[SIZE]
    f = model[0]
    at = whole[LINEAR_ALGEBRA]
    jacobian = view(scratch, at, n * n)
    lu = view(scratch, at + n * n, n * n)
    pivots = view(scratch, at + 2 * n * n, n)
    mass = view(scratch, scratch.shape[0] - n * n, n * n)
    inverse = 1.0 / h
    shift = inverse / GAMMA
    for j in range(n):
        column = view(lu, j * n, n)
        for i in range(n):
            column[i] = -jacobian[i * n + j]
        if whole[MASS] == 0:
            column[j] += shift
        else:
            for i in range(n):
                column[i] += shift * mass[i * n + j]
    whole[NLU] += 1
    if lu_factor(n, lu, pivots) != 0:
        return 1e305
    for i in unroll(range(STAGES)):
        x = row(z, i)
        if i > 0:
            for k in range(n):
                total = 0.0
                for j in unroll(range(i)):
                    if A[i][j] != 0.0:
                        total += A[i][j] * z[j, k]
                z[U, k] = z[Y, k] + total
            status = call(f, (t + NODES[i] * h, row(z, U), p, x, scratch))
            if status != 0:
                whole[RAISED] = status
                return 0.0
        for k in range(n):
            total = 0.0
            for j in unroll(range(i)):
                if C[i][j] != 0.0:
                    total += C[i][j] * z[j, k]
            z[U, k] = inverse * total
        for k in range(n):
            total = z[U, k]
            if whole[MASS] != 0:
                total = 0.0
                for j in range(n):
                    total += mass[k * n + j] * z[U, j]
            base = z[START, k] if i == 0 else x[k]
            x[k] = base + total + (h * TIMES[i]) * z[SLOPE, k]
        lu_solve(n, lu, pivots, x)
    whole[NFEV] += STAGES - 1
    square = 0.0
    for k in range(n):
        total = 0.0
        error = 0.0
        for j in unroll(range(STAGES)):
            if B[j] != 0.0:
                total += B[j] * z[j, k]
            if ERROR_WEIGHTS[j] != 0.0:
                error += ERROR_WEIGHTS[j] * z[j, k]
        z[Y1, k] = z[Y, k] + total
        error = error / (z[ATOL, k] + z[RTOL, k] * max(abs(z[Y, k]), abs(z[Y1, k])))
        square += error * error
    return square / n


@kernel
def rosenbrock_close(model, t, z, p, whole, scratch):
    """f at the end of the step."""
    status = call(model[0], (t, row(z, Y1), p, row(z, CLOSING), scratch))
    whole[NFEV] += 1
    whole[RAISED] = status
    return status


@kernel
def rosenbrock_complete(model, t, h, z, p, whole, scratch):
    """The dense output needs nothing more."""
    return 0
