"""What a failed solve raises where a status cannot be returned."""

from __future__ import annotations

__all__ = ["SolverError"]


class SolverError(RuntimeError):
    """A solve that failed where its result was needed for a derivative; the message says when, where and
    what to do.
    """
