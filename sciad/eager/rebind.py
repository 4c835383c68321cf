"""What a function sees of NumPy, `math` and SciPy while it is differentiated.

NumPy's protocols hand over every call that has a traced value among its arguments.  Three kinds of call
have none, or are not NumPy's: ``np.zeros(5)`` must give an array into which traced values can be written;
``np.array([a, b])`` should stack; ``math.sin(x)`` and ``scipy.linalg.expm(x)`` know nothing of the
protocols.  So a transform runs not the user's function but a copy with other globals (`rebind`): the same
names, read through to the same modules, but with these functions replaced by versions that know traced
values, and with the user's other functions copied likewise when they are looked up.  No module is ever
changed, so nobody else sees anything of it, in whatever thread.
"""

from __future__ import annotations

import builtins
import dis
import functools
import math
import sys
import types
import weakref
from functools import wraps

from sciad.eager.flat import Flat
from sciad.eager.leaving import LIBRARIES
from sciad.eager.local_arrays import Buffer, buffer
from sciad.eager.ownership import memory
from sciad.eager.scipy_standins import INSTEAD, Distribution, distributions, routine, thawed, uncached
from sciad.eager.traced import Traced, call, holds_traced, memory_owner, operand, raw, stack_nested, strip
from sciad.eager.writable_names import NAME, writable, writing_code, written_by_user
from sciad.plain_numpy import np
from sciad.rule_table import TABLE, load_lazy

_Function = types.FunctionType


def rebind(f):
    """Return `f` as a transform runs it: the same code with another view of its global names."""
    if f.__class__ is _Function:
        return _copies.get(f) or _versions().get(f) or _copy(f)
    if f.__class__ is types.MethodType:
        if f.__func__.__class__ is not _Function or _views(f.__func__) is None:
            return _translate(f)
        return types.MethodType(rebind(f.__func__), f.__self__)
    if f.__class__ is functools.partial:
        return functools.partial(rebind(f.func), *f.args, **f.keywords)
    run = getattr(type(f), "__call__", None)  # noqa: B004
    if run.__class__ is _Function and _views(run) is not None:
        return types.MethodType(rebind(run), f)
    return _versions().get(f, f) if isinstance(f, _BUILTIN) else f


def original(x):
    """Undo `rebind`: the function, or the module, that the user wrote."""
    if x.__class__ is _Function and x.__globals__.__class__ is _View:
        made_from = _originals.get(x)
        if made_from.__class__ is weakref.ref:
            made_from = made_from()
        if made_from is not None:
            return made_from
        # made by a rebound function while it ran
        code = written_by_user(x.__code__)
        f = _Function(code, x.__globals__.home, x.__name__, x.__defaults__, x.__closure__)
        f.__kwdefaults__, f.__dict__ = x.__kwdefaults__, x.__dict__
        return f
    if x.__class__ is types.ModuleType:
        return x.__dict__.get("__original__", x)
    return _versions_back.get(x, x) if x.__class__ in (_Function, Distribution) else x


class _View(dict):
    """The globals of a rebound function: everything is looked up in the module's own, then translated."""

    __slots__ = ("__weakref__", "home", "seen")

    def __init__(self, home):
        self.home, self.seen = home, {}
        names = home.get("__builtins__", builtins)
        names = dict(names if isinstance(names, dict) else vars(names))
        names[NAME] = writable
        names["__import__"] = _importing(names.get("__import__", builtins.__import__))
        super().__init__({"__builtins__": names, "__name__": home.get("__name__")})

    def __missing__(self, name):
        value = self.home[name]
        known = self.seen.get(name)
        # a package imported meanwhile may have rules
        if known is not None and known[0] is value and known[2] == len(sys.modules):
            return known[1]
        if value.__class__ not in _TRANSLATED:
            return value
        version = _translate(value)
        # what a function captures may change, so a copy that holds its own cells is made each time
        if value.__class__ is not _Function or value.__closure__ is None:
            self.seen[name] = value, version, len(sys.modules)
        else:
            self.seen.pop(name, None)
        return version

    def __contains__(self, name):
        return dict.__contains__(self, name) or name in self.home

    def get(self, name, default=None):
        try:
            return self[name]
        except KeyError:
            return default


