"""The backward solve of continuous adjoints, as kernels: the solvers' own loop over another right-hand side.

Where the loop evaluates its right-hand side, the linker puts that of the method; the other places for its
kernels are named below. All work on the adjoint equation

    lambda' = -J(t, y(t))^T lambda,    mu' = -f_p(t, y(t))^T lambda.
"""

from __future__ import annotations

from collections.abc import Callable

from sciad.native.kernels import kernel
from sciad.native.placeholders import placeholder
from sciad.native.runtime import at_address, call, row, view
from sciad.solvers.stepping.dense_output import saved_slope, saved_value
from sciad.solvers.stepping.integration_loop import run_loop
from sciad.solvers.stepping.linked_names import CLOSING, SLOPE, START, Y1, Y
from sciad.solvers.stepping.loop_state import (
    DIRECTION,
    DONE,
    END,
    EVENT,
    LINEAR_ALGEBRA,
    LOG1,
    LOG2,
    MODEL_RAISED,
    NJEV,
    RAISED,
    REAL_SIZE,
    SIZE,
    STARTED,
    STEP,
    STOP,
    T1,
)

__all__ = ["add_cotangent", "backward_solve", "forward_state", "linearise_adjoint", "no_quadrature"]
__all__ += ["pull_model", "second_of_model", "stiff_begin", "transposed_columns", "transposed_jacobian"]

# What the linker puts in for each method
jump: Callable = placeholder("jump(z, p, y, gy): add the cotangent of an output where it lies")
quadrature: Callable = placeholder("quadrature(model, whole, real, z, p, integral, scratch): after each step")
linearise: Callable = placeholder("linearise(t, z, p, jacobian, size, slope, work): of the right-hand side")
columns: Callable = placeholder("columns(t, y, p, jacobian, size, first, work): of its part in lambda")

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
SECOND = 8  # addresses, where the backward solve needs Jacobians
JACOBIAN = 9
HEADER = 10

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
    code : of ``sciad.solvers.stepping.loop_state``, or DRIFTED
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
            code = run_loop(model, whole, real, z, p, times, rows, rows, rows, scratch)
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
    theta = (t - saved[0]) / saved[1]
    for k in range(n):
        work[k] = saved_value(n, saved, theta, k)


@kernel
def forward_slope(t, p, dy):
    """Time derivative of the dense forward solution at t, in the step that `forward_state` looked at last."""
    n = int(p[UNKNOWNS])
    record = at_address(int(p[RECORD]), int(p[STEPS]), int(p[WIDTH]))
    saved = row(record, int(p[CURSOR]))
    theta = (t - saved[0]) / saved[1]
    for k in range(n):
        dy[k] = saved_slope(n, saved, theta, k)


# The workspace begins with what is ours: y, f, the cotangent of time and n + m to spare for `pull_model`
# (3 n + m + 1 numbers), then as much as the second derivatives need; the model's own is behind it.
SPARE = 8


@kernel
def own_work(n, m):
    """Where the workspace of the model begins."""
    return SPARE * (n + m + 1)


@kernel
def pull_model(t, y, p, lam, glam, gp, work):
    """The pullback of f at (t, y), accumulated into glam and gp."""
    n = int(p[UNKNOWNS])
    m = int(p[PARAMETERS])
    f = view(work, n, n)
    gt = view(work, 2 * n, 1)
    gt[0] = 0.0
    own = view(work, own_work(n, m), 1)
    return call(int(p[PULLBACK]), (t, y, view(p, HEADER, m), lam, f, gt, glam, gp, own))


@kernel
def second_of_model(t, y, p, lam, dt, dy, df, dglam, dgp, work):
    """The pullback of f at (t, y) differentiated along (dt, dy): written into dglam and dgp; J dy + f_t dt
    into df."""
    n = int(p[UNKNOWNS])
    m = int(p[PARAMETERS])
    at = 3 * n + m + 1
    zeros = view(work, at, n + m)
    ignored = view(work, at + n + m, n + m + 2)
    for k in range(n + m):
        zeros[k] = 0.0
    for k in range(n):
        dglam[k] = 0.0
    for k in range(m):
        dgp[k] = 0.0
    return call(
        int(p[SECOND]),
        (
            *(t, y, view(p, HEADER, m), lam, dt, dy, zeros, zeros, view(work, n, n), df),
            *(view(ignored, n + m, 1), ignored, view(ignored, n, m), view(ignored, n + m + 1, 1), dglam, dgp),
            view(work, own_work(n, m), 1),
        ),
    )


@kernel
def stiff_begin(model, t, z, p, whole, scratch):
    """What a Rosenbrock step of the backward solve needs at its start: the Jacobian of its right-hand side
    by rows, and its derivative in time."""
    n = whole[SIZE]
    for k in range(n):
        z[START, k] = z[CLOSING, k]
    jacobian = view(scratch, whole[LINEAR_ALGEBRA], n * n)
    for k in range(n * n):
        jacobian[k] = 0.0
    status = linearise(t, row(z, Y), p, jacobian, n, row(z, SLOPE), scratch)
    whole[NJEV] += 1
    whole[RAISED] = status
    return status


@kernel
def transposed_columns(t, y, p, jacobian, size, first, work):
    """Columns of (lambda, mu)' = -(J, f_p)^T lambda with respect to lambda; lambda is the block of the state
    that begins at ``first``, mu, where it is part of the state, follows."""
    n = int(p[UNKNOWNS])
    m = int(p[PARAMETERS])
    at = 3 * n + m + 1
    unit = view(work, at, n)
    bars = view(work, at + n, n + m)
    rows = size - first
    for k in range(n):
        for i in range(n):
            unit[i] = 0.0
        for i in range(n + m):
            bars[i] = 0.0
        unit[k] = 1.0
        status = pull_model(t, y, p, unit, view(bars, 0, n), view(bars, n, m), work)
        if status != 0:
            return status
        for i in range(rows):
            jacobian[(first + i) * size + first + k] = -bars[i]
    return 0


@kernel
def transposed_jacobian(t, y, p, jacobian, size, first, work):
    """The same where lambda is all of the state: no derivative with respect to parameters is asked for."""
    n = int(p[UNKNOWNS])
    m = int(p[PARAMETERS])
    own = view(work, own_work(n, m), 1)
    status = call(int(p[JACOBIAN]), (t, y, view(p, HEADER, m), jacobian, own))
    for i in range(n):
        jacobian[i * n + i] = -jacobian[i * n + i]
        for k in range(i):
            upper = -jacobian[k * n + i]
            jacobian[k * n + i] = -jacobian[i * n + k]
            jacobian[i * n + k] = upper
    return status


@kernel
def linearise_adjoint(t, z, p, jacobian, size, slope, work):
    """Of lambda, and mu where it is in the state, along the dense forward solution."""
    n = int(p[UNKNOWNS])
    m = int(p[PARAMETERS])
    forward_state(t, p, work)
    y = view(work, 0, n)
    status = columns(t, y, p, jacobian, size, 0, work)
    if status != 0:
        return status
    at = 3 * n + m + 1 + 2 * (n + m) + 2
    dy = view(work, at, n)
    forward_slope(t, p, dy)
    dgp = view(work, at + n, m)
    status = second_of_model(t, y, p, view(z, 0, n), 1.0, dy, view(work, at + n + m, n), slope, dgp, work)
    for k in range(n):
        slope[k] = -slope[k]
    for k in range(n, size):
        slope[k] = -dgp[k - n]
    return status


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
