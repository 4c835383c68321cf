"""Rooted trees and their elementary weights: the order conditions of Runge-Kutta methods.

Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I, section II.2.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

__all__ = ["Tree", "elementary_weights", "trees_up_to"]


@dataclass(frozen=True)
class Tree:
    """A rooted tree: the multiset of the trees that hang from its root."""

    children: tuple[Tree, ...] = ()

    @functools.cached_property
    def size(self) -> int:
        return 1 + sum(child.size for child in self.children)

    @functools.cached_property
    def density(self) -> int:
        """gamma: the product of the sizes of all subtrees."""
        product = self.size
        for child in self.children:
            product *= child.density
        return product

    def __str__(self) -> str:
        return "[" + "".join(map(str, self.children)) + "]" if self.children else "."


def trees_up_to(order: int) -> list[Tree]:
    """All rooted trees of at most ``order`` nodes: 1, 1, 2, 4, 9, 20, 48, 115, 286, ... of each size."""
    return [tree for size in range(1, order + 1) for tree in _trees(size)]


def elementary_weights(tree: Tree, matrix: np.ndarray) -> np.ndarray:
    """Phi_i(tree) for each stage i of a method with the given stage matrix: prod over children of (A
    Phi(child))_i.
    """
    phi = np.ones(len(matrix))
    for child in tree.children:
        phi = phi * (matrix @ elementary_weights(child, matrix))
    return phi


@functools.cache
def _trees(size: int) -> tuple[Tree, ...]:
    return tuple(Tree(children) for children in _forests(size - 1, size - 1))


@functools.cache
def _forests(total: int, largest: int) -> tuple[tuple[Tree, ...], ...]:
    """Multisets of trees of ``total`` nodes together, none larger than ``largest``, in a fixed order."""
    if total == 0:
        return ((),)
    result = []
    for size in range(min(total, largest), 0, -1):
        trees = _trees(size)
        for index, tree in enumerate(trees):
            for rest in _forests(total - size, size):
                if not rest or rest[0].size < size or trees.index(rest[0]) >= index:
                    result.append((tree, *rest))
    return tuple(result)
