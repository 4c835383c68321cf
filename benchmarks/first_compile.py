"""What a process spends on compiling two models.

The script that `compiled_ad.py` starts, twice on one cache, prints JSON: seconds (wall and processor time) of
starting LLVM, of Lotka-Volterra's primal and pullback, and of POLLU's primal, Jacobian and pullback; with the
argument "again" LLVM is not started apart.

    python benchmarks/first_compile.py solves

starts processes of its own and prints the processor seconds of importing the package, of first solves and of
first gradients, with an empty cache and with the one they left, for both translators of generated Python.

    python benchmarks/first_compile.py waits [PART OF A ROW'S NAME ...]

prints every row of `waiting.py`: solves, further methods, sizes and models, long programs, other libraries
(``waits long`` has 10 000 lines, too), and the wall time of a warm process from its start to a gradient.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from tests.problems.ode_models import MODELS

KINDS = {"lotka_volterra": ("primal", "pullback"), "pollu": ("primal", "jacobian", "pullback")}


def start_llvm() -> None:
    from sciad.native import llvm

    llvm.emit(llvm.parse(""))


def first_use(name: str) -> None:
    from sciad.compiler import Group, compile_function

    model = MODELS[name]
    groups = [
        Group("t", 0.0, scalar=True),
        Group("y", np.asarray(model.y0, float)),
        Group("p", tuple(model.args), spread=True),
    ]
    compiled = compile_function(model.fun, groups)
    for kind in KINDS[name]:
        compiled.address(kind)


def timed(what, *args) -> tuple[float, float]:
    wall, used = time.perf_counter(), time.process_time()
    what(*args)
    return time.perf_counter() - wall, time.process_time() - used


def solves() -> dict[str, float]:
    """Processor seconds of the first solves and gradients of this process."""
    start = time.process_time()
    import sciad as ad
    from sciad.solvers import solve_ivp

    seconds = {"import": round(time.process_time() - start, 3)}
    for name, method, end in (("lotka_volterra", "Tsit5", 10.0), ("pollu", "Rodas5P", 60.0)):
        model = MODELS[name]

        def loss(p, model=model, method=method, end=end):
            options = {"method": method, "rtol": 1e-6, "atol": 1e-9, "t_eval": [0.5 * end, end]}
            return np.sum(solve_ivp(model.fun, (0.0, end), model.y0, args=(p,), **options).y ** 2)

        for label, what in (("solve", loss), ("gradient", ad.grad(loss))):
            start = time.process_time()
            what(np.asarray(model.args[0], float))
            seconds[f"{name} {label}"] = round(time.process_time() - start, 3)
    return seconds


def compare() -> None:
    """Processes for each backend, with an empty cache and with a warm one."""
    for backend in ("own", "numba"):
        with tempfile.TemporaryDirectory() as cache:
            for state in ("empty", "warm"):
                environment = os.environ | {"SCIAD_BACKEND": backend, "SCIAD_CACHE_DIR": cache}
                command = [sys.executable, __file__, "solves", "here"]
                out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                print(f"{backend:6}{state:6}{out.stdout.strip()}", flush=True)


def waits(wanted: list[str]) -> None:
    """A process for each row, with an empty cache and with the one it left."""
    from benchmarks.waiting import LONG, OWN, PEERS, ROWS

    script, root = Path(__file__).with_name("waiting.py"), Path(__file__).resolve().parents[1]
    rows = [name for name in ROWS if any(part in name for part in wanted)] if wanted else [*OWN, *PEERS]
    if "long" in wanted:
        rows = [*OWN, *LONG, *PEERS]
    for name in rows:
        with tempfile.TemporaryDirectory() as cache:
            environment = os.environ | {"SCIAD_CACHE_DIR": cache, "SCIAD_QUIET": "1"}
            environment["PYTHONPATH"] = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
            for state in ("empty", "warm") if name in OWN or name in LONG else ("",):
                command, before = [sys.executable, script, name], os.times()
                done = subprocess.run(command, env=environment, capture_output=True, text=True)
                after = os.times()
                whole = after.children_user + after.children_system
                whole -= before.children_user + before.children_system
                if done.returncode:
                    print(f"{name}: {done.stderr.strip().splitlines()[-1]}", flush=True)
                    break
                parts = ", ".join(f"{k} {v}" for k, v in json.loads(done.stdout).items())
                print(f"{name:30} {state:6}{whole:7.2f} in all: {parts}", flush=True)
    if not wanted:
        warm_start()


def warm_start(times: int = 7) -> None:
    """Wall time from the start of a process to its first gradient, everything compiled."""
    script = Path(__file__).with_name("first_gradient.py")
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run([sys.executable, script], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - start)
    best, middle = min(seconds[1:]), np.median(seconds[1:])
    print(f"start to first gradient, warm: {best:.3f} s wall at best, {middle:.3f} median")


if __name__ == "__main__":
    if "waits" in sys.argv:
        waits(sys.argv[sys.argv.index("waits") + 1 :])
        sys.exit()
    if "here" in sys.argv:
        print(json.dumps(solves()))
        sys.exit()
    if "solves" in sys.argv:
        compare()
        sys.exit()
    seconds = {} if "again" in sys.argv else {"LLVM": timed(start_llvm)}
    print(json.dumps(seconds | {name: timed(first_use, name) for name in KINDS}))
