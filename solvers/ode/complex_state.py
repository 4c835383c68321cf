"""Complex initial values: the same solve over real and imaginary parts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sciad.eager.traced import Traced, operand
from sciad.solvers.methods.names import method_named
from sciad.solvers.warn import warn_interpreted

__all__ = ["solve_complex"]


def solve_complex(
    solve_ivp: Callable, fun: Callable, y0: np.ndarray, args: tuple, events, tolerances: dict, **options
):
    """``solve_ivp`` for complex y0. The right-hand side is called in Python, with a warning."""
    if options.pop("mass_matrix") is not None:
        raise ValueError(
            "complex y0 cannot have a mass_matrix: solve for the real and imaginary parts instead"
        )
    if method_named(options["method"]).implicit:
        raise ValueError(f"complex y0 needs an explicit method, not {options['method']!r}")
    warn_interpreted(
        f"the right-hand side {getattr(fun, '__name__', fun)!r}",
        "Complex y0: write real and imaginary parts as numbers of a real y0 to have it compiled",
    )
    shape = np.shape(y0)

    def as_complex(y):
        return (
            _join(y).reshape(shape)
            if isinstance(y, Traced)
            else np.ascontiguousarray(y).view(complex).reshape(shape)
        )

    def real_fun(t, y, *args):
        return _parts(fun(t, as_complex(y), *args))

    real_fun.interpreted = True
    watched = None if events is None else [_event(e, as_complex) for e in _sequence(events)]
    tolerances = {k: v if np.ndim(v) == 0 else np.repeat(np.ravel(v), 2) for k, v in tolerances.items()}
    solution = solve_ivp(real_fun, y0=_parts(y0), args=args, events=watched, **tolerances, **options)
    solution.y = np.reshape(_join(solution.y), (*shape, np.shape(solution.y)[-1]))
    if solution.sol is not None:
        solution.sol = _ComplexOutput(solution.sol, shape)
    if solution.y_events is not None:
        solution.y_events = [
            np.stack([as_complex(y) for y in ys]) if len(ys) else np.empty((0, *shape), complex)
            for ys in solution.y_events
        ]
    return solution


def _join(y):
    """Rows of real and imaginary parts in turn, put together."""
    return y[0::2] + 1j * y[1::2]


def _parts(z):
    """Real and imaginary parts in turn."""
    z = operand(z)
    if isinstance(z, Traced):
        return np.reshape(np.stack([np.real(z), np.imag(z)], axis=-1), (-1,))
    found = np.asarray(z)
    if found.dtype == object:  # a list of traced values
        return _parts(np.stack([*found.ravel()]))
    return np.array(found, dtype=complex).reshape(-1).view(float)


def _sequence(events):
    return (events,) if callable(events) else events


def _event(event, as_complex):
    def watched(t, y, *args):
        return event(t, as_complex(y), *args)

    for name in ("terminal", "direction", "samples"):
        if hasattr(event, name):
            setattr(watched, name, getattr(event, name))
    if getattr(event, "apply", None) is not None:
        watched.apply = _apply(event.apply, as_complex)
    return watched


def _apply(apply, as_complex):
    def changed(t, y, *args):
        result = apply(t, as_complex(y), *args)
        if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], tuple):
            raise ValueError("apply cannot change args where y0 is complex: return the state only")
        return None if result is None else _parts(result)

    return changed


class _ComplexOutput:
    """Dense output of the parts, as complex numbers."""

    def __init__(self, parts, shape):
        self.parts, self.shape, self.ts = parts, shape, parts.ts

    def __call__(self, t):
        y = _join(self.parts(t))
        return y.reshape(self.shape if np.ndim(t) == 0 else (*self.shape, -1))

    def derivative(self, t):
        y = _join(self.parts.derivative(t))
        return y.reshape(self.shape if np.ndim(t) == 0 else (*self.shape, -1))
