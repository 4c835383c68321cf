"""Lotka-Volterra: forward solve and gradients, against other libraries and against C.

    python benchmarks/lotka_volterra.py            (peers that are installed join in: pip install -e .[bench])

One run, all cases interleaved: forward solve and gradient of sum(y**2) by each adjoint; the naive way,
backpropagation through every operation of an adaptive solver on this library's own tape; other libraries; a C
program of the same algorithm as the limit. Then the pelt fit of `examples/`, and the time from the start of a
process to its first gradient with an empty and with a warm cache. Prints tables of ratios; writes
`results/lotka_volterra.json` and `.png`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import sciad as ad  # noqa: E402
from benchmarks import naive, timing  # noqa: E402
from benchmarks.c_limit import Limit  # noqa: E402
from benchmarks.lotka_volterra_peers import PEERS, TIMES, TOL, Y0, P  # noqa: E402
from examples import lotka_volterra_fit as pelts  # noqa: E402
from sciad.adjoints import DiscreteAdjoint, InterpolatingAdjoint  # noqa: E402
from sciad.solvers import solve_ivp  # noqa: E402
from sciad.solvers.methods.explicit_tableaus import Tsit5  # noqa: E402
from sciad.solvers.model.build_model import build_model  # noqa: E402
from sciad.solvers.stepping.integrate import Options, integrate  # noqa: E402
from tests.problems.ode_models import lotka_volterra  # noqa: E402

OWN = "sciad"
REPEATS_IN_C = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=101)
    parser.add_argument("--starts", type=int, default=5, help="processes started with a warm cache")
    parser.add_argument("--output", type=Path, default=timing.RESULTS, help="folder for JSON and picture")
    options = parser.parse_args()

    limit = Limit(Y0, P, TIMES, TOL)
    peers, missing = peer_cases()
    cases = {
        "forward": forward_cases(limit) | peers["forward"],
        "gradient": gradient_cases(limit) | peers["gradient"],
    }
    deviations = check(cases, limit)
    cases["fit"] = {f"{OWN} whole pelt fit": pelt_fit()}

    flat = {(kind, name): call for kind, group in cases.items() for name, call in group.items()}
    measured = timing.interleave(flat, rounds=options.rounds)
    groups = {
        kind: {name: per_call(name, measured[kind, name]) for name in group} for kind, group in cases.items()
    }
    subtract_restoring(groups["forward"])
    start_up = first_gradients(options.starts)
    report(groups, start_up, deviations, missing, options.output)


# The cases ----------------------------------------------------------------------------------------


def solve(p, **options):
    options = {"method": "Tsit5", "rtol": TOL, "atol": TOL} | options
    return solve_ivp(lotka_volterra, (0.0, 10.0), Y0, t_eval=TIMES, args=(p,), **options).y


def forward_cases(limit: Limit) -> dict:
    return {
        "C limit": limit.repeated(REPEATS_IN_C, gradient=False),
        f"{OWN} kernel, and restoring": restored_kernel(),
        f"{OWN} restoring": restored_kernel(run=False),
        f"{OWN} solve_ivp": lambda: solve(P),
    }


def restored_kernel(run: bool = True):
    """The compiled integration loop alone: a call is caught, and made again with its arrays restored."""
    model, p = build_model(lotka_volterra, Y0.shape, (P,))
    options = Options(rtol=TOL, atol=TOL)
    integrate(model, Tsit5, (0.0, 10.0), Y0, p, TIMES, options, record=0)
    (plan,) = (plan for (method, *_), plan in model.plans.items() if method is Tsit5)
    kernel, caught = plan.kernel, []

    def catch(*arguments):
        caught[:] = arguments, [np.array(argument) for argument in arguments]
        return kernel(*arguments)

    plan.kernel = catch
    try:
        outputs = integrate(model, Tsit5, (0.0, 10.0), Y0, p, TIMES, options, record=0).ys
    finally:
        plan.kernel = kernel
    arguments, before = caught
    changed = [(x, b) for x, b in zip(arguments, before, strict=True) if not np.array_equal(x, b)]
    changed = [(x, b) for x, b in changed if not np.shares_memory(x, outputs)]

    def call():
        for argument, value in changed:
            np.copyto(argument, value)
        if run:
            kernel(*arguments)
        return outputs.T

    return call


def gradient_cases(limit: Limit) -> dict:
    def case(adjoint):
        gradient = ad.value_and_grad(lambda p: np.sum(solve(p, adjoint=adjoint) ** 2))
        return lambda: gradient(P)[1]

    compiled = ad.jit(ad.value_and_grad(lambda p: np.sum(solve(p) ** 2)))
    jacobian = ad.jacobian(solve, mode="forward")
    taped = ad.value_and_grad(
        lambda p: np.sum(naive.solve(lotka_volterra, (0.0, 10.0), Y0, TIMES, (p,), TOL, TOL) ** 2)
    )
    return {
        "C limit, discrete adjoint": limit.repeated(REPEATS_IN_C, gradient=True),
        f"{OWN} DiscreteAdjoint": case(DiscreteAdjoint()),
        f"{OWN} DiscreteAdjoint, compiled loss": lambda: compiled(P)[1],
        f"{OWN} InterpolatingAdjoint": case(InterpolatingAdjoint()),
        f"{OWN} ForwardSensitivity": lambda: 2 * np.einsum("it,itj->j", solve(P), jacobian(P)),
        f"{OWN} naive, own tape": lambda: taped(P)[1],
    }


def peer_cases() -> tuple[dict, list[str]]:
    cases, missing = {"forward": {}, "gradient": {}}, []
    for name, peer in PEERS.items():
        try:
            for kind, group in peer().items():
                cases[kind] |= group
        except ImportError:
            missing.append(name)
    return cases, missing


def pelt_fit():
    years, counts = pelts.read_counts()
    objective, guess = pelts.make_objective(years, counts), pelts.first_guess(years, counts)
    return lambda: pelts.fit(objective, guess)


def per_call(name: str, measured: timing.Timing) -> timing.Timing:
    if not name.startswith("C limit"):
        return measured
    return timing.Timing(
        measured.median / REPEATS_IN_C,
        measured.lower / REPEATS_IN_C,
        measured.upper / REPEATS_IN_C,
        measured.samples,
        measured.calls * REPEATS_IN_C,
    )


def subtract_restoring(forward: dict) -> None:
    whole, restoring = forward.pop(f"{OWN} kernel, and restoring"), forward.pop(f"{OWN} restoring")
    forward[f"{OWN} kernel"] = timing.Timing(
        whole.median - restoring.median,
        whole.lower - restoring.median,
        whole.upper - restoring.median,
        whole.samples,
        whole.calls,
    )


def check(cases: dict, limit: Limit) -> dict:
    """Deviations from a solution at 1e-12, which show that all cases solve the same problem."""
    tight = {"rtol": 1e-12, "atol": 1e-12}
    outputs = solve(P, **tight)
    gradient = ad.grad(lambda p: np.sum(solve(p, **tight) ** 2))(P)
    limit.forward()
    limit.gradient()
    answers = {
        "forward": {name: call() for name, call in cases["forward"].items()} | {"C limit": limit.outputs.T},
        "gradient": {name: call() for name, call in cases["gradient"].items()}
        | {"C limit, discrete adjoint": limit.gradient_p},
    }
    expected = {"forward": outputs, "gradient": gradient}
    deviations = {
        kind: {
            name: float(np.abs(answer - expected[kind]).max() / np.abs(expected[kind]).max())
            for name, answer in group.items()
        }
        for kind, group in answers.items()
    }
    for group in deviations.values():
        for name, deviation in group.items():
            if not deviation <= 1e-3:
                raise RuntimeError(f"{name} solves another problem: relative deviation {deviation:.1e}")
    return deviations


def first_gradients(starts: int) -> dict[str, float]:
    """Seconds from the start of a new process to its first gradient."""
    script = Path(__file__).with_name("first_gradient.py")
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"SCIAD_CACHE_DIR": folder, "PYTHONPATH": str(ROOT)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a warm start has the byte code of the packages

        def run() -> tuple[float, float]:
            start, before = time.perf_counter(), os.times()
            subprocess.run([sys.executable, script], env=environment, check=True, stdout=subprocess.DEVNULL)
            wall, after = time.perf_counter() - start, os.times()
            used = after.children_user + after.children_system - before.children_user - before.children_system
            return wall, used

        empty = run()
        warm = np.median([run() for _ in range(starts)], axis=0).tolist()
    return {
        "empty cache, wall time": empty[0],
        "empty cache, processor time": empty[1],
        "warm cache, wall time": warm[0],
        "warm cache, processor time": warm[1],
    }


# What is printed and kept -------------------------------------------------------------------------


def report(groups: dict, start_up: dict, deviations: dict, missing: list[str], folder: Path) -> None:
    forward, gradient = groups["forward"], groups["gradient"]
    own = gradient[f"{OWN} DiscreteAdjoint"].median
    compiled = gradient[f"{OWN} DiscreteAdjoint, compiled loss"].median
    fit = groups["fit"][f"{OWN} whole pelt fit"].median
    print(timing.table(forward, "C limit", "Forward, 101 outputs (ratio to C)") + "\n")
    print(timing.table(gradient, f"{OWN} DiscreteAdjoint", "Gradient (ratio to DiscreteAdjoint)") + "\n")
    if missing:
        print(f"not installed: {', '.join(missing)}\n")

    def fastest(prefix, group):
        return min((t.median for name, t in group.items() if name.startswith(prefix)), default=np.nan)

    ratios = {
        "forward, kernel / C limit": forward[f"{OWN} kernel"].median / forward["C limit"].median,
        "forward, solve_ivp / C limit": forward[f"{OWN} solve_ivp"].median / forward["C limit"].median,
        "gradient / C limit": own / gradient["C limit, discrete adjoint"].median,
        "fastest diffrax gradient / gradient": fastest("diffrax", gradient) / own,
        "gradient of the compiled loss / C limit": compiled / gradient["C limit, discrete adjoint"].median,
        "fastest diffrax gradient / that of the compiled loss": fastest("diffrax", gradient) / compiled,
        "heyoka's gradient / that of the compiled loss": fastest("heyoka", gradient) / compiled,
        "torchdiffeq adjoint / gradient": fastest("torchdiffeq adjoint", gradient) / own,
        "naive on own tape / gradient": gradient[f"{OWN} naive, own tape"].median / own,
        "one torchdiffeq forward / whole pelt fit": fastest("torchdiffeq", forward) / fit,
    }
    for name, ratio in ratios.items():
        print(f"{name:54} {ratio:12,.4g}")
    print(f"{'whole pelt fit':54} {timing.duration(fit):>12}")
    for name, seconds in start_up.items():
        print(f"{'start to first gradient, ' + name:54} {timing.duration(seconds):>12}")

    content = {
        "timings": groups,
        "ratios": ratios,
        "first_gradient": start_up,
        "relative_deviations": deviations,
    }
    path = timing.save("lotka_volterra", content, folder)
    picture = path.with_suffix(".png")
    panels = {"forward solve, 101 outputs": forward, "gradient with respect to 4 parameters": gradient}
    timing.bars(panels, OWN).savefig(picture, dpi=110)
    print(f"\nwrote {path} and {picture}")


if __name__ == "__main__":
    main()
