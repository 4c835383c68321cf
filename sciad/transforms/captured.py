"""What a function captures: values being differentiated become arguments, and all the rest is kept as it is
now for the calls that come later.

A function is the root of a graph: its cells, defaults and the globals it reads, the attributes of objects it
is bound to, the items of containers, the functions among them and what these capture in turn.  `Captured`
finds the traced values in that graph; `present` puts others in their places, sharing all else with the user's
function, so that what it writes is seen; `later` does the same in a copy of the graph as it was, of which
every call gets one of its own.  So a rule that runs in the backward sweep sees the variables of the loop, the
arrays and the generators of random numbers that the forward pass saw.
"""

from __future__ import annotations

import collections
import copy
import enum
import functools
import types
from collections.abc import Callable
from typing import Any

from sciad.eager.local_arrays import buffer
from sciad.eager.rebind import own_globals
from sciad.eager.tape import fingerprint
from sciad.eager.traced import PLAIN, Traced, operand
from sciad.errors import NotDifferentiable
from sciad.plain_numpy import np
from sciad.portable import Portable
from sciad.transforms.surroundings import Surroundings, generators, global_names, is_library

LARGE = 4096  # larger arrays are not copied: the later calls refuse if they changed


class Captured:
    """The traced values in the graph of `root`, and that graph as it is now.

    Attributes
    ----------
    values : list
        The traced values, in a fixed order.
    """

    def __init__(self, root: Any):
        self.root, self.values = root, []
        self._places: dict = {}
        self._globals: dict = {}
        self._nodes = [root]  # they keep their ids as long as these are asked for
        self._holding = self._find(root)
        self._frozen = None

    def _find(self, root):
        """The ids of the nodes from which a traced value is reached."""
        parents: dict = {}
        stack, known = [root], {id(root)}
        while stack:
            x = stack.pop()
            value = _traced(x)
            if value is not None:
                self._places[id(x)] = len(self.values)
                self.values.append(value)
                continue
            for child in _edges(x, self._globals):
                if child.__class__ in _ATOMS:
                    continue
                parents.setdefault(id(child), []).append(id(x))
                if id(child) not in known:
                    known.add(id(child))
                    self._nodes.append(child)
                    stack.append(child)
        holding, stack = set(), list(self._places)
        while stack:
            key = stack.pop()
            if key not in holding:
                holding.add(key)
                stack.extend(parents.get(key, ()))
        return holding

    def freeze(self) -> None:
        """Keep the graph as it is now, for `later`."""
        make = _Copy({}, None, self._globals, [])
        self._frozen = Captured(make(self.root))
        self._surroundings = Surroundings(make.seen, make.kept)

    def present(self, run: Callable, values) -> Any:
        """``run(root)`` with `values` in place of the traced ones; all else is the user's own."""
        if not self.values:
            return run(self.root)
        make = _Copy(self._swap(values), self._holding, self._globals)
        out = run(make(self.root))
        make.check_writes()
        return out

    def later(self, run: Callable, values) -> Any:
        """``run(root)`` on a new copy of the graph as it was frozen, with `values` in it."""
        frozen = self._frozen
        with self._surroundings:
            return run(_Copy(frozen._swap(values), None, frozen._globals)(frozen.root))

    def _swap(self, values):
        return {key: values[place] for key, place in self._places.items()}


def frozen(f: Callable) -> Callable:
    """A copy of a user's function that is called after the program has gone on."""
    if f.__class__ is types.FunctionType and _root_package(f.__module__) == "sciad":
        return f
    made = f.__class__ is types.FunctionType and _simple(f)
    if made:
        return made
    make = _Copy({}, None, {}, [])
    made = make(f)
    surroundings = Surroundings(make.seen, make.kept)
    if not surroundings:
        return made

    def later(*args, **kwargs):
        with surroundings:
            return made(*args, **kwargs)

    return later


def _simple(f):
    """A copy of a function that captures numbers and small arrays and reads nothing else: the commonest pull;
    None for any other.
    """
    code, cells = f.__code__, []
    alone = _alone.get(code)
    if alone is None:
        alone = _alone[code] = not any(isinstance(c, types.CodeType) for c in code.co_consts)
    if not alone or f.__defaults__ or f.__kwdefaults__ or f.__dict__:
        return None
    namespace = f.__globals__
    for name in global_names(code):
        value = namespace.get(name)
        if value.__class__ is types.ModuleType:
            if "random" in code.co_names or not is_library(value.__name__):
                return None
        elif value is not None and value.__class__ is not np.ufunc:
            return None
    for cell in f.__closure__ or ():
        try:
            value = _simple_value(cell.cell_contents)
        except ValueError:
            value = NotImplemented
        if value is NotImplemented:
            return None
        cells.append(types.CellType(value))
    return types.FunctionType(code, namespace, f.__name__, None, tuple(cells) or None)


