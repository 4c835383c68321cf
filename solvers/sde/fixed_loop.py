"""The loop over fixed steps of many paths, and what it is made of.

Paths run in blocks of `LANES`, side by side: the state is stored component by component with the lanes
innermost, so that noise is always vector code. The constant ``advance`` of the link says how a step is
made: path after path by the address of the step, or all lanes in one call of an entry that loops over them
(``sciad.solvers.sde.compiled_step``). ``NOISES`` says what noise a step takes, see
``sciad.solvers.sde.brownian``.

Common arguments
----------------
entries : int64[]
    Addresses of the step's primal, pullback and pushforward.
paths : int64[]
    First path, end of the paths, and a place for the status of a step that failed.
times : float64[K + 1]
    Ends of the steps.
cells : int64[K]
    The cell of the Brownian motion that step k is, or -1: some other interval.
slots : int64[K + 1]
    Where in the output the state at ``times[k]`` goes, or -1.
y0 : float64[size, 1] or float64[size, paths]
noise : (start, width, key, table, components)
    See ``sciad.solvers.sde.brownian``.
room : float64[]
    Workspace, see `forward_room`.
out : float64[T, n, paths]

They return 0, or the path (counted from 1) and write the step's status into ``paths[2]``.
"""

from __future__ import annotations

import math

import numpy as np

from sciad.native.kernels import apart, kernel
from sciad.native.philox import normal_pair
from sciad.native.runtime import call, polled, view
from sciad.solvers.sde.brownian import (
    AREAS,
    CELL_H,
    CELL_W,
    SPACE_TIME,
    STREAMS,
    increment,
    levy,
    levy_room,
    noise_numbers,
)
from sciad.solvers.sde.linked_loop_names import NOISES, advance
from sciad.solvers.sde.path_loop import PathLoop, StepCall

LANES = 16

COMMON = (
    "int64[::1],int64[::1],float64[::1],int64[::1],int64[::1],float64[:,::1],float64[::1],"
    "float64,float64,int64,float64[:,:,::1],int64,float64[::1]"
)
FORWARD_SIGNATURE = f"int64({COMMON},float64[:,:,::1])"


def forward_room(size: int, m: int, n_p: int, steps: int, work: int) -> int:
    """Workspace of `forward` for a state of `size` numbers, m of noise, and a step that wants `work`."""
    return (size + 3 * m) * LANES + 2 * size + m + work


@kernel
def forward(entries, paths, times, cells, slots, y0, p, start, width, key, table, components, room, out):
    """Run the paths and write their outputs."""
    size = y0.shape[0]
    steps = cells.shape[0]
    m = noise_numbers(NOISES, components)
    y = view(room, 0, size * LANES)
    dw = view(room, size * LANES, m * LANES)
    pair = view(room, (size + m) * LANES, 2 * m * LANES)
    used = (size + 3 * m) * LANES
    desk = view(room, used, room.shape[0] - used)
    first = paths[0]
    while first < paths[1]:
        active = min(LANES, paths[1] - first)
        begin(first, active, y0, y)
        emit(first, active, slots[0], y, out)
        held = np.int64(-1)
        for k in range(steps):
            if polled():
                return first + 1
            held = draw(first, active, k, times, cells, start, width, key, table, components, held, pair, dw)
            status = advance(entries[0], active, times[k], times[k + 1] - times[k], y, dw, p, desk)
            if status != 0:
                paths[2] = status
                return first + 1
            emit(first, active, slots[k + 1], y, out)
        first += LANES
    return 0


# -- noise -------------------------------------------------------------------------------------------


@apart
def draw(first, active, k, times, cells, start, width, key, table, components, held, pair, dw):
    """Write the noise of step k for all lanes; return the pair of cells now held in `pair`.

    One call of the generator serves two neighbouring cells: both are kept.
    """
    cell = cells[k]
    if NOISES != AREAS and cell >= 0 and table.shape[1] == 0:
        if held != cell >> 1:
            held = cell >> 1
            for c in range(components):
                fill(first, held, STREAMS * c + CELL_W, key, math.sqrt(width), c, NOISES * components, pair)
                if NOISES == SPACE_TIME:
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
    elif NOISES == AREAS:
        m = noise_numbers(NOISES, components)
        own = view(pair, 0, m)
        room = view(pair, m, levy_room(components))
        for lane in range(active):
            levy(first + lane, times[k], times[k + 1], start, width, key, table, components, own, room)
            for i in range(m):
                dw[i * LANES + lane] = own[i]
    else:
        for c in range(components):
            for lane in range(active):
                w, integral = increment(first + lane, c, times[k], times[k + 1], start, width, key, table)
                dw[c * LANES + lane] = w
                if NOISES == SPACE_TIME:
                    dw[(components + c) * LANES + lane] = integral / (times[k + 1] - times[k]) - 0.5 * w
    # idle lanes repeat the first one in everything: paths of their own could overflow, and 0 * inf is nan
    for i in range(noise_numbers(NOISES, components)):
        for lane in range(active, LANES):
            dw[i * LANES + lane] = dw[i * LANES]
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


# -- one step of all lanes by one call ----------------------------------------------------------------------


@kernel
def advance_lanes(entry, active, t, h, y, dw, p, desk):
    return call(entry, (LANES if active > 1 else 1, t, h, y, dw, p, desk))


ADVANCE = StepCall("advance", advance_by_address, advance_lanes)
FORWARD = PathLoop(forward, FORWARD_SIGNATURE, forward_room, ("primal",), (ADVANCE,))
