"""Forward sensitivities: tangents of the computed solution, one direction at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sciad.adjoints.ode.discrete import Cotangents, pull, push
from sciad.solvers.adjoint import Adjoint

__all__ = ["ForwardSensitivity"]


@dataclass(frozen=True)
class ForwardSensitivity(Adjoint):
    """Tangents of the steps of the solve, for every component of y0 and every parameter.

    As the pushforward of a solve (`sciad.jvp`, `sciad.jacobian` in forward mode) one direction costs
    about one more solve. Chosen as ``adjoint=`` it computes gradients from the tangents of all
    directions: exact like `DiscreteAdjoint`, worth it for few parameters and many outputs, and an
    independent check of the adjoints.

    It fails (raises) where the solve failed.
    """

    serves = ("solve_ivp", "solve_sde")
    record = 3  # the LU factors of the steps serve all directions

    def pullback(self, model, trajectory, p: np.ndarray, gys: np.ndarray, times: bool, options) -> Cotangents:
        """Cotangents of a solve's inputs from its outputs'; see `sciad.adjoints.ode.discrete.pull`."""
        n, m = model.n, model.m
        gradient = np.empty(n + m)
        for k, direction in enumerate(np.eye(n + m)):
            dys = push(model, trajectory, p, direction[:n].copy(), direction[n:].copy())
            gradient[k] = np.vdot(gys, dys)
        if not times:
            return Cotangents(gradient[:n], gradient[n:])
        c = pull(model, trajectory, p, gys, times=True)
        return Cotangents(gradient[:n], gradient[n:], c.ts, c.t0)
