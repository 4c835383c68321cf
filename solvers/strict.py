"""Whether a solve that fails returns, as SciPy's does, or raises."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar

from sciad.errors import SolverError

__all__ = ["failed_solves_raise", "refuse_failure"]

_raising: ContextVar[bool] = ContextVar("failed solves raise", default=False)


@contextlib.contextmanager
def failed_solves_raise():
    """Inside, a solve that fails raises `SolverError` in place of returning a shorter solution.

    What computes a number from a solution without a look at its status would go on with the outputs that
    were reached: an optimiser must not take that for a value of its loss.
    """
    token = _raising.set(True)
    try:
        yield
    finally:
        _raising.reset(token)


def refuse_failure(message: str) -> None:
    """Called where a failed solution is about to be returned."""
    if _raising.get():
        raise SolverError(f"the solve failed. {message}")
