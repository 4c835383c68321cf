"""The drivers of sweeps as kernels: `pull` and `push` of `sciad.adjoints.ode.discrete`, for programs."""

from __future__ import annotations

import math

from sciad.adjoints.ode.sweeps.reverse_loop import BEGINS, CURSOR, HIGH, LOW, SIZE, WANT_TIMES
from sciad.native.kernels import kernel
from sciad.native.memory_blocks import MORE, new_block
from sciad.native.runtime import allocate, call, copy_memory, numbers_at, release, whole_at
from sciad.solvers.routines.plan_layout import (
    ATOLS,
    BACK_PLAN,
    BLOCK_SIZE,
    EMPTY_SPAN,
    HIT_AT,
    LOSS_NOT_FINITE,
    NO_MEMORY,
    NOT_FINITE,
    OTHER_PLAN,
    OUTPUTS,
    P_AT,
    PARAMETERS,
    PLACE_AT,
    PLAN_AT,
    PLAN_SIZE,
    REPORT_HEAD,
    ROW_LAM,
    RTOLS,
    SLOPE_AT,
    STEPS,
    STOPS,
    SWEEP_CARRIED,
    SWEEP_KERNEL,
    SWEEP_MASS_AT,
    SWEEP_MASS_ROWS,
    SWEEP_PLAN_SIZE,
    SWEEP_RAISED,
    SWEEP_SCRATCH,
    SWEEP_SCRATCH_AT,
    SWEEP_STATE_ROWS,
    SWEEP_TABLE_AT,
    SWEEP_TABLE_SIZE,
    SWEEP_WORK,
    TANGENT_NOT_FINITE,
    TOLERANCES,
    UNKNOWNS,
    WIDTH,
)
from sciad.solvers.routines.solve_driver import SWITCHED, failure_report, take_steps
from sciad.solvers.stepping.integration_loop import beside
from sciad.solvers.stepping.loop_state import REAL_SIZE, WHOLE_SIZE

__all__ = ["solve_along", "solve_backwards"]

SWEEP_WHOLE = 8  # int64 of the state of a sweep


@kernel
def restarted(plan, head, r):
    """Whether row r of a record begins at a time to hit, or just behind it."""
    if plan[STOPS] == 0:
        return False
    t = numbers_at(head[MORE] + 8 * plan[WIDTH] * r, 2)
    direction = 1.0 if t[1] >= 0.0 else -1.0
    times = numbers_at(head[HIT_AT], plan[STOPS])
    found = False
    for q in range(plan[STOPS]):
        found = found or t[0] == times[q] or t[0] == beside(times[q], direction)
    return found


