"""What editors and type checkers see of the names that are imported when first asked for."""

from sciad.adjoints.ode.backsolve import BacksolveAdjoint as BacksolveAdjoint
from sciad.adjoints.ode.discrete import DiscreteAdjoint as DiscreteAdjoint
from sciad.adjoints.ode.forward_sensitivity import ForwardSensitivity as ForwardSensitivity
from sciad.adjoints.ode.gauss import GaussAdjoint as GaussAdjoint
from sciad.adjoints.ode.interpolating import InterpolatingAdjoint as InterpolatingAdjoint
from sciad.adjoints.reports.curvature import GaussNewton as GaussNewton
from sciad.adjoints.reports.curvature import fisher as fisher
from sciad.adjoints.reports.curvature import gauss_newton as gauss_newton
from sciad.adjoints.reports.explain import Cost as Cost
from sciad.adjoints.reports.explain import Explanation as Explanation
from sciad.adjoints.reports.explain import explain as explain
from sciad.adjoints.reports.gradient_error import Agreement as Agreement
from sciad.adjoints.reports.gradient_error import check as check
from sciad.adjoints.reports.gradient_error import value_and_grad as value_and_grad
from sciad.adjoints.sde.reversible import ReversibleAdjoint as ReversibleAdjoint
from sciad.adjoints.steady_adjoint import SteadyStateAdjoint as SteadyStateAdjoint

def serving(solver: str) -> dict[str, type]: ...
