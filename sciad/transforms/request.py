"""What a function made by a transform is: so that others than Python's interpreter can make it too."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Request", "request_of", "requested"]


@dataclass(frozen=True)
class Request:
    """``transform(fun, *options)``.

    Attributes
    ----------
    code : code object
        Of the function that was made: decorators copy attributes to functions that do something else.
    """

    transform: Callable
    fun: Callable
    options: tuple
    code: Any


def requested(made: Callable, transform: Callable, fun: Callable, *options: Any) -> Callable:
    """Write down what `made` is."""
    made.request = Request(transform, fun, options, made.__code__)
    return made


def request_of(x: Any) -> Request | None:
    """What a function is, if a transform made it."""
    found = x.__dict__.get("request") if x.__class__ is types.FunctionType else None
    return found if isinstance(found, Request) and found.code is x.__code__ else None
