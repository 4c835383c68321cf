"""The spiral demo trained here and by torchdiffeq: same weights, batches, optimiser and number of steps.

    python benchmarks/spiral_training.py [steps]

Prints the mean loss of the last 20 batches and the seconds of each. Needs torch and torchdiffeq.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch
from torchdiffeq import odeint

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from examples import neural_ode_spiral as spiral


def main(steps: int = 300) -> None:
    truth = spiral.solve(spiral.spiral, spiral.START, spiral.TIMES, ())
    for name, train in (("sciad", lambda: spiral.train(truth, steps, progress=False)[1]),
                        ("torchdiffeq", lambda: by_torch(truth, steps))):  # fmt: skip
        start = time.perf_counter()
        losses = train()
        print(f"{name:12} loss {np.mean(losses[-20:]):.6f} after {len(losses)} steps, "
              f"{time.perf_counter() - start:.1f} s", flush=True)  # fmt: skip


def by_torch(truth, steps: int) -> list[float]:
    torch.set_default_dtype(torch.float64)
    rng = np.random.default_rng(0)
    w = {name: torch.tensor(x, requires_grad=True) for name, x in spiral.first_weights(rng).items()}
    times = torch.tensor(spiral.TIMES[: spiral.STRETCH])
    optimiser = torch.optim.Adam(w.values(), lr=1e-2)
    rate = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda k: 0.5 * (1 + np.cos(np.pi * (k + 1) / steps)))

    def network(t, y):
        return torch.tanh(y**3 @ w["in"] + w["bias"]) @ w["out"] + w["last"]

    losses = []
    for _ in range(steps):
        starts, targets = (torch.tensor(np.ascontiguousarray(x)) for x in spiral.batch(truth, rng))
        optimiser.zero_grad()
        found = odeint(network, starts, times, rtol=1e-7, atol=1e-9).permute(1, 2, 0)
        loss = torch.mean(torch.abs(found - targets))
        loss.backward()
        optimiser.step()
        rate.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
