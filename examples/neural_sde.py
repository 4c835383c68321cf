"""A neural stochastic equation: drift and diffusion networks learnt from moments.

Particles in a double well, ``dX = (X - X^3) dt + 0.5 dW``, are released from several places; known are
only the means and variances of where they are at a few later times. Two networks of one hidden layer,
one for the drift and one for the size of the noise, are trained until an ensemble driven by them has
these moments.

    python examples/neural_sde.py [picture.png]
"""

import sys
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import sciad as ad
from sciad.solvers import solve_sde

STARTS = np.linspace(-1.8, 1.8, 7)
TIMES = np.array([0.15, 0.4, 0.8, 1.5])
NOISE = 0.5
HIDDEN = 8


def main(picture: Path = Path("output/neural_sde.png"), steps: int = 300) -> None:
    targets = moments(true_paths())
    start = time.perf_counter()
    weights, losses = train(targets, steps)
    print(
        f"loss {losses[0]:.4f} -> {losses[-1]:.5f} in {len(losses)} steps, "
        f"{time.perf_counter() - start:.1f} s"
    )
    x = np.array([-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5])
    print("x              ", *(f"{v:8.2f}" for v in x))
    print("drift, learnt  ", *(f"{v:8.3f}" for v in drift(0.0, x, weights)))
    print("drift, true    ", *(f"{v:8.3f}" for v in x - x**3))
    print("noise, learnt  ", *(f"{v:8.3f}" for v in diffusion(0.0, x, weights)), f"(true: {NOISE})")
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw(weights, losses).savefig(picture, dpi=110)
    print(f"picture: {picture}")


def network(x, w):
    """One output for each entry of x."""
    hidden = np.tanh(np.outer(x, w["in"]) + w["bias"])
    return hidden @ w["out"] + w["last"]


def drift(t, x, w):
    return network(x, w["drift"])


def diffusion(t, x, w):
    return np.exp(network(x, w["noise"]))


def paths(w, seed, count=256, dt=0.05):
    return solve_sde(
        drift, diffusion, (0.0, TIMES[-1]), STARTS, args=(w,), dt=dt, paths=count, seed=seed, t_eval=TIMES,
        method="EulerMaruyama",
    ).y  # fmt: skip


def true_paths(count=20_000):
    return solve_sde(
        lambda t, x: x - x**3, lambda t, x: NOISE * np.ones(7), (0.0, TIMES[-1]), STARTS, noise="additive",
        dt=0.01, paths=count, seed=0, t_eval=TIMES, method="SRA1",
    ).y  # fmt: skip


def moments(y):
    """Means and variances over the paths, one after the other."""
    mean = np.mean(y, axis=0)
    return np.stack([mean, np.mean((y - mean) ** 2, axis=0)])


def loss(w, seed, targets):
    return np.sum((moments(paths(w, seed)) - targets) ** 2)


def first_weights(seed=0):
    rng = np.random.default_rng(seed)

    def layer(last):
        return {
            "in": rng.normal(size=HIDDEN),
            "bias": rng.normal(size=HIDDEN),
            "out": 0.1 * rng.normal(size=HIDDEN),
            "last": last,
        }

    return {"drift": layer(0.0), "noise": layer(np.log(0.3))}


def train(targets, steps, rate=0.03):
    """Adam with fresh noise in each step; the weights of the end and the losses."""
    w, losses = first_weights(), []
    value_and_grad = ad.value_and_grad(loss)
    state = {part: dict.fromkeys(w[part], (0.0, 0.0)) for part in w}
    for step in range(1, steps + 1):
        value, slope = value_and_grad(w, step, targets)
        losses.append(float(value))
        pace = rate * 0.5 * (1 + np.cos(np.pi * step / steps))
        for part in w:
            for name in w[part]:
                g = slope[part][name]
                first, second = state[part][name]
                first, second = 0.9 * first + 0.1 * g, 0.99 * second + 0.01 * g * g
                state[part][name] = first, second
                move = first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.99**step)) + 1e-8)
                w[part][name] = w[part][name] - pace * move
    return w, losses


def draw(weights, losses) -> Figure:
    x = np.linspace(-1.8, 1.8, 100)
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    panels = figure.subplots(1, 3)
    panels[0].semilogy(losses)
    panels[0].set(title="loss", xlabel="step")
    panels[1].plot(x, drift(0.0, x, weights), label="learnt")
    panels[1].plot(x, x - x**3, "k--", label="true")
    panels[1].set(title="drift", xlabel="x")
    panels[1].legend()
    panels[2].plot(x, diffusion(0.0, x, weights))
    panels[2].axhline(NOISE, color="k", linestyle="--")
    panels[2].set(title="noise", xlabel="x", ylim=(0, 1))
    return figure


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
