"""Sweeps over the record of a solve: the transpose and the tangent of all its steps, step sizes held.

One loop for each direction and every family of methods; the family's own step (``pull_step``,
``push_step``) and the constants of the tableau are put in by the linker. What the families share is the
dense output (``sciad.solvers.stepping.dense_output``). Rows of ``z``: K_i (``ROWS`` of them), LAM (or Y1DOT),
YBAR (or YDOT), U, O, F, then ``DENSE_ROWS`` rows from Q.
"""

from __future__ import annotations

from sciad.adjoints.ode.sweeps.linked_sweep_names import (
    CARRIED,
    LAM,
    SWEEP_ROWS,
    Y1DOT,
    YBAR,
    YDOT,
    Q,
    pull_first,
    pull_step,
    push_first,
    push_step,
)
from sciad.native.kernels import kernel
from sciad.native.runtime import polled, row, stack_f64, unroll
from sciad.solvers.stepping.dense_output import (
    prepare_vectors,
    pull_value,
    pull_vectors,
    saved_slope,
    value_at,
)
from sciad.solvers.stepping.linked_names import DENSE_ROWS, ROWS, N

__all__ = ["PULL_SIGNATURE", "PUSH_SIGNATURE", "pull_sweep", "push_sweep", "sweep_rows"]

# whole[...] of the sweeps
SIZE = 0
LOW = 1  # rows LOW <= r < HIGH of the record
HIGH = 2
CURSOR = 3  # one past the last output of these rows (pull), the first output (push)
BEGINS = 4  # 1: row LOW is the first step of the solve
WANT_TIMES = 5  # 1: cotangents of the output times are wanted

PULL_SIGNATURE = (
    "int64(int64[::1], int64[::1], float64[:,::1], float64[:,::1], float64[:,::1], "
    "float64[::1], float64[:,::1], "
    "float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[:,::1])"
)
PUSH_SIGNATURE = (
    "int64(int64[::1], int64[::1], float64[:,::1], float64[:,::1], float64[::1], "
    "float64[:,::1], float64[:,::1], "
    "float64[:,::1], float64[::1], float64[::1], float64, float64[::1], float64[::1], float64[:,::1])"
)


def sweep_rows(tableau) -> dict[str, int]:
    """Numbers of the rows of ``z``, as constants for the linker."""
    rows = tableau.rows
    return {
        "LAM": rows,
        "Y1DOT": rows,
        "YBAR": rows + 1,
        "YDOT": rows + 1,
        "U": rows + 2,
        "O": rows + 3,
        "F": rows + 4,
        "Q": rows + 5,
        "SWEEP_ROWS": rows + 5 + len(tableau.dense),
    }


