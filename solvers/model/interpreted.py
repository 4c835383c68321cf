"""Models that cannot be compiled: called in Python, differentiated eagerly, or by differences as a last
resort."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

import sciad
from sciad.eager.traced import Traced
from sciad.solvers.model.models import CallbackModel, NumbersOfPattern
from sciad.solvers.warn import InterpretedModel, warn

if TYPE_CHECKING:
    from scipy.sparse import csc_array

__all__ = [
    "InterpretedModel",
    "check_shape",
    "interpreted_model",
    "is_sparse",
    "with_differences",
    "wrong_size",
]


ROOT = math.sqrt(np.finfo(float).eps)


def interpreted_model(
    fun: Callable,
    shape,
    arguments: Callable,
    m: int,
    jac=None,
    sparsity: csc_array | None = None,
    differences: list | None = None,
) -> CallbackModel:
    """The model of ``fun(t, y, *arguments(p))`` with derivatives by the eager transforms.

    Parameters
    ----------
    m : int
        Numbers in p.
    jac : callable or matrix, optional
        ``jac(t, y, *arguments(p))``, dense or sparse. Without it, where ``fun`` cannot be differentiated
        either, implicit methods take differences of it, with a warning, as SciPy does.
    sparsity : csc_array of bool (n, n), optional
        Where the Jacobian may have entries.
    differences : list, optional
        Holds a reason where ``fun`` is known not to be differentiable.
    """
    n = math.prod(shape)
    differences = [] if differences is None else differences  # gets its reason once that is found
    constant = None if jac is None or callable(jac) else jac.copy() if is_sparse(jac) else np.array(jac)
    if sparsity is None and is_sparse(constant):
        from scipy.sparse import csc_array

        sparsity = csc_array(constant).astype(bool)
    seeds = _Seeds(sparsity) if sparsity is not None else None

    def flat(t, y, p):
        """f of flat arrays, traced or not."""
        out = fun(t, np.reshape(y, shape), *arguments(p))
        if not isinstance(out, Traced):
            out = np.asarray(out)
            if out.dtype == object:
                out = np.stack([*out.ravel()])
        if np.size(out) != n:
            raise wrong_size(np.shape(out), shape)
        if out.ndim > 1:
            check_shape(out, shape)
        return np.reshape(out, (n,))

    def primal(t, y, p):
        out = flat(t, y, p)
        if isinstance(out, Traced):
            raise sciad.NotDifferentiable(
                "the right-hand side captures a value that is being differentiated and cannot be compiled; "
                "pass that value through args"
            )
        return (out,)

    def pushforward(t, y, p, dt, dy, dp):
        if dy.any() or dp.any():
            return sciad.jvp(flat, (t, y, p), (dt, dy, dp))
        if not differences:
            try:
                return _strict_jvp(flat, (t, y, p), (dt, dy, dp))
            except Exception as error:
                primal(t, y, p)  # the model's own errors are raised here
                _warn(fun, error)
                differences.append(error)
        return _by_difference(primal, t, y, p, dt, model.time_scale)

    def pullback(t, y, p, gout):
        out, pull = sciad.vjp(flat, t, y, p)
        return out, *pull(gout)

    def second(t, y, p, gout, dt, dy, dp, dgout):
        """The pullback and its tangent along (dt, dy, dp, dgout)."""
        pairs = sciad.jvp(pullback, (t, y, p, gout), (dt, dy, dp, dgout))
        (out, *bars), (dout, *dbars) = pairs
        return out, dout, *bars, *dbars

    def along(t, y, p, s, u):
        return sciad.jvp(flat, (t, y, p), (s, u, np.zeros(np.shape(p))))[1]

    def pushforward_along(t, y, p, s, u, dt, dy, dp):
        return sciad.jvp(lambda t, y, p: along(t, y, p, s, u), (t, y, p), (dt, dy, dp))

    def pullback_along(t, y, p, s, u, gout):
        out, pull = sciad.vjp(along, t, y, p, s, u)
        return out, *pull(gout)

    def second_along(*values):
        pairs = sciad.jvp(pullback_along, values[:6], values[6:])
        (out, *bars), (dout, *dbars) = pairs
        return out, dout, *bars, *dbars

    def products(t, y, p, directions):
        """J times each row of `directions`, and lengths by which columns are to be divided."""
        if not differences:
            zeros = np.zeros(len(p))
            try:
                rows = [_strict_jvp(flat, (t, y, p), (0.0, d, zeros))[1] for d in directions]
                return np.reshape(rows, (-1, n)), np.ones(n)
            except Exception as error:
                primal(t, y, p)  # the model's own errors are raised here
                _warn(fun, error)
                differences.append(error)
        base = primal(t, y, p)[0]
        size = ROOT * np.maximum(np.abs(y), 1e-5 * np.abs(y).max(initial=0.0))
        change = np.abs(base).max(initial=0.0) * model.time_scale
        size[size == 0.0] = ROOT * (change if 0.0 < change < 1.0 else 1.0)
        size = (y + size) - y
        rows = [primal(t, y + size * d, p)[0] - base for d in directions]
        return np.reshape(rows, (-1, n)), size

    def given(t, y, p):
        matrix = constant if constant is not None else jac(t, np.reshape(y, shape), *arguments(p))
        found = matrix if is_sparse(matrix) else np.asarray(matrix, dtype=float)
        if found.shape != (n, n):
            raise ValueError(f"`jac` is expected to have shape {(n, n)}, but actually has {found.shape}")
        return found

    def jacobian(t, y, p):
        if jac is not None:
            found = given(t, y, p)
            return (found.toarray() if is_sparse(found) else found,)
        rows, size = products(t, y, p, np.eye(n))
        return ((rows / size[:, None]).T,)

    def numbers(t, y, p):
        """The entries of the pattern."""
        if jac is not None:
            return (seeds.entries(given(t, y, p), t),)
        rows, size = products(t, y, p, seeds.directions)
        return (rows[seeds.colour, seeds.rows] / size[seeds.column],)

    model = CallbackModel(
        shape,
        m,
        primal=primal,
        pushforward=pushforward,
        pullback=pullback,
        jacobian=jacobian,
        numbers=numbers,
        second=second,
        pushforward_along=pushforward_along,
        pullback_along=pullback_along,
        second_along=second_along,
    )
    if seeds is not None:
        model.numbers = NumbersOfPattern(model, sparsity)
    return model


def is_sparse(matrix) -> bool:
    """Whether this is one of SciPy's sparse arrays; without them, SciPy is not imported."""
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and sparse.issparse(matrix)


