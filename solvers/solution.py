"""What a solve returns: SciPy's fields, and what happened in words and pictures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sciad.value import Traced, operand, raw

__all__ = ["DenseOutput", "Solution"]


class Solution:
    """Result of ``solve_ivp``, with the fields of SciPy's, readable as attributes and as items.

    Attributes
    ----------
    t : ndarray (k,)
    y : ndarray, shape of y0 + (k,)
    sol : DenseOutput or None
    t_events, y_events : list of ndarray, or None
    nfev, njev, nlu : int
        Evaluations of the right-hand side and its Jacobian, LU decompositions.
    status : int
        0: reached the end; 1: a terminal event; -1: failed.
    message : str
    success : bool
    method : str
        Name of the method, or of the last one used where they were switched.
    """

    def __init__(self, **fields):
        self.__dict__.update(fields)

    @property
    def success(self) -> bool:
        return self.status >= 0

    def __getitem__(self, name: str):
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None

    def keys(self):
        return [*(name for name in self.__dict__ if not name.startswith("_")), "success"]

    def __repr__(self) -> str:
        shape = np.shape(self.y)
        counts = f"{self.accepted} steps, {self.rejected} rejected, {self.nfev} evaluations"
        if self.nlu:
            counts += f", {self.njev} Jacobians, {self.nlu} LU decompositions"
        span = f"t = {self.t[0]:.6g} .. {self.t[-1]:.6g}" if len(self.t) else "no output times reached"
        return f"<Solution by {self.method}: {span}, y of shape {shape}\n {self.message}\n {counts}>"

    def integral(self, g: Callable):
        """The integral of g(t, y(t)) over the span of the solve, differentiable.

        By Gauss quadrature with five nodes in each step, so as accurate as the dense output where g is
        smooth. Where the integral itself needs error control, give the solve another unknown with
        derivative g.

        Parameters
        ----------
        g : callable
            ``g(t, y)`` of all nodes at once: t of shape (k,), y of shape (*y0, k), as ``sol.t`` and
            ``sol.y``. Returns (k,) or (..., k). It may use values that are being differentiated.

        Returns
        -------
        integral : float, or ndarray of the shape that g returns without its last axis

        Raises
        ------
        ValueError
            If the solve was not asked for ``dense_output=True``, or g returns another number of values.

        Examples
        --------
        >>> import numpy as np
        >>> from solvers import solve_ivp
        >>> sol = solve_ivp(lambda t, y: -y, (0, 1), np.ones(1), "Tsit5", dense_output=True, rtol=1e-9)
        >>> round(float(sol.integral(lambda t, y: y[0] ** 2)), 6)  # (1 - exp(-2)) / 2
        0.432332
        """
        if self.sol is None:
            raise ValueError(
                "the integral needs the solution between the outputs: solve with dense_output=True"
            )
        return sum(_integral(g, *stretch) for stretch in self.sol.stretches())

    def plot(self, ax=None, components=None, **style):
        """Draw the components against time with matplotlib.

        Parameters
        ----------
        ax : matplotlib axes, optional
        components : sequence of int, optional
            Flat indices of the components to draw; all if not given.
        style
            Passed on to ``ax.plot``.

        Returns
        -------
        ax
        """
        import matplotlib.pyplot as plt

        if ax is None:
            ax = plt.gca()
        y = np.asarray(self.y).reshape(-1, len(self.t))
        components = range(len(y)) if components is None else components
        dense = self.sol is not None and len(self.t) > 1
        times = np.linspace(self.t[0], self.t[-1], 500) if dense else self.t
        values = np.asarray(self.sol(times)).reshape(-1, len(times)) if dense else y
        for k in components:
            ax.plot(times, values[k], **{"label": f"y[{k}]", **style})
        ax.set_xlabel("t")
        ax.legend()
        return ax


NODES, WEIGHTS = np.polynomial.legendre.leggauss(5)


def _integral(g: Callable, edges, solution: Callable):
    """Of g(t, solution(t)) between the first and the last edge, by Gauss quadrature in each step."""
    left, right = edges[:-1], edges[1:]
    half = 0.5 * (right - left)
    times = np.reshape(half[:, None] * NODES + 0.5 * (left + right)[:, None], (-1,))
    weights = np.reshape(half[:, None] * WEIGHTS, (-1,))
    values = operand(g(times, solution(times)))
    if np.ndim(values) and np.shape(values)[-1] != len(times):
        raise ValueError(
            f"g returns shape {np.shape(values)} for {len(times)} times: its last axis must be that of t"
        )
    return np.sum(values * weights, axis=-1)


class DenseOutput:
    """The solution as a function of time, by each step's own interpolant.

    Called with a number gives an array of the shape of y0, with an array of k times one of shape (*y0,
    k). Outside the span the nearest step's polynomial is continued.

    Attributes
    ----------
    ts : ndarray (steps + 1,)
        Ends of the steps.
    """

    def __init__(self, ts, h, y, ends, d, shape):
        self.ts, self._h, self._y, self._ends, self._d, self._shape = ts, h, y, ends, d, shape

    @classmethod
    def of(cls, segments, shape) -> DenseOutput:
        """From trajectories recorded with their stages and all extra stages, one after the other."""
        depth = max(len(part.method.dense) for part in segments)
        parts = [_polynomials(part, depth) for part in segments]
        h, y, ends, d = (
            np.concatenate(arrays, axis=axis)
            for arrays, axis in zip(zip(*parts, strict=True), (0, 0, 0, 1), strict=True)
        )
        ts = np.concatenate([*(part.t_steps for part in segments), [segments[-1].t]])
        if not len(y):
            y = ends = segments[-1].y[None]
        return cls(ts, h, y, ends, d, shape)

    @property
    def t_min(self) -> float:
        return self.ts.min()

    @property
    def t_max(self) -> float:
        return self.ts.max()

    def stretches(self) -> list:
        """Smooth pieces as pairs (ends of the steps, the solution as a function of ordered times)."""
        return [(self.ts, self)]

    def __call__(self, t):
        return self._evaluate(t, derivative=False)

    def derivative(self, t):
        """Time derivative of the interpolant."""
        return self._evaluate(t, derivative=True)

    def _evaluate(self, t, derivative: bool):
        times = operand(t)
        traced = isinstance(times, Traced)
        times = times if traced else np.asarray(times, dtype=float)
        if times.ndim > 1:
            raise ValueError(f"t must be a number or one-dimensional, not of shape {times.shape}")
        flat = np.reshape(times, (-1,))
        if not len(self._h):
            values = np.broadcast_to(self._ends, (len(flat), self._ends.shape[-1])) * (not derivative)
        else:
            forward = self.ts[-1] >= self.ts[0]
            ends, plain = (self.ts if forward else -self.ts), raw(flat)
            step = np.searchsorted(ends, plain if forward else -plain, side="left") - 1
            step = np.clip(step, 0, len(self._h) - 1)
            theta = ((flat - self.ts[step]) / self._h[step])[:, None]
            if not traced:
                # The end of a whole step is met exactly.
                theta[(flat == self.ts[step + 1]) & (np.abs(theta[:, 0] - 1.0) < 1e-9)] = 1.0
            d, y, y1 = self._d[:, step], self._y[step], self._ends[step]
            q = np.zeros_like(y)
            slope = np.zeros_like(y)
            for row in d[::-1]:
                slope = slope * theta + q
                q = q * theta + row
            if derivative:
                values = (y1 - y + (1 - 2 * theta) * q + theta * (1 - theta) * slope) / self._h[step][:, None]
            else:
                values = (1 - theta) * y + theta * (y1 + (1 - theta) * q)
        if times.ndim == 0:
            return values[0].reshape(self._shape)
        return values.T.reshape(*self._shape, len(flat))


def _polynomials(trajectory, depth: int):
    """Step sizes, states at both ends of the steps and the vectors d_m, filled up with zeros to ``depth``
    of them.
    """
    method, stages = trajectory.method, trajectory.stages
    h, y = trajectory.h, trajectory.y_steps
    starts = trajectory.t_steps
    weights = np.array(method.b)
    factor = h[:, None] if method.scaled else 1.0
    ends = y + factor * np.einsum("j,sjk->sk", weights, stages[:, : len(weights)])
    if len(y):
        # Where a step ended as a whole, the state there is met exactly; an event may have cut a step short.
        whole = np.abs(np.append(starts[1:], trajectory.t) - starts - h) <= 1e-9 * np.abs(h)
        ends = np.where(whole[:, None], np.concatenate([y[1:], trajectory.y[None]]), ends)
    d = np.zeros((depth, *y.shape))
    for m, weights in enumerate(method.dense):
        d[m] = np.einsum("j,sjk->sk", np.array(weights), stages[:, : len(weights)]) * factor
    return h, y, ends, d
