"""Steps that are short enough for derivatives, too: kernels that watch over a solve to be differentiated.

The error estimate of a step says nothing of the derivative where the solution does not move (an equilibrium)
or moves along slow modes only: steps grow, and the derivative of the computed solution is that of a few
enormous, inaccurate or unstable steps. So where the estimate is silent a step is taken a second time from a
state and with parameters that are a little moved along one tangent of the solve, in a pseudo-random direction
of the initial values and parameters. The difference of the two embedded errors is the error of that tangent,
and takes part in the error test, relative to the size of the tangent. Explicit methods are also kept within
their stability limit over the spectral radius of the Jacobian, which a power iteration follows.
Where neither has anything to say the steps are those of the plain solve, to the last bit.

The state of the moved step is a second one like that of the loop: ``moved_whole``, ``moved``, ``spare``.
"""

from __future__ import annotations

import math

from sciad.native.kernels import cold, kernel
from sciad.native.runtime import row, view
from sciad.solvers.stepping.linked_names import (
    ALL_ROWS,
    ATOL,
    CLOSING,
    INEXACT,
    RTOL,
    STABILITY,
    Y1,
    N,
    U,
    Y,
    attempt,
    begin,
    call_rhs,
    carry,
    close,
    damping_of,
    error_of,
)
from sciad.solvers.stepping.loop_state import (
    BOUND,
    BOUND_STEPS,
    END,
    GROWTH,
    HAVE_JACOBIAN,
    LINEAR_ALGEBRA,
    LOOKED,
    MASS,
    NFEV,
    NJEV,
    NLU,
    PEAK,
    RAISED,
    SETTLING,
    SHARE,
    SINCE,
    SIZE,
    STEP,
    SWITCHING,
    TANGENT_STARTED,
    WATCHED,
)

__all__ = [
    "OWN_ROWS",
    "after_step",
    "bounded",
    "fastest_due",
    "tangent_decides",
    "tangent_due",
    "tangent_error",
]

# Rows of the moved state behind those of the loop
TANGENT = 0  # dy along the direction, at the start of the step
ENDS = 1  # and at its end
FAST = 2  # vector of the power iteration
PLAIN_ERROR = 3  # embedded error and end of the step that is not moved
PLAIN_END = 4
OWN_ROWS = 5

MOVE = 1e-5  # by how much the state is moved, in units of its size
SLACK = 20.0  # how much more than that of the solution the relative error of the tangent may be
FINEST = 1e-9  # relative tolerance that rounding of differences allows the tangent to be held to
FLOOR = 1e-5  # share of its largest size under which a tangent no longer matters
SILENT = 1e-4  # squared error under which the estimate of a step says nothing
MOST_TRIES = 6  # of one step
SHORT = 0.01  # share of the solve within which what decays need not be resolved, where stability does not ask
SETTLED = 2  # steps that a tangent carried over others by implicit methods takes to lie among the slow ones
LONGEST = 8  # steps between two looks at the fastest mode
SAFETY = 0.9  # of the stability limit
BLOCKED = 15  # steps limited by stability after which a method that watches itself gives up


@kernel
def tangent_due(square, whole):
    """Whether a step with this squared error is to be looked at: its own estimate says nothing."""
    return square < SILENT and whole[MASS] == 0


@kernel
def tangent_decides(square, tries, whole):
    """Whether a step may be rejected for the sake of the tangent alone.

    Not where the tangent has just been carried over other steps by a crude method and the solution itself
    limits the step, and not again and again.
    """
    return tries <= MOST_TRIES and (whole[SETTLING] == 0 or square < SILENT)


@cold
def scatter_of(k):
    """A pseudo-random number in [0, 1) that belongs to k."""
    x = math.sin(k * 12.9898 + 78.233) * 43758.5453
    return x - math.floor(x)


@cold
def size_of(z, j, k):
    """What a change of component k is large or small against."""
    rtol = z[RTOL, k]
    atol = z[ATOL, k]
    size = abs(z[j, k])
    if rtol > 0.0:
        size += min(atol / rtol, max(1.0, 1000.0 * atol))
    elif size == 0.0:
        size = atol
    return size if size > 0.0 else 1.0


@cold
def start_tangent(n, z, real, whole, moved):
    """The direction: all components and parameters upwards, by different shares of their sizes, so that
    what must not be negative is not.
    """
    whole[TANGENT_STARTED] = 1
    real[SHARE] = 1.0
    real[PEAK] = 0.0
    real[GROWTH] = 0.0
    for k in range(n):
        moved[ALL_ROWS + TANGENT, k] = (0.5 + scatter_of(k)) * size_of(z, Y, k)
        moved[ALL_ROWS + FAST, k] = (scatter_of(k + 0.5) - 0.5) * size_of(z, Y, k)
        moved[RTOL, k] = z[RTOL, k] * (1e-6 if INEXACT else 1.0)
        moved[ATOL, k] = z[ATOL, k] * (1e-6 if INEXACT else 1.0)


