"""Sensitivity methods of the solvers, and reports on the gradients that they give.

Modules with the derivative rules of the solvers' primitives are imported by those, at the first derivative.
"""

import importlib as _importlib

# name -> module that has it; imported when first asked for
ADJOINTS = {
    "DiscreteAdjoint": "sciad.adjoints.ode.discrete",
    "InterpolatingAdjoint": "sciad.adjoints.ode.interpolating",
    "GaussAdjoint": "sciad.adjoints.ode.gauss",
    "BacksolveAdjoint": "sciad.adjoints.ode.backsolve",
    "ForwardSensitivity": "sciad.adjoints.ode.forward_sensitivity",
    "ReversibleAdjoint": "sciad.adjoints.sde.reversible",
    "SteadyStateAdjoint": "sciad.adjoints.steady_adjoint",
}
_NAMES = {
    **ADJOINTS,
    **dict.fromkeys(("Agreement", "check", "value_and_grad"), "sciad.adjoints.reports.gradient_error"),
    **dict.fromkeys(("Cost", "Explanation", "explain"), "sciad.adjoints.reports.explain"),
    **dict.fromkeys(("GaussNewton", "fisher", "gauss_newton"), "sciad.adjoints.reports.curvature"),
}

__all__ = list(_NAMES)


def serving(solver: str) -> dict[str, type]:
    """The adjoints of a solver by name."""
    found = {name: __getattr__(name) for name in ADJOINTS}
    return {name: adjoint for name, adjoint in found.items() if solver in adjoint.serves}


def __getattr__(name):
    if name not in _NAMES:
        raise AttributeError(f"module 'sciad.adjoints' has no attribute {name!r}")
    value = globals()[name] = getattr(_importlib.import_module(_NAMES[name]), name)
    return value


def __dir__():
    return sorted({*__all__, "serving", "__all__", "__doc__"})
