"""Whether evaluating an expression may run a function of the user's."""

from __future__ import annotations

import ast

_SAFE_OWNERS = {"np", "numpy", "math", "special", "scipy", "sp", "linalg"}
_SAFE = {
    "abs",
    "len",
    "range",
    "float",
    "int",
    "bool",
    "min",
    "max",
    "sum",
    "enumerate",
    "zip",
    "round",
    "tuple",
    "list",
}
_SAFE |= {
    "exp",
    "log",
    "sin",
    "cos",
    "sqrt",
    "tanh",
    "copy",
    "mean",
    "prod",
    "dot",
    "reshape",
    "std",
    "var",
    "astype",
}
_SAFE |= {
    "transpose",
    "ravel",
    "flatten",
    "items",
    "keys",
    "values",
    "get",
    "isinstance",
    "any",
    "all",
    "erf",
    "gamma",
}


def may_call(node) -> bool:
    """Whether evaluating `node` may run a function of the user's (and so write into an array)."""
    found = getattr(node, "_calls", None)
    if found is None:
        found = node._calls = any(isinstance(n, ast.Call) and not _is_safe(n.func) for n in ast.walk(node))
    return found


def _is_safe(func) -> bool:
    if isinstance(func, ast.Name):
        return func.id in _SAFE
    while isinstance(func, ast.Attribute):
        if func.attr in _SAFE:
            return True
        func = func.value
    return isinstance(func, ast.Name) and func.id in _SAFE_OWNERS
