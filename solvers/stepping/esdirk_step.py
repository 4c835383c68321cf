"""One attempted step of an ESDIRK method, as kernels: modified Newton that keeps its matrix while it serves.

Rows of ``z`` besides those of every method: the K_i, and in row ``STAGES`` f(t + h, y1), the first K of the
next step. Memory in ``scratch``, from ``whole[LINEAR_ALGEBRA]`` on: J, the factors of W = I / (gamma h) - J,
the identity as the algebra wants it, then the numbers below.
"""

from __future__ import annotations

import math

from sciad.native.kernels import apart, kernel
from sciad.native.runtime import combine, row, unroll, view
from sciad.solvers.linear.linked_systems import system_factor, system_jacobian, system_solve
from sciad.solvers.linear.lu_kernels import FACTOR_SIZE, JACOBIAN_SIZE, MASS_SIZE
from sciad.solvers.stepping.linked_names import (
    ATOL,
    BEFORE,
    ESTIMATE,
    GAMMA,
    RTOL,
    SLOPE,
    STAGES,
    Y1,
    C,
    N,
    U,
    Y,
    call_rhs,
)
from sciad.solvers.stepping.loop_state import (
    FRESH,
    HAVE_FACTORS,
    HAVE_JACOBIAN,
    LINEAR_ALGEBRA,
    NFEV,
    NJEV,
    NLU,
    RAISED,
    SIZE,
)

__all__ = ["OWN", "esdirk_attempt", "esdirk_begin", "esdirk_close", "esdirk_complete", "esdirk_error_of"]

OWN = 4  # numbers of our own:
SHIFT = 0  # 1 / (gamma h) of the factors
RATE = 1  # slowest convergence of Newton's method in the last attempt
ETA = 2  # its last estimate of theta / (1 - theta), see `newton`

KAPPA = 0.01  # error of a stage, in units of the tolerance
FINEST = 2e-12  # relative tolerance that rounding allows Newton's method to be held to
ITERATIONS = 10
DRIFT = 0.3  # relative change of the step size up to which factors are used again
SLOW = 0.3  # rate of convergence from which on J is evaluated anew in the next step


@kernel
def esdirk_begin(model, t, z, p, whole, scratch):
    """The first stage is the last one of the step before."""
    n = N if N > 0 else whole[SIZE]
    for k in range(n):
        z[0, k] = z[STAGES, k]
    whole[FRESH] = 0
    return 0


@kernel
def esdirk_attempt(model, t, h, z, p, whole, scratch):
    """Try a step from (t, z[Y]); the new state goes to z[Y1]. Returns the mean squared scaled error,
    maybe not finite.
    """
    n = N if N > 0 else whole[SIZE]
    at = whole[LINEAR_ALGEBRA]
    jacobian = view(scratch, at, model[JACOBIAN_SIZE])
    at += model[JACOBIAN_SIZE]
    factors = view(scratch, at, model[FACTOR_SIZE])
    at += model[FACTOR_SIZE]
    mass = view(scratch, at, model[MASS_SIZE])
    own = view(scratch, at + model[MASS_SIZE], OWN)
    shift = 1.0 / (GAMMA * h)
    if whole[HAVE_FACTORS] != 0 and abs(shift / own[SHIFT] - 1.0) > DRIFT:
        whole[HAVE_FACTORS] = 0
    while True:
        if whole[HAVE_JACOBIAN] == 0:
            status = system_jacobian(model, n, t, row(z, Y), p, jacobian, row(z, U), scratch)
            whole[NJEV] += 1
            if status != 0:
                whole[RAISED] = status
                return 0.0
            whole[HAVE_JACOBIAN] = 1
            whole[FRESH] = 1
            whole[HAVE_FACTORS] = 0
        if whole[HAVE_FACTORS] == 0:
            whole[NLU] += 1
            if system_factor(model, n, shift, jacobian, mass, factors) != 0:
                whole[HAVE_JACOBIAN] = 0
                return 1e305
            whole[HAVE_FACTORS] = 1
            own[SHIFT] = shift
            own[ETA] = 1.0
        own[RATE] = 0.0
        converged = True
        for i in unroll(range(1, STAGES)):
            if converged:
                for k in range(n):
                    z[Y1, k] = z[Y, k] + h * combine(BEFORE[i], z, k)
                    z[U, k] = z[Y1, k] + GAMMA * h * z[i - 1, k]
                converged = newton(model, i, t + C[i] * h, shift, z, p, whole, scratch, factors, own)
                if whole[RAISED] != 0:
                    return 0.0
        if converged:
            break
        # Newton's method again with what can be renewed; if nothing can, the step is too long.
        if own[SHIFT] == shift:
            if whole[FRESH] != 0:
                whole[HAVE_FACTORS] = 0
                return 1e305
            whole[HAVE_JACOBIAN] = 0
        whole[HAVE_FACTORS] = 0
    if own[RATE] > SLOW and whole[FRESH] == 0:
        whole[HAVE_JACOBIAN] = 0
    for k in range(n):
        z[Y1, k] = z[U, k]
        z[STAGES, k] = z[STAGES - 1, k]
        z[SLOPE, k] = own[SHIFT] * h * combine(ESTIMATE, z, k)
    # Filtered by W, the estimate is bounded for stiff components (L. F. Shampine, ACM TOMS 6 (1980)).
    system_solve(model, n, factors, row(z, SLOPE))
    square = 0.0
    for k in range(n):
        scale = z[ATOL, k] + z[RTOL, k] * max(abs(z[Y, k]), abs(z[Y1, k]))
        square += (z[SLOPE, k] / scale) ** 2
    return square / n