def with_differences(model, error: Exception) -> CallbackModel:
    """The model with a Jacobian by differences, for implicit methods; only for the forward solve.

    Parameters
    ----------
    model : sciad.solvers.model.models.CompiledModel
        Some of its functions have no derivative.
    error : MissingRule
        Says which.
    """
    warn(
        f"the Jacobian of the right-hand side is taken by differences, for {error}",
        InterpretedModel,
    )
    pattern = model.pattern() if model.n > SMALL else None

    def fun(t, y, p):
        return model.evaluate(t, y, p)

    return interpreted_model(fun, (model.n,), lambda p: (p,), model.m, None, pattern, [error])


SMALL = 32  # unknowns, for which the pattern of the Jacobian is not asked for


class _Seeds:
    """Directions that find all entries of a pattern."""

    def __init__(self, pattern: csc_array):
        from sciad.compiler.sparse.compressed_jacobian import colour_columns

        n = pattern.shape[1]
        colours = colour_columns(pattern)
        self.directions = np.zeros((int(colours.max(initial=0)) + 1, n))
        self.directions[colours, np.arange(n)] = 1.0
        self.rows, self.column = pattern.indices, np.repeat(np.arange(n), np.diff(pattern.indptr))
        self.colour = colours[self.column]

    def entries(self, matrix, t: float) -> np.ndarray:
        """Of a dense or sparse matrix; refused where others than these are not zero."""
        found = np.asarray(
            (matrix.tocsc() if is_sparse(matrix) else matrix)[self.rows, self.column], dtype=float
        )
        whole = abs(matrix).sum()
        if not abs(whole - np.abs(found).sum()) <= 1e-12 * whole and np.isfinite(whole):
            raise ValueError(
                f"jac has entries at t = {t:.6g} where jac_sparsity has none: put them into jac_sparsity"
            )
        return found


def _strict_jvp(f: Callable, primals, tangents):
    """Forward mode, in which dropping a derivative is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", sciad.DerivativeDropped)
        return sciad.jvp(f, primals, tangents)


def _by_difference(primal: Callable, t: float, y, p, dt: float, scale: float):
    """f and dt times its time derivative, where the model cannot be differentiated."""
    out = primal(t, y, p)[0]
    step = ROOT * max(abs(t), 1e-3 * scale)
    step = (t + step) - t
    return out, dt * (primal(t + step, y, p)[0] - out) / step


def _warn(fun, error: Exception) -> None:
    name = getattr(fun, "__name__", fun)
    warn(
        f"the right-hand side {name!r} can neither be compiled nor differentiated, so its derivatives are "
        f"taken by differences: give jac, or write it in NumPy. {type(error).__name__}: {error}",
        InterpretedModel,
    )


def check_shape(out, shape) -> None:
    """Refuse a result of the right size whose numbers would go to the wrong components."""
    if isinstance(out, dict):
        raise ValueError("the right-hand side returns a dict: it must return an array or a list, like y0")
    try:
        found = np.shape(out)
    except ValueError:  # a list of pieces of several lengths: they follow each other
        return
    if len(found) > 1 and [k for k in found if k != 1] != [k for k in shape if k != 1]:
        raise wrong_size(found, shape)


def wrong_size(found, shape) -> ValueError:
    """What is wrong with a result of that shape."""
    if found == (0,):
        return ValueError("the right-hand side returns nothing: is its `return` missing?")
    swapped = " Are t_span and y0 swapped? The order is (fun, t_span, y0)." if found == (2,) else ""
    return ValueError(
        f"the right-hand side returns an array of shape {found}, but y0 has shape {shape}: "
        f"it must return one derivative for each component of y.{swapped}"
    )