@kernel
def refresh_tangent(model, n, t, time, z, p, real, whole, moved, spare):
    """Carry the tangent over some time that ends at t."""
    if STABILITY > 0.0 or not abs(time) < 1e300 or time == 0.0:
        return
    forcing = row(moved, ALL_ROWS + ENDS)
    status = call_rhs(model[0], (t, row(z, Y), p, row(moved, Y), spare))
    if status == 0:
        shifted = moved_parameters(n, MOVE, p, real, spare)
        status = call_rhs(model[0], (t, row(z, Y), shifted, forcing, spare))
    whole[NFEV] += 2
    if status != 0:
        return
    for k in range(n):
        forcing[k] = (forcing[k] - moved[Y, k]) / MOVE
    tangent = row(moved, ALL_ROWS + TANGENT)
    carry(model, n, t, time, whole[LINEAR_ALGEBRA], row(z, Y), tangent, forcing, moved, spare, p)
    whole[NJEV] += 1
    whole[NLU] += 1


@cold
def moved_parameters(n, step, p, real, spare):
    """The parameters, moved by ``step`` times the direction."""
    m = p.shape[0]
    shifted = view(spare, spare.shape[0] - m, m)
    for i in range(m):
        size = abs(p[i]) if p[i] != 0.0 else 1.0
        shifted[i] = p[i] + step * real[SHARE] * (0.5 + scatter_of(n + i)) * size
    return shifted


@cold
def moved_attempt(model, t, h, step, z, p, real, whole, moved_whole, moved, spare):
    """Take the step of ``z`` again, moved by ``step`` times the tangent. Returns whether that went well."""
    n = N if N > 0 else whole[SIZE]
    shifted = moved_parameters(n, step, p, real, spare)
    for k in range(n):
        moved[Y, k] = z[Y, k] + step * moved[ALL_ROWS + TANGENT, k]
        moved[Y1, k] = moved[Y, k]
    moved_whole[RAISED] = 0
    status = close(model, t, moved, shifted, moved_whole, spare)
    if status == 0:
        status = begin(model, t, moved, shifted, moved_whole, spare)
    if status != 0:
        return False
    square = attempt(model, t, h, moved, shifted, moved_whole, spare)
    return moved_whole[RAISED] == 0 and square < 1e300


@cold
def tangent_error(model, t, h, first, z, p, real, whole, moved_whole, moved, spare):
    """The squared error of the tangent over the step just tried, for the ``first`` time or again, in units of
    what is allowed.

    Negative where nothing can be said: the model is not defined beside the solution.
    """
    n = N if N > 0 else whole[SIZE]
    if whole[TANGENT_STARTED] == 0:
        start_tangent(n, z, real, whole, moved)
        refresh_tangent(model, n, t, SHORT * (real[END] - t), z, p, real, whole, moved, spare)
    elif first and whole[SINCE] > 0:
        whole[SETTLING] = 0 if STABILITY > 0.0 else SETTLED
        refresh_tangent(model, n, t, t - real[LOOKED], z, p, real, whole, moved, spare)
    good = True
    if INEXACT:
        # What Newton's method leaves is more than the difference: both steps again, to the last digits.
        moved_whole[HAVE_JACOBIAN] = 0
        good = moved_attempt(model, t, h, 0.0, z, p, real, whole, moved_whole, moved, spare)
        for k in range(n):
            moved[ALL_ROWS + PLAIN_ERROR, k] = error_of(moved, h, k)
            moved[ALL_ROWS + PLAIN_END, k] = moved[Y1, k]
    if good:
        good = moved_attempt(model, t, h, MOVE, z, p, real, whole, moved_whole, moved, spare)
    whole[NFEV] += moved_whole[NFEV]
    whole[NJEV] += moved_whole[NJEV]
    whole[NLU] += moved_whole[NLU]
    moved_whole[NFEV] = 0
    moved_whole[NJEV] = 0
    moved_whole[NLU] = 0
    if not good:
        return -1.0
    before = 0.0
    after = 0.0
    error = 0.0
    damping = 0.0
    largest = 0.0
    for k in range(n):
        size = size_of(z, Y, k)
        largest = max(largest, z[RTOL, k])
        if INEXACT:
            change = error_of(moved, h, k) - moved[ALL_ROWS + PLAIN_ERROR, k]
            end = moved[Y1, k] - moved[ALL_ROWS + PLAIN_END, k]
        else:
            change = error_of(moved, h, k) - error_of(z, h, k)
            end = moved[Y1, k] - z[Y1, k]
        moved[ALL_ROWS + ENDS, k] = end / MOVE
        before += (moved[ALL_ROWS + TANGENT, k] / size) ** 2
        after += (end / (MOVE * size)) ** 2
        error += (change / (MOVE * size)) ** 2
        damping += ((damping_of(moved, h, k) - damping_of(z, h, k)) / (MOVE * size)) ** 2
    if not (after < 1e300 and error < 1e300):
        return 1e300
    if damping > 0.0:
        error = error * error / (error + 0.01 * damping)
    allowed = SLACK * max(largest if largest > 0.0 else 1e-6, FINEST)
    scale = math.sqrt(max(before, after) / n) + FLOOR * real[PEAK] * real[SHARE]
    return error / n / (allowed * scale) ** 2 if scale > 0.0 else 0.0


