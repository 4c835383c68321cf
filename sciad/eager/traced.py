"""Traced values: what NumPy programs meet in place of arrays while they are differentiated.

A traced value wraps a value of a lower level (an array, or another traced value) and belongs to the level
of one transform.  A function applied to traced values is handed to the highest level among them; that
level unwraps its own values only and calls the function again, so that each level sees exactly its own
perturbation and orders nest.
"""

from __future__ import annotations

import inspect
import itertools
import operator
from typing import Any

from sciad import rule_table as table
from sciad.errors import EscapedValue, NotDifferentiable
from sciad.plain_numpy import np
from sciad.rule_table import TABLE, Repeat, linear

next_level = itertools.count(1).__next__

_OBJECT = np.dtype(object)
# classes whose instances cannot hide a traced value
PLAIN = frozenset({float, int, bool, np.float64, np.float32, np.int64, np.int32, np.bool_})


class Traced:
    """Base of the traced values.  Python's operators come from `operators`, NumPy's protocols and the methods
    of arrays from `array_surface`, `link` from `views`.
    """

    # `owner` and `extra` are named by the subclasses; one layout for all, so that a write may promote a value
    __slots__ = ("__weakref__", "extra", "family", "owner", "value")
    __hash__ = None
    __array_priority__ = 1000.0
    __pandas_priority__ = 1000_000  # a Series or frame on the left leaves the operation to us

    # ------------------------------------------------------------------ what arrays tell of themselves
    # read without a Python frame: they are asked for all the time
    shape = property(operator.attrgetter("value.shape"), doc="As of the array below.")
    dtype = property(operator.attrgetter("value.dtype"), doc="As of the array below.")

    @property
    def ndim(self):
        return len(self.shape)

    @property
    def size(self):
        return int(np.prod(self.shape))

    @property
    def nbytes(self):
        return self.size * self.dtype.itemsize

    @property
    def itemsize(self):
        return self.dtype.itemsize


class Primitive:
    """A function of this package that has a rule: runs on plain arrays, goes to the table on traced ones."""

    def __init__(self, fn):
        self.fn = fn
        self.__name__, self.__qualname__ = fn.__name__, fn.__qualname__
        self.__doc__, self.__module__ = fn.__doc__, fn.__module__

    def __call__(self, *args, **kwargs):
        for a in args:
            if isinstance(a, Traced):
                return apply(TABLE[self], args, kwargs)
        return self.fn(*args, **kwargs)


def apply(record, args, kwargs):
    """Apply a function of the table to arguments of which some are traced."""
    if record.definition is not None:
        return record.definition(*args, **kwargs)
    top, level, odd = None, 0, False
    for a in args:
        if isinstance(a, Traced):
            if a.level > level:
                top, level = a, a.level
        elif a.__class__ not in PLAIN:
            odd = True
    if odd:
        every = record.kind == "scalar" or record.kind == "constant"
        changed = tuple([operand(a) if every or record.rule(k) else a for k, a in enumerate(args)])
        if any(map(operator.is_not, changed, args)):
            return apply(record, changed, kwargs)
    if record.kind == "constant":
        return apply_constant(record, args, kwargs)
    if top is None:
        return record.fn(*args, **kwargs)
    if record.view:
        return linked(top.process(record, args, kwargs), args[0])
    return top.process(record, args, kwargs)


def call(record, args, kwargs):
    """Apply a function called in the user's way: arrays may have been passed by keyword."""
    if not args and kwargs:  # np.sum(a=x)
        bound = inspect.signature(record.fn).bind(**kwargs)
        args, kwargs = bound.args, bound.kwargs
    if record.definition is None and record.kind != "constant":
        for value in kwargs.values():
            if isinstance(value, Traced):
                args, kwargs = by_position(record, args, kwargs)
                break
    return apply(record, args, kwargs)


def linked(view, parent):
    """Note that a result shows the memory of an argument, if it does: writes through one are seen by the
    other.
    """
    memory = raw(view)
    if memory.__class__ is not np.ndarray or memory.base is None or not isinstance(parent, Traced):
        return view
    if memory_owner(memory) is memory_owner(raw(parent)):
        if memory.ndim and not view.shape:
            return np.copy(view)  # under `vmap`: to the user a number, and numbers are copies
        view.link(parent)
    return view


def memory_owner(array):
    """Return the object whose memory an array shows: itself, if it is no view."""
    while (base := getattr(array, "base", None)) is not None:
        array = base
    return array


def apply_constant(record, args, kwargs):
    """Apply a function whose derivative is zero on purpose: nothing of its result is differentiated."""
    if record.complex and any(np.iscomplexobj(raw(a)) for a in args):
        return record.complex(*args)
    args = strip_nested(args)
    kwargs = {key: strip_nested(value) for key, value in kwargs.items()}
    top = None
    for a in args:
        if isinstance(a, Traced) and (top is None or a.level > top.level):  # only `vmap` levels are left
            top = a
    return record.fn(*args, **kwargs) if top is None else top.process(record, args, kwargs)


def plainly(fn, *args, **kwargs):
    """Call a NumPy function on the values alone, as one whose derivative is zero on purpose."""
    return apply_constant(table.Record(fn, "constant"), args, kwargs)


def is_traced(x: Any) -> bool:
    """True for a value that carries a derivative."""
    return isinstance(x, Traced)


