"""Solvers of differential equations, differentiable: ``solve_ivp`` with SciPy's conventions."""

import importlib as _importlib

from sciad.solvers.solver_error import SolverError

# name -> module that has it; imported when first asked for
_NAMES = {
    "solve_ivp": "sciad.solvers.ode.solve_ivp",
    "Solution": "sciad.solvers.ode.solution",
    "solve_sde": "sciad.solvers.sde.solve_sde",
    **dict.fromkeys(("steady_state", "SteadyState"), "sciad.solvers.steady"),
    "BrownianMotion": "sciad.solvers.sde.brownian",
    "Controller": "sciad.solvers.stepping.controllers",
    "RungeKutta": "sciad.solvers.methods.runge_kutta",
    **dict.fromkeys(
        ("Euler", "Midpoint", "Heun", "RK4", "BS3", "Dopri5", "Tsit5"),
        "sciad.solvers.methods.explicit_tableaus",
    ),
    **dict.fromkeys(("DOP853", "Vern7", "Vern9"), "sciad.solvers.methods.high_order_tableaus"),
    **dict.fromkeys(
        ("Rosenbrock23", "ROS3P", "Rodas3P", "Rodas4", "Rodas4P", "Rodas5", "Rodas5P", "ROS34PW2"),
        "sciad.solvers.methods.rosenbrock_tableaus",
    ),
    "Rosenbrock": "sciad.solvers.methods.rosenbrock",
}

__all__ = ["SolverError", *_NAMES]


def __getattr__(name):
    if name not in _NAMES:
        raise AttributeError(f"module 'sciad.solvers' has no attribute {name!r}")
    value = globals()[name] = getattr(_importlib.import_module(_NAMES[name]), name)
    return value
