"""A ball that bounces: gravity, drag and bounciness from a film of its height, through every impact.

An impact is an event whose `apply` turns the velocity round; its time depends on the parameters, and that is
in the derivative. Heights are measured at 60 times with an error of 2 cm; parameters, height and speed at the
start are found by least squares, with their standard errors. The gradient of one height by the bounciness is
compared with differences: it jumps where an impact passes that time, and is exact between.

    python examples/bouncing_ball.py [picture.png]
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import sciad as ad
import sciad.optimize as opt
from sciad.solvers import solve_ivp

TRUE = {"gravity": 9.81, "drag": 0.08, "bounce": 0.8, "height": 2.0, "speed": 1.0}
GUESS = {"gravity": 9.0, "drag": 0.02, "bounce": 0.75, "height": 1.9, "speed": 0.8}
TIMES = np.linspace(0.0, 3.0, 61)[1:]
ERROR = 0.02


def main(picture: Path = Path("output/bouncing_ball.png")) -> None:
    measured = heights(TRUE, TIMES) + ERROR * np.random.default_rng(0).normal(size=len(TIMES))
    residuals = lambda p: (heights(p, TIMES) - measured) / ERROR  # noqa: E731
    fit = opt.least_squares(residuals, GUESS, sigma_known=True, bounds={"drag": (0, None), "bounce": (0, 1)})
    errors = fit.standard_errors()
    for name, true in TRUE.items():
        print(f"{name:8}{fit.params[name]:8.4f} +- {errors[name]:.4f}   (true: {true})")
    print(f"sum of squares {2 * fit.loss:.1f} for {len(TIMES)} data, {fit.evaluations} evaluations")
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw(measured, fit.params).savefig(picture, dpi=110)
    print(f"picture: {picture}")


def flight(t, y, p):
    speed = y[1]
    return np.array([speed, -p["gravity"] - p["drag"] * speed * abs(speed)])


def impact(t, y, p):
    return y[0]


impact.direction = -1
impact.apply = lambda t, y, p: np.array([0.0, -p["bounce"] * y[1]])


def heights(p, times):
    start = np.array([p["height"], p["speed"]])
    options = {"method": "Tsit5", "rtol": 1e-8, "atol": 1e-8}
    return solve_ivp(flight, (0, times[-1]), start, t_eval=times, args=(p,), events=impact, **options).y[0]


def draw(measured, found) -> Figure:
    figure = Figure(figsize=(12, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    fine = np.linspace(0, 3, 601)[1:]
    left.plot(TIMES, measured, "k.", label="measured")
    left.plot(fine, heights(GUESS, fine), "C0:", label="guess")
    left.plot(fine, heights(found, fine), "C1", label="found")
    left.set(xlabel="time [s]", ylabel="height [m]", title="the ball")
    left.legend()
    at = lambda e: heights({**TRUE, "bounce": e}, np.array([1.5, 3.0]))[1]  # noqa: E731
    values = np.linspace(0.72, 0.9, 121)
    right.plot(values, [ad.grad(at)(e) for e in values], label="gradient")
    h = 1e-4
    right.plot(
        values[::4], [(at(e + h) - at(e - h)) / (2 * h) for e in values[::4]], "k.", label="differences"
    )
    right.set(xlabel="bounciness", title="derivative of the height after 3 s [m]")
    right.legend()
    return figure


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
