"""Optimal control: a pendulum is swung up by a weak motor, with as little effort as possible.

The motor's torque is too small to lift the pendulum at once: it has to swing. The torque is a polygon with 40
corners; the cost is the effort along the way plus a penalty for not standing upright at the end, both inside
of one differential equation, and its gradient comes from the adjoint of the solve. The torque is kept in its
bounds by L-BFGS-B.

    python examples/optimal_control.py [picture.png]
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import sciad.optimize as opt
from sciad import neural
from sciad.solvers import solve_ivp

KNOTS = np.linspace(0.0, 12.0, 41)
LARGEST = 0.4  # torque; gravity pulls with 1 at the side
START = np.zeros(2)  # angle from hanging, angular velocity
OPTIONS = {"method": "Tsit5", "rtol": 1e-7, "atol": 1e-7}


def main(picture: Path = Path("output/optimal_control.png"), steps: int = 300) -> None:
    fit = search(steps)
    end = path(fit.params, KNOTS[-1:])[:, 0]
    print(f"cost {fit.history.losses[0]:.3f} -> {fit.loss:.3f}, {fit.evaluations} evaluations with gradient")
    print(f"at the end: angle {end[0] / np.pi:.4f} pi, angular velocity {end[1]:.4f}")
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw(fit).savefig(picture, dpi=110)
    print(f"picture: {picture}")


def pendulum(t, y, torque):
    return np.array([y[1], torque - np.sin(y[0]) - 0.05 * y[1]])


def effort(t, y, torque):
    return torque * torque


def miss(y):
    return 10.0 * ((1.0 + np.cos(y[0])) + 0.5 * y[1] ** 2)  # the energy that is missing or too much


def cost(torques):
    return neural.controlled_cost(
        pendulum, effort, miss, START, KNOTS, torques, control=neural.straight_control, **OPTIONS
    )


def search(steps):
    first = 0.2 * np.sin(KNOTS)  # in time with small swings
    return opt.minimize(cost, first, bounds=(-LARGEST, LARGEST), max_iterations=steps, tol=1e-12)


def path(torques, times):
    model = lambda t, y, u: pendulum(t, y, neural.straight_control(t, KNOTS, u))  # noqa: E731
    return solve_ivp(
        model, (0.0, KNOTS[-1]), START, t_eval=times, args=(torques,), tstops=KNOTS[1:-1], **OPTIONS
    ).y


def draw(fit) -> Figure:
    figure = Figure(figsize=(13, 4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    fine = np.linspace(0, KNOTS[-1], 400)
    y = path(fit.params, fine)
    left.plot(fine, y[0] / np.pi, label="angle [pi]")
    left.plot(fine, y[1], label="angular velocity")
    left.axhline(1, color="0.7", linestyle=":")
    left.axhline(-1, color="0.7", linestyle=":")
    left.set(xlabel="time", title="swinging up: pi is upright")
    left.legend()
    middle.plot(KNOTS, fit.params, "C2.-")
    middle.axhspan(-LARGEST, LARGEST, alpha=0.1, label="allowed")
    middle.set(xlabel="time", title="torque")
    middle.legend()
    for k, share in enumerate(np.linspace(0.15, 1, 60)):
        angle = y[0, int(share * 399)]
        right.plot([0, np.sin(angle)], [0, -np.cos(angle)], color="C0", alpha=0.1 + 0.9 * k / 60)
    right.set(title="the pendulum, later is darker", aspect="equal", xlim=(-1.2, 1.2), ylim=(-1.2, 1.2))
    return figure


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
