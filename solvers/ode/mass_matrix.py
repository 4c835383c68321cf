"""Mass matrices: M y' = f(t, y) with a constant, maybe singular M."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import sciad
from sciad.eager.traced import Traced
from sciad.solvers.methods.names import AUTO, method_named
from sciad.solvers.model.models import Model
from sciad.solvers.stepping.trajectory import Options

__all__ = ["Algebraic", "consistent", "slope_at", "with_mass"]


def with_mass(matrix, method, options: Options, n: int):
    """Method and options of a solve with a mass matrix.

    Raises
    ------
    ValueError
        If the matrix is not n by n and finite, or the method is not a Rosenbrock method.
    """
    mass = matrix.toarray() if hasattr(matrix, "toarray") else matrix
    if np.iscomplexobj(mass):
        raise ValueError("mass_matrix is complex: solve for the real and imaginary parts instead")
    mass = np.array(mass, dtype=float)  # derivatives want it later, as it is now
    if mass.shape != (n, n):
        raise ValueError(
            f"mass_matrix has shape {mass.shape}, but y0 has {n} components: give one of shape ({n}, {n})"
        )
    if not np.isfinite(mass).all():
        raise ValueError("mass_matrix has entries that are not finite")
    if method is AUTO:
        method = method_named("Rodas5P")
    if not method.takes_mass:
        raise ValueError(f"a mass matrix needs a Rosenbrock method such as Rodas5P, not {method.name}")
    return method, replace(options, mass=mass)


class Algebraic:
    """The equations 0 = L^T f(t, y) that M y' = f(t, y) contains where M is singular.

    L and N are orthonormal bases of the left and the right null space of M. Values are consistent if the
    equations hold. What M y' determines, M y, is kept; the rest of y, along N, is found by Newton's method,
    which needs L^T J N regular: the system has index 1 (Hairer & Wanner, Solving ODEs II, VI.1).
    """

    def __init__(self, mass: np.ndarray):
        rows, even, columns = _equilibrated(mass)
        left, sizes, right = np.linalg.svd(even)
        null = sizes <= 1e-12 * sizes.max(initial=0.0)
        self.left = np.linalg.qr(rows[:, None] * left[:, null])[0]
        self.right = np.linalg.qr(columns[:, None] * right[null].T)[0]
        self.mass = mass

    @classmethod
    def of(cls, mass: np.ndarray) -> Algebraic:
        key = mass.tobytes()
        if key not in _known:
            if len(_known) > 100:
                _known.clear()
            _known[key] = cls(mass)
        return _known[key]

    def solve(self, model: Model, t: float, y: np.ndarray, p: np.ndarray, options: Options) -> np.ndarray:
        """Consistent values near y.

        Raises
        ------
        ValueError
            If there are none near, naming the equation and its residual, or if the index is not 1.
        """
        if not self.left.shape[1]:
            return y
        start, y = y, y.copy()
        before = np.inf
        for _ in range(30):
            f = model.evaluate(t, y, p)
            step = self.right @ np.linalg.solve(self.matrix(model, t, y, p), self.left.T @ f)
            size = np.abs(step).max()
            if not np.isfinite(size):
                break
            y -= step
            if size <= 1e-15 * np.abs(y).max() or (size >= 0.5 * before and size <= 1e-12 * np.abs(y).max()):
                return y
            before = size
        scale = options.atol + options.rtol * np.abs(y)
        if np.all(np.abs(step) <= 1e-2 * scale):
            return y
        residual = self.left @ (self.left.T @ model.evaluate(t, start, p))
        k = int(np.abs(residual).argmax())
        raise ValueError(
            f"no consistent values were found near the initial values: at t = {t:.6g} equation {k} is "
            f"left with {residual[k]:.3g} where M y' is zero, and Newton's method does not converge; change "
            "y0 so that this residual is small"
        )

    def slope(self, model: Model, t: float, y: np.ndarray, p: np.ndarray) -> np.ndarray:
        """y' at consistent values, from M y' = f and the derivative of the algebraic equations in time."""
        n = model.n
        none = np.zeros(n), np.zeros(model.m)
        f, drift = model.call("pushforward", t, y, p, 1.0, *none)
        jacobian = model.call("jacobian", t, y, p)[0].reshape(n, n)
        rows = np.concatenate([self.mass, self.left.T @ jacobian])
        return np.linalg.lstsq(rows, np.concatenate([f, -self.left.T @ drift]), rcond=None)[0]

    def matrix(self, model: Model, t, y, p) -> np.ndarray:
        """L^T J N."""
        n = model.n
        matrix = self.left.T @ model.call("jacobian", t, y, p)[0].reshape(n, n) @ self.right
        sizes = np.linalg.svd(_equilibrated(matrix)[1], compute_uv=False)
        if not sizes.min() > 1e-14 * sizes.max():
            residual = self.left @ (self.left.T @ model.evaluate(t, y, p))
            k = int(np.abs(residual).argmax())
            raise ValueError(
                f"the algebraic equations do not determine the algebraic unknowns at t = {t:.6g} (their "
                f"Jacobian is singular there; equation {k} is left with {residual[k]:.3g}): the system has "
                "an index above 1, or y0 lies at a singular point. Differentiate the constraint, or change y0"
            )
        return matrix


def _equilibrated(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Factors of rows and columns and the matrix with them, all of whose rows and columns have a size of
    about one: whatever the units of each equation and each unknown are.
    """
    rows, columns = np.ones(len(matrix)), np.ones(len(matrix))
    even = matrix
    for _ in range(4):
        for axis, factors in ((1, rows), (0, columns)):
            sizes = np.abs(even).max(axis=axis, initial=0.0)
            factors /= np.sqrt(np.where(sizes > 0.0, sizes, 1.0))
            even = rows[:, None] * matrix * columns
    return rows, even, columns


