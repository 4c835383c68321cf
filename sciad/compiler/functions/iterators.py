"""Python's tools of iteration: `sorted`, `min` and `max` with a key, `functools`, `itertools`, `operator`.

What they make is a list of items; its length is known while compiling, the items need not be.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import itertools
import operator

import numpy as np

from sciad.compiler.fence import Refusal
from sciad.compiler.functions.lowerings import lower
from sciad.compiler.ir.builder import type_of
from sciad.compiler.ir.nodes import Value
from sciad.compiler.objects.kinds import Bound, RecordBox, is_array, is_scalar

NETWORK = 16  # lists of at most so many items are sorted by exchanges of neighbours
LONGEST = 4096


def _known(x) -> bool:
    return type(x) in (int, bool, float, str) or (isinstance(x, tuple) and all(map(_known, x)))


@lower(sorted)
def _sorted(t, iterable, key=None, reverse=False):
    items = [t.settled(v) for v in t.items(iterable)]
    keys = items if key is None else [t.settled(t.unwrapped(t.call(key, [x], {}))) for x in items]
    if all(map(_known, keys)):
        order = sorted(range(len(items)), key=lambda k: keys[k], reverse=bool(reverse))
        return t.list(items[k] for k in order)
    if len(items) <= NETWORK:
        return t.list(x for x, _ in _by_exchanges(t, list(zip(items, keys, strict=True)), bool(reverse)))
    return _by_places(t, items, keys, bool(reverse))


def _by_exchanges(t, pairs, reverse: bool) -> list:
    order = ast.Gt() if reverse else ast.Lt()
    for last in range(len(pairs) - 1, 0, -1):
        for k in range(last):
            a, b = pairs[k], pairs[k + 1]
            cond = t.truth(t.compare(order, b[1], a[1]))
            pairs[k], pairs[k + 1] = t.branch(cond, lambda a=a, b=b: (b, a), lambda a=a, b=b: (a, b))
    return pairs


def _by_places(t, items, keys, reverse: bool):
    """A long list of numbers, or of tuples of numbers: through arrays."""
    columns = list(zip(*items, strict=True)) if all(isinstance(x, tuple) for x in items) else [items]
    if not all(is_scalar(v) for column in (*columns, keys) for v in column):
        raise Refusal("a long list of other things than numbers, sorted by values", "Use np.argsort.")
    weights = t.as_array(t.list(keys))
    weights = t.call(np.negative, [weights], {}) if reverse else weights
    places = t.call(np.argsort, [weights], {})
    sorted_columns = [t.settled(t.get_item(t.as_array(t.list(c)), places)) for c in columns]
    rows = ([t.get_item(c, k) for c in sorted_columns] for k in range(len(items)))
    return t.list(tuple(row) if isinstance(items[0], tuple) else row[0] for row in rows)


def best(t, op, items: list, key):
    """The first item whose key no other one's is before (`op`: ``<`` for the least)."""
    found = items[0]
    found_key = found if key is None else t.settled(t.call(key, [found], {}))
    for x in items[1:]:
        k = x if key is None else t.settled(t.call(key, [x], {}))
        cond = t.truth(t.compare(op, t.unwrapped(k), t.unwrapped(found_key)))
        found, found_key = t.branch(cond, lambda x=x, k=k: (x, k), lambda x=found, k=found_key: (x, k))
    return found


@lower(functools.partial)
def _partial(t, fn, *args, **kwargs):
    return Bound(fn, tuple(t.settled(a) for a in args), {k: t.settled(v) for k, v in kwargs.items()})


@lower(functools.reduce)
def _reduce(t, fn, iterable, initial=None):
    items = t.items(iterable)
    total = items.pop(0) if initial is None else initial
    for x in items:
        total = t.settled(t.call(fn, [total, x], {}))
    return total


@lower(itertools.product)
def _product(t, *iterables, repeat=1):
    found = list(itertools.product(*[t.items(x) for x in iterables], repeat=repeat))
    if len(found) > LONGEST:
        raise Refusal(f"itertools.product of {len(found)} items", "Write nested loops over range(...).")
    return t.list(found)


@lower(itertools.accumulate)
def _accumulate(t, iterable, func=None, initial=None):
    items = [t.settled(v) for v in t.items(iterable)]
    items = items if initial is None else [initial, *items]
    out = items[:1]
    for x in items[1:]:
        last = out[-1]
        out.append(t.settled(t.call(operator.add if func is None else func, [last, x], {})))
    return t.list(out)


def _of_items(fn):
    def lowering(t, *args, **kwargs):
        first = [t.settled(v) for v in t.items(args[0])]
        return t.list(fn(first, *args[1:], **kwargs))

    return lowering


for _fn in (itertools.pairwise, itertools.combinations, itertools.permutations):
    lower(_fn)(_of_items(_fn))
lower(itertools.combinations_with_replacement)(_of_items(itertools.combinations_with_replacement))


@lower(itertools.chain)
def _chain(t, *iterables):
    return t.list(t.settled(v) for x in iterables for v in t.items(x))


@lower(itertools.chain.from_iterable)
def _chain_from(t, iterables):
    return _chain(t, *t.items(iterables))


