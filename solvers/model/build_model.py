"""From a user's right-hand side to a ``Model``: compiled where possible, else called back in Python with
one warning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sciad import tree
from sciad.eager.rebind import original
from sciad.eager.traced import Traced, operand
from sciad.errors import UnsupportedSyntax
from sciad.solvers.model.interpreted import InterpretedModel, check_shape, interpreted_model, wrong_size
from sciad.solvers.model.models import CallbackModel, CompiledModel, Model
from sciad.solvers.stepping.failures import warn

__all__ = ["InterpretedModel", "build_model"]


def build_model(
    fun: Callable,
    shape: tuple[int, ...],
    args: tuple,
    jac=None,
    trial: Callable | None = None,
    sparsity=None,
) -> tuple[Model, Any]:
    """The model of ``fun(t, y, *args)`` and the present value of its parameters.

    Parameters
    ----------
    fun : callable
    shape : of y
    args : tuple of pytrees
        Leaves may be traced.
    jac : callable or matrix, optional
        The Jacobian of a model that cannot be compiled.
    trial : callable, optional
        Runs ``fun`` once in Python; called where it cannot be compiled, so that a mistake of the user's
        shows as Python shows it.
    sparsity : csc_array of bool, optional
        Where the Jacobian of a model that cannot be compiled has entries.

    Returns
    -------
    model : Model
    p : ndarray (m,), or traced
        The float leaves of ``args`` in order, then the captured numbers and arrays of ``fun``.

    Raises
    ------
    ValueError
        If ``fun`` returns something of another size than y.
    """
    fun = original(fun)
    leaves, structure = tree.flatten(args)
    leaves = [present(leaf) for leaf in leaves]
    kinds = tuple([_kind(leaf) for leaf in leaves])
    key = (getattr(fun, "__code__", fun), shape, structure, kinds)
    for model, shared in _models.get(key, ()):
        if shared.matches(fun):
            return model, _join(leaves, kinds, shared.traced.gather(fun))
    if any(kind.__class__ is bytes for kind in kinds) and key not in _refused:
        _count_contents(fun, key, (key[0], shape, structure))
    if key in _refused or getattr(fun, "interpreted", False):
        return _interpreted(fun, shape, leaves, structure, jac, sparsity), _join(leaves, kinds, ())
    template = tree.unflatten(
        structure, [_example(leaf, kind) for leaf, kind in zip(leaves, kinds, strict=True)]
    )
    try:
        model, shared = _compile(fun, shape, template)
    except UnsupportedSyntax as error:
        if trial is not None:
            trial()
        warn(
            f"the right-hand side {getattr(fun, '__name__', fun)!r} is not compiled but called in Python at "
            f"every stage, which is slower; the result is the same. {error}",
            InterpretedModel,
        )
        _refused.add(key)
        return build_model(fun, shape, args, jac, None, sparsity)
    if len(_models) > 1000:
        _models.clear()
    _models.setdefault(key, []).append((model, shared))
    p = _join(leaves, kinds, shared.traced.gather(fun))
    assert np.size(p) == model.m, f"the model reads {model.m} parameters, {np.size(p)} were found"
    return model, p


def _count_contents(fun, key, form) -> None:
    """The contents of integer arrays are compiled in: after several of them the model is called in Python."""
    _contents[form] = _contents.get(form, 0) + 1
    if _contents[form] <= CONTENTS:
        return
    if _contents[form] == CONTENTS + 1:
        warn(
            f"the right-hand side {getattr(fun, '__name__', fun)!r} is not compiled but called in Python "
            "at every stage, which is slower; the result is the same. An integer array in args differs at "
            "every solve: make it float, or keep it the same",
            InterpretedModel,
        )
    _refused.add(key)


def is_parameter(leaf) -> bool:
    """Whether a leaf of ``args`` is a number or array that the model depends on smoothly."""
    return _kind(leaf).__class__ is tuple


_models: dict = {}
_refused: set = set()
_contents: dict = {}
CONTENTS = 8  # of integer arrays, for which one model is compiled
_NO_PARAMETERS = np.empty(0)
_FLOAT = np.dtype(float)


def _kind(leaf):
    """The shape of a parameter; of anything else what the compiler specialises on."""
    cls = leaf.__class__
    if cls is np.ndarray:
        if leaf.dtype is _FLOAT or leaf.dtype.kind in "fO":
            return leaf.shape
        return f"{leaf.dtype.str}{leaf.shape}".encode() + leaf.tobytes()
    if cls is float or isinstance(leaf, np.floating):
        return ()
    if isinstance(leaf, Traced):
        return leaf.shape
    return f"{cls.__name__} {leaf!r}" if isinstance(leaf, bool | int | str) else _Same(leaf)


class _Same:
    """A key that is equal to that of the very same object only, and keeps it alive."""

    __slots__ = ("leaf",)

    def __init__(self, leaf):
        self.leaf = leaf

    def __eq__(self, other):
        return isinstance(other, _Same) and other.leaf is self.leaf

    def __hash__(self):
        return id(self.leaf)


def _example(leaf, kind):
    """A plain value of the leaf's shape for the compiler to look at."""
    if kind.__class__ is not tuple:
        return leaf
    return np.zeros(kind) if kind else 0.0


