"""Methods by name."""

from __future__ import annotations

import difflib
import importlib

__all__ = ["NAMES", "method_named"]

# name -> (module, name there); coefficients are checked when a module is first imported
NAMES = {
    "auto": ("solvers.auto", "AUTO"),
    **{
        name: ("solvers.explicit", name)
        for name in ("Euler", "Midpoint", "Heun", "RK4", "BS3", "Dopri5", "Tsit5")
    },
    **{name: ("solvers.explicit_high", name) for name in ("DOP853", "Vern7", "Vern9")},
    **{
        name: ("solvers.stiff", name)
        for name in ("Rosenbrock23", "ROS3P", "Rodas3P", "Rodas4", "Rodas4P", "Rodas5", "Rodas5P", "ROS34PW2")
    },
    "KenCarp4": ("solvers.esdirk", "KenCarp4"),
    "RK23": ("solvers.explicit", "BS3"),
    "RK45": ("solvers.explicit", "Dopri5"),
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
        raise ValueError(f"method must be a name or a tableau, not {method!r}; names: {', '.join(NAMES)}")
    found = _loaded.get(method)
    if found is None:
        if method not in NAMES:
            close = difflib.get_close_matches(method, NAMES, n=1, cutoff=0.5)
            guess = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"there is no method {method!r}.{guess} Methods: {', '.join(NAMES)}")
        module, name = NAMES[method]
        found = _loaded[method] = getattr(importlib.import_module(module), name)
    return found


_loaded: dict = {}
