"""What a function sees of NumPy, `math` and SciPy while it is differentiated.

NumPy's protocols hand over every call that has a traced value among its arguments.  Three kinds of call have none, or
are not NumPy's: ``np.zeros(5)`` must give an array into which traced values can be written; ``np.array([a, b])``
should stack; ``math.sin(x)`` and ``scipy.linalg.expm(x)`` know nothing of the protocols.  While a transform runs,
these names are bound to versions that know traced values, for the thread it runs in; for every other thread, and as
soon as the outermost transform ends, they are what they always were.
"""

from __future__ import annotations

import math
import sys
import threading
import types
from functools import wraps

from .errors import SciadError
from .plain import np
from .table import TABLE, load_lazy
from .value import Traced, call, holds_traced, operand, stack_nested, strip

_lock = threading.Lock()
_depth: dict[int, int] = {}  # running transforms by thread
_silent: set[int] = set()  # threads inside of a primitive
_patches: dict[str, tuple[dict, dict, dict]] = {}  # module -> its namespace, traced and original functions
_by_original: dict = {}
get_ident = threading.get_ident
_SLOT = type(object.__init__)
_FUNCTIONS = (type(np.reshape), types.FunctionType, types.BuiltinFunctionType)


class rebound:
    """Context in which the function `f` runs differentiated; it may be entered again inside."""

    __slots__ = ("f", "silent")

    def __init__(self, f):
        self.f = f

    def __enter__(self):
        me = get_ident()
        with _lock:
            self.silent = me in _silent
            _silent.discard(me)
            if not _depth:
                if len(_patches) < len(_SOURCES):
                    _prepare()
                for namespace, traced, _ in _patches.values():
                    namespace.update(traced)
            _depth[me] = _depth.get(me, 0) + 1
            _rebind_imports(self.f)

    def __exit__(self, kind, error, trace):
        me = get_ident()
        with _lock:
            if self.silent:
                _silent.add(me)
            n = _depth[me] = _depth[me] - 1
            if not n:
                del _depth[me]
                if not _depth:
                    for namespace, _, original in _patches.values():
                        namespace.update(original)
                    for namespace, _, original in _bound:
                        namespace.update(original)
                    _bound.clear()
        # NumPy hides what went wrong in a scalar write behind "setting an array element with a sequence"
        if isinstance(error, ValueError) and isinstance(error.__cause__, SciadError):
            raise error.__cause__ from None


class suspended:
    """Context in which this thread sees NumPy as it is: for the inside of primitives, which need no local buffers."""

    __slots__ = ("outermost",)

    def __enter__(self):
        me = get_ident()
        self.outermost = me in _depth and me not in _silent
        if self.outermost:
            _silent.add(me)

    def __exit__(self, kind, error, trace):
        if self.outermost:
            _silent.discard(get_ident())


class originals:
    """Context in which NumPy and `math` are what they always were, for every thread: for the compiler of generated code.

    numba knows functions by identity.  A transform that runs in another thread meanwhile sees plain arrays too, which
    matters only where it makes a local buffer at that moment; compilation happens once per machine.
    """

    def __enter__(self):
        with _lock:
            for namespace, _, original in _patches.values():
                namespace.update(original)

    def __exit__(self, kind, error, trace):
        with _lock:
            if _depth:
                for namespace, traced, _ in _patches.values():
                    namespace.update(traced)


_bound: list[tuple[dict, dict, dict]] = []  # modules in which functions were imported by name
_imports: dict[int, tuple[int, dict, dict]] = {}  # what was found in a module, by its namespace and size


def _rebind_imports(f):
    """Rebind ``from numpy import zeros`` in the module of the function, too."""
    while not hasattr(f, "__globals__"):
        f = getattr(f, "__func__", None) or getattr(f, "__wrapped__", None) or getattr(f, "func", None) or getattr(
            type(f), "__call__", None)  # fmt: skip
        if f is None or isinstance(f, _SLOT):
            return
    namespace = f.__globals__
    found = _imports.get(id(namespace))
    if found is None or found[0] != len(namespace):
        traced, original = {}, {}
        for name, value in list(namespace.items()):
            if isinstance(value, _FUNCTIONS) and name != "np":
                new = _by_original.get(value)
                if new is not None:
                    traced[name], original[name] = new, value
        found = _imports[id(namespace)] = (len(namespace), traced, original)
    if found[1] and not namespace.get("__name__", "").startswith(("numpy", "scipy", "sciad.")):
        if all(namespace is not other for other, _, _ in _bound):
            _bound.append((namespace, found[1], found[2]))
            namespace.update(found[1])


