"""What users give to a solver, as the solvers want it: arrays of floats, plain values, checks of numbers."""

from __future__ import annotations

import math

import numpy as np

import sciad
from sciad import tree
from sciad.eager.traced import Traced, operand, raw
from sciad.solvers.model.parameters import path_of

__all__ = [
    "argument_tuple",
    "check_step_limits",
    "checked_start",
    "contiguous",
    "flat",
    "float_array",
    "positive",
    "refuse_times",
    "time_span",
    "times_within",
    "trial",
    "untraced",
    "untraced_args",
]  # fmt: skip

_FLOAT = np.dtype(float)
_NUMBERS = frozenset({float, int})


def untraced(x):
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


def untraced_args(args: tuple) -> tuple:
    """Arguments with the plain values inside traced ones."""
    return tree.tree_map(lambda leaf: untraced(operand(leaf)), args)


def float_array(x, name: str):
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


def checked_start(args, t0, t1, y0, p, ts, first_step) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y0, p and ts as kernels want them; refuses values that no solve can start from, found cheaply and then
    named precisely.
    """
    if not (y0.__class__ is np.ndarray and y0.dtype is _FLOAT and y0.ndim == 1 and y0.flags.c_contiguous):
        y0 = flat(y0)
    if not (p.__class__ is np.ndarray and p.dtype is _FLOAT and p.flags.carray):
        p = contiguous(p)
    if not (ts.__class__ is np.ndarray and ts.dtype is _FLOAT and ts.flags.carray):
        ts = contiguous(ts)
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
    return y0, p, ts


def argument_tuple(args) -> tuple:
    """``args`` as a tuple; None and lists are taken for one, nothing else."""
    if args is None:
        return ()
    if isinstance(args, tuple):
        return args
    if isinstance(args, list):
        return tuple(args)
    text = f"({args!r},)" if np.ndim(args) == 0 and not isinstance(args, dict) else "(p,), with the comma"
    raise TypeError(f"Supplied 'args' cannot be unpacked. Give a tuple, even for one argument: args={text}")


def time_span(t_span):
    """Start and end: floats, or traced numbers."""
    if t_span.__class__ is tuple and len(t_span) == 2:
        t0, t1 = t_span
        if t0.__class__ in _NUMBERS and t1.__class__ in _NUMBERS and math.isfinite(t0) and t1 == t1:
            return float(t0), float(t1)
    t_span = operand(t_span) if isinstance(t_span, np.ndarray) else t_span
    if isinstance(t_span, Traced):
        t_span = [t_span[i] for i in range(len(t_span))]
    try:
        t0, t1 = t_span
    except (TypeError, ValueError):
        raise ValueError(f"t_span must be two times (t0, t1), not {t_span!r}") from None
    t0 = t0 if isinstance(t0, Traced) else float(t0)
    t1 = t1 if isinstance(t1, Traced) else float(t1)
    if not np.all(np.isfinite(raw(t0))) or np.any(np.isnan(raw(t1))):
        raise ValueError(f"t_span must be two times, the first of them finite, not {t_span!r}")
    return t0, t1


def refuse_times(ts, t0: float, t1: float) -> None:
    """Say what is wrong with output times that the loop refused."""
    low, high = (t0, t1) if t0 <= t1 else (t1, t0)
    outside = ts[~((ts >= low) & (ts <= high))]
    if len(outside):
        raise ValueError(
            f"Values in `t_eval` are not within `t_span`: {outside[0]} is not in [{low}, {high}]"
        )
    steps = np.diff(ts) if t1 >= t0 else -np.diff(ts)
    if len(steps) and not steps.min() >= 0:
        k = int(np.argmin(steps))
        raise ValueError(
            f"Values in `t_eval` are not properly sorted: t_eval[{k}] = {ts[k]} comes before "
            f"t_eval[{k + 1}] = {ts[k + 1]}"
        )


def times_within(t_eval, t0: float, t1: float) -> np.ndarray:
    """Output times, checked."""
    ts = float_array(t_eval, "t_eval")
    if ts.ndim != 1:
        raise ValueError(f"t_eval must be one-dimensional, but has shape {ts.shape}")
    refuse_times(ts, t0, t1)
    return ts


def check_step_limits(rtol, atol, first_step, max_step, max_steps) -> None:
    """Refuse tolerances and limits of steps that make no sense."""
    if not (rtol.__class__ is atol.__class__ is float and rtol > 0.0 and atol >= 0.0):
        _check_tolerances(float_array(rtol, "rtol"), float_array(atol, "atol"))
    positive("max_step", max_step)
    if first_step is not None:
        positive("first_step", first_step)
    if max_steps is not None and not _compared(max_steps, 1):
        raise ValueError(f"max_steps must be at least 1, but is {max_steps!r}")


def _check_tolerances(rtol, atol) -> None:
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not np.all(value >= 0):
            raise ValueError(f"{name} must not be negative or NaN, but is {value}")
    if np.any((rtol == 0) & (atol == 0)):
        raise ValueError(
            "rtol and atol are both zero: no step is short enough for that; set one of them above zero"
        )


def positive(name: str, value) -> None:
    """Refuse what is no positive number."""
    if not _compared(value, 0) or value == 0:
        raise ValueError(f"{name} must be positive, but is {value!r}")


def _compared(value, least: float) -> bool:
    """Whether a value is a number, and not less."""
    try:
        return bool(value >= least)
    except (TypeError, ValueError):
        return False


def trial(fun, t, y, args, role: str = "the right-hand side"):
    """Call a model once in Python, so that a mistake in it is raised as Python raises it."""
    try:
        out = fun(t, y, *args)
    except TypeError as error:
        error.add_note("The model is called as fun(t, y, *args).")
        raise
    if out is None:
        raise ValueError(f"{role} returns nothing: is its `return` missing?")
    return out
