"""What was probably meant by a method or an adjoint that there is not."""

from __future__ import annotations

import difflib
import importlib

from sciad.solvers.adjoint import Adjoint

__all__ = ["check_adjoint", "method_meant", "no_such_method"]

# names of SciPy, MATLAB, Julia, Fortran and others, without case and signs -> the method here
_SAME = {
    "RK45": ("ode45", "rk54", "dp5", "dp45", "rkdp", "dopri", "dormandprince"),
    "BS3": ("ode23", "bogackishampine"),
    "DOP853": ("dop8", "dp8", "dopri8"),
    "RK4": ("rk", "rungekutta", "rungekutta4", "classicalrk4"),
    "Rosenbrock23": ("ode23s",),
    "auto": ("lsoda", "lsode", "odeint", "vode", "zvode", "cvode", "autotsit5", "autovern7"),
}
_NEAREST = {
    "Rodas5P": (
        "bdf radau radau5 radauiia5 radauiia ode15s ode15i ode23t qndf fbdf qbdf cvodebdf ida idas "
        "backwardeuler impliciteuler beuler trapezoid stiff seulex rodas"
    ).split(),
    "KenCarp4": "trbdf2 ode23tb kencarp3 kencarp47 kencarp5 kvaerno3 kvaerno4 kvaerno5 sdirk esdirk".split(),
    "Tsit5": "rkf45 rkck cashkarp ckrk bs5 owrenzen5 ralston".split(),
    "Vern9": "ode113 adams vcabm cvodeadams ab abm ode78 ode89 vern6 vern8 feagin10 odex gbs".split(),
}
_MEANT = {alias: (name, True) for name, aliases in _SAME.items() for alias in aliases}
_MEANT |= {alias: (name, False) for name, aliases in _NEAREST.items() for alias in aliases}
_STOCHASTIC = (
    "eulermaruyama milstein stratonovichmilstein eulerheun reversibleheun sra1 sra3 sriw1 sosri dri1"
)


def method_meant(method, names) -> str:
    """A sentence that names the method to take, or nothing.

    Examples
    --------
    >>> from sciad.solvers.methods.names import NAMES
    >>> method_meant("ode15s", NAMES)
    "The nearest here is 'Rodas5P', for stiff problems; 'auto' changes to it where it is needed. "
    >>> method_meant("tsit5", NAMES)
    "Did you mean 'Tsit5'? "
    """
    name = getattr(method, "__name__", method)
    if not isinstance(name, str):
        return ""
    key = "".join(c for c in name.lower() if c.isalnum())
    for known in names:
        if key == known.lower():
            return f"Did you mean {known!r}? "
    if key in _STOCHASTIC.split():
        return "Methods for stochastic equations are those of solve_sde. "
    meant, same = _MEANT.get(key, ("", False))
    if meant in names:
        if same:
            return f"Did you mean {meant!r}? "
        why = {
            "Rodas5P": ", for stiff problems; 'auto' changes to it where it is needed",
            "KenCarp4": ", for large stiff systems; for others take 'Rodas5P'",
            "Vern9": ", for tight tolerances",
        }
        return f"The nearest here is {meant!r}{why.get(meant, '')}. "
    close = [known for known in names if len(key) > 2 and known.lower().startswith(key)]
    close = close or difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"Did you mean {close[0]!r}? " if close else ""


def no_such_method(method, names) -> ValueError:
    """What to raise where a method is none of these."""
    listed = f"Methods: {', '.join(names)}"
    if isinstance(method, str):
        return ValueError(f"there is no method {method!r}. {method_meant(method, names)}{listed}")
    return ValueError(
        f"method must be a name or a method itself, not {method!r}. {method_meant(method, names)}{listed}"
    )


def check_adjoint(adjoint, solver: str) -> None:
    """Refuse what is no adjoint of this solver, before anything is solved.

    Objects of other classes that have a ``pullback`` are adjoints of ``solve_ivp``, too.

    Raises
    ------
    TypeError
        Saying what to write instead.
    """
    if isinstance(adjoint, str) and adjoint == "auto":
        return
    if isinstance(adjoint, Adjoint):
        if solver in adjoint.serves:
            return
    elif solver == "solve_ivp" and hasattr(adjoint, "pullback") and not isinstance(adjoint, type):
        return
    own = list(_adjoints_of(solver))
    text = f"adjoint must be 'auto' or an instance such as adjoints.{own[0]}(), not {adjoint!r}"
    raise TypeError(text + _adjoint_meant(adjoint, solver, own))


def adjoint_given(adjoint, solver: str):
    """The adjoint that an argument stands for, checked as by `check_adjoint`."""
    check_adjoint(adjoint, solver)
    return _adjoints_of(solver)["DiscreteAdjoint"]() if isinstance(adjoint, str) else adjoint


def _adjoints_of(solver: str) -> dict[str, type]:
    """They are built on the solvers, so they are asked for when they are wanted only."""
    return importlib.import_module("sciad.adjoints").serving(solver)


def _adjoint_meant(adjoint, solver: str, own: list[str]) -> str:
    if isinstance(adjoint, str):
        key = "".join(c for c in adjoint.lower() if c.isalnum())
        close = [known for known in own if key and (known.lower().startswith(key) or key in known.lower())]
        close = close or difflib.get_close_matches(adjoint, own, n=1, cutoff=0.5)
        return f". Did you mean adjoints.{close[0]}()?" if close else f". There are: {', '.join(own)}"
    cls = adjoint if isinstance(adjoint, type) else type(adjoint)
    if cls.__name__ in own:
        return f", which is the class. Write adjoints.{cls.__name__}()"
    if issubclass(cls, Adjoint) and cls.serves:
        others = ", ".join(own)
        return f": {cls.__name__} is one for {' and '.join(cls.serves)}. For {solver} there are: {others}"
    return f". There are: {', '.join(own)}"
