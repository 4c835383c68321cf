"""Hares and lynxes with luck: a stochastic predator-prey model fitted to twenty-one years of pelt counts.

The logarithms u of both populations obey

    du_hare = (birth - predation exp(u_lynx)) dt + noise_hare dW_1
    du_lynx = (growth exp(u_hare) - death) dt + noise_lynx dW_2.

Each year is the start of an ensemble that is compared with the next year: all twenty transitions are one
system of forty unknowns, and the likelihood of a count is that of a normal distribution with the mean
and variance of the simulated logarithms. The noise replays, so this simulated likelihood is a smooth
function of the six parameters, and its gradient is exact.

    python examples/sde_fit.py [picture.png]
"""

import sys
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import minimize

import sciad as ad
from sciad.solvers import solve_sde

DATA = Path(__file__).parent / "data" / "lynx_hare.csv"
NAMES = ("birth", "predation", "growth", "death", "noise_hare", "noise_lynx")
GUESS = np.array([0.5, 0.03, 0.03, 0.8, 0.5, 0.5])
PATHS, STEPS = 256, 16


def main(picture: Path = Path("output/sde_fit.png")) -> None:
    years, counts = read_counts()
    start = time.perf_counter()
    p, likelihood, evaluations = fit(np.log(counts))
    seconds = time.perf_counter() - start
    for name, value in zip(NAMES, p, strict=True):
        print(f"{name:12}{value:10.4f}")
    print(f"log-likelihood {likelihood:.3f}, {evaluations} evaluations with gradient, {seconds:.1f} s")
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw(years, counts, p).savefig(picture, dpi=110)
    print(f"picture: {picture}")


def read_counts(path: Path = DATA) -> tuple[np.ndarray, np.ndarray]:
    """Years, and thousands of pelts of shape (2, years): hares first, lynxes second."""
    years, hares, lynxes = np.loadtxt(path, delimiter=",", comments=("#", "year")).T
    return years, np.stack([hares, lynxes])


def drift(t, u, p):
    hare, lynx = np.exp(u[0]), np.exp(u[1])
    return np.stack([p[0] - p[1] * lynx, p[2] * hare - p[3]])


def diffusion(t, u, p):
    return np.stack([p[4] * np.ones(u.shape[1]), p[5] * np.ones(u.shape[1])])


def simulate(p, u0, span, **options):
    options = {
        "paths": PATHS,
        "dt": span / STEPS,
        "seed": 1900,
        "method": "SRA1",
        "noise": "additive",
    } | options
    return solve_sde(drift, diffusion, (0.0, span), u0, args=(p,), **options)


def negative_log_likelihood(log_p, u):
    """Of the transitions between the columns of `u`, the logarithms of the counts."""
    end = simulate(np.exp(log_p), u[:, :-1], 1.0, t_eval=[1.0]).y[..., 0]
    mean = np.mean(end, axis=0)
    variance = np.mean((end - mean) ** 2, axis=0)
    return 0.5 * np.sum((u[:, 1:] - mean) ** 2 / variance + np.log(2 * np.pi * variance))


def fit(u) -> tuple[np.ndarray, float, int]:
    """Parameters of largest likelihood, that likelihood, and how often it was computed."""
    objective = ad.value_and_grad(negative_log_likelihood)
    result = minimize(objective, np.log(GUESS), args=(u,), jac=True, method="L-BFGS-B")
    return np.exp(result.x), -result.fun, result.nfev


def draw(years, counts, p) -> Figure:
    """Counts, and the fan of an ensemble that starts where they start."""
    span = years[-1] - years[0]
    sol = simulate(p, np.log(counts[:, :1]), span, paths=4000, dt=0.05, t_eval=np.linspace(0, span, 201))
    figure = Figure(figsize=(9, 6), layout="constrained")
    for row, name in enumerate(("hares", "lynxes")):
        axes = figure.add_subplot(2, 1, row + 1)
        sol.plot(component=(row, 0), ax=axes)
        axes.plot(years - years[0], np.log(counts[row]), "ko", markersize=4, label="pelts")
        axes.set_ylabel(f"log {name} [1000]")
        axes.set_xlabel("years since 1900")
        axes.legend(loc="upper right")
    return figure


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
