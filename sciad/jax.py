"""JAX's side of the bridge: functions of NumPy as functions of JAX arrays, under `jit`, `grad` and `vmap`.

    import sciad.jax

Nothing else of the package imports jax.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from sciad.eager.traced import is_traced
from sciad.solvers.strict import failed_solves_raise
from sciad.transforms.gradients import vjp
from sciad.tree import tree_leaves

__all__ = ["function"]


def function(f: Callable, out: Any = None) -> Callable:
    """A function of numbers and arrays as one of JAX arrays, with reverse-mode gradients of all orders.

    Parameters
    ----------
    f : callable
        Plain NumPy, a compiled function (`sciad.jit`), anything with solves in it. Arguments and results are
        nested containers that are pytrees of JAX: dicts, lists, tuples.
    out : nested, optional
        What the result looks like: arrays, numbers or `jax.ShapeDtypeStruct`. By default `f` is called once
        with arrays of ones to find out, for each shape of the arguments.

    Returns
    -------
    callable
        Computed on the host in double precision and returned in the dtype of the arguments (of 32 bits unless
        JAX is told ``jax_enable_x64``). `vmap` calls it for each element; forward mode is not there.

    Examples
    --------
    >>> import jax, numpy as np, sciad.jax
    >>> norm = sciad.jax.function(lambda x: np.sqrt(np.sum(x**2)))
    >>> jax.jit(jax.grad(norm))(np.array([3.0, 4.0], dtype=np.float32)).tolist()
    [0.6000000238418579, 0.800000011920929]
    """
    known: dict = {}
    kept: dict = {}

    def shapes(args):
        if out is not None:
            return jax.tree.map(_shape, out)
        leaves, structure = jax.tree.flatten(args)
        key = (structure, tuple(x.shape for x in leaves))
        if key not in known:
            examples = jax.tree.unflatten(structure, [np.ones(x.shape)[()] for x in leaves])
            try:
                with failed_solves_raise():
                    known[key] = jax.tree.map(np.shape, f(*examples), is_leaf=_is_leaf)
            except Exception as error:
                raise ValueError(
                    f"what the result looks like is not known, and of arguments that are ones there is none: "
                    f"give it, function(f, out=...). {type(error).__name__}: {error}"
                ) from error
        return known[key]

    def called(*args):
        args = jax.tree.map(_floats, args)
        leaves = jax.tree.leaves(args)
        dtype = jax.numpy.result_type(*leaves) if leaves else jax.numpy.zeros(()).dtype
        found = jax.tree.map(
            lambda shape: jax.ShapeDtypeStruct(shape, dtype), shapes(args), is_leaf=_is_shape
        )
        return bridged(found, *args)

    def on_host(run, dtype):
        def callback(*args):
            args = jax.tree.map(_double, args)
            with failed_solves_raise():
                return jax.tree.map(lambda x: np.asarray(x, dtype=dtype), run(*args), is_leaf=_is_leaf)

        return callback

    def recorded(*args):
        """The value; what its derivative needs is kept for `pull`."""
        value, back = vjp(f, *args)
        kept[_bytes(args)] = value, back
        while len(kept) > _KEPT:
            kept.pop(next(iter(kept)), None)
        return value

    def pull(args, cotangents):
        traced = any(map(is_traced, tree_leaves(args)))
        value, back = (None if traced else kept.pop(_bytes(args), None)) or vjp(f, *args)
        return back(_ordered(value, cotangents))

    def value_and_slopes(*args):
        value, back = vjp(f, *args)
        return value, back(1.0)

    def bridged(found, *args):
        dtype = jax.tree.leaves(found)[0].dtype

        def computed(run):
            return jax.custom_vjp(
                lambda *args: jax.pure_callback(on_host(run, dtype), found, *args, vmap_method="sequential")
            )

        if getattr(found, "shape", None) == ():  # a number: one call gives value and gradient
            alone = computed(f)

            def both(*args):
                return function(value_and_slopes, out=(found, args))(*args)

            alone.defvjp(both, lambda slopes, g: tuple(jax.tree.map(lambda x: g * x, slopes)))
            return alone(*args)

        plain, recording = computed(f), computed(recorded)

        def forward(*args):
            return recording(*args), args  # by its rule again: derivatives of derivatives pass through here

        def backward(args, cotangents):
            return tuple(function(pull, out=args)(args, cotangents))

        plain.defvjp(forward, backward)
        recording.defvjp(forward, backward)
        return plain(*args)

    return called


_KEPT = 4  # derivatives that wait for their cotangents, of one function


def _bytes(args):
    return tuple(np.asarray(x, dtype=float).tobytes() for x in jax.tree.leaves(args))


def _ordered(like, tree):
    """JAX sorts the keys of dicts; here they have the order they were made in."""
    if isinstance(like, dict):
        return {key: _ordered(x, tree[key]) for key, x in like.items()}
    if isinstance(like, (list, tuple)):
        parts = [_ordered(x, y) for x, y in zip(like, tree, strict=True)]
        return type(like)(*parts) if hasattr(like, "_fields") else type(like)(parts)
    return tree


def _floats(x):
    x = jax.numpy.asarray(x)
    return x if jax.numpy.issubdtype(x.dtype, jax.numpy.floating) else x.astype(jax.numpy.result_type(float))


def _double(x):
    x = np.asarray(x, dtype=np.float64)
    return x if x.ndim else float(x)


def _shape(x):
    return tuple(x.shape) if hasattr(x, "shape") else np.shape(x)


def _is_shape(x):
    return isinstance(x, tuple) and all(isinstance(n, int) for n in x)


def _is_leaf(x):
    return isinstance(x, np.ndarray)
