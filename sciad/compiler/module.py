"""Emitted text as something to call: a module for numba with one C entry, or a plain Python function."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .emit import Text

FLAGS = ("contract", "nsz")


def native_address(text: Text) -> int:
    """Compile (or read from the cache folder) and return the address of the C entry."""
    from .cache import load_module

    return getattr(load_module(module_text(text), text.name), text.name).address


def python_function(text: Text) -> Callable:
    """The same text run by Python on arrays; takes the parameters without the workspace, returns the status."""
    from . import blocks, vectormath

    names = {name: getattr(vectormath, name, None) or getattr(blocks, name).py_func for name in text.functions}
    names |= {"inf": math.inf, "nan": math.nan, "C": text.constants, "int": _int, "float": np.float64}
    code = compile(_function(text, ""), f"<{text.name}>", "exec")
    exec(code, names)
    function, layout = names[text.name], text.layout

    def call(*arguments) -> int:
        arguments = [np.float64(a) if scalar else a for a, (_, scalar) in zip(arguments, text.parameters, strict=True)]
        sizes = dict(layout.size)
        with np.errstate(all="ignore"):
            while True:
                work = np.full(sum(sizes[k] * len(layout.twins[k]) for k in sizes), np.nan)
                extra = [sizes[k] for k in sizes] if text.grows else []
                status = function(*arguments, work, *extra)
                if status >= 0:
                    return status
                sizes["T" if status == -1 else "S"] *= 4

    return call


def source_text(text: Text, kind: str = "") -> str:
    """The function alone, for people."""
    return _function(text, "").rstrip("\n")


def module_text(text: Text) -> str:
    """A module whose function `text.name` is a `cfunc` with the calling convention of compiled programs."""
    kinds = ", ".join("double" if scalar else "pointer" for _, scalar in [*text.parameters, ("w", False)])
    flags = "{" + ", ".join(f'"{f}"' for f in FLAGS) + "}"
    options = f'error_model="numpy", fastmath={flags}'
    functions = set(text.functions) | ({"pointer_to"} if text.grows else set())
    head = [f"# Generated.  Functions called: version {_version()}.", "from numba import cfunc, njit, types"]
    if text.grows:
        head.append("import numpy as np")
    from . import vectormath

    for module, chosen in (("vectormath", True), ("blocks", False)):
        names = sorted(f for f in functions if hasattr(vectormath, f) is chosen)
        if names:
            head.append(f"from sciad.compiler.{module} import {', '.join(names)}")
    head += ["", 'inf, nan = float("inf"), float("nan")', "double, pointer = types.float64, types.CPointer(types.float64)"]
    if text.constants.size:
        head.append(f"C = np.array({_array(text.constants)})")
        head.insert(1, "import numpy as np")
    entry = f"@cfunc(types.int64({kinds}), cache=True, {options})\n"
    if not text.grows:
        return "\n".join(head) + "\n\n\n" + entry + _function(text, "")
    inner = f"@njit({options}, no_cpython_wrapper=True, no_cfunc_wrapper=True)\n" + _function(text, "_body")
    return "\n".join(head) + "\n\n\n" + inner + "\n\n" + entry + _growing(text)


def _function(text: Text, suffix: str) -> str:
    parameters = [name for name, _ in text.parameters] + ["w"]
    if text.grows:
        parameters += ["T_size", "S_size"]
    return "\n".join([f"def {text.name}{suffix}({', '.join(parameters)}):", *text.body]) + "\n"


def _growing(text: Text) -> str:
    """The entry of a program whose arenas may outgrow the workspace: it is run again with more."""
    parameters = ", ".join([name for name, _ in text.parameters])
    size, twins = text.layout.size, text.layout.twins
    call = f"{text.name}_body({parameters}, %s, T_size, S_size)"
    return f"""def {text.name}({parameters}, w):
    T_size, S_size = {size["T"]}, {size["S"]}
    status = {call % "w"}
    while status < 0:
        if status == -1:
            T_size *= 4
        else:
            S_size *= 4
        more = np.empty({len(twins["T"])}*T_size + {len(twins["S"])}*S_size)
        status = {call % "pointer_to(more)"}
        more[0] = 0.0
    return status
"""


def _array(values: np.ndarray) -> str:
    text = ", ".join(repr(float(v)) for v in values)
    return f"[{text}]"


def _int(x):
    return int(x) if np.isfinite(x) else 0


@functools.cache
def _version() -> str:
    files = [Path(__file__).with_name(f"{name}.py") for name in ("vectormath", "elementary", "blocks")]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


@functools.cache
def trampoline(pattern: str) -> Callable:
    """A compiled function that calls an address with scalars ("s") and arrays ("a") as the pattern says."""
    from .cache import load_module

    names = [f"x{k}" for k in range(len(pattern))]
    kinds = ["float64" if kind == "s" else "float64[::1]" for kind in pattern]
    text = f"""# Generated.  Calls a compiled program from Python.
from numba import njit
from sciad.compiler.runtime import call


@njit("int64(int64, {", ".join(kinds)})", cache=True, nogil=True)
def enter(address, {", ".join(names)}):
    return call(address, ({", ".join(names)},))
"""
    return load_module(text, "enter").enter
