"""Python's builtins."""

from __future__ import annotations

import ast
import builtins
import contextlib
import warnings
from types import FunctionType

import numpy as np

from sciad.compiler.fence import NeedUnroll, Refusal
from sciad.compiler.functions.iterators import best
from sciad.compiler.functions.lowerings import lower
from sciad.compiler.functions.reductions import fold
from sciad.compiler.ir.builder import type_of
from sciad.compiler.ir.nodes import Value
from sciad.compiler.objects.arrays import element, elementwise
from sciad.compiler.objects.kinds import (
    Bound,
    Closure,
    DictBox,
    Function,
    Host,
    Iteration,
    ListBox,
    Range,
    RecordBox,
    SetBox,
    Text,
    is_array,
    is_scalar,
)


@lower(range)
def _range(t, *args):
    start, stop, step = (0, args[0], 1) if len(args) == 1 else (*args, 1)[:3]
    for a in (start, stop, step):
        if not is_scalar(a) or type_of(a) != "i":
            raise Refusal(f"range of {t.describe(a)}", "Convert with int(...).")
    if isinstance(step, Value) or step == 0:
        raise Refusal("a range whose step is not a constant other than zero", "Use a while loop.")
    return Range(start, stop, step)


@lower(len)
def _len(t, x):
    if is_array(x):
        if not x.shape:
            raise Refusal("len of a number")
        return x.shape[0]
    if isinstance(x, ListBox):
        return x.slots["len"]
    if isinstance(x, DictBox):
        return len(t.keys(x))
    if isinstance(x, Host) and isinstance(x.obj, (list, tuple, dict, str)):
        return len(x.obj)
    found = t.by_method(x, "__len__")
    if found is not NotImplemented:
        return found
    if isinstance(x, (tuple, str)):
        return len(x)
    if isinstance(x, Text):
        raise NeedUnroll(*Text.refusal)
    return t.iteration(x).count


@lower(enumerate)
def _enumerate(t, iterable, start=0):
    source = t.iteration(iterable)
    return Iteration(
        source.count,
        lambda k: (t.builder.op(np.add, k, start), source.item(k)),
        source.static,
        source.changes,
    )


@lower(zip)
def _zip(t, *iterables, strict=False):
    sources = [t.iteration(x) for x in iterables]
    count = sources[0].count
    for s in sources[1:]:
        if t.affine(count).key() != t.affine(s.count).key():
            count = t.builder.op(np.minimum, count, s.count)
    changes = None
    if any(s.changes for s in sources):

        def changes(k):
            return all(s.more(k) for s in sources)

    static = any(s.static for s in sources)
    return Iteration(count, lambda k: tuple(s.item(k) for s in sources), static, changes)


@lower(reversed)
def _reversed(t, x):
    source = t.iteration(x)
    last = t.builder.op(np.subtract, source.count, 1)
    changes = None
    if source.changes:

        def changes(k):
            return k < source.count and source.more(last - k)

    def item(k):
        return source.item(t.builder.op(np.subtract, last, k))

    return Iteration(source.count, item, source.static, changes)


@lower(list)
def _list(t, x=()):
    return t.list(t.settled(v) for v in t.items(x))


@lower(tuple)
def _tuple(t, x=()):
    return tuple(t.items(x))


@lower(set, frozenset)
def _set(t, x=()):
    return t.set(t.static_key(k) for k in t.items(x))


@lower(dict)
def _dict(t, x=None, **kwargs):
    if x is None:
        pairs = {}
    elif isinstance(x, DictBox) or (isinstance(x, Host) and isinstance(x.obj, dict)):
        pairs = {k: t.get_item(x, k) for k in t.keys(x)}
    else:
        items = [t.items(pair) for pair in t.items(x)]
        pairs = {t.static_key(k): v for k, v in items}
    return t.box({k: t.settled(v) for k, v in {**pairs, **kwargs}.items()}, cls=DictBox)


