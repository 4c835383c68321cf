"""What `python -m sciad` says of an installation: versions, and whether solves and gradients are right."""

from __future__ import annotations

import importlib
import importlib.metadata
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

__all__ = ["check", "versions"]

PACKAGES = ("numpy", "scipy", "llvmlite", "numba", "matplotlib", "tqdm")


def versions() -> Iterator[tuple[str, str]]:
    """Names and versions of what matters for a report of a mistake."""
    from sciad import __version__
    from sciad.native import llvm

    yield "sciad", __version__
    yield "Python", f"{platform.python_version()} ({platform.python_implementation()})"
    yield "platform", f"{platform.system()} {platform.release()}, {platform.machine()}, {llvm.host()[0]}"
    for name in PACKAGES:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield name, "not installed"


def check(say: Callable[[str], None] = print) -> bool:
    """Compile, solve and differentiate small problems with known answers; whether all is right.

    Functions are defined in a file of a temporary folder, for their text is read.
    """
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, folder)
        try:
            with open(f"{folder}/sciad_check_models.py", "w", encoding="utf-8") as file:
                file.write(_MODELS)
            models = importlib.import_module("sciad_check_models")
            results = [_right(say, name, *check) for name, check in models.CHECKS.items()]
            return all(results)
        finally:
            sys.path.remove(folder)
            sys.modules.pop("sciad_check_models", None)


def _right(say, name: str, compute: Callable, wanted: float, tolerance: float) -> bool:
    begun = time.perf_counter()
    try:
        found = float(compute())
    except Exception as error:
        say(f"FAILED  {name}: {type(error).__name__}: {error}")
        return False
    seconds = time.perf_counter() - begun
    right = abs(found - wanted) <= tolerance * abs(wanted)
    word = "ok    " if right else "FAILED"
    say(f"{word}  {name}: {found:.10g}, exactly {wanted:.10g} ({seconds:.2f} s)")
    return right


_MODELS = """
import math
import warnings

import numpy as np

import sciad as ad
from sciad.solvers import solve_ivp

warnings.simplefilter("error")


def decay(t, y, k):
    return -k * y


def end(k, method):
    return solve_ivp(decay, (0, 1), np.ones(1), method, args=(k,), rtol=1e-10, atol=1e-12).y[0, -1]


@ad.jit
def root(a):
    x = a
    while abs(x * x - a) > 1e-12:
        x = 0.5 * (x + a / x)
    return x


CHECKS = {
    "a solve": (lambda: end(2.0, "Tsit5"), math.exp(-2.0), 1e-8),
    "a stiff solve": (lambda: end(2.0, "Rodas5P"), math.exp(-2.0), 1e-7),
    "its gradient": (lambda: ad.grad(lambda k: end(k, "Tsit5"))(2.0), -math.exp(-2.0), 1e-7),
    "a compiled loop": (lambda: root(2.0), math.sqrt(2.0), 1e-12),
    "its gradient, compiled": (lambda: ad.grad(root)(2.0), 0.5 / math.sqrt(2.0), 1e-8),
}
"""
