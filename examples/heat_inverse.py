"""An inverse problem: the conductivity of a rod, at each of 200 places, from temperatures at eight of them.

The rod is heated at its left end and cooled at the right one; heat flows by u_t = (k(x) u_x)_x, discretised
in 200 cells, stiff, and solved by an implicit method. Measured are eight temperatures over time. The
logarithms of all 199 conductivities between cells are found at once from the gradient of one adjoint solve,
with a smoothness penalty on their differences.

    python examples/heat_inverse.py [picture.png]
"""

import sys
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import sciad.optimize as opt
from sciad.solvers import solve_ivp

TIMES = np.linspace(0.02, 1.0, 50)
ERROR, SMOOTH = 0.005, 1.0


def main(picture: Path = Path("output/heat_inverse.png"), cells: int = 200, steps: int = 150) -> None:
    true = conductivity(cells)
    sensors = np.linspace(0.06, 0.94, 8)
    places = (sensors * cells).astype(int)
    clean = temperatures(np.log(true), cells)
    data = clean[places] + ERROR * np.random.default_rng(0).normal(size=(8, len(TIMES)))
    start = time.perf_counter()
    fit = invert(data, places, cells, steps)
    seconds = time.perf_counter() - start
    found = np.exp(fit.params)
    misfit = np.sqrt(np.mean(((temperatures(fit.params, cells)[places] - data) / ERROR) ** 2))
    error = np.sqrt(np.mean(np.log(found / true) ** 2))
    guess = np.sqrt(np.mean(np.log(true) ** 2))
    print(f"{len(true)} conductivities, {fit.evaluations} gradients, {seconds:.1f} s")
    print(f"misfit {misfit:.3f} standard deviations; error of logarithms {error:.3f} (guess {guess:.3f})")
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw(true, found, clean, data, places, cells).savefig(picture, dpi=110)
    print(f"picture: {picture}")


def conductivity(cells):
    """A rod with a poor conductor in the middle and a good one on the right."""
    x = np.arange(1, cells) / cells
    return 1.0 - 0.7 * np.exp(-(((x - 0.4) / 0.08) ** 2)) + 1.0 / (1.0 + np.exp(-(x - 0.75) / 0.02))


def heat(t, u, k, width):
    """Ends are held at 1 and at 0, half a cell away from the first and the last cell."""
    flow = k * (u[1:] - u[:-1]) / width
    left, right = 2.0 * (u[:1] - 1.0) / width, 2.0 * (0.0 - u[-1:]) / width
    return np.diff(np.concatenate([left, flow, right])) / width


def temperatures(log_k, cells):
    """(cells, times)"""
    args = (np.exp(log_k), 1.0 / cells)
    sol = solve_ivp(heat, (0, TIMES[-1]), np.zeros(cells), "Rodas5P", TIMES, args=args, rtol=1e-5, atol=1e-6)
    return sol.y


def invert(data, places, cells, steps):
    def loss(log_k):
        r = (temperatures(log_k, cells)[places] - data) / ERROR
        return 0.5 * np.sum(r**2) + 0.5 * SMOOTH * cells * np.sum(np.diff(log_k) ** 2)

    return opt.minimize(loss, np.zeros(cells - 1), max_iterations=steps, tol=1e-7)


def draw(true, found, clean, data, places, cells) -> Figure:
    figure = Figure(figsize=(12, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    x = np.arange(1, cells) / cells
    left.plot(x, true, "k", label="true")
    left.plot(x, found, "C1", label="found")
    left.plot(x, np.ones(len(x)), "C0:", label="guess")
    left.plot((places + 0.5) / cells, np.zeros(len(places)), "k^", clip_on=False, label="sensors")
    left.set(xlabel="place", title="conductivity", ylim=(0, None))
    left.legend()
    for k, place in enumerate(places):
        right.plot(TIMES, data[k], f"C{k}.", markersize=3)
        right.plot(TIMES, clean[place], f"C{k}", linewidth=1, label=f"x = {(place + 0.5) / cells:.2f}")
    right.set(xlabel="time", title="temperatures at the sensors, measured and true")
    right.legend(fontsize="small")
    return figure


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
