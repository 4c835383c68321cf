"""The spiral demo trained here, by torchdiffeq, and by diffrax with optax: same weights, batches, steps.

    python benchmarks/training.py [steps] [seeds]

For each seed and library: the mean loss of the last 20 batches, the seconds of getting ready (imports aside)
and of the steps. Needs torch and torchdiffeq; diffrax and optax are left out where they are not installed.
"""

import importlib.util
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import sciad.optimize as opt
from examples import neural_ode_spiral as spiral

RATE = 1e-2


def main(steps: int = 300, seeds: int = 1) -> None:
    truth = spiral.solve(spiral.spiral, spiral.START, spiral.TIMES, ())
    ways = {"sciad": by_sciad, "torchdiffeq": by_torch, "diffrax + optax": by_diffrax}
    needs = {"torchdiffeq": ("torch", "torchdiffeq"), "diffrax + optax": ("diffrax", "optax")}
    for seed in range(seeds):
        for name, train in ways.items():
            absent = [x for x in needs.get(name, ()) if importlib.util.find_spec(x) is None]
            if absent:
                print(f"{name:16} left out: {', '.join(absent)} is not installed")
                continue
            losses, ready, seconds = train(truth, steps, seed)
            print(f"{name:16} seed {seed}: loss {np.mean(losses[-20:]):.6f} after {len(losses)} steps, "
                  f"{ready:.1f} s to get ready, {seconds:.2f} s", flush=True)  # fmt: skip


def by_sciad(truth, steps: int, seed: int):
    rng = np.random.default_rng(seed)
    first = spiral.first_weights(rng)
    draw = lambda rng: spiral.batch(truth, rng)  # noqa: E731
    start = time.perf_counter()
    opt.train(spiral.loss, first, opt.adam(RATE), 2, draw, seed=99)
    ready = time.perf_counter()
    found = opt.train(spiral.loss, first, opt.adam(opt.cosine_decay(RATE, steps)), steps, draw, seed=rng)
    return list(found.losses), ready - start, time.perf_counter() - ready


def by_torch(truth, steps: int, seed: int):
    import torch
    from torchdiffeq import odeint

    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(2)
    rng = np.random.default_rng(seed)
    w = [torch.tensor(x, requires_grad=True) for layer in spiral.first_weights(rng) for x in layer.values()]
    times = torch.tensor(spiral.TIMES[: spiral.STRETCH])
    optimiser = torch.optim.Adam(w, lr=RATE)
    rate = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda k: 0.5 * (1 + np.cos(np.pi * k / steps)))

    def network(t, y):
        return torch.tanh(y**3 @ w[0] + w[1]) @ w[2] + w[3]

    losses, start = [], time.perf_counter()
    for _ in range(steps):
        starts, targets = (torch.tensor(np.ascontiguousarray(x)) for x in spiral.batch(truth, rng))
        optimiser.zero_grad()
        found = odeint(network, starts, times, rtol=1e-7, atol=1e-9).permute(1, 2, 0)
        loss = torch.mean(torch.abs(found - targets))
        loss.backward()
        optimiser.step()
        rate.step()
        losses.append(loss.item())
    return losses, 0.0, time.perf_counter() - start


def by_diffrax(truth, steps: int, seed: int):
    import diffrax
    import jax
    import jax.numpy as jnp
    import optax

    jax.config.update("jax_enable_x64", True)
    rng = np.random.default_rng(seed)
    w = spiral.first_weights(rng)
    times = jnp.array(spiral.TIMES[: spiral.STRETCH])
    method = optax.adam(optax.cosine_decay_schedule(RATE, steps))
    state = method.init(w)

    def network(t, y, w):
        return jnp.tanh(y**3 @ w[0]["weight"] + w[0]["bias"]) @ w[1]["weight"] + w[1]["bias"]

    def loss(w, starts, targets):
        found = diffrax.diffeqsolve(
            diffrax.ODETerm(network), diffrax.Tsit5(), times[0], times[-1], None, starts, w,
            saveat=diffrax.SaveAt(ts=times), stepsize_controller=diffrax.PIDController(rtol=1e-7, atol=1e-9),
        )  # fmt: skip
        return jnp.mean(jnp.abs(jnp.moveaxis(found.ys, 0, -1) - targets))

    @jax.jit
    def step(w, state, starts, targets):
        value, slope = jax.value_and_grad(loss)(w, starts, targets)
        updates, state = method.update(slope, state, w)
        return optax.apply_updates(w, updates), state, value

    start = time.perf_counter()
    jax.block_until_ready(step(w, state, *spiral.batch(truth, np.random.default_rng(99))))
    ready, losses = time.perf_counter(), []
    for _ in range(steps):
        w, state, value = step(w, state, *spiral.batch(truth, rng))
        losses.append(float(value))
    return losses, ready - start, time.perf_counter() - ready


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
