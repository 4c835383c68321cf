"""The adjoint of a method that can be undone step by step."""

from __future__ import annotations

from sciad.solvers.adjoint import Adjoint

__all__ = ["ReversibleAdjoint"]


class ReversibleAdjoint(Adjoint):
    """Exact gradient of a solve by ReversibleHeun, in memory that does not grow with the steps.

    The paths are run backwards by the method's own inverse, and each step is transposed at the state found.
    The gradient is that of the computed paths up to the rounding that accumulates on the way back, so it
    suits fixed steps that are stable in both directions; on very long spans of a dissipative equation
    prefer DiscreteAdjoint, which keeps some states.

    References
    ----------
    P. Kidger, J. Foster, X. Li and T. Lyons, Efficient and accurate gradients for neural SDEs, NeurIPS
    (2021).
    """

    serves = ("solve_sde",)

    def __repr__(self) -> str:
        return "ReversibleAdjoint()"
