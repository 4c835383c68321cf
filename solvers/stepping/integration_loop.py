"""The integration loop: one kernel for every method, resumable at each step boundary.

The linker puts in the method's family, the step controller and the constants of the tableau, see
``linked_names``. Rows of ``z``: the stages (``ROWS`` of them), then ``Y`` (start of the step), ``Y1`` (its
end), ``U`` (argument of a stage), and ``DENSE_ROWS`` rows from ``D`` on, the vectors of the dense output
(``sciad.solvers.stepping.dense_output``).
"""

from __future__ import annotations

import math

from sciad.native.kernels import cold, kernel
from sciad.native.runtime import call, polled, row, stack_f64, view
from sciad.solvers.linear.lu_kernels import JACOBIAN_SIZE, KEPT_SIZE
from sciad.solvers.stepping.dense_output import prepare_vectors, value_at
from sciad.solvers.stepping.linked_names import (
    ALL_ROWS,
    ATOL,
    CLOSED,
    CLOSING,
    CONTROL_ORDER,
    FACTORED,
    GUARDED,
    OPENING,
    ROWS,
    RTOL,
    STAGES,
    STIFFNESS_TEST,
    SWITCHED,
    Y1,
    D,
    N,
    U,
    Y,
    attempt,
    begin,
    call_rhs,
    close,
    complete,
    propose,
)
from sciad.solvers.stepping.loop_state import (
    ACCEPTED,
    AFTER_REJECTION,
    AT_STOP,
    BAD_TIMES,
    BUDGET,
    BUDGET_SPENT,
    CROSSED,
    DENSE_ALWAYS,
    DENSE_DONE,
    DIRECTION,
    DONE,
    EASY_STEPS,
    END,
    END_IS_STOP,
    ERROR,
    EVENT,
    EVENTS,
    EXTRA_DONE,
    LARGEST,
    LENGTH,
    LIMIT,
    LINEAR_ALGEBRA,
    MAX_STEPS,
    MODEL_RAISED,
    NFEV,
    OUTPUT,
    PENDING,
    RAISED,
    REAL_SIZE,
    RECORD_FULL,
    RECORD_LEVEL,
    RECORDED,
    REJECTED,
    SINCE,
    SIZE,
    STARTED,
    STEP,
    STIFF_STEPS,
    STOP,
    SWITCH,
    SWITCH_ENTRY,
    SWITCHES,
    SWITCHING,
    T0,
    T1,
    TOO_MANY_STEPS,
    TOO_SMALL,
    WATCHED,
)
from sciad.solvers.stepping.tangent_control import (
    after_step,
    bounded,
    fastest_due,
    tangent_decides,
    tangent_due,
    tangent_error,
)

__all__ = ["GUARDED_SIGNATURE", "SIGNATURE", "beside", "run_guarded", "run_loop"]

EPSILON = 2.220446049250313e-16
SMALLEST = 5e-324

SIGNATURE = (
    "int64(int64[::1], int64[::1], float64[::1], float64[:,::1], float64[::1], float64[::1], float64[:,::1], "
    "float64[:,::1], float64[:,::1], float64[::1])"
)
GUARDED_SIGNATURE = SIGNATURE[:-1] + ", int64[::1], float64[:,::1], float64[::1])"


@kernel
def run_loop(model, whole, real, state, p, ts, out, place, record, scratch):
    """Go on from where ``whole``, ``real`` and ``state`` are until something has to be decided elsewhere.

    Parameters
    ----------
    model : addresses (compiled) or callables (interpreted) of f, its Jacobian and its pushforward
    whole, real : scalars of the state, see ``loop_state``; ``real`` ends with the times to hit exactly, in
        order, the last of which is the end
    state : (ALL_ROWS, n), rows as above
    p : flat parameters
    ts, out, place : output times (m,), outputs (m, n), and for each output the step and theta it lies at
        (m, 2)
    record : (capacity, width) accepted steps as rows [t, h, y, stages]
    scratch : workspace of the model and, behind it, of the linear algebra

    Returns
    -------
    code : int
        One of the codes in ``sciad.solvers.stepping.loop_state``.
    """
    return run_guarded(model, whole, real, state, p, ts, out, place, record, scratch, whole, state, scratch)