def _simple_value(x):
    cls = x.__class__
    if cls in PLAIN or isinstance(x, Traced):
        return x
    if cls is np.ndarray and x.size <= LARGE and x.dtype.kind != "O":
        return x.copy(order="K")
    if cls is tuple:
        items = tuple(map(_simple_value, x))
        return NotImplemented if NotImplemented in map(_marks, items) else items
    return NotImplemented


def _marks(x):
    return x if x is NotImplemented else None


_alone: dict = {}


class _Copy:
    """Copies a graph: all of it (`holding` None), or the paths to traced values only."""

    def __init__(self, swap, holding, known_globals, kept=None):
        self.swap, self.holding, self.kept = swap, holding, kept
        self.globals = known_globals
        self.memo: dict = {}
        self.seen: list = []  # also keeps alive what the memo knows by its id
        self.written: list = []

    def __call__(self, x):
        if x.__class__ in _ATOMS:
            return x
        key = id(x)
        if key in self.swap:
            return self.swap[key]
        if key in self.memo:
            return self.memo[key]
        if self.holding is not None and key not in self.holding:
            return x
        self.seen.append(x)
        made = self.memo[key] = self._copy(x, key)
        return made

    def _copy(self, x, key):
        cls = x.__class__
        value = _traced(x)
        if value is not None:
            return value
        if cls is types.FunctionType:
            return self._function(x, key)
        if cls is types.MethodType:
            return types.MethodType(self(x.__func__), self(x.__self__))
        if cls is functools.partial:
            return functools.partial(self(x.func), *map(self, x.args), **self._items(x.keywords))
        if isinstance(getattr(x, "__self__", None), generators()):
            return getattr(self(x.__self__), x.__name__)
        if cls is tuple:
            return tuple(map(self, x))
        if isinstance(x, np.ndarray):
            return self._array(x)
        if isinstance(x, tuple):
            return x._make(map(self, x)) if hasattr(x, "_make") else x
        if isinstance(x, generators()):
            return copy.deepcopy(x)
        if _is_copied(x):
            return self._object(x, key)
        if _root_package(cls.__module__) in ("scipy", "pandas") and hasattr(x, "copy"):
            return x.copy()
        return x

    def _object(self, x, key):
        try:
            made = (
                copy.copy(x)
                if x.__class__ in _STANDARD or isinstance(x, _CONTAINERS)
                else object.__new__(x.__class__)
            )
        except TypeError:
            return x
        self.memo[key] = made
        for name in _slots(x.__class__):
            if hasattr(x, name):
                object.__setattr__(made, name, self(getattr(x, name)))
        namespace = getattr(x, "__dict__", None)
        if namespace:
            made.__dict__.clear()
            made.__dict__.update(self._items(namespace))
            self._watch(lambda: dict(made.__dict__), f"an attribute of a {type(x).__name__}")
        if isinstance(x, dict):
            for name, value in x.items():
                dict.__setitem__(made, name, self(value))
            self._watch(lambda: dict(made), "an item of a dict")
        elif isinstance(x, _SEQUENCES):
            for k, value in enumerate(x):
                made[k] = self(value)
            self._watch(lambda: dict(enumerate(made)), "an item of a list")
        return made

    def _items(self, namespace):
        return {name: self(value) for name, value in namespace.items()}

    def _array(self, x):
        if x.__class__ is not np.ndarray:
            return x.copy() if x.__class__.__module__.split(".")[0] != "sciad" else buffer(np.array(x))
        if self.kept is None and x.size > LARGE:
            return x  # fingerprinted when it was frozen
        if x.size > LARGE and x.dtype.kind != "O":
            self.kept.append((x, fingerprint(x)))
            return x
        made = x.copy(order="K")
        made.flags.writeable = x.flags.writeable
        return made

    def _cell(self, cell, empty):
        if self.holding is not None and id(cell) not in self.holding:
            return cell
        new = self.memo.get(id(cell))
        if new is None:
            new = self.memo[id(cell)] = types.CellType()
            self.seen.append(cell)
            empty.append((cell, new))
        return new

    def _fill(self, cell, new):
        try:
            new.cell_contents = self(cell.cell_contents)
        except ValueError:  # not yet assigned
            return
        self._watch(lambda: {"": new.cell_contents}, "a variable of an enclosing function")

    def _function(self, f, key):
        reads = _read_globals(f, self.globals)
        if _is_closed(f) or not (f.__closure__ or reads or f.__defaults__ or f.__kwdefaults__):
            return f
        namespace = own_globals(f) if reads else f.__globals__
        empty: list = []
        cells = f.__closure__ and tuple([self._cell(cell, empty) for cell in f.__closure__])
        made = types.FunctionType(f.__code__, namespace, f.__name__, None, cells)
        self.memo[key] = made  # before what may lead back to it
        for cell, new in empty:
            self._fill(cell, new)
        made.__defaults__ = f.__defaults__ and tuple(map(self, f.__defaults__))
        made.__kwdefaults__ = f.__kwdefaults__ and self._items(f.__kwdefaults__)
        made.__qualname__, made.__doc__, made.__module__ = f.__qualname__, f.__doc__, f.__module__
        made.__dict__.update(self._items(f.__dict__))
        for name, value in reads.items():
            dict.__setitem__(namespace, name, self(value))
        return made

    def _watch(self, now, what):
        if self.holding is not None:
            self.written.append((now, now(), what))

    def check_writes(self):
        """Refuse writes into the copies that had to be made, which nobody would see."""
        for now, before, what in self.written:
            after = now()
            for name in {**before, **after}:
                if after.get(name, self) is not before.get(name, self):
                    which = f" ({name})" if name != "" else ""
                    raise NotDifferentiable(
                        f"the function writes {what}{which}, which holds a value being "
                        "differentiated; under ad.checkpoint, ad.root and ad.fixed_point that write is lost: "
                        "pass that value as an argument, and return the new one"
                    )


