"""Loops over fixed steps of many paths that carry derivatives: tangents forwards, adjoints backwards.

Layout, arguments and result are those of ``sciad.solvers.sde.fixed_loop``; entries[1] and entries[2] are the
pullback and the pushforward of the step.
"""

from __future__ import annotations

import math

import numpy as np

from sciad.native.kernels import kernel
from sciad.native.runtime import call, polled, view
from sciad.solvers.sde.brownian import noise_numbers
from sciad.solvers.sde.fixed_loop import ADVANCE, COMMON, LANES, begin, clear, copy, draw, emit
from sciad.solvers.sde.linked_loop_names import NOISES, advance, advance_tangent, retreat
from sciad.solvers.sde.path_loop import PathLoop, StepCall

SEGMENT = 1 << 19  # float64 of states kept at a time while going backwards

TANGENT_SIGNATURE = f"int64({COMMON},float64[:,::1],float64[::1],float64[:,:,::1],float64[:,:,::1])"
BACKWARD_SIGNATURE = f"int64({COMMON},float64[:,:,::1],float64[:,::1],float64[::1])"


def tangent_room(size: int, m: int, n_p: int, steps: int, work: int) -> int:
    """Workspace of `tangent`; see ``sciad.solvers.sde.fixed_loop.forward_room``."""
    return (2 * size + 3 * m) * LANES + 4 * size + 2 * m + work


