"""Sensitivity methods of the solvers, registered as the derivative rules of their primitives."""

from sciad.adjoints.ode import solve_rules as _rules
from sciad.adjoints.ode.backsolve import BacksolveAdjoint
from sciad.adjoints.ode.discrete import DiscreteAdjoint
from sciad.adjoints.ode.forward_sensitivity import ForwardSensitivity
from sciad.adjoints.ode.gauss import GaussAdjoint
from sciad.adjoints.ode.interpolating import InterpolatingAdjoint
from sciad.adjoints.reports.curvature import GaussNewton, fisher, gauss_newton
from sciad.adjoints.reports.explain import Cost, Explanation, explain
from sciad.adjoints.reports.gradient_error import Agreement, check, value_and_grad
from sciad.adjoints.sde.reversible import ReversibleAdjoint
from sciad.adjoints.steady_adjoint import SteadyStateAdjoint

__all__ = [
    "Agreement",
    "BacksolveAdjoint",
    "Cost",
    "DiscreteAdjoint",
    "Explanation",
    "ForwardSensitivity",
    "GaussAdjoint",
    "GaussNewton",
    "InterpolatingAdjoint",
    "ReversibleAdjoint",
    "SteadyStateAdjoint",
    "check",
    "explain",
    "fisher",
    "gauss_newton",
    "value_and_grad",
]

del _rules
