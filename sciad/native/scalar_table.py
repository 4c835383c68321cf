"""The functions of floats that emitted code may call: their meaning in Python, and what they are in LLVM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sciad.native import elementary

__all__ = ["FUNCTIONS", "ScalarFunction"]


@dataclass(frozen=True)
class ScalarFunction:
    """``symbol`` is a function of LLVM's or of the C library; without one, ``own`` of `elementary` writes the
    instructions. ``boolean`` says that the result is a truth value.
    """

    python: Callable
    arity: int
    symbol: str = ""
    own: Callable | None = None
    boolean: bool = False


def _special(name):
    """A function of scipy.special, which is not imported before it is called."""

    def call(*args):
        import scipy.special

        return getattr(scipy.special, name)(*args)

    call.__name__ = name
    return call


def _times(a, b):
    """A product in which a factor 0 wins, whatever the other is."""
    return 0.0 if a == 0 or b == 0 else a * b


FUNCTIONS: dict[str, ScalarFunction] = {}

for _name in ("sqrt", "floor", "ceil", "trunc", "rint", "log2", "log10", "exp2", "fabs"):
    FUNCTIONS[_name] = ScalarFunction(getattr(np, _name), 1, f"llvm.{_name}.f64")
FUNCTIONS["copysign"] = ScalarFunction(np.copysign, 2, "llvm.copysign.f64")
for _name in (
    "exp",
    "expm1",
    "log",
    "log1p",
    "tanh",
    "sin",
    "cos",
    "sign",
    "reciprocal",
    "degrees",
    "radians",
):
    FUNCTIONS[_name] = ScalarFunction(getattr(np, _name), 1, own=getattr(elementary, _name))
for _name in ("maximum", "minimum", "fmax", "fmin", "heaviside", "logaddexp"):
    FUNCTIONS[_name] = ScalarFunction(getattr(np, _name), 2, own=getattr(elementary, _name))
for _name in ("isnan", "isinf", "isfinite", "signbit"):
    FUNCTIONS[_name] = ScalarFunction(getattr(np, _name), 1, own=getattr(elementary, _name), boolean=True)
FUNCTIONS["plus"] = ScalarFunction(np.add, 2, own=elementary.plus)
FUNCTIONS["minus"] = ScalarFunction(np.subtract, 2, own=elementary.minus)
FUNCTIONS["times"] = ScalarFunction(_times, 2, own=elementary.times)
FUNCTIONS["expit"] = ScalarFunction(_special("expit"), 1, own=elementary.expit)
for _name in ("tan", "sinh", "cosh", "cbrt"):
    FUNCTIONS[_name] = ScalarFunction(getattr(np, _name), 1, _name)
for _name in ("sin", "cos", "tan", "sinh", "cosh", "tanh"):
    FUNCTIONS[f"arc{_name}"] = ScalarFunction(getattr(np, f"arc{_name}"), 1, f"a{_name}")
for _name, _symbol in {
    "arctan2": "atan2",
    "hypot": "hypot",
    "fmod": "fmod",
    "nextafter": "nextafter",
}.items():
    FUNCTIONS[_name] = ScalarFunction(getattr(np, _name), 2, _symbol)
for _name, _symbol in {"erf": "erf", "erfc": "erfc", "gamma": "tgamma", "gammaln": "lgamma"}.items():
    FUNCTIONS[_name] = ScalarFunction(_special(_name), 1, _symbol)