@cold
def after_step(model, t, tries, found, square, z, p, real, whole, moved, spare):
    """After a step, looked at or not: carry on what is watched."""
    if tries > 0:
        tangent_passed(found, square, z, real, whole, moved, t)
        if whole[TANGENT_STARTED] == 0 or STABILITY == 0.0:
            return
    elif whole[TANGENT_STARTED] == 0:
        start_tangent(N if N > 0 else whole[SIZE], z, real, whole, moved)
    follow_fastest(model, t, z, p, real, whole, moved, spare)


@kernel
def tangent_passed(found, square, z, real, whole, moved, t):
    """After a step that was looked at: carry the tangent on."""
    n = N if N > 0 else whole[SIZE]
    whole[SINCE] = 0
    real[LOOKED] = t
    if found > 1e-4 and found > 30.0 * square:
        whole[SETTLING] = max(whole[SETTLING] - 1, 0)
    if found < 0.0 or found >= 1e300:
        whole[TANGENT_STARTED] = 0
        return
    total = 0.0
    for k in range(n):
        total += (moved[ALL_ROWS + ENDS, k] / size_of(z, Y1, k)) ** 2
    size = math.sqrt(total / n)
    if size > 0.0:
        real[PEAK] = max(real[PEAK], size / real[SHARE])
        factor = 1.0 / max(size, real[SHARE])
        for k in range(n):
            moved[ALL_ROWS + TANGENT, k] = moved[ALL_ROWS + ENDS, k] * factor
        real[SHARE] = max(real[SHARE] * factor, 1e-100)


@kernel
def follow_fastest(model, t, z, p, real, whole, moved, spare):
    """One step of the power iteration, and the bound that it gives."""
    n = N if N > 0 else whole[SIZE]
    total = 0.0
    for k in range(n):
        total += (moved[ALL_ROWS + FAST, k] / size_of(z, Y1, k)) ** 2
    if not (total > 0.0 and total < 1e300):
        real[GROWTH] = 0.0
        total = 0.0
        for k in range(n):
            moved[ALL_ROWS + FAST, k] = (scatter_of(k + 0.5) - 0.5) * size_of(z, Y1, k)
            total += (moved[ALL_ROWS + FAST, k] / size_of(z, Y1, k)) ** 2
    factor = MOVE / math.sqrt(total / n)
    for k in range(n):
        moved[U, k] = z[Y1, k] + factor * moved[ALL_ROWS + FAST, k]
    status = call_rhs(model[0], (t, row(moved, U), p, row(moved, Y), spare))
    whole[NFEV] += 1
    if status != 0:
        return  # beside the solution the model may be undefined
    total = 0.0
    for k in range(n):
        moved[ALL_ROWS + FAST, k] = (moved[Y, k] - z[CLOSING, k]) / MOVE
        total += (moved[ALL_ROWS + FAST, k] / size_of(z, Y1, k)) ** 2
    growth = math.sqrt(total / n)
    # Norms of one product with J say little where units differ; of two in a row their mean does.
    radius = math.sqrt(growth * real[GROWTH])
    real[GROWTH] = growth
    real[BOUND] = SAFETY * STABILITY / radius if radius > 0.0 and radius < 1e300 else 1e300


@kernel
def fastest_due(whole):
    """Whether the bound of explicit methods is to be found anew after a step that was not looked at."""
    return STABILITY > 0.0 and whole[MASS] == 0 and (whole[SINCE] < 4 or whole[SINCE] % LONGEST == 0)


@kernel
def bounded(size, whole, real):
    """The size of the next step within the stability limit."""
    if STABILITY > 0.0 and size > real[BOUND]:
        whole[BOUND_STEPS] += 1
        if whole[BOUND_STEPS] == BLOCKED and whole[WATCHED] != 0:
            whole[SWITCHING] = 1
        real[STEP] = real[BOUND]
        return real[BOUND]
    whole[BOUND_STEPS] = 0
    return size
