"""Derivatives of explicit Runge-Kutta steps with the step sizes held, as kernels over the record of a solve.

A step computes K_i = f(t + c_i h, Y_i, p) with Y_i = y + h sum_j a_ij K_j for all its rows, the closing
row (whose argument is y1) and the extra stages of the dense output included. The reverse step transposes
those lines in reverse order (W. W. Hager, Numer. Math. 87 (2000); J. M. Sanz-Serna, SIAM Rev. 58 (2016)),
the tangent step differentiates them in order. The closing row of a step is the first row of the next one,
so its (co)tangent goes from one to the other.
"""

from __future__ import annotations

from sciad.adjoints.ode.sweeps.linked_sweep_names import LAM, Y1DOT, YBAR, YDOT, F, O, call_pullback
from sciad.native.kernels import kernel
from sciad.native.runtime import call, combine, combine_from, row, scatter, unroll
from sciad.solvers.stepping.linked_names import ROWS, STAGES, A, C, U

__all__ = ["explicit_pull_first", "explicit_pull_step", "explicit_push_first", "explicit_push_step"]


@kernel
def explicit_pull_step(model, n, t, h, looked, z, saved, p, gp, gt, work, scratch, mass):
    """Transpose one step.

    Parameters
    ----------
    model : address of the pullback of f
    looked : whether an output used the dense output of this step
    z : rows of cotangents: of K_i (in the closing row what the next step asks of it), LAM of y1
    (overwritten by that of
        y), YBAR what outputs ask of y directly; work rows U, O, F
    saved : the step's row of the record: t, h, y, K_i
    gp, gt : cotangents of the parameters and of a shift of all times, accumulated
    """
    for i in unroll(range(ROWS - 1, 0, -1)):
        if i <= STAGES or looked:
            for k in range(n):
                z[U, k] = saved[2 + k] + h * combine_from(A[i], saved, 2 + n + k, n)
                z[O, k] = z[LAM, k] if i == STAGES else 0.0
            status = call_pullback(
                model[0], (t + C[i] * h, row(z, U), p, row(z, i), row(z, F), gt, row(z, O), gp, work)
            )
            if status != 0:
                return status
            for k in range(n):
                bar = z[O, k]
                z[YBAR, k] += bar
                scatter(A[i], z, k, h * bar)
    for k in range(n):
        z[LAM, k] = z[YBAR, k]
        z[STAGES, k] = z[0, k]
    return 0


@kernel
def explicit_pull_first(model, n, t, z, saved, p, gp, gt, work):
    """Transpose K_0 = f(t0, y0) of the first step; its cotangent stands in the closing row."""
    for k in range(n):
        z[U, k] = saved[2 + k]
    return call_pullback(model[0], (t, row(z, U), p, row(z, STAGES), row(z, F), gt, row(z, LAM), gp, work))


@kernel
def explicit_push_step(model, n, t, h, looked, z, saved, p, dp, dt, work, scratch, mass):
    """Differentiate one step along (dy, dp, dt): from row YDOT to rows Y1DOT and K_i."""
    for k in range(n):
        z[0, k] = z[STAGES, k]
    for i in unroll(range(1, ROWS)):
        if i <= STAGES or looked:
            for k in range(n):
                z[U, k] = saved[2 + k] + h * combine_from(A[i], saved, 2 + n + k, n)
                z[O, k] = z[YDOT, k] + h * combine(A[i], z, k)
                if i == STAGES:
                    z[Y1DOT, k] = z[O, k]
            status = call(
                model[0], (t + C[i] * h, row(z, U), p, dt, row(z, O), dp, row(z, F), row(z, i), work)
            )
            if status != 0:
                return status
    return 0


@kernel
def explicit_push_first(model, n, t, z, saved, p, dp, dt, work):
    """The tangent of K_0 = f(t0, y0) of the first step, into the closing row."""
    for k in range(n):
        z[U, k] = saved[2 + k]
    return call(model[0], (t, row(z, U), p, dt, row(z, YDOT), dp, row(z, F), row(z, STAGES), work))
