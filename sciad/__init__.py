"""Automatic differentiation of NumPy programs, eager and compiled.

``import sciad as ad`` is enough: the names of the packages built on this one are offered here too, and
imported when first asked for.
"""

import importlib as _importlib

from sciad.eager import array_surface as _surface  # noqa: F401
from sciad.eager import dual as _dual
from sciad.eager import tape as _tape
from sciad.eager import writing_functions as _writing  # noqa: F401
from sciad.eager.indexing import stop_gradient
from sciad.eager.traced import is_traced
from sciad.errors import (
    CheckFailed,
    DerivativeDropped,
    EscapedValue,
    InternalError,
    MissingRule,
    NotDifferentiable,
    NotScalar,
    SciadError,
    SolverError,
    UnsupportedSyntax,
    UnsupportedWrite,
)
from sciad.rules import array_functions as _rules_array  # noqa: F401
from sciad.rules import grids as _rules_grid  # noqa: F401
from sciad.rules import numpy_linalg as _rules_linalg  # noqa: F401
from sciad.rules import products as _rules_product  # noqa: F401
from sciad.rules import samples as _rules_samples  # noqa: F401
from sciad.rules import selection as _rules_select  # noqa: F401
from sciad.rules import ufuncs as _rules_ufunc  # noqa: F401
from sciad.transforms.check_grads import check_grads
from sciad.transforms.checkpoint import checkpoint
from sciad.transforms.custom import custom
from sciad.transforms.gradients import grad, jvp, linearize, value_and_grad, vjp
from sciad.transforms.implicit import NotConverged, fixed_point, root
from sciad.transforms.jacobians import hessian, hvp, jacobian
from sciad.transforms.vmap import vmap

__version__ = "0.1.0"
__all__ = [
    "CheckFailed", "DerivativeDropped", "EscapedValue", "InternalError", "MissingRule", "NotConverged",
    "NotDifferentiable", "NotScalar", "SciadError", "SolverError", "UnsupportedSyntax", "UnsupportedWrite",
    "check_grads", "checkpoint", "custom", "fixed_point", "grad", "hessian", "hvp", "is_traced",
    "jacobian", "jvp", "linearize", "root", "stop_gradient", "value_and_grad", "vjp", "vmap",
]  # fmt: skip

_dual._install_fast_operators()
_tape._install_fast_operators()

# name -> module that has it; imported when first asked for
_ELSEWHERE = {
    **dict.fromkeys(("jit", "source"), "sciad.compiler.jit"),
    "compile": "sciad.transforms.compile_ahead",
    "debug_nan": "sciad.compiler.nan_debugging",
    **dict.fromkeys(("sparse_jacobian", "sparsity"), "sciad.compiler.sparse.sparse_functions"),
    **dict.fromkeys(("solve_ivp", "solve_sde", "steady_state", "BrownianMotion"), "sciad.solvers"),
}  # fmt: skip
# packages and modules that are public as they are; most of them stand above this one
_PACKAGES = frozenset({"adjoints", "logdensity", "neural", "nn", "optimize", "random", "solvers"})


def _adjoints():
    """They stand above this package, and are asked for when they are wanted only."""
    return _importlib.import_module("sciad.adjoints").ADJOINTS


def __getattr__(name):
    if name in _PACKAGES:
        return _importlib.import_module(f"sciad.{name}")
    module = _ELSEWHERE.get(name) or (None if name.startswith("_") else _adjoints().get(name))
    if module is None:
        raise AttributeError(f"module 'sciad' has no attribute {name!r}")
    found = _importlib.import_module(module)
    value = found if module == f"sciad.{name}" else getattr(found, name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*__all__, *_ELSEWHERE, *_PACKAGES, *_adjoints(), "__all__", "__doc__", "__version__"})