def _join(leaves, kinds, captured):
    """The flat parameter vector; traced if one of its pieces is."""
    pieces = [leaf for leaf, kind in zip(leaves, kinds, strict=True) if kind.__class__ is tuple]
    pieces += captured
    if not pieces:
        return _NO_PARAMETERS
    if len(pieces) == 1:
        return _flat(pieces[0])
    return np.concatenate([_flat(piece) for piece in pieces])


def present(x):
    """What an array stands for: a local array that traced values were written into is a traced value;
    integers and truth values of NumPy are those of Python.
    """
    if isinstance(x, np.ndarray):
        if x.__class__ is np.memmap:
            return x.view(np.ndarray)
        if x.__class__ is not np.ndarray:
            return operand(x)
        return x.item() if x.ndim == 0 and x.dtype.kind in "iub" else x
    return x.item() if isinstance(x, np.integer | np.bool_) else x


def _flat(piece):
    piece = present(piece)
    if piece.__class__ is np.ndarray and piece.dtype is _FLOAT:
        return piece if piece.ndim == 1 else piece.reshape(-1)
    if isinstance(piece, Traced):
        return piece if piece.ndim == 1 else np.reshape(piece, (-1,))
    if isinstance(piece, np.ndarray) and piece.dtype == object:
        return np.stack([*piece.ravel()])
    return np.asarray(piece, dtype=float).reshape(-1)


def _compile(fun, shape, args) -> tuple[Model, Any]:
    from sciad.compiler import Group, compile_function

    groups = [Group("t", 0.0, scalar=True), Group("y", np.zeros(shape)), Group("p", args, spread=True)]
    function = compile_function(fun, groups)
    model = CompiledModel(function, shape, function.n_in["p"])
    if function.n_out != model.n:
        raise wrong_size((function.n_out,), shape)
    check_shape(function.out_tree.unflatten(np.zeros(model.n)), shape)
    return model, function.shared


def _interpreted(fun, shape, leaves, structure, jac, sparsity) -> CallbackModel:
    sizes = [np.size(leaf) if is_parameter(leaf) else None for leaf in leaves]

    def arguments(p):
        present, start = [], 0
        for leaf, size in zip(leaves, sizes, strict=True):
            if size is None:
                present.append(leaf)
            else:
                present.append(np.reshape(p[start : start + size], np.shape(leaf))[()])
                start += size
        return tree.unflatten(structure, present)

    m = sum(size for size in sizes if size is not None)
    return interpreted_model(fun, shape, arguments, m, jac, sparsity)
