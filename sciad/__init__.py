"""Automatic differentiation of NumPy programs, eager and compiled.

``import sciad as ad`` is enough: the names of the packages built on this one are offered here too, and
imported when first asked for.
"""

import importlib as _importlib

from . import dual as _dual
from . import mutation as _mutation  # noqa: F401
from . import rules_array as _rules_array  # noqa: F401
from . import rules_grid as _rules_grid  # noqa: F401
from . import rules_linalg as _rules_linalg  # noqa: F401
from . import rules_product as _rules_product  # noqa: F401
from . import rules_samples as _rules_samples  # noqa: F401
from . import rules_select as _rules_select  # noqa: F401
from . import rules_ufunc as _rules_ufunc  # noqa: F401
from . import tape as _tape
from . import ufuncs as _ufuncs  # noqa: F401
from .api import grad, jvp, linearize, value_and_grad, vjp
from .batch import vmap
from .check import check_grads
from .errors import (
    CheckFailed,
    DerivativeDropped,
    EscapedValue,
    MissingRule,
    NotDifferentiable,
    NotScalar,
    SciadError,
    UnsupportedSyntax,
    UnsupportedWrite,
)
from .implicit import NotConverged, fixed_point, root
from .indexing import stop_gradient
from .jacobians import hessian, hvp, jacobian
from .primitive import custom
from .recompute import checkpoint
from .value import is_traced

__version__ = "0.1.0"
__all__ = [
    "CheckFailed", "DerivativeDropped", "EscapedValue", "MissingRule", "NotConverged",
    "NotDifferentiable", "NotScalar", "SciadError", "UnsupportedSyntax", "UnsupportedWrite",
    "check_grads", "checkpoint", "custom", "fixed_point", "grad", "hessian", "hvp", "is_traced",
    "jacobian", "jvp", "linearize", "root", "stop_gradient", "value_and_grad", "vjp", "vmap",
]  # fmt: skip

_dual._install_fast_operators()
_tape._install_fast_operators()

# name -> module that has it; imported when first asked for
_ELSEWHERE = {
    **dict.fromkeys(("jit", "source"), "sciad.compiler.jitted"),
    "debug_nan": "sciad.compiler.debug",
    **dict.fromkeys(("sparse_jacobian", "sparsity"), "sciad.sparse"),
    **dict.fromkeys(("solve_ivp", "solve_sde", "steady_state", "SolverError", "BrownianMotion"), "solvers"),
    **dict.fromkeys(
        ("DiscreteAdjoint", "InterpolatingAdjoint", "GaussAdjoint", "BacksolveAdjoint", "ForwardSensitivity",
         "ReversibleAdjoint", "SteadyStateAdjoint"),
        "adjoints",
    ),
}  # fmt: skip


def __getattr__(name):
    if name not in _ELSEWHERE:
        raise AttributeError(f"module 'sciad' has no attribute {name!r}")
    value = getattr(_importlib.import_module(_ELSEWHERE[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_ELSEWHERE})
