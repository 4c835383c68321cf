"""Warnings that point to the line of the user's program."""

from __future__ import annotations

import sys
import warnings

__all__ = ["warn"]


def warn(text: str, category=UserWarning) -> None:
    """Warn at the line of the caller's program, however deep in these packages it is noticed."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in _OWN:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)


_OWN = frozenset({"sciad"})
