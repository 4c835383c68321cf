"""Warnings that point to the line of the user's program."""

from __future__ import annotations

import warnings

from sciad.private_interfaces import frame_above

__all__ = ["InterpretedModel", "warn", "warn_interpreted"]


class InterpretedModel(UserWarning):
    """The model could not be compiled and is called in Python: right, but slower."""


def warn(text: str, category=UserWarning) -> None:
    """Warn at the line of the caller's program, however deep in these packages it is noticed."""
    frame, level = frame_above(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in _OWN:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)


def warn_interpreted(what: str, why) -> None:
    """Tell that a model is called in Python."""
    warn(
        f"{what} is not compiled but called in Python at every stage, which is slower; the result is the "
        f"same. {why}",
        InterpretedModel,
    )


_OWN = frozenset({"sciad"})