class Level(int):
    """The number of a transform, which knows when the transform has ended."""

    ended = False
    python = False  # the user gave Python's numbers, which raise where NumPy's are infinite


def escaped(entry=None):
    """Refuse to go on with a value of a transform that has ended; `entry` is what a tape would record."""
    raise EscapedValue(
        "a value was used after the transform that differentiates it had ended (it was probably stored "
        "outside the function). Return it from the function instead, or store ad.stop_gradient(x)"
    )


def check_alive(x):
    """Refuse a value of a transform that has ended: its derivative would be lost."""
    while isinstance(x, Traced):
        level = x.level
        if level.__class__ is Level and level.ended:
            escaped()
        x = x.value


def raw(x):
    """Return the array or number at the bottom of a traced value."""
    while isinstance(x, Traced):
        x = x.value
    return x


def strip(x):
    """Remove the derivatives from a value; the batch axes of `vmap` stay."""
    while isinstance(x, Traced):
        if x.batched:
            return x.rewrap(strip(x.value))
        x = x.value
    return x


def strip_nested(x):
    """`strip` inside tuples, lists and slices."""
    if isinstance(x, Traced):
        return strip(x)
    if x.__class__ is tuple:
        return tuple([strip_nested(a) for a in x])
    if x.__class__ is list:
        items = [strip_nested(a) for a in x]
        return stack_nested(items) if any(isinstance(a, Traced) for a in items) else items
    if isinstance(x, slice):
        return slice(strip_nested(x.start), strip_nested(x.stop), strip_nested(x.step))
    return operand(x) if isinstance(x, np.ndarray) else x


def concrete(x, what):
    """Return the array below a value that a decision depends on."""
    value = strip(x)
    if isinstance(value, Traced):
        raise NotDifferentiable(
            f"{what} of a value that `vmap` runs over: it differs from one element to the next. "
            "Choose with np.where, or loop over the elements in Python"
        )
    if isinstance(value, np.ndarray) and value.size != 1:
        return bool(value) if what == "the truth value" else value.item()
    return value


def operand(a):
    """Turn what a user wrote into something that can be an operand: nested lists and object arrays are
    stacked.
    """
    cls = a.__class__
    if cls is np.ndarray:
        return stacked(a) if a.dtype is _OBJECT else a
    if cls in PLAIN or isinstance(a, Traced):
        return a
    if cls is list or cls is tuple:
        return stack_nested(a)
    current = getattr(a, "_current", None)  # a local buffer
    if current is None:
        current = getattr(a, "to_numpy", None)  # a Series or frame
    return a if current is None else current()


def stacked(a):
    """Stack an object array of traced values; other object arrays stay as they are."""
    items = a.ravel().tolist() if a.ndim else [a.item()]
    if not any(isinstance(x, Traced) for x in items):
        return a
    shape = a.shape + np.broadcast_shapes(*(np.shape(x) for x in items))
    return np.reshape(stack_(*items), shape)


@Primitive
def stack_(*parts):
    return np.array(parts) if np.ndim(parts[0]) == 0 else np.stack(parts)


linear(stack_, Repeat(lambda g, k, *parts: g[k]), joint=True)


def stack_nested(a):
    """Build an array of nested lists of which some entries may be traced."""
    if not holds_traced(a):
        return np.asarray(a)
    return stack_(*[operand(x) for x in a])


def holds_traced(a) -> bool:
    """True if a value, or a nested list or tuple of values, carries a derivative somewhere."""
    cls = a.__class__
    if cls in PLAIN:
        return False
    if cls is list or cls is tuple:
        return any(map(holds_traced, a))
    return isinstance(a, Traced) or (isinstance(a, np.ndarray) and isinstance(operand(a), Traced))


def by_position(record, args, kwargs):
    """Move traced keyword arguments to the positions the rule knows them by."""
    names = _POSITIONS.get(record)
    if names is None:
        rule = record.rules[0] or record.rules[-1]
        skip = 1 if isinstance(rule, table.Transpose) else 2
        names = _POSITIONS[record] = list(inspect.signature(rule.fn).parameters.values())[skip:]
    args, kwargs = list(args), dict(kwargs)
    last = max((i for i, p in enumerate(names) if isinstance(kwargs.get(p.name), Traced)), default=-1)
    for p in names[len(args) : last + 1]:
        args.append(kwargs.pop(p.name, p.default))
    for key, value in kwargs.items():
        if isinstance(value, Traced):
            raise NotDifferentiable(
                f"{record.name} is not differentiable with respect to its argument {key!r}"
            )
    return tuple(args), kwargs


_POSITIONS: dict = {}


def stands_for_number(x):
    """Whether a traced value without axes is a number to NumPy, not a 0-d array."""
    while isinstance(x, Traced):
        if x.batched:
            return True
        x = x.value
    return x.__class__ is not np.ndarray


def number(y):
    """A result without axes as a number, where NumPy returns one though its rule makes a 0-d array."""
    return np.positive(y) if isinstance(y, Traced) and not y.shape and not stands_for_number(y) else y


def in_place(target, result):
    """``x += y``: arrays, those of no axes too, change in place, so that every other name and view of them
    sees it; numbers do not.
    """
    if not target.shape and stands_for_number(target):
        return result
    target[...] = result
    return target


def converted(x, dtype):
    """The numbers that a reduction works with."""
    return x if dtype is None else x.astype(dtype, copy=False)
