"""`ad.compile`: what a function or a solve needs is compiled now, not when it is first called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.transforms.gradients import vjp
from sciad.tree import flatten, unflatten

__all__ = ["compile"]


def compile(fun: Callable, *args: Any, gradient: bool = True, **kwargs: Any) -> None:
    """Compile a function, and its derivative in reverse mode, for arguments like these.

    Parameters
    ----------
    fun : callable
        A function made by `jit`: it is compiled and not called. `solve_ivp`: the model, the method and their
        derivatives are compiled for states and parameters of these shapes, with a solve of a ten-thousandth
        of the interval; ``method="auto"`` includes the method for stiff problems. Any other function, such as
        a loss that contains solves, is called, once alone and once with its derivative.
    *args, **kwargs
        As for a call of `fun`; of numbers and arrays the shapes count.
    gradient : bool
        Whether the derivative, too.

    Notes
    -----
    What is compiled is kept (``python -m sciad cache``), also for later processes: running a program of such
    calls once makes those that follow start at once.

    Examples
    --------
    >>> import numpy as np, sciad as ad
    >>> def decay(t, y, k):
    ...     return -k * y
    >>> ad.compile(ad.solve_ivp, decay, (0, 1), np.ones(2), args=(3.0,), method="Tsit5", t_eval=[0.5, 1])
    """
    prepare = getattr(fun, "compile_ahead", None)
    if prepare is not None:
        prepare(gradient, *args, **kwargs)
        return
    fun(*args, **kwargs)
    if gradient:
        out, pull = vjp(lambda *given: fun(*given, **kwargs), *args)
        leaves, structure = flatten(out)
        pull(unflatten(structure, [np.ones(np.shape(x)) for x in leaves]))
