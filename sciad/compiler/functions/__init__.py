"""Functions the compiler knows: NumPy, `math`, builtins, `scipy.special`, methods of arrays and containers.

Each is lowered to elementwise expressions, loops and calls of array primitives.
"""

from __future__ import annotations

from sciad.compiler.functions import (  # noqa: F401  (they enter the table)
    array_methods,
    core_services,
    creation,
    elementwise,
    index_makers,
    iterators,
    matrices,
    nested_containers,
    python_builtins,
    random_numbers,
    reductions,
    shaping,
)
from sciad.compiler.functions.definitions import structural
from sciad.compiler.functions.dispatch import attribute, call, call_method, has_method

__all__ = ["attribute", "call", "call_method", "has_method", "structural"]
