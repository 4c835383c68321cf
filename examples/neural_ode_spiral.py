"""A neural differential equation: a network learns the vector field of a spiral from one trajectory.

The demo of torchdiffeq (R. T. Q. Chen, examples/ode_demo.py). The true motion is dy/dt = y^3 A with y a
row of two numbers; known is one trajectory of it at 1000 times. A network of one hidden layer, tanh(y^3 W
+ b) V + c, is trained on batches of 20 short stretches of ten points each, all solved at once as one
equation of a 20 x 2 matrix, until its own trajectory is that of the truth.

    python examples/neural_ode_spiral.py [picture.png]
"""

import sys
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import sciad.optimize as opt
from sciad import nn
from sciad.solvers import solve_ivp

A = np.array([[-0.1, 2.0], [-2.0, -0.1]])
START = np.array([[2.0, 0.0]])
TIMES = np.linspace(0.0, 25.0, 1000)
STRETCH, BATCH, HIDDEN = 10, 20, 50


def main(picture: Path = Path("output/neural_ode_spiral.png"), steps: int = 2000) -> None:
    truth = solve(spiral, START, TIMES, ())
    start = time.perf_counter()
    weights, losses = train(truth, steps)
    seconds = time.perf_counter() - start
    model = solve(network, START, TIMES, (weights,))
    print(
        f"loss of the batches {losses[0]:.4f} -> {np.mean(losses[-20:]):.5f} in {steps} steps, "
        f"{seconds:.1f} s; mean distance from the true trajectory {np.abs(model - truth).mean():.4f}"
    )
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw(truth, model, weights, losses).savefig(picture, dpi=110)
    print(f"picture: {picture}")


def spiral(t, y):
    return y**3 @ A


def network(t, y, w):
    return nn.mlp(w, y**3)


def solve(model, starts, times, args):
    """States at all times: an array (number of starts, 2, number of times)."""
    span = (times[0], times[-1])
    return solve_ivp(model, span, starts, "Tsit5", times, args=args, rtol=1e-7, atol=1e-9).y


def loss(w, starts, targets):
    """Mean distance of the model's stretches from the true ones."""
    return np.mean(np.abs(solve(network, starts, TIMES[:STRETCH], (w,)) - targets))


def batch(truth, rng):
    """Starts (20, 2) and stretches (20, 2, 10) of the trajectory."""
    first = rng.choice(len(TIMES) - STRETCH, BATCH, replace=False)
    stretches = truth[0][:, first[:, None] + np.arange(STRETCH)].transpose(1, 0, 2)
    return stretches[:, :, 0], stretches


def first_weights(rng):
    return nn.mlp_weights(rng, (2, HIDDEN, 2), lambda rng, *shape: 0.1 * rng.normal(size=shape))


def train(truth, steps, rate=1e-2, seed=0, progress=True):
    """Adam with a rate that falls to zero; weights, and losses of the batches."""
    rng = np.random.default_rng(seed)
    method = opt.adam(opt.cosine_decay(rate, steps))
    draw_batch = lambda rng: batch(truth, rng)  # noqa: E731
    found = opt.train(loss, first_weights(rng), method, steps, draw_batch, seed=rng, progress=progress)
    return found.params, list(found.losses)


def draw(truth, model, w, losses) -> Figure:
    figure = Figure(figsize=(13, 4), layout="constrained")
    panels = figure.subplots(1, 4)
    for label, y, style in (("true", truth, "-"), ("network", model, "--")):
        for k, name in enumerate("xy"):
            panels[0].plot(TIMES, y[0, k], f"C{k}{style}", label=f"{name}, {label}")
        panels[1].plot(*y[0], "k" if y is truth else "C1--", label=label)
    panels[0].set(title="trajectory", xlabel="t")
    panels[1].set(title="phase plane", xlabel="x", ylabel="y")
    panels[0].legend()
    panels[1].legend()
    grid = np.linspace(-2, 2, 21)
    points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    field = network(0.0, points, w)
    speed = np.linalg.norm(field, axis=1, keepdims=True)
    panels[2].quiver(*points.T, *(field / speed).T, speed[:, 0], cmap="viridis")
    panels[2].set(title="learnt vector field", xlabel="x", ylabel="y")
    panels[3].semilogy(losses)
    panels[3].set(title="loss of the batches", xlabel="step")
    return figure


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
