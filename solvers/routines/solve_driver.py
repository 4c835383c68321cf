"""The driver of the integration loop as kernels: what `sciad.solvers.stepping.integrate` does, for programs.

It gives the loop its memory, enters it again where the record is full, and keeps what a sweep backwards
needs. See `plan_layout` for what it is told.
"""

from __future__ import annotations

import math

from sciad.native.kernels import kernel
from sciad.native.memory_blocks import MORE, new_block
from sciad.native.runtime import (
    allocate,
    call,
    copy_memory,
    numbers_at,
    reallocate,
    release,
    whole_at,
)
from sciad.solvers.routines.plan_layout import (
    ADAPTIVE_PLAN,
    ATOLS,
    BAD_CONTROL,
    BAD_PARAMETER,
    BAD_SPAN,
    BAD_START,
    BLOCK_SIZE,
    CAPACITY,
    CODE,
    FIRST_STEP,
    HIT_AT,
    KERNEL,
    MAX_STEP,
    MOST_BYTES,
    MOVED_ROWS,
    MOVED_WHOLE_AT,
    NO_MEMORY,
    OTHER_PLAN,
    OUTPUTS,
    P_AT,
    PARAMETERS,
    PLACE_AT,
    PLAN_AT,
    PLAN_SIZE,
    REAL_AT,
    RECORD_TOO_LONG,
    REPORT_HEAD,
    ROW_CLOSING,
    ROW_RTOL,
    ROW_Y1,
    RTOLS,
    SCRATCH,
    SCRATCH_AT,
    SHARE_AT,
    SLOPE_AT,
    SMALLEST_RTOL,
    SPARE,
    STATE_AT,
    STATE_ROWS,
    STEPS,
    STOPS,
    TABLE_AT,
    TABLE_SIZE,
    TOLERANCES,
    UNKNOWNS,
    UNKNOWNS_REPORTED,
    WHERE,
    WHICH,
    WHOLE_AT,
    WIDTH,
)
from sciad.solvers.stepping.loop_state import (
    AT_STOP,
    BAD_TIMES,
    DIRECTION,
    DONE,
    END,
    END_IS_STOP,
    LARGEST,
    REAL_SIZE,
    RECORD_FULL,
    RECORDED,
    STEP,
    SWITCH,
    T0,
    T1,
    TOO_SMALL,
    WHOLE_SIZE,
)

__all__ = ["SWITCHED", "failure_report", "solve_plain", "solve_recording", "take_steps"]

SWITCHED = -1


@kernel
def solve_plain(plan_at, ys_at, span_at, y0_at, p_at, ts_at, control_at, memory):
    """Outputs (count, n) of a solve from (t0, t1), y0 (n,), p (m,) and output times (count,)."""
    report = take_steps(plan_at, 0, ys_at, span_at, y0_at, p_at, ts_at, control_at)
    if report == SWITCHED:
        plan = whole_at(plan_at, PLAN_SIZE)
        report = take_steps(plan[OTHER_PLAN], 0, ys_at, span_at, y0_at, p_at, ts_at, control_at)
    return report


@kernel
def solve_recording(plan_at, ys_at, kept_at, span_at, y0_at, p_at, ts_at, control_at, memory):
    """The same, with a block for the way back, whose address goes to ``kept``."""
    plan = whole_at(plan_at, PLAN_SIZE)
    n = plan[UNKNOWNS]
    m = plan[PARAMETERS]
    count = plan[OUTPUTS]
    block = new_block(memory, BLOCK_SIZE + 2 * count + m + n + plan[STOPS])
    if block == 0:
        return failure_report(0, NO_MEMORY, 0, 0, 0, 0, 0, 0)
    head = whole_at(block, BLOCK_SIZE)
    head[PLACE_AT] = block + 8 * BLOCK_SIZE
    head[P_AT] = head[PLACE_AT] + 16 * count
    head[SLOPE_AT] = head[P_AT] + 8 * m
    head[HIT_AT] = head[SLOPE_AT] + 8 * n
    copy_memory(head[P_AT], p_at, 8 * m)
    copy_memory(head[HIT_AT], control_at + 8 * (TOLERANCES + plan[RTOLS] + plan[ATOLS]), 8 * plan[STOPS])
    kept = numbers_at(kept_at, 1)
    kept[0] = float(block)
    report = take_steps(plan_at, block, ys_at, span_at, y0_at, p_at, ts_at, control_at)
    if report == SWITCHED:
        report = take_steps(plan[OTHER_PLAN], block, ys_at, span_at, y0_at, p_at, ts_at, control_at)
    return report


