"""The Python that one warm gradient runs: `python benchmarks/warm_path.py [--list]`.

Counts, for README's Lotka-Volterra fit, the calls of functions of this package from `value_and_grad(loss)(p)`
to its result, how many functions and files they are of, and how often control passes from file to file;
then times the whole of it.
"""

import itertools
import pathlib
import sys
import time

import numpy as np

import sciad as ad
from sciad import solvers
from sciad.solvers import solve_ivp

ROOTS = tuple({str(pathlib.Path(module.__file__).parent.parent) for module in (ad, solvers)})
NAMES = ("sciad", "solvers", "adjoints")


DATA = pathlib.Path(__file__).parent.parent / "examples/data/lynx_hare.csv"
years, *counts = np.loadtxt(DATA, delimiter=",", comments=("#", "year")).T
years, counts = years - 1900, np.stack(counts)
y0, p0 = counts[:, 0], np.array([0.63, 0.031, 0.018, 0.63])


def lotka_volterra(t, y, p):
    """As in README, as is all of this."""
    hare, lynx = y
    birth, predation, growth, death = p
    return np.array([birth * hare - predation * hare * lynx, growth * hare * lynx - death * lynx])


def loss(p):
    """Squared logarithmic misfit."""
    sol = solve_ivp(
        lotka_volterra, (0, 20), y0, t_eval=years, args=(p,), method="Tsit5", rtol=1e-6, atol=1e-6
    )
    return np.sum((np.log(sol.y) - np.log(counts)) ** 2)


def trace(run):
    """Return the calls of this package's functions that `run` makes, in order: (file, line, name, depth)."""
    calls, files, depth = [], [], 0

    def ours(path):
        for root in ROOTS:
            if path.startswith(root + "/"):
                path = path[len(root) + 1 :]
                return path if path.startswith(NAMES) else None
        return None

    def profile(frame, event, _):
        nonlocal depth
        file = ours(frame.f_code.co_filename)
        if file is None:
            return
        if event == "call":
            calls.append((file, frame.f_code.co_firstlineno, frame.f_code.co_name, depth))
            files.append(file)
            depth += 1
        elif event == "return":
            depth -= 1

    sys.setprofile(profile)
    try:
        run()
    finally:
        sys.setprofile(None)
    return calls


def changes_of_file(calls):
    """How often control passes from one file to another."""
    return sum(a[0] != b[0] for a, b in itertools.pairwise(calls))


def main():
    """Count, print, time."""
    gradient = ad.value_and_grad(loss)
    for _ in range(50):
        gradient(p0)
    calls = trace(lambda: gradient(p0))
    if "--list" in sys.argv:
        for file, line, name, depth in calls:
            print(f"{'  ' * depth}{name}  {file}:{line}")
    print(f"calls               {len(calls)}")
    print(f"distinct functions  {len({call[:3] for call in calls})}")
    print(f"files               {len({call[0] for call in calls})}")
    print(f"changes of file     {changes_of_file(calls)}")
    times = []
    for _ in range(300):
        start = time.perf_counter()
        for _ in range(10):
            gradient(p0)
        times.append((time.perf_counter() - start) / 10)
    print(f"microseconds        {1e6 * np.median(times):.1f} (fastest {1e6 * min(times):.1f})")


if __name__ == "__main__":
    main()