def _importing(plain):
    """What ``import`` does inside of a function: it gives the modules' stand-ins."""

    def imported(name, globals=None, locals=None, fromlist=(), level=0):
        home = globals.home if globals.__class__ is _View else globals
        module = plain(name, home, locals, fromlist, level)
        return _module(module) if module.__class__ is types.ModuleType else module

    return imported


def own_globals(f):
    """The globals of f as a dictionary of its own, which sees those of the module where it has no entry."""
    namespace = f.__globals__
    if namespace.__class__ is not _View:
        return dict(namespace)
    view = _View(namespace.home)
    view.update(namespace)
    view.seen = namespace.seen
    return view


def _translate(value):
    """What a rebound function finds where the user's has `value`."""
    cls = value.__class__
    if cls is _Function:
        version = _versions().get(value)
        return version if version is not None else _copies.get(value) or _copy(value)
    if cls is types.ModuleType:
        return _module(value)
    if cls in _BUILTIN:
        return _versions().get(value, value)
    if cls is functools.partial:
        return rebind(value)
    if cls is types.MethodType:
        of = _of_statistics(value.__self__) if value.__self__.__class__ in _TRANSLATED else value.__self__
        return value if of is value.__self__ else getattr(of, value.__name__)
    if cls is _Cached:
        return uncached(value, rebind) if _views(value.__wrapped__) is not None else value
    return _of_statistics(value) if cls in _TRANSLATED else value


def _of_statistics(value):
    """The stand-in of a distribution of scipy.stats, plain or with its parameters given."""
    version = _versions().get(value)
    if version is None and hasattr(value, "kwds"):
        version = thawed(value, vars(sys.modules["scipy.stats"]))
    return value if version is None else version


def _copy(f, made=None):
    """`f` with its view of global names. `made` holds the copies of those that captured it: local functions
    call themselves and each other.
    """
    namespace = f.__globals__
    if namespace.__class__ is _View or _views(f) is None:
        return f
    view = _VIEWS.get(id(namespace))
    if view is None or view.home is not namespace:
        view = _VIEWS[id(namespace)] = _View(namespace)
    closure, later, snapshot = f.__closure__, [], False
    if closure:
        cells = []
        for cell in closure:
            try:
                content = cell.cell_contents
            except ValueError:  # not bound yet
                cells.append(cell)
                continue
            if _captures(content):
                cell = types.CellType()
                later.append((cell, content))
            else:
                new = _translate(content)
                if new is not content:
                    cell, snapshot = types.CellType(new), True
            cells.append(cell)
        closure = tuple(cells)
    defaults = f.__defaults__ and tuple(map(_translate, f.__defaults__))
    copy = _Function(writing_code(f), view, f.__name__, defaults, closure)
    copy.__kwdefaults__ = f.__kwdefaults__ and {k: _translate(v) for k, v in f.__kwdefaults__.items()}
    copy.__qualname__, copy.__doc__ = f.__qualname__, f.__doc__
    copy.__dict__.update(f.__dict__)
    if later:
        made = {} if made is None else made
        made[f] = copy
        for cell, content in later:
            cell.cell_contents = made.get(content) or _copies.get(content) or _copy(content, made)
    if later or snapshot:
        _originals[copy] = f
    else:  # nothing may keep `f` alive but its users: not its copy either, which lives as long as `f`
        _originals[copy] = weakref.ref(f)
        _copies[f] = copy
    return copy


def _captures(x) -> bool:
    """Whether x is a function to be copied that captures something, maybe the one that captures it."""
    if x.__class__ is not _Function or x.__closure__ is None or x.__globals__.__class__ is _View:
        return False
    return _views(x) is not None


def _views(f):
    """The code of a function that may be rebound; None for library functions and those that assign to
    globals.
    """
    code = f.__code__
    found = _rebindable.get(code)
    if found is None:
        package = (f.__globals__.get("__name__") or "").split(".")[0]
        library = package in LIBRARIES or (package in sys.stdlib_module_names and package != "__main__")
        found = _rebindable[code] = not library and not _assigns_globals(code)
    return code if found else None


def _assigns_globals(code):
    if any(i.opname in ("STORE_GLOBAL", "DELETE_GLOBAL") for i in dis.get_instructions(code)):
        return True
    return any(_assigns_globals(c) for c in code.co_consts if isinstance(c, types.CodeType))