@kernel
def run_guarded(model, whole, real, state, p, ts, out, place, record, scratch, moved_whole, moved, spare):
    """The same with the state of steps beside the solution, see ``tangent_control``."""
    n = N if N > 0 else whole[SIZE]
    if whole[STARTED] == 0:
        code = started(model, real, state, p, whole, scratch, ts)
        if code != DONE:
            return code
    # A small state lives on the stack, where LLVM sees that nothing else points to it: it is passed to no
    # function that is not inlined.
    z = stack_f64(ALL_ROWS, N) if N > 0 else state
    if N > 0:
        for i in range(ALL_ROWS):
            for k in range(n):
                z[i, k] = state[i, k]
    code = advance(
        model, whole, real, z, state, p, ts, out, place, record, scratch, moved_whole, moved, spare
    )
    if N > 0:
        for i in range(ALL_ROWS):
            for k in range(n):
                state[i, k] = z[i, k]
    return code


@kernel
def advance(model, whole, real, z, state, p, ts, out, place, record, scratch, moved_whole, moved, spare):
    n = N if N > 0 else whole[SIZE]
    end = real[END]
    direction = real[DIRECTION]
    while True:
        if whole[PENDING] == 2:
            status = prepare_dense(model, real[T0], real[LENGTH], z, p, whole, scratch)
            if status != 0:
                return MODEL_RAISED
            whole[PENDING] = 1
            return EVENT
        if whole[PENDING] == 1:
            if whole[RECORD_LEVEL] > 0 and whole[RECORDED] == record.shape[0]:
                return RECORD_FULL
            status = deliver(model, real, z, p, whole, scratch, ts, out, place, record, direction)
            if status != 0:
                return MODEL_RAISED
            whole[PENDING] = 0
        t = real[T1]
        if (end - t) * direction <= 0.0:
            return DONE
        if whole[SWITCHING] != 0:
            return SWITCH
        if whole[BUDGET] == 0:
            return BUDGET_SPENT

        # A new step begins where the last one ended.
        stop = real[REAL_SIZE + whole[STOP]]
        for k in range(n):
            z[Y, k] = z[Y1, k]
        start = t
        if whole[AT_STOP] != 0:
            # Steps next to a stop are on their own side of it: the model may jump there.
            start = beside(t, direction)
            if not (stop - start) * direction > 0.0:
                start = t
            whole[RAISED] = 0
            status = close(model, start, z, p, whole, scratch)
            if status != 0:
                return MODEL_RAISED
        status = begin(model, start, z, p, whole, scratch)
        if status != 0:
            return MODEL_RAISED
        whole[EXTRA_DONE] = 0
        whole[DENSE_DONE] = 0
        stops = REAL_SIZE + whole[STOP] + 1 < real.shape[0] or whole[END_IS_STOP] != 0
        smallest = 10.0 * 2.220446049250313e-16 * abs(t) + 1e-322
        size = max(min(real[STEP], real[LARGEST]), smallest)
        if GUARDED:
            size = max(bounded(size, whole, real), smallest)
        tries = 0
        found = -2.0
        while True:
            if not size >= smallest:
                for k in range(n):
                    z[Y1, k] = z[Y, k]
                return TOO_SMALL
            if whole[MAX_STEPS] >= 0 and whole[ACCEPTED] + whole[REJECTED] >= whole[MAX_STEPS]:
                for k in range(n):
                    z[Y1, k] = z[Y, k]
                return TOO_MANY_STEPS
            if polled():  # nobody reads the code: Python's error is set
                whole[RAISED] = 1
                return MODEL_RAISED
            whole[BUDGET] -= 1
            left = abs(stop - t)
            clipped = left <= size * 1.0000000001
            t1 = stop if clipped else t + size * direction
            last = t1
            if clipped and stops:
                last = beside(t1, -direction)
                if not (last - start) * direction > 0.0:
                    last = t1
            h = last - start
            if (start + h - last) * direction > 0.0 and clipped and stops:
                h -= direction * (abs(h) * EPSILON)
            square = attempt(model, start, h, z, p, whole, scratch)
            if whole[RAISED] != 0:
                return MODEL_RAISED
            real[ERROR] = square
            tried = abs(h)
            worst = square
            if GUARDED and square <= 1.0 and (tries > 0 or tangent_due(square, whole)):
                laid_out(z, state)
                found = tangent_error(
                    model, start, h, tries == 0, state, p, real, whole, moved_whole, moved, spare
                )
                tries += 1
                worst = max(square, found if tangent_decides(square, tries, whole) else min(found, 1.0))
            if worst <= 1.0:
                break
            whole[REJECTED] += 1
            size = propose(worst, tried, False, whole, real)
            whole[AFTER_REJECTION] = 1
        next_size = propose(worst, tried, True, whole, real)
        # A step cut short by a time to be hit says little about the next one.
        real[STEP] = max(next_size, size) if clipped else next_size
        whole[AFTER_REJECTION] = 0
        whole[ACCEPTED] += 1
        real[T0] = start
        real[T1] = t1
        real[LENGTH] = h
        real[LIMIT] = t1
        whole[AT_STOP] = 1 if clipped and stops else 0
        if clipped and REAL_SIZE + whole[STOP] + 1 < real.shape[0]:
            whole[STOP] += 1
        if not CLOSED:
            status = close(model, last, z, p, whole, scratch)
            if status != 0:
                return MODEL_RAISED
        if GUARDED:
            whole[SINCE] += 1
            if tries > 0 or fastest_due(whole):
                laid_out(z, state)
                after_step(model, last, tries, found, square, state, p, real, whole, moved, spare)
        if STIFFNESS_TEST and whole[WATCHED] != 0:
            watch_stiffness(h, z, whole)
        whole[PENDING] = 1
        if SWITCHED and whole[SWITCHES] > 0:
            laid_out(z, state)
            whole[CROSSED] = 1 if crosses(start, last, h, state, p, whole, scratch) else 0
            if whole[CROSSED] != 0:
                return EVENT
        if whole[EVENTS] > 0:
            return EVENT


