"""The backsolve adjoint: the solution itself is integrated backwards together with its adjoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sciad.adjoints.ode.backward_kernels import (
    PARAMETERS,
    UNKNOWNS,
    no_quadrature,
    pull_model,
    second_of_model,
    transposed_columns,
)
from sciad.adjoints.ode.continuous import ContinuousAdjoint
from sciad.errors import SolverError
from sciad.native.kernels import kernel
from sciad.native.runtime import view
from sciad.solvers.stepping import loop_state as state
from sciad.solvers.stepping.linked_names import ATOL, RTOL, Y1

__all__ = ["BacksolveAdjoint"]


@kernel
def backsolve_call(f, args):
    """(y, lambda, mu)'; called as a model is."""
    t, z, p, out, work = args
    n = int(p[UNKNOWNS])
    m = int(p[PARAMETERS])
    y = view(z, 0, n)
    for k in range(2 * n + m):
        out[k] = 0.0
    status = pull_model(t, y, p, view(z, n, n), view(out, n, n), view(out, 2 * n, m), work)
    for k in range(n, 2 * n + m):
        out[k] = -out[k]
    for k in range(n):
        out[k] = work[n + k]  # the pullback's own value of f
    return status


@kernel
def linearise_both(t, z, p, jacobian, size, slope, work):
    """Jacobian of (y, lambda, mu)' by columns, and its derivative in time."""
    n = int(p[UNKNOWNS])
    m = int(p[PARAMETERS])
    y = view(z, 0, n)
    lam = view(z, n, n)
    status = transposed_columns(t, y, p, jacobian, size, n, work)
    at = 3 * n + m + 1 + 2 * (n + m) + 2
    unit = view(work, at, n)
    column = view(work, at + n, 2 * n + m)
    df, dglam, dgp = view(column, 0, n), view(column, n, n), view(column, 2 * n, m)
    for k in range(n + 1):
        if status != 0:
            return status
        for i in range(n):
            unit[i] = 1.0 if i == k else 0.0
        # The derivative in time comes last.
        status = second_of_model(t, y, p, lam, 1.0 if k == n else 0.0, unit, df, dglam, dgp, work)
        for i in range(n, size):
            column[i] = -column[i]
        for i in range(size):
            if k < n:
                jacobian[i * size + k] = column[i]
            else:
                slope[i] = column[i]
    return status


@kernel
def reset_and_add(z, p, y, gy):
    """At an output: compare y with what the forward solve found, go on from there, and add the cotangent."""
    n = int(p[UNKNOWNS])
    for k in range(n):
        scale = z[ATOL, k] + z[RTOL, k] * abs(y[k])
        if not abs(z[Y1, k] - y[k]) <= DRIFT * scale:
            return 1
        z[Y1, k] = y[k]
        z[Y1, n + k] += gy[k]
    return 0


DRIFT = 1000.0  # drift allowed between two outputs, in units of the forward solve's tolerance


@dataclass(frozen=True)
class BacksolveAdjoint(ContinuousAdjoint):
    """Continuous adjoint that recomputes the solution backwards instead of storing it.

    Its memory does not grow with the steps, but the backward solve is the solve of another problem: where
    the solution forgets its past (anything stiff or dissipative), the way back is unstable. So y is set
    to the stored output at each output, and the recomputed y is compared with the stored one there and
    with y0 at the end; where they differ by more than 1000 tolerances, `SolverError` is raised, since the
    gradient would be wrong though finite.

    Parameters
    ----------
    rtol, atol, max_steps
        See `sciad.adjoints.ode.continuous.ContinuousAdjoint`.

    References
    ----------
    R. T. Q. Chen, Y. Rubanova, J. Bettencourt, D. Duvenaud, Neural ordinary differential equations,
    NeurIPS 2018; its failure: A. Gholami, K. Keutzer, G. Biros, ANODE, IJCAI 2019.
    """

    serves = ("solve_ivp", "solve_sde")
    kernels: ClassVar[dict] = {
        "call_rhs": backsolve_call,
        "jump": reset_and_add,
        "quadrature": no_quadrature,
        "linearise": linearise_both,
    }
    in_state = ("y", "lam", "mu")

    def _fail(self, code, whole, real, y1, slope, names):
        if code == -10:
            raise SolverError(
                "BacksolveAdjoint: the solution recomputed backwards has left the stored one at t = "
                f"{real[state.T1]:.6g}; the problem cannot be integrated backwards at this tolerance and "
                "the gradient would be wrong. Use DiscreteAdjoint() or InterpolatingAdjoint()."
            )
        super()._fail(code, whole, real, y1, slope, names)

    def _compare(self, y, y0, t0, options):
        drift = np.abs(y - y0) / (options.atol + options.rtol * np.abs(y0))
        if not drift.max() <= DRIFT:
            worst = int(np.argmax(np.where(np.isfinite(drift), drift, np.inf)))
            raise SolverError(
                f"BacksolveAdjoint: back at t0 = {t0:.6g} component {worst} of the recomputed solution is "
                f"{y[worst]:.6g}, but y0 is {y0[worst]:.6g}; the gradient would be wrong. Use "
                "DiscreteAdjoint() or InterpolatingAdjoint()."
            )
