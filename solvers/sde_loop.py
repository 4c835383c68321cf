"""Loops over fixed steps of many paths: forwards, with tangents, and backwards for gradients.

Paths run in blocks of `LANES`, side by side: the state is stored component by component with the lanes
innermost, so that noise is always vector code. The constants ``advance``, ``retreat`` and
``advance_tangent`` of the link say how a step is made: path after path by the address of the step, or all
lanes in one call of an entry that loops over them (``solvers.sde_step``).

Common arguments
----------------
entries : int64[]
    Addresses of the step's primal, pullback and pushforward.
paths : int64[]
    First path, end of the paths, and number of float64 of workspace the step wants.
times : float64[K + 1]
    Ends of the steps.
cells : int64[K]
    The cell of the Brownian motion that step k is, or -1: some other interval.
slots : int64[K + 1]
    Where in the output the state at ``times[k]`` goes, or -1.
y0 : float64[size, 1] or float64[size, paths]
noise : (start, width, key, table, components)
    See ``solvers.brownian``.
out : float64[T, n, paths]

They return 0, or the path (counted from 1) and write the step's status into ``paths[3]``.
"""

from __future__ import annotations

import math

import numpy as np

from sciad.compiler.native import apart, kernel
from sciad.compiler.runtime import call, view
from solvers.brownian import CELL_H, CELL_W, STREAMS, increment
from solvers.philox import normal_pair

LANES = 16
SEGMENT = 1 << 19  # float64 of states kept at a time while going backwards

_COMMON = (
    "int64[::1],int64[::1],float64[::1],int64[::1],int64[::1],float64[:,::1],float64[::1],"
    "float64,float64,int64,float64[:,:,::1],int64"
)
FORWARD = f"int64({_COMMON},float64[:,:,::1])"
TANGENT = f"int64({_COMMON},float64[:,::1],float64[::1],float64[:,:,::1],float64[:,:,::1])"
BACKWARD = f"int64({_COMMON},float64[:,:,::1],float64[:,::1],float64[::1])"


@kernel
def forward(entries, paths, times, cells, slots, y0, p, start, width, key, table, components, out):
    """Run the paths and write their outputs."""
    size = y0.shape[0]
    steps = cells.shape[0]
    y = np.empty(size * LANES)
    dw = np.empty(NOISES * components * LANES)
    pair = np.empty(2 * NOISES * components * LANES)
    desk = np.empty(2 * size + NOISES * components + paths[2])
    first = paths[0]
    while first < paths[1]:
        active = min(LANES, paths[1] - first)
        begin(first, active, y0, y)
        emit(first, active, slots[0], y, out)
        held = np.int64(-1)
        for k in range(steps):
            held = draw(first, active, k, times, cells, start, width, key, table, components, held, pair, dw)
            status = advance(entries[0], active, times[k], times[k + 1] - times[k], y, dw, p, desk)
            if status != 0:
                paths[3] = status
                return first + 1
            emit(first, active, slots[k + 1], y, out)
        first += LANES
    return 0


@kernel
def tangent(
    entries, paths, times, cells, slots, y0, p, start, width, key, table, components, dy0, dp, out, dout
):
    """Run the paths together with their derivative along (dy0, dp)."""
    size = y0.shape[0]
    steps = cells.shape[0]
    y = np.empty(size * LANES)
    dy = np.empty(size * LANES)
    dw = np.empty(NOISES * components * LANES)
    pair = np.empty(2 * NOISES * components * LANES)
    desk = np.zeros(4 * size + 2 * NOISES * components + paths[2])
    first = paths[0]
    while first < paths[1]:
        active = min(LANES, paths[1] - first)
        begin(first, active, y0, y)
        begin(first, active, dy0, dy)
        emit(first, active, slots[0], y, out)
        emit(first, active, slots[0], dy, dout)
        held = np.int64(-1)
        for k in range(steps):
            held = draw(first, active, k, times, cells, start, width, key, table, components, held, pair, dw)
            status = advance_tangent(
                entries[2], active, times[k], times[k + 1] - times[k], y, dw, p, dy, dp, desk
            )
            if status != 0:
                paths[3] = status
                return first + 1
            emit(first, active, slots[k + 1], y, out)
            emit(first, active, slots[k + 1], dy, dout)
        first += LANES
    return 0