@kernel
def laid_out(z, state):
    """Put a state on the stack where functions that are not inlined may see it."""
    if N > 0:
        for i in range(ALL_ROWS):
            for k in range(N):
                state[i, k] = z[i, k]


@cold
def started(model, real, z, p, whole, scratch, ts):
    """Check the times, and find f at the start and the first step size."""
    direction = real[DIRECTION]
    last = real[T1]
    for i in range(whole[OUTPUT], ts.shape[0]):
        if not (ts[i] - last) * direction >= 0.0:
            return BAD_TIMES
        last = ts[i]
    if not (real[END] - last) * direction >= 0.0:
        return BAD_TIMES
    status = first_step(model, real, z, p, whole, scratch, direction)
    if status != 0:
        return MODEL_RAISED
    whole[STARTED] = 1
    return DONE


@kernel
def crosses(t, last, h, z, p, whole, scratch):
    """Whether a place where the model switches has passed zero in a step, at its end or half-way.

    Its modes and room for the differences are the last of the parameters.
    """
    n = N if N > 0 else whole[SIZE]
    count = whole[SWITCHES]
    first = p.shape[0] - 2 * count
    differences = view(p, first + count, count)
    status = call(whole[SWITCH_ENTRY], (last, row(z, Y1), p, differences, scratch))
    for k in range(count):
        if differences[k] * p[first + k] < 0.0:
            return True
    for k in range(n):
        z[U, k] = 0.5 * (z[Y, k] + z[Y1, k]) + 0.125 * h * (z[OPENING, k] - z[CLOSING, k])
    status = call(whole[SWITCH_ENTRY], (t + 0.5 * h, row(z, U), p, differences, scratch))
    for k in range(count):
        if differences[k] * p[first + k] < 0.0:
            return True
    return status != 0


@kernel
def beside(t, direction):
    """A time a few roundings to a side of t, so that ``t / unit >= stop / unit`` is told there, too."""
    return t + direction * (8.0 * EPSILON * abs(t) + SMALLEST)


@kernel
def watch_stiffness(h, z, whole):
    """Whether stability limits the steps (Hairer & Wanner, Solving ODEs II, IV.2): 15 steps of h |lambda|
    > 2 in the norm of the error.

    The last stage and the closing one are both at t + h, so |f(y1) - f(U)| / |y1 - U| estimates |lambda|.
    """
    n = N if N > 0 else whole[SIZE]
    slopes = 0.0
    states = 0.0
    for k in range(n):
        scale = z[ATOL, k] + z[RTOL, k] * abs(z[Y1, k])
        slopes += ((z[STAGES, k] - z[STAGES - 1, k]) / scale) ** 2
        states += ((z[Y1, k] - z[U, k]) / scale) ** 2
    if h * h * slopes > 4.0 * states:
        whole[EASY_STEPS] = 0
        whole[STIFF_STEPS] += 1
        if whole[STIFF_STEPS] == 15:
            whole[SWITCHING] = 1
    else:
        whole[EASY_STEPS] += 1
        if whole[EASY_STEPS] == 6:
            whole[STIFF_STEPS] = 0


