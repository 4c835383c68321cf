"""What a gradient of a solve is computed by, why, and what each method would cost on this very solve."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sciad import SciadError
from sciad.adjoints import serving
from sciad.adjoints.ode.choice import choice
from sciad.adjoints.ode.discrete import push
from sciad.solvers.model.arguments import contiguous, flat, untraced
from sciad.solvers.ode.solution import Solution
from sciad.solvers.ode.solve_primitive import Problem, run

__all__ = ["Cost", "Explanation", "explain"]

ATTEMPTS = 20  # steps a backward solve may take here, in units of the forward steps and of the outputs
DIRECTIONS = 64  # of forward sensitivities that are run; the time of more is extrapolated


@dataclass(frozen=True)
class Cost:
    """What one method costs.

    Attributes
    ----------
    name : str
    seconds : float or None
        Forward and backward pass together; None if it was not measured or failed.
    megabytes : float
        Of the record of the steps.
    digits : float or None
        To which its gradient agrees with that of `DiscreteAdjoint`, for random cotangents.
    note : str
        Why it failed, or how `seconds` was found.
    """

    name: str
    seconds: float | None
    megabytes: float
    digits: float | None
    note: str = ""


@dataclass(frozen=True)
class Explanation:
    """Result of `explain`; printed as a table.

    Attributes
    ----------
    chosen : adjoint
    why : str
    states, parameters, steps, outputs : int
    method : str
        That of the forward solve under differentiation.
    stiff : bool
        Whether that is a method for stiff problems.
    forward : float or None
        Seconds of the solve alone.
    costs : list of Cost
    """

    chosen: object
    why: str
    states: int
    parameters: int
    steps: int
    outputs: int
    method: str
    stiff: bool
    forward: float | None
    costs: list[Cost]

    def __repr__(self) -> str:
        lines = [
            f"{type(self.chosen).__name__}: {self.why}",
            f"{self.states} states, {self.parameters} parameters, {self.steps} steps of {self.method} "
            f"({'stiff' if self.stiff else 'explicit'}), {self.outputs} outputs",
        ]
        if self.forward is not None:
            lines.append(f"the solve alone: {1e3 * self.forward:.3g} ms; with gradient:")
        lines.append(f"{'':22}{'ms':>10}{'solves':>8}{'MB':>10}{'digits':>8}")
        for c in self.costs:
            ms, solves = ("-", "-")
            if c.seconds is not None:
                ms, solves = f"{1e3 * c.seconds:.3g}", f"{c.seconds / self.forward:.3g}"
            digits = "" if c.digits is None else f"{c.digits:.1f}"
            lines.append(f"{c.name:22}{ms:>10}{solves:>8}{c.megabytes:>10.3g}{digits:>8}  {c.note}".rstrip())
        return "\n".join(lines)


def explain(sol: Solution, measure: bool = True) -> Explanation:
    """Say which adjoint a solve gets, why, and what each method costs on it.

    Parameters
    ----------
    sol : Solution
        Of `solve_ivp`, inside or outside of a function that is differentiated.
    measure : bool
        Run every method once (twice where it has to be compiled first), for all outputs with random
        cotangents: seconds, and agreement with the discrete adjoint. Without it only sizes are told.

    Returns
    -------
    Explanation

    Raises
    ------
    TypeError
        If `sol` is not a solution of `solve_ivp`.

    Examples
    --------
    >>> import numpy as np
    >>> from sciad import adjoints
    >>> from sciad.solvers import solve_ivp
    >>> sol = solve_ivp(lambda t, y, k: -k * y, (0, 1), np.array([1.0]), "Tsit5", args=(2.0,))
    >>> adjoints.explain(sol, measure=False)
    DiscreteAdjoint: exact, stable wherever the solve is, and the cheapest ...
    1 states, 1 parameters, ... steps of Tsit5 (explicit), ... outputs
    ...
    """
    inputs = getattr(sol, "_inputs", None)
    if inputs is None and isinstance(sol, Solution):
        raise TypeError("a solution that was pickled no longer knows its model: explain it where it was made")
    if inputs is None:
        raise TypeError(f"explain wants what solve_ivp returned, not {type(sol).__name__}")
    problem, _, t0, t1, ts, y0, p, _, events, _ = inputs
    t0, t1, y0, p = float(untraced(t0)), float(untraced(t1)), flat(untraced(y0)), contiguous(untraced(p))
    model, pieces = problem.model, events is not None
    ts = np.array([t1]) if ts is None else contiguous(untraced(ts))
    if problem.known is not None or pieces:
        ts = np.array([t1])
    whole = (t0, t1, ts, y0, p)

    def fresh() -> Problem:
        return Problem(model, problem.method, problem.options, problem.adjoint)

    chosen, why = choice(problem)
    trajectory = run(fresh(), *whole, record=3)
    stiff = trajectory.method.implicit
    n, m = model.n, model.m
    row = 8 * (2 + n * (1 + trajectory.method.rows))
    stages = trajectory.steps * row / 1e6
    kept = trajectory.record.nbytes / 1e6
    budget = getattr(chosen, "memory", None)
    if budget is not None and kept > budget / 1e6:
        over = f"the record ({kept:.3g} MB) is over the budget of {budget / 1e6:.3g} MB"
        why += f"; {over}: steps are taken again"
    if pieces:
        why += "; events are left out of what follows, each stretch between them is differentiated like this"
    forward, costs = None, []
    limit = ATTEMPTS * (trajectory.steps + 10 * len(ts))
    methods = {}
    for name, adjoint in serving("solve_ivp").items():
        limits = {"max_steps": limit} if hasattr(adjoint, "max_steps") else {}
        methods[name] = adjoint(**limits), kept if adjoint.record > 2 else stages
    if not measure:
        costs = [Cost(name, None, size, None) for name, (_, size) in methods.items()]
        return Explanation(
            chosen, why, n, m, trajectory.steps, len(ts), trajectory.method.name, stiff, None, costs
        )
    forward = _seconds(lambda: run(fresh(), *whole, record=0))
    gys = np.random.default_rng(0).normal(size=(len(ts), n)) / np.maximum(np.abs(trajectory.ys), 1e-6)
    exact = None
    for name, (adjoint, size) in methods.items():
        if name == "ForwardSensitivity" and n + m > DIRECTIONS:
            one = _seconds(lambda: _one_direction(model, trajectory, p))
            costs.append(
                Cost(name, forward + (n + m) * one, size, None, f"{n + m} x the time of one direction")
            )
            continue
        try:
            found = _gradient(fresh(), adjoint, whole, gys)
            seconds = _seconds(lambda adjoint=adjoint: _gradient(fresh(), adjoint, whole, gys))
        except SciadError as error:
            costs.append(Cost(name, None, size, None, f"fails: {str(error).split('. ')[0][:100]}"))
            continue
        exact = found if exact is None else exact
        costs.append(Cost(name, seconds, size, None if found is exact else _digits(found, exact)))
    return Explanation(
        chosen, why, n, m, trajectory.steps, len(ts), trajectory.method.name, stiff, forward, costs
    )


def _gradient(problem: Problem, adjoint, whole: tuple, gys: np.ndarray) -> np.ndarray:
    dense, memory = getattr(adjoint, "dense", False), getattr(adjoint, "memory", None)
    guarded = getattr(adjoint, "of_steps", True)
    trajectory = run(problem, *whole, adjoint.record, dense, memory, guarded)
    c = adjoint.pullback(problem.model, trajectory, whole[-1], gys, False, problem.options)
    return np.concatenate([c.y0, c.p])


def _one_direction(model, trajectory, p) -> None:
    push(model, trajectory, p, np.ones(model.n), np.ones(model.m))


def _seconds(f: Callable, samples: int = 3) -> float:
    """Least time of some calls; of one if it is long."""
    best = np.inf
    for _ in range(samples):
        start = time.perf_counter()
        f()
        best = min(best, time.perf_counter() - start)
        if best > 0.3:
            break
    return best


def _digits(found: np.ndarray, exact: np.ndarray) -> float:
    gap = np.abs(found - exact).max() / max(np.abs(exact).max(), 1e-300)
    return float(-np.log10(max(gap, 1e-16)))
