"""Random solves with a scalar loss: what the tests of gradients draw from.

Few model codes, with random parameters, so that little is compiled: each has the form dy/dt = rate(y/size,
t/time, p) size/time, so that units of time and of the state are drawn freely while the dimensionless problem
stays the same.
The same loss in plain SciPy and NumPy, solved tightly and smooth piece by smooth piece, is the reference.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import scipy.integrate

__all__ = ["KINKED", "MODELS", "RandomSolve", "random_solve", "reference", "solved"]


def pendulum(t, y, p):
    u, v = y[0] / p[4], y[1] / p[4]
    return np.array([v, -p[0] * np.sin(u) - p[1] * v + p[2] * np.cos(p[3] * t / p[5])]) * (p[4] / p[5])


def reaction(t, y, p):
    a, b = y[0] / p[4], y[1] / p[4]
    return np.array([-p[0] * a * b + p[1], p[0] * a * b - p[2] * b + p[3]]) * (p[4] / p[5])


def stiff(t, y, p):
    a, b = y[0] / p[4], y[1] / p[4]
    fast = 300.0 * p[0] * (np.cos(p[1] * t / p[5]) - a)
    return np.array([fast, -p[2] * b + p[3] * a * a]) * (p[4] / p[5])


def friction(t, y, p):
    """A kink in the state: drag that is linear to one side and quadratic to the other."""
    u, v = y[0] / p[4], y[1] / p[4]
    drag = p[1] * v * abs(v) if v > 0.0 else p[2] * v
    return np.array([v, -p[0] * u - drag + p[3]]) * (p[4] / p[5])


def valve(t, y, p):
    """A kink in time, at p[3], which may be among tstops."""
    s = t / p[5]
    a, b = y[0] / p[4], y[1] / p[4]
    feed = p[1] + p[2] * np.maximum(s - p[3], 0.0)
    return np.array([feed - p[0] * a, p[0] * a - 0.5 * b]) * (p[4] / p[5])


MODELS = {"pendulum": pendulum, "reaction": reaction, "stiff": stiff, "friction": friction, "valve": valve}
KINKED = {"friction", "valve"}
TIGHT = {"rtol": 1e-11, "atol": 1e-13}
METHODS = ("Tsit5", "DOP853", "Rodas5P", "KenCarp4", "auto")


@dataclass(frozen=True)
class RandomSolve:
    """One draw.

    Attributes
    ----------
    model, method, adjoint : str
    p : ndarray (4,)
        Dimensionless parameters; with y0 what is differentiated.
    y0 : ndarray (2,)
        Dimensionless.
    size, time : float
        Units of the state and of time.
    t0, t1 : float
        In units of time; backwards if t1 < t0.
    outputs : ndarray or None
        Times between, in units of time; None for no t_eval.
    event : str
        "none", "seen", "ending" or "changing".
    level : float
        Of the first component, where the event is.
    stops : tuple of float
    weights : ndarray
        Of the outputs in the loss.
    tolerance : float
    """

    model: str
    method: str
    adjoint: str
    p: np.ndarray
    y0: np.ndarray
    size: float
    time: float
    t0: float
    t1: float
    outputs: np.ndarray | None
    event: str
    level: float
    stops: tuple = ()
    weights: np.ndarray = field(default_factory=lambda: np.ones(2))
    tolerance: float = 1e-8

    @property
    def x(self) -> np.ndarray:
        return np.concatenate([self.p, self.y0])


def random_solve(seed: int) -> RandomSolve:
    rng = np.random.default_rng(seed)
    model = rng.choice([*MODELS])
    method = rng.choice(["Rodas5P", "KenCarp4", "auto"] if model == "stiff" else METHODS)
    kind = rng.choice(["none", "none", "seen", "ending", "changing"])
    adjoint = rng.choice(["DiscreteAdjoint", "DiscreteAdjoint", "InterpolatingAdjoint", "ForwardSensitivity"])
    if method == "KenCarp4" and adjoint == "InterpolatingAdjoint":
        adjoint = "DiscreteAdjoint"  # the other refuses it
    length = float(rng.uniform(0.5, 3.0))
    # The decaying models grow without limit backwards.
    backward = bool(rng.random() < 0.3) and model in ("pendulum", "valve")
    t0 = float(rng.choice([0.0, rng.uniform(-2.0, 2.0)]))
    t1 = t0 - length if backward else t0 + length
    p = rng.uniform(0.5, 1.5, 4)
    if model == "valve":
        p[3] = t0 + (t1 - t0) * rng.uniform(0.2, 0.8)
    y0 = rng.uniform(0.3, 1.2, 2)
    if model == "stiff":
        y0[0] = np.cos(p[1] * t0)
    outputs = (
        None
        if rng.random() < 0.2
        else np.sort(rng.uniform(0.0, 1.0, int(rng.integers(1, 4)))) * (t1 - t0) + t0
    )
    stops = tuple(sorted(rng.uniform(min(t0, t1), max(t0, t1), int(rng.integers(0, 3)))))
    if model == "valve" and rng.random() < 0.5:
        stops = (*stops, float(p[3]))
    return RandomSolve(
        str(model),
        str(method),
        str(adjoint),
        p,
        y0,
        float(10.0 ** rng.uniform(-12, 9)),
        float(10.0 ** rng.uniform(-12, 9)),
        t0,
        t1,
        outputs,
        str(kind),
        float(rng.uniform(0.3, 0.9)) * float(y0[0]),
        stops,
        rng.uniform(0.3, 1.0, 2),
    )


# -- the loss, by sciad --------------------------------------------------------------------------------


def _crossing(case: RandomSolve):
    def crossing(t, y, p):
        return y[0] / p[4] - case.level

    if case.event == "ending":
        crossing.terminal = True
    if case.event == "changing":
        crossing.direction = -1
        crossing.apply = lambda t, y, p: np.stack([y[0] * 1.0, 0.7 * y[1] + 0.2 * p[0] * p[4]])
    return crossing


def solved(case: RandomSolve, x, solve_ivp, adjoint="auto"):
    """The loss: weighted outputs, the state at the end, and the times of events."""
    units = np.array([case.size, case.time])
    p, y0 = np.concatenate([x[:4], units]), x[4:] * case.size
    keywords = {} if case.event == "none" else {"events": _crossing(case)}
    if case.outputs is not None:
        keywords["t_eval"] = np.append(case.outputs, case.t1) * case.time
    if case.stops:
        keywords["tstops"] = np.array(case.stops) * case.time
    sol = solve_ivp(
        MODELS[case.model],
        (case.t0 * case.time, case.t1 * case.time),
        y0,
        case.method,
        args=(p,),
        rtol=case.tolerance,
        atol=case.tolerance * case.size * 1e-2,
        adjoint=adjoint,
        **keywords,
    )
    total = np.sum(case.weights * sol.y[:, -1] / case.size) if len(sol.t) else 0.0
    if case.outputs is not None:
        total = total + np.sum(sol.y[0] / case.size)
    if case.event != "none":
        for k in range(len(sol.t_events[0])):
            total = total + sol.t_events[0][k] / case.time + 0.3 * sol.y_events[0][k][1] / case.size
    return total


# -- the loss, by SciPy --------------------------------------------------------------------------------


def reference(case: RandomSolve, x) -> tuple[float, int]:
    """The loss in units of one, and how many events there were."""
    p, y = np.concatenate([x[:4], [1.0, 1.0]]), np.array(x[4:], dtype=float)
    rate = MODELS[case.model]
    ask = np.empty(0) if case.outputs is None else np.append(case.outputs, case.t1)
    sign = 1.0 if case.t1 > case.t0 else -1.0
    edges = sorted({case.t0, case.t1, *([x[3]] if case.model == "valve" else [])}, key=lambda t: sign * t)
    total, count, ys, ended = 0.0, 0, {}, False

    def level(t, y):
        return y[0] - case.level

    level.terminal = True
    if case.event == "changing":
        level.direction = -1

    def kink(t, y):
        return y[1]

    kink.terminal = True
    for a, b in pairwise(edges):
        t, settled = a, None
        while sign * (b - t) > 0.0 and not ended:
            watched = [kink] if case.model == "friction" else []
            watched += [level] if case.event != "none" else []
            begin = t
            y_before = y
            if settled is not None:
                # Off the zero that has been dealt with, by a short tight step.
                begin = t + sign * min(1e-5, 0.5 * abs(b - t))
                y = scipy.integrate.solve_ivp(rate, (t, begin), y, "DOP853", args=(p,), **TIGHT).y[:, -1]
            functions = [lambda t, y, p, g=g: g(t, y) for g in watched]
            for f, g in zip(functions, watched, strict=True):
                f.terminal, f.direction = True, getattr(g, "direction", 0)
            method = "LSODA" if case.model == "stiff" else "DOP853"
            sol = scipy.integrate.solve_ivp(
                rate, (begin, b), y, method, args=(p,), **TIGHT, events=functions, dense_output=True
            )
            end = sol.t[-1]
            for i, when in enumerate(ask):
                inside = sign * t < sign * when <= sign * end or (when == t == case.t0)
                if inside and i not in ys:
                    early = sign * when < sign * begin
                    ys[i] = y_before + (when - t) * rate(t, y_before, p) if early else sol.sol(when)
            t, y, settled = end, sol.y[:, -1], None
            if sol.status == 1:
                which = [g for g, ts in zip(watched, sol.t_events, strict=True) if len(ts)]
                settled = True
                if level in which:
                    count += 1
                    total += t + 0.3 * y[1]
                    if case.event == "ending":
                        ended = True
                    if case.event == "changing":
                        y = np.array([y[0], 0.7 * y[1] + 0.2 * p[0]])
        if ended:
            break
    if case.outputs is not None:
        keep = [ys[i] for i in sorted(ys)]
        total += sum(v[0] for v in keep)
        last = keep[-1] if keep else None
        total += 0.0 if last is None else float(np.sum(case.weights * last))
    else:
        total += float(np.sum(case.weights * y))
    return float(total), count
