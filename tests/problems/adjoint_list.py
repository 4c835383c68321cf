"""The adjoints that tests loop over: all that `solve_ivp` has."""

from sciad.adjoints import DiscreteAdjoint, serving
from sciad.adjoints.ode.continuous import ContinuousAdjoint

EVERY = [adjoint() for adjoint in serving("solve_ivp").values()]
CONTINUOUS = [adjoint for adjoint in EVERY if isinstance(adjoint, ContinuousAdjoint)]
OTHERS = [adjoint for adjoint in EVERY if not isinstance(adjoint, DiscreteAdjoint)]
AUTO_AND_OTHERS = ["auto", *OTHERS]  # "auto" takes the discrete adjoint


def adjoint_name(adjoint) -> str:
    return adjoint if isinstance(adjoint, str) else type(adjoint).__name__
