"""An outbreak of influenza in a boarding school: rates by maximum likelihood, with profile likelihoods.

763 boys, one of them ill at first; on each of fourteen days the number in bed is known (data/
influenza_school.csv). Susceptible boys are infected (rate beta), infected ones go to bed and leave it (rate
gamma). Counts are scattered more than a Poisson distribution allows: they are negative binomial, and the
dispersion is estimated with the rest. The profile of a parameter is the likelihood that is left when that one
is held; where it falls by 1.92 are the ends of its 95 % confidence interval.

    python examples/epidemic_fit.py [picture.png]
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import sciad.optimize as opt
from sciad.logdensity import negative_binomial
from sciad.solvers import solve_ivp

DATA = Path(__file__).parent / "data" / "influenza_school.csv"
BOYS = 763
GUESS = {"beta": 1.5, "gamma": 0.3, "first": 1.0, "dispersion": 5.0}


def main(picture: Path = Path("output/epidemic_fit.png")) -> None:
    days, counts = read_counts()
    fit = opt.minimize(negative_log_likelihood, GUESS, args=(days, counts), transforms="positive", tol=1e-10)
    errors = fit.standard_errors()
    profiles = {name: fit.profile(name) for name in GUESS}
    for name, found in profiles.items():
        value = fit.params[name]
        print(f"{name:11}{value:8.3f} +- {errors[name]:6.3f}   95 %: {found.low:7.3f} to {found.high:7.3f}")
    p = fit.params
    print(f"reproduction number {p['beta'] / p['gamma']:.2f}, days in bed {1 / p['gamma']:.2f}, "
          f"log-likelihood {-fit.loss:.3f}, {fit.evaluations} evaluations")  # fmt: skip
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw(days, counts, p, profiles).savefig(picture, dpi=110)
    print(f"picture: {picture}")


def read_counts(path: Path = DATA):
    """Days, and boys in bed."""
    days, counts, _ = np.loadtxt(path, delimiter=",", comments=("#", "day")).T
    return days, counts


def epidemic(t, y, beta, gamma):
    susceptible, infected = y
    new = beta * susceptible * infected / BOYS
    return np.array([-new, new - gamma * infected])


def in_bed(p, days):
    """Expected numbers; day 0 is the day before the first count."""
    start = np.array([BOYS - p["first"], p["first"]])
    options = {"method": "Tsit5", "rtol": 1e-8, "atol": 1e-8}
    sol = solve_ivp(epidemic, (0, days[-1]), start, t_eval=days, args=(p["beta"], p["gamma"]), **options)
    return sol.y[1]


def negative_log_likelihood(p, days, counts):
    return -negative_binomial(counts, in_bed(p, days), p["dispersion"])


def draw(days, counts, p, profiles) -> Figure:
    figure = Figure(figsize=(12, 6), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(3, 2))
    axes, fine = left.subplots(), np.linspace(0.01, 14.5, 200)
    mean = in_bed(p, fine)
    spread = np.sqrt(mean + mean**2 / p["dispersion"])
    axes.fill_between(
        fine, np.maximum(mean - spread, 0), mean + spread, alpha=0.2, label="one deviation of a count"
    )
    axes.plot(fine, mean, label="expected")
    axes.plot(days, counts, "ko", label="in bed")
    axes.set(xlabel="day", ylabel="boys", title="influenza in a boarding school, 1978")
    axes.legend()
    for panel, found in zip(right.subplots(2, 2).flat, profiles.values(), strict=True):
        found.plot(panel)
        panel.set(title=found.name.strip("[']"), xlabel=None, ylim=(-0.1, 4))
    return figure


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
