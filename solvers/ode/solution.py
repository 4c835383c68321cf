"""What a solve returns: SciPy's fields, and what happened in words and pictures."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import sciad
from sciad.eager.traced import Traced, operand
from sciad.solvers.solver_result import SolverResult
from sciad.solvers.stepping import dense_output

__all__ = ["DenseOutput", "Solution"]


class Solution(SolverResult):
    """Result of ``solve_ivp``, with the fields of SciPy's, readable as attributes and as items.

    Attributes
    ----------
    t : ndarray (k,)
    y : ndarray, shape of y0 + (k,)
    sol : DenseOutput or None
    t_events, y_events : list of ndarray, or None
    accepted, rejected : int
        Steps.
    nfev, njev, nlu : int
        Evaluations of the right-hand side and its Jacobian, LU decompositions.
    status : int
        0: reached the end; 1: a terminal event; -1: failed.
    message : str
    success : bool
    method : str
        Name of the method, or of the last one used where they were switched.
    """

    t: np.ndarray
    y: np.ndarray
    sol: DenseOutput | None
    t_events: list[np.ndarray] | None
    y_events: list[np.ndarray] | None
    accepted: int
    rejected: int
    nfev: int
    njev: int
    nlu: int
    message: str
    method: str
    methods: list[tuple[float, str]]

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __getstate__(self) -> dict:
        # Without what the solve was of, which holds machine code and functions of the user's.
        return {name: value for name, value in self.__dict__.items() if name != "_inputs"}

    def __copy__(self) -> Solution:
        return Solution(**self.__dict__)

    def __deepcopy__(self, memo) -> Solution:
        made = Solution(**copy.deepcopy(self.__getstate__(), memo))
        if hasattr(self, "_inputs"):
            made._inputs = self._inputs
        return made

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
        >>> from sciad.solvers import solve_ivp
        >>> sol = solve_ivp(lambda t, y: -y, (0, 1), np.ones(1), "Tsit5", dense_output=True, rtol=1e-9)
        >>> round(float(sol.integral(lambda t, y: y[0] ** 2)), 6)  # (1 - exp(-2)) / 2
        0.432332
        """
        if self.sol is None:
            raise ValueError(
                "the integral needs the solution between the outputs: solve with dense_output=True"
            )
        return sum(_integral(g, *stretch) for stretch in self.sol.stretches())

    def plot(
        self,
        ax: Any = None,
        components: Sequence[int] | None = None,
        labels: Sequence[str] | None = None,
        *,
        phase: tuple[int, int] | None = None,
        log: str = "",
        events: bool = True,
        **style: Any,
    ) -> Any:
        """Draw the solution with matplotlib, between the outputs too.

        Of a solve without ``dense_output=True`` the steps are taken once more for it, where there were no
        events. Where an event changed the state, the curve is broken and a dotted line leads across.

        Parameters
        ----------
        ax : matplotlib axes, optional
        components : sequence of int, optional
            Flat indices of the components to draw; all if not given.
        labels : sequence of str, optional
            Names of all components; ``y[0]``, ``y[1]`` and so on if not given.
        phase : (int, int), optional
            Draw the second component against the first, in place of all against time.
        log : {"", "x", "y", "xy"}
            Axes that are logarithmic.
        events : bool
            Mark the zeros of event functions by circles.
        style
            Passed on to ``ax.plot``.

        Returns
        -------
        ax : matplotlib axes

        Examples
        --------
        >>> import numpy as np
        >>> from sciad.solvers import solve_ivp
        >>> sol = solve_ivp(lambda t, y: np.array([y[1], -y[0]]), (0, 7), [1.0, 0.0])
        >>> ax = sol.plot(labels=["position", "velocity"])
        >>> ax = sol.plot(phase=(0, 1))
        """
        from sciad.solvers import pictures

        ax = pictures.axes(ax)
        times, values, jumps = self._drawn(logarithmic="x" in log)
        names = pictures.names(len(values), labels)
        chosen = list(range(len(values))) if components is None else list(components)
        if phase is not None:
            pictures.phase_portrait(ax, values, phase, names, jumps, style)
        else:
            pictures.curves(ax, times, values, chosen, names, jumps, style)
        if events and self.t_events is not None:
            pictures.mark_events(ax, self.t_events, self.y_events, chosen, phase)
        pictures.scales(ax, log)
        if phase is None:
            pictures.legend(ax)
        return ax

    def _drawn(self, logarithmic: bool) -> tuple[np.ndarray, np.ndarray, list[int]]:
        """Times, values (n, k) and the places of jumps of what is drawn."""
        output, inputs = self.sol, getattr(self, "_inputs", None)
        if output is None and inputs is not None and self.t_events is None:
            output = inputs[0].dense(inputs)
        output = getattr(output, "parts", output)  # of complex numbers: real and imaginary parts in turn
        if not isinstance(output, DenseOutput) or not len(output._h):
            t = np.asarray(self.t, dtype=float)
            return t, np.asarray(self.y).reshape(-1, len(t)), list(np.flatnonzero(np.diff(t) == 0.0))
        times, values, jumps = output.drawn(logarithmic)
        if np.iscomplexobj(self.y):
            values = np.ascontiguousarray(values.T).view(complex).T
        return times, values, jumps

    def to_dataframe(self, labels: Sequence[str] | None = None) -> Any:
        """A pandas DataFrame with a row for each time, and a column for each component.

        Parameters
        ----------
        labels : sequence of str, optional
            Names of the columns.
        """
        from sciad.solvers.tables import component_names, frame

        rows = np.moveaxis(np.asarray(self.y), -1, 0).reshape(len(self.t), -1)
        return frame(self.t, rows, component_names(np.shape(self.y)[:-1]) if labels is None else labels)

    def to_xarray(self) -> Any:
        """An xarray DataArray; its last dimension is t, the others those of y0."""
        from sciad.solvers.tables import labelled

        dims = ["component"] if np.ndim(self.y) == 2 else [f"dim_{k}" for k in range(np.ndim(self.y) - 1)]
        return labelled(self.t, self.y, dims, {"method": self.method, "message": self.message})

    def _repr_html_(self) -> str:
        from sciad.solvers.tables import html_table

        counts = [(name, self[name]) for name in ("accepted", "rejected", "nfev", "njev", "nlu")]
        span = f"{self.t[0]:.6g} .. {self.t[-1]:.6g} ({len(self.t)} times)" if len(self.t) else "none reached"
        fields = [("t", span), ("y", f"shape {np.shape(self.y)}"), *counts, ("message", self.message)]
        return html_table(f"Solution by {self.method}", fields)


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

    def drawn(self, logarithmic: bool = False, points: int = 600) -> tuple[np.ndarray, np.ndarray, list[int]]:
        """Times along the whole span, values (n, k) there, and the places after which they jump.

        Each step gets its share of the points, and at least three.
        """
        times, values, jumps, size = [], [], [], 0
        states = self._y
        place = np.log(np.maximum(self.ts, 1e-300)) if logarithmic and self.ts.min() > 0.0 else self.ts
        shares = np.abs(np.diff(place)) / max(abs(place[-1] - place[0]), 1e-300)
        for i, h in enumerate(self._h):
            t0, t1, count = self.ts[i], self.ts[i + 1], 3 + int(points * min(shares[i], 1.0))
            t = np.linspace(t0, t1, count) if place is self.ts else np.geomspace(t0, t1, count)
            theta = ((t - t0) / h)[:, None]
            y = dense_output.value(theta, self._y[i], self._ends[i], self._d[:, i])
            if times:
                gap, scale = np.abs(y[0] - values[-1][-1]), np.abs(y[0]) + np.abs(values[-1][-1])
                if np.any(gap > 1e-6 * scale + 1e-9 * np.max(np.abs(states), initial=0.0)):
                    jumps.append(size - 1)
            times.append(t)
            values.append(y)
            size += count
        return np.concatenate(times), np.concatenate(values).T, jumps

    def stretches(self) -> list:
        """Smooth pieces as pairs (ends of the steps, the solution as a function of ordered times)."""
        return [(self.ts, self)]

    def __call__(self, t):
        t = operand(t)
        return _interpolated(self, t, 0) if isinstance(t, Traced) else self.evaluate(t, 0)

    def derivative(self, t):
        """Time derivative of the interpolant."""
        t = operand(t)
        return _interpolated(self, t, 1) if isinstance(t, Traced) else self.evaluate(t, 1)

    def evaluate(self, t, order: int) -> np.ndarray:
        """The interpolant's derivative of an order in time, at plain times."""
        times = np.asarray(t, dtype=float)
        if times.ndim > 1:
            raise ValueError(f"t must be a number or one-dimensional, not of shape {times.shape}")
        flat = np.atleast_1d(times)
        if not len(self._h):
            values = np.broadcast_to(self._ends, (len(flat), self._ends.shape[-1])) * (order == 0)
        else:
            step, theta = dense_output.locate(self.ts, self._h, flat)
            theta, polynomial = theta[:, None], (self._y[step], self._ends[step], self._d[:, step])
            if order == 0:
                values = dense_output.value(theta, *polynomial)
            else:
                values = dense_output.derivative(theta, self._h[step][:, None], *polynomial, order)
        if times.ndim == 0:
            return values[0].reshape(self._shape)
        return values.T.reshape(*self._shape, len(flat))


