"""Methods by name."""

from __future__ import annotations

import importlib

from sciad.solvers.suggestions import method_meant

__all__ = ["NAMES", "method_named"]

# name -> (module, name there); coefficients are checked when a module is first imported
NAMES = {
    "auto": ("sciad.solvers.stepping.auto", "AUTO"),
    **{
        name: ("sciad.solvers.methods.explicit_tableaus", name)
        for name in ("Euler", "Midpoint", "Heun", "RK4", "BS3", "Dopri5", "Tsit5")
    },
    **{name: ("sciad.solvers.methods.high_order_tableaus", name) for name in ("DOP853", "Vern7", "Vern9")},
    **{
        name: ("sciad.solvers.methods.rosenbrock_tableaus", name)
        for name in ("Rosenbrock23", "ROS3P", "Rodas3P", "Rodas4", "Rodas4P", "Rodas5", "Rodas5P", "ROS34PW2")
    },
    "KenCarp4": ("sciad.solvers.methods.esdirk", "KenCarp4"),
    "RK23": ("sciad.solvers.methods.explicit_tableaus", "BS3"),
    "RK45": ("sciad.solvers.methods.explicit_tableaus", "Dopri5"),
}


def method_named(method):
    """The tableau of a name; a tableau is returned as it is.

    Raises
    ------
    ValueError
        For an unknown name, with the names there are.
    """
    if not isinstance(method, str):
        if hasattr(method, "family"):
            return method
        raise ValueError(
            f"method must be a name or a tableau, not {method!r}. {method_meant(method, NAMES)}"
            f"Names: {', '.join(NAMES)}"
        )
    found = _loaded.get(method)
    if found is None:
        if method not in NAMES:
            raise ValueError(
                f"there is no method {method!r}. {method_meant(method, NAMES)}Methods: {', '.join(NAMES)}"
            )
        module, name = NAMES[method]
        found = _loaded[method] = getattr(importlib.import_module(module), name)
    return found


_loaded: dict = {}
