"""Which adjoint a solve gets."""

from __future__ import annotations

from adjoints.discrete import DiscreteAdjoint
from solvers.primitive import Problem

__all__ = ["chosen"]

_DISCRETE = DiscreteAdjoint()


def chosen(problem: Problem):
    """The adjoint of a problem; "auto" is the discrete one: exact, stable, and cheapest on all that was
    measured.
    """
    adjoint = problem.adjoint
    if adjoint == "auto":
        return _DISCRETE
    if not hasattr(adjoint, "pullback"):
        raise TypeError(
            f"adjoint must be 'auto' or an instance such as adjoints.DiscreteAdjoint(), not {adjoint!r}"
        )
    return adjoint
