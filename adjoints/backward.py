"""The backward solve of the continuous adjoint, as kernels: the solvers' own loop over another right-hand side.

The state is (lambda, mu). Where the loop calls its model, the linker puts `adjoint_call`, which evaluates the dense
forward solution at t and there the pullback of f:

    lambda' = -J(t, y(t))^T lambda,    mu' = -f_p(t, y(t))^T lambda.
"""

# ruff: noqa: F821
from __future__ import annotations

from sciad.compiler.native import kernel
from sciad.compiler.runtime import at_address, row, unroll, view
from sciad.compiler.runtime import call as call_model
from solvers.loop import advance
from solvers.state import *  # noqa: F403

__all__ = ["HEADER", "SIGNATURE", "adjoint_call", "backward_solve"]

# The parameters of the adjoint equation: what it needs to know of the forward solve, then the model's own parameters.
PULLBACK = 0  # address
RECORD = 1  # address
STEPS = 2
WIDTH = 3
CURSOR = 4  # the step looked at last
UNKNOWNS = 5
PARAMETERS = 6
HEADER = 7

SIGNATURE = (
    "int64(int64[::1], int64[::1], float64[::1], float64[:,::1], float64[:,::1], float64[::1], float64[::1], "
    "float64[:,::1], float64, float64[::1], float64[:,::1], float64[::1], float64[:,::1], float64[::1], "
    "float64[::1], int64[::1])"
)


@kernel
def backward_solve(
    model, whole, real, z, tolerance, p, ts, gys, t0, no_times, no_rows, stops, record, work, scratch, pivots
):
    """Integrate from the last output to t0, adding the cotangents `gys` of the outputs where they lie.

    The result is in row Y1 of ``z``. Returns a code of ``solvers.state``.
    """
    n = int(p[UNKNOWNS])
    log1 = real[LOG1]
    log2 = real[LOG2]
    i = ts.shape[0] - 1
    t = ts[i] if i >= 0 else t0
    real[T1] = t
    while True:
        while i >= 0 and ts[i] == t:
            for k in range(n):
                z[Y1, k] += gys[i, k]
            i -= 1
        if i < 0 and t == t0:
            return DONE
        target = ts[i] if i >= 0 else t0
        # A jump: the right-hand side, the first step size and the controller's memory start anew.
        real[END] = target
        real[STEP] = 0.0
        real[LOG1] = log1
        real[LOG2] = log2
        stops[0] = target
        whole[STOP] = 0
        whole[STARTED] = 0
        code = advance(model, whole, real, z, tolerance, p, no_times, no_rows, no_rows, stops, record, work, scratch, pivots)
        if code != DONE:
            return code
        t = target


@kernel
def adjoint_call(f, args):
    """The right-hand side of the adjoint equation, called as a model is."""
    t, z, p, out, work = args
    n = int(p[UNKNOWNS])
    m = int(p[PARAMETERS])
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
    y = view(work, 0, n)
    ignored = view(work, n, n)
    gt = view(work, 2 * n, 1)
    dense_state(n, saved, (t - saved[0]) / saved[1], y)
    for k in range(n + m):
        out[k] = 0.0
    status = call_model(
        int(p[PULLBACK]),
        (
            t,
            y,
            view(p, HEADER, m),
            view(z, 0, n),
            ignored,
            gt,
            view(out, 0, n),
            view(out, n, m),
            view(work, 2 * n + 1, 1),
        ),
    )
    for k in range(n + m):
        out[k] = -out[k]
    return status


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