@kernel
def pull_sweep(model, whole, record, place, gout, gtimes, state, p, gp, gt, work, scratch, mass):
    """Carry cotangents back over steps HIGH-1 .. LOW of a record.

    Parameters
    ----------
    model : addresses the family's steps call
    whole : see above
    record : (steps, width) rows [t, h, y, K, and perhaps LU factors]
    place : (m, 2) step and theta of each output
    gout : (m, n) cotangents of the outputs
    gtimes : (m,) cotangents of the output times, written if WANT_TIMES
    state : (SWEEP_ROWS, n); rows LAM and CARRIED go from one call to the next
    p, gp : (m,) parameters and their cotangents, accumulated
    gt : (1,) cotangent of a shift of all times, accumulated
    work, scratch : workspace of the model and of the linear algebra
    mass : (q, q) mass matrix, or without rows

    Returns
    -------
    status : int, that of the model, or 0
    """
    n = N if N > 0 else whole[SIZE]
    z = stack_f64(SWEEP_ROWS, N) if N > 0 else state
    if N > 0:
        copy_rows(n, state, z)
    i = whole[CURSOR] - 1
    status = 0
    for r in range(whole[HIGH] - 1, whole[LOW] - 1, -1):
        if polled():
            return 1
        saved = row(record, r)
        t = saved[0]
        h = saved[1]
        looked = False
        for k in range(n):
            z[YBAR, k] = 0.0
            for m in unroll(range(DENSE_ROWS)):
                z[Q + m, k] = 0.0
        while i >= 0 and place[i, 0] == r:
            theta = place[i, 1]
            if theta == 1.0:
                for k in range(n):
                    z[LAM, k] += gout[i, k]
            else:
                looked = True
                for k in range(n):
                    pull_value(z, Q, YBAR, LAM, theta, gout[i, k], k)
            if whole[WANT_TIMES] != 0:
                total = 0.0
                for k in range(n):
                    total += gout[i, k] * saved_slope(n, saved, theta, k)
                gtimes[i] = total
            i -= 1
        for k in range(n):
            for j in range(ROWS):
                if j != CARRIED:
                    z[j, k] = 0.0
        if looked:
            for k in range(n):
                pull_vectors(z, Q, h, k)
        status = pull_step(model, n, t, h, looked, z, saved, p, gp, gt, work, scratch, mass)
        if status != 0:
            break
    if status == 0 and whole[BEGINS] != 0 and whole[HIGH] > whole[LOW]:
        saved = row(record, whole[LOW])
        status = pull_first(model, n, saved[0], z, saved, p, gp, gt, work)
    whole[CURSOR] = i + 1
    if N > 0:
        copy_rows(n, z, state)
    return status


@kernel
def push_sweep(model, whole, record, place, dtimes, dout, drecord, state, p, dp, dt, work, scratch, mass):
    """Carry tangents forward over steps LOW .. HIGH-1 of a record.

    Parameters
    ----------
    dtimes : (m,) tangents of the output times
    dout : (m, n) tangents of the outputs, written
    drecord : (HIGH, (1 + ROWS) n) tangents of y and the stages, written unless it has no rows
    state : (SWEEP_ROWS, n); row Y1DOT holds the tangent of y at the first step
    dp, dt : tangents of the parameters and of a shift of all times
    """
    n = N if N > 0 else whole[SIZE]
    z = stack_f64(SWEEP_ROWS, N) if N > 0 else state
    if N > 0:
        copy_rows(n, state, z)
    i = whole[CURSOR]
    status = 0
    for r in range(whole[LOW], whole[HIGH]):
        if polled():
            return 1
        saved = row(record, r)
        t = saved[0]
        h = saved[1]
        for k in range(n):
            z[YDOT, k] = z[Y1DOT, k]
        if r == whole[LOW] and whole[BEGINS] != 0:
            status = push_first(model, n, t, z, saved, p, dp, dt, work)
            if status != 0:
                break
        looked = False
        last = i
        while last < place.shape[0] and place[last, 0] == r:
            if place[last, 1] != 1.0:
                looked = True
            last += 1
        status = push_step(model, n, t, h, looked, z, saved, p, dp, dt, work, scratch, mass)
        if status != 0:
            break
        if r < drecord.shape[0]:
            for k in range(n):
                drecord[r, k] = z[YDOT, k]
                for j in range(ROWS):
                    drecord[r, (1 + j) * n + k] = z[j, k]
        if looked:
            for k in range(n):
                prepare_vectors(z, Q, h, k)
        while i < last:
            theta = place[i, 1]
            for k in range(n):
                value = z[Y1DOT, k] if theta == 1.0 else value_at(z, Q, YDOT, Y1DOT, theta, k)
                shift = dtimes[i] - dt
                if shift != 0.0:
                    value += shift * saved_slope(n, saved, theta, k)
                dout[i, k] = value
            i += 1
    whole[CURSOR] = i
    if N > 0:
        copy_rows(n, z, state)
    return status


@kernel
def copy_rows(n, source, target):
    for i in range(SWEEP_ROWS):
        for k in range(n):
            target[i, k] = source[i, k]
