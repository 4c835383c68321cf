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
from functools import wraps

from .errors import SciadError
from .plain import np
from .table import TABLE, load_lazy
from .value import Traced, call, holds_traced, operand, stack_nested, strip

_lock = threading.Lock()
_depth: dict[int, int] = {}  # running transforms by thread
_patches: dict[str, tuple[dict, dict, dict]] = {}  # module -> its namespace, traced and original functions
get_ident = threading.get_ident


class Rebound:
    """Context of a running transform."""

    __slots__ = ()

    def __enter__(self):
        me = get_ident()
        with _lock:
            first = not _depth
            _depth[me] = _depth.get(me, 0) + 1
            if first:
                if len(_patches) < len(_SOURCES):
                    _prepare()
                for namespace, traced, _ in _patches.values():
                    namespace.update(traced)

    def __exit__(self, kind, error, trace):
        self._restore()
        # NumPy hides what went wrong in a scalar write behind "setting an array element with a sequence"
        if isinstance(error, ValueError) and isinstance(error.__cause__, SciadError):
            raise error.__cause__ from None

    def _restore(self):
        me = get_ident()
        with _lock:
            n = _depth[me] - 1
            if n:
                _depth[me] = n
            else:
                del _depth[me]
                if not _depth:
                    for namespace, _, original in _patches.values():
                        namespace.update(original)


rebound = Rebound()


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
        if get_ident() not in _depth:
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


_FROM_TRACED = {"array": _array, "asarray": _asarray, "asanyarray": _asarray, "ascontiguousarray": _asarray, "full": _full}
_CREATE = ("zeros", "ones", "empty", "full", "array", "asarray", "asanyarray", "ascontiguousarray", "eye", "identity",
           "arange", "linspace", "zeros_like", "ones_like", "empty_like", "full_like", "copy", "tile", "repeat", "diag",
           "concatenate", "stack", "outer", "logspace", "geomspace", "tri", "fromiter", "vstack", "hstack")  # fmt: skip
_CONTAINERS = (list, tuple, np.ndarray)


def _with_rules(namespace):
    return [name for name, fn in namespace.items() if callable(fn) and not isinstance(fn, (type, np.ufunc)) and (fn in TABLE or fn in _FORMS)]


_SOURCES = {
    "numpy": lambda namespace: _CREATE,
    "math": _with_rules,
    "scipy.linalg": _with_rules,
    "scipy.special": _with_rules,
}
