"""Work-precision diagrams: error at the end of the span against time, for this library and for others.

    python benchmarks/work_precision.py            (peers that are installed join in: pip install -e .[bench])
    python benchmarks/work_precision.py --only POLLU E5 --seconds 0.2

Writes `results/work_precision.json` and docs/images/work_precision.png, and a table of two stiff problems at
rtol 1e-6 and atol 1e-9 where only the integration itself is timed, samples taken in turn.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import timing  # noqa: E402
from benchmarks.gradient_peers import _diffsl  # noqa: E402
from benchmarks.gradient_problems import problems as gradient_problems  # noqa: E402
from benchmarks.work_precision_peers import PEERS, numbalsoda_routines  # noqa: E402
from benchmarks.work_precision_problems import Problem, problems  # noqa: E402
from sciad.solvers.methods.names import method_named  # noqa: E402
from sciad.solvers.model.build_model import build_model  # noqa: E402
from sciad.solvers.stepping.integrate import Options, integrate  # noqa: E402

TOLERANCES = {False: (1e-4, 1e-6, 1e-8, 1e-10), True: (1e-3, 1e-5, 1e-7, 1e-9)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", help="names of problems")
    parser.add_argument("--seconds", type=float, default=0.7, help="longest call that is waited for again")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    measured = {}
    for problem in problems():
        if not options.only or problem.name in options.only:
            measured[problem.name] = curves(problem, options.seconds)
            print(text(problem.name, measured[problem.name]), flush=True)
    table = stiff_table() | plain_table()
    if options.only:
        return
    timing.save("work_precision", {"curves": measured, "stiff": table})
    figure = draw(measured)
    figure.savefig(ROOT / "docs" / "images" / "work_precision.png", dpi=110)


def solvers_of(problem: Problem) -> dict:
    found = {}
    for name, peer in PEERS.items():
        try:
            found |= peer(problem)
        except ImportError:
            print(f"{name} is not installed")
        except Exception as error:
            print(f"{problem.name}: {name} cannot: {type(error).__name__}: {str(error)[:200]}")
    return found


def curves(problem: Problem, patience: float) -> dict[str, list[tuple[float, float, float]]]:
    """For each solver (rtol, error, seconds); a solver that has become slow is not asked for more."""
    found = {}
    for name, solve in solvers_of(problem).items():
        points = found[name] = []
        for rtol in TOLERANCES[problem.stiff]:
            try:
                error, seconds = problem.error(solve(rtol)), shortest(lambda r=rtol, s=solve: s(r), patience)
            except Exception as failure:
                print(f"{problem.name}: {name} at {rtol:.0e}: {type(failure).__name__}: {str(failure)[:100]}")
                continue
            if np.isfinite(error):
                points.append((rtol, error, seconds))
            if seconds > patience:
                break
    return found


def shortest(call, patience: float) -> float:
    """The least time of some calls; of one if it takes long."""
    best, spent = np.inf, 0.0
    for _ in range(50):
        start = time.perf_counter()
        call()
        seconds = time.perf_counter() - start
        best, spent = min(best, seconds), spent + seconds
        if spent > min(0.3, patience):
            break
    return best


def text(name: str, found: dict) -> str:
    lines = [f"\n{name}: error at the end, time"]
    for solver, points in found.items():
        entries = "  ".join(f"{error:8.1e} {timing.duration(seconds):>8}" for _, error, seconds in points)
        lines.append(f"  {solver:22} {entries}")
    return "\n".join(lines)


def draw(measured: dict) -> Figure:
    columns = 3
    rows = -(-len(measured) // columns)
    figure = Figure(figsize=(13, 3.7 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    names = sorted({solver for found in measured.values() for solver in found})
    for panel, (title, found) in zip(panels, measured.items(), strict=False):
        for solver, points in found.items():
            own = solver.startswith("sciad")
            colour = f"C{names.index(solver) % 10}"
            _, errors, seconds = np.array(points).T if points else ((), (), ())
            style = {"marker": "o" if own else "x", "linestyle": "-" if own else "--", "markersize": 4}
            panel.loglog(errors, seconds, color=colour, label=solver, linewidth=2 if own else 1, **style)
        panel.set_title(title, fontsize="medium", loc="left")
        panel.invert_xaxis()
        panel.grid(alpha=0.3)
        panel.set_xlabel("relative error at the end")
        panel.set_ylabel("seconds")
        panel.legend(fontsize=6)
    for panel in panels[len(measured) :]:
        panel.remove()
    return figure


def plain_table() -> dict:
    """Lotka-Volterra by DOP853 with 101 outputs, the integration alone, in turn with numbalsoda's."""
    from tests.problems.ode_models import MODELS

    model = MODELS["lotka_volterra"]
    times, args, tolerance = np.linspace(0, 10, 101), (np.array([1.5, 1.0, 3.0, 1.0]),), 1e-6
    built, p = build_model(model.fun, (2,), args)
    options, tableau, y0 = Options(rtol=tolerance, atol=tolerance), method_named("DOP853"), np.ones(2)
    cases = {
        "sciad DOP853": lambda: integrate(built, tableau, (0.0, 10.0), y0, p, times, options, record=0).ys
    }
    try:
        dop853 = numbalsoda_routines(model.fun, (2,), args)["dop853"]
        cases["numbalsoda dop853"] = lambda: dop853(y0, times, tolerance, tolerance)
    except ImportError:
        print("numbalsoda is not installed")
    timings = timing.interleave(cases)
    print("\n" + timing.table(timings, "sciad DOP853", "lotka_volterra, rtol = atol = 1e-6"), flush=True)
    return {"lotka_volterra": {"timings": timings}}


