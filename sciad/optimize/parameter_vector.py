"""Nested parameters as the vector that an optimiser moves: fixed ones left out, constrained ones freed."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.logdensity.constraints import ENTRYWISE, Unconstrained, constraint_named
from sciad.transforms.gradients import vjp
from sciad.transforms.jacobians import jacobian
from sciad.tree import children, flatten, paths, unflatten

__all__ = ["ParameterVector"]


class ParameterVector:
    """The free entries of nested parameters.

    Parameters
    ----------
    params : nested structure of numbers and arrays
    bounds, fixed, transforms : nested, optional
        Each follows the structure of `params` as far as it is given: ``{"rate": (0, 1)}`` is for
        ``params["rate"]`` and all below it. Sequences and named tuples may be addressed by dicts, too.
        A bound is a pair ``(low, high)`` with None for infinity; ``fixed`` has True, or an array of bools;
        a transform is a name or an instance of `sciad.logdensity.constraints`.

    Attributes
    ----------
    start : ndarray
        Where `params` is.
    low, high : ndarray
        Bounds of the free entries.
    names : list of str
        How each free entry is written, ``['rate'][2]``.
    """

    def __init__(self, params: Any, bounds=None, fixed=None, transforms=None):
        leaves, self.structure = flatten(params)
        self.paths = paths(params)
        self.leaves = [_floats(leaf, path) for leaf, path in zip(leaves, self.paths, strict=True)]
        self.transforms = [constraint_named(x) for x in _spread(params, transforms, "transforms")]
        self.plain = all(isinstance(t, Unconstrained) for t in self.transforms)
        free = _spread(params, fixed, "fixed")
        self.free = [
            _mask(leaf, f, t, path)
            for leaf, f, t, path in zip(self.leaves, free, self.transforms, self.paths, strict=True)
        ]
        pairs = _spread(params, bounds, "bounds")
        starts, lows, highs, self.names, self.sizes = [], [], [], [], []
        self.places: list[int | None] = []  # of each free entry among all entries, where it is one of them
        before = 0
        for leaf, mask, t, pair, path in zip(
            self.leaves, self.free, self.transforms, pairs, self.paths, strict=True
        ):
            try:
                z = np.asarray(t.inverse(leaf), dtype=float)
            except ValueError as error:
                raise ValueError(f"the parameter {path or 'given'} cannot be transformed: {error}") from None
            chosen = _chosen(z, mask)
            if pair is not None and not isinstance(t, Unconstrained):
                raise ValueError(f"{path or 'the parameter'} has both bounds and a transform: give one")
            low, high = _bounds(pair, leaf, path)
            starts.append(chosen)
            lows.append(_chosen(np.broadcast_to(low, z.shape), mask))
            highs.append(_chosen(np.broadcast_to(high, z.shape), mask))
            self.names += _chosen_names(path, z.shape, mask)
            self.sizes.append(len(chosen))
            own = np.arange(z.size) if mask is None else np.flatnonzero(mask)
            alone = isinstance(t, ENTRYWISE)
            self.places += [before + int(k) if alone else None for k in own]
            before += leaf.size
        join = lambda parts: np.concatenate(parts) if parts else np.zeros(0)  # noqa: E731
        self.start, self.low, self.high = join(starts), join(lows), join(highs)
        outside = (self.start < self.low) | (self.start > self.high)
        if outside.any():
            k = int(np.argmax(outside))
            raise ValueError(
                f"{self.names[k] or 'the parameter'} = {self.start[k]:g} begins outside of its bounds "
                f"[{self.low[k]:g}, {self.high[k]:g}]"
            )
        if not len(self.start):
            raise ValueError("all parameters are fixed")

    @property
    def bounded(self) -> bool:
        return bool(np.isfinite(self.low).any() or np.isfinite(self.high).any())

    def build(self, z: Any) -> Any:
        """Nested parameters at `z`, differentiable in it."""
        made, at = [], 0
        for leaf, mask, t, size in zip(self.leaves, self.free, self.transforms, self.sizes, strict=True):
            part = z[at : at + size]
            at += size
            if size == 0:
                made.append(leaf.copy() if leaf.shape else float(leaf))
                continue
            shape = t.free_shape(leaf.shape)
            if mask is None:
                part = np.reshape(part, shape) if shape else part[0]
            else:
                places = np.cumsum(mask.ravel()) - 1  # of entries of the leaf in `part`
                spread = np.reshape(part[np.maximum(places, 0)], shape)
                part = np.where(mask, spread, np.asarray(t.inverse(leaf)))
            made.append(t(part))
        return unflatten(self.structure, made)

    def gather(self, gradient: Any) -> np.ndarray:
        """The free entries of a gradient with respect to nested parameters without transforms."""
        parts = [
            _chosen(np.asarray(g, dtype=float), mask)
            for g, mask, size in zip(flatten(gradient)[0], self.free, self.sizes, strict=True)
            if size
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def value_and_gradient(self, value_and_grad: Callable) -> Callable:
        """``z -> (value, gradient)`` of a function of nested parameters, given with its gradient."""
        if self.plain:

            def evaluate(z):
                value, gradient = value_and_grad(self.build(z))
                return float(value), self.gather(gradient)
        else:

            def evaluate(z):
                params, pull = vjp(self.build, z)
                value, gradient = value_and_grad(params)
                return float(value), np.asarray(pull(gradient)[0])

        return evaluate

    def derivative(self, z: np.ndarray) -> np.ndarray:
        """Derivatives of all entries of the parameters, in order, by the free ones: a matrix."""
        return np.asarray(jacobian(lambda z: flat(self.build(z)))(z))

    def nested(self, entries: np.ndarray) -> Any:
        """All entries of the parameters, in order, as nested containers."""
        made, at = [], 0
        for leaf in self.leaves:
            part = entries[at : at + leaf.size].reshape(leaf.shape)
            made.append(part if leaf.shape else float(part))
            at += leaf.size
        return unflatten(self.structure, made)

    def natural(self, z: np.ndarray, k: int, place: float) -> float:
        """The parameter whose free entry k is `place`; `place` itself where entries hang together."""
        if self.places[k] is None:
            return float(place)
        z = z.copy()
        z[k] = place
        return float(flat(self.build(z))[self.places[k]])

    def plain_values(self, z: np.ndarray) -> Any:
        """Nested parameters at `z` as Python's numbers and NumPy's arrays."""
        return self.nested(np.asarray(flat(self.build(z)), dtype=float))

    def index(self, name: str) -> int:
        """Which free entry is meant by ``['rate'][2]``, or by ``rate`` where that is one number."""
        if isinstance(name, (int, np.integer)):
            return range(len(self.names))[name]
        for form in (name, f"[{name!r}]", f".{name}"):
            if form in self.names:
                return self.names.index(form)
        raise KeyError(f"there is no free parameter {name!r}; there are {', '.join(self.names)}")


def flat(params: Any) -> Any:
    """All entries of nested parameters as one vector, differentiable."""
    return np.concatenate([np.reshape(leaf, (-1,)) for leaf in flatten(params)[0]])


def _floats(leaf, path):
    try:
        array = np.asarray(leaf, dtype=float)
    except (TypeError, ValueError):
        raise TypeError(f"the parameter {path} is no number or array of numbers: {leaf!r}") from None
    if not np.all(np.isfinite(array)):
        raise ValueError(f"the parameter {path or 'given'} is not finite: {leaf!r}")
    return array


def _mask(leaf, fixed, transform, path):
    """None where all of a leaf is free, else the entries that are."""
    if fixed is None or fixed is False:
        return None
    if np.asarray(fixed).dtype != bool:
        raise TypeError(
            f"fixed of {path or 'the parameter'} is {fixed!r}: give True or False (or an array of them); a "
            "parameter is held at the value that it has in the parameters"
        )
    mask = ~np.broadcast_to(np.asarray(fixed, dtype=bool), leaf.shape)
    if mask.all():
        return None
    if mask.any() and not isinstance(transform, ENTRYWISE):
        raise ValueError(f"{path}: its entries are bound to each other by {transform!r}; fix all or none")
    return mask


def _chosen(z, mask):
    if mask is None:
        return np.ravel(z)
    return np.ravel(z)[mask.ravel()] if mask.any() else np.zeros(0)


def _chosen_names(path, shape, mask):
    if mask is not None and not mask.any():
        return []
    names = [path + "".join(f"[{k}]" for k in place) for place in np.ndindex(*shape)] if shape else [path]
    return names if mask is None else [n for n, free in zip(names, mask.ravel(), strict=True) if free]


def _bounds(pair, leaf, path):
    if pair is None:
        return -np.inf, np.inf
    if isinstance(pair, list) and leaf.ndim == 1 and len(pair) == leaf.size and all(map(_is_pair, pair)):
        pair = tuple(zip(*pair, strict=True))  # a pair for each entry, as SciPy's minimize takes them
        pair = tuple(
            [d if x is None else x for x in side] for side, d in zip(pair, (-np.inf, np.inf), strict=True)
        )
    try:
        low, high = pair
    except (TypeError, ValueError):
        raise ValueError(
            f"the bounds of {path or 'the parameter'} are no pair (low, high): {pair!r}"
        ) from None
    low = np.broadcast_to(np.asarray(-np.inf if low is None else low, dtype=float), leaf.shape)
    high = np.broadcast_to(np.asarray(np.inf if high is None else high, dtype=float), leaf.shape)
    if not np.all(low < high):
        raise ValueError(
            f"{path or 'the parameter'}: the lower bound {low} is not below the upper one {high}"
        )
    return low, high


def _is_pair(x) -> bool:
    return isinstance(x, tuple) and len(x) == 2


def _spread(params, given, what: str) -> list:
    """What is `given` for each leaf of `params`: it follows their structure as far as it goes."""
    parts = children(params)
    if parts is None:
        return [given]
    if isinstance(given, dict) or (isinstance(given, list) and len(given) == len(parts)):
        known = {_key(suffix): child for suffix, child in parts}
        own = given if isinstance(given, dict) else dict(enumerate(given))
        unknown = [key for key in own if key not in known]
        if unknown:
            raise KeyError(
                f"{what} names {unknown[0]!r}; the parameters there are {', '.join(map(repr, known))}"
            )
        return [x for key, child in known.items() for x in _spread(child, own.get(key), what)]
    return [x for _, child in parts for x in _spread(child, given, what)]


def _key(suffix: str):
    """The key, index or field that ``['a']``, ``[0]`` or ``.a`` names."""
    return suffix[1:] if suffix[0] == "." else ast.literal_eval(suffix[1:-1])
