"""Calls of routines (`sciad.compiler.ir.routines`) as lowerings emit them."""

from __future__ import annotations

import numpy as np

from sciad.compiler.ir.nodes import Address, RoutineCall, Value, View
from sciad.compiler.objects import arrays
from sciad.compiler.objects.kinds import Array, Small, is_array

__all__ = ["call_routine", "flat", "flat_size"]


def flat_size(values: list) -> int:
    """How many numbers `flat` puts behind each other."""
    return sum(int(np.prod(x.shape, dtype=int)) if is_array(x) else 1 for x in values)


def flat(t, values: list) -> View:
    """Numbers and arrays of static shape as consecutive numbers in memory."""
    known = _constants(values)
    if known is not None:
        return View("C", Address(t.constants(known)), (len(known),), (1,), t.constant_class)
    size = flat_size(values)
    whole = arrays.allocate(t, (size,))
    at = 0
    for x in values:
        if is_array(x):
            start = Address(at) + whole.address
            part = Array("T", start, x.shape, arrays.row_major(t, x.shape), whole.alias)
            arrays.assign(t, part, x, fresh=True)
            at += flat_size([x])
        else:
            arrays.store(t, whole, (at,), x, fresh=True)
            at += 1
    return View("T", whole.address, (size,), (1,), whole.alias)


def _constants(values: list) -> list[float] | None:
    """The numbers, if all are known while compiling."""
    found: list = []
    for x in values:
        if isinstance(x, Small):
            found += [x.box.slots[c] for c in x.cells]
        elif is_array(x):
            return None
        else:
            found.append(x)
    return None if any(isinstance(x, Value) for x in found) else [float(x) for x in found]


def call_routine(t, routine, sizes: list[int], args: list[View]) -> list[Array]:
    """Call a routine; its outs, new arrays of these sizes."""
    made = [arrays.allocate(t, (size,)) for size in sizes]
    outs = tuple(View("T", x.address, x.shape, (1,), x.alias) for x in made)
    t.builder.emit(RoutineCall(routine, outs, tuple(args), t.routine_site(routine)))
    return made