@kernel
def solve_backwards(
    data_at, span_bar_at, y0_bar_at, p_bar_at, ts_bar_at, control_bar_at, kept_at, g_at, memory
):
    """Cotangents of the arguments of a recorded solve from those of its outputs; of times if ``data[0]``."""
    times = whole_at(data_at, 1)[0]
    kept = numbers_at(kept_at, 1)
    head = whole_at(int(kept[0]), BLOCK_SIZE)
    plan_at = head[PLAN_AT]
    plan = whole_at(plan_at, PLAN_SIZE)
    back_at = plan[BACK_PLAN]
    back = whole_at(back_at, SWEEP_PLAN_SIZE)
    n = plan[UNKNOWNS]
    m = plan[PARAMETERS]
    count = plan[OUTPUTS]
    g = numbers_at(g_at, count * n)
    for i in range(count * n):
        if not math.isfinite(g[i]):
            return failure_report(back_at, LOSS_NOT_FINITE, i, 1, 0, 0, g_at + 8 * i, 0)
    y0_bar = numbers_at(y0_bar_at, n)
    p_bar = numbers_at(p_bar_at, m)
    ts_bar = numbers_at(ts_bar_at, count)
    span_bar = numbers_at(span_bar_at, 2)
    span_bar[0] = 0.0
    span_bar[1] = 0.0
    controls = TOLERANCES + plan[RTOLS] + plan[ATOLS] + plan[STOPS]
    control_bar = numbers_at(control_bar_at, controls)
    for k in range(controls):
        control_bar[k] = 0.0
    if head[STEPS] == 0:  # an empty span: every output is y0
        if times != 0 and back[SWEEP_MASS_ROWS] > 0:
            return failure_report(back_at, EMPTY_SPAN, 0, 0, 0, 0, 0, 0)
        slope = numbers_at(head[SLOPE_AT], n)
        for k in range(n):
            y0_bar[k] = 0.0
        for k in range(m):
            p_bar[k] = 0.0
        for q in range(count):
            ts_bar[q] = 0.0
            for k in range(n):
                y0_bar[k] += g[q * n + k]
                ts_bar[q] += g[q * n + k] * slope[k]
            span_bar[0] -= ts_bar[q]
        return 0

    rows = back[SWEEP_STATE_ROWS]
    scratch = back[SWEEP_SCRATCH]
    words = SWEEP_WHOLE + rows * n + back[SWEEP_WORK] + scratch + m + 1 + 1 + count
    room = allocate(8 * words)
    if room == 0:
        return failure_report(0, NO_MEMORY, 0, 0, 0, 0, 0, 0)
    state_at = room + 8 * SWEEP_WHOLE
    work_at = state_at + 8 * rows * n
    scratch_at = work_at + 8 * back[SWEEP_WORK]
    gp_at = scratch_at + 8 * scratch
    gt_at = gp_at + 8 * (m + 1)
    gts_at = gt_at + 8
    whole = whole_at(room, SWEEP_WHOLE)
    for k in range(SWEEP_WHOLE):
        whole[k] = 0
    state = numbers_at(state_at, rows * n)
    for k in range(rows * n):
        state[k] = 0.0
    if back[SWEEP_SCRATCH_AT] != 0:
        copy_memory(scratch_at, back[SWEEP_SCRATCH_AT], 8 * scratch)
    gp = numbers_at(gp_at, m + 1)
    for k in range(m + 1):
        gp[k] = 0.0
    gt = numbers_at(gt_at, 1)
    gt[0] = 0.0
    gts = numbers_at(gts_at, count)
    for q in range(count):
        gts[q] = 0.0
    whole[SIZE] = n
    whole[WANT_TIMES] = times
    whole[CURSOR] = count
    whole[BEGINS] = 1
    timed = count if times != 0 else 0
    # Steps next to times that were hit begin with a stage of their own: sweeps begin anew there.
    high = head[STEPS]
    status = 0
    while high > 0 and status == 0:
        low = high - 1
        while low > 0 and not restarted(plan, head, low):
            low -= 1
        whole[LOW] = low
        whole[HIGH] = high
        status = call(
            back[SWEEP_KERNEL],
            (
                *(back[SWEEP_TABLE_AT], back[SWEEP_TABLE_SIZE], room, SWEEP_WHOLE),
                *(head[MORE], head[STEPS], plan[WIDTH], head[PLACE_AT], count, 2, g_at, count, n),
                *(gts_at, timed, state_at, rows, n, head[P_AT], m, gp_at, max(m, 1), gt_at, 1),
                *(work_at, back[SWEEP_WORK], scratch_at, scratch),
                *(back[SWEEP_MASS_AT], back[SWEEP_MASS_ROWS], back[SWEEP_MASS_ROWS]),
            ),
        )
        if back[SWEEP_CARRIED] >= 0:
            for k in range(n):
                state[n * back[SWEEP_CARRIED] + k] = 0.0
        high = low
    report = 0
    if status != 0:
        report = failure_report(back_at, SWEEP_RAISED, status, 0, 0, 0, 0, 0)
    else:
        lam = numbers_at(state_at + 8 * n * back[ROW_LAM], n)
        finite = True
        for k in range(n):
            y0_bar[k] = lam[k]
            finite = finite and math.isfinite(lam[k])
        for k in range(m):
            p_bar[k] = gp[k]
            finite = finite and math.isfinite(gp[k])
        if not finite:
            report = failure_report(back_at, NOT_FINITE, n, n + m, 0, 0, 0, 0)
            if report > 1:
                shown = report + 8 * (REPORT_HEAD + WHOLE_SIZE + REAL_SIZE)
                copy_memory(shown, y0_bar_at, 8 * n)
                copy_memory(shown + 8 * n, p_bar_at, 8 * m)
        span_bar[0] = gt[0]
        for q in range(count):
            ts_bar[q] = gts[q]
            span_bar[0] -= gts[q]
    release(room)
    return report


