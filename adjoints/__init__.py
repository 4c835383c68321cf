"""Sensitivity methods of the solvers, registered as the derivative rules of their primitives."""

from adjoints import rules as _rules
from adjoints.backsolve import BacksolveAdjoint
from adjoints.checking import Agreement, check, value_and_grad
from adjoints.curvature import GaussNewton, fisher, gauss_newton
from adjoints.discrete import DiscreteAdjoint
from adjoints.explaining import Cost, Explanation, explain
from adjoints.forward import ForwardSensitivity
from adjoints.gauss import GaussAdjoint
from adjoints.interpolating import InterpolatingAdjoint
from adjoints.reversible import ReversibleAdjoint
from adjoints.steady import SteadyStateAdjoint

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
