"""The continuous adjoint of a stochastic equation, solved backwards along the same Brownian path.

In the sense of Stratonovich the ordinary chain rule holds: with the increment
``phi(y) = h f(t, y) + g(t, y) dW`` of a step, the adjoint of y obeys ``da = -(d phi / dy)^T a`` and that
of the parameters ``dG = -(d phi / dp)^T a``. y, a and G are run backwards together by Heun's method. An
equation given in the sense of Ito is rewritten first: its drift loses half the derivative of the
diffusion along itself.

References
----------
X. Li, T.-K. L. Wong, R. T. Q. Chen and D. Duvenaud, Scalable gradients for stochastic differential equations,
AISTATS (2020).
"""

from __future__ import annotations

import numpy as np

from sciad.adjoints.sde.sde_sweeps import BACKWARD_SIGNATURE, RETREAT, absorb, gather, leave
from sciad.errors import SolverError
from sciad.native.kernels import kernel
from sciad.native.runtime import polled, view
from sciad.solvers.sde.brownian import PLAIN, noise_numbers
from sciad.solvers.sde.fixed_loop import ADVANCE, FORWARD, LANES, begin, clear, copy, draw
from sciad.solvers.sde.linked_loop_names import NOISES, advance, retreat
from sciad.solvers.sde.path_loop import PathLoop

__all__ = ["backsolve"]

SIGNATURE = BACKWARD_SIGNATURE[:-1] + ",float64[:,::1])"
MISS = 0.5  # of the spread of the paths: how far the backward paths may miss the initial values


def backsolve(problem, y0, p, gout):
    """Gradient (gy0, gp) from the cotangents of the outputs.

    Raises
    ------
    ValueError
        For Ito equations with general noise, whose correction is not computed, and for adaptive steps.
    SolverError
        If the paths run backwards miss their initial values: then the adjoint belongs to other paths.
    """
    step = _increment(problem)
    grid = problem.grid
    n, count = problem.n, problem.count
    end, last = np.empty((1, n, count)), grid.ending()
    run = problem.sweep(FORWARD)
    problem.over_parts(lambda part: run(part, y0, p, end, grid=last))

    back = problem.sweep(BACKSOLVE, step)
    gy0, start = np.zeros((n, count)), np.zeros((n, count))

    def work(part):
        gp = np.zeros(len(p))
        back(part, end[0], p, gout, gy0, gp, start)
        return gp

    gp = np.sum(problem.over_parts(work), axis=0)
    _compare(start, y0[:n], end[0], grid)
    total = np.zeros(len(y0))
    total[:n] = gy0.sum(axis=1)
    return total, gp


def _compare(start, y0, end, grid):
    miss = np.max(np.abs(start - y0[:, None]), axis=1)
    scale = np.max(np.abs(end - y0[:, None]), axis=1) + 1e-6 * np.abs(y0)
    worst = int(np.argmax(miss / np.maximum(scale, 1e-300)))
    if not miss[worst] <= MISS * scale[worst]:
        raise SolverError(
            f"BacksolveAdjoint: component {worst}, run backwards from t = {grid.times[-1]:.6g} to "
            f"t = {grid.times[0]:.6g}, misses its initial value by {miss[worst]:.3g}; "
            f"take smaller steps, or DiscreteAdjoint"
        )


def _increment(problem):
    """phi as a step, compiled as steps are."""
    if problem.grid is None:
        raise ValueError("BacksolveAdjoint needs fixed steps (dt); for adaptive steps take DiscreteAdjoint")
    equation, method = problem.equation, problem.method
    corrected = equation.calculus == "ito" and equation.noise != "additive"
    if corrected and equation.kind == "general":
        raise ValueError(
            "BacksolveAdjoint of an Ito equation with general noise is not available; take DiscreteAdjoint, "
            "or state the equation in Stratonovich's sense"
        )
    if method.noise == PLAIN:
        step = _ito if corrected else _plain
    else:
        step = _ito_pair if corrected else _plain_pair
    return equation.step(step, method, problem.brownian.size, derivative=corrected)