@kernel
def take_steps(plan_at, block, ys_at, span_at, y0_at, p_at, ts_at, control_at):
    """A solve by one method; 0, the address of a report, or that it is for the other method."""
    plan = whole_at(plan_at, PLAN_SIZE)
    n = plan[UNKNOWNS]
    m = plan[PARAMETERS]
    count = plan[OUTPUTS]
    span = numbers_at(span_at, 2)
    t0 = span[0]
    t1 = span[1]
    y0 = numbers_at(y0_at, n)
    p = numbers_at(p_at, m)
    if not math.isfinite(t0) or math.isnan(t1):
        return failure_report(plan_at, BAD_SPAN, 0, 0, 0, 0, 0, 0)
    for k in range(n):
        if not math.isfinite(y0[k]):
            return failure_report(plan_at, BAD_START, k, n, 0, 0, y0_at, 0)
    for k in range(m):
        if not math.isfinite(p[k]):
            return failure_report(plan_at, BAD_PARAMETER, k, m, 0, 0, p_at, 0)

    # Memory for one solve: whole, real, state and workspace, and those of steps beside the solution.
    rows = plan[STATE_ROWS]
    moved = plan[MOVED_ROWS]
    reals = REAL_SIZE + plan[STOPS] + 1
    words = WHOLE_SIZE + reals + rows * n + plan[SCRATCH]
    if moved > 0:
        words += WHOLE_SIZE + moved * n + plan[SPARE]
    room = allocate(8 * words)
    if room == 0:
        return failure_report(plan_at, NO_MEMORY, 0, 0, 0, 0, 0, 0)
    real_at = room + 8 * WHOLE_SIZE
    state_at = real_at + 8 * reals
    scratch_at = state_at + 8 * rows * n
    moved_whole_at = scratch_at + 8 * plan[SCRATCH]
    moved_at = moved_whole_at + 8 * WHOLE_SIZE
    spare_at = moved_at + 8 * moved * n
    copy_memory(room, plan[WHOLE_AT], 8 * WHOLE_SIZE)
    copy_memory(real_at, plan[REAL_AT], 8 * REAL_SIZE)
    copy_memory(state_at, plan[STATE_AT], 8 * rows * n)
    if plan[SCRATCH_AT] != 0:
        copy_memory(scratch_at, plan[SCRATCH_AT], 8 * plan[SCRATCH])
    if moved > 0:
        copy_memory(moved_whole_at, plan[MOVED_WHOLE_AT], 8 * WHOLE_SIZE)
        beside = numbers_at(moved_at, moved * n)
        for k in range(moved * n):
            beside[k] = 0.0
        if plan[SCRATCH_AT] != 0:
            copy_memory(spare_at, plan[SCRATCH_AT], 8 * plan[SCRATCH])
    whole = whole_at(room, WHOLE_SIZE)
    real = numbers_at(real_at, reals)
    real[T0] = t0
    real[T1] = t0
    real[END] = t1
    if t1 < t0:
        real[DIRECTION] = -1.0
    control = numbers_at(control_at, TOLERANCES + plan[RTOLS] + plan[ATOLS] + plan[STOPS])
    wrong = set_control(plan, control, real, state_at, abs(t1 - t0))
    if wrong >= 0:
        report = failure_report(plan_at, BAD_CONTROL, wrong, 1, room, real_at, control_at + 8 * wrong, 0)
        release(room)
        return report
    ends = REAL_SIZE + set_stops(plan, control, whole, real, t0, t1)
    copy_memory(state_at + 8 * n * plan[ROW_Y1], y0_at, 8 * n)

    width = plan[WIDTH]
    capacity = 0
    rows_at = 0
    place_at = 0
    places = 0
    if block != 0:
        head = whole_at(block, BLOCK_SIZE)
        head[PLAN_AT] = plan_at
        places = count
        place_at = head[PLACE_AT]
        capacity = plan[CAPACITY]
        rows_at = reallocate(head[MORE], 8 * width * capacity)
        if rows_at == 0:
            release(room)
            return failure_report(plan_at, NO_MEMORY, 0, 0, 0, 0, 0, 0)
        head[MORE] = rows_at
    while True:
        if moved > 0:
            code = call(
                plan[KERNEL],
                (
                    *(plan[TABLE_AT], plan[TABLE_SIZE], room, WHOLE_SIZE, real_at, ends, state_at, rows, n),
                    *(p_at, m, ts_at, count, ys_at, count, n, place_at, places, 2),
                    *(rows_at, capacity, width, scratch_at, plan[SCRATCH]),
                    *(moved_whole_at, WHOLE_SIZE, moved_at, moved, n, spare_at, plan[SPARE]),
                ),
            )
        else:
            code = call(
                plan[KERNEL],
                (
                    *(plan[TABLE_AT], plan[TABLE_SIZE], room, WHOLE_SIZE, real_at, ends, state_at, rows, n),
                    *(p_at, m, ts_at, count, ys_at, count, n, place_at, places, 2),
                    *(rows_at, capacity, width, scratch_at, plan[SCRATCH]),
                ),
            )
        if code != RECORD_FULL:
            break
        capacity *= 2
        if plan[MOST_BYTES] >= 0 and 8 * width * capacity > 2 * plan[MOST_BYTES]:
            code = RECORD_TOO_LONG
            break
        head = whole_at(block, BLOCK_SIZE)
        longer = reallocate(rows_at, 8 * width * capacity)
        if longer == 0:
            code = NO_MEMORY
            break
        rows_at = longer
        head[MORE] = rows_at
    report = 0
    if code == DONE:
        if t0 == t1:
            for q in range(count):
                copy_memory(ys_at + 8 * n * q, y0_at, 8 * n)
        if block != 0:
            head = whole_at(block, BLOCK_SIZE)
            head[STEPS] = whole[RECORDED]
            copy_memory(head[SLOPE_AT], state_at + 8 * n * plan[ROW_CLOSING], 8 * n)
            if capacity > plan[CAPACITY]:
                plan[CAPACITY] = capacity
    elif code == BAD_TIMES:
        report = failure_report(plan_at, code, 0, count, room, real_at, ts_at, 0)
    elif code == SWITCH or (code == TOO_SMALL and plan[OTHER_PLAN] != 0):
        report = SWITCHED
    else:
        y1_at = state_at + 8 * n * plan[ROW_Y1]
        slope_at = state_at + 8 * n * plan[ROW_CLOSING]
        report = failure_report(plan_at, code, 0, n, room, real_at, y1_at, slope_at)
    release(room)
    return report


