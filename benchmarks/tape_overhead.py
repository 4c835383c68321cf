"""What the eager tape costs: per operation, per second derivative, in memory; other tapes beside it where
installed.

    python benchmarks/tape_overhead.py [--quick]

prints a table per question and writes `results/tape_overhead.json`. Times are processor times of one thread:
one run of the chain is as long as a time slice of the operating system, so on a busy machine elapsed time is
either that of the chain or, half of the time, that and somebody else's slice (2 ms, or 2 + 4 ms).
"""

import argparse
import gc
import os
import sys
import time
import tracemalloc
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads that wait for each other use processor time

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import sciad as ad
from benchmarks.timing import interleave, save, table

LENGTH = 1000  # operations in the chain
DIRECTION = np.linspace(-1.0, 1.0, 200)
MATRIX = np.random.default_rng(0).normal(size=(200, 200)) / 15


def chain(x, sin, length=LENGTH):
    """`length` elementwise operations on a few numbers: products, sines, sums, scalings."""
    y = x
    for _ in range(length // 4):
        y = y * x
        y = sin(y)
        y = y + x
        y = y * 0.5
    return y.sum()


def peers():
    """Value and gradient of the chain by each tape that is installed."""
    x = np.linspace(0.1, 1.0, 10)
    found = {"numpy, no gradient": lambda: chain(x, np.sin)}
    own = ad.value_and_grad(lambda x: chain(x, np.sin))
    found["sciad"] = lambda: own(x)
    try:
        import autograd
        import autograd.numpy

        other = autograd.value_and_grad(lambda x: autograd.numpy.sum(chain(x, autograd.numpy.sin, LENGTH)))
        found["autograd"] = lambda: other(x)
    except ImportError:
        pass
    try:
        import torch

        torch.set_num_threads(1)

        def by_torch():
            leaf = torch.tensor(x, requires_grad=True)
            chain(leaf, torch.sin).backward()
            return leaf.grad

        found["torch"] = by_torch
    except ImportError:
        pass
    return found


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def network(x):
    hidden = np.tanh(MATRIX @ x)
    return np.sum(np.log(1 + hidden * hidden)) + np.dot(hidden, x)


def scalar_loop(x):
    total = 0.0
    for k in range(len(x) - 1):
        total = total + x[k] * x[k + 1] * np.sin(x[k])
    return total


def second_order(f):
    gradient, hessian = ad.grad(f), ad.hessian(f)
    return {
        "gradient": lambda: gradient(DIRECTION),
        "Hessian times vector": lambda: ad.hvp(f, (DIRECTION,), (DIRECTION,)),
        "Hessian": lambda: hessian(DIRECTION),
    }


def bytes_per_operation(operations):
    """Peak memory of a gradient through so many operations on 10 numbers, per operation."""
    gc.collect()
    tracemalloc.start()
    ad.grad(lambda x: chain(x, np.sin, operations))(np.linspace(0.1, 1.0, 10))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / operations


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--quick", action="store_true", help="fewer samples, a shorter tape")
    quick = arguments.parse_args().quick
    rounds, operations = (5, 20_000) if quick else (31, 1_000_000)
    timings = interleave(peers(), rounds, clock=time.process_time)
    print(table(timings, "sciad", f"value and gradient of {LENGTH} operations on 10 numbers"))
    for name, timing in timings.items():
        print(f"  {name}: {timing.median / LENGTH * 1e6:.2f} us an operation")
    results = {"chain": timings}
    for f in (rosenbrock, network, scalar_loop):
        results[f.__name__] = interleave(second_order(f), 5 if quick else 15, clock=time.process_time)
        print()
        print(table(results[f.__name__], "gradient", f"{f.__name__} of 200 variables"))
    results["bytes per operation"] = bytes_per_operation(operations)
    print(f"\n{results['bytes per operation']:.0f} bytes an operation, tape of {operations} operations")
    save("tape_overhead", results)


if __name__ == "__main__":
    main()
