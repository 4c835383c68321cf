"""What becomes of elements of a map that fail: the first raises, or all of them are NaN and named."""

from __future__ import annotations

import threading
from contextlib import contextmanager

__all__ = ["FailedElements", "failures_are_nan", "with_failures"]


class FailedElements(UserWarning):
    """Elements of a map failed and are NaN; ``elements`` has their numbers."""

    def __init__(self, message: str, elements: tuple[int, ...] = ()):
        super().__init__(message)
        self.elements = elements


class _Wish(threading.local):
    nan = False


_wish = _Wish()


def failures_are_nan() -> bool:
    """Whether the innermost `vmap` that runs in this thread wants NaN for elements that fail."""
    return _wish.nan


@contextmanager
def with_failures(failures: str):
    """Within, maps do with elements that fail what `failures` says, "raise" or "nan"."""
    before, _wish.nan = _wish.nan, failures == "nan"
    try:
        yield
    finally:
        _wish.nan = before