def _plain(drift, diffusion, times, t, h, y, w, args):
    return h * drift(t, y, *args) + times(diffusion(t, y, *args), w)


def _ito(drift, diffusion, along, t, h, y, w, args):
    g = diffusion(t, y, *args)
    return h * (drift(t, y, *args) - 0.5 * along(diffusion, t, y, g, args)) + g * w


def _plain_pair(drift, diffusion, times, t, h, y, w, args):
    return _plain(drift, diffusion, times, t, h, y, w[0], args)


def _ito_pair(drift, diffusion, along, t, h, y, w, args):
    return _ito(drift, diffusion, along, t, h, y, w[0], args)


def sweep_room(size: int, m: int, n_p: int, steps: int, work: int) -> int:
    """Workspace of `sweep`; see ``sciad.solvers.sde.fixed_loop.forward_room``."""
    return (6 * size + 3 * m + n_p) * LANES + 4 * size + 2 * m + 2 + work


@kernel
def sweep(
    entries,
    paths,
    times,
    cells,
    slots,
    y0,
    p,
    start,
    width,
    key,
    table,
    components,
    room,
    gout,
    gy0,
    gp,
    back,
):
    """Heun's method backwards for y, its adjoint and that of the parameters; `y0` holds the final states."""
    size = y0.shape[0]
    steps = cells.shape[0]
    m = noise_numbers(NOISES, components)
    lanes = size * LANES
    y = view(room, 0, lanes)
    a = view(room, lanes, lanes)
    phi = view(room, 2 * lanes, lanes)
    y1 = view(room, 3 * lanes, lanes)
    b = view(room, 4 * lanes, lanes)
    b1 = view(room, 5 * lanes, lanes)
    dw = view(room, 6 * lanes, m * LANES)
    pair = view(room, 6 * lanes + m * LANES, 2 * m * LANES)
    gp_lanes = view(room, 6 * lanes + 3 * m * LANES, gp.shape[0] * LANES)
    used = 6 * lanes + (3 * m + gp.shape[0]) * LANES
    desk = view(room, used, room.shape[0] - used)
    clear(gp_lanes)
    first = paths[0]
    while first < paths[1]:
        active = min(LANES, paths[1] - first)
        begin(first, active, y0, y)
        clear(a)
        held = np.int64(-1)
        for r in range(steps):
            if polled():
                return first + 1
            k = steps - 1 - r
            held = draw(first, active, k, times, cells, start, width, key, table, components, held, pair, dw)
            absorb(first, active, slots[k + 1], gout, a)
            h = times[k + 1] - times[k]
            copy(y, phi)
            for i in range(lanes):
                b[i] = 0.5 * a[i]
            status = advance(entries[0], active, times[k + 1], h, phi, dw, p, desk)
            if status == 0:
                status = retreat(entries[1], active, times[k + 1], h, y, dw, p, b, gp, gp_lanes, desk)
            for i in range(lanes):
                y1[i] = y[i] - phi[i]
                y[i] -= 0.5 * phi[i]
                b1[i] = 0.5 * a[i] + b[i]
                a[i] += b[i]
            if status == 0:
                status = retreat(entries[1], active, times[k], h, y1, dw, p, b1, gp, gp_lanes, desk)
            if status == 0:
                status = advance(entries[0], active, times[k], h, y1, dw, p, desk)
            if status != 0:
                paths[2] = status
                return first + 1
            for i in range(lanes):
                y[i] -= 0.5 * y1[i]
                a[i] += b1[i]
        absorb(first, active, slots[0], gout, a)
        leave(first, active, a, gy0)
        leave(first, active, y, back)
        first += LANES
    gather(gp_lanes, gp)
    return 0


BACKSOLVE = PathLoop(sweep, SIGNATURE, sweep_room, ("primal", "pullback"), (ADVANCE, RETREAT))
