"""A solve of next to nothing, for the sake of what it compiles."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sciad.solvers.model.arguments import argument_tuple, time_span
from sciad.transforms.gradients import vjp

__all__ = ["compile_solves"]

PART = 1e-4  # of the interval


def compile_solves(
    solve: Callable,
    gradient: bool,
    fun: Callable,
    t_span,
    y0,
    method="auto",
    t_eval=None,
    dense_output: bool = False,
    events=None,
    vectorized: bool = False,
    args: tuple | None = None,
    **options,
) -> None:
    """Compile what the solve with these arguments, and its derivative in reverse mode, needs."""
    t0, t1 = time_span(t_span)
    options.pop("tstops", None)
    if options.get("first_step") is not None:
        options["first_step"] *= PART
    options |= {"t_span": (t0, t0 + PART * (t1 - t0)), "dense_output": dense_output, "events": events}
    if t_eval is not None:
        options["t_eval"] = t0 + PART * (np.asarray(t_eval, float) - t0)
    args = argument_tuple(args)
    for one in (method, "Rodas5P") if isinstance(method, str) and method == "auto" else (method,):

        def outputs(y0, args, one=one):
            return solve(fun, y0=y0, args=args, method=one, **options).y

        outputs(y0, args)
        if gradient:  # whose steps are watched over by another kernel
            y, pull = vjp(outputs, y0, args)
            pull(np.ones(np.shape(y)))