def _prepare():
    """Wrap the functions of those modules that have been imported by now."""
    while load_lazy():
        pass
    for module, names in _SOURCES.items():
        if module in sys.modules and module not in _patches:
            namespace = vars(sys.modules[module])
            original = {name: namespace[name] for name in names(namespace)}
            wrap = _creating if module == "numpy" else _dispatching
            traced = {name: wrap(name, fn) for name, fn in original.items()}
            _patches[module] = (namespace, traced, original)
            _by_original.update((fn, traced[name]) for name, fn in original.items())
            _imports.clear()


def _dispatching(name, fn):
    """A function that goes to the table when one of its arguments is traced."""
    record, form = TABLE.get(fn), _FORMS.get(fn)
    if form is not None:
        run = form
    elif record.kind == "constant":
        run = lambda *args: fn(*map(strip, args))
    else:
        run = lambda *args, **kwargs: call(record, args, kwargs)

    @wraps(fn)
    def dispatch(*args, **kwargs):
        for a in args:
            if isinstance(a, Traced) or (a.__class__ in _CONTAINERS and holds_traced(a)):
                return run(*args, **kwargs)
        for a in kwargs.values():
            if isinstance(a, Traced):
                return run(*args, **kwargs)
        return fn(*args, **kwargs)

    return dispatch


def _creating(name, fn):
    """A function that makes arrays: local buffers, or traced values if it is given some."""
    from .mutation import buffer

    traced_version = _FROM_TRACED.get(name)

    @wraps(fn)
    def create(*args, **kwargs):
        if get_ident() not in _depth or sys._getframe(1).f_globals.get("__name__", "").split(".")[0] in _LIBRARIES:
            return fn(*args, **kwargs)
        if traced_version is not None and (any(map(holds_traced, args)) or any(map(holds_traced, kwargs.values()))):
            return traced_version(*args, **kwargs)
        made = fn(*args, **kwargs)
        return made if args and made is args[0] else buffer(made)

    return create


_FORMS = {
    math.log: lambda x, *base: np.log(x) if not base else np.log(x) / np.log(base[0]),
    math.hypot: lambda *xs: np.linalg.norm(stack_nested(xs)),
    math.dist: lambda p, q: np.linalg.norm(stack_nested(list(p)) - stack_nested(list(q))),
    math.fsum: lambda xs: np.sum(stack_nested(list(xs))),
    math.prod: lambda xs, *, start=1: start * np.prod(stack_nested(list(xs))),
}


def _array(a, dtype=None, *, copy=True, order=None, subok=False, ndmin=0, like=None):
    y = np.copy(a) if isinstance(a, Traced) and copy else operand(a) if not isinstance(a, (list, tuple)) \
        else stack_nested(a)  # fmt: skip
    if dtype is not None and np.dtype(dtype) != object:
        y = y.astype(dtype)
    if len(np.shape(y)) < ndmin:
        y = np.reshape(y, (1,) * (ndmin - len(np.shape(y))) + np.shape(y))
    return y


def _asarray(a, dtype=None, order=None, *, device=None, copy=None, like=None):
    return _array(a, dtype, copy=bool(copy))


def _full(shape, fill_value, dtype=None, order="C", *, device=None, like=None):
    return np.copy(np.broadcast_to(operand(fill_value), shape))


def _full_like(a, fill_value, dtype=None, order="K", subok=True, shape=None, *, device=None):
    return _full(np.shape(a) if shape is None else shape, fill_value)


_FROM_TRACED = {"array": _array, "asarray": _asarray, "asanyarray": _asarray, "ascontiguousarray": _asarray, "full": _full,
                "full_like": _full_like}  # fmt: skip
_CREATE = ("zeros", "ones", "empty", "full", "array", "asarray", "asanyarray", "ascontiguousarray", "eye", "identity",
           "arange", "linspace", "zeros_like", "ones_like", "empty_like", "full_like", "copy", "tile", "repeat", "diag",
           "concatenate", "stack", "outer", "logspace", "geomspace", "tri", "fromiter", "vstack", "hstack")  # fmt: skip
# code of these packages gets plain arrays: what it makes of them is its own affair
_LIBRARIES = frozenset({"numpy", "scipy", "numba", "sciad", "solvers", "adjoints", "matplotlib"})
_CONTAINERS = (list, tuple, np.ndarray)


def _with_rules(namespace):
    return [name for name, fn in namespace.items() if callable(fn) and not isinstance(fn, (type, np.ufunc)) and (fn in TABLE or fn in _FORMS)]


_SOURCES = {
    "numpy": lambda namespace: _CREATE,
    "math": _with_rules,
    "scipy.linalg": _with_rules,
    "scipy.special": _with_rules,
}
