"""Continuous normalising flows: densities of data that a differential equation has moved.

R. T. Q. Chen et al., "Neural ordinary differential equations", NeurIPS 2018, theorem 1; W. Grathwohl et al.,
"FFJORD", ICLR 2019, for the estimate of the trace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.solvers import solve_ivp
from sciad.transforms.gradients import jvp

__all__ = ["flow_log_density", "flow_samples"]

_HALF_LOG_2PI = 0.9189385332046727


def flow_log_density(field: Callable, w: Any, x: Any, probes: Any = None, **options: Any) -> Any:
    """Log density of each row of `x`, which the flow took from normal numbers in the time from 0 to 1.

    Parameters
    ----------
    field : callable
        ``field(t, x, w)`` for x of shape (batch, n), row by row.
    w : nested weights
    x : array (batch, n)
    probes : array (batch, n), optional
        Random signs (or normal numbers): the trace of the Jacobian is estimated by Hutchinson's
        ``probe^T J probe``, which is right on average and costs one product for any n. Without, all n
        diagonal entries are computed.
    **options
        Of `solve_ivp`.

    Returns
    -------
    array (batch,)
    """
    start = np.concatenate([x, np.zeros((x.shape[0], 1))], axis=1)
    if probes is None:
        moved = solve_ivp(_exact(field), (1.0, 0.0), start, t_eval=[0.0], args=(w,), **options).y[..., 0]
    else:
        model = _estimated(field)
        moved = solve_ivp(model, (1.0, 0.0), start, t_eval=[0.0], args=(w, probes), **options).y[..., 0]
    z, growth = moved[:, :-1], moved[:, -1]
    return np.sum(-0.5 * z * z - _HALF_LOG_2PI, axis=1) - growth


def flow_samples(field: Callable, w: Any, z: Any, **options: Any) -> Any:
    """Where the flow takes normal numbers `z` of shape (batch, n)."""
    return solve_ivp(field, (0.0, 1.0), z, t_eval=[1.0], args=(w,), **options).y[..., 0]


def _exact(field):
    def model(t, y, w):
        x = y[:, :-1]
        trace = np.zeros(x.shape[0])
        for k in range(x.shape[1]):
            direction = np.zeros(x.shape)
            direction[:, k] = 1.0
            trace = trace + jvp(lambda x: field(t, x, w), (x,), (direction,))[1][:, k]
        return np.concatenate([field(t, x, w), -np.reshape(trace, (-1, 1))], axis=1)

    return model


def _estimated(field):
    def model(t, y, w, probes):
        x = y[:, :-1]
        f, along = jvp(lambda x: field(t, x, w), (x,), (probes,))
        return np.concatenate([f, -np.sum(along * probes, axis=1, keepdims=True)], axis=1)

    return model
