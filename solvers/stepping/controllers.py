"""Step-size controllers: kernels that see numbers, and the values a user passes to choose one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sciad.native.kernels import kernel
from sciad.solvers.stepping.linked_names import CONTROL_ORDER
from sciad.solvers.stepping.loop_state import (
    AFTER_REJECTION,
    BETA1,
    BETA2,
    BETA3,
    GROW,
    LAST_STEP,
    LOG1,
    LOG2,
    SAFETY,
    SHRINK,
)

__all__ = ["PI", "PID", "Controller", "I", "Predictive", "default", "keep", "pid", "predictive"]


@kernel
def pid(square, size, accepted, whole, real):
    """Next step size from the squared errors of the last three accepted steps.

    factor = safety e_n^-beta1 e_(n-1)^-beta2 e_(n-2)^-beta3 (G. Soederlind, Digital filters in adaptive
    time-stepping, ACM Trans. Math. Softw. 29 (2003)); in logarithms, so that one log and one exp serve all.
    """
    if not square < 1e300:  # overflow or NaN: nothing is known but that the step was too long
        return 0.1 * size
    log = math.log(max(square, 1e-20))
    if not accepted:
        return size * max(real[SHRINK], real[SAFETY] * math.exp(-0.5 * log / (CONTROL_ORDER + 1)))
    factor = real[SAFETY] * math.exp(
        -0.5 * (real[BETA1] * log + real[BETA2] * real[LOG1] + real[BETA3] * real[LOG2])
    )
    real[LOG2] = real[LOG1]
    real[LOG1] = max(log, -18.420680743952367)  # an error of 1e-4, as in Hairer's codes
    grow = 1.0 if whole[AFTER_REJECTION] != 0 else real[GROW]
    return size * min(grow, max(real[SHRINK], factor))


@kernel
def predictive(square, size, accepted, whole, real):
    """K. Gustafsson's predictive controller, as in Hairer & Wanner's RODAS (Solving ODEs II, IV.8.25).

    The change of the error from step to step is taken to go on:
    factor = min(e^(-1/q), (h / h_prev) (e_prev / e^2)^(1/q)) times safety, q = order of the estimate + 1.
    """
    if not square < 1e300:
        return 0.1 * size
    log = math.log(max(square, 1e-20))
    exponent = 0.5 / (CONTROL_ORDER + 1)
    factor = real[SAFETY] * math.exp(-exponent * log)
    if not accepted:
        return size * max(real[SHRINK], factor)
    if real[LAST_STEP] > 0.0:
        trend = size / real[LAST_STEP] * math.exp(exponent * (real[LOG1] - 2.0 * log))
        factor = min(factor, real[SAFETY] * trend)
    real[LAST_STEP] = size
    real[LOG1] = max(log, -9.210340371976182)  # an error of 1e-2, as in RODAS
    grow = 1.0 if whole[AFTER_REJECTION] != 0 else real[GROW]
    return size * min(grow, max(real[SHRINK], factor))


@kernel
def keep(square, size, accepted, whole, real):
    """A fixed step."""
    return size if square <= 1.0 else 0.0


@dataclass(frozen=True)
class Controller:
    """A kernel and its numbers.

    Parameters
    ----------
    kernel : kernel
        ``next = kernel(squared_error, size, accepted, whole, real)``.
    beta : tuple of three floats
        Exponents of the errors of this and the two previous steps, times 1 / (k + 1), k the order of the
        estimate.
    safety, shrink, grow : float
        next / size is safety times the factor, kept in [shrink, grow].
    """

    kernel: Callable
    beta: tuple[float, float, float] = (1.0, 0.0, 0.0)
    safety: float = 0.9
    shrink: float = 0.2
    grow: float = 10.0

    def write(self, real: np.ndarray, method: Any) -> None:
        """Put the numbers where the kernel reads them."""
        real[SAFETY], real[SHRINK], real[GROW] = self.safety, self.shrink, self.grow
        real[BETA1 : BETA3 + 1] = np.array(self.beta) / (method.control_order + 1)
        real[LOG1] = real[LOG2] = -18.420680743952367


def default(method) -> Controller:
    """The controller a method is used with unless the user says otherwise."""
    if not method.adaptive:
        return Controller(keep)
    if method.implicit:
        return Controller(predictive, grow=6.0)
    # Hairer's DOPRI5: exponents 0.17 and 0.04 for order five.
    return Controller(pid, beta=(0.85, -0.2, 0.0))


def I(**limits) -> Controller:  # noqa: E743
    """Integral controller: factor e_n^(-1/k)."""
    return Controller(pid, beta=(1.0, 0.0, 0.0), **limits)


def PI(proportional: float = 0.7, integral: float = 0.4, **limits) -> Controller:
    """Proportional-integral controller: e_n^(-proportional/k) e_(n-1)^(integral/k) (K. Gustafsson, 1991)."""
    return Controller(pid, beta=(proportional, -integral, 0.0), **limits)


def PID(beta1: float = 1 / 18, beta2: float = 1 / 9, beta3: float = 1 / 18, **limits) -> Controller:
    """Filter over three errors, exponents in units of 1/k; by default H312PID, which gives the smoothest
    steps.

    G. Soederlind, Digital filters in adaptive time-stepping, ACM Trans. Math. Softw. 29 (2003).
    """
    return Controller(pid, beta=(beta1, beta2, beta3), **limits)


def Predictive(**limits) -> Controller:
    """Gustafsson's predictive controller, the default of Rosenbrock methods."""
    return Controller(predictive, **limits)
