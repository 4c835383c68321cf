"""Gradients of solves: every method of this library and of others, failures included.

    python benchmarks/gradients.py            (peers that are installed join in: pip install -e .[bench])

Four parts, each of which can be run alone with --only:

problems   Lotka-Volterra, Robertson, POLLU and a neural equation: time and error of the gradient by each
           method, in one run, interleaved; methods that fail are listed with what they say
accuracy   error of the gradient against rtol, for every adjoint on ten problems
memory     a solve of a million steps under budgets of memory
scaling    cost of a gradient against the number of parameters and of states, forward against adjoint

Prints tables; writes `results/gradients.json` and a picture per part, and with --docs the tables of
docs/adjoints.md and its pictures.
"""

import argparse
import logging
import shutil
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import sciad as ad  # noqa: E402
from benchmarks import gradient_scaling, timing  # noqa: E402
from benchmarks.gradient_peers import PEERS  # noqa: E402
from benchmarks.gradient_problems import Problem, problems  # noqa: E402
from sciad.adjoints import (  # noqa: E402
    BacksolveAdjoint,
    DiscreteAdjoint,
    ForwardSensitivity,
    GaussAdjoint,
    InterpolatingAdjoint,
)
from sciad.adjoints.ode import discrete  # noqa: E402
from sciad.solvers import solve_ivp  # noqa: E402
from sciad.solvers.methods.names import method_named  # noqa: E402
from sciad.solvers.model.build_model import build_model  # noqa: E402
from sciad.solvers.stepping.integrate import Options, integrate  # noqa: E402

