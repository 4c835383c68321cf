"""The backward solve of continuous adjoints, as kernels: the solvers' own loop over another right-hand side.

Where the loop calls its model, the linker puts the right-hand side of the method (``call``); ``jump``
adds the cotangent of an output where it lies, ``quadrature`` sees each accepted step. All work on the
adjoint equation

    lambda' = -J(t, y(t))^T lambda,    mu' = -f_p(t, y(t))^T lambda.
"""

# ruff: noqa: F403, F405
from __future__ import annotations

from sciad.compiler.native import kernel
from sciad.compiler.runtime import at_address, row, unroll, view
from sciad.compiler.runtime import call as call_model
from solvers.loop import advance
from solvers.state import *

__all__ = ["add_cotangent", "backward_solve", "forward_state", "no_quadrature", "pull_model"]

# The parameters of the adjoint equation: what it needs to know of the forward solve, then the model's own
# parameters.
PULLBACK = 0  # address
RECORD = 1  # address
STEPS = 2
WIDTH = 3
CURSOR = 4  # the step looked at last
UNKNOWNS = 5
PARAMETERS = 6
PRIMAL = 7  # address
HEADER = 8

DRIFTED = -10  # the recomputed solution left the stored one
ASTRAY = -11  # the loop stopped elsewhere than it was told to

SIGNATURE = (
    "int64(int64[::1], int64[::1], float64[::1], float64[:,::1], float64[::1], float64[::1], "
    "float64[:,::1], float64[:,::1], float64[::1], float64, float64[::1], float64[:,::1], float64[::1])"
)


@kernel
def backward_solve(model, whole, real, z, p, ts, ys, gys, integral, t0, times, rows, scratch):
    """Integrate from the last output to t0, adding the cotangents of the outputs where they lie.

    Parameters
    ----------
    model, whole, real, z, scratch : as for the solvers' loop; the result is in row Y1 of z
    p : HEADER, then the parameters of the model
    ts, ys, gys : (k,), (k, n), (k, n) outputs of the forward solve and their cotangents
    integral : (m,) what `quadrature` accumulates
    times, rows : empty

    Returns
    -------
    code : of ``solvers.state``, or DRIFTED
    """
    log1 = real[LOG1]
    log2 = real[LOG2]
    i = ts.shape[0] - 1
    t = ts[i] if i >= 0 else t0
    real[T1] = t
    while True:
        while i >= 0 and ts[i] == t:
            if jump(z, p, row(ys, i), row(gys, i)) != 0:
                return DRIFTED
            i -= 1
        if i < 0 and t == t0:
            return DONE
        target = ts[i] if i >= 0 else t0
        # After a jump the right-hand side, the first step size and the controller's memory start anew.
        real[END] = target
        real[DIRECTION] = 1.0 if target >= t else -1.0
        real[STEP] = 0.0
        real[LOG1] = log1
        real[LOG2] = log2
        real[REAL_SIZE] = target
        whole[STOP] = 0
        whole[STARTED] = 0
        while True:
            code = advance(model, whole, real, z, p, times, rows, rows, rows, scratch)
            if code != EVENT:
                break
            status = quadrature(model, whole, real, z, p, integral, scratch)
            if status != 0:
                whole[RAISED] = status
                return MODEL_RAISED
        if code != DONE:
            return code
        if real[T1] != target:
            return ASTRAY
        t = target


@kernel
def forward_state(t, p, work):
    """The dense forward solution at t, into the first n elements of the workspace."""
    n = int(p[UNKNOWNS])
    steps = int(p[STEPS])
    record = at_address(int(p[RECORD]), steps, int(p[WIDTH]))
    r = int(p[CURSOR])
    direction = 1.0 if record[0, 1] > 0.0 else -1.0
    while r > 0 and (t - record[r, 0]) * direction < 0.0:
        r -= 1
    while r + 1 < steps and (t - record[r + 1, 0]) * direction >= 0.0:
        r += 1
    p[CURSOR] = r
    saved = row(record, r)
    dense_state(n, saved, (t - saved[0]) / saved[1], work)


@kernel
def pull_model(t, y, p, lam, glam, gp, work):
    """The pullback of f at (t, y), accumulated into glam and gp.

    The workspace begins with 3 n + m + 1 numbers of ours: y, f, the cotangent of time, n + m to spare.
    """
    n = int(p[UNKNOWNS])
    m = int(p[PARAMETERS])
    f = view(work, n, n)
    gt = view(work, 2 * n, 1)
    gt[0] = 0.0
    own = view(work, 3 * n + m + 1, 1)
    return call_model(int(p[PULLBACK]), (t, y, view(p, HEADER, m), lam, f, gt, glam, gp, own))


@kernel
def no_quadrature(model, whole, real, z, p, integral, work):
    """All integrals are part of the state."""
    return 0


@kernel
def add_cotangent(z, p, y, gy):
    """lambda, the first n components, jumps by the cotangent of the output."""
    for k in range(int(p[UNKNOWNS])):
        z[Y1, k] += gy[k]
    return 0


@kernel
def dense_state(n, saved, theta, y):
    """The dense output of a recorded step at theta."""
    h = saved[1]
    for k in range(n):
        p = 0.0
        for m in unroll(range(DENSE_ROWS - 1, -1, -1)):
            total = 0.0
            for j in unroll(range(len(DENSE[m]))):
                if DENSE[m][j] != 0.0:
                    total += DENSE[m][j] * saved[2 + (1 + j) * n + k]
            p = p * theta + total
        change = 0.0
        for j in unroll(range(STAGES)):
            if B[j] != 0.0:
                change += B[j] * saved[2 + (1 + j) * n + k]
        scale = h if SCALED else 1.0
        y[k] = saved[2 + k] + theta * scale * (change + (1.0 - theta) * p)
