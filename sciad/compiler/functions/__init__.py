"""Functions the compiler knows: NumPy, `math`, builtins, `scipy.special`, methods of arrays and containers.

Each is lowered to elementwise expressions, loops and calls of array primitives.
"""

from __future__ import annotations

from . import builtin, creation, elementwise, linalg, methods, reductions, shaping  # noqa: F401  (they enter the table)
from .table import attribute, call, call_method

__all__ = ["attribute", "call", "call_method"]
