"""`root` and `fixed_point` inside of compiled functions.

The iteration is run without derivatives; those of its result, in whatever the function reads, are made by
steps of Newton's method that start where it ended.
"""

from __future__ import annotations

import math

import numpy as np

from sciad.compiler.fence import Refusal
from sciad.compiler.functions import written
from sciad.compiler.functions.lowerings import lower
from sciad.compiler.ir.nodes import EXCEPTIONS
from sciad.compiler.objects.kinds import Bound, is_array, is_scalar
from sciad.compiler.tracing.inner_programs import Leaves
from sciad.eager.indexing import stop_gradient
from sciad.transforms import implicit

EXCEPTIONS["NotConverged"] = implicit.NotConverged


@lower(implicit.root)
def _root(t, f, x0, *args, rtol=1e-12, atol=1e-12, max_iterations=100):
    return _solved(t, written.newton, f, x0, args, (rtol, atol, max_iterations), "ad.root")


@lower(implicit.fixed_point)
def _fixed_point(t, f, x0, *args, rtol=1e-10, atol=1e-12, max_iterations=10_000):
    return _solved(t, written.iterated, f, x0, args, (rtol, atol, max_iterations), "ad.fixed_point")


def _solved(t, method, f, x0, args, settings, what: str):
    start = Leaves(t, x0, f"the start of {what}")
    if is_array(f) or is_scalar(f) or any(k in (None, "b") for k in start.kinds) or not start.size:
        raise Refusal(f"{what} takes a function and a start of numbers")
    flat = Bound(_flat, (f, start, tuple(args), what))
    x = _call(t, stop_gradient, _ravelled(t, start.leaves))
    x, done = _call(t, t.own_function(method), flat, x, *settings)
    t.require(
        done,
        "NotConverged",
        f"{what}: not converged after {settings[2]} steps. "
        + ("Start closer to the root" if method is written.newton else "Is the map a contraction near x0?"),
    )
    gap = flat if method is written.newton else Bound(t.own_function(written.moved), (flat,))
    x = _call(t, t.own_function(written.with_derivatives), gap, _call(t, stop_gradient, x))
    return start.tree(_split(t, start, t.settled(x)))


def _call(t, fn, *args):
    return t.call(fn, list(args), {})


def _flat(f, start, args, what, x):
    """Stands for a function of a vector that is one of nested containers."""


@lower(_flat)
def _apply_flat(t, f, start, args, what, x):
    out = Leaves(t, _call(t, f, start.tree(_split(t, start, t.settled(x))), *args), f"the result of {what}")
    if out.size != start.size or None in out.kinds:
        raise Refusal(f"{what}: f returns {out.size} numbers for {start.size} unknowns")
    return _ravelled(t, out.leaves)


def _ravelled(t, leaves):
    parts = [
        _call(t, np.reshape, t.as_array(x), (-1,)) if is_array(x) else t.stack_scalars([x]) for x in leaves
    ]
    made = parts[0] if len(parts) == 1 else _call(t, np.concatenate, t.list(parts))
    return _call(t, np.multiply, made, 1.0) if made.kind != "f" else made


def _split(t, start: Leaves, x) -> list:
    found = []
    for at, shape in zip(start.at, start.shapes, strict=True):
        if shape == ():
            found.append(t.get_item(x, at))
            continue
        part = t.call(slice, [at, at + math.prod(shape)], {})
        found.append(_call(t, np.reshape, t.settled(t.get_item(x, part)), shape))
    return found
