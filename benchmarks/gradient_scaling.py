"""Accuracy, memory and cost of gradients: the parts of `benchmarks/gradients.py` that need no peers."""

import time
import tracemalloc
from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

import sciad as ad
from benchmarks import timing
from sciad.adjoints import DiscreteAdjoint
from sciad.solvers import solve_ivp
from tests.problems.ode_models import MODELS

# Accuracy against tolerance ---------------------------------------------------------------------------

TEN = ("lotka_volterra", "logistic", "damped_oscillator", "linear", "driven_decay", "robertson", "hires")
TEN += ("pollu", "oregonator", "brusselator")
SPANS = {
    "lotka_volterra": (0.0, 10.0),
    "robertson": (0.0, 1e3),
    "oregonator": (0.0, 30.0),
    "brusselator": (0.0, 2.0),
}


def accuracy(adjoints: dict, quick: bool) -> dict:
    """Error of the gradient in y0 and args for each problem and adjoint, at each rtol."""
    tolerances = [1e-4, 1e-6] if quick else [10.0**-k for k in range(3, 13)]
    found = {"rtol": tolerances, "problems": {}}
    for name in TEN[:2] + TEN[5:6] if quick else TEN:
        gradient = _gradient_of(name)
        exact = gradient(DiscreteAdjoint(), 1e-13)
        rows = {}
        for label, adjoint in adjoints.items():
            rows[label] = []
            for rtol in tolerances:
                try:
                    error = float(np.abs(gradient(adjoint, rtol) - exact).max() / np.abs(exact).max())
                except Exception as failure:
                    error = f"{type(failure).__name__}: {' '.join(str(failure).split())[:120]}"
                rows[label].append(error)
        found["problems"][name] = rows
        best = ", ".join(f"{label} {_shown(row)}" for label, row in rows.items())
        print(f"accuracy, {name}: {best}", flush=True)
    print()
    return found


def _shown(row: list) -> str:
    numbers = [x for x in row if not isinstance(x, str)]
    failed = len(row) - len(numbers)
    text = f"{numbers[0]:.0e}..{numbers[-1]:.0e}" if numbers else ""
    return text + (f" ({failed} of {len(row)} fail)" if failed else "")


def _gradient_of(name: str) -> Callable:
    """The gradient in units of its arguments, as a function of adjoint and rtol."""
    model = MODELS[name]
    t0, t1 = SPANS.get(name, model.t_span)
    times = np.linspace(t0, t1, 6)[1:]
    if name == "robertson":
        times = np.logspace(-2, np.log10(t1), 6)
    method = "Rodas5P" if model.stiff else "Tsit5"
    size = np.maximum(
        np.abs(_solved(model, (t0, t1), times, model.y0, model.args, method, 1e-6, "auto")), 1e-9
    )

    def loss(y0, args, adjoint, rtol):
        y = _solved(model, (t0, t1), times, y0, args, method, rtol, adjoint)
        return np.sum((y / size) ** 2)

    def gradient(adjoint, rtol):
        found = ad.grad(loss, (0, 1))(model.y0, model.args, adjoint, rtol)
        pairs = zip(ad.tree.tree_leaves(found), ad.tree.tree_leaves((model.y0, model.args)), strict=True)
        return np.concatenate([np.ravel(g * np.asarray(x)) for g, x in pairs])

    return gradient


def _solved(model, span, times, y0, args, method, rtol, adjoint):
    atol = rtol * (1e-6 if model.stiff else 1e-2)
    return solve_ivp(model.fun, span, y0, method, times, args=args, rtol=rtol, atol=atol, adjoint=adjoint).y


