"""Rosenbrock methods as data that checks itself.

In the form without matrix products (Hairer & Wanner, Solving ODEs II, IV.7), a step of size h from (t, y) is

    W = M / (gamma h) - J(t, y),
    W U_i = f(t + c_i h, y + sum_j a_ij U_j) + M sum_j (C_ij / h) U_j + h d_i f_t(t, y),    j < i,
    y1 = y + sum_i b_i U_i,    error = sum_i error_i U_i,

with M the mass matrix. Rows as the solver stores them: ``0 .. s-1`` the U_i, ``s`` f(t, y), ``s+1``
f(t+h, y1).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from sciad.solvers.methods.rooted_trees import Tree, trees_up_to

__all__ = ["Rosenbrock"]

Row = tuple[float, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Rosenbrock:
    """Coefficients of a Rosenbrock method, checked when it is made.

    Parameters
    ----------
    name, reference : str
    order, error_order : int
        Of the method and of the embedded one, whichever comes out of ``b`` minus ``error``.
    gamma : float
    a, C : tuple of rows
        Rows 1 .. s-1 (row i has i entries).
    b, error, c, d : rows of s entries
    dense : tuple of rows, optional
        H of y(theta) = (1-theta) y + theta (y1 + (1-theta) sum_m theta^m sum_i H_mi U_i). Where none is
        published, the one of ``dense_order`` and smallest norm is found from the order conditions.
    dense_order : int
    w_order : int
        Order that is kept with any matrix in place of J (a W-method), 0 if none.

    Raises
    ------
    ValueError
        If the row sums or the order conditions of the method, its embedded method or its dense output do
        not hold.
    """

    name: str
    reference: str
    order: int
    error_order: int
    gamma: float
    a: tuple[Row, ...]
    C: tuple[Row, ...]
    b: Row
    error: Row
    c: Row
    d: Row
    dense_order: int
    dense: tuple[Row, ...] = ()
    w_order: int = 0
    tolerance: float = 1e-10

    family = "rosenbrock"
    scaled = False  # the U_i are increments already
    implicit = True
    takes_mass = True
    adaptive = True

    def __post_init__(self):
        if not self.dense:
            object.__setattr__(self, "dense", _smallest_dense(self))
        _check(self)

    def __repr__(self) -> str:
        return f"<{self.name}: Rosenbrock, order {self.order}({self.error_order}), {self.stages} stages>"

    @property
    def stages(self) -> int:
        return len(self.b)

    @property
    def rows(self) -> int:
        """The U_i, f at the start and f at the end of the step."""
        return self.stages + 2

    @property
    def control_order(self) -> int:
        return min(self.order, self.error_order)

    @functools.cached_property
    def gamma_matrix(self) -> np.ndarray:
        """Gamma of the original form, k_i = h f(y + sum alpha_ij k_j) + h J sum gamma_ij k_j."""
        return np.linalg.inv(np.eye(self.stages) / self.gamma - _square(self.C, self.stages))

    @functools.cached_property
    def alpha(self) -> np.ndarray:
        return _square(self.a, self.stages) @ self.gamma_matrix


def _square(rows: tuple[Row, ...], size: int) -> np.ndarray:
    full = np.zeros((size, size))
    for i, row in enumerate(rows):
        full[i + 1, : len(row)] = row
    return full


def _check(method: Rosenbrock) -> None:
    for what, sums, given in (("c", method.alpha, method.c), ("d", method.gamma_matrix, method.d)):
        gap = np.abs(sums.sum(axis=1) - given)
        if not gap.max() <= method.tolerance * 10:
            raise ValueError(
                f"{method.name}: {what}[{gap.argmax()}] is not its row sum (gap {gap.max():.1e})"
            )
    weights = np.array(method.b) @ method.gamma_matrix
    _check_order(method, weights, method.order, "the method")
    embedded = weights - np.array(method.error) @ method.gamma_matrix
    _check_order(method, embedded, method.error_order, "the embedded method")
    for theta in (0.3, 0.8):
        powers = theta ** np.arange(len(method.dense))
        inside = theta * (np.array(method.b) + (1 - theta) * powers @ np.array(method.dense))
        _check_order(method, inside @ method.gamma_matrix, method.dense_order, "the dense output", theta)
    if method.w_order:
        _check_w_order(method, weights)


def _check_order(method, weights, order: int, what: str, theta: float = 1.0) -> None:
    for tree in trees_up_to(order):
        phi = _elementary_weights(tree, method.alpha, method.gamma_matrix)
        gap = abs(float(weights @ phi) - theta**tree.size / tree.density)
        if not gap <= method.tolerance * (1.0 + float(np.abs(weights) @ np.abs(phi))):
            raise ValueError(
                f"{method.name}: {what} misses the order condition of the tree {tree} (order {tree.size}) "
                f"by {gap:.1e}"
            )


def _elementary_weights(tree: Tree, alpha: np.ndarray, gamma: np.ndarray) -> np.ndarray:
    """As for Runge-Kutta methods, but a single child hangs by alpha + gamma (Hairer & Wanner II, IV.7.11)."""
    children = tree.children
    matrix = alpha + gamma if len(children) == 1 else alpha
    phi = np.ones(len(alpha))
    for child in children:
        phi = phi * (matrix @ _elementary_weights(child, alpha, gamma))
    return phi


def _check_w_order(method, weights) -> None:
    """With an arbitrary matrix, each way to hang a single child by gamma instead of alpha must give zero."""
    for tree in trees_up_to(method.w_order):
        for phi, exact in _w_weights(tree, method.alpha, method.gamma_matrix):
            target = 1.0 / tree.density if exact else 0.0
            gap = abs(float(weights @ phi) - target)
            if not gap <= method.tolerance * (1.0 + float(np.abs(weights) @ np.abs(phi))):
                raise ValueError(
                    f"{method.name} is not a W-method of order {method.w_order}: {tree} by {gap:.1e}"
                )


def _w_weights(tree: Tree, alpha, gamma):
    """Pairs (Phi, whether no gamma is in it) over all choices."""
    results = [(np.ones(len(alpha)), True)]
    matrices = [(alpha, True), (gamma, False)] if len(tree.children) == 1 else [(alpha, True)]
    for child in tree.children:
        results = [
            (phi * (matrix @ below), exact and plain and none)
            for phi, exact in results
            for below, none in _w_weights(child, alpha, gamma)
            for matrix, plain in matrices
        ]
    return results


def _smallest_dense(method: Rosenbrock) -> tuple[Row, ...]:
    """H of smallest norm that gives a dense output of the declared order.

    theta / g + theta (1-theta) sum_m theta^m (H_m Phi) = theta^q / g for each tree of order q and density
    g, that is, H_m Phi = -1/g for m < q - 1 and 0 beyond.
    """
    trees = trees_up_to(method.dense_order)
    phis = [
        method.gamma_matrix @ _elementary_weights(tree, method.alpha, method.gamma_matrix) for tree in trees
    ]
    rows = []
    for m in range(method.dense_order - 1):
        targets = [-1.0 / tree.density if m < tree.size - 1 else 0.0 for tree in trees]
        rows.append(tuple(map(float, np.linalg.lstsq(np.array(phis), np.array(targets), rcond=None)[0])))
    return tuple(rows)
