"""Types of arguments of the solvers, for annotations alone."""

from __future__ import annotations

from typing import Any, TypeAlias

from sciad.solvers.methods.esdirk import ESDIRK
from sciad.solvers.methods.rosenbrock import Rosenbrock
from sciad.solvers.methods.runge_kutta import RungeKutta

__all__ = ["Method", "SparseMatrix"]

Method: TypeAlias = RungeKutta | Rosenbrock | ESDIRK
SparseMatrix: TypeAlias = Any  # SciPy's, which have no types of their own
