"""The arguments ``jac`` and ``jac_sparsity`` of ``solve_ivp``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sciad.solvers.model.arguments import contiguous, flat, untraced, untraced_args
from sciad.solvers.model.interpreted import is_sparse
from sciad.solvers.model.models import CompiledModel, Model

if TYPE_CHECKING:
    from scipy.sparse import csc_array

__all__ = ["check_jac", "pattern_given", "with_pattern"]


def pattern_given(sparsity, n: int) -> csc_array:
    """``jac_sparsity`` as a pattern.

    Raises
    ------
    ValueError
        If it is not n by n.
    """
    from scipy.sparse import csc_array

    pattern = csc_array(sparsity if is_sparse(sparsity) else np.atleast_2d(np.asarray(sparsity)))
    if pattern.shape != (n, n):
        raise ValueError(
            f"jac_sparsity has shape {pattern.shape}, but y0 has {n} components: give one of ({n}, {n})"
        )
    pattern.eliminate_zeros()
    pattern = pattern.astype(bool)
    pattern.sum_duplicates()
    pattern.sort_indices()
    return pattern


def check_jac(jac, t0, y0, args: tuple) -> None:
    """Refuse a ``jac`` of the wrong shape, as SciPy does; the other arguments may be traced."""
    if callable(jac):
        jac = jac(untraced(t0), untraced(y0), *untraced_args(args))
    found = jac.shape if is_sparse(jac) else np.shape(jac)
    if found != (np.size(y0), np.size(y0)) and not (np.size(y0) == 1 and found == ()):
        raise ValueError(
            f"`jac` is expected to have shape {(np.size(y0), np.size(y0))}, but actually has {found}"
        )


def with_pattern(model: Model, pattern: csc_array, t0, y0, p) -> Model:
    """A compiled model that trusts the user's pattern, where the one found from its source is much larger.

    Raises
    ------
    ValueError
        If the pattern misses entries of the Jacobian at (t0, y0).
    """
    if not isinstance(model, CompiledModel):
        return model
    found = model.pattern()
    if found is not None and found.nnz <= 2 * pattern.nnz:
        return model
    key = ("pattern", pattern.indptr.tobytes(), pattern.indices.tobytes())
    other = model.plans.get(key)
    if other is None:
        other = CompiledModel(model.function, model.shape, model.m, pattern)
        _check_pattern(other, float(untraced(t0)), flat(untraced(y0)), contiguous(untraced(p)))
        model.plans[key] = other
    return other


def _check_pattern(model: CompiledModel, t0: float, y0: np.ndarray, p: np.ndarray) -> None:
    """Compare the compressed Jacobian with a product of the whole one."""
    from scipy.sparse import csc_array

    direction = np.random.default_rng(0).uniform(0.5, 1.5, model.n)
    whole = model.call("pushforward", t0, y0, p, 0.0, direction, np.zeros(model.m))[1]
    status, values = model.sparse_jacobian().values(t0, y0, p)
    if status:
        raise model.failure(status)
    pattern = model.pattern()
    parts = csc_array((values, pattern.indices, pattern.indptr), shape=pattern.shape) @ direction
    gap = np.abs(parts - whole)
    k = int(gap.argmax())
    if gap[k] > 1e-8 * np.abs(whole).max():
        raise ValueError(
            f"jac_sparsity misses entries of row {k}: the derivative of equation {k} along a direction is "
            f"{whole[k]:.6g} at t = {t0:.6g}, but {parts[k]:.6g} with these entries alone"
        )
