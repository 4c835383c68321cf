"""The differentiating compiler: a function's own source to native code of it and its derivatives.

In order: ``tracing`` runs a function's source on symbolic values (``objects``) and writes IR (``ir``:
scalars, flat memory, structured control flow), ``functions`` says what NumPy's functions do to it,
``passes`` improve it, ``derivatives`` makes programs of its derivatives from it, ``backend`` turns a
program into readable Python, which ``sciad.native`` compiles. ``sparse`` adds Jacobians by their patterns.
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
