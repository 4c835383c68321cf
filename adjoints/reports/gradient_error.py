"""How good a gradient is: the forward against the reverse derivative, and against a more accurate solve."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import sciad
from sciad import tree
from sciad.solvers.ode.tolerance import tighter

__all__ = ["Agreement", "check", "value_and_grad"]

SHARE = 0.1  # of the tolerances, for the second solve
SHARE_OF_DIFFERENCES = 1e-3  # they amplify the errors of the solves
STEPS = (1e-3, 2e-3, 4e-3)  # of the central differences, relative to the arguments


@dataclass(frozen=True)
class Agreement:
    """How well the derivatives agree.

    Attributes
    ----------
    forward, reverse : ndarray (k,)
        Derivatives along the directions, by tangents and by the gradient.
    error : float or None
        Estimated error of the gradient, from solves with tighter tolerances: the largest change in any
        component against the largest component, each in units of its argument.
    differences : ndarray (k, 3) or None
        Central differences of the loss along the directions, with three widths. Where these agree with each
        other and not with `forward`, the loss depends on its arguments in a way that no derivative of
        the program sees, such as a jump inside a model.
    """

    forward: np.ndarray
    reverse: np.ndarray
    error: float | None = None
    differences: np.ndarray | None = None

    @property
    def missing(self) -> float:
        """Share of the loss's change along the worst direction that its derivative does not tell of, as far
        as central differences are sure of it; 0 where they are not.
        """
        if self.differences is None or not np.isfinite(self.differences).all():
            return 0.0
        middle, spread = np.median(self.differences, axis=1), np.ptp(self.differences, axis=1)
        scale = max(np.abs(middle).max(), np.abs(self.forward).max())
        gap = np.abs(middle - self.forward) - 3.0 * spread
        return float(max(gap.max() / scale, 0.0)) if scale > 0.0 else 0.0

    @property
    def digits(self) -> float:
        """Decimal digits to which forward and reverse agree, in the worst direction."""
        scale = max(np.abs(self.forward).max(), np.abs(self.reverse).max())
        gap = np.abs(self.forward - self.reverse).max()
        if not np.isfinite(gap):
            return 0.0
        return float(-np.log10(max(gap / scale, 1e-17))) if scale > 0.0 else 17.0

    def __repr__(self) -> str:
        text = f"gradient and tangents agree to {self.digits:.1f} digits along {len(self.forward)} directions"
        if self.error is None:
            return f"<{text}>"
        text += f"; estimated error of the gradient: {self.error:.1e} of its largest component"
        if not self.error < 0.1:
            text += ". It is not converged: tighten rtol and atol"
        elif self.missing > max(0.05, 2.0 * self.error):
            text += (
                f". But differences of the loss are not what they say, by {100 * self.missing:.0f} %: a "
                "model that jumps where a parameter or the state says so is differentiated as if its jumps "
                "stood still (make them events), and so are values rounded or taken out by float()"
            )
        return f"<{text}>"


def check(loss: Callable, *args: Any, directions: int = 3, seed: int = 0, estimate: bool = True) -> Agreement:
    """Compare the gradient of a loss with its tangents along random directions, and with that of solves at
    a tenth of the tolerances.

    Gradient and tangents come from different code (the chosen adjoint and the forward sensitivities), so
    agreement to many digits says that both are right for the solution that was computed. The second
    gradient says whether that solution is accurate enough: where it has fast layers whose times depend on
    the parameters, the derivative of the computed solution can be wrong by a factor though the solution is
    right to many digits. Differences of the loss itself say whether something in it depends on the arguments
    past the derivative, above all jumps inside a model whose times depend on parameters.

    Parameters
    ----------
    loss : callable
        Of numbers, arrays or nested structures of them, with a number as result.
    *args
        Where to differentiate it, in all arguments.
    directions : int
        Number of random directions, each scaled with the size of the arguments' entries.
    seed : int
    estimate : bool
        Whether to solve again for the error of the gradient and the differences.

    Returns
    -------
    Agreement

    Examples
    --------
    >>> import numpy as np
    >>> from sciad import adjoints
    >>> from sciad.solvers import solve_ivp
    >>> def loss(k):
    ...     return np.sum(solve_ivp(lambda t, y: -k * y, (0, 1), np.array([1.0]), "Tsit5").y[:, -1])
    >>> found = adjoints.check(loss, 2.0)
    >>> found.digits > 10, found.error < 1e-2
    (True, True)
    """
    rng = np.random.default_rng(seed)
    numbers = tuple(range(len(args)))
    leaves, structure = tree.flatten(args)
    if estimate:
        _, gradients, errors = value_and_grad(loss, numbers)(*args)
        error = _relative(leaves, *(tree.flatten(x)[0] for x in (gradients, errors)))
    else:
        gradients, error = sciad.grad(loss, argnums=numbers)(*args), None
    gradient = tree.flatten(gradients)[0]
    forward, reverse = np.empty(directions), np.empty(directions)
    differences = np.empty((directions, len(STEPS))) if estimate else None
    for i in range(directions):
        moved = [rng.normal(size=np.shape(x)) * _size(x) for x in leaves]
        tangents = tree.unflatten(structure, [m[()] for m in moved])
        forward[i] = sciad.jvp(loss, args, tangents)[1]
        reverse[i] = sum(np.vdot(g, m) for g, m in zip(gradient, moved, strict=True))
        if estimate:
            differences[i] = _differences(loss, leaves, structure, moved)
    return Agreement(forward, reverse, error, differences)


def value_and_grad(loss: Callable, argnums: int | tuple[int, ...] = 0, share: float = SHARE) -> Callable:
    """As `sciad.value_and_grad`, with an estimate of the gradient's error as a third result.

    The gradient is computed again with the tolerances of all solves multiplied by `share`, and by its square
    root, since errors near to rounding do not fall evenly and two solves may agree by chance. The larger
    change is the estimate, for each component. It costs these two gradients, each some 1.2 to 2 times the
    first.

    Parameters
    ----------
    loss : callable
        With a number as result; solves inside by ``solve_ivp``. Methods that do not choose their steps are
        run with half of them.
    argnums : int or tuple of int
    share : float

    Returns
    -------
    callable
        ``f(*args) -> value, gradient, error``; `error` has the structure of `gradient`.

    Examples
    --------
    >>> import numpy as np
    >>> from sciad import adjoints
    >>> from sciad.solvers import solve_ivp
    >>> loss = lambda k: solve_ivp(lambda t, y: -k * y, (0, 1), np.array([1.0]), "Tsit5").y[0, -1]
    >>> value, gradient, error = adjoints.value_and_grad(loss)(2.0)
    >>> bool(0.1 < error / abs(gradient + np.exp(-2.0)) < 10)
    True
    """

    def f(*args):
        differentiated = sciad.value_and_grad(loss, argnums)
        value, gradient = differentiated(*args)
        first, structure = tree.flatten(gradient)
        gaps = [np.zeros(np.shape(a)) for a in first]
        for part in (share, math.sqrt(share)):
            with tighter(part):
                better = tree.flatten(differentiated(*args)[1])[0]
            gaps = [np.maximum(e, np.abs(a - b)) for e, a, b in zip(gaps, first, better, strict=True)]
        return value, gradient, tree.unflatten(structure, [e[()] for e in gaps])

    return f


def _differences(loss, leaves, structure, moved) -> list[float]:
    def at(step):
        places = [np.asarray(x, dtype=float) + step * m for x, m in zip(leaves, moved, strict=True)]
        return float(loss(*tree.unflatten(structure, [place[()] for place in places])))

    with tighter(SHARE_OF_DIFFERENCES):
        return [(at(h) - at(-h)) / (2.0 * h) for h in STEPS]


def _relative(leaves, gradient, errors) -> float:
    sizes = [_size(x) for x in leaves]
    largest = max((np.abs(g * s).max(initial=0.0) for g, s in zip(gradient, sizes, strict=True)), default=0.0)
    worst = max((np.max(e * s, initial=0.0) for e, s in zip(errors, sizes, strict=True)), default=0.0)
    return float(worst / largest) if largest > 0.0 else float(worst > 0.0)


def _size(x) -> np.ndarray:
    size = np.abs(np.asarray(x, dtype=float))
    return np.where(size > 0.0, size, 1.0)