@kernel
def backward(entries, paths, times, cells, slots, y0, p, start, width, key, table, components, gout, gy0, gp):
    """Gradient of the computed paths: states are kept for one segment of steps at a time, noise is drawn anew."""
    size = y0.shape[0]
    steps = cells.shape[0]
    y = np.empty(size * LANES)
    a = np.empty(size * LANES)
    dw = np.empty(NOISES * components * LANES)
    pair = np.empty(2 * NOISES * components * LANES)
    desk = np.zeros(4 * size + 2 * NOISES * components + 2 + paths[2])
    gp_lanes = np.zeros(gp.shape[0] * LANES)
    most = min(steps, max(SEGMENT // ((size + NOISES * components) * LANES), math.ceil(math.sqrt(steps))))
    segments = (steps + most - 1) // most
    kept = np.empty(segments * size * LANES)
    states = np.empty(most * size * LANES)
    noises = np.empty(most * NOISES * components * LANES)
    first = paths[0]
    while first < paths[1]:
        active = min(LANES, paths[1] - first)
        begin(first, active, y0, y)
        held = np.int64(-1)
        for segment in range(segments):
            copy(y, view(kept, segment * size * LANES, size * LANES))
            if segment + 1 < segments:
                for q in range(most):
                    k = segment * most + q
                    held = draw(
                        first, active, k, times, cells, start, width, key, table, components, held, pair, dw
                    )
                    status = advance(entries[0], active, times[k], times[k + 1] - times[k], y, dw, p, desk)
                    if status != 0:
                        paths[3] = status
                        return first + 1
        clear(a)
        for back in range(segments):
            begun = (segments - 1 - back) * most
            count = min(most, steps - begun)
            copy(view(kept, (segments - 1 - back) * size * LANES, size * LANES), y)
            for q in range(count):
                k = begun + q
                held = draw(
                    first, active, k, times, cells, start, width, key, table, components, held, pair, dw
                )
                copy(y, view(states, q * size * LANES, size * LANES))
                copy(dw, view(noises, q * NOISES * components * LANES, NOISES * components * LANES))
                if q + 1 < count:
                    status = advance(entries[0], active, times[k], times[k + 1] - times[k], y, dw, p, desk)
                    if status != 0:
                        paths[3] = status
                        return first + 1
            for r in range(count):
                q = count - 1 - r
                k = begun + q
                absorb(first, active, slots[k + 1], gout, a)
                status = retreat(
                    entries[1],
                    active,
                    times[k],
                    times[k + 1] - times[k],
                    view(states, q * size * LANES, size * LANES),
                    view(noises, q * NOISES * components * LANES, NOISES * components * LANES),
                    p,
                    a,
                    gp,
                    gp_lanes,
                    desk,
                )
                if status != 0:
                    paths[3] = status
                    return first + 1
        absorb(first, active, slots[0], gout, a)
        leave(first, active, a, gy0)
        first += LANES
    gather(gp_lanes, gp)
    return 0


@kernel
def backward_reversible(
    entries, paths, times, cells, slots, y0, p, start, width, key, table, components, gout, gy0, gp
):
    """Gradient by a step that undoes itself: no state is kept, the paths are run backwards."""
    size = y0.shape[0]
    steps = cells.shape[0]
    y = np.empty(size * LANES)
    a = np.empty(size * LANES)
    dw = np.empty(NOISES * components * LANES)
    undo = np.empty(NOISES * components * LANES)
    pair = np.empty(2 * NOISES * components * LANES)
    desk = np.zeros(4 * size + 2 * NOISES * components + 2 + paths[2])
    gp_lanes = np.zeros(gp.shape[0] * LANES)
    first = paths[0]
    while first < paths[1]:
        active = min(LANES, paths[1] - first)
        begin(first, active, y0, y)
        held = np.int64(-1)
        for k in range(steps):
            held = draw(first, active, k, times, cells, start, width, key, table, components, held, pair, dw)
            status = advance(entries[0], active, times[k], times[k + 1] - times[k], y, dw, p, desk)
            if status != 0:
                paths[3] = status
                return first + 1
        clear(a)
        for r in range(steps):
            k = steps - 1 - r
            held = draw(first, active, k, times, cells, start, width, key, table, components, held, pair, dw)
            for i in range(NOISES * components * LANES):
                undo[i] = -dw[i]
            absorb(first, active, slots[k + 1], gout, a)
            h = times[k + 1] - times[k]
            status = advance(entries[0], active, times[k + 1], -h, y, undo, p, desk)
            if status == 0:
                status = retreat(entries[1], active, times[k], h, y, dw, p, a, gp, gp_lanes, desk)
            if status != 0:
                paths[3] = status
                return first + 1
        absorb(first, active, slots[0], gout, a)
        leave(first, active, a, gy0)
        first += LANES
    gather(gp_lanes, gp)
    return 0


# -- noise -------------------------------------------------------------------------------------------


@apart
def draw(first, active, k, times, cells, start, width, key, table, components, held, pair, dw):
    """Write the noise of step k for all lanes; return the pair of cells now held in `pair`.

    One call of the generator serves two neighbouring cells: both are kept.
    """
    cell = cells[k]
    if cell >= 0 and table.shape[1] == 0:
        if held != cell >> 1:
            held = cell >> 1
            for c in range(components):
                fill(first, held, STREAMS * c + CELL_W, key, math.sqrt(width), c, NOISES * components, pair)
                if NOISES == 2:
                    fill(
                        first,
                        held,
                        STREAMS * c + CELL_H,
                        key,
                        math.sqrt(width / 12.0),
                        components + c,
                        NOISES * components,
                        pair,
                    )
        half = NOISES * components * LANES
        copy(view(pair, (cell & 1) * half, half), dw)
    else:
        for c in range(components):
            for lane in range(active):
                w, integral = increment(first + lane, c, times[k], times[k + 1], start, width, key, table)
                dw[c * LANES + lane] = w
                if NOISES == 2:
                    dw[(components + c) * LANES + lane] = integral / (times[k + 1] - times[k]) - 0.5 * w
    return held


@apart
def fill(first, index, stream, key, scale, row, rows, pair):
    """Normals of two neighbouring cells for all lanes."""
    even = view(pair, row * LANES, LANES)
    odd = view(pair, (rows + row) * LANES, LANES)
    for lane in range(LANES):
        a, b = normal_pair(index, 0, first + lane, stream, key)
        even[lane] = scale * a
        odd[lane] = scale * b


# -- moving between the caller's arrays and lanes ---------------------------------------------------------


@kernel
def copy(source, target):
    for i in range(target.shape[0]):
        target[i] = source[i]


@kernel
def clear(target):
    for i in range(target.shape[0]):
        target[i] = 0.0


@kernel
def begin(first, active, y0, y):
    """Load initial values; idle lanes repeat the first one, so that they stay harmless."""
    for i in range(y0.shape[0]):
        for lane in range(LANES):
            path = first + lane if lane < active else first
            y[i * LANES + lane] = y0[i, path if y0.shape[1] > 1 else 0]


@kernel
def emit(first, active, slot, y, out):
    """Write the state to output `slot`."""
    if slot >= 0:
        for i in range(out.shape[1]):
            for lane in range(active):
                out[slot, i, first + lane] = y[i * LANES + lane]


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


# -- one step of all lanes, the step being called by address ---------------------------------------------


@kernel
def advance_by_address(entry, active, t, h, y, dw, p, desk):
    size = y.shape[0] // LANES
    m = dw.shape[0] // LANES
    y1 = view(desk, 0, size)
    w1 = view(desk, size, m)
    out = view(desk, size + m, size)
    work = view(desk, 2 * size + m, desk.shape[0] - 2 * size - m)
    for lane in range(active):
        for i in range(size):
            y1[i] = y[i * LANES + lane]
        for i in range(m):
            w1[i] = dw[i * LANES + lane]
        status = call(entry, (t, h, y1, w1, p, out, work))
        if status != 0:
            return status
        for i in range(size):
            y[i * LANES + lane] = out[i]
    return np.int64(0)


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


# -- one step of all lanes by one call ----------------------------------------------------------------------


@kernel
def advance_lanes(entry, active, t, h, y, dw, p, desk):
    return call(entry, (LANES if active > 1 else 1, t, h, y, dw, p, desk))


@kernel
def advance_tangent_lanes(entry, active, t, h, y, dw, p, dy, dp, desk):
    return call(entry, (LANES if active > 1 else 1, t, h, y, dw, p, dy, dp, desk))


@kernel
def retreat_lanes(entry, active, t, h, y, dw, p, a, gp, gp_lanes, desk):
    return call(entry, (LANES if active > 1 else 1, t, h, y, dw, p, a, gp_lanes, desk))
