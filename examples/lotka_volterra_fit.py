"""Hares and lynxes: the Lotka-Volterra model fitted to twenty-one years of pelt counts.

Six numbers are sought, four rates and the two populations of 1900, such that the sum of squared differences
between the logarithms of model and data is least. The gradient of that sum is the exact gradient of the
computed solution; the optimiser is SciPy's. The fit is compared with the posterior means of a Bayesian study
of the same data (B. Carpenter, "Predator-Prey Population Dynamics: the Lotka-Volterra model in Stan", 2018).

    python examples/lotka_volterra_fit.py [picture.png]
"""

import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import minimize

import sciad as ad
from sciad.solvers import solve_ivp

DATA = Path(__file__).parent / "data" / "lynx_hare.csv"
NAMES = ("alpha", "beta", "gamma", "delta", "hare0", "lynx0")
MEANINGS = (
    "birth of hares [1/year]",
    "hares lost per lynx [1/(1000 lynxes year)]",
    "death of lynxes [1/year]",
    "lynxes gained per hare [1/(1000 hares year)]",
    "hares in 1900 [1000 pelts]",
    "lynxes in 1900 [1000 pelts]",
)
POSTERIOR_MEANS = (0.55, 0.028, 0.80, 0.024, 34.0, 5.9)


def main(picture: Path = Path("output/lotka_volterra_fit.png")) -> None:
    years, counts = read_counts()
    objective = make_objective(years, counts)
    guess = first_guess(years, counts)

    start = time.perf_counter()
    objective(np.log(guess))  # compiles, or loads what an earlier run compiled
    ready = time.perf_counter() - start
    result = fit(objective, guess)

    print(f"{'':8}{'guess':>10}{'fit':>10}{'published':>12}")
    for row in zip(NAMES, guess, result.parameters, POSTERIOR_MEANS, MEANINGS, strict=True):
        print("{:8}{:10.4g}{:10.4g}{:12.3g}   {}".format(*row))
    print(f"\nresidual sum of squares (log counts)  {result.residual:.4f}")
    print(f"evaluations of value and gradient     {result.evaluations}")
    print(f"seconds                               {result.seconds:.4f} (and {ready:.2f} to get ready)")

    picture.parent.mkdir(parents=True, exist_ok=True)
    draw(years, counts, result.parameters).savefig(picture, dpi=110)
    print(f"picture                               {picture}")


def read_counts(path: Path = DATA) -> tuple[np.ndarray, np.ndarray]:
    """Years, and thousands of pelts of shape (2, years): hares first, lynxes second."""
    years, hares, lynxes = np.loadtxt(path, delimiter=",", comments=("#", "year")).T
    return years, np.stack([hares, lynxes])


def lotka_volterra(t, y, p):
    hare, lynx = y
    birth, predation, death, growth = p
    return np.array([birth * hare - predation * hare * lynx, growth * hare * lynx - death * lynx])


def solve(parameters, times, **options):
    """Populations at `times` for the six parameters in the order of `NAMES`."""
    span = (times[0], times[-1])
    rates, start = parameters[:4], parameters[4:]
    options = {"method": "Tsit5", "rtol": 1e-8, "atol": 1e-8} | options
    return solve_ivp(lotka_volterra, span, start, t_eval=times, args=(rates,), **options)


def make_objective(years: np.ndarray, counts: np.ndarray):
    """Residual sum of squares on log counts, with its gradient, as a function of the parameters' logarithms.

    In logarithms the parameters stay positive and of one magnitude, so that no bounds or scales are needed.
    """
    log_counts = np.log(counts)

    def residual(log_parameters):
        solution = solve(np.exp(log_parameters), years)
        return np.sum((np.log(solution.y) - log_counts) ** 2)

    return ad.value_and_grad(residual)


def first_guess(years: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """What the data show at a glance: the period of about ten years, the two means, the first counts.

    Small cycles have the frequency sqrt(alpha gamma) and run around (gamma / delta, alpha / beta).
    """
    frequency = 2 * np.pi / 10
    mean_hares, mean_lynxes = counts.mean(axis=1)
    return np.array([frequency, frequency / mean_lynxes, frequency, frequency / mean_hares, *counts[:, 0]])


class Fit(NamedTuple):
    parameters: np.ndarray
    residual: float
    evaluations: int
    seconds: float


def fit(objective, guess: np.ndarray) -> Fit:
    start = time.perf_counter()
    result = minimize(objective, np.log(guess), jac=True, method="BFGS", options={"gtol": 1e-6})
    seconds = time.perf_counter() - start
    return Fit(np.exp(result.x), float(result.fun), result.nfev, seconds)


def draw(years: np.ndarray, counts: np.ndarray, parameters: np.ndarray) -> Figure:
    """Data and fit over the years, and the closed curve that the fit runs through in the plane of both."""
    times = np.linspace(years[0], years[-1], 400)
    hares, lynxes = solve(parameters, times).y
    figure = Figure(figsize=(10, 4), layout="constrained")
    over_time, phase = figure.subplots(1, 2, width_ratios=(3, 2))

    for name, values, curve, colour in zip(
        ("hare", "lynx"), counts, (hares, lynxes), ("tab:blue", "tab:red"), strict=True
    ):
        over_time.plot(times, curve, color=colour, label=f"{name}, fit")
        over_time.plot(years, values, "o", color=colour, label=f"{name}, data")
    over_time.set(xlabel="year", ylabel="thousands of pelts", xticks=years[::5], ylim=(0, 100))
    over_time.legend(ncols=2, fontsize="small", loc="upper center")

    phase.plot(hares, lynxes, color="0.3")
    points = phase.scatter(*counts, c=years, cmap="viridis", zorder=3)
    phase.set(xlabel="hares", ylabel="lynxes")
    figure.colorbar(points, label="year", ticks=years[::5])
    return figure


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
