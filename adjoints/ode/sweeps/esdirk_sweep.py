"""Derivatives of ESDIRK steps with the step sizes held, as kernels over the record of a solve.

A stage K = f(t_i, base + gamma h K, p) defines K implicitly. So a cotangent of K is first carried through
the transposed matrix of its Newton iteration, v = (I - gamma h J)^-T Kbar with J at the stage itself, and
then pulled back through f like that of an explicit stage. This is the derivative of exactly solved stages,
and differs from that of the computed ones by the tolerance of the iteration.
"""

from __future__ import annotations

from sciad.adjoints.ode.sweeps.linked_sweep_names import LAM, Y1DOT, YBAR, YDOT, F, O, call_pullback
from sciad.native.kernels import kernel
from sciad.native.runtime import call, combine, combine_from, row, scatter, unroll, view
from sciad.solvers.linear.linked_systems import (
    system_factor,
    system_jacobian,
    system_solve,
    system_solve_transposed,
)
from sciad.solvers.linear.lu_kernels import FACTOR_SIZE, JACOBIAN_SIZE, MASS_SIZE
from sciad.solvers.stepping.linked_names import BEFORE, GAMMA, STAGES, A, B, C, U

__all__ = ["esdirk_pull_step", "esdirk_push_step", "esdirk_scratch_size"]


def esdirk_scratch_size(model, algebra) -> int:
    """Factors, J and M as stored."""
    return algebra.size


@kernel
def factor_stage(model, n, t, h, y, p, spare, work, scratch):
    """Factor I / (gamma h) - J(t, y) into the beginning of `scratch`. Returns a status, -1 where it is
    singular.
    """
    size = model[FACTOR_SIZE]
    jacobian = view(scratch, size, model[JACOBIAN_SIZE])
    mass = view(scratch, size + model[JACOBIAN_SIZE], model[MASS_SIZE])
    status = system_jacobian(model, n, t, y, p, jacobian, spare, work)
    if status != 0:
        return status
    return -system_factor(model, n, 1.0 / (GAMMA * h), jacobian, mass, view(scratch, 0, size))


@kernel
def esdirk_pull_step(model, n, t, h, looked, z, saved, p, gp, gt, work, scratch, mass):
    """Transpose one step; the rows of ``z`` as for explicit methods, ``model`` = pullback, jacobian."""
    shift = 1.0 / (GAMMA * h)
    for k in range(n):
        z[STAGES - 1, k] += z[STAGES, k]  # the closing row is the last stage
        z[YBAR, k] += z[LAM, k]
        scatter(B, z, k, h * z[LAM, k])
    for i in unroll(range(STAGES - 1, 0, -1)):
        for k in range(n):
            z[U, k] = saved[2 + k] + h * combine_from(A[i], saved, 2 + n + k, n)
        status = factor_stage(model, n, t + C[i] * h, h, row(z, U), p, row(z, F), work, scratch)
        if status != 0:
            return status
        for k in range(n):
            z[i, k] *= shift
            z[O, k] = 0.0
        system_solve_transposed(model, n, view(scratch, 0, model[FACTOR_SIZE]), row(z, i))
        status = call_pullback(
            model[0], (t + C[i] * h, row(z, U), p, row(z, i), row(z, F), gt, row(z, O), gp, work)
        )
        if status != 0:
            return status
        for k in range(n):
            z[YBAR, k] += z[O, k]
            scatter(BEFORE[i], z, k, h * z[O, k])
    for k in range(n):
        z[LAM, k] = z[YBAR, k]
        z[STAGES, k] = z[0, k]
    return 0


@kernel
def esdirk_push_step(model, n, t, h, looked, z, saved, p, dp, dt, work, scratch, mass):
    """Differentiate one step along (dy, dp, dt); ``model`` = pushforward, jacobian."""
    shift = 1.0 / (GAMMA * h)
    for k in range(n):
        z[0, k] = z[STAGES, k]
    for i in unroll(range(1, STAGES)):
        for k in range(n):
            z[U, k] = saved[2 + k] + h * combine_from(A[i], saved, 2 + n + k, n)
        for k in range(n):
            z[O, k] = z[YDOT, k] + h * combine(BEFORE[i], z, k)
        status = factor_stage(model, n, t + C[i] * h, h, row(z, U), p, row(z, F), work, scratch)
        if status != 0:
            return status
        status = call(model[0], (t + C[i] * h, row(z, U), p, dt, row(z, O), dp, row(z, F), row(z, i), work))
        if status != 0:
            return status
        for k in range(n):
            z[i, k] *= shift
        system_solve(model, n, view(scratch, 0, model[FACTOR_SIZE]), row(z, i))
    for k in range(n):
        z[Y1DOT, k] = z[YDOT, k] + h * combine(B, z, k)
        z[STAGES, k] = z[STAGES - 1, k]
    return 0
