"""Methods by name."""

from __future__ import annotations

import importlib

from sciad.solvers.suggestions import no_such_method

__all__ = ["ALIASES", "AUTO", "LOADED", "NAMES", "TABLEAUS", "method_named"]


class Automatic:
    """Stands for the method while it is not known."""

    name = "auto"
    family = "auto"
    order = 5
    implicit = False

    def __repr__(self) -> str:
        return "<auto: Tsit5, or Rodas5P where the problem is stiff>"


AUTO = Automatic()

# tableau -> its module; coefficients are checked when a module is first imported
TABLEAUS = {
    tableau: f"sciad.solvers.methods.{module}"
    for module, tableaus in {
        "explicit_tableaus": "Euler Midpoint Heun RK4 BS3 Dopri5 Tsit5",
        "high_order_tableaus": "DOP853 Vern7 Vern9",
        "rosenbrock_tableaus": "Rosenbrock23 ROS3P Rodas3P Rodas4 Rodas4P Rodas5 Rodas5P ROS34PW2",
        "esdirk": "KenCarp4",
    }.items()
    for tableau in tableaus.split()
}
ALIASES = {"RK23": "BS3", "RK45": "Dopri5"}  # SciPy's names
NAMES = ("auto", *TABLEAUS, *ALIASES)


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
        raise no_such_method(method, NAMES)
    found = LOADED.get(method)
    if found is None:
        if method not in NAMES:
            raise no_such_method(method, NAMES)
        name = ALIASES.get(method, method)
        found = LOADED[method] = getattr(importlib.import_module(TABLEAUS[name]), name)
    return found


LOADED: dict = {"auto": AUTO}  # methods asked for by now
