"""How callables made of users' functions travel: `pickle`, `copy` and cloudpickle."""

from __future__ import annotations

import linecache
import sys
import types
from typing import Any

from sciad.private_interfaces import frame_above

__all__ = ["Portable"]


class Portable:
    """Base of what is made of a function and is called like one.

    An object that is found under the name of its function (``@ad.jit`` above a ``def``) is pickled by that
    name, as functions are; any other as what it was made of. Copies are the object itself, as with functions.
    A derived class says in `made_of` with which arguments its ``__init__`` makes the same again.
    """

    __wrapped__: Any

    def made_of(self) -> tuple:
        raise NotImplementedError

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce_ex__(self, protocol):
        module = getattr(self.__wrapped__, "__module__", None)
        name = getattr(self.__wrapped__, "__qualname__", None)
        carried = _carries_functions(frame_above(1))
        if not (carried and module == "__main__") and _found(module, name) is self:
            return _named, (module, name)
        texts = _texts(self.__wrapped__, {}, set()) if carried else {}
        # First the empty object, then its contents: a function may refer to what was made of it.
        return object.__new__, (type(self),), (self.made_of(), texts)

    def __setstate__(self, state: tuple) -> None:
        arguments, texts = state
        travelled.update(texts)
        self.__init__(*arguments)


travelled: dict[str, list[str]] = {}  # lines of the files that functions came from which were carried here


def _named(module: str, name: str):
    __import__(module)
    found = _found(module, name)
    if found is None:
        raise AttributeError(f"{name} is not in {module} here: it was pickled by that name, as functions are")
    return found


def _found(module: str | None, name: str | None):
    """What is found under the name of a function, None if nothing is."""
    found = sys.modules.get(module or "")
    for part in (name or "").split("."):
        found = getattr(found, part, None)
    return found


def _texts(f, found: dict[str, list[str]], seen: set[int]) -> dict[str, list[str]]:
    """Lines of the files, or notebook cells, of a function and of those of the main script that it uses:
    byte code alone cannot be compiled where it arrives.
    """
    while isinstance(f, Portable | types.MethodType):
        f = f.__wrapped__ if isinstance(f, Portable) else f.__func__
    if not isinstance(f, types.FunctionType) or id(f) in seen or (seen and f.__module__ != "__main__"):
        return found
    seen.add(id(f))
    name = f.__code__.co_filename
    if name not in found:
        found[name] = linecache.getlines(name, f.__globals__)
    for used in [*map(f.__globals__.get, _names(f.__code__)), *_contents(f)]:
        _texts(used, found, seen)
    return found


def _names(code: types.CodeType) -> set[str]:
    """All names that a code speaks of, its local functions included."""
    inner = (_names(c) for c in code.co_consts if isinstance(c, types.CodeType))
    return set(code.co_names).union(*inner)


def _contents(f: types.FunctionType) -> list:
    found = []
    for cell in f.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # not bound yet
            continue
    return found


def _carries_functions(frame) -> bool:
    """Whether the pickler carries functions of the main script by their code: the process that reads it has
    another script. Picklers do not say which they are, but the module that runs them does.
    """
    name = frame.f_globals.get("__name__", "")
    return "cloudpickle" in name or name.partition(".")[0] == "dill"
