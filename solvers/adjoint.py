"""What an adjoint is to the solvers: an object that says which of them it serves."""

from __future__ import annotations

from typing import ClassVar

__all__ = ["Adjoint"]


class Adjoint:
    """Base of the ways to compute the gradient of a solve, which users choose as ``adjoint=``.

    Those that serve ``solve_ivp`` have ``pullback(model, trajectory, p, gys, times, options)``, see
    `sciad.adjoints.ode.discrete.pull`, and say what they need of each step:

    Attributes
    ----------
    serves : tuple of str
        Names of the solvers it is for.
    record : {1, 2, 3}
        What is kept of each step, see ``record`` of `sciad.solvers.stepping.integrate.integrate`.
    dense : bool
        Whether the extra stages of the dense output are needed.
    of_steps : bool
        Whether it differentiates the steps that were taken, which then have to be short enough for that.
    memory : float or None
        Bytes that the record may take; no limit if None.
    """

    serves: ClassVar[tuple[str, ...]] = ()
    record = 3
    dense = False
    of_steps = True
    memory: float | None = None
