"""The naive way: an adaptive Tsit5 in plain NumPy, differentiated by taping every operation of it.

Nothing here knows of derivatives. Run on the traced values of the eager tape, the whole solver is
recorded, the error norm and the step-size control included.
"""

import numpy as np

from sciad.solvers.methods import explicit_tableaus


def solve(fun, t_span, y0, times, args, rtol, atol):
    """Outputs of shape (len(times), n) of `dy/dt = fun(t, y, *args)`."""
    tableau = explicit_tableaus.Tsit5
    t, end = t_span
    y, h, previous = y0, 1e-2, 1.0
    k = [fun(t, y, *args)]
    outputs = [y] if times[0] == t else []
    while t < end:
        h = np.minimum(h, end - t)
        for c, row in zip(tableau.c[1:], tableau.a[1:], strict=True):
            k.append(fun(t + c * h, y + h * _combine(row, k), *args))
        new = y + h * _combine(tableau.b, k)
        k.append(fun(t + h, new, *args))
        scale = atol + rtol * np.maximum(np.abs(y), np.abs(new))
        error = np.sqrt(np.sum((h * _combine(tableau.error, k) / scale) ** 2) / len(y)) + 1e-10
        factor = np.clip(0.9 * error**-0.14 * previous**0.08, 0.2, 10.0)
        if error > 1:
            k, h = k[:1], h * np.minimum(factor, 1.0)
            continue
        while len(outputs) < len(times) and times[len(outputs)] <= t + h + 1e-14:
            theta = (times[len(outputs)] - t) / h
            powers = [theta ** (m + 1) for m in range(len(tableau.interpolant[0]))]
            weights = [_combine(row, powers) for row in tableau.interpolant]
            outputs.append(y + h * _combine(weights, k))
        t, y, k, h, previous = t + h, new, [k[-1]], h * factor, error
    return np.stack(outputs)


def _combine(weights, values):
    return sum(weight * value for weight, value in zip(weights, values, strict=False))
