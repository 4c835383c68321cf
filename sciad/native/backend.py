"""Which translator makes LLVM of generated Python: this package's own one, or numba as a second opinion.

``SCIAD_BACKEND=own`` or ``SCIAD_BACKEND=numba`` chooses. What the own one does not know goes to numba; with
``SCIAD_BACKEND_STRICT=1`` it is an error.
"""

from __future__ import annotations

import os

__all__ = ["BACKENDS", "backend", "fallbacks", "translated"]

BACKENDS = ("own", "numba")
_DEFAULT = "own"

fallbacks: list[
    str
] = []  # modules of this process that numba translated though the own translator was wanted


def backend() -> str:
    """The translator of new code."""
    name = os.environ.get("SCIAD_BACKEND") or _DEFAULT
    if name not in BACKENDS:
        raise ValueError(f"SCIAD_BACKEND={name!r}: one of {', '.join(BACKENDS)}")
    return name


def translated(text: str, entry: str, symbol: str, separate: bool, sparing: bool) -> str | None:
    """LLVM text of a module by the own translator; None where numba is to make it."""
    if backend() == "numba":
        return None
    from sciad.native.translator.llvm_values import TranslationError
    from sciad.native.translator.python_to_llvm import translate

    try:
        return translate(text, entry, symbol, separate, sparing)
    except TranslationError as error:
        fallbacks.append(f"{symbol}: {error}")
        if os.environ.get("SCIAD_BACKEND_STRICT"):
            raise
        return None
