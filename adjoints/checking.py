"""Checking a gradient: the forward and the reverse derivative of a loss along random directions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import sciad
from sciad import tree

__all__ = ["Agreement", "check"]


@dataclass(frozen=True)
class Agreement:
    """How well the two derivatives agree.

    Attributes
    ----------
    forward, reverse : ndarray (k,)
        Derivatives along the directions, by tangents and by the gradient.
    digits : float
        Decimal digits to which they agree, in the worst direction.
    """

    forward: np.ndarray
    reverse: np.ndarray

    @property
    def digits(self) -> float:
        scale = max(np.abs(self.forward).max(), np.abs(self.reverse).max())
        gap = np.abs(self.forward - self.reverse).max()
        if not np.isfinite(gap):
            return 0.0
        return float(-np.log10(max(gap / scale, 1e-17))) if scale > 0.0 else 17.0

    def __repr__(self) -> str:
        return (
            f"<gradient and tangents agree to {self.digits:.1f} digits along {len(self.forward)} directions>"
        )


def check(loss: Callable, *args: Any, directions: int = 3, seed: int = 0) -> Agreement:
    """Compare the gradient of a loss with its tangents along random directions.

    The two come from different code (the chosen adjoint and the forward sensitivities), so agreement to
    many digits says that both are right for the solution that was computed. It does not say that the
    solution is accurate: solve again with a tighter tolerance for that.

    Parameters
    ----------
    loss : callable
        Of numbers, arrays or nested structures of them, with a number as result.
    *args
        Where to differentiate it, in all arguments.
    directions : int
        Number of random directions, each scaled with the size of the arguments' entries.
    seed : int

    Returns
    -------
    Agreement

    Examples
    --------
    >>> import numpy as np, adjoints
    >>> from solvers import solve_ivp
    >>> def loss(k):
    ...     return np.sum(solve_ivp(lambda t, y: -k * y, (0, 1), np.array([1.0]), "Tsit5").y[:, -1])
    >>> adjoints.check(loss, 2.0).digits > 10
    True
    """
    rng = np.random.default_rng(seed)
    leaves, structure = tree.flatten(args)
    gradient = tree.flatten(sciad.grad(loss, argnums=tuple(range(len(args))))(*args))[0]
    forward, reverse = np.empty(directions), np.empty(directions)
    for i in range(directions):
        moved = [rng.normal(size=np.shape(x)) * _size(x) for x in leaves]
        tangents = tree.unflatten(structure, [m[()] for m in moved])
        forward[i] = sciad.jvp(loss, args, tangents)[1]
        reverse[i] = sum(np.vdot(g, m) for g, m in zip(gradient, moved, strict=True))
    return Agreement(forward, reverse)


def _size(x) -> np.ndarray:
    size = np.abs(np.asarray(x, dtype=float))
    return np.where(size > 0.0, size, 1.0)
