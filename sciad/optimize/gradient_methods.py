"""Stochastic gradient methods as pure functions of nested parameters; they compile inside of `ad.jit`.

Each method is a pair ``init(params) -> state`` and ``update(grads, state, params) -> (updates, state)``, as
in optax; `apply_updates` adds the updates. The state is nested containers of floats and arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sciad.tree import tree_leaves, tree_map

__all__ = ["GradientMethod", "adam", "adamw", "apply_updates", "chain", "clip", "clip_norm", "lion", "sgd"]

Rate = float | Callable[[Any], Any]


class GradientMethod(NamedTuple):
    """What `sgd`, `adam`, ... return.

    Attributes
    ----------
    init : callable
        ``init(params) -> state``.
    update : callable
        ``update(grads, state, params) -> (updates, state)``.
    """

    init: Callable
    update: Callable


def apply_updates(params: Any, updates: Any) -> Any:
    """Parameters after a step: the sum, leaf by leaf."""
    return tree_map(_add, params, updates)


def sgd(rate: Rate, momentum: float = 0.0, nesterov: bool = False) -> GradientMethod:
    """Gradient descent, with momentum: ``m = momentum*m + g``, ``p = p - rate*m``.

    Parameters
    ----------
    rate : float or callable
        A function of the number of steps done, as those of `sciad.optimize.schedules`.
    momentum : float
    nesterov : bool
        Look ahead: the step is along ``g + momentum*m``.

    Returns
    -------
    GradientMethod

    Examples
    --------
    >>> import sciad.optimize as opt
    >>> method = opt.sgd(0.1)
    >>> p = {"x": 1.0}
    >>> updates, state = method.update({"x": 2.0}, method.init(p), p)
    >>> float(opt.apply_updates(p, updates)["x"])
    0.8
    """

    def init(params):
        return {"step": 0.0, "trace": tree_map(np.zeros_like, params)}

    def update(grads, state, params):
        size = _rate(rate, state["step"])
        trace = tree_map(lambda m, g: momentum * m + g, state["trace"], grads)
        if nesterov:
            updates = tree_map(lambda m, g: -size * (g + momentum * m), trace, grads)
        else:
            updates = tree_map(lambda m: -size * m, trace)
        return updates, {"step": state["step"] + 1.0, "trace": trace}

    return GradientMethod(init, update)


def adam(rate: Rate, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> GradientMethod:
    """Adam (Kingma and Ba, 2015): momentum and size of gradients, with their bias corrected.

    Parameters
    ----------
    rate : float or callable
        A function of the number of steps done, as those of `sciad.optimize.schedules`.
    b1, b2 : float
        Decay of the means of gradients and of their squares.
    eps : float
        Added to the root of the second mean.

    Returns
    -------
    GradientMethod
    """
    return adamw(rate, b1, b2, eps, decay=0.0)


def adamw(
    rate: Rate, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8, decay: float = 1e-2
) -> GradientMethod:
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019): ``rate*decay*p`` more per step.

    Parameters are those of `adam`.
    """
    decays = decay != 0.0

    def init(params):
        zeros = tree_map(np.zeros_like, params)
        return {"step": 0.0, "mean": zeros, "square": tree_map(np.zeros_like, params)}

    def update(grads, state, params):
        size, step = _rate(rate, state["step"]), state["step"] + 1.0
        mean = tree_map(lambda m, g: m + (1.0 - b1) * (g - m), state["mean"], grads)
        square = tree_map(lambda v, g: b2 * v + (1.0 - b2) * g * g, state["square"], grads)
        first, root = size / (1.0 - b1**step), np.sqrt(1.0 - b2**step)
        updates = tree_map(lambda m, v: -first * m / (np.sqrt(v) / root + eps), mean, square)
        if decays:
            updates = tree_map(lambda u, p: u - size * decay * p, updates, params)
        return updates, {"step": step, "mean": mean, "square": square}

    return GradientMethod(init, update)


def lion(rate: Rate, b1: float = 0.9, b2: float = 0.99, decay: float = 0.0) -> GradientMethod:
    """Lion (Chen et al., 2023, algorithm 2): the sign of an interpolated momentum.

    Parameters
    ----------
    rate : float or callable
        About a tenth of that of Adam, since every entry moves by the whole of it.
    b1, b2 : float
        Weights of the momentum in the step, and in the next momentum.
    decay : float
        Decoupled weight decay.

    Returns
    -------
    GradientMethod
    """

    def init(params):
        return {"step": 0.0, "mean": tree_map(np.zeros_like, params)}

    def update(grads, state, params):
        size = _rate(rate, state["step"])
        updates = tree_map(
            lambda m, g, p: -size * (np.sign(b1 * m + (1.0 - b1) * g) + decay * p),
            state["mean"],
            grads,
            params,
        )
        mean = tree_map(lambda m, g: b2 * m + (1.0 - b2) * g, state["mean"], grads)
        return updates, {"step": state["step"] + 1.0, "mean": mean}

    return GradientMethod(init, update)


def clip_norm(largest: float) -> GradientMethod:
    """Scale all gradients together so that their common Euclidean norm is at most `largest`."""

    def update(grads, state, params):
        square = sum([np.sum(np.square(g)) for g in tree_leaves(grads)])
        norm = np.sqrt(square)
        factor = largest / norm if norm > largest else 1.0
        return tree_map(lambda g: factor * g, grads), state

    return GradientMethod(_no_state, update)


def clip(largest: float) -> GradientMethod:
    """Bring every entry of the gradients into ``[-largest, largest]``."""

    def update(grads, state, params):
        return tree_map(lambda g: np.clip(g, -largest, largest), grads), state

    return GradientMethod(_no_state, update)


def chain(*methods: GradientMethod) -> GradientMethod:
    """One method after the other: what the first returns as updates is the next one's gradients.

    Examples
    --------
    >>> import sciad.optimize as opt
    >>> method = opt.chain(opt.clip_norm(1.0), opt.adam(opt.cosine_decay(1e-2, 2000)))
    """

    def init(params):
        return [method.init(params) for method in methods]

    def update(grads, state, params):
        states = []
        for method, own in zip(methods, state, strict=True):
            grads, after = method.update(grads, own, params)
            states.append(after)
        return grads, states

    return GradientMethod(init, update)


def _no_state(params):
    return ()


def _add(p, u):
    return p + u


def _rate(rate, step):
    return rate(step) if callable(rate) else rate