_copies: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_originals: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_rebindable: dict = {}
_VIEWS: dict[int, _View] = {}
_Cached = type(functools.lru_cache(lambda: None))
_TRANSLATED = {_Function, types.ModuleType, types.BuiltinFunctionType, type(np.sum), type(np.array)}
_TRANSLATED |= {functools.partial, types.MethodType, _Cached}  # and classes of scipy.stats
_BUILTIN = (types.BuiltinFunctionType, type(np.sum), type(np.array))


# ---------------------------------------------------------------------- the versions that know traced values

_table: dict = {}
_versions_back: dict = {}
_known: set[str] = set()
_looked = 0  # modules there were when last looked at


def _versions():
    """Version by original function, of those modules that have been imported by now."""
    global _looked
    loaded = len(sys.modules)
    if _looked == loaded:
        return _table
    for module, names in _SOURCES.items():
        if module not in _known and module in sys.modules:
            while load_lazy():
                pass
            namespace = vars(sys.modules[module])
            wrap = _WRAPS.get(module, _dispatching)
            for name in names(namespace):
                version = _table[namespace[name]] = wrap(name, namespace[name])
                _versions_back[version] = namespace[name]
                if version.__class__ is Distribution:
                    _TRANSLATED.add(namespace[name].__class__)
            if module == "scipy.stats":
                kinds = (namespace["norm"](), namespace["poisson"](1.0))
                _TRANSLATED.update(kind.__class__ for kind in kinds)
            _modules.clear()
            _known.add(module)
    _looked = (
        loaded  # last: a thread that comes before fills the table itself, with versions as good as these
    )
    return _table


_modules: dict[str, types.ModuleType] = {}


def _module(module):
    """A stand-in for one of the modules concerned, other modules as they are."""
    name = module.__name__
    if name not in _SOURCES and name != "scipy":
        return module
    versions = _versions()
    filled, found = len(versions), _modules.get(name)
    if found is None or len(found.__dict__) < len(module.__dict__):
        found = types.ModuleType(name, module.__doc__)
        for key, value in list(module.__dict__.items()):
            if value.__class__ is types.ModuleType and value is not module:
                found.__dict__[key] = _module(value)
            else:
                known = value.__class__ in _TRANSLATED or isinstance(value, _BUILTIN)
                found.__dict__[key] = versions.get(value, value) if known else value
        found.__dict__["__getattr__"] = lambda key: getattr(module, key)
        found.__dict__["__original__"] = module
        if len(versions) == filled:  # else another thread has entered more meanwhile
            _modules[name] = found
    return found


def _dispatching(name, fn):
    """A function that goes to the table when one of its arguments is traced."""
    record, form = TABLE.get(fn), _FORMS.get(fn)
    if form is not None:
        run = form
    elif record.kind == "constant":

        def run(*args):
            return fn(*map(strip, args))
    else:

        def run(*args, **kwargs):
            return call(record, args, kwargs)

    if getattr(fn, "__module__", None) == "math":
        run = _raising(fn, run)

    @wraps(fn)
    def dispatch(*args, **kwargs):
        for a in args:
            if isinstance(a, Traced) or (isinstance(a, _CONTAINERS) and holds_traced(a)):
                return run(*args, **kwargs)
        for a in kwargs.values():
            if isinstance(a, Traced) or (isinstance(a, _CONTAINERS) and holds_traced(a)):
                return run(*args, **kwargs)
        return fn(*args, **kwargs)

    return dispatch


def _raising(fn, run):
    """A function of `math`, which raises where NumPy's is infinite or NaN."""

    def checked(*args, **kwargs):
        y = run(*args, **kwargs)
        number = raw(y)
        if number.__class__ is np.float64 and number - number != 0 and not kwargs:
            numbers = list(map(raw, args))
            if all(isinstance(x, _NUMBERS) for x in numbers):
                fn(*numbers)
        return y

    return checked


_NUMBERS = (float, int, np.generic)


def _creating(name, fn):
    """A function that makes arrays: local buffers, or traced values if it is given some."""
    traced_version = _FROM_TRACED.get(name)

    @wraps(fn)
    def create(*args, **kwargs):
        if name == "fromiter" and args:
            args = (list(args[0]), *args[1:])
        if traced_version is not None:
            if any(map(holds_traced, args)) or any(map(holds_traced, kwargs.values())):
                return traced_version(*args, **kwargs)
            if name in _CONVERT and args and isinstance(args[0], (Buffer, Flat)):
                made = traced_version(*args, **kwargs)
                return made if isinstance(made, (Buffer, Traced)) else buffer(made)
        made = fn(*args, **kwargs)
        if args and isinstance(args[0], np.ndarray) and memory_owner(made) is memory_owner(args[0]):
            return made  # shows memory that others know
        return buffer(made)

    return create


