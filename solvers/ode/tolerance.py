"""Solving again more accurately: a scope in which every solve is tighter than it was asked to be."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar

import numpy as np

__all__ = ["SMALLEST_RTOL", "factor", "tightened", "tighter"]

SMALLEST_RTOL = 100 * np.finfo(float).eps

_factor: ContextVar[float] = ContextVar("tolerance_factor", default=1.0)
factor = _factor.get

present = np.ones(1)  # the same for solves in machine code, which know nothing of contexts


@contextlib.contextmanager
def tighter(share: float):
    """Multiply rtol and atol of every ``solve_ivp`` inside by ``share``; halve the steps of methods that do
    not choose theirs.

    Examples
    --------
    >>> import numpy as np
    >>> from sciad.solvers import solve_ivp
    >>> from sciad.solvers.ode.tolerance import tighter
    >>> def error():
    ...     return abs(solve_ivp(lambda t, y: -y, (0, 1), np.array([1.0]), "Tsit5").y[0, -1] - np.exp(-1))
    >>> plain = error()
    >>> with tighter(0.01):
    ...     print(error() < 0.2 * plain)
    True
    """
    if not 0.0 < share <= 1.0:
        raise ValueError(f"the share of the tolerances must be in (0, 1], not {share!r}")
    token, before = _factor.set(_factor.get() * share), present[0]
    present[0] = factor()
    try:
        yield
    finally:
        _factor.reset(token)
        present[0] = before


def tightened(method, rtol, atol, first_step, max_step):
    """The four of them in the present scope."""
    share = factor()
    if not getattr(method, "adaptive", True):
        return rtol, atol, None if first_step is None else first_step / 2.0, max_step / 2.0
    floor = np.minimum(rtol, SMALLEST_RTOL)
    rtol = np.maximum(np.multiply(rtol, share), floor)
    atol = np.multiply(atol, share)
    rtol, atol = (float(x) if np.ndim(x) == 0 else x for x in (rtol, atol))
    return rtol, atol, first_step, max_step