@kernel
def set_control(plan, control, real, state_at, length):
    """Step sizes and tolerances; the place of one that makes no sense, or -1."""
    n = plan[UNKNOWNS]
    first = control[FIRST_STEP]
    if not first >= 0.0 or (length > 0.0 and first > length * (1.0 + 1e-12)):
        return FIRST_STEP
    if not control[MAX_STEP] > 0.0:
        return MAX_STEP
    share = numbers_at(plan[SHARE_AT], 1)[0]
    halves = 0.5 if share != 1.0 and plan[ADAPTIVE_PLAN] == 0 else 1.0
    if plan[ADAPTIVE_PLAN] == 0:
        share = 1.0
    real[STEP] = first * halves
    real[LARGEST] = control[MAX_STEP] * halves
    relative = numbers_at(state_at + 8 * n * plan[ROW_RTOL], n)
    absolute = numbers_at(state_at + 8 * n * (plan[ROW_RTOL] + 1), n)
    for k in range(n):
        at = TOLERANCES + (k if plan[RTOLS] > 1 else 0)
        if not control[at] >= 0.0:
            return at
        relative[k] = max(control[at] * share, min(control[at], SMALLEST_RTOL))
        if control[at] > 0.0 and control[at] < SMALLEST_RTOL:
            relative[k] = SMALLEST_RTOL
        at = TOLERANCES + plan[RTOLS] + (k if plan[ATOLS] > 1 else 0)
        if not control[at] >= 0.0 or (control[at] == 0.0 and relative[k] == 0.0):
            return at
        absolute[k] = control[at] * share
    return -1


@kernel
def set_stops(plan, control, whole, real, t0, t1):
    """The times to hit that lie inside, in the order of integration, each once, and the end; their number."""
    before = TOLERANCES + plan[RTOLS] + plan[ATOLS]
    direction = 1.0 if t1 >= t0 else -1.0
    count = 0
    for q in range(plan[STOPS]):
        time = control[before + q]
        if time == t0:
            whole[AT_STOP] = 1
        if time == t1:
            whole[END_IS_STOP] = 1
        if (time - t0) * direction > 0.0 and (t1 - time) * direction > 0.0:
            at = count
            while at > 0 and (real[REAL_SIZE + at - 1] - time) * direction > 0.0:
                at -= 1
            if at == 0 or real[REAL_SIZE + at - 1] != time:
                for k in range(count, at, -1):
                    real[REAL_SIZE + k] = real[REAL_SIZE + k - 1]
                real[REAL_SIZE + at] = time
                count += 1
    real[REAL_SIZE + count] = t1
    return count + 1


@kernel
def failure_report(plan_at, code, where, n, whole_from, real_from, first_from, second_from):
    """The address of a report: what failed in which plan, where, the state of the loop and two vectors."""
    report = allocate(8 * (REPORT_HEAD + WHOLE_SIZE + REAL_SIZE + 2 * n))
    if report == 0:
        return 1
    head = whole_at(report, REPORT_HEAD)
    head[CODE] = code
    head[WHERE] = where
    head[WHICH] = plan_at
    head[UNKNOWNS_REPORTED] = n
    at = report + 8 * REPORT_HEAD
    if whole_from != 0:
        copy_memory(at, whole_from, 8 * WHOLE_SIZE)
        copy_memory(at + 8 * WHOLE_SIZE, real_from, 8 * REAL_SIZE)
    at += 8 * (WHOLE_SIZE + REAL_SIZE)
    if first_from != 0:
        copy_memory(at, first_from, 8 * n)
    if second_from != 0:
        copy_memory(at + 8 * n, second_from, 8 * n)
    return report
