"""The Gauss adjoint: only lambda is integrated; the parameters' gradient is a Gauss quadrature over each
step.
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
    pull_model,
    transposed_jacobian,
)
from sciad.adjoints.ode.continuous import ContinuousAdjoint
from sciad.native.kernels import kernel
from sciad.native.runtime import row, unroll, view
from sciad.solvers.stepping.dense_output import value_at
from sciad.solvers.stepping.integration_loop import prepare_dense
from sciad.solvers.stepping.linked_names import Y1, D, U, Y
from sciad.solvers.stepping.loop_state import T0, T1

__all__ = ["GaussAdjoint"]

# Nodes and weights of Gauss-Legendre quadrature on [0, 1], exact to degree 5.
GAUSS_NODES = (0.1127016653792583, 0.5, 0.8872983346207417)
GAUSS_WEIGHTS = (0.2777777777777778, 0.4444444444444444, 0.2777777777777778)


@kernel
def gauss_call(f, args):
    """lambda' with y(t) from the dense forward solution; called as a model is."""
    t, z, p, out, work = args
    n = int(p[UNKNOWNS])
    m = int(p[PARAMETERS])
    forward_state(t, p, work)
    for k in range(n):
        out[k] = 0.0
    # The pullback's share of the parameters is not wanted here.
    status = pull_model(t, view(work, 0, n), p, z, out, view(work, 3 * n + 1, m), work)
    for k in range(n):
        out[k] = -out[k]
    return status


@kernel
def gauss_quadrature(model, whole, real, z, p, integral, work):
    """Add the integral of f_p^T lambda over the accepted step."""
    n = int(p[UNKNOWNS])
    t = real[T0]
    h = real[T1] - t
    status = prepare_dense(model, t, h, z, p, whole, work)
    if status != 0:
        return status
    for i in unroll(range(3)):
        forward_state(t + GAUSS_NODES[i] * h, p, work)
        for k in range(n):
            z[U, k] = -h * GAUSS_WEIGHTS[i] * value_at(z, D, Y, Y1, GAUSS_NODES[i], k)
        status = pull_model(
            t + GAUSS_NODES[i] * h, view(work, 0, n), p, row(z, U), view(work, 2 * n + 1, n), integral, work
        )
        if status != 0:
            return status
    return 0


@dataclass(frozen=True)
class GaussAdjoint(ContinuousAdjoint):
    """Continuous adjoint along the dense forward solution, with the parameters' gradient by quadrature.

    Only lambda' = -J^T lambda is integrated backwards; the gradient of the parameters is the integral of
    f_p^T lambda, taken by three Gauss nodes in each accepted step. So the size of the system does not
    grow with the number of parameters, and no tolerance has to be set for their integrals, which are as
    accurate as lambda's dense output.

    It fails as `InterpolatingAdjoint` does, and the quadrature itself is outside the error test: where
    f_p varies much faster than lambda, tighten `rtol`.

    Parameters
    ----------
    rtol, atol, max_steps
        See `sciad.adjoints.ode.continuous.ContinuousAdjoint`.

    References
    ----------
    The method of SciMLSensitivity's GaussAdjoint: A. D. Norcliffe, M. P. Deisenroth, Faster training of
    neural ODEs using Gauss-Legendre quadrature, TMLR 2023.
    """

    kernels: ClassVar[dict] = {
        "call_rhs": gauss_call,
        "jump": add_cotangent,
        "quadrature": gauss_quadrature,
        "linearise": linearise_adjoint,
        "columns": transposed_jacobian,
    }
    in_state = ("lam",)
