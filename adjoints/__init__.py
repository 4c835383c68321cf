"""Sensitivity methods of the solvers, registered as the derivative rules of their primitives."""

from adjoints import rules as _rules
from adjoints.backsolve import BacksolveAdjoint
from adjoints.checking import Agreement, check
from adjoints.curvature import GaussNewton, fisher, gauss_newton
from adjoints.discrete import DiscreteAdjoint
from adjoints.forward import ForwardSensitivity
from adjoints.gauss import GaussAdjoint
from adjoints.interpolating import InterpolatingAdjoint
from adjoints.reversible import ReversibleAdjoint
from adjoints.steady import SteadyStateAdjoint

__all__ = [
    "Agreement",
    "BacksolveAdjoint",
    "DiscreteAdjoint",
    "ForwardSensitivity",
    "GaussAdjoint",
    "GaussNewton",
    "InterpolatingAdjoint",
    "ReversibleAdjoint",
    "SteadyStateAdjoint",
    "check",
    "fisher",
    "gauss_newton",
]

del _rules