def _evaluated(output: DenseOutput, t, order: int):
    return output.evaluate(t, order)


_interpolated = sciad.custom(_evaluated)


@_interpolated.def_pushforward
def _push(args, tangents):
    output, t, order = args
    return _interpolated(output, t, order), _interpolated(output, t, order + 1) * tangents[1]


@_interpolated.def_pullback
def _pull(args):
    output, t, order = args

    def pull(bar):
        product = bar * _interpolated(output, t, order + 1)
        return None, np.sum(product, axis=tuple(range(np.ndim(product) - np.ndim(t)))), None

    return _interpolated(output, t, order), pull


def _polynomials(trajectory, depth: int):
    """Step sizes, states at both ends of the steps and the vectors d_m, filled up with zeros to ``depth``
    of them.
    """
    method, stages = trajectory.method, trajectory.stages
    h, y = trajectory.h, trajectory.y_steps
    starts = trajectory.t_steps
    ends = y + dense_output.change_of(method, h, stages)
    if len(y):
        # Where a step ended as a whole, the state there is met exactly; an event may have cut a step short.
        whole = np.abs(np.append(starts[1:], trajectory.t) - starts - h) <= 1e-9 * np.abs(h)
        ends = np.where(whole[:, None], np.concatenate([y[1:], trajectory.y[None]]), ends)
    d = np.zeros((depth, *y.shape))
    for m, vector in enumerate(dense_output.vectors_of(method, h, stages)):
        d[m] = vector
    return h, y, ends, d