# ---------------------------------------------------------------------- the graph


def _traced(x):
    """The traced value that x is, or that a local array stands for."""
    if isinstance(x, Traced):
        return x
    if isinstance(x, np.ndarray):
        value = operand(x)
        if isinstance(value, Traced):
            return value
    return None


def _edges(x, known_globals):
    """What x leads to."""
    cls = x.__class__
    if cls is types.FunctionType:
        if _is_closed(x):
            return ()
        found = [*(x.__closure__ or ()), *(x.__defaults__ or ()), *(x.__kwdefaults__ or {}).values()]
        return found + [*x.__dict__.values(), *_read_globals(x, known_globals).values()]
    if cls is types.CellType:
        try:
            return (x.cell_contents,)
        except ValueError:
            return ()
    if cls is types.MethodType:
        return (x.__func__, x.__self__)
    if cls is functools.partial:
        return (x.func, *x.args, *x.keywords.values())
    if isinstance(x, tuple):
        return x
    if not _is_copied(x):
        return ()
    found = list(x.values()) if isinstance(x, dict) else list(x) if isinstance(x, _SEQUENCES) else []
    found += [getattr(x, name) for name in _slots(cls) if hasattr(x, name)]
    found += getattr(x, "__dict__", {}).values()
    return found


def _is_closed(f) -> bool:
    """Whether a function is one of a library that holds nothing of the user's."""
    module = f.__globals__.get("__name__")
    if not is_library(module):
        return False
    if f.__closure__ is None or module == "sciad.eager.rebind":
        return True
    # what `vjp` and `linearize` return: values of a tape that has been closed
    return module == "sciad.transforms.gradients" and f.__name__ in ("pullback", "pushforward")


def _read_globals(f, known):
    """The globals that the code of a user's function reads and that may be others later, by name."""
    found = known.get(f)
    if found is not None:
        return found
    found = known[f] = {}
    namespace = f.__globals__
    if is_library(namespace.get("__name__")):
        return found
    for name in global_names(f.__code__):
        try:
            value = namespace[name]
        except KeyError:  # a builtin, or not assigned yet
            continue
        cls = value.__class__
        if isinstance(value, _FIXED) or (cls is types.FunctionType and _is_closed(value)):
            continue
        found[name] = value
    return found


def _is_copied(x) -> bool:
    """Whether an object has state that a copy can have: containers, and instances of users' classes."""
    cls = x.__class__
    known = _copied.get(cls)
    if known is None:
        ordinary = not issubclass(cls, (type, enum.Enum, BaseException, types.ModuleType))
        users = not is_library(cls.__module__) and cls.__reduce_ex__ is object.__reduce_ex__
        known = _copied[cls] = (
            cls in _STANDARD or cls.__reduce_ex__ is Portable.__reduce_ex__ or (users and ordinary)
        )
    # what has no state may be a mark that is known by its identity
    return known and (isinstance(x, _CONTAINERS) or bool(getattr(x, "__dict__", None) or _slots(cls)))


_copied: dict = {}


@functools.cache
def _slots(cls):
    found = []
    for base in cls.__mro__:
        names = base.__dict__.get("__slots__", ())
        found += [names] if isinstance(names, str) else names
    return [name for name in found if name not in ("__dict__", "__weakref__")]


def _root_package(module):
    return (module or "").split(".")[0]


_SEQUENCES = (list, collections.deque)
_CONTAINERS = (list, dict, set, bytearray, collections.deque)
_STANDARD = {list, dict, set, collections.deque, bytearray, types.SimpleNamespace}
_STANDARD |= {collections.OrderedDict, collections.defaultdict}
_FIXED = (type, types.ModuleType, np.ufunc)
_ATOMS = PLAIN | {str, bytes, complex, type(None), type, types.ModuleType, types.CodeType, np.ufunc, slice}
