"""Checks of what `solve_sde` is given, beyond those that it shares with `solve_ivp`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sciad.eager.traced import Traced, is_traced, raw
from sciad.errors import NotDifferentiable
from sciad.solvers.model.arguments import check_step_limits, positive, time_span, times_within
from sciad.solvers.sde.brownian import AREAS, SNAP, BrownianMotion
from sciad.solvers.sde.stochastic_methods import ITO, NOISES, STRATONOVICH, Method, stochastic_method

__all__ = [
    "StepChoice", "brownian_motion", "check_counts", "forward_span", "increasing_times", "method_for",
    "one_of_batch", "refuse_derivatives",
]  # fmt: skip

MOST_STEPS = 1e9


def refuse_derivatives(**options) -> None:
    """Refuse numbers that are being differentiated where there is no derivative."""
    for name, value in options.items():
        parts = value if isinstance(value, list | tuple) else (value,)
        if any(map(is_traced, parts)):
            why = "a Brownian path has no derivative in time" if name[0] == "t" else "steps are held constant"
            raise NotDifferentiable(
                f"{name} of a stochastic equation cannot be differentiated: {why}; "
                f"give ad.stop_gradient({name}) where it is meant as a constant"
            )


def forward_span(t_span) -> tuple[float, float]:
    """Start and end of a solve, which runs forwards."""
    t0, t1 = time_span(t_span)
    if not (math.isfinite(t1) and t1 > t0):
        raise ValueError(f"t_span = ({t0}, {t1}) must be finite and increase: stochastic solves run forwards")
    return t0, t1


@dataclass(frozen=True)
class StepChoice:
    """How long steps are: `dt`, or what the tolerances make them.

    Attributes
    ----------
    dt : float or None
    rtol, atol, first_step, max_step : float
    max_steps : int
    """

    dt: float | None
    rtol: float
    atol: float
    first_step: float
    max_step: float
    max_steps: int

    @property
    def adaptive(self) -> bool:
        return self.dt is None

    @classmethod
    def checked(cls, span, dt, rtol, atol, first_step, max_step, max_steps) -> StepChoice:
        """From the arguments of `solve_sde`."""
        t0, t1 = span
        adaptive = rtol is not None or atol is not None
        rtol, atol = 1e-3 if rtol is None else rtol, 1e-6 if atol is None else atol
        for name, value in (("rtol", rtol), ("atol", atol)):
            if value.__class__ is not float and np.ndim(value):
                raise ValueError(f"{name} has shape {np.shape(value)}: give one number")
        check_step_limits(rtol, atol, first_step, max_step, max_steps)
        if dt is not None:
            positive("dt", dt)
            if not math.isfinite(dt):
                raise ValueError(f"dt must be finite, but is {dt!r}")
        if adaptive == (dt is not None):
            raise ValueError("give either dt (fixed steps) or rtol and atol (adaptive steps)")
        if dt is not None and (t1 - t0) / dt > MOST_STEPS:
            raise ValueError(
                f"dt = {dt} makes {(t1 - t0) / dt:.3g} steps of t_span ({t0}, {t1}); that is too many"
            )
        first = (t1 - t0) / 100 if first_step is None else float(first_step)
        return cls(
            None if dt is None else float(dt), float(rtol), float(atol), first, float(max_step), max_steps
        )


def check_counts(**counts) -> None:
    """Refuse what is no positive integer, and not None."""
    for name, value in counts.items():
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if value is not None and not (whole and value > 0):
            raise ValueError(f"{name} = {value!r} must be a positive integer")


def method_for(method, noise, calculus, adaptive: bool) -> Method:
    """The method, where it is one for this noise, calculus and kind of steps."""
    if noise not in NOISES:
        raise ValueError(f"noise = {noise!r} is not one of {', '.join(NOISES)}")
    if calculus not in (ITO, STRATONOVICH):
        raise ValueError(f'calculus = {calculus!r} is not one of "ito", "stratonovich"')
    if isinstance(method, str) and method == "auto":
        if calculus == STRATONOVICH and noise != "additive":
            method = "Heun"
        else:
            method = {"additive": "SRA1", "general": "EulerMaruyama"}.get(noise, "SRIW1")
    method = stochastic_method(method)
    if noise not in method.noises:
        raise ValueError(
            f"{method.name} is for {' and '.join(method.noises)} noise, not for {noise} noise; "
            f"for that take EulerMaruyama (Ito) or Heun (Stratonovich)"
        )
    if method.calculus != calculus and noise != "additive":
        other = "Heun, Midpoint or EulerHeun" if calculus == STRATONOVICH else "EulerMaruyama or SRIW1"
        raise ValueError(
            f"{method.name} solves in the sense of {method.calculus.capitalize()}, and calculus = "
            f"{calculus!r}: take {other}, or state the equation in the other sense (the drifts differ by "
            "half the derivative of the diffusion along itself)"
        )
    if adaptive and method.embedded is None:
        raise ValueError(
            f"{method.name} has no error estimate: give dt, or take SRA1, SRA3, SRIW1 "
            f"or SOSRI for adaptive steps"
        )
    return method


def brownian_motion(brownian, seed, span, dt, noise_shape, paths) -> BrownianMotion:
    """The motion given, if it is one for this solve, or one of the seed."""
    t0, t1 = span
    if brownian is None:
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
        return BrownianMotion(span, noise_shape, seed, min(dt, t1 - t0) if dt else None)
    if seed is not None:
        raise ValueError("give seed or brownian, not both: the Brownian motion has a seed of its own")
    if not isinstance(brownian, BrownianMotion):
        raise ValueError(
            f"brownian = {brownian!r:.60} is not a BrownianMotion; for given increments make one with "
            f"BrownianMotion(t_span, shape, increments=...)"
        )
    given = brownian.table.shape[0]
    if brownian.table.shape[1] and 1 < given < (paths or 1):
        raise ValueError(f"the Brownian motion has the increments of {given} paths, and paths = {paths}")
    if brownian.size != math.prod(noise_shape):
        raise ValueError(
            f"the equation has noise of shape {noise_shape}, the Brownian motion given has {brownian.shape}"
        )
    slack = SNAP * brownian.dt
    if t0 < brownian.start - slack or t1 > brownian.stop + slack:
        raise ValueError(
            f"t_span ({t0}, {t1}) leaves the span ({brownian.start}, {brownian.stop}) of the Brownian motion"
        )
    return brownian


def check_areas(method: Method, dt, span, brownian: BrownianMotion) -> None:
    """Refuse steps shorter than the leaves that Levy areas are made of."""
    if method.noise == AREAS and min(dt, span[1] - span[0]) < brownian.leaf * (1 - 1e-9):
        raise ValueError(
            f"dt = {dt} is shorter than {brownian.leaf:.6g}, to which the Brownian motion given resolves "
            f"Levy areas: make it with dt = {dt} or less"
        )


def increasing_times(t_eval, span) -> np.ndarray | None:
    """The output times, which increase strictly."""
    if t_eval is None:
        return None
    ts = times_within(t_eval, *span)
    if not ts.size:
        raise ValueError("t_eval holds no times")
    if np.any(same := ts[1:] == ts[:-1]):
        k = int(np.argmax(same))
        raise ValueError(f"t_eval[{k}] = {ts[k]} is given twice")
    return ts


def one_of_batch(x):
    """A plain value of the shape that a traced one has: of a batch the first."""
    if not isinstance(x, Traced):
        return x
    plain = raw(x)
    for _ in range(np.ndim(plain) - x.ndim):
        plain = plain[0]
    return plain
