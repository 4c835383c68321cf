"""From a user's right-hand side to a ``Model``: compiled where possible, else called back in Python with
one warning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sciad import tree
from sciad.eager.rebind import original
from sciad.errors import UnsupportedSyntax
from sciad.solvers.model.interpreted import check_shape, interpreted_model, wrong_size
from sciad.solvers.model.models import CallbackModel, CompiledModel, Model
from sciad.solvers.model.parameters import example, join, kinds_of, unpacker
from sciad.solvers.warn import InterpretedModel, warn, warn_interpreted

__all__ = ["InterpretedModel", "build_model"]


def build_model(
    fun: Callable,
    shape: tuple[int, ...],
    args: tuple,
    jac=None,
    trial: Callable | None = None,
    sparsity=None,
    compiled_only: bool = False,
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
    compiled_only : bool
        Raise what the compiler raises, in place of a model that is called in Python.

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
    kinds = kinds_of(leaves)
    key = (getattr(fun, "__code__", fun), shape, structure, kinds)
    for model in _models.get(key, ()):
        if model.function.matches(fun):
            return model, join(leaves, kinds, model.function.gather_from(fun))
    if any(kind.__class__ is bytes for kind in kinds) and key not in _refused:
        _count_contents(fun, key, (key[0], shape, structure))
    if not compiled_only and (key in _refused or getattr(fun, "interpreted", False)):
        return _interpreted(fun, shape, leaves, structure, jac, sparsity), join(leaves, kinds, ())
    _check_order(fun)
    template = tree.unflatten(
        structure, [example(leaf, kind) for leaf, kind in zip(leaves, kinds, strict=True)]
    )
    try:
        model = _compile(fun, shape, template)
    except UnsupportedSyntax as error:
        if compiled_only:
            raise
        if trial is not None:
            trial()
        warn_interpreted(f"the right-hand side {getattr(fun, '__name__', fun)!r}", error)
        _refused.add(key)
        return build_model(fun, shape, args, jac, None, sparsity)
    if len(_models) > 1000:
        _models.clear()
    _models.setdefault(key, []).append(model)
    p = join(leaves, kinds, model.function.gather_from(fun))
    assert np.size(p) == model.m, f"the model reads {model.m} parameters, {np.size(p)} were found"
    return model, p


def _check_order(fun) -> None:
    """Notice a model written for `scipy.integrate.odeint`, which calls it with the state first."""
    code = getattr(fun, "__code__", None)
    names = code.co_varnames[: code.co_argcount] if code is not None else ()
    names = names[names[:1] == ("self",) :]
    if len(names) > 1 and names[1] in _TIMES and names[0] not in _TIMES:
        warn(
            f"{fun.__name__}({', '.join(names)}) looks as if it took the state first, but it is called as "
            f"fun(t, y, *args): write def {fun.__name__}({', '.join([names[1], names[0], *names[2:]])})"
        )


_TIMES = frozenset({"t", "time", "t_"})


def _count_contents(fun, key, form) -> None:
    """The contents of integer arrays are compiled in: after several of them the model is called in Python."""
    _contents[form] = _contents.get(form, 0) + 1
    if _contents[form] <= CONTENTS:
        return
    if _contents[form] == CONTENTS + 1:
        warn_interpreted(
            f"the right-hand side {getattr(fun, '__name__', fun)!r}",
            "An integer array in args differs at every solve: make it float, or keep it the same",
        )
    _refused.add(key)


_models: dict = {}
_refused: set = set()
_contents: dict = {}
CONTENTS = 8  # of integer arrays, for which one model is compiled


def _compile(fun, shape, args) -> CompiledModel:
    from sciad.compiler import Group, compile_function

    groups = [Group("t", 0.0, scalar=True), Group("y", np.zeros(shape)), Group("p", args, spread=True)]
    function = compile_function(fun, groups)
    model = CompiledModel(function, shape, function.n_in["p"])
    if function.n_out != model.n:
        raise wrong_size((function.n_out,), shape)
    check_shape(function.out_tree.unflatten(np.zeros(model.n)), shape)
    return model


def _interpreted(fun, shape, leaves, structure, jac, sparsity) -> CallbackModel:
    arguments, m = unpacker(leaves, structure)
    return interpreted_model(fun, shape, arguments, m, jac, sparsity)
