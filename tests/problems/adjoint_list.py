"""The adjoints that tests loop over: all that `solve_ivp` has."""

from sciad.adjoints import DiscreteAdjoint, serving
from sciad.adjoints.ode.continuous import ContinuousAdjoint

EVERY = [adjoint() for adjoint in serving("solve_ivp").values()]
CONTINUOUS = [adjoint for adjoint in EVERY if isinstance(adjoint, ContinuousAdjoint)]
# "auto" stands for the discrete adjoint, which it takes
AUTO_AND_OTHERS = ["auto", *(adjoint for adjoint in EVERY if not isinstance(adjoint, DiscreteAdjoint))]


def adjoint_name(adjoint) -> str:
    return adjoint if isinstance(adjoint, str) else type(adjoint).__name__