def backward_room(size: int, m: int, n_p: int, steps: int, work: int) -> int:
    """Workspace of `backward`."""
    most = segment_length(size, m, steps)
    kept = -(-steps // most) * size + most * (size + m)
    return (2 * size + 3 * m + n_p + kept) * LANES + 4 * size + 2 * m + 2 + work


def backward_reversible_room(size: int, m: int, n_p: int, steps: int, work: int) -> int:
    """Workspace of `backward_reversible`."""
    return (2 * size + 4 * m + n_p) * LANES + 4 * size + 2 * m + 2 + work


@kernel
def segment_length(size, m, steps):
    """Number of steps whose states are kept at a time: all where memory allows, not less than the root."""
    fitting = SEGMENT // ((size + m) * LANES)
    root = np.int64(math.sqrt(steps)) + 1
    return max(1, min(steps, max(fitting, root)))


@kernel
def tangent(
    entries, paths, times, cells, slots, y0, p, start, width, key, table, components, room, dy0, dp, out, dout
):
    """Run the paths together with their derivative along (dy0, dp)."""
    size = y0.shape[0]
    steps = cells.shape[0]
    m = noise_numbers(NOISES, components)
    y = view(room, 0, size * LANES)
    dy = view(room, size * LANES, size * LANES)
    dw = view(room, 2 * size * LANES, m * LANES)
    pair = view(room, (2 * size + m) * LANES, 2 * m * LANES)
    used = (2 * size + 3 * m) * LANES
    desk = view(room, used, room.shape[0] - used)
    first = paths[0]
    while first < paths[1]:
        active = min(LANES, paths[1] - first)
        begin(first, active, y0, y)
        begin(first, active, dy0, dy)
        emit(first, active, slots[0], y, out)
        emit(first, active, slots[0], dy, dout)
        held = np.int64(-1)
        for k in range(steps):
            if polled():
                return first + 1
            held = draw(first, active, k, times, cells, start, width, key, table, components, held, pair, dw)
            status = advance_tangent(
                entries[2], active, times[k], times[k + 1] - times[k], y, dw, p, dy, dp, desk
            )
            if status != 0:
                paths[2] = status
                return first + 1
            emit(first, active, slots[k + 1], y, out)
            emit(first, active, slots[k + 1], dy, dout)
        first += LANES
    return 0


@kernel
def backward(
    entries, paths, times, cells, slots, y0, p, start, width, key, table, components, room, gout, gy0, gp
):
    """Gradient of the computed paths: states are kept for one segment of steps at a time, noise is drawn
    anew.
    """
    size = y0.shape[0]
    steps = cells.shape[0]
    m = noise_numbers(NOISES, components)
    most = segment_length(size, m, steps)
    segments = (steps + most - 1) // most
    y = view(room, 0, size * LANES)
    a = view(room, size * LANES, size * LANES)
    dw = view(room, 2 * size * LANES, m * LANES)
    pair = view(room, (2 * size + m) * LANES, 2 * m * LANES)
    gp_lanes = view(room, (2 * size + 3 * m) * LANES, gp.shape[0] * LANES)
    used = (2 * size + 3 * m + gp.shape[0]) * LANES
    kept = view(room, used, segments * size * LANES)
    used += segments * size * LANES
    states = view(room, used, most * size * LANES)
    used += most * size * LANES
    noises = view(room, used, most * m * LANES)
    used += most * m * LANES
    desk = view(room, used, room.shape[0] - used)
    clear(gp_lanes)
    first = paths[0]
    while first < paths[1]:
        active = min(LANES, paths[1] - first)
        begin(first, active, y0, y)
        held = np.int64(-1)
        for segment in range(segments):
            copy(y, view(kept, segment * size * LANES, size * LANES))
            if segment + 1 < segments:
                for q in range(most):
                    if polled():
                        return first + 1
                    k = segment * most + q
                    held = draw(
                        first, active, k, times, cells, start, width, key, table, components, held, pair, dw
                    )
                    status = advance(entries[0], active, times[k], times[k + 1] - times[k], y, dw, p, desk)
                    if status != 0:
                        paths[2] = status
                        return first + 1
        clear(a)
        for back in range(segments):
            begun = (segments - 1 - back) * most
            count = min(most, steps - begun)
            copy(view(kept, (segments - 1 - back) * size * LANES, size * LANES), y)
            for q in range(count):
                if polled():
                    return first + 1
                k = begun + q
                held = draw(
                    first, active, k, times, cells, start, width, key, table, components, held, pair, dw
                )
                copy(y, view(states, q * size * LANES, size * LANES))
                copy(dw, view(noises, q * m * LANES, m * LANES))
                if q + 1 < count:
                    status = advance(entries[0], active, times[k], times[k + 1] - times[k], y, dw, p, desk)
                    if status != 0:
                        paths[2] = status
                        return first + 1
            for r in range(count):
                if polled():
                    return first + 1
                q = count - 1 - r
                k = begun + q
                absorb(first, active, slots[k + 1], gout, a)
                status = retreat(
                    entries[1],
                    active,
                    times[k],
                    times[k + 1] - times[k],
                    view(states, q * size * LANES, size * LANES),
                    view(noises, q * m * LANES, m * LANES),
                    p,
                    a,
                    gp,
                    gp_lanes,
                    desk,
                )
                if status != 0:
                    paths[2] = status
                    return first + 1
        absorb(first, active, slots[0], gout, a)
        leave(first, active, a, gy0)
        first += LANES
    gather(gp_lanes, gp)
    return 0


@kernel
def backward_reversible(
    entries, paths, times, cells, slots, y0, p, start, width, key, table, components, room, gout, gy0, gp
):
    """Gradient by a step that undoes itself: no state is kept, the paths are run backwards."""
    size = y0.shape[0]
    steps = cells.shape[0]
    m = noise_numbers(NOISES, components)
    y = view(room, 0, size * LANES)
    a = view(room, size * LANES, size * LANES)
    dw = view(room, 2 * size * LANES, m * LANES)
    undo = view(room, (2 * size + m) * LANES, m * LANES)
    pair = view(room, (2 * size + 2 * m) * LANES, 2 * m * LANES)
    gp_lanes = view(room, (2 * size + 4 * m) * LANES, gp.shape[0] * LANES)
    used = (2 * size + 4 * m + gp.shape[0]) * LANES
    desk = view(room, used, room.shape[0] - used)
    clear(gp_lanes)
    first = paths[0]
    while first < paths[1]:
        active = min(LANES, paths[1] - first)
        begin(first, active, y0, y)
        held = np.int64(-1)
        for k in range(steps):
            if polled():
                return first + 1
            held = draw(first, active, k, times, cells, start, width, key, table, components, held, pair, dw)
            status = advance(entries[0], active, times[k], times[k + 1] - times[k], y, dw, p, desk)
            if status != 0:
                paths[2] = status
                return first + 1
        clear(a)
        for r in range(steps):
            if polled():
                return first + 1
            k = steps - 1 - r
            held = draw(first, active, k, times, cells, start, width, key, table, components, held, pair, dw)
            for i in range(m * LANES):
                undo[i] = -dw[i]
            absorb(first, active, slots[k + 1], gout, a)
            h = times[k + 1] - times[k]
            status = advance(entries[0], active, times[k + 1], -h, y, undo, p, desk)
            if status == 0:
                status = retreat(entries[1], active, times[k], h, y, dw, p, a, gp, gp_lanes, desk)
            if status != 0:
                paths[2] = status
                return first + 1
        absorb(first, active, slots[0], gout, a)
        leave(first, active, a, gy0)
        first += LANES
    gather(gp_lanes, gp)
    return 0


# -- moving between the caller's arrays and lanes ------------------------------------------------------------


@kernel
def absorb(first, active, slot, gout, a):
    """Add the cotangent of output `slot` to the adjoint."""
    if slot >= 0:
        for i in range(gout.shape[1]):
            for lane in range(active):
                a[i * LANES + lane] += gout[slot, i, first + lane]


@kernel
def leave(first, active, a, gy0):
    """Write the gradient with respect to the initial value of each path."""
    for i in range(gy0.shape[0]):
        for lane in range(active):
            gy0[i, first + lane] = a[i * LANES + lane]


@kernel
def gather(gp_lanes, gp):
    """Add what the lanes collected for themselves."""
    for j in range(gp.shape[0]):
        total = 0.0
        for lane in range(LANES):
            total += gp_lanes[j * LANES + lane]
        gp[j] += total


# -- one step of all lanes -----------------------------------------------------------------------------------


@kernel
def advance_tangent_by_address(entry, active, t, h, y, dw, p, dy, dp, desk):
    size = y.shape[0] // LANES
    m = dw.shape[0] // LANES
    y1 = view(desk, 0, size)
    dy1 = view(desk, size, size)
    out = view(desk, 2 * size, size)
    dout = view(desk, 3 * size, size)
    w1 = view(desk, 4 * size, m)
    dw1 = view(desk, 4 * size + m, m)
    work = view(desk, 4 * size + 2 * m, desk.shape[0] - 4 * size - 2 * m)
    for lane in range(active):
        for i in range(size):
            y1[i] = y[i * LANES + lane]
            dy1[i] = dy[i * LANES + lane]
        for i in range(m):
            w1[i] = dw[i * LANES + lane]
            dw1[i] = 0.0
        status = call(entry, (t, h, y1, w1, p, 0.0, 0.0, dy1, dw1, dp, out, dout, work))
        if status != 0:
            return status
        for i in range(size):
            y[i * LANES + lane] = out[i]
            dy[i * LANES + lane] = dout[i]
    return np.int64(0)


@kernel
def retreat_by_address(entry, active, t, h, y, dw, p, a, gp, gp_lanes, desk):
    """Replace the adjoint at the end of the step by that at its beginning; add to gp."""
    size = y.shape[0] // LANES
    m = dw.shape[0] // LANES
    y1 = view(desk, 0, size)
    gout = view(desk, size, size)
    out = view(desk, 2 * size, size)
    gy = view(desk, 3 * size, size)
    w1 = view(desk, 4 * size, m)
    gw = view(desk, 4 * size + m, m)
    gt = view(desk, 4 * size + 2 * m, 1)
    gh = view(desk, 4 * size + 2 * m + 1, 1)
    work = view(desk, 4 * size + 2 * m + 2, desk.shape[0] - 4 * size - 2 * m - 2)
    for lane in range(active):
        for i in range(size):
            y1[i] = y[i * LANES + lane]
            gout[i] = a[i * LANES + lane]
            gy[i] = 0.0
        for i in range(m):
            w1[i] = dw[i * LANES + lane]
        status = call(entry, (t, h, y1, w1, p, gout, out, gt, gh, gy, gw, gp, work))
        if status != 0:
            return status
        for i in range(size):
            a[i * LANES + lane] = gy[i]
    return np.int64(0)


@kernel
def advance_tangent_lanes(entry, active, t, h, y, dw, p, dy, dp, desk):
    return call(entry, (LANES if active > 1 else 1, t, h, y, dw, p, dy, dp, desk))


@kernel
def retreat_lanes(entry, active, t, h, y, dw, p, a, gp, gp_lanes, desk):
    return call(entry, (LANES if active > 1 else 1, t, h, y, dw, p, a, gp_lanes, desk))


RETREAT = StepCall("retreat", retreat_by_address, retreat_lanes)
_TANGENT_STEP = StepCall("advance_tangent", advance_tangent_by_address, advance_tangent_lanes)
_BOTH_WAYS = ("primal", "pullback"), (ADVANCE, RETREAT)
TANGENT = PathLoop(tangent, TANGENT_SIGNATURE, tangent_room, ("primal", "pushforward"), (_TANGENT_STEP,))
BACKWARD = PathLoop(backward, BACKWARD_SIGNATURE, backward_room, *_BOTH_WAYS)
REVERSIBLE = PathLoop(backward_reversible, BACKWARD_SIGNATURE, backward_reversible_room, *_BOTH_WAYS)
