"""A universal differential equation: a network learns the unknown terms of a model, and they get named.

Of the model of Lotka and Volterra only birth and death are known; the two interactions are those of a
network (C. Rackauckas et al., "Universal differential equations for scientific machine learning", 2020). It
is trained on one noisy trajectory by multiple shooting: the states at the beginnings of short stretches are
unknowns, too. Then what it says along the trajectory is named: a sparse regression on products.

    python examples/universal_ode.py [picture.png]
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import sciad.optimize as opt
from sciad import neural, nn
from sciad.solvers import solve_ivp

BIRTH, PREDATION, GROWTH, DEATH = 1.3, 0.9, 0.8, 1.8
TIMES = np.linspace(0, 6, 61)
STARTS = neural.segment_starts(len(TIMES), 5)
NOISE = 0.01
OPTIONS = {"method": "Tsit5", "rtol": 1e-7, "atol": 1e-7}


def truth(t, y):
    x, z = y
    return np.array([BIRTH * x - PREDATION * x * z, GROWTH * x * z - DEATH * z])


def known(t, y, rates):
    return rates * y


def missing(w, y):
    """The network; its inputs and outputs are of the order of 1."""
    return nn.mlp(w, y, np.tanh)


model = neural.universal(known, missing)


def main(picture: Path = Path("output/universal_ode.png"), steps: int = 400) -> None:
    clean = solve_ivp(truth, (0, 6), np.array([0.9, 1.4]), t_eval=TIMES, **OPTIONS).y
    data = clean + NOISE * np.random.default_rng(0).normal(size=clean.shape)
    p, fit = train(data, steps)
    terms, names, found = name_terms(p, clean)
    print(
        f"mean square of the residuals: {fit.loss:.3g} (noise: {NOISE**2:.3g}), {fit.evaluations} evaluations"
    )
    for k, who in enumerate(("hares ", "lynxes")):
        text = " ".join(f"{c:+.3f} {n}" for c, n in zip(found[:, k], names, strict=True) if c)
        print(f"missing in the equation of {who}: {text}")
    print(f"true: {-PREDATION:+.3f} x z and {GROWTH:+.3f} x z")
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw(data, clean, p, terms @ found).savefig(picture, dpi=110)
    print(f"picture: {picture}")


def train(data, steps):
    """The mean square of residuals of data and of jumps, which count little at first, is made least."""
    first = {
        "net": nn.mlp_weights(
            np.random.default_rng(1), (2, 10, 2), last=lambda r, a, b: 0.1 * r.normal(size=(a, b))
        ),
        "nodes": data[:, STARTS].T,
    }

    def loss(p, weight):
        rates = {"known": np.array([BIRTH, -DEATH]), "net": p["net"]}
        r = neural.shooting_residuals(model, (rates,), p["nodes"], TIMES, data, STARTS, weight, **OPTIONS)
        return np.sum(r**2) / data.size + 1e-7 * sum(np.sum(x["weight"] ** 2) for x in p["net"])

    loose = opt.minimize(loss, first, args=(3.0,), max_iterations=steps, tol=1e-12)
    fit = opt.minimize(loss, loose.params, args=(100.0,), max_iterations=steps, tol=1e-12)
    return fit.params, fit


def name_terms(p, states):
    terms, names = neural.polynomial_terms(states.T, 2, ["x", "z"])
    return terms, names, neural.sparse_regression(terms, missing(p["net"], states.T), 0.15)


def draw(data, clean, p, named) -> Figure:
    figure = Figure(figsize=(12, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    rates = {"known": np.array([BIRTH, -DEATH]), "net": p["net"]}
    fine = np.linspace(0, 6, 400)
    y = solve_ivp(model, (0, 6), p["nodes"][0], t_eval=fine, args=(rates,), **OPTIONS).y
    learnt = missing(p["net"], clean.T)
    real = np.stack([-PREDATION * clean[0] * clean[1], GROWTH * clean[0] * clean[1]])
    for k, who in enumerate(("hares x", "lynxes z")):
        left.plot(TIMES, data[k], f"C{k}o", markersize=3)
        left.plot(fine, y[k], f"C{k}", label=who)
        right.plot(TIMES, real[k], f"C{k}", linewidth=5, alpha=0.3, label=f"true term of {who}")
        right.plot(TIMES, learnt[:, k], f"C{k}", label="network")
        right.plot(TIMES, named[:, k], "k:", label="named" if k else None)
    left.set(xlabel="t", title="data, and one trajectory of the trained model")
    right.set(xlabel="t", title="what the model did not know")
    left.legend()
    right.legend()
    return figure


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
