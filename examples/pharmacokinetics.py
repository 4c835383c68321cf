"""Theophylline in twelve subjects: a model of mixed effects, its likelihood by Laplace's approximation.

A dose is absorbed from the gut (rate ka) and leaves the blood (clearance cl, volume v). The logarithms of all
three are scattered around those of the population. The effects of a subject are found by least squares and
Newton's method (`sciad.root`); J J^T there makes the likelihood (first order conditional estimation, M. J.
Lindstrom and D. M. Bates, Biometrics 46, 1990), and the implicit function theorem its derivative. Published
for this model and these data (vignette of R's package nlmixr): 0.464, 1.01, 3.46, objective function 116.8.

    python examples/pharmacokinetics.py [picture.png]
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import sciad as ad
import sciad.optimize as opt
from sciad.solvers import solve_ivp

DATA = Path(__file__).parent / "data" / "theophylline.csv"
EFFECTS = ("ka", "cl", "v")
GUESS = {"ka": 0.2, "cl": 0.8, "v": 3.2, "sd_ka": 0.5, "sd_cl": 0.3, "sd_v": 0.2, "noise": 0.8}
POSITIVE = dict.fromkeys(("sd_ka", "sd_cl", "sd_v", "noise"), "positive")


def main(picture: Path = Path("output/pharmacokinetics.png")) -> None:
    subjects = read()
    fit = opt.minimize(objective, GUESS, args=(subjects,), transforms=POSITIVE, tol=1e-9)
    p, errors = fit.params, fit.standard_errors()
    for name in GUESS:
        print(f"{name:6}{p[name]:8.3f} +- {errors[name]:.3f}")
    print(f"objective function {2 * fit.loss:.2f}, {fit.evaluations} evaluations with gradient")
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw(p, subjects).savefig(picture, dpi=110)
    print(f"picture: {picture}")


def read(path: Path = DATA) -> list:
    """Dose in mg, hours and concentrations of each subject."""
    rows = np.loadtxt(path, delimiter=",", comments=("#", "subject"))
    parts = [rows[rows[:, 0] == k] for k in np.unique(rows[:, 0])]
    return [(part[0, 1] * part[0, 2], part[:, 3], part[:, 4]) for part in parts]


def compartments(t, y, ka, ke):
    gut, blood = y
    return np.array([-ka * gut, ka * gut - ke * blood])


def concentrations(p, effects, dose, hours):
    """One subject's, with its own deviations of the logarithms."""
    ka, cl, v = np.exp(np.stack([p[name] for name in EFFECTS]) + effects)
    start = np.array([dose, 0.0])
    options = {"method": "Tsit5", "rtol": 1e-8, "atol": 1e-8}
    sol = solve_ivp(compartments, (0.0, hours[-1]), start, t_eval=hours, args=(ka, cl / v), **options)
    return sol.y[1] / v


def residuals(effects, p, subject):
    """In standard deviations: of the observations, then of the effects."""
    dose, hours, observed = subject
    scatter = np.stack([p[f"sd_{name}"] for name in EFFECTS])
    return np.concatenate(
        [(concentrations(p, effects, dose, hours) - observed) / p["noise"], effects / scatter]
    )


def best_effects(p, subject):
    """Where the gradient of the joint likelihood by the effects is zero."""
    joint = lambda e, p: 0.5 * np.sum(residuals(e, p, subject) ** 2)  # noqa: E731
    plain = {name: ad.stop_gradient(x) for name, x in p.items()}
    near = opt.least_squares(residuals, np.zeros(3), args=(plain, subject)).params
    return ad.root(lambda e, p: ad.grad(joint)(e, p), near, p, rtol=1e-7)


def objective(p, subjects):
    """Half of -2 log-likelihood of the population parameters, but for 132 log(2 pi)/2."""
    total = 0.0
    for subject in subjects:
        best = best_effects(p, subject)
        r = residuals(best, p, subject)
        J = ad.jacobian(lambda e, p, s=subject: residuals(e, p, s))(best, p)
        total += 0.5 * np.sum(r**2) + len(subject[1]) * np.log(p["noise"])
        total += 0.5 * np.linalg.slogdet(J.T @ J)[1] + np.sum([np.log(p[f"sd_{name}"]) for name in EFFECTS])
    return total


def draw(p, subjects) -> Figure:
    figure = Figure(figsize=(12, 7), layout="constrained")
    for panel, subject in zip(figure.subplots(3, 4, sharex=True, sharey=True).flat, subjects, strict=False):
        dose, hours, observed = subject
        fine = np.linspace(1e-3, 25, 150)
        best = best_effects(p, subject)
        panel.plot(fine, concentrations(p, np.zeros(3), dose, fine), "0.7", label="population")
        panel.plot(fine, concentrations(p, best, dose, fine), "C1", label="subject")
        panel.plot(hours, observed, "ko", markersize=3)
    panel.legend()
    figure.supxlabel("hours after the dose")
    figure.supylabel("theophylline [mg/L]")
    return figure


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
