"""The evaluations of GradBench beside JAX and code by hand, in one interleaved run.

    python benchmarks/gradbench_table.py        (JAX joins in where it is installed: pip install -e .[bench])
    python benchmarks/gradbench_table.py --only gmm lse --rounds 5

Every result is compared with the others at the suite's tolerance (1e-4 of the larger of 1 and the value)
before anything is timed. Prints the table; writes `results/gradbench.json` and its picture.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import timing  # noqa: E402
from benchmarks.gradbench import NAMES, functions, inputs  # noqa: E402

OWN, TOLERANCE = "sciad", 1e-4
CASES = {
    "hello": ("double", {"": 3.0}),
    "det": ("gradient", {"n=5": inputs.det(5), "n=7": inputs.det(7)}),
    "lse": ("gradient", {"n=2500": inputs.lse(2500), "n=640000": inputs.lse(640_000)}),
    "llsq": ("gradient", {"n=16": inputs.llsq(16), "n=4096": inputs.llsq(4096)}),
    "ode": ("gradient", {"n=1000": inputs.ode(20, 1000), "n=100000": inputs.ode(20, 100_000)}),
    "kmeans": ("dir", {"k=10": inputs.kmeans(10, 10_000, 10), "k=100": inputs.kmeans(100, 10_000, 10)}),
    "gmm": ("jacobian", {"d=10 k=25": inputs.gmm(10, 25, 1000), "d=64 k=25": inputs.gmm(64, 25, 1000)}),
    "lstm": ("jacobian", {"l=2 c=1024": inputs.lstm(2, 1024), "l=4 c=4096": inputs.lstm(4, 4096)}),
    "ba": ("jacobian", {"n=49 m=7776": inputs.ba(49, 7776, 31_843)}),
    "ht": ("jacobian", {"800 points": inputs.ht(22, 544, 800)}),
    "particle": ("rr", {"": {"w": 0.0}}),
    "saddle": ("rr", {"": {"start": [1.0, 1.0]}}),
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    options.add_argument("--rounds", type=int, default=15)
    chosen = options.parse_args()
    own = {name: functions(name) for name in NAMES}
    others = peers(own)
    groups, first = {}, {}
    for name in chosen.only:
        function, sizes = CASES[name]
        for size, given in sizes.items():
            title = f"{name} {function} {size}".strip()
            groups[title], first[title] = compared(own, others, (name, function), given, chosen.rounds)
            print(
                timing.table(groups[title], OWN, f"{title} (first call here: {first[title]:.2f} s)"),
                end="\n\n",
            )
    timing.save("gradbench", {"seconds": groups, "first_call": first})
    timing.bars(groups, OWN).savefig(timing.RESULTS / "gradbench.png", dpi=120)


def peers(own) -> dict:
    """Name of a tool to its functions; one that is not installed is said to be absent."""
    from benchmarks.gradbench import by_hand

    found = {"by hand (numba)": by_hand.functions(own)}
    try:
        from benchmarks.gradbench import jax_programs

        found["JAX"] = jax_programs.functions(own)
    except ImportError:
        print("JAX is absent\n")
    return found


def compared(own, others, key, given, rounds):
    """Times of one evaluation by all that have it, and the seconds of our first call."""
    timed = own[key[0]][key[1]]
    args = timed.prepare(given)
    start = time.perf_counter()
    result = timed.call(*args)
    first = time.perf_counter() - start
    cases = {OWN: lambda: timed.call(*args)}
    for tool, programs in others.items():
        peer = programs.get(key)
        if peer is not None:
            check(tool, key, numbers(peer.call(*args)), numbers(result))
            cases[tool] = lambda peer=peer: peer.call(*args)
    return timing.interleave(cases, rounds=rounds), first


def numbers(result) -> np.ndarray:
    """All numbers of a result in a row; of a sparse matrix those of the residuals."""
    if hasattr(result, "indptr"):
        return result.data[: result.indptr[2 * result.shape[0] // 3]]
    parts = result if isinstance(result, tuple | list) else (result,)
    return np.concatenate([np.ravel(np.asarray(part, dtype=float)) for part in parts])


def check(tool, key, theirs, ours) -> None:
    gap = np.abs(theirs - ours) / np.maximum(1.0, np.abs(theirs) + np.abs(ours))
    if theirs.shape != ours.shape or not np.all(gap <= TOLERANCE):
        raise ArithmeticError(f"{' '.join(key)}: {tool} and {OWN} differ by {np.max(gap):.3g}")


if __name__ == "__main__":
    main()
