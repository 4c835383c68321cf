"""The tables of lowerings: what becomes of calls of functions, methods and attributes of arrays."""

from __future__ import annotations

import importlib

from sciad.compiler.fence import Refusal

TABLE: dict = {}  # function -> lowering(t, *args, **kwargs)
METHODS: dict = {}  # (kind of owner, name) -> lowering(t, owner, *args, **kwargs)
ATTRIBUTES: dict = {}  # name -> lowering(t, array)
LATER: dict = {}  # (module, name) of a function -> lowering


class Beyond(Refusal):
    """A lowering does not know these arguments; the definition of the function, if it has one, is traced."""


def lower(*fns, method: str | None = None):
    """Enter a lowering for functions, and as a method of arrays."""

    def enter(lowering):
        for fn in fns:
            TABLE[fn] = lowering
        if method:
            METHODS["array", method] = lowering
        return lowering

    return enter


def lower_later(module: str, name: str):
    """Enter a lowering for a function of a module that is not imported for its sake."""

    def enter(lowering):
        LATER[module, name] = lowering
        return lowering

    return enter


def known(fn) -> bool:
    """Whether a function of this package is in the table; the module that a package above names in
    ``fn.lowered_in`` is imported for it.
    """
    module = getattr(fn, "lowered_in", None)
    if module is not None and fn not in TABLE:
        importlib.import_module(module)
    return fn in TABLE
