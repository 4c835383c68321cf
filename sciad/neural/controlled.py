"""Neural controlled equations: a hidden state that is driven by a series of measurements.

P. Kidger, J. Morrill, J. Foster and T. Lyons, "Neural controlled differential equations for irregular time
series", NeurIPS 2020; J. Morrill et al., "On the choice of interpolation scheme for neural CDEs", TMLR 2022,
for cubics whose slopes come from the past.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.nn import mlp
from sciad.solvers import solve_ivp

__all__ = ["neural_cde", "path_slopes"]


def path_slopes(times: Any, values: Any) -> tuple[Any, Any]:
    """Coefficients of the derivative of a cubic path through `values`.

    On each interval the path begins with the slope of the interval before: it needs no measurement from the
    future.

    Parameters
    ----------
    times : array (T,)
    values : array (T, channels) or (T, ..., channels)
        Let one channel be the time itself.

    Returns
    -------
    first, second : arrays (T - 1, ..., channels)
        At the share s of interval k the derivative is ``first[k] + second[k]*(4*s - 3*s**2)``.
    """
    gaps = np.reshape(np.diff(times), (-1,) + (1,) * (np.ndim(values) - 1))
    secants = (values[1:] - values[:-1]) / gaps
    before = np.concatenate([secants[:1], secants[:-1]], axis=0)
    return before, secants - before


def neural_cde(
    w: Any, z0: Any, times: Any, values: Any, net: Callable = mlp, t_eval: Any = None, **options: Any
) -> Any:
    """States of ``dz = net(w, z) dX`` along the cubic path X through `values`.

    Parameters
    ----------
    w : nested weights
    z0 : array (..., hidden)
    times : array (T,)
    values : array (T, ..., channels)
    net : callable
        ``net(w, z)`` of shape (..., hidden*channels).
    t_eval : array, optional
        Where to return the state; at the last time by default.
    **options
        Of `solve_ivp`.

    Returns
    -------
    array (..., hidden, len(t_eval))
    """
    first, second = path_slopes(times, values)
    out = times[-1:] if t_eval is None else t_eval

    def field(t, z, w, first, second, times):
        k = 0
        while k < len(times) - 2 and t >= times[k + 1]:
            k += 1
        share = (t - times[k]) / (times[k + 1] - times[k])
        slope = first[k] + second[k] * (4.0 * share - 3.0 * share * share)
        matrix = np.reshape(net(w, z), (*z.shape, slope.shape[-1]))
        return np.sum(matrix * slope[..., None, :], axis=-1)

    args = (w, first, second, times)
    span = (times[0], times[-1])
    return solve_ivp(field, span, z0, t_eval=out, args=args, tstops=np.asarray(times)[1:-1], **options).y
