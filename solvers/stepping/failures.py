"""What to tell of solves that cannot start or did not end."""

from __future__ import annotations

import math

import numpy as np

from sciad.solvers.stepping import loop_state as state

__all__ = ["failure_message"]


def failure_message(
    code: int, t: float, y: np.ndarray, f: np.ndarray, whole, real, explicit=True, jacobian=None
) -> str:
    """What happened, where, and what to do; `jacobian` computes that of the model there."""
    if code == state.TOO_MANY_STEPS:
        attempts = int(whole[state.ACCEPTED] + whole[state.REJECTED])
        return (
            f"The largest number of steps, max_steps={attempts}, was used up at t = {t:.6g}; allow more "
            "steps (max_steps=math.inf: any number), loosen rtol and atol, or use a method for stiff "
            "problems (such as Rodas5P)."
        )
    text = f"Required step size is less than spacing between numbers. The solution stopped at t = {t:.6g}"
    for what, values in (("y", y), ("the right-hand side", f)):
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            k = bad[0]
            return f"{text}, where component {k} of {what} is {values[k]}; check the model near this time."
    matrix = np.zeros((0, 0)) if jacobian is None else jacobian()
    bad = np.argwhere(~np.isfinite(matrix))
    if len(bad):
        i, j = bad[0]
        name = "NaN" if np.isnan(matrix[i, j]) else f"{matrix[i, j]}"
        return (
            f"The Jacobian of the model has {name} in row {i}, column {j} at t = {t:.6g}, where "
            f"y[{j}] = {y[j]:.6g}: an implicit step cannot be made there. Rewrite component {i} of the model "
            f"so that it is smooth in y[{j}], start beside it, or use an explicit method (such as Tsit5)."
        )
    largest, fastest = np.abs(y).argmax(), np.abs(f).argmax()
    if not math.isfinite(real[state.ERROR]):
        return (
            f"{text}: beyond it the model is not finite, however short the step. Check the model there "
            "(a pole of the solution, a logarithm or root of a negative number); the largest component is "
            f"y[{largest}] = {y[largest]:.6g}."
        )
    advice = ", or try Rodas5P" if explicit else ""
    return (
        f"{text}, where the error (the fastest component is y[{fastest}]) cannot be brought under the "
        "tolerance: the solution may have a singularity or a jump there, or be stiff. Put a jump into "
        f"tstops{advice}."
    )
