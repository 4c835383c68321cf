"""Calls that have been traced before: a function of the same numbers has the same result.

Recursion that meets the same arguments again and again (minors of a determinant, overlapping subproblems) is
so traced once for each of them, not once for each path that leads there. Only calls count whose
arguments are numbers, arrays that it does not write and tuples of them, whose result is a number or some, and
which computed and did nothing else.
"""

from __future__ import annotations

from sciad.compiler.ir.nodes import Check, Load, Op, Value
from sciad.compiler.ir.walking import is_arena
from sciad.compiler.objects.arrays import static_shape
from sciad.compiler.objects.kinds import Array, Function, Small, is_scalar

__all__ = ["call_key", "computed_only", "contents"]


class _Mutable(Exception):
    """An argument may change."""


def call_key(fn, args: list, kwargs: dict):
    """What a call is found again by: hashable, or None.

    It has the ids of the values in `contents`, which are to be kept alive with it.
    """
    if not isinstance(fn, Function):
        return None
    try:
        return (
            "call",
            fn.fn,
            fn.path,
            tuple(map(_key, args)),
            tuple((name, _key(x)) for name, x in kwargs.items()),
        )
    except _Mutable:
        return None


def contents(args) -> list:
    """The values that a key names by their ids."""
    found = []
    for x in args:
        found += x.box.slots.values() if isinstance(x, Small) else contents(x) if type(x) is tuple else [x]
    return found


def computed_only(nodes, result) -> bool:
    """Whether what a call added to the program is computation, and its result cannot be changed."""
    return _is_plain(result) and all(
        isinstance(n, Op | Check) or (isinstance(n, Load) and not is_arena(n.mem)) for n in nodes
    )


def _is_plain(x) -> bool:
    return x is None or is_scalar(x) or (type(x) is tuple and all(map(_is_plain, x)))


def _key(x):
    if isinstance(x, Value):
        return id(x)
    if is_scalar(x):
        return type(x), repr(x)
    if x is None or type(x) is str:
        return x
    if type(x) is tuple:
        return tuple(map(_key, x))
    if isinstance(x, Small):  # by its contents: who compares keys before and after a call sees what it wrote
        return x.shape, x.kind, tuple(_key(x.box.slots[cell]) for cell in x.cells)
    if isinstance(x, Array) and not is_arena(x.mem) and static_shape((*x.shape, *x.strides)):
        return x.mem, x.address.key(), x.shape, x.strides, x.kind, x.sequence
    raise _Mutable
