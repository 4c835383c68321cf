"""Whether evaluating an expression may run a function of the user's."""

from __future__ import annotations

import ast

_SAFE_OWNERS = {"np", "numpy", "math", "special", "scipy", "sp", "linalg"}
_BUILTINS = set(
    "abs len range float int bool min max sum enumerate zip round tuple list isinstance any all".split()
)
_BUILTINS |= {"exp", "log", "sin", "cos", "sqrt", "tanh"}  # imported by name
_METHODS = set(
    "copy mean prod dot reshape std var astype transpose ravel flatten items keys values get".split()
    + "sum min max any all".split()
)


def may_call(node) -> bool:
    """Whether evaluating `node` may run a function of the user's (and so write into an array)."""
    found = getattr(node, "_calls", None)
    if found is None:
        found = node._calls = any(isinstance(n, ast.Call) and not _is_safe(n) for n in ast.walk(node))
    return found


def _is_safe(call: ast.Call) -> bool:
    if any(keyword.arg in (None, "out") for keyword in call.keywords):
        return False
    func = call.func
    if isinstance(func, ast.Name):
        return func.id in _BUILTINS
    names = []
    while isinstance(func, ast.Attribute):
        names.append(func.attr)
        func = func.value
    if isinstance(func, ast.Name) and func.id in _SAFE_OWNERS:
        return True
    return names[:1] != [] and names[0] in _METHODS