@lower(itertools.zip_longest)
def _zip_longest(t, *iterables, fillvalue=None):
    return t.list(itertools.zip_longest(*[t.items(x) for x in iterables], fillvalue=fillvalue))


@lower(itertools.islice)
def _islice(t, iterable, *bounds):
    return t.list(itertools.islice(t.items(iterable), *[t.unwrapped(b) for b in bounds]))


@lower(itertools.repeat)
def _repeat(t, x, times=None):
    if type(times) is not int:
        raise Refusal("itertools.repeat without an end", "Give it the number of times.")
    return t.list([t.settled(x)] * times)


@lower(itertools.starmap)
def _starmap(t, fn, iterable):
    return t.list(t.settled(t.call(fn, t.items(x), {})) for x in t.items(iterable))


def _chosen(t, iterable, test, what: str) -> list:
    out = []
    for x in t.items(iterable):
        cond = test(x)
        if isinstance(cond, Value):
            raise Refusal(f"{what} by a condition on values", "Write a loop that fills an array.")
        out.append((x, bool(cond)))
    return out


@lower(filter)
def _filter(t, fn, iterable):
    def test(x):
        return t.truth(x if fn is None else t.call(fn, [x], {}))

    return t.list(x for x, keep in _chosen(t, iterable, test, "filter") if keep)


@lower(itertools.compress)
def _compress(t, data, selectors):
    pairs = zip(t.items(data), t.items(selectors), strict=False)
    kept = _chosen(t, [(x, s) for x, s in pairs], lambda p: t.truth(p[1]), "compress")
    return t.list(p[0] for p, keep in kept if keep)


def _until(t, fn, iterable):
    found = _chosen(t, iterable, lambda x: t.truth(t.call(fn, [x], {})), "an end")
    return found, next((k for k, (_, ok) in enumerate(found) if not ok), len(found))


@lower(itertools.takewhile)
def _takewhile(t, fn, iterable):
    found, end = _until(t, fn, iterable)
    return t.list(x for x, _ in found[:end])


@lower(itertools.dropwhile)
def _dropwhile(t, fn, iterable):
    found, end = _until(t, fn, iterable)
    return t.list(x for x, _ in found[end:])


# ---------------------------------------------------------------------- operator

_OPERATORS = {
    "add": ast.Add, "sub": ast.Sub, "mul": ast.Mult, "truediv": ast.Div, "floordiv": ast.FloorDiv,
    "mod": ast.Mod, "pow": ast.Pow, "matmul": ast.MatMult, "and_": ast.BitAnd, "or_": ast.BitOr,
    "xor": ast.BitXor, "lshift": ast.LShift, "rshift": ast.RShift,
}  # fmt: skip
_ORDERS = {"lt": ast.Lt, "le": ast.LtE, "gt": ast.Gt, "ge": ast.GtE, "eq": ast.Eq, "ne": ast.NotEq}


def _binary(op):
    return lambda t, a, b: t.binary(op, t.operator(op), a, b)


def _order(op):
    return lambda t, a, b: t.compare(op, t.unwrapped(a), t.unwrapped(b))


for _name, _op in _OPERATORS.items():
    lower(getattr(operator, _name))(_binary(_op()))
for _name, _op in _ORDERS.items():
    lower(getattr(operator, _name))(_order(_op()))


@lower(operator.neg)
def _neg(t, x):
    return t.call(np.negative, [x], {})


@lower(operator.getitem)
def _getitem(t, x, key):
    return t.get_item(x, key)


@lower(operator.itemgetter)
def _itemgetter(t, *keys):
    return Bound(_pick, (keys,))


@lower(operator.attrgetter)
def _attrgetter(t, *names):
    return Bound(_look_up, (names,))


def _pick(x, keys):
    raise AssertionError("lowered")


def _look_up(x, names):
    raise AssertionError("lowered")


@lower(_pick)
def _picked(t, keys, x):
    found = tuple(t.get_item(x, k) for k in keys)
    return found[0] if len(found) == 1 else found


@lower(_look_up)
def _looked_up(t, names, x):
    found = []
    for name in names:
        value = x
        for part in name.split("."):
            value = t.get_attribute(value, part)
        found.append(value)
    return found[0] if len(found) == 1 else tuple(found)


# ---------------------------------------------------------------------- objects


@lower(dataclasses.replace)
def _replace(t, obj, **changes):
    if not isinstance(obj, RecordBox):
        raise Refusal(f"dataclasses.replace of {t.describe(obj)}", "Make a new one by its class.")
    given = {f.name: t.get_attribute(obj, f.name) for f in dataclasses.fields(obj.type) if f.init}
    return t.construct(obj.type, [], given | changes)


@lower(dataclasses.astuple)
def _astuple(t, obj):
    return tuple(t.get_attribute(obj, f.name) for f in dataclasses.fields(obj.type))


@lower(hasattr)
def _hasattr(t, x, name):
    if isinstance(x, RecordBox) and name in x.slots:
        return True
    if is_array(x):
        return hasattr(np.ndarray, name)
    if is_scalar(x):
        return hasattr({"f": float, "i": int, "b": bool}[type_of(x)], name)
    cls = t.class_of(x) or type(getattr(x, "obj", x))
    return hasattr(cls, name) or hasattr(getattr(x, "obj", None), name)
