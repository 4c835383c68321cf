"""Mass matrices: M y' = f(t, y) with a constant, maybe singular M."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from solvers.methods import method_named
from solvers.problem import Model
from solvers.trajectory import Options

__all__ = ["check_consistent", "with_mass"]


def with_mass(matrix, method, options: Options, n: int):
    """Method and options of a solve with a mass matrix.

    Raises
    ------
    ValueError
        If the matrix is not n by n and finite, or the method is not a Rosenbrock method.
    """
    mass = np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix, dtype=float)
    if mass.shape != (n, n):
        raise ValueError(
            f"mass_matrix has shape {mass.shape}, but y0 has {n} components: give one of shape ({n}, {n})"
        )
    if not np.isfinite(mass).all():
        raise ValueError("mass_matrix has entries that are not finite")
    if method.family == "auto":
        method = method_named("Rodas5P")
    if method.family != "rosenbrock":
        raise ValueError(f"a mass matrix needs a Rosenbrock method such as Rodas5P, not {method.name}")
    return method, replace(options, mass=mass)


def check_consistent(model: Model, mass: np.ndarray, t0: float, y0, p, rtol, atol) -> None:
    """Refuse initial values that violate the algebraic equations, those that M y' = f implies without y'."""
    left, sizes, _ = np.linalg.svd(mass)
    free = left[:, sizes <= 1e-12 * max(1.0, sizes.max(initial=0.0))]
    if not free.shape[1]:
        return
    f = model.evaluate(t0, y0, p)
    residual = free @ (free.T @ f)
    limit = 10.0 * (np.max(atol) + np.max(rtol) * max(1.0, np.abs(f).max()))
    k = int(np.abs(residual).argmax())
    if not abs(residual[k]) <= limit:
        raise ValueError(
            f"the initial values do not satisfy the algebraic equations: at t = {t0:.6g} equation {k} is "
            f"left with {residual[k]:.3g} where M y' is zero; change y0 so that it vanishes"
        )
