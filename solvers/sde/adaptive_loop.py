"""One path with steps chosen by its error, on a Brownian path that stays the same whatever is rejected."""

from __future__ import annotations

import math

import numpy as np

from sciad.native.kernels import kernel
from sciad.native.runtime import call, polled, view
from sciad.solvers.sde.brownian import DEPTH, increment
from sciad.solvers.sde.linked_loop_names import NOISES

__all__ = ["SIGNATURE", "adaptive"]

SAFETY, SHRINK, GROW = 0.9, 0.2, 5.0
TOO_SMALL, FULL, TOO_MANY = -1, -2, -3

SIGNATURE = (
    "int64(int64,int64,float64[::1],float64[::1],float64[::1],float64[::1],float64,float64,int64,"
    "float64[:,:,::1],int64,float64[:,::1],float64[::1],int64[::1],float64[::1])"
)


@kernel
def adaptive(entry, path, control, ts, y0, p, start, width, key, table, components, ys, record, counts, work):
    """Integrate one path over ``[ts[0], ts[-1]]``; steps end at every time of `ts`.

    Parameters
    ----------
    entry : address of the embedded step, which writes the new state and the error estimate
    control : rtol, atol, first step, largest step, largest number of steps
    ts, ys : output times and states (T, n)
    record : float64[capacity]
        Filled with the ends of the accepted steps, the initial time first.
    counts : accepted, rejected, status of the model

    Returns
    -------
    Number of times recorded, or a negative code, or 0 where the model raised.
    """
    n = y0.shape[0]
    m = NOISES * components
    y = view(work, 0, n)
    w = view(work, n, m)
    out = view(work, n + m, 2 * n)
    rest = view(work, 3 * n + m, work.shape[0] - 3 * n - m)
    smallest = 4.0 * width * 0.5**DEPTH
    t = ts[0]
    for i in range(n):
        y[i] = y0[i]
        ys[0, i] = y0[i]
    record[0] = t
    recorded = 1
    h = control[2]
    counts[0] = 0
    counts[1] = 0
    for slot in range(1, ts.shape[0]):
        while t < ts[slot]:
            if polled():
                return np.int64(0)
            if recorded >= record.shape[0]:
                return np.int64(FULL)
            if counts[0] + counts[1] >= control[4]:
                counts[2] = slot
                record[0] = t
                return np.int64(TOO_MANY)
            h = min(h, control[3])
            step = h
            t1 = t + step
            # a step that would leave a sliver is halved, one that would pass the output time ends there
            if t1 >= ts[slot] - 0.01 * step:
                t1 = ts[slot]
            elif t1 > ts[slot] - step:
                t1 = t + 0.5 * (ts[slot] - t)
            step = t1 - t
            for c in range(components):
                w[c], integral = increment(path, c, t, t1, start, width, key, table)
                if NOISES == 2:
                    w[components + c] = integral / step - 0.5 * w[c]
            status = call(entry, (t, step, y, w, p, out, rest))
            if status != 0:
                counts[2] = status
                return np.int64(0)
            total = 0.0
            for i in range(n):
                scale = control[1] + control[0] * max(abs(y[i]), abs(out[i]))
                total += (out[n + i] / scale) ** 2
            error = math.sqrt(total / n)
            if error <= 1.0:
                counts[0] += 1
                t = t1
                record[recorded] = t
                recorded += 1
                for i in range(n):
                    y[i] = out[i]
                h = max(h, step) if error == 0.0 else h
            else:
                counts[1] += 1
            # the estimate is of size h^(3/2)
            factor = SHRINK
            if error == 0.0:
                factor = GROW
            elif math.isfinite(error):
                factor = min(GROW, max(SHRINK, SAFETY * error ** (-2.0 / 3.0)))
            proposed = step * factor
            # a step cut short by an output time says little about the next one
            h = max(proposed, h) if error <= 1.0 and step < h else proposed
            if not h > smallest:
                counts[2] = slot
                record[0] = t
                return np.int64(TOO_SMALL)
        for i in range(n):
            ys[slot, i] = y[i]
    return np.int64(recorded)
