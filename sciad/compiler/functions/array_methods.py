"""Methods of lists, dicts, tuples and ufuncs."""

from __future__ import annotations

import ast

import numpy as np

from sciad.compiler.fence import NeedUnroll, Refusal
from sciad.compiler.functions.dispatch import call
from sciad.compiler.functions.lowerings import METHODS, Beyond
from sciad.compiler.ir.op_traits import traits_of
from sciad.compiler.objects.arrays import element, elementwise
from sciad.compiler.objects.kinds import DictBox, DictView, Host, ListBox, is_array
from sciad.compiler.objects.subscripts import add_at


def method(kind: str, name: str):
    def enter(lowering):
        METHODS[kind, name] = lowering
        return lowering

    return enter


def _length(t, x: ListBox) -> int:
    return len(x.items())


@method("list", "append")
def _append(t, x, value):
    n = _length(t, x)
    t.own(x)
    t.write(x, n, t.settled(value))
    t.write(x, "len", n + 1)


@method("list", "extend")
def _extend(t, x, values):
    for value in t.items(values):
        _append(t, x, value)


@method("list", "pop")
def _pop(t, x, index=-1):
    n = _length(t, x)
    if type(index) is not int or not -n <= index < n:
        raise Refusal("pop at a place that is not known while compiling, or from an empty list")
    index %= n
    value = x.slots[index]
    for k in range(index, n - 1):
        t.write(x, k, x.slots[k + 1])
    t.write(x, "len", n - 1)
    return value


@method("list", "insert")
def _insert(t, x, index, value):
    n = _length(t, x)
    if type(index) is not int:
        raise NeedUnroll(
            "insert at a place that is not known while compiling", "Use an array made by np.empty."
        )
    index = max(index + n, 0) if index < 0 else min(index, n)
    t.own(x)
    for k in range(n, index, -1):
        t.write(x, k, x.slots[k - 1])
    t.write(x, index, t.settled(value))
    t.write(x, "len", n + 1)


@method("list", "__getitem__")
@method("tuple", "__getitem__")
@method("dict", "__getitem__")
def _getitem(t, x, key):
    return t.get_item(x, key)


@method("list", "clear")
def _clear(t, x):
    t.own(x)
    t.write(x, "len", 0)


@method("list", "sort")
def _sort(t, x, key=None, reverse=False):
    t.own(x)
    for k, value in enumerate(call(t, sorted, [x], {"key": key, "reverse": reverse}).items()):
        t.write(x, k, value)


def _equals(t, items, value) -> list:
    return [t.truth(t.compare(ast.Eq(), t.unwrapped(v), t.unwrapped(value))) for v in items]


@method("list", "index")
@method("tuple", "index")
def _index(t, x, value):
    items = t.items(x)
    found, place = False, len(items)
    for k, one in reversed(list(enumerate(_equals(t, items, value)))):
        place, found = t.builder.select(one, k, place), t.builder.op(np.logical_or, found, one)
    if found is False:
        raise Refusal("ValueError: the value is not in the list")
    t.require(found, "ValueError", "the value is not in the list")
    return place


@method("list", "count")
@method("tuple", "count")
def _count(t, x, value):
    total = 0
    for one in _equals(t, t.items(x), value):
        total = t.builder.op(np.add, total, t.builder.to_int(one))
    return total


@method("list", "remove")
def _remove(t, x, value):
    items = x.items()
    place = _index(t, x, value)
    if type(place) is int:
        _pop(t, x, place)
        return
    t.own(x)
    for k in range(len(items) - 1):
        kept = t.builder.op(np.less, k, place)
        t.write(x, k, t.branch(kept, lambda k=k: items[k], lambda k=k: items[k + 1]))
    t.write(x, "len", len(items) - 1)


@method("list", "copy")
def _copy(t, x):
    return t.list(x.items())


@method("list", "reverse")
def _reverse(t, x):
    for k, value in enumerate(x.items()[::-1]):
        t.write(x, k, value)


