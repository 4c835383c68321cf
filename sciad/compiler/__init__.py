"""The differentiating compiler: a function's own source to native code of it and its derivatives.

``parse`` (source to IR: scalars, flat memory, structured control flow), ``forward``, ``reverse`` and ``jacobian`` (IR to
IR), ``emit`` (IR to readable Python) and ``cache`` (one file per program in the cache folder, compiled by numba).
"""

from __future__ import annotations

import importlib

_NAMES = {
    "Group": "compiled_function",
    "compile_function": "compiled_function",
    "CompiledFunction": "compiled_function",
    "KINDS": "compiled_function",
}
_NAMES["debug_nan"] = "nan_debugging"
__all__ = list(_NAMES)


def __getattr__(name: str):
    if name in _NAMES:
        return getattr(importlib.import_module(f".{_NAMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
