"""Solvers of differential equations, differentiable: ``solve_ivp`` with SciPy's conventions."""

import importlib as _importlib

from sciad.errors import SolverError
from sciad.solvers.methods.names import TABLEAUS

# name -> module that has it; imported when first asked for
_NAMES = {
    "solve_ivp": "sciad.solvers.ode.solve_ivp",
    "Solution": "sciad.solvers.ode.solution",
    "solve_sde": "sciad.solvers.sde.solve_sde",
    **dict.fromkeys(("steady_state", "SteadyState"), "sciad.solvers.steady"),
    "BrownianMotion": "sciad.solvers.sde.brownian",
    "Controller": "sciad.solvers.stepping.controllers",
    "RungeKutta": "sciad.solvers.methods.runge_kutta",
    **TABLEAUS,
    "ESDIRK": "sciad.solvers.methods.esdirk",
    "Rosenbrock": "sciad.solvers.methods.rosenbrock",
}

__all__ = ["SolverError", *_NAMES]


def __getattr__(name):
    if name not in _NAMES:
        raise AttributeError(f"module 'sciad.solvers' has no attribute {name!r}")
    value = globals()[name] = getattr(_importlib.import_module(_NAMES[name]), name)
    return value


def __dir__():
    return sorted({*__all__, "__all__", "__doc__"})