@apart
def newton(model, i, t, shift, z, p, whole, scratch, factors, own):
    """Solve Y = base + K / shift, K = f(t, Y) for Y, in z[U], and K, in z[i], by modified Newton
    iterations; the base is in z[Y1]. Returns whether they converged.

    With theta the ratio of successive increments, theta / (1 - theta) times the last one bounds the error
    that is left (Hairer & Wanner, Solving ODEs II, IV.8).
    """
    n = N if N > 0 else whole[SIZE]
    # Factors of another step size: the mean of what suits stiff and slow components.
    relax = 2.0 / (1.0 + shift / own[SHIFT])
    eta = max(own[ETA], 1e-16) ** 0.8
    last = 0.0
    converged = False
    for q in range(ITERATIONS):
        status = call_rhs(model[0], (t, row(z, U), p, row(z, i), scratch))
        whole[NFEV] += 1
        if status != 0:
            whole[RAISED] = status
            return False
        for k in range(n):
            z[SLOPE, k] = z[i, k] - shift * (z[U, k] - z[Y1, k])
        system_solve(model, n, factors, row(z, SLOPE))
        square = 0.0
        for k in range(n):
            change = relax * z[SLOPE, k]
            z[U, k] += change
            square += (change / (z[ATOL, k] + max(z[RTOL, k], FINEST) * abs(z[U, k]))) ** 2
        size = math.sqrt(square / n)
        if not size < 1e150:
            return False
        if q > 0:
            theta = size / last if last > 0.0 else 0.0
            own[RATE] = max(own[RATE], theta)
            if theta >= 0.9:
                return False
            eta = theta / (1.0 - theta)
            left = eta * size * theta ** (ITERATIONS - 2 - q)
            if left > KAPPA and q < ITERATIONS - 1:
                return False
        if eta * size <= KAPPA:
            converged = True
            break
        last = size
    own[ETA] = eta
    if converged:
        for k in range(n):
            z[i, k] = shift * (z[U, k] - z[Y1, k])
    return converged


@kernel
def esdirk_error_of(z, h, k):
    """Component k of the embedded error, filtered."""
    return z[SLOPE, k]


@kernel
def esdirk_close(model, t, z, p, whole, scratch):
    """f at the start of the solve, or where the state was changed."""
    status = call_rhs(model[0], (t, row(z, Y1), p, row(z, STAGES), scratch))
    whole[NFEV] += 1
    whole[RAISED] = status
    return status


@kernel
def esdirk_complete(model, t, h, z, p, whole, scratch):
    """The dense output needs nothing more."""
    return 0
