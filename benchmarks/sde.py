"""Stochastic equations: 4000 paths of 500 Euler-Maruyama steps, forwards and with the gradient of the mean.

    python benchmarks/sde.py            (diffrax and torchsde join in where they are installed)

Geometric Brownian motion, mu = 0.05, sigma = 0.2, one run with all cases interleaved. This library's noise
always replays; diffrax forwards uses noise that is drawn step by step and cannot be replayed
(UnsafeBrownianPath), and for the gradient its VirtualBrownianTree. Prints tables of ratios and writes
`results/sde.json` and `.png`.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import sciad as ad  # noqa: E402
from benchmarks import timing  # noqa: E402
from sciad.adjoints import ReversibleAdjoint  # noqa: E402
from sciad.solvers import solve_sde  # noqa: E402

OWN = "sciad"
PATHS, STEPS = 4000, 500
MU, SIGMA = 0.05, 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--output", type=Path, default=timing.RESULTS, help="folder for JSON and picture")
    options = parser.parse_args()

    groups = {"forward": own_forward(), "gradient": own_gradient()}
    missing = []
    for peer in (diffrax_cases, torchsde_cases):
        try:
            forward, gradient = peer()
        except ImportError as error:
            missing.append(str(error.name))
            continue
        groups["forward"] |= forward
        groups["gradient"] |= gradient
    check(groups)
    flat = {(kind, name): call for kind, group in groups.items() for name, call in group.items()}
    measured = timing.interleave(flat, rounds=options.rounds, case_seconds=15.0)
    results = {kind: {name: measured[kind, name] for name in group} for kind, group in groups.items()}
    for kind, base in (("forward", f"{OWN} Euler-Maruyama"), ("gradient", f"{OWN} discrete adjoint")):
        print(timing.table(results[kind], base, f"{PATHS} paths x {STEPS} steps, {kind}"), "\n")
    if missing:
        print(f"not installed: {', '.join(missing)}")
    timing.save(
        "sde", {"paths": PATHS, "steps": STEPS, "results": results, "missing": missing}, options.output
    )
    timing.bars(results, OWN).savefig(options.output / "sde.png", dpi=150)


def drift(t, y, mu, sigma):
    return mu * y


def diffusion(t, y, mu, sigma):
    return sigma * y


def solve(mu, sigma, method="EulerMaruyama", **options):
    return solve_sde(
        drift, diffusion, (0.0, 1.0), [1.0], args=(mu, sigma), method=method, dt=1 / STEPS, seed=1,
        paths=PATHS, t_eval=[1.0], **options,
    ).y  # fmt: skip


def own_forward() -> dict:
    return {
        f"{OWN} Euler-Maruyama": lambda: np.mean(solve(MU, SIGMA)),
        f"{OWN} Euler-Maruyama, one thread": lambda: np.mean(solve(MU, SIGMA, threads=1)),
        f"{OWN} SRIW1 (strong order 1.5)": lambda: np.mean(solve(MU, SIGMA, "SRIW1")),
    }


def own_gradient() -> dict:
    def case(method="EulerMaruyama", **options):
        gradient = ad.value_and_grad(
            lambda mu, sigma: np.mean(solve(mu, sigma, method, **options)), argnums=(0, 1)
        )
        return lambda: [float(g) for g in gradient(MU, SIGMA)[1]]

    stratonovich = {"method": "ReversibleHeun", "calculus": "stratonovich"}
    return {
        f"{OWN} discrete adjoint": case(),
        f"{OWN} discrete adjoint, one thread": case(threads=1),
        f"{OWN} reversible Heun": case(**stratonovich, adjoint=ReversibleAdjoint()),
    }


def diffrax_cases() -> tuple[dict, dict]:
    import diffrax
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    keys = jax.random.split(jax.random.key(1), PATHS)

    def mean(theta, path):
        def one(key):
            if path == "tree":
                noise = diffrax.VirtualBrownianTree(0.0, 1.0, tol=0.5 / STEPS, shape=(), key=key)
            else:
                noise = diffrax.UnsafeBrownianPath(shape=(), key=key)
            terms = diffrax.MultiTerm(
                diffrax.ODETerm(lambda t, y, args: args[0] * y),
                diffrax.ControlTerm(lambda t, y, args: args[1] * y, noise),
            )
            adjoint = diffrax.RecursiveCheckpointAdjoint() if path == "tree" else diffrax.DirectAdjoint()
            return diffrax.diffeqsolve(
                terms, diffrax.Euler(), 0.0, 1.0, 1 / STEPS, 1.0, args=theta, adjoint=adjoint, max_steps=STEPS
            ).ys[-1]

        return jnp.mean(jax.vmap(one)(keys))

    theta = jnp.array([MU, SIGMA])
    fixed = jax.jit(lambda theta: mean(theta, "fixed"))
    tree = jax.jit(lambda theta: mean(theta, "tree"))
    slope = jax.jit(jax.grad(lambda theta: mean(theta, "tree")))
    return (
        {
            "diffrax, noise of one pass": lambda: float(fixed(theta)),
            "diffrax, replayable": lambda: float(tree(theta)),
        },
        {"diffrax, replayable": lambda: [float(g) for g in slope(theta)]},
    )


def torchsde_cases() -> tuple[dict, dict]:
    import torch
    import torchsde

    class Model(torch.nn.Module):
        noise_type, sde_type = "diagonal", "ito"

        def __init__(self):
            super().__init__()
            self.theta = torch.nn.Parameter(torch.tensor([MU, SIGMA], dtype=torch.float64))

        def f(self, t, y):
            return self.theta[0] * y

        def g(self, t, y):
            return self.theta[1] * y

    model, ts = Model(), torch.tensor([0.0, 1.0], dtype=torch.float64)
    y0 = torch.ones(PATHS, 1, dtype=torch.float64)

    def mean():
        noise = torchsde.BrownianInterval(0.0, 1.0, size=(PATHS, 1), dtype=torch.float64, entropy=1)
        return torchsde.sdeint(model, y0, ts, method="euler", dt=1 / STEPS, bm=noise)[-1].mean()

    def forward():
        with torch.no_grad():
            return float(mean())

    def gradient():
        model.theta.grad = None
        mean().backward()
        return model.theta.grad.tolist()

    return {"torchsde": forward}, {"torchsde": gradient}


def check(groups) -> None:
    """Every case must give the mean, or its gradient, within the sampling error."""
    spread = np.exp(MU) * SIGMA / np.sqrt(PATHS)
    for name, call in groups["forward"].items():
        assert abs(call() - np.exp(MU)) < 4 * spread, name
    for name, call in groups["gradient"].items():
        slope = call()
        drifted = np.exp(MU + (SIGMA**2 / 2 if "Heun" in name else 0))
        assert abs(slope[0] - drifted) < 5 * spread, (name, slope)
        wanted = SIGMA * drifted if "Heun" in name else 0.0
        assert abs(slope[1] - wanted) < 5 * 1.1 / np.sqrt(PATHS), (name, slope)


if __name__ == "__main__":
    main()
