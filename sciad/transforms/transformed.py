"""What transforms return: callables that know the function they were made of, and travel as that."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sciad.portable import Portable


@dataclass(frozen=True)
class Request:
    """``transform(fun, *options)``."""

    transform: Callable
    fun: Callable
    options: tuple


def request_of(x: Any) -> Request | None:
    """What a function is, if a transform made it that compiled code knows."""
    return x.request if isinstance(x, Transformed) and x.transform is not None else None


def is_compiled(f: Any) -> bool:
    """Whether a function was made by `jit`, and knows its derivatives without the eager transforms."""
    return getattr(type(f), "under", None) is not None and isinstance(f, Portable)


class Transformed(Portable):
    """Base of the callables that transforms return; a derived class has ``__call__`` and `made_of`.

    Parameters
    ----------
    f : callable
    name : str, optional
        Other than that of `f`, which has another result.
    """

    kind = "transform"
    transform: Callable | None = None  # that made it, where compiled code knows that
    f: Callable
    __name__: str
    __call__: Callable[..., Any]

    def __init__(self, f: Callable, what: str | None = None):
        functools.update_wrapper(self, f, updated=())
        self.f = f
        if what is not None:
            name = getattr(f, "__name__", None) or type(f).__name__
            self.__name__ = self.__qualname__ = f"{what.replace(' ', '_')}_of_{name}"
            self.__doc__ = f"The {what} of {name}.\n\n{getattr(f, '__doc__', None) or ''}"

    @functools.cached_property
    def request(self) -> Request:
        """What it is, for compiled code that makes it of its own."""
        f, *options = self.made_of()
        return Request(self.transform, f, tuple(options))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.__module__}.{self.__name__}>"

    def __get__(self, instance, owner=None):
        return self if instance is None else types.MethodType(self, instance)
