"""What a function that is called later reads and that cannot be copied with it: large arrays, attributes of
modules and classes, the random numbers of the whole process.  They must be what they were, or are set so.
"""

from __future__ import annotations

import sys
import types

from sciad.eager.leaving import LIBRARIES
from sciad.eager.tape import check_kept
from sciad.errors import NotDifferentiable


class Surroundings:
    """Of the functions among `nodes`, as they are now; a context in which these functions may run.

    Parameters
    ----------
    nodes : list
        Functions, cells and objects of users' classes.
    kept : list of (array, fingerprint)
    """

    def __init__(self, nodes: list, kept: list):
        self.kept = kept
        functions = [x for x in nodes if x.__class__ is types.FunctionType]
        homes = {id(home): home for x in nodes for home in _homes(x)}.values()
        for home in homes:
            functions += [f for f in vars(home).values() if f.__class__ is types.FunctionType]
        words = frozenset().union(*[_words(f.__code__) for f in functions]) if functions else frozenset()
        self.states = _present_states() if "random" in words else []
        self.attributes = []
        for home in homes:
            namespace = vars(home)
            for name in words:
                value = namespace.get(name)
                if value is not None and not callable(value) and not isinstance(value, _DESCRIPTORS):
                    self.attributes.append((home, name, value))

    def __bool__(self):
        return bool(self.kept or self.states or self.attributes)

    def __enter__(self):
        check_kept(self.kept)
        for home, name, value in self.attributes:
            now = vars(home).get(name)
            if now is not value and not (now.__class__ in _NUMBERS and now == value):
                raise NotDifferentiable(
                    f"{home.__name__}.{name} was {value!r} and is {now!r} now, when a function that reads it "
                    "is called again for the derivative. Pass it as an argument, or read it into a variable "
                    "first"
                )
        self.now = _present_states() if self.states else []
        _restore(self.states)

    def __exit__(self, *_):
        _restore(self.now)


def is_library(module) -> bool:
    """Whether a module of that name is part of Python or of a package that is known not to change."""
    package = (module or "").split(".")[0]
    return package in LIBRARIES or (package in sys.stdlib_module_names and package != "__main__")


def global_names(code) -> tuple:
    """The names of globals that a function's code reads, its local functions included."""
    found = _names.get(code)
    if found is None:
        from dis import get_instructions

        names = {i.argval for i in get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                names.update(global_names(constant))
        found = _names[code] = tuple(sorted(names))
    return found


def _homes(x):
    """Modules and classes of the user's whose attributes a function or a method may read."""
    if x.__class__ is types.FunctionType:
        found = [x.__globals__.get(name) for name in global_names(x.__code__)]
    elif x.__class__ is types.CellType:
        found = [x.cell_contents] if x != _EMPTY else []
    else:
        found = x.__class__.__mro__
    return [home for home in found if _is_users_home(home)]


def _is_users_home(x):
    if isinstance(x, types.ModuleType):
        return not is_library(x.__name__) and hasattr(x, "__dict__")
    return isinstance(x, type) and not is_library(x.__module__)


def _words(code):
    """All names that a function's code speaks of, its local functions included."""
    found = _spoken.get(code)
    if found is None:
        found = set(code.co_names)
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                found |= _words(constant)
        found = _spoken[code] = frozenset(found)
    return found


_names: dict = {}
_spoken: dict = {}
_EMPTY = types.CellType()
_NUMBERS = (int, float, bool, str, complex)
_DESCRIPTORS = (property, staticmethod, classmethod, types.MemberDescriptorType, types.GetSetDescriptorType)


# ---------------------------------------------------------------------- random numbers of the whole process


def generators() -> tuple:
    """Classes of generators of random numbers; importing them here would be slow."""
    found = ()
    if "numpy.random" in sys.modules:
        module = sys.modules["numpy.random"]
        found += (module.Generator, module.RandomState, module.BitGenerator)
    return (*found, sys.modules["random"].Random) if "random" in sys.modules else found


def _present_states():
    """Of the modules that have been imported: what sets the state, and the state."""
    found = []
    if "numpy.random" in sys.modules:
        module = sys.modules["numpy.random"]
        found.append((module.set_state, module.get_state()))
    if "random" in sys.modules:
        module = sys.modules["random"]
        found.append((module.setstate, module.getstate()))
    return found


def _restore(states):
    for put, state in states:
        put(state)