@method("dict", "items")
def _items(t, x):
    return DictView(x, lambda k: (k, t.get_item(x, k)))


@method("dict", "keys")
def _keys(t, x):
    return DictView(x, lambda k: k)


@method("dict", "values")
def _values(t, x):
    return DictView(x, lambda k: t.get_item(x, k))


@method("dict", "get")
def _get(t, x, key, default=None):
    return t.get_item(x, key) if key in t.keys(x) else default


@method("dict", "copy")
def _dict_copy(t, x):
    return t.box({k: t.get_item(x, k) for k in t.keys(x)}, cls=DictBox)


@method("dict", "update")
def _update(t, x, other=None, **kwargs):
    for k in t.keys(other) if other is not None else ():
        t.set_item(x, k, t.get_item(other, k))
    for k, v in kwargs.items():
        t.set_item(x, k, v)


@method("dict", "setdefault")
def _setdefault(t, x, key, default=None):
    if t.static_key(key) not in t.keys(x):
        t.set_item(x, key, default)
    return t.get_item(x, key)


@method("dict", "pop")
def _dict_pop(t, x, key, *default):
    if t.static_key(key) not in t.keys(x):
        if not default:
            raise Refusal(f"KeyError: {key!r}")
        return default[0]
    value = t.get_item(x, key)
    t.drop_item(x, key)
    return value


@method("set", "add")
def _set_add(t, x, key):
    t.own(x)
    t.write(x, t.static_key(key), True)


@method("set", "discard")
@method("set", "remove")
def _set_discard(t, x, key):
    if t.static_key(key) in t.keys(x):
        t.drop_item(x, key)


def _of_sets(name):
    def lowering(t, x, *others):
        return t.set(getattr(set(t.keys(x)), name)(*[[t.static_key(k) for k in t.items(y)] for y in others]))

    return lowering


for _name in ("union", "intersection", "difference", "symmetric_difference"):
    METHODS["set", _name] = _of_sets(_name)


@method("tuple", "_replace")
def _replace(t, x, **changes):
    return x._replace(**{k: t.settled(v) for k, v in changes.items()})


@method("tuple", "_asdict")
def _asdict(t, x):
    return t.box(dict(x._asdict()), cls=DictBox)


@method("ufunc", "outer")
def _outer(t, fn, a, b):
    from sciad.compiler.objects.subscripts import Slice, view

    a, b = t.settled(a), t.settled(b)
    everything = [Slice(None, None, None)]
    return elementwise(t, fn, view(t, a, everything * len(a.shape) + [None] * len(b.shape)), b)


@method("ufunc", "reduce")
def _reduce(t, fn, a, axis=0):
    reduction = traits_of(fn).reduction
    if reduction is None:
        raise Beyond(f"{fn.__name__}.reduce")
    return call(t, reduction, [a, axis], {})


@method("ufunc", "accumulate")
def _accumulate(t, fn, a, axis=0):
    accumulation = traits_of(fn).accumulation
    if accumulation is None:
        raise Beyond(f"{fn.__name__}.accumulate", "Write a loop.")
    return call(t, accumulation, [a, axis], {})


@method("ufunc", "at")
def _at(t, fn, a, indices, b=None):
    if fn is not np.add:
        raise Refusal(f"{fn.__name__}.at", "Write a loop.")
    add_at(t, a, indices, t.as_array(b))


@method("array", "item")
def _item(t, x, *index):
    return t.get_item(x, tuple(index)) if index else element(t, x, (0,) * len(x.shape)) if is_array(x) else x


@method("array", "tolist")
def _tolist(t, x):
    x = t.settled(x)
    return t.list(
        t.get_item(x, k) if len(x.shape) == 1 else _tolist(t, t.get_item(x, k)) for k in range(x.shape[0])
    )


@method("array", "is_integer")
def _is_integer(t, x):
    return t.apply(np.equal, [x, t.apply(np.floor, [x])])


__all__ = ["Host"]