@lower(float, np.float64)
def _float(t, x=0.0):
    return t.builder.to_float(_number(t, x))


@lower(int, np.int64)
def _int(t, x=0):
    if isinstance(x, str):
        try:
            return int(x)
        except ValueError as error:
            t.fail("ValueError", str(error))
    return t.integer(_number(t, x))


@lower(bool, np.bool_)
def _bool(t, x=False):
    return t.truth(x)


def _number(t, x):
    if isinstance(x, Text):
        raise NeedUnroll(*Text.refusal)
    if isinstance(x, str):
        try:
            return float(x)
        except ValueError as error:
            t.fail("ValueError", str(error))
    x = t.as_array(x)
    if is_array(x):
        if any(type(n) is not int or n != 1 for n in x.shape):
            raise Refusal("an array where a number is expected")
        x = element(t, x, (0,) * len(x.shape))
    return x


@lower(type)
def _type(t, x):
    return _type_of(t, x)


@lower(iter)
def _iter(t, x):
    return t.iteration(x)


@lower(abs)
def _abs(t, x):
    found = t.by_method(x, "__abs__")
    if found is not NotImplemented:
        return found
    return elementwise(t, np.absolute, t.as_array(x))


@lower(pow)
def _pow(t, x, y):
    return elementwise(t, np.power, t.as_array(x), t.as_array(y))


@lower(round)
def _python_round(t, x, decimals=None):
    y = _round(t, x, decimals or 0)
    return t.integer(y) if decimals is None and is_scalar(y) and type_of(x) == "f" else y


@lower(np.round, np.around)
def _round(t, x, decimals=0):
    if decimals == 0:
        return elementwise(t, np.rint, t.as_array(x))
    scale = 10.0**decimals
    return elementwise(
        t, np.divide, elementwise(t, np.rint, elementwise(t, np.multiply, t.as_array(x), scale)), scale
    )


def _fold_items(t, x, first, step):
    """Python's fold over any iterable of numbers or arrays; long ones by a loop."""
    source = t.iteration(x)
    if not isinstance(source.count, Value) and (source.static or source.count <= 64):
        items = [source.item(k) for k in builtins.range(source.count)]
        carry = first if first is not None else items.pop(0)
        for item in items:
            carry = step(carry, item)
        return carry
    start = source.item(0) if first is None else first
    probe = t.scratch(lambda: source.item(Value("i", "", 0, 0)))
    if not is_scalar(probe):
        raise Refusal("the sum of many arrays", "Use np.sum(..., axis=0).")
    if type_of(probe) == "f":
        start = t.builder.to_float(start)
    return fold(t, (source.count,), lambda carry, idx: (step(carry[0], source.item(idx[0])),), (start,))[0]


@lower(sum)
def _sum(t, iterable, start=0):
    return _fold_items(t, iterable, start, lambda a, b: elementwise(t, np.add, a, b))


def _extreme(compare):
    op = ast.Gt() if compare is np.greater else ast.Lt()

    def lowering(t, *args, key=None, default=None):
        others = len(args) > 1 and not all(is_scalar(a) or is_array(a) for a in args)
        if key is not None or others or (len(args) == 1 and not _of_numbers(t, args[0])):
            items = [t.settled(v) for v in (t.items(args[0]) if len(args) == 1 else args)]
            if not items and default is not None:
                return default
            if not items:
                raise Refusal("ValueError: max or min of nothing")
            return best(t, op, items, key)

        def better(a, b):
            kind = "f" if "f" in (type_of(a), type_of(b)) else type_of(a)
            to = t.builder.to_float if kind == "f" else lambda v: v
            return t.builder.select(t.apply(compare, [b, a]), to(b), to(a))

        if len(args) == 1:
            if is_array(args[0]) and len(args[0].shape) != 1:
                raise Refusal("max or min of rows", "Use np.max or np.min.")
            return _fold_items(t, args[0], None, better)
        values = [_number(t, a) for a in args]
        result = values[0]
        for v in values[1:]:
            result = better(result, v)
        return result

    return lowering