@kernel
def deliver(model, real, z, p, whole, scratch, ts, out, place, record, direction):
    """Write the outputs that lie in the last step, and the step itself into the record."""
    n = N if N > 0 else whole[SIZE]
    t = real[T0]
    t1 = real[T1]
    h = real[LENGTH]
    limit = real[LIMIT]
    inverse = 1.0 / h
    level = whole[RECORD_LEVEL]
    first = whole[OUTPUT]
    last = first
    while last < ts.shape[0] and (ts[last] - limit) * direction <= 0.0:
        last += 1
    if last > first and ts[first] != t1:
        status = prepare_dense(model, t, h, z, p, whole, scratch)
        if status != 0:
            return status
    for q in range(last - first):
        i = first + q
        target = row(out, i)
        theta = (ts[i] - t) * inverse
        if ts[i] == t1:
            theta = 1.0
            for k in range(n):
                target[k] = z[Y1, k]
        else:
            for k in range(n):
                target[k] = value_at(z, D, Y, Y1, theta, k)
        if level > 0:
            place[i, 0] = whole[RECORDED]
            place[i, 1] = theta
    whole[OUTPUT] = last
    if level > 0:
        if level > 1 and whole[DENSE_ALWAYS] != 0:
            status = prepare_dense(model, t, h, z, p, whole, scratch)
            if status != 0:
                return status
        r = whole[RECORDED]
        record[r, 0] = t
        record[r, 1] = h
        for k in range(n):
            record[r, 2 + k] = z[Y, k]
        if level > 1:
            for j in range(ROWS):
                target = view(row(record, r), 2 + (1 + j) * n, n)
                for k in range(n):
                    target[k] = z[j, k]
        if FACTORED and level > 2:
            # What the linear algebra has of W: LU and pivots.
            kept = model[KEPT_SIZE]
            target = view(row(record, r), 2 + (1 + ROWS) * n, kept)
            source = view(scratch, whole[LINEAR_ALGEBRA] + model[JACOBIAN_SIZE], kept)
            for k in range(kept):
                target[k] = source[k]
        whole[RECORDED] = r + 1
    return 0


@kernel
def prepare_dense(model, t, h, z, p, whole, scratch):
    """Extra stages and the vectors d_m, once per step."""
    n = N if N > 0 else whole[SIZE]
    if whole[DENSE_DONE] == 0:
        status = complete(model, t, h, z, p, whole, scratch)
        if status != 0:
            return status
        for k in range(n):
            prepare_vectors(z, D, h, k)
        whole[DENSE_DONE] = 1
    return 0


@kernel
def first_step(model, real, z, p, whole, scratch, direction):
    """f at the start, and the first step size (Hairer, Norsett & Wanner, Solving ODEs I, II.4)."""
    n = N if N > 0 else whole[SIZE]
    t = beside(real[T1], direction) if whole[AT_STOP] != 0 else real[T1]
    whole[RAISED] = 0
    status = close(model, t, z, p, whole, scratch)
    if status != 0 or real[STEP] > 0.0:
        return status
    span = min(abs(real[END] - t), real[LARGEST])
    d0 = 0.0
    d1 = 0.0
    for k in range(n):
        scale = z[ATOL, k] + z[RTOL, k] * abs(z[Y1, k])
        d0 += (z[Y1, k] / scale) ** 2
        d1 += (z[CLOSING, k] / scale) ** 2
    d0 = math.sqrt(d0 / n)
    d1 = math.sqrt(d1 / n)
    trial = 1e-6 if d0 < 1e-5 or d1 < 1e-5 else 0.01 * d0 / d1
    trial = min(trial, span)
    for k in range(n):
        z[U, k] = z[Y1, k] + trial * direction * z[CLOSING, k]
    status = call_rhs(model[0], (t + trial * direction, row(z, U), p, row(z, Y), scratch))
    whole[NFEV] += 1
    if status != 0:
        whole[RAISED] = status
        return status
    d2 = 0.0
    for k in range(n):
        scale = z[ATOL, k] + z[RTOL, k] * abs(z[Y1, k])
        d2 += ((z[Y, k] - z[CLOSING, k]) / scale) ** 2
    d2 = math.sqrt(d2 / n) / trial
    if d1 <= 1e-15 and d2 <= 1e-15:
        size = max(1e-6, trial * 1e-3)
    else:
        size = math.exp(math.log(0.01 / max(d1, d2)) / (CONTROL_ORDER + 1))
    size = min(100.0 * trial, size, span)
    # The error control deals with a trial point that was bad.
    real[STEP] = size if size > 0.0 else trial
    return 0
