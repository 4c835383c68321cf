"""What a failed solve raises where a status cannot be returned."""

from __future__ import annotations

from sciad.errors import NotFinite

__all__ = ["LossNotFinite", "SolverError"]


class SolverError(RuntimeError):
    """A solve that failed where its result was needed for a derivative; the message says when, where and
    what to do.
    """


class LossNotFinite(SolverError, NotFinite):
    """The derivative of a loss with respect to the outputs of a solve is NaN or infinite."""