def _of_numbers(t, x) -> bool:
    """Whether something to iterate over holds numbers, one at least."""
    source = t.iteration(x)
    if isinstance(source.count, Value) or source.count > 64:
        return True
    return source.count > 0 and all(
        is_scalar(t.unwrapped(source.item(k))) for k in builtins.range(source.count)
    )


lower(max)(_extreme(np.greater))
lower(min)(_extreme(np.less))


@lower(any)
def _any(t, x):
    return _fold_items(t, x, False, lambda a, b: t.builder.op(np.logical_or, a, t.truth(b)))


@lower(all)
def _all(t, x):
    return _fold_items(t, x, True, lambda a, b: t.builder.op(np.logical_and, a, t.truth(b)))


@lower(isinstance)
def _isinstance(t, x, types):
    types = tuple(t.items(types)) if isinstance(types, tuple) else (types,)
    numpy_only = [c for c in types if isinstance(c, type) and issubclass(c, np.generic)]
    actual = _type_of(t, x)
    if issubclass(actual, types):
        return True
    if is_scalar(x) and numpy_only:
        raise Refusal("isinstance(..., a NumPy number type)", "Ask for float or int.")
    return False


def _type_of(t, x) -> type:
    """The Python type of a traced thing."""
    if is_array(x):
        return np.ndarray
    if is_scalar(x):
        return {"f": float, "i": int, "b": bool}[type_of(x)]
    if isinstance(x, Host):
        return type(x.obj)
    if isinstance(x, RecordBox):
        return x.type
    found = {
        ListBox: list,
        DictBox: dict,
        SetBox: set,
        Function: FunctionType,
        Closure: FunctionType,
        Range: range,
    }
    if isinstance(x, (Iteration, Bound)):
        raise Refusal(f"isinstance of {t.describe(x)}")
    return found.get(type(x), type(x))


@lower(callable)
def _callable(t, x):
    return isinstance(x, (Bound, Closure, Function)) or (
        not (is_array(x) or is_scalar(x)) and callable(x.obj if isinstance(x, Host) else x)
    )


@lower(np.errstate)
def _errstate(t, **kwargs):
    if not set(kwargs.values()) <= {"ignore", "warn", None}:
        raise Refusal(
            "np.errstate(...) that raises, calls or prints", "Test the numbers before they are computed with."
        )
    return np.errstate(**kwargs)


@lower(contextlib.nullcontext, np.printoptions)
def _context(t, **kwargs):
    return contextlib.nullcontext()


@lower(warnings.catch_warnings)
def _catch_warnings(t, **kwargs):
    return warnings.catch_warnings()


@lower(warnings.simplefilter, warnings.filterwarnings)
def _filter_warnings(t, *args, **kwargs):
    return None


@lower(print)
def _print(t, *args, **kwargs):
    raise Refusal("print in a compiled function", "Print the result outside.")


@lower(getattr)
def _getattr(t, x, name):
    return t.get_attribute(x, name)


@lower(np.ndindex)
def _ndindex(t, *shape):
    raise Refusal("np.ndindex", "Write nested loops over range.")


@lower(repr, format)
def _repr(t, x, spec=""):
    return Text()


@lower(str)
def _str(t, x=""):
    if isinstance(x, RecordBox) and issubclass(x.type, BaseException):
        args = x.slots["args"]
        return _str(t, args[0]) if len(args) == 1 else "" if not args else Text()
    return str(x) if type(x) in (str, int, bool, float, type(None)) else Text()


@lower(map)
def _map(t, fn, *iterables):
    zipped = _zip(t, *iterables)
    return Iteration(
        zipped.count, lambda k: t.call(fn, list(zipped.item(k)), {}), zipped.static, zipped.changes
    )
