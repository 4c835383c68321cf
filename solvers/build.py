"""From a user's right-hand side to a ``Model``: compiled where possible, else called back in Python with
one warning.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable

import numpy as np

import sciad
from sciad import tree
from sciad.errors import UnsupportedSyntax
from sciad.value import Traced
from solvers.problem import CallbackModel, CompiledModel, Model

__all__ = ["InterpretedModel", "build_model"]


class InterpretedModel(UserWarning):
    """The right-hand side could not be compiled and is called in Python: right, but slower."""


def build_model(fun: Callable, shape: tuple[int, ...], args: tuple) -> tuple[Model, list]:
    """The model of ``fun(t, y, *args)`` and the captured values that belong to its parameters.

    Parameters
    ----------
    fun : callable
    shape : of y
    args : tuple of pytrees
        Leaves may be traced; only their shapes matter.

    Returns
    -------
    model : Model
        Its ``p`` are the float leaves of ``args`` in order, then the captures.
    captures : list
        Objects whose ``get()`` is the present value of a lifted capture.

    Raises
    ------
    ValueError
        If ``fun`` returns something of another size than y.
    """
    if getattr(fun, "__code__", None) not in _refused:
        try:
            return _compiled(fun, shape, args)
        except UnsupportedSyntax as error:
            reason = str(error)
            if hasattr(fun, "__code__"):
                _refused.add(fun.__code__)
        warnings.warn(
            f"the right-hand side {getattr(fun, '__name__', fun)!r} is not compiled but called in Python at "
            f"every stage, which is slower; the result is the same. {reason}",
            InterpretedModel,
            stacklevel=4,
        )
    return _interpreted(fun, shape, args), []


def parameters(args: tuple, captures: list):
    """The flat parameter vector: float leaves of ``args``, then captures; traced if one of them is."""
    pieces = [leaf for leaf in tree.tree_leaves(args) if is_parameter(leaf)]
    pieces += [capture.get() for capture in captures]
    if not pieces:
        return _NO_PARAMETERS
    if len(pieces) == 1:
        return _flat(pieces[0])
    return np.concatenate([_flat(piece) for piece in pieces])


def is_parameter(leaf) -> bool:
    """Whether a leaf of ``args`` is a number or array that the model depends on smoothly."""
    if isinstance(leaf, float | Traced):
        return True
    if isinstance(leaf, np.ndarray):
        return leaf.dtype.kind in "fO"
    return isinstance(leaf, np.floating)


def _flat(piece):
    if isinstance(piece, Traced):
        return np.reshape(piece, (-1,))
    if isinstance(piece, np.ndarray) and piece.dtype == object:
        return np.stack([*piece.ravel()])
    return np.asarray(piece, dtype=float).reshape(-1)


_NO_PARAMETERS = np.empty(0)
_refused: weakref.WeakSet = weakref.WeakSet()
_models: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def _compiled(fun, shape, args) -> tuple[Model, list]:
    from sciad.compiler import Group, compile_function

    groups = [Group("t", 0.0, scalar=True), Group("y", _template(shape)), Group("p", args, spread=True)]
    function = compile_function(fun, groups)
    models = _models.setdefault(function.shared, {})
    model = models.get(shape)
    if model is None:
        model = models[shape] = CompiledModel(function, shape, function.n_in["p"])
        if function.n_out != model.n:
            raise _wrong_size((function.n_out,), shape)
    return model, function.captures


def _template(shape):
    found = _templates.get(shape)
    if found is None:
        found = _templates[shape] = np.zeros(shape)
    return found


_templates: dict = {}


def _wrong_size(found, shape) -> ValueError:
    return ValueError(
        f"the right-hand side returns an array of shape {found}, but y0 has shape {shape}: "
        "it must return one derivative for each component of y"
    )


def _interpreted(fun, shape, args) -> CallbackModel:
    leaves, structure = tree.flatten(args)
    sizes = [np.size(leaf) if is_parameter(leaf) else None for leaf in leaves]
    n = int(np.prod(shape, dtype=int))

    def flat(t, y, p):
        """f of flat arrays, traced or not."""
        present, start = [], 0
        for leaf, size in zip(leaves, sizes, strict=True):
            if size is None:
                present.append(leaf)
            else:
                present.append(np.reshape(p[start : start + size], np.shape(leaf))[()])
                start += size
        out = fun(t, np.reshape(y, shape), *tree.unflatten(structure, present))
        if not isinstance(out, Traced):
            out = np.asarray(out)
            if out.dtype == object:
                out = np.stack([*out.ravel()])
        if np.size(out) != n:
            raise _wrong_size(np.shape(out), shape)
        return np.reshape(out, (n,))

    def primal(t, y, p):
        out = flat(t, y, p)
        if isinstance(out, Traced):
            raise sciad.NotDifferentiable(
                "the right-hand side captures a value that is being differentiated and cannot be compiled; pass that "
                "value through args"
            )
        return (out,)

    def pushforward(t, y, p, dt, dy, dp):
        return sciad.jvp(flat, (t, y, p), (dt, dy, dp))

    def pullback(t, y, p, gout):
        out, pull = sciad.vjp(flat, t, y, p)
        return out, *pull(gout)

    def jacobian(t, y, p):
        return (sciad.jacobian(flat, argnums=1)(t, y, p),)

    return CallbackModel(
        shape,
        sum(size for size in sizes if size is not None),
        primal=primal,
        pushforward=pushforward,
        pullback=pullback,
        jacobian=jacobian,
    )
