"""The interpolating adjoint: the adjoint differential equation, solved backwards along the stored dense
output.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sciad.adjoints.ode.backward_kernels import (
    PARAMETERS,
    UNKNOWNS,
    add_cotangent,
    forward_state,
    linearise_adjoint,
    no_quadrature,
    pull_model,
    transposed_columns,
)
from sciad.adjoints.ode.continuous import ContinuousAdjoint
from sciad.native.kernels import kernel
from sciad.native.runtime import view

__all__ = ["InterpolatingAdjoint"]


@kernel
def interpolating_call(f, args):
    """(lambda, mu)' with y(t) from the dense forward solution; called as a model is."""
    t, z, p, out, work = args
    n = int(p[UNKNOWNS])
    m = int(p[PARAMETERS])
    forward_state(t, p, work)
    for k in range(n + m):
        out[k] = 0.0
    status = pull_model(t, view(work, 0, n), p, view(z, 0, n), view(out, 0, n), view(out, n, m), work)
    for k in range(n + m):
        out[k] = -out[k]
    return status


@dataclass(frozen=True)
class InterpolatingAdjoint(ContinuousAdjoint):
    """Continuous adjoint along the dense forward solution.

    Solves lambda' = -J^T lambda, mu' = -f_p^T lambda backwards from the last output to t0, adding the
    cotangent of each output to lambda where it lies; the gradient is lambda(t0) for y0 and mu(t0) for the
    parameters. The quadrature mu is part of the error test.

    It is as accurate as its own tolerance and the dense output of the forward solve allow; tighten both.
    Every output is a jump after which the step size must be found anew, so many outputs make it slow, and
    stiff problems much slower than the discrete adjoint. Along a Rosenbrock method its linear systems have
    as many unknowns as states and parameters together: take `GaussAdjoint` for many parameters. It raises
    where the backward solve fails.

    Parameters
    ----------
    rtol, atol, max_steps
        See `sciad.adjoints.ode.continuous.ContinuousAdjoint`.

    References
    ----------
    Y. Cao, S. Li, L. Petzold, R. Serban, SIAM J. Sci. Comput. 24 (2003), sections 2 and 3.
    """

    kernels: ClassVar[dict] = {
        "call_rhs": interpolating_call,
        "jump": add_cotangent,
        "quadrature": no_quadrature,
        "linearise": linearise_adjoint,
        "columns": transposed_columns,
    }
