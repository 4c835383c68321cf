"""Elementwise functions compiled, against NumPy's own loops: nanoseconds per element, and errors."""

import numpy as np
from numba import njit

from benchmarks import timing
from sciad.compiler import Group, compile_function
from sciad.native.intrinsics import call

SIZE = 4000


def tanh(x):
    return np.tanh(x)


def exp(x):
    return np.exp(x)


def log(x):
    return np.log(x)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.logaddexp(0.0, x)


def sin(x):
    return np.sin(x)


def cos(x):
    return np.cos(x)


FUNCTIONS = (tanh, exp, log, sigmoid, softplus, sin, cos)


@njit
def _run(address, n, x, out, w):
    for _ in range(n):
        call(address, (x, out, w))


def measure() -> dict[str, dict[str, float]]:
    """For each function: ns per element compiled and by NumPy, and the largest errors of both in units in the
    last place, over the whole range."""
    return {f.__name__: _measured(f) for f in FUNCTIONS}


def _measured(f) -> dict[str, float]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=SIZE)
    wide = np.concatenate(
        [
            rng.uniform(-40, 40, SIZE // 2),
            rng.normal(size=SIZE // 2) * 10.0 ** rng.uniform(-300, 300, SIZE // 2),
        ]
    )
    if f is log:
        x, wide = np.abs(x), np.abs(wide)
    compiled = compile_function(f, [Group("x", (x,), spread=True)])
    address, out, w = (
        compiled.address("primal"),
        np.empty(SIZE),
        np.empty(1 + compiled.work_size("primal")),
    )
    times = timing.interleave(
        {"compiled": lambda: _run(address, 10, x, out, w), "numpy": lambda: f(x)}, 200, 1e-4, 2.0
    )
    errors = []
    for values in (lambda: (_run(address, 1, wide, out, w), out.copy())[1], lambda: f(wide)):
        with np.errstate(all="ignore"):
            exact, found = f(wide.astype(np.longdouble)), values()
            error = np.abs(found - exact) / np.spacing(np.abs(exact.astype(float)))
        errors.append(float(np.max(error[np.isfinite(error)])))
    return {
        "compiled_ns": 1e8 * times["compiled"].least / SIZE,
        "numpy_ns": 1e9 * times["numpy"].least / SIZE,
        "compiled_ulp": errors[0],
        "numpy_ulp": errors[1],
    }


def table(results: dict) -> str:
    lines = [f"{'elementwise':12}{'compiled ns':>12}{'NumPy ns':>10}{'ratio':>7}{'ulp':>7}{'NumPy ulp':>11}"]
    for name, r in results.items():
        ratio = r["compiled_ns"] / r["numpy_ns"]
        errors = f"{r['compiled_ulp']:7.2f}{r['numpy_ulp']:11.2f}"
        lines.append(f"{name:12}{r['compiled_ns']:12.2f}{r['numpy_ns']:10.2f}{ratio:7.2f}{errors}")
    return "\n".join(lines)