def draw_accuracy(found: dict) -> Figure:
    names = list(found["problems"])
    figure = Figure(figsize=(14, 3 * ((len(names) + 4) // 5)), layout="constrained")
    panels = figure.subplots((len(names) + 4) // 5, min(5, len(names)), squeeze=False).ravel()
    for panel, name in zip(panels, names, strict=False):
        for label, row in found["problems"][name].items():
            values = [np.nan if isinstance(x, str) else max(x, 1e-16) for x in row]
            panel.loglog(found["rtol"], values, "o-", markersize=3, label=label)
        panel.loglog(found["rtol"], found["rtol"], "k:", linewidth=1)
        panel.set_title(name, fontsize="medium")
        panel.invert_xaxis()
    panels[0].legend(fontsize="x-small")
    panels[0].set(xlabel="rtol", ylabel="error of the gradient")
    return figure


# Memory -----------------------------------------------------------------------------------------------


def memory(quick: bool) -> list[dict]:
    """A solve of a million steps of a damped oscillator: time in forward solves and memory, by budget."""

    def oscillator(t, y, k):
        return np.array([y[1], -k[0] * y[0] - k[1] * y[1]])

    span = (0.0, 1e3 if quick else 7.4e4)
    k = np.array([1.0, 1e-6])

    def solve(k, adjoint="auto"):
        y0 = np.array([1.0, 0.0])
        return solve_ivp(
            oscillator, span, y0, "Tsit5", [span[1]], args=(k,), rtol=1e-9, atol=1e-9, adjoint=adjoint
        )

    def gradient(memory):
        return ad.grad(lambda k: np.sum(solve(k, DiscreteAdjoint(memory=memory)).y))(k)

    steps, rows = solve(k).accepted, []
    exact = gradient(None)
    print(f"memory: {steps} steps")
    for budget in (None, 1e8, 1e7, 1e6):
        forward, backward = _fastest(
            [lambda: solve(k), lambda budget=budget: gradient(budget)], 1 if quick else 3
        )
        tracemalloc.start()
        same = bool(np.array_equal(gradient(budget), exact))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        rows.append(
            {"budget": budget, "peak": peak, "solves": backward / forward, "same": same, "steps": steps}
        )
        label = "no limit" if budget is None else f"{budget / 1e6:.0f} MB"
        solves = f"{backward / forward:.2f} forward solves"
        print(f"  budget {label:>8}: peak {peak / 1e6:7.1f} MB, {solves}, same gradient: {same}")
    print()
    return rows


def _fastest(calls: list[Callable], rounds: int) -> list[float]:
    """Least seconds of each, taken in turn."""
    best = [np.inf] * len(calls)
    for _ in range(rounds):
        for i, call in enumerate(calls):
            start = time.perf_counter()
            call()
            best[i] = min(best[i], time.perf_counter() - start)
    return best


# Cost against the number of parameters and of states --------------------------------------------------


def cost(quick: bool) -> dict:
    """Seconds of a gradient by forward sensitivities and by "auto", over numbers of parameters and states."""
    sizes = (1, 10, 100) if quick else (1, 10, 100, 1000, 10_000)
    by_parameters = [_one_cost(20, m) for m in sizes]
    by_states = [_one_cost(n, 2) for n in sizes]
    for title, rows in (("parameters (20 states)", by_parameters), ("states (2 parameters)", by_states)):
        print(f"cost against the number of {title}")
        for row in rows:
            forward = timing.duration(row["forward"]) + ("" if row["measured"] else " (by one direction)")
            solve, auto = (timing.duration(row[k]) for k in ("solve", "auto"))
            size = f"{row['states']:6} states {row['parameters']:6} parameters"
            print(f"  {size}: solve {solve}, auto {auto}, forward {forward}")
    print()
    return {"parameters": by_parameters, "states": by_states}


DIRECTIONS = 30  # forward sensitivities that are run; the time of more is that of one, so many times


def _one_cost(n: int, m: int) -> dict:
    """A ring of n oscillating cells whose m parameters are spread over them."""
    fun = _ring(n, m)
    y0, p, times = 1.0 + 0.1 * np.cos(np.arange(n)), np.full(m, 0.5), np.linspace(0, 5.0, 11)[1:]

    def outputs(p, adjoint="auto"):
        return solve_ivp(
            fun, (0, 5.0), y0, "Tsit5", times, args=(p,), rtol=1e-6, atol=1e-6, adjoint=adjoint
        ).y

    gradient = ad.grad(lambda p: np.sum(outputs(p) ** 2))
    cases = {"solve": lambda: outputs(p), "auto": lambda: gradient(p)}
    measured = m <= DIRECTIONS
    if measured:
        jacobian = ad.jacobian(outputs, mode="forward")

        def forward():
            y = outputs(p)
            return 2 * np.einsum("it,itj->j", y, jacobian(p))

        assert np.allclose(forward(), gradient(p), rtol=1e-8)
        cases["forward"] = forward
    else:
        direction = np.ones(m)
        cases["one"] = lambda: ad.jvp(outputs, (p,), (direction,))
    for call in cases.values():
        call()
    seconds = dict(zip(cases, _fastest(list(cases.values()), 5), strict=True))
    if not measured:
        # Steps are taken once, then tangents one by one.
        seconds["forward"] = seconds["solve"] + m * max(seconds.pop("one") - seconds["solve"], 0.0)
    return {"states": n, "parameters": m, "measured": measured, **seconds}


def _ring(n: int, m: int) -> Callable:
    if m >= n:
        share = m // n

        def ring(t, y, p):
            forcing = np.sum(np.reshape(p[: n * share], (n, share)), axis=1) / share
            return -y * y * 0.1 + forcing * np.cos(t) - 0.3 * (y - np.roll(y, 1))

        return ring

    def ring(t, y, p):
        return -y * y * 0.1 + p[0] * np.cos(t) - (0.3 + 0.1 * p[m - 1]) * (y - np.roll(y, 1))

    return ring


def draw_cost(found: dict) -> Figure:
    figure = Figure(figsize=(10, 4), layout="constrained")
    for panel, (what, rows) in zip(figure.subplots(1, 2), found.items(), strict=True):
        sizes = [row[what] for row in rows]
        for label, style in (("solve", "k:"), ("auto", "o-"), ("forward", "s--")):
            panel.loglog(sizes, [row[label] for row in rows], style, label=label)
        panel.set(xlabel=f"number of {what}", ylabel="seconds")
        panel.legend()
    return figure