def stiff_table() -> dict:
    """Robertson and POLLU with outputs, the integration alone, in turn with pydiffsol."""
    tables = {}
    for problem in gradient_problems():
        if problem.stiff:
            cases, errors = stiff_cases(problem)
            timings = timing.interleave(cases)
            base = "pydiffsol bdf" if "pydiffsol bdf" in timings else next(iter(timings))
            title = f"{problem.name}, rtol {problem.rtol}, atol {problem.atol}"
            print("\n" + timing.table(timings, base, title))
            print("errors: " + ", ".join(f"{name} {e:.1e}" for name, e in errors.items()), flush=True)
            tables[problem.name] = {"timings": timings, "errors": errors}
    return tables


def stiff_cases(problem) -> tuple[dict, dict]:
    """Calls that return the outputs (times, n), and their largest relative errors."""
    model, p = build_model(problem.fun, problem.y0.shape, (problem.p,))

    def solver(method, rtol=problem.rtol, atol=problem.atol):
        options, tableau = Options(rtol=rtol, atol=atol), method_named(method)

        def solve():
            return integrate(model, tableau, problem.span, problem.y0, p, problem.times, options, record=0).ys

        return solve

    cases = {f"sciad {name}": solver(name) for name in ("Rodas5P", "Rodas5", "KenCarp4")}
    try:
        import pydiffsol

        ode = pydiffsol.Ode(_diffsl(problem), matrix_type=pydiffsol.nalgebra_dense, ode_solver=pydiffsol.bdf)
        ode.rtol, ode.atol = problem.rtol, problem.atol
        cases["pydiffsol bdf"] = lambda: ode.solve_dense(problem.p, problem.times).ys.T
    except ImportError:
        print("pydiffsol is not installed")
    try:
        lsoda = numbalsoda_routines(problem.fun, problem.y0.shape, (problem.p,))["lsoda"]
        times = np.concatenate([problem.span[:1], problem.times])
        skip = int(problem.times[0] != problem.span[0])
        cases["numbalsoda lsoda"] = lambda: lsoda(
            problem.y0, times if skip else problem.times, problem.rtol, problem.atol
        )[skip:]
    except ImportError:
        print("numbalsoda is not installed")
    exact = solver("Rodas5P", 1e-11, 1e-14)()
    floor = 1e-6 * np.abs(exact).max(axis=0)
    errors = {
        name: float(np.max(np.abs(case() - exact) / (np.abs(exact) + floor))) for name, case in cases.items()
    }
    return cases, errors


if __name__ == "__main__":
    main()
