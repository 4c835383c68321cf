"""Gradients of compiled programs beside their primal, reverse code by hand, JAX and the eager tape.

    python benchmarks/compiled_ad.py [case ...]      (the start of a name; JAX joins in if installed)

(a) a loop of 100 000 steps, (b) Newton's method in a loop, (c) a stencil in place, its coefficient fixed or
wanted too, (d) the GMM objective of ADBench, (e) a network's right-hand side with its full pullback, (f) two
small right-hand sides.  All cases of a problem are timed in turn; times are minima, because what disturbs a
run on a shared machine only adds.  Compiled code is called in a compiled loop, "from Python" is one call of
``ad.value_and_grad(ad.jit(f))``.  Then elementwise functions against NumPy's, and what the first compile
costs.
Writes `results/compiled_ad.json` and `.png`.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numba import njit

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import sciad as ad  # noqa: E402
from benchmarks import compiled_ad_elementwise, timing  # noqa: E402
from benchmarks.compiled_ad_peers import jax_gradients, jax_refusal  # noqa: E402
from benchmarks.compiled_ad_problems import Problem, problems  # noqa: E402
from sciad.compiler import Group, compile_function  # noqa: E402
from sciad.native.intrinsics import call  # noqa: E402

SAMPLE = 1e-4  # seconds, less than a time slice


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=[""], help="how names of cases begin")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--output", type=Path, default=timing.RESULTS, help="folder for JSON and picture")
    options = parser.parse_args()

    chosen = {k: v for k, v in problems().items() if any(k.startswith(c) for c in options.cases)}
    try:
        peers, refusal = jax_gradients(chosen), jax_refusal()
    except ImportError:
        peers, refusal = {}, "not installed"
    heads = ("primal", "gradient", "/primal", "by hand", "/hand", "JAX", "tape", "Python")
    print(f"{'':18}{'per':8}" + "".join(f"{head:>10}" for head in heads))
    groups = {}
    for name, problem in chosen.items():
        groups[name] = measure(problem, peers.get(name), options.rounds)
        print(row(name, problem, groups[name]), flush=True)
    print(f"\nreverse mode of JAX on (b): {refusal}\n")
    content = {"timings": groups, "ratios": ratios(groups), "refusal_of_jax": refusal}
    if options.cases == [""]:
        content |= {"elementwise": compiled_ad_elementwise.measure(), "compile": compile_times()}
        print(compiled_ad_elementwise.table(content["elementwise"]) + "\n")
        print("\n".join(f"{name:42}{value:8.2f} s" for name, value in content["compile"].items()))
        path = timing.save("compiled_ad", content, options.output)
        timing.bars(groups, "compiled").savefig(path.with_suffix(".png"), dpi=110)
        print(f"\nwrote {path} and {path.with_suffix('.png')}")


# Cases --------------------------------------------------------------------------------------------


def measure(problem: Problem, peer, rounds: int) -> dict[str, timing.Timing]:
    """Seconds of the whole problem in each way; gradients are checked against each other."""
    compiled = compile_function(problem.fun, [Group("x", problem.args, spread=True)])
    wanted, n = problem.flat().size, compiled.n_out
    x = np.concatenate(
        [problem.flat(), *map(np.ravel, compiled.gather())]
    )  # numbers of the module go in, too
    out, g, bar = np.zeros(n), np.ones(n), np.zeros(x.size)
    w = np.empty(1 + max(compiled.work_size("primal"), compiled.work_size("pullback")))
    primal, pullback = compiled.address("primal"), compiled.address("pullback")
    runs = {
        "compiled primal": lambda k: _primal(primal, k, x, out, w),
        "compiled gradient": lambda k: _pullback(pullback, k, x, g, out, bar, w),
    }
    runs["compiled gradient"](1)
    gradient, value = bar[:wanted].copy(), out.copy()
    if problem.hand is not None:
        hand, s, by_hand = _looped(problem.hand), np.empty(1_100_000), np.zeros(x.size)
        hand(1, x, g, out, by_hand, s)
        agree(by_hand[:wanted], gradient)
        agree(out, value)
        runs["by hand"] = lambda k: hand(k, x, g, out, by_hand, s)
    cases, repeats = {}, {}
    for name, run in runs.items():
        repeats[name] = max(1, round(SAMPLE / timing.interleave({"": lambda run=run: run(1)}, 3)[""].least))
        cases[name] = lambda run=run, k=repeats[name]: run(k)
    argnums = tuple(range(len(problem.args)))
    from_python = ad.value_and_grad(ad.jit(_summed(problem.fun)), argnums)
    agree(_flat(from_python(*problem.args)[1]), gradient)
    cases["from Python"] = lambda: from_python(*problem.args)
    if peer is not None:
        agree(_flat(peer()[1]), gradient)
        cases["JAX"] = peer
    args, scale = problem.tape or (problem.args, 1)
    taped = ad.grad(_summed(problem.fun), argnums)
    if problem.tape is None:
        agree(_flat(taped(*args)), gradient)
    cases["eager tape"] = lambda: taped(*args)
    measured = timing.interleave(cases, rounds, SAMPLE, case_seconds=2.0)
    return {
        name: _scaled(t, scale if name == "eager tape" else 1 / repeats.get(name, 1))
        for name, t in measured.items()
    }


def _summed(fun):
    def total(*args):
        return np.sum(fun(*args))

    return total


def _flat(arrays) -> np.ndarray:
    return np.concatenate([np.ravel(np.asarray(a, float)) for a in ad.tree.flatten(arrays)[0]])


def agree(a, b) -> None:
    if not np.allclose(a, b, rtol=1e-8, atol=1e-10):
        raise RuntimeError(f"gradients differ: {np.max(np.abs(a - b)):.1e}")


def _scaled(t: timing.Timing, factor: float) -> timing.Timing:
    times = {k: getattr(t, k) * factor for k in ("median", "lower", "upper", "least")}
    return dataclasses.replace(t, **times)


@njit
def _primal(address, n, x, out, w):
    for _ in range(n):
        call(address, (x, out, w))


@njit
def _pullback(address, n, x, g, out, bar, w):
    for _ in range(n):
        call(address, (x, g, out, bar, w))


def _looped(function):
    @njit
    def run(n, x, g, out, bar, s):
        for _ in range(n):
            function(x, g, out, bar, s)

    return run


# What is printed and kept -------------------------------------------------------------------------


def ratios(groups: dict) -> dict:
    return {
        name: {
            other: group["compiled gradient"].least / group[other].least
            for other in ("compiled primal", "by hand", "JAX", "eager tape")
            if other in group
        }
        for name, group in groups.items()
    }


def row(name: str, problem: Problem, group: dict) -> str:
    def cell(kind):
        return f"{1e9 * group[kind].least / problem.units:10.4g}" if kind in group else " " * 10

    def ratio(kind):
        return f"{group['compiled gradient'].least / group[kind].least:10.2f}" if kind in group else " " * 10

    cells = [cell("compiled primal"), cell("compiled gradient"), ratio("compiled primal"), cell("by hand")]
    cells += [ratio("by hand"), cell("JAX"), cell("eager tape"), cell("from Python")]
    note = "  ns; tape extrapolated" if problem.tape else "  ns"
    return f"{name:18}{problem.unit:8}{''.join(cells)}{note}"


def compile_times() -> dict[str, float]:
    """Seconds that a process takes to compile, with an empty cache and with a full one."""
    script = Path(__file__).with_name("first_compile.py")
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"SCIAD_CACHE_DIR": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        found = {}
        for label, arguments in (("first process", []), ("", ["again"]), ("second process", ["again"])):
            command = [sys.executable, str(script), *arguments]
            output = subprocess.run(
                command, env=environment, check=True, capture_output=True, text=True
            ).stdout
            for name, (wall, used) in json.loads(output).items():
                if label:
                    found |= {f"{label}, {name}, wall": wall, f"{label}, {name}, processor": used}
    return found


if __name__ == "__main__":
    main()
