"""Calls of known functions: by their lowering, or by the definition that the rule table has of them."""

from __future__ import annotations

import inspect
import sys

import numpy as np

from sciad import rule_table as rules
from sciad.compiler.fence import Refusal
from sciad.compiler.functions import absent, definitions, of_constants
from sciad.compiler.functions import special_functions as special
from sciad.compiler.functions.lowerings import ATTRIBUTES, LATER, METHODS, TABLE, Beyond
from sciad.compiler.objects.arrays import elementwise
from sciad.compiler.objects.kinds import Bound, DictBox, Host, ListBox, SetBox, is_array, is_scalar
from sciad.native.scalar_table import FUNCTIONS
from sciad.native.scipy_symbols import available

__all__ = ["attribute", "call", "call_method", "has_method"]

_signatures: dict = {}
_WRITING = {"fill", "sort", "put", "partition", "resize"}


def call(t, fn, args, kwargs):
    """``fn(*args, **kwargs)`` for a function that is not the user's."""
    name, beyond = rules.name_of(fn), None
    if t.in_definition():
        try:
            return definitions.early(t, fn, args, kwargs)
        except definitions.Dynamic:
            pass
    try:
        lowering = TABLE.get(fn)
    except TypeError:
        lowering = None
    if lowering is None and isinstance(fn, np.ufunc):
        lowering = _ufunc(fn)
    if lowering is None:
        lowering = special.find(fn) or LATER.get(
            (getattr(fn, "__module__", None), getattr(fn, "__name__", None))
        )
    if lowering is not None:
        try:
            return _apply(t, lowering, name, args, kwargs)
        except Beyond as refusal:
            beyond = refusal
    found = of_constants.value(t, fn, args, kwargs)
    if found is not None:
        return found[0]
    primitive = beyond is not None and isinstance(fn, definitions.traced.Primitive)
    found = None if primitive else definitions.late(t, fn, args, kwargs)
    if found is not None:
        return found[0]
    raise beyond or Refusal(absent.refused(name), absent.hint(fn))


def call_method(t, owner, name, args, kwargs):
    kind = kind_of(owner)
    if kind == "str" or (t.in_definition() and is_array(owner) and name not in _WRITING):
        try:
            return definitions.computed(t, getattr(definitions.static(t, owner), name), args, kwargs)
        except definitions.Dynamic:
            pass
    lowering = METHODS.get((kind, name))
    refusal = Refusal(f"{t.describe(owner)} has no method {name!r} in compiled functions")
    if lowering is not None:
        try:
            return _apply(t, lowering, name, [owner, *args], kwargs)
        except Beyond as beyond:
            refusal = beyond
    fn = (owner, name) if kind == "ufunc" else _function_of_method(name) if kind == "array" else None
    record = rules.lookup(fn) if fn is not None else None
    if record is None or record.definition is None:
        raise refusal
    return call(t, fn, args if kind == "ufunc" else [owner, *args], kwargs)


def has_method(owner, name: str) -> bool:
    return (kind_of(owner), name) in METHODS


def _function_of_method(name: str):
    """NumPy's function that does what an array's method of the same name does."""
    if name in _WRITING or name == "compress" or not hasattr(np.ndarray, name):
        return None  # methods that write where the function returns; np.compress takes the array second
    return getattr(np, name, None)


def attribute(t, owner, name):
    if name in ATTRIBUTES:
        return ATTRIBUTES[name](t, owner)
    record = rules.lookup(_function_of_method(name))
    if ("array", name) in METHODS or (record is not None and record.definition is not None):
        return Bound("method", (owner, name))
    raise Refusal(f"{t.describe(owner)} has no attribute {name!r} in compiled functions")


def kind_of(owner) -> str:
    if is_array(owner) or is_scalar(owner):
        return "array"
    if isinstance(owner, ListBox):
        return "list"
    if isinstance(owner, SetBox):
        return "set"
    if isinstance(owner, DictBox) or (isinstance(owner, Host) and isinstance(owner.obj, dict)):
        return "dict"
    if (isinstance(owner, Host) and isinstance(owner.obj, list)) or isinstance(owner, tuple):
        return "tuple"
    return "ufunc" if isinstance(owner, np.ufunc) else type(owner).__name__


def _apply(t, lowering, name, args, kwargs):
    signature = _signatures.get(lowering)
    if signature is None:
        signature = _signatures[lowering] = inspect.signature(lowering)
    args = [t.unwrapped(a) for a in args]
    try:
        signature.bind(t, *args, **kwargs)
    except TypeError as error:
        raise Beyond(f"{name}: {error} (of the arguments compiled functions know)") from None
    return lowering(t, *args, **kwargs)


def _ufunc(fn):
    """Elementwise functions of the rule table, of NumPy or `scipy.special`."""
    if fn.nout != 1 or fn.signature is not None:
        return None
    known = rules.lookup(fn) is not None
    if not known and "scipy.special" in sys.modules:
        import scipy.special

        known = getattr(scipy.special, fn.__name__, None) is fn
    if not known or not _compiles(fn.__name__):
        return None

    def lowering(t, *args):
        if len(args) != fn.nin:
            raise Refusal(f"{fn.__name__} takes {fn.nin} arguments, {len(args)} were given")
        return elementwise(t, fn, *map(t.as_array, args))

    TABLE[fn] = lowering
    return lowering


def _compiles(name: str) -> bool:
    """Whether emitted code can call a function of this name."""
    return name in FUNCTIONS or available(name)
