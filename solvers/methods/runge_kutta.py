"""Explicit Runge-Kutta methods as data that checks itself.

A method of ``s`` stages advances ``y`` over a step ``h`` by

    K_i = f(t + c_i h, y + h sum_j a_ij K_j),    y1 = y + h sum_i b_i K_i.

Rows of the stage matrix are numbered as the solver stores them: ``0 .. s-1`` the stages, ``s`` the
closing row f(t + h, y1), which is the first stage of the next step (so "first same as last" is not a
property to declare but a matter of whether the error estimate uses row ``s``), then the extra stages of
the dense output, which are evaluated only in steps that somebody looks into.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np

from sciad.solvers.methods.rooted_trees import elementary_weights, trees_up_to

__all__ = ["RungeKutta"]

Row = tuple[float, ...]


@dataclass(frozen=True, eq=False, repr=False)
class RungeKutta:
    """Coefficients of an explicit Runge-Kutta method, checked when it is made.

    Parameters
    ----------
    name : str
    reference : str
        Where the coefficients are published.
    order : int
        Order of the solution that is carried on.
    a : tuple of rows
        Row ``i`` holds the ``i`` coefficients of stage ``i``; the first row is empty.
    b : row of ``s`` weights
    c : row of ``s`` nodes
    error : row, optional
        Weights of the local error estimate h sum_i error_i K_i, over ``s`` or ``s + 1`` rows (b minus the
        weights of the embedded method). Without it the method has a fixed step.
    error_order : int, optional
        Order of the embedded method.
    control_order : int, optional
        Order q of the error estimate as step-size control sees it, err ~ h^(q+1); ``error_order`` unless
        given.
    error_damping : row, optional
        Weights of a second estimate e3 that damps the first, |e| = |e5|^2 / sqrt(|e5|^2 + |e3|^2 / 100)
        (Hairer, Norsett & Wanner, Solving ODEs I, II.10).
    interpolant : tuple of rows
        Row ``i``: coefficients of theta, theta^2, ... in b_i(theta), where y(t + theta h) = y + h sum_i
        b_i(theta) K_i, over the stages, the closing row and the extra stages.
    interpolant_order : int
    extra_a, extra_c : tuple of rows, row
        The extra stages; their rows may use the closing row and earlier extra stages.

    Raises
    ------
    ValueError
        If row sums, the order conditions of the method, of its embedded method or of its dense output do
        not hold.
    """

    name: str
    reference: str
    order: int
    a: tuple[Row, ...]
    b: Row
    c: Row
    interpolant: tuple[Row, ...]
    interpolant_order: int
    error: Row | None = None
    error_order: int = 0
    control_order: int = 0
    error_damping: Row | None = None
    extra_a: tuple[Row, ...] = ()
    extra_c: Row = ()
    tolerance: float = field(default=1e-11, kw_only=True)

    family = "explicit"
    scaled = True  # stages are derivatives: sums of them are multiplied by h
    implicit = False  # whether a step solves linear systems
    takes_mass = False  # whether M y' = f(t, y) can be solved

    def __post_init__(self):
        if not self.control_order:
            object.__setattr__(self, "control_order", self.error_order)
        _check(self)

    def __repr__(self) -> str:
        embedded = f"({self.error_order})" if self.adaptive else ", fixed step"
        return f"<{self.name}: explicit Runge-Kutta, order {self.order}{embedded}, {self.stages} stages>"

    @property
    def stages(self) -> int:
        return len(self.b)

    @property
    def adaptive(self) -> bool:
        return self.error is not None

    @property
    def rows(self) -> int:
        """Stages, the closing row and the extra stages."""
        return self.stages + 1 + len(self.extra_c)

    @property
    def fsal(self) -> bool:
        """Whether the error estimate needs the closing row."""
        return self.adaptive and len(self.error) > self.stages and self.error[self.stages] != 0.0

    @functools.cached_property
    def stability_limit(self) -> float:
        """How far the method is stable on the negative real axis: the first x with |R(-x)| > 1."""
        a, stage = self.matrix[: self.stages, : self.stages], np.ones(self.stages)
        powers = [1.0]
        for _ in range(self.stages):
            powers.append(float(np.dot(self.b, stage)))
            stage = a @ stage
        x = np.arange(0.01, 4.0 * self.stages**2, 0.01)
        beyond = np.flatnonzero(np.abs(np.polyval(powers[::-1], -x)) > 1.0 + 1e-9)
        return float(x[beyond[0]])

    @functools.cached_property
    def dense(self) -> tuple[Row, ...]:
        """Rows H_m of y(theta) = (1-theta) y + theta (y1 + (1-theta) h sum_m theta^m sum_i H_mi K_i).

        This form, which all families of methods share, meets both ends of the step exactly.
        """
        weights = np.array(_padded(self.b, self.rows))
        polynomial = np.array([_padded(r, len(self.interpolant[0])) for r in self.interpolant])
        remainder = polynomial.copy()
        remainder[:, 0] -= weights[: len(polynomial)]
        # Division by (1 - theta): the quotient's coefficients are the partial sums.
        quotient = np.cumsum(remainder, axis=1)[:, :-1]
        rows = np.zeros((quotient.shape[1], self.rows))
        rows[:, : len(quotient)] = quotient.T
        return tuple(tuple(map(float, row)) for row in rows)

    @functools.cached_property
    def matrix(self) -> np.ndarray:
        """Stage matrix of shape (rows, rows), the closing row and the extra stages included."""
        full = np.zeros((self.rows, self.rows))
        for i, row in enumerate((*self.a, self.b, *self.extra_a)):
            full[i, : len(row)] = row
        return full

    @functools.cached_property
    def nodes(self) -> np.ndarray:
        """Nodes c of all rows."""
        return np.array([*self.c, 1.0, *self.extra_c])


def _padded(row, length: int) -> list[float]:
    return [*row, *([0.0] * (length - len(row)))]


def _check(method: RungeKutta) -> None:
    if len(method.a) != method.stages or len(method.c) != method.stages:
        raise ValueError(f"{method.name}: a, b and c must have one row or entry per stage")
    scale = 1.0 + np.abs(method.matrix).sum(axis=1)
    gap = np.abs(method.matrix.sum(axis=1) - method.nodes) / scale
    if not gap.max() <= method.tolerance:
        raise ValueError(
            f"{method.name}: row {int(gap.argmax())} of a does not sum to c (gap {gap.max():.1e})"
        )
    _check_order(method, _padded(method.b, method.rows), method.order, "the method")
    if method.adaptive:
        embedded = np.array(_padded(method.b, method.rows)) - _padded(method.error, method.rows)
        _check_order(method, embedded, method.error_order, "the embedded method")
    if len({len(r) for r in method.interpolant}) != 1 or len(method.interpolant) > method.rows:
        raise ValueError(f"{method.name}: the interpolant needs rows of one length, at most one per stage")
    polynomial = np.array(method.interpolant)
    for theta in (0.3, 0.8, 1.0):
        weights = polynomial @ theta ** np.arange(1, polynomial.shape[1] + 1)
        weights = _padded(weights, method.rows)
        _check_order(method, weights, method.interpolant_order, f"the dense output at theta={theta}", theta)
        if theta == 1.0 and not np.abs(np.array(weights) - _padded(method.b, method.rows)).max() <= 1e-9:
            raise ValueError(f"{method.name}: the dense output does not end at y1")


def _check_order(method: RungeKutta, weights, order: int, what: str, theta: float = 1.0) -> None:
    """Butcher's conditions sum_i w_i Phi_i(tree) = theta^|tree| / gamma(tree) for all trees up to
    ``order``.
    """
    weights = np.asarray(weights, dtype=float)
    for tree in trees_up_to(order):
        phi = elementary_weights(tree, method.matrix)
        gap = abs(float(weights @ phi) - theta**tree.size / tree.density)
        scale = 1.0 + float(np.abs(weights) @ np.abs(phi))
        if not gap <= method.tolerance * scale:
            raise ValueError(
                f"{method.name}: {what} misses the order condition of the tree {tree} (order {tree.size}) "
                f"by {gap:.1e}"
            )
