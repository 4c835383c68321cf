"""Complex initial values: the same solve over real and imaginary parts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sciad.solvers.methods.names import method_named

__all__ = ["solve_complex"]


def solve_complex(
    solve_ivp: Callable, fun: Callable, y0: np.ndarray, args: tuple, events, tolerances: dict, **options
):
    """``solve_ivp`` for complex y0. The right-hand side is called in Python; derivatives are not
    available.
    """
    if options.pop("mass_matrix") is not None:
        raise ValueError(
            "complex y0 cannot have a mass_matrix: solve for the real and imaginary parts instead"
        )
    if method_named(options["method"]).implicit:
        raise ValueError(f"complex y0 needs an explicit method, not {options['method']!r}")
    shape = y0.shape
    y0 = np.ascontiguousarray(y0, dtype=complex).reshape(-1)

    def as_complex(y):
        return np.ascontiguousarray(y).view(complex).reshape(shape)

    def real_fun(t, y):
        return np.ascontiguousarray(fun(t, as_complex(y), *args), dtype=complex).reshape(-1).view(float)

    real_fun.interpreted = True
    watched = None if events is None else [_event(e, as_complex, args) for e in _sequence(events)]
    tolerances = {k: v if np.ndim(v) == 0 else np.repeat(np.ravel(v), 2) for k, v in tolerances.items()}
    solution = solve_ivp(real_fun, y0=y0.view(float), events=watched, **tolerances, **options)
    solution.y = _join(solution.y).reshape(*shape, -1)
    if solution.sol is not None:
        solution.sol = _ComplexOutput(solution.sol, shape)
    if solution.y_events is not None:
        solution.y_events = [np.array([as_complex(y) for y in ys]) for ys in solution.y_events]
    return solution


def _join(y):
    """Rows of real and imaginary parts in turn, put together."""
    return y[0::2] + 1j * y[1::2]


def _sequence(events):
    return (events,) if callable(events) else events


def _event(event, as_complex, args):
    def watched(t, y):
        return event(t, as_complex(y), *args)

    for name in ("terminal", "direction"):
        if hasattr(event, name):
            setattr(watched, name, getattr(event, name))
    if getattr(event, "apply", None) is not None:
        watched.apply = _apply(event.apply, as_complex, args)
    return watched


def _apply(apply, as_complex, args):
    def changed(t, y):
        result = apply(t, as_complex(y), *args)
        if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], tuple):
            raise ValueError("apply cannot change args where y0 is complex: return the state only")
        return None if result is None else np.ascontiguousarray(result, dtype=complex).reshape(-1).view(float)

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
