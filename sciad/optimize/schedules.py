"""Learning rates as functions of the number of steps done; they compile inside of `ad.jit`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["cosine_decay", "exponential_decay", "piecewise_rate", "warmup"]


def cosine_decay(rate: float, steps: int, last: float = 0.0) -> Callable:
    """From `rate` to ``last*rate`` in `steps` steps, as half a period of a cosine; constant afterwards."""

    def at(step):
        done = np.minimum(step / steps, 1.0)
        return rate * (last + (1.0 - last) * 0.5 * (1.0 + np.cos(np.pi * done)))

    return at


def exponential_decay(rate: float, steps: int, factor: float) -> Callable:
    """Multiplied by `factor` every `steps` steps, smoothly."""

    def at(step):
        return rate * factor ** (step / steps)

    return at


def piecewise_rate(rates: list[float], ends: list[int]) -> Callable:
    """``rates[k]`` until step ``ends[k]``; the last rate has no end."""
    if len(rates) != len(ends) + 1:
        raise ValueError(f"{len(rates)} rates need {len(rates) - 1} ends, {len(ends)} were given")
    heights, places = np.asarray(rates, dtype=float), np.asarray(ends, dtype=float)

    def at(step):
        value = heights[0]
        for k in range(len(places)):
            value = np.where(step >= places[k], heights[k + 1], value)
        return value

    return at


def warmup(steps: int, after: float | Callable) -> Callable:
    """Rise linearly from 0 during `steps` steps to what `after` begins with, then follow it."""

    def at(step):
        then = after(np.maximum(step - steps, 0.0)) if callable(after) else after
        return then * np.minimum(step / steps, 1.0)

    return at
