"""Second order without second derivatives: Gauss-Newton and Fisher matrices from forward sensitivities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import sciad
from sciad import tree

__all__ = ["GaussNewton", "fisher", "gauss_newton"]


@dataclass(frozen=True)
class GaussNewton:
    """The quadratic model of sum(r**2) / 2 at a point, with the curvature of r left out.

    Attributes
    ----------
    residuals : ndarray (k,)
    jacobian : ndarray (k, m)
        Of the residuals, with respect to the argument's entries in order.
    """

    residuals: np.ndarray
    jacobian: np.ndarray

    @property
    def value(self) -> float:
        """sum(r**2) / 2."""
        return 0.5 * float(self.residuals @ self.residuals)

    @property
    def gradient(self) -> np.ndarray:
        """J^T r (m,)."""
        return self.jacobian.T @ self.residuals

    @property
    def matrix(self) -> np.ndarray:
        """J^T J (m, m): the Hessian of `value` where the residuals are small or r is nearly linear."""
        return self.jacobian.T @ self.jacobian

    def step(self, damping: float = 0.0) -> np.ndarray:
        """The minimum of the model (m,), with Levenberg and Marquardt's damping in units of diag(J^T J)."""
        size = np.sqrt(damping) * np.linalg.norm(self.jacobian, axis=0)
        matrix = np.vstack([self.jacobian, np.diag(size)])
        return -np.linalg.lstsq(matrix, np.append(self.residuals, np.zeros(len(size))), rcond=None)[0]

    def covariance(self) -> np.ndarray:
        """Of the least-squares estimate (m, m), for residuals in units of their standard deviation.

        Raises
        ------
        numpy.linalg.LinAlgError
            If the data do not determine every parameter.
        """
        r = np.linalg.qr(self.jacobian, mode="r")
        size = np.linalg.norm(self.jacobian, axis=0)
        if not np.all(np.abs(np.diag(r)) > 1e-12 * size):
            raise np.linalg.LinAlgError("the residuals do not determine every parameter (J^T J is singular)")
        inverse = np.linalg.inv(r)
        return inverse @ inverse.T


def gauss_newton(residuals: Callable, x: Any) -> GaussNewton:
    """Residuals and their Jacobian by forward sensitivities: one tangent pass for each entry of `x`.

    All tangents run along the steps of one solve, with its LU factors where it has any. Worth it for up to
    some hundreds of parameters; `sciad.hvp` needs no matrix.

    Parameters
    ----------
    residuals : callable
        ``residuals(x) -> array`` of any shape, of solves among other things.
    x : array or nested structure of numbers and arrays

    Returns
    -------
    GaussNewton

    Examples
    --------
    >>> import numpy as np
    >>> from sciad import adjoints
    >>> from sciad.solvers import solve_ivp
    >>> def residuals(k):
    ...     y = solve_ivp(lambda t, y, k: -k * y, (0, 2), np.array([1.0]), "Tsit5", [1.0, 2.0], args=(k,)).y
    ...     return (y[0] - np.array([0.4, 0.1])) / 0.05
    >>> fit = adjoints.gauss_newton(residuals, 0.8)
    >>> round(0.8 + float(fit.step()[0]), 2)
    0.97
    """
    leaves, structure = tree.flatten(x)
    sizes = [np.size(leaf) for leaf in leaves]

    def flat(vector):
        ends = np.cumsum(sizes)
        pieces = [
            np.reshape(vector[end - size : end], np.shape(leaf))
            for leaf, size, end in zip(leaves, sizes, ends, strict=True)
        ]
        return np.reshape(residuals(tree.unflatten(structure, pieces)), (-1,))

    vector = np.concatenate([np.ravel(np.asarray(leaf, dtype=float)) for leaf in leaves])
    return GaussNewton(np.asarray(flat(vector)), sciad.jacobian(flat, mode="forward")(vector))


def fisher(outputs: Callable, x: Any, noise: float | np.ndarray = 1.0) -> np.ndarray:
    """The Fisher information J^T J / noise^2 of outputs observed with independent Gaussian noise.

    Its inverse bounds the covariance of any unbiased estimate of `x` (Cramer and Rao); entries of `x` that
    the data do not determine show as small eigenvalues.

    Parameters
    ----------
    outputs : callable
        ``outputs(x) -> array``.
    x : array or nested structure of numbers and arrays
    noise : array_like
        Standard deviation of each observation; broadcasts against the outputs.

    Returns
    -------
    ndarray (m, m)
        For the entries of `x` in order.

    Examples
    --------
    >>> import numpy as np
    >>> from sciad import adjoints
    >>> bool(np.allclose(adjoints.fisher(lambda a: a[0] * np.arange(3.0) + a[1], np.ones(2), 0.1),
    ...                  [[500, 300], [300, 300]]))
    True
    """
    return gauss_newton(lambda x: outputs(x) / noise, x).matrix
