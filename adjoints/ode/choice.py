"""Which adjoint a solve gets.

The rule of "auto", from measurements of all methods side by side (`benchmarks/gradients.py`):

- *States, parameters.* The reverse sweep of `DiscreteAdjoint` costs about one solve for any number of
  them. One direction of forward sensitivities costs about as much, so they tie for a single parameter and
  lose from two on.
- *Stiffness.* The discrete adjoint inherits the stability of the method and needs no steps of its own; the
  continuous ones cost 8 to 100 times as much on stiff problems with outputs, and are less accurate.
- *Memory.* What the continuous adjoints save in storage, checkpoints save at the cost of one more solve: so
  a record that outgrows `DiscreteAdjoint.memory` is kept in part.

So "auto" is `DiscreteAdjoint()`. The others are there for what they do differently: `ForwardSensitivity`
for many outputs and few parameters, the continuous ones for comparison and for their own error control.
"""

from __future__ import annotations

from sciad.adjoints.ode.discrete import DiscreteAdjoint
from sciad.solvers.ode.solve_primitive import Problem

__all__ = ["DEFAULT", "choice", "chosen"]

DEFAULT = DiscreteAdjoint()


def chosen(problem: Problem):
    """The adjoint of a problem."""
    return DEFAULT if problem.adjoint == "auto" else problem.adjoint


def choice(problem: Problem) -> tuple[object, str]:
    """The adjoint of a problem and the reason, in words."""
    if problem.adjoint != "auto":
        return chosen(problem), "asked for"
    return DEFAULT, (
        "exact, stable wherever the solve is, and the cheapest for a scalar loss: about one more solve for "
        "any number of states and parameters"
    )