OWN = "sciad"
PARTS = ("problems", "accuracy", "memory", "scaling")
PATIENCE = {"torchdiffeq": 15}  # seconds that a first call of another library may take; 90 for the others
ADJOINTS = {
    "DiscreteAdjoint": DiscreteAdjoint(),
    "ForwardSensitivity": ForwardSensitivity(),
    "InterpolatingAdjoint": InterpolatingAdjoint(),
    "GaussAdjoint": GaussAdjoint(),
    "BacksolveAdjoint": BacksolveAdjoint(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--problems", nargs="+", default=None, help="names of problems; all by default")
    parser.add_argument("--quick", action="store_true", help="small grids, to see that everything runs")
    parser.add_argument("--output", type=Path, default=timing.RESULTS, help="folder for JSON and pictures")
    parser.add_argument("--docs", action="store_true", help="write tables and pictures into docs, too")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=RuntimeWarning)
    logging.getLogger("jax").setLevel(logging.CRITICAL)  # it prints failures that are results here
    content = {}
    if "problems" in options.only:
        chosen = [q for q in problems() if options.problems is None or q.name in options.problems]
        content["problems"] = {q.name: compare(q, options.rounds) for q in chosen}
        save_picture(bars(content["problems"]), options.output, "gradients_problems")
    if "accuracy" in options.only:
        content["accuracy"] = gradient_scaling.accuracy(ADJOINTS, options.quick)
        save_picture(
            gradient_scaling.draw_accuracy(content["accuracy"]), options.output, "gradients_accuracy"
        )
    if "memory" in options.only:
        content["memory"] = gradient_scaling.memory(options.quick)
    if "scaling" in options.only:
        content["scaling"] = gradient_scaling.cost(options.quick)
        save_picture(gradient_scaling.draw_cost(content["scaling"]), options.output, "gradients_scaling")
    if options.docs:
        write_docs(content, options.output)
    name = "gradients" if set(options.only) == set(PARTS) else "gradients_part"
    print(f"wrote {timing.save(name, content, options.output)}")


# The problems -------------------------------------------------------------------------------------


def compare(problem: Problem, rounds: int) -> dict:
    """Times, errors and failures of every method on one problem."""
    exact = reference(problem)
    cases, failures, missing = own_cases(problem), {}, []
    for name, peer in PEERS.items():
        try:
            cases |= peer(problem)
        except ImportError:
            missing.append(name)
    errors = {}
    for name, call in list(cases.items()):
        try:
            found = call() if name.startswith(OWN) else patiently(call, PATIENCE.get(name.split()[0], 90))
            errors[name] = errors_of(found, exact, problem.p)
        except Exception as failure:
            failures[name] = one_line(failure)
            del cases[name]
    timings = timing.interleave(cases, rounds=rounds, case_seconds=3.0)
    report(problem, timings, errors, failures, missing)
    return {"timings": timings, "errors": errors, "failures": failures, "missing": missing}


def own_cases(problem: Problem) -> dict[str, Callable]:
    def case(adjoint):
        target = None if problem.target is None else np.ascontiguousarray(np.moveaxis(problem.target, 0, -1))

        def loss(p):
            sol = solve_ivp(
                *(problem.fun, problem.span, problem.y0, problem.method, problem.times),
                args=(p,), rtol=problem.rtol, atol=problem.atol, adjoint=adjoint,
            )  # fmt: skip
            return problem.loss(sol.y, target)

        gradient = ad.value_and_grad(loss)
        return lambda: gradient(problem.p)[1]

    return {f"{OWN} kernels": kernels(problem)} | {
        f"{OWN} {name}": case(adjoint)
        for name, adjoint in ADJOINTS.items()
        if name != "ForwardSensitivity" or problem.p.size + problem.y0.size < 100
    }


def kernels(problem: Problem, **tolerances) -> Callable:
    """Forward solve and reverse sweep without the front door and without a tape."""
    model, p = build_model(problem.fun, problem.y0.shape, (problem.p,))
    method = method_named(problem.method)
    options = Options(**({"rtol": problem.rtol, "atol": problem.atol} | tolerances))
    y0 = problem.y0.ravel()
    times, size = problem.times, problem.y0.size * len(problem.times)
    target = None if problem.target is None else problem.target.reshape(len(times), -1)

    def gradient():
        steps = integrate(model, method, problem.span, y0, p, times, options, record=3)
        gys = 2 * steps.ys if target is None else np.sign(steps.ys - target) / size
        return discrete.pull(model, steps, p, gys).p

    return gradient


def reference(problem: Problem) -> np.ndarray:
    """The same gradient at tolerances a thousand times tighter and more."""
    tight = max(1e-4 * problem.rtol, 3e-13)
    return kernels(problem, rtol=tight, atol=tight * problem.atol / problem.rtol)()


def errors_of(gradient: np.ndarray, exact: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """The worst component relative to itself, and relative to the largest one in units of p."""
    gradient = np.ravel(gradient)
    with np.errstate(all="ignore"):
        relative = np.abs(gradient / exact - 1)
    scale = np.where(p == 0.0, np.abs(p).max(), np.abs(p))
    scaled = np.abs(gradient - exact) * scale
    nonzero = relative[exact != 0.0]
    return {"worst": float(nonzero.max()), "scaled": float(scaled.max() / np.abs(exact * scale).max())}


def patiently(call: Callable, seconds: int):
    """The result of a call; TimeoutError after so many seconds."""

    def give_up(signum, frame):
        raise TimeoutError(f"no result within {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        return call()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def one_line(failure: Exception) -> str:
    text = " ".join(str(failure).split())
    inner = text.rfind("Error: ")  # the reason comes last where libraries wrap each other's exceptions
    text = text if inner < 0 else text[inner + len("Error: ") :]
    return f"{type(failure).__name__}: {text.split(' ---')[0][:160]}"


def report(problem: Problem, timings: dict, errors: dict, failures: dict, missing: list[str]) -> None:
    width = max(len(name) for name in [*timings, *failures])
    print(
        f"{problem.name}: {problem.y0.size} states, {problem.p.size} parameters, {len(problem.times)} outputs"
    )
    print(f"{'':{width}}  {'time':>9}  {'ratio':>8}  {'rel. error':>10}  {'scaled':>8}")
    base = timings[f"{OWN} DiscreteAdjoint"].median
    for name, t in sorted(timings.items(), key=lambda item: item[1].median):
        e = errors[name]
        columns = f"{timing.duration(t.median):>9}  {t.median / base:>8.3g}"
        print(f"{name:{width}}  {columns}  {e['worst']:>10.1e}  {e['scaled']:>8.1e}")
    for name, text in failures.items():
        print(f"{name:{width}}  fails: {text}")
    if missing:
        print(f"not installed: {', '.join(missing)}")
    print()


def write_docs(content: dict, folder: Path) -> None:
    """Put the tables between the markers of docs/adjoints.md, and the pictures where it shows them."""
    page = ROOT / "docs" / "adjoints.md"
    text = page.read_text()
    for part, table in (("problems", problem_table), ("memory", memory_table)):
        if part in content:
            begin, end = f"<!-- {part} -->\n", f"<!-- /{part} -->"
            head, rest = text.split(begin)
            text = head + begin + table(content[part]) + end + rest.split(end)[1]
    page.write_text(text)
    for picture in folder.glob("gradients_*.png"):
        if picture.name in text:
            shutil.copy(picture, ROOT / "docs" / "images")


def problem_table(content: dict) -> str:
    lines = [
        "| problem | method | time | ratio | worst relative error | scaled error |",
        "|---|---|---|---|---|---|",
    ]
    for name, part in content.items():
        timings, errors = part["timings"], part["errors"]
        base = timings[f"{OWN} DiscreteAdjoint"].median
        for method, t in sorted(timings.items(), key=lambda item: item[1].median):
            e = errors[method]
            row = [name, method, timing.duration(t.median), f"{t.median / base:.3g}"]
            lines.append("| " + " | ".join([*row, f"{e['worst']:.1e}", f"{e['scaled']:.1e}"]) + " |")
        for method, reason in part["failures"].items():
            reason = reason.replace("|", "/")
            lines.append(f"| {name} | {method} | fails | | {reason} | |")
    return "\n".join(lines) + "\n"


def memory_table(rows: list[dict]) -> str:
    lines = [f"| budget ({rows[0]['steps']} steps) | peak | time in forward solves |", "|---|---|---|"]
    for row in rows:
        budget = "none" if row["budget"] is None else f"{row['budget'] / 1e6:.0f} MB"
        lines.append(f"| {budget} | {row['peak'] / 1e6:.1f} MB | {row['solves']:.2f} |")
    return "\n".join(lines) + "\n"


def bars(content: dict):
    return timing.bars({name: part["timings"] for name, part in content.items()}, OWN)


def save_picture(figure, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png", dpi=110)


if __name__ == "__main__":
    main()
