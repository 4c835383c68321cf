"""What users give to a solver, as the solvers want it: arrays of floats, plain values, checks of numbers."""

from __future__ import annotations

import math

import numpy as np

import sciad
from sciad import tree
from sciad.eager.traced import Traced, operand, raw
from sciad.solvers.model.parameters import path_of

__all__ = ["array", "check", "contiguous", "flat", "strip", "stripped"]

_FLOAT = np.dtype(float)


def strip(x):
    """The plain value inside a traced one, at any level.

    A batch of one and the same value (what tangents of many directions make of it) counts as that value.
    """
    if not isinstance(x, Traced):
        return x
    plain = raw(x)
    for _ in range(np.ndim(plain) - x.ndim):
        if not np.all(plain == plain[:1]):
            raise sciad.NotDifferentiable(
                "a solve under vmap takes other steps for each element: give t_eval, and solve with events "
                "one by one in a loop"
            )
        plain = plain[0]
    return plain


def stripped(args: tuple) -> tuple:
    """Arguments with the plain values inside traced ones."""
    return tree.tree_map(lambda leaf: strip(operand(leaf)), args)


def array(x, name: str):
    """A float array, or a traced one of it."""
    x = operand(x)
    if isinstance(x, Traced):
        return x
    found = np.asarray(x)
    if found.dtype == object:
        leaves = [*found.ravel()]
        if any(isinstance(leaf, Traced) for leaf in leaves):
            return np.reshape(np.stack(leaves), found.shape)
    if found.dtype.kind == "c":
        raise TypeError(f"{name} is complex")
    try:
        return found.astype(float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers, not {x!r}") from None


def flat(y0):
    if y0.__class__ is np.ndarray and y0.dtype is _FLOAT and y0.ndim == 1 and y0.flags.c_contiguous:
        return y0
    return np.ascontiguousarray(y0, dtype=float).reshape(-1)


def contiguous(x):
    """float64, C-contiguous and writable, as kernels want their arrays."""
    if x.__class__ is np.ndarray and x.dtype is _FLOAT and x.flags.carray:
        return x
    x = np.ascontiguousarray(x, dtype=float)
    return x if x.flags.writeable else x.copy()


def check(args, t0, t1, y0, p, ts, first_step) -> None:
    """Values that no solve can start from, found cheaply and then named precisely."""
    bad = np.flatnonzero(~np.isfinite(y0)) if not math.isfinite(y0.dot(y0)) else ()
    if len(bad):
        raise ValueError(
            f"All components of the initial state `y0` must be finite. y0[{bad[0]}] is {y0[bad[0]]}"
        )
    bad = np.flatnonzero(~np.isfinite(p)) if not math.isfinite(p.dot(p)) else ()
    if len(bad):
        where = f" (in args{path_of(args, bad[0])})" if args else ""
        raise ValueError(
            f"parameter {bad[0]} of args{where} is {p[bad[0]]}: parameters must be finite numbers"
        )
    if ts.ndim != 1:
        raise ValueError(f"t_eval must be one-dimensional, but has shape {ts.shape}")
    if first_step is not None and t1 != t0 and first_step > abs(t1 - t0) * (1 + 1e-12):
        raise ValueError(f"first_step = {first_step} is longer than the whole t_span ({abs(t1 - t0)})")
