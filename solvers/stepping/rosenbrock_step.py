"""One attempted step of a Rosenbrock method, as kernels.

Rows of ``z`` besides those of every method: ``START`` f(t, y), ``CLOSING`` f(t + h, y1), ``SLOPE`` f_t(t,
y). Memory in ``scratch``, from ``whole[LINEAR_ALGEBRA]`` on, with sizes from the table: J, the factors of W,
the mass matrix, zeros (n + m, directions of the pushforward).
"""

from __future__ import annotations

from sciad.native.kernels import kernel
from sciad.native.runtime import call, combine, row, unroll, view
from sciad.solvers.linear.linked_systems import mass_times, system_factor, system_jacobian, system_solve
from sciad.solvers.linear.lu_kernels import AUTONOMOUS, FACTOR_SIZE, JACOBIAN_SIZE, MASS_SIZE
from sciad.solvers.stepping.linked_names import (
    ATOL,
    CLOSING,
    ERROR_WEIGHTS,
    GAMMA,
    NODES,
    RTOL,
    SLOPE,
    STAGES,
    START,
    TIMES,
    Y1,
    A,
    B,
    C,
    N,
    U,
    Y,
    call_rhs,
)
from sciad.solvers.stepping.loop_state import LINEAR_ALGEBRA, MASS, NFEV, NJEV, NLU, RAISED, SIZE

__all__ = ["rosenbrock_attempt", "rosenbrock_begin", "rosenbrock_close", "rosenbrock_complete"]
__all__ += ["carry_by_solving", "rosenbrock_error_of"]

CARRYING_STEPS = 8


@kernel
def rosenbrock_begin(model, t, z, p, whole, scratch):
    """J and f_t at the start of the step; f there is the closing row of the last one."""
    n = N if N > 0 else whole[SIZE]
    at = whole[LINEAR_ALGEBRA]
    for k in range(n):
        z[START, k] = z[CLOSING, k]
    jacobian = view(scratch, at, model[JACOBIAN_SIZE])
    status = system_jacobian(model, n, t, row(z, Y), p, jacobian, row(z, U), scratch)
    whole[NJEV] += 1
    if status == 0 and model[AUTONOMOUS] == 0:
        zeros = view(scratch, at + model[JACOBIAN_SIZE] + model[FACTOR_SIZE] + model[MASS_SIZE], n)
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
    jacobian = view(scratch, at, model[JACOBIAN_SIZE])
    factors = view(scratch, at + model[JACOBIAN_SIZE], model[FACTOR_SIZE])
    mass = view(scratch, at + model[JACOBIAN_SIZE] + model[FACTOR_SIZE], model[MASS_SIZE])
    inverse = 1.0 / h
    whole[NLU] += 1
    if system_factor(model, n, inverse / GAMMA, jacobian, mass, factors) != 0:
        return 1e305
    for i in unroll(range(STAGES)):
        x = row(z, i)
        if i > 0:
            for k in range(n):
                z[U, k] = z[Y, k] + combine(A[i], z, k)
            status = call_rhs(f, (t + NODES[i] * h, row(z, U), p, x, scratch))
            if status != 0:
                whole[RAISED] = status
                return 0.0
        for k in range(n):
            z[U, k] = inverse * combine(C[i], z, k)
        if whole[MASS] != 0 and i > 0:
            mass_times(model, n, mass, row(z, U), row(z, Y1))
            for k in range(n):
                z[U, k] = z[Y1, k]
        for k in range(n):
            base = z[START, k] if i == 0 else x[k]
            x[k] = base + z[U, k] + (h * TIMES[i]) * z[SLOPE, k]
        system_solve(model, n, factors, x)
    whole[NFEV] += STAGES - 1
    square = 0.0
    for k in range(n):
        z[Y1, k] = z[Y, k] + combine(B, z, k)
        error = combine(ERROR_WEIGHTS, z, k) / (z[ATOL, k] + z[RTOL, k] * max(abs(z[Y, k]), abs(z[Y1, k])))
        square += error * error
    return square / n


@kernel
def rosenbrock_error_of(z, h, k):
    """Component k of the embedded error."""
    return combine(ERROR_WEIGHTS, z, k)


@kernel
def carry_by_solving(model, n, t, time, at, y, v, forcing, moved, spare, p):
    """Carry a tangent, driven by a constant forcing, over some time: short steps of the implicit Euler method
    with one matrix.
    """
    jacobian = view(spare, at, model[JACOBIAN_SIZE])
    factors = view(spare, at + model[JACOBIAN_SIZE], model[FACTOR_SIZE])
    mass = view(spare, at + model[JACOBIAN_SIZE] + model[FACTOR_SIZE], model[MASS_SIZE])
    shift = CARRYING_STEPS / time
    if system_jacobian(model, n, t, y, p, jacobian, row(moved, U), spare) != 0:
        return
    if system_factor(model, n, shift, jacobian, mass, factors) != 0:
        return
    for _q in range(CARRYING_STEPS):
        for k in range(n):
            moved[U, k] = shift * v[k] + forcing[k]
        system_solve(model, n, factors, row(moved, U))
        for k in range(n):
            v[k] = moved[U, k]


@kernel
def rosenbrock_close(model, t, z, p, whole, scratch):
    """f at the end of the step."""
    status = call_rhs(model[0], (t, row(z, Y1), p, row(z, CLOSING), scratch))
    whole[NFEV] += 1
    whole[RAISED] = status
    return status


@kernel
def rosenbrock_complete(model, t, h, z, p, whole, scratch):
    """The dense output needs nothing more."""
    return 0