@kernel
def solve_along(
    plan_at,
    ys_at,
    dys_at,
    span_at,
    y0_at,
    p_at,
    ts_at,
    control_at,
    dspan_at,
    dy0_at,
    dp_at,
    dts_at,
    dcontrol_at,
    memory,
):
    """Outputs of a solve and their tangents along one direction of its arguments."""
    plan = whole_at(plan_at, PLAN_SIZE)
    n = plan[UNKNOWNS]
    m = plan[PARAMETERS]
    count = plan[OUTPUTS]
    block = new_block(memory, BLOCK_SIZE + 2 * count + n)  # p and control are at hand
    if block == 0:
        return failure_report(0, NO_MEMORY, 0, 0, 0, 0, 0, 0)
    head = whole_at(block, BLOCK_SIZE)
    head[PLACE_AT] = block + 8 * BLOCK_SIZE
    head[SLOPE_AT] = head[PLACE_AT] + 16 * count
    head[HIT_AT] = control_at + 8 * (TOLERANCES + plan[RTOLS] + plan[ATOLS])
    report = take_steps(plan_at, block, ys_at, span_at, y0_at, p_at, ts_at, control_at)
    if report == SWITCHED:
        plan_at = plan[OTHER_PLAN]
        report = take_steps(plan_at, block, ys_at, span_at, y0_at, p_at, ts_at, control_at)
    if report != 0:
        return report
    plan = whole_at(plan_at, PLAN_SIZE)
    forward_at = plan[BACK_PLAN]
    forward = whole_at(forward_at, SWEEP_PLAN_SIZE)
    dys = numbers_at(dys_at, count * n)
    dy0 = numbers_at(dy0_at, n)
    dts = numbers_at(dts_at, count)
    dt0 = numbers_at(dspan_at, 2)[0]
    if head[STEPS] == 0:
        slope = numbers_at(head[SLOPE_AT], n)
        for q in range(count):
            if dts[q] != dt0 and forward[SWEEP_MASS_ROWS] > 0:
                return failure_report(forward_at, EMPTY_SPAN, 0, 0, 0, 0, 0, 0)
            for k in range(n):
                dys[q * n + k] = dy0[k] + (dts[q] - dt0) * slope[k]
        return 0

    rows = forward[SWEEP_STATE_ROWS]
    scratch = forward[SWEEP_SCRATCH]
    words = SWEEP_WHOLE + rows * n + forward[SWEEP_WORK] + scratch
    room = allocate(8 * words)
    if room == 0:
        return failure_report(0, NO_MEMORY, 0, 0, 0, 0, 0, 0)
    state_at = room + 8 * SWEEP_WHOLE
    work_at = state_at + 8 * rows * n
    scratch_at = work_at + 8 * forward[SWEEP_WORK]
    whole = whole_at(room, SWEEP_WHOLE)
    for k in range(SWEEP_WHOLE):
        whole[k] = 0
    state = numbers_at(state_at, rows * n)
    for k in range(rows * n):
        state[k] = 0.0
    copy_memory(state_at + 8 * n * forward[ROW_LAM], dy0_at, 8 * n)
    if forward[SWEEP_SCRATCH_AT] != 0:
        copy_memory(scratch_at, forward[SWEEP_SCRATCH_AT], 8 * scratch)
    whole[SIZE] = n
    whole[BEGINS] = 1
    low = 0
    status = 0
    while low < head[STEPS] and status == 0:
        high = low + 1
        while high < head[STEPS] and not restarted(plan, head, high):
            high += 1
        whole[LOW] = low
        whole[HIGH] = high
        status = call(
            forward[SWEEP_KERNEL],
            (
                *(forward[SWEEP_TABLE_AT], forward[SWEEP_TABLE_SIZE], room, SWEEP_WHOLE),
                *(head[MORE], head[STEPS], plan[WIDTH], head[PLACE_AT], count, 2),
                *(dts_at, count, dys_at, count, n, 0, 0, 0, state_at, rows, n, p_at, m, dp_at, m, dt0),
                *(work_at, forward[SWEEP_WORK], scratch_at, scratch),
                *(forward[SWEEP_MASS_AT], forward[SWEEP_MASS_ROWS], forward[SWEEP_MASS_ROWS]),
            ),
        )
        low = high
    release(room)
    if status != 0:
        return failure_report(forward_at, SWEEP_RAISED, status, 0, 0, 0, 0, 0)
    for i in range(count * n):
        if not math.isfinite(dys[i]):
            return failure_report(forward_at, TANGENT_NOT_FINITE, 0, count * n, 0, 0, dys_at, 0)
    return 0