_FORMS = {
    math.log: lambda x, *base: np.log(x) if not base else np.log(x) / np.log(base[0]),
    math.hypot: lambda *xs: np.linalg.norm(stack_nested(xs)),
    math.dist: lambda p, q: np.linalg.norm(stack_nested(list(p)) - stack_nested(list(q))),
    math.fsum: lambda xs: np.sum(stack_nested(list(xs))),
    math.prod: lambda xs, *, start=1: start * np.prod(stack_nested(list(xs))),
}


def _array(a, dtype=None, *, copy=True, order=None, subok=False, ndmin=0, like=None):
    made = isinstance(a, (list, tuple, Flat))
    y = stack_nested(a) if isinstance(a, (list, tuple)) else a if isinstance(a, Buffer) else operand(a)
    if dtype is not None and np.dtype(dtype).kind != "O" and y.dtype != dtype:
        y, made = y.astype(dtype), True
    if not made and (copy or not _laid_out(y, order)):
        if copy is False:
            raise ValueError("a copy cannot be avoided: pass copy=None where one is allowed")
        y = np.copy(y, order or "K")
    if len(np.shape(y)) < ndmin:
        y = np.reshape(y, (1,) * (ndmin - len(np.shape(y))) + np.shape(y))
    return y


def _asarray(a, dtype=None, order=None, *, device=None, copy=None, like=None):
    return _array(a, dtype, copy=copy, order=order)


def _ascontiguousarray(a, dtype=None, *, like=None):
    return _array(a, dtype, copy=None, order="C", ndmin=1)


def _laid_out(y, order):
    """Whether a value lies in memory as asked for."""
    flags = memory(y).flags if np.shape(y) else None
    return not flags or not (
        (order == "C" and not flags.c_contiguous) or (order == "F" and not flags.f_contiguous)
    )


def _full(shape, fill_value, dtype=None, order="C", *, device=None, like=None):
    y = np.copy(np.broadcast_to(operand(fill_value), shape))
    return y if dtype is None else y.astype(dtype, copy=False)


def _full_like(a, fill_value, dtype=None, order="K", subok=True, shape=None, *, device=None):
    return _full(
        np.shape(a) if shape is None else shape, fill_value, operand(a).dtype if dtype is None else dtype
    )


_FROM_TRACED = {
    **dict.fromkeys(("asarray", "asanyarray"), _asarray),
    "ascontiguousarray": _ascontiguousarray,
    "array": _array,
    "fromiter": lambda items, dtype, count=-1, *, like=None: _array(
        items[: len(items) if count < 0 else count], dtype
    ),
    "full": _full,
    "full_like": _full_like,
    "take": lambda *args, **kwargs: call(TABLE[np.take], args, kwargs),  # where only the places are traced
}
_CONVERT = {"array", "asarray", "asanyarray", "ascontiguousarray"}
_CREATE = (
    "zeros ones empty full array asarray asanyarray ascontiguousarray eye identity arange linspace "
    "zeros_like ones_like empty_like full_like copy tile repeat diag concatenate stack outer logspace "
    "geomspace tri fromiter vstack hstack take"
).split()
_CONTAINERS = (list, tuple, np.ndarray)


def _with_rules(namespace):
    return [
        name
        for name, fn in namespace.items()
        if callable(fn) and not isinstance(fn, (type, np.ufunc)) and (fn in TABLE or fn in _FORMS)
    ]


_SOURCES = {
    "numpy": lambda namespace: _CREATE,
    "math": _with_rules,
    "scipy.linalg": _with_rules,
    "scipy.special": _with_rules,
    "scipy.stats": distributions,
    "scipy.optimize": lambda namespace: [n for n in INSTEAD["scipy.optimize"] if n in namespace],
    "scipy.integrate": lambda namespace: [n for n in INSTEAD["scipy.integrate"] if n in namespace],
}
_WRAPS = {
    "numpy": _creating,
    "scipy.stats": lambda name, x: Distribution(x),
    "scipy.optimize": functools.partial(routine, "scipy.optimize"),
    "scipy.integrate": functools.partial(routine, "scipy.integrate"),
}
