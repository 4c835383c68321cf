"""One attempted step of an explicit Runge-Kutta method, as kernels.

The rows of ``A`` are those of all stages, of the closing one and of the extra ones of the dense output.
"""

from __future__ import annotations

from sciad.native.kernels import kernel
from sciad.native.runtime import combine, row, unroll
from sciad.solvers.stepping.linked_names import (
    ADAPTIVE,
    ATOL,
    CLOSED,
    DAMPING,
    ESTIMATE,
    ROWS,
    RTOL,
    STAGES,
    Y1,
    A,
    B,
    C,
    N,
    U,
    Y,
    call_rhs,
)
from sciad.solvers.stepping.loop_state import EXTRA_DONE, NFEV, RAISED, SIZE

__all__ = [
    "no_damping",
    "not_carried",
    "rk_attempt",
    "rk_begin",
    "rk_close",
    "rk_complete",
    "rk_damping_of",
    "rk_error_of",
]


@kernel
def rk_begin(model, t, z, p, whole, scratch):
    """The closing row of the last step is the first stage of this one."""
    n = N if N > 0 else whole[SIZE]
    for k in range(n):
        z[0, k] = z[STAGES, k]
    return 0


@kernel
def rk_attempt(model, t, h, z, p, whole, scratch):
    """Try a step from (t, z[Y]); the new state goes to z[Y1]. Returns the mean squared scaled error,
    maybe not finite.
    """
    n = N if N > 0 else whole[SIZE]
    f = model[0]
    for i in unroll(range(1, STAGES)):
        for k in range(n):
            z[U, k] = z[Y, k] + h * combine(A[i], z, k)
        status = call_rhs(f, (t + C[i] * h, row(z, U), p, row(z, i), scratch))
        if status != 0:
            whole[RAISED] = status
            return 0.0
    for k in range(n):
        z[Y1, k] = z[Y, k] + h * combine(B, z, k)
    whole[NFEV] += STAGES - 1
    if CLOSED:
        status = rk_close(model, t + h, z, p, whole, scratch)
        if status != 0:
            return 0.0
    square = 0.0
    damping = 0.0
    if ADAPTIVE:
        for k in range(n):
            scale = z[ATOL, k] + z[RTOL, k] * max(abs(z[Y, k]), abs(z[Y1, k]))
            error = combine(ESTIMATE, z, k) * (h / scale)
            square += error * error
            if len(DAMPING) > 0:
                error = combine(DAMPING, z, k) * (h / scale)
                damping += error * error
        if len(DAMPING) > 0 and square > 0.0:
            square = square * square / (square + 0.01 * damping)
    return square / n


@kernel
def rk_error_of(z, h, k):
    """Component k of the embedded error."""
    return h * combine(ESTIMATE, z, k)


@kernel
def rk_damping_of(z, h, k):
    """And of the second one."""
    return h * combine(DAMPING, z, k)


@kernel
def not_carried(model, n, t, time, at, y, v, forcing, moved, spare, p):
    """Explicit methods have to resolve what decays, so an old tangent is as good as any."""


@kernel
def no_damping(z, h, k):
    """Of methods with one error estimate."""
    return 0.0


@kernel
def rk_close(model, t, z, p, whole, scratch):
    """f at the end of the step."""
    status = call_rhs(model[0], (t, row(z, Y1), p, row(z, STAGES), scratch))
    whole[NFEV] += 1
    whole[RAISED] = status
    return status


@kernel
def rk_complete(model, t, h, z, p, whole, scratch):
    """Extra stages of the dense output, once per step."""
    n = N if N > 0 else whole[SIZE]
    if ROWS > STAGES + 1 and whole[EXTRA_DONE] == 0:
        whole[EXTRA_DONE] = 1
        for i in unroll(range(STAGES + 1, ROWS)):
            for k in range(n):
                z[U, k] = z[Y, k] + h * combine(A[i], z, k)
            status = call_rhs(model[0], (t + C[i] * h, row(z, U), p, row(z, i), scratch))
            if status != 0:
                whole[RAISED] = status
                return status
        whole[NFEV] += ROWS - STAGES - 1
    return 0
