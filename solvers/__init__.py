"""Solvers of differential equations, differentiable: ``solve_ivp`` with SciPy's conventions."""

import importlib as _importlib

from solvers.errors import SolverError

# name -> module that has it; imported when first asked for
_NAMES = {
    "solve_ivp": "solvers.ivp",
    "Solution": "solvers.solution",
    "solve_sde": "solvers.sde",
    **dict.fromkeys(("steady_state", "SteadyState"), "solvers.steady"),
    "BrownianMotion": "solvers.brownian",
    "Controller": "solvers.control",
    "RungeKutta": "solvers.tableau",
    **dict.fromkeys(("Euler", "Midpoint", "Heun", "RK4", "BS3", "Dopri5", "Tsit5"), "solvers.explicit"),
    **dict.fromkeys(("DOP853", "Vern7", "Vern9"), "solvers.explicit_high"),
    **dict.fromkeys(
        ("Rosenbrock23", "ROS3P", "Rodas3P", "Rodas4", "Rodas4P", "Rodas5", "Rodas5P", "ROS34PW2"),
        "solvers.stiff",
    ),
    "Rosenbrock": "solvers.rosenbrock",
}

__all__ = ["SolverError", *_NAMES]


def __getattr__(name):
    if name not in _NAMES:
        raise AttributeError(f"module 'solvers' has no attribute {name!r}")
    value = globals()[name] = getattr(_importlib.import_module(_NAMES[name]), name)
    return value
