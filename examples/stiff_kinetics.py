"""Three rates of a stiff reaction from data over eleven decades of time.

Robertson's reaction: A -> B (rate k1), B + B -> C + B (k2), B + C -> A + C (k3). The rates span nine
orders of magnitude, B is there in traces only, and the fast reactions are over 10^10 times faster than the
slow ones. Given noisy concentrations from 10^-5 to 10^6 seconds, the rates are found from a guess that is
wrong by factors of 4 to 8, by damped Gauss-Newton steps (Levenberg and Marquardt) in the logarithms of the
rates. The sensitivities run along the steps of the stiff solver; their Fisher matrix gives the uncertainty
of each rate.

    python examples/stiff_kinetics.py [picture.png]
"""

import sys
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from sciad import adjoints
from sciad.solvers import solve_ivp

RATES = np.array([0.04, 3e7, 1e4])
GUESS = RATES * np.array([4.0, 1 / 8, 5.0])
START = np.array([1.0, 0.0, 0.0])
TIMES = np.logspace(-5, 6, 45)
SIZES = np.array([[1.0], [4e-5], [1.0]])  # of A, B, C at their largest
NOISE = 0.02  # standard deviation in these sizes


def main(picture: Path = Path("output/stiff_kinetics.png"), steps: int = 20) -> None:
    data = measure()
    start = time.perf_counter()
    rates, history = fit(data, steps)
    seconds = time.perf_counter() - start
    error = uncertainty(rates, data)
    print(f"{len(history) - 1} steps, {seconds:.2f} s, chi^2 / data = {2 * history[-1] / data.size:.3f}")
    print("            guess       found   (+- 1 sigma)        true")
    for name, row in zip(("k1", "k2", "k3"), np.transpose([GUESS, rates, error, RATES]), strict=True):
        guess, found, sigma, true = row
        print(f"  {name}  {guess:10.4g}  {found:10.5g}   (+- {100 * sigma:.2g} %)  {true:10.4g}")
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw(data, rates).savefig(picture, dpi=110)
    print(f"picture: {picture}")


def robertson(t, y, k):
    a, b, c = y
    first, second, third = k[0] * a, k[1] * b * b, k[2] * b * c
    return np.array([third - first, first - third - second, second])


def concentrations(k, times=TIMES):
    """(3, number of times)"""
    span = (0.0, times[-1])
    return solve_ivp(robertson, span, START, "Rodas5P", times, args=(k,), rtol=1e-7, atol=1e-11).y


def measure(seed=0):
    noise = np.random.default_rng(seed).normal(size=(3, len(TIMES)))
    return concentrations(RATES) + NOISE * SIZES * noise


def residuals(log_k, data):
    """In standard deviations."""
    return (concentrations(np.exp(log_k)) - data) / (NOISE * SIZES)


def fit(data, steps=20, progress=True):
    """Rates, and half the sum of squared residuals after each step."""
    x, damping = np.log(GUESS), 1.0
    model = adjoints.gauss_newton(lambda x: residuals(x, data), x)
    history = [model.value]
    for _ in tqdm(range(steps), desc="fitting", disable=not progress):
        trial = adjoints.gauss_newton(lambda x: residuals(x, data), x + model.step(damping))
        if trial.value < model.value:
            x, settled = x + model.step(damping), model.value - trial.value < 1e-6 * model.value
            model, damping = trial, damping / 5
            history.append(model.value)
            if settled:
                break
        else:
            damping *= 4
    return np.exp(x), history


def uncertainty(rates, data):
    """Relative standard deviations of the rates."""
    model = adjoints.gauss_newton(lambda x: residuals(x, data), np.log(rates))
    return np.sqrt(np.diag(model.covariance()))


def draw(data, rates) -> Figure:
    times = np.logspace(-5, 6, 400)
    figure = Figure(figsize=(9, 4), layout="constrained")
    panel = figure.subplots()
    curves = {"guess": (GUESS, ":"), "found": (rates, "-")}
    for k, name in enumerate(("A", "10$^4$ B", "C")):
        scale = 1e4 if k == 1 else 1.0
        panel.semilogx(TIMES, scale * data[k], f"C{k}o", markersize=3)
        for label, (values, style) in curves.items():
            panel.semilogx(
                times, scale * concentrations(values, times)[k], f"C{k}{style}", label=f"{name}, {label}"
            )
    panel.set(xlabel="t / s", ylabel="concentration", title="Robertson's reaction: data and fit")
    panel.legend(ncols=3)
    return figure


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