_known: dict[bytes, Algebraic] = {}


def slope_at(problem, t: float, y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """y' of the true solution at (t, y), shape (n,)."""
    if problem.options.mass is None:
        return problem.model.evaluate(t, y, p)
    return Algebraic.of(problem.options.mass).slope(problem.model, t, y, p)


def _consistent(problem, t, y, p):
    values = np.array(y, dtype=float).reshape(-1)
    found = Algebraic.of(problem.options.mass).solve(
        problem.model, float(t), values, np.array(p, dtype=float), problem.options
    )
    return found.reshape(np.shape(y))


_made_consistent = sciad.custom(_consistent)


def consistent(problem, t, y, p):
    """Consistent values at t near y, of the shape of y; all but ``problem`` may be traced."""
    mass = problem.options.mass
    if mass is None or not Algebraic.of(mass).left.shape[1]:
        return y
    return _made_consistent(problem, t, y, p)


@_made_consistent.def_pushforward
def _push(args, tangents):
    problem, t, y, p = args
    _, dt, dy, dp = tangents
    _refuse_nested(t, y, p, dt, dy, dp)
    model, algebraic = problem.model, Algebraic.of(problem.options.mass)
    found = _consistent(problem, t, y, p)
    dy = np.zeros(np.shape(y)) if dy is None else np.asarray(dy, dtype=float)
    dp = np.zeros(np.shape(p)) if dp is None else dp
    df = model.call("pushforward", t, found, p, 0.0 if dt is None else dt, dy, dp)[1]
    moved = np.linalg.solve(algebraic.matrix(model, t, found, p), algebraic.left.T @ df)
    return found, dy - (algebraic.right @ moved).reshape(dy.shape)


@_made_consistent.def_pullback
def _pull(args):
    problem, t, y, p = args
    _refuse_nested(t, y, p)
    model, algebraic = problem.model, Algebraic.of(problem.options.mass)
    found = _consistent(problem, t, y, p)

    def pull(bar):
        _refuse_nested(bar)
        matrix = algebraic.matrix(model, t, found, p)
        seed = algebraic.left @ np.linalg.solve(matrix.T, algebraic.right.T @ np.reshape(bar, -1))
        _, gt, gy, gp = model.call("pullback", t, found, p, -seed)
        return None, gt[0], bar + gy.reshape(np.shape(y)), gp

    return found, pull


def _refuse_nested(*values):
    if any(isinstance(x, Traced) for x in values):
        raise sciad.NotDifferentiable(
            "second derivatives of a solve with a singular mass matrix are not available; use differences of "
            "the gradient"
        )
