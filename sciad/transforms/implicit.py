"""Solutions of equations, differentiated by the implicit function theorem instead of through their
iterations.

If F(x, a) = 0 defines x, then dx = -F_x^{-1} F_a da.  The iteration that found x does not matter, so it
keeps no tape and its length does not matter either.  Source: Griewank and Walther, "Evaluating
Derivatives" (2008), ch. 15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sciad.eager.traced import strip
from sciad.errors import SciadError
from sciad.plain_numpy import np
from sciad.transforms.custom import custom
from sciad.transforms.gradients import jvp, vjp
from sciad.transforms.jacobians import jacobian
from sciad.transforms.later_calls import LaterCall
from sciad.tree import flatten, unflatten


class NotConverged(SciadError, RuntimeError):
    """An iteration ended before its tolerance was met."""


def fixed_point(
    f: Callable, x0: Any, *args: Any, rtol: float = 1e-10, atol: float = 1e-12, max_iterations: int = 10_000
) -> Any:
    """Return the x with ``x = f(x, *args)``, differentiable in `args` and in what `f` captures.

    Parameters
    ----------
    f : callable
        ``f(x, *args)`` returns a value of the structure of `x`; iterated from `x0` until it no longer moves.
    x0 : number, array or nested structure
        The start; the solution does not depend on it, so its derivative is zero.
    *args
        Further arguments of `f`.
    rtol, atol : float
        Stop when every entry moves less than ``atol + rtol * |x|``.
    max_iterations : int

    Raises
    ------
    NotConverged
        With the number of iterations and the last movement.

    Examples
    --------
    >>> import numpy as np, sciad as ad
    >>> x = ad.fixed_point(np.cos, 1.0)
    >>> round(float(x), 10)
    0.7390851332
    >>> round(float(ad.grad(lambda a: ad.fixed_point(lambda x: np.cos(a * x), 1.0))(1.0)), 10)
    -0.2974743415
    """

    def solve(g, x):
        moved = np.inf
        for _ in range(max_iterations):
            new = g(x)
            moved = np.max(np.abs(new - x), initial=0.0)
            done = np.all(np.abs(new - x) <= atol + rtol * np.abs(new))
            x = new
            if not np.all(np.isfinite(x)):  # whatever the difference of two infinities is
                break
            if done:
                return x
        raise NotConverged(
            f"fixed_point: not converged after {max_iterations} iterations, the last of which moved x by "
            f"{moved:.3g}. Is the map a contraction near x0? Otherwise solve x - f(x) = 0 by ad.root"
        )

    return _implicit(f, x0, args, solve, lambda y, x: y - x)


def root(
    f: Callable, x0: Any, *args: Any, rtol: float = 1e-12, atol: float = 1e-12, max_iterations: int = 100
) -> Any:
    """Return an x with ``f(x, *args) = 0``, differentiable in `args` and in what `f` captures.

    Newton's method with halved steps while the residual does not fall.

    Parameters
    ----------
    f : callable
        ``f(x, *args)`` returns as many numbers as `x` has.
    x0 : number, array or nested structure
        The start.
    *args
        Further arguments of `f`.
    rtol, atol : float
        Stop when a Newton step is below ``atol + rtol * |x|`` everywhere.
    max_iterations : int

    Raises
    ------
    NotConverged
        With the number of iterations and the residual.

    Examples
    --------
    >>> import sciad as ad
    >>> ad.grad(lambda a: ad.root(lambda x: x**2 - a, 1.0))(4.0)
    np.float64(0.25)
    """

    def solve(g, x):
        size = np.inf
        for _ in range(max_iterations):
            y = g(x)
            size = np.max(np.abs(y), initial=0.0)
            if y.shape != x.shape:
                raise ValueError(f"root: f returns {y.size} numbers for {x.size} unknowns")
            step = np.linalg.solve(jacobian(g)(x), y)
            new = x - step
            for _ in range(30):
                if np.max(np.abs(g(new)), initial=0.0) <= max(size, atol):
                    break
                step = 0.5 * step
                new = x - step
            x = new
            if np.all(np.abs(step) <= atol + rtol * np.abs(x)) and np.all(np.isfinite(x)):
                return x
        raise NotConverged(
            f"root: not converged after {max_iterations} Newton steps, residual {size:.3g}. Start "
            f"closer to the root"
        )

    return _implicit(f, x0, args, solve, lambda y, x: y)


def _implicit(f, x0, args, solve, residual):
    """Solve on plain numbers; give the solution its derivative."""
    leaves, structure = flatten(x0)
    shapes = [np.shape(x) for x in leaves]
    start = _ravel([strip(x) for x in leaves])
    call = LaterCall(f, args, {})
    fun = call.run

    def flat(x, inputs):
        begin = unflatten(structure, _split(x, shapes))
        return _ravel(flatten(fun(inputs, begin))[0])

    def gap(x, *inputs):
        return residual(flat(x, inputs), x)

    def solution(*inputs):
        return solve(lambda x: flat(x, inputs), start)

    def pullback(inputs):
        x = primitive(*inputs)
        matrix = jacobian(gap)(x, *inputs)
        # written down now: nothing of the user's is called when the sweep comes
        back = vjp(lambda *a: gap(x, *a), *inputs)[1]
        return x, lambda g: back(-np.linalg.solve(matrix.T, g))

    def pushforward(inputs, tangents):
        x = primitive(*inputs)
        moved = jvp(lambda *a: gap(x, *a), inputs, tangents)[1]
        return x, -np.linalg.solve(jacobian(gap)(x, *inputs), moved)

    primitive = custom(solution, pushforward, pullback)
    with call:
        found = primitive(*call.inputs)
    return unflatten(structure, _split(found, shapes))


def _ravel(leaves):
    return np.concatenate([np.reshape(x, (-1,)) for x in leaves])


def _split(x, shapes):
    parts, at = [], 0
    for shape in shapes:
        n = int(np.prod(shape))
        parts.append(np.reshape(x[at : at + n], shape) if shape else x[at])
        at += n
    return parts
