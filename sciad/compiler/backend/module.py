"""Emitted text as something to call: a module for numba with one C entry, or a plain Python function."""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable

import numpy as np

from sciad.compiler.backend.emit import Text
from sciad.compiler.backend.routine_call_text import MEMORY, freeing
from sciad.compiler.ir.walking import ARENAS
from sciad.native import code
from sciad.native.cache import digest
from sciad.native.code import Code, compiled
from sciad.native.memory_blocks import free_blocks
from sciad.native.python_entries import signature
from sciad.native.scalar_table import FUNCTIONS

FLAGS = ("contract", "nsz")


def native_address(text: Text) -> int:
    """Compile (or read from the cache folder) and return the address of the C entry."""
    return native_code(text).address


def native_code(text: Text) -> Code:
    """The same as an object that kernels can be linked with."""
    # Where the functions called are found is known only after importing them, and numba with them.
    key = digest("\n".join(["separate", *sorted(text.functions), _definitions(text)]))
    return compiled(lambda: module_text(text), text.name, text.name, key=key, separate=True)


def python_function(text: Text) -> Callable:
    """The same text run by Python on arrays; takes the parameters without the workspace, returns the
    status."""
    names: dict = {}
    for name in text.functions:
        function = getattr(importlib.import_module(_module_of(name)), name)
        names[name] = getattr(function, "py_func", function)
    names |= {"inf": math.inf, "nan": math.nan, "C": text.constants, "int": _int, "float": np.float64}
    exec(compile(_function(text, ""), f"<{text.name}>", "exec"), names)
    function, layout = names[text.name], text.layout

    def call(*arguments) -> int:
        arguments = [
            np.float64(a) if scalar else a for a, (_, scalar) in zip(arguments, text.parameters, strict=True)
        ]
        sizes = dict(layout.size)
        memory = [np.zeros(1, dtype=np.int64)] if text.keeps else []
        with np.errstate(all="ignore"):
            while True:
                work = np.full(sum(sizes[k] * len(layout.twins[k]) for k in sizes), np.nan)
                extra = [sizes[k] for k in layout.growing]
                try:
                    status = function(*arguments, work, *extra, *memory)
                finally:
                    for blocks in memory:
                        free_blocks(blocks.ctypes.data)
                if status >= 0:
                    return status
                sizes[ARENAS[-1 - status]] *= 4

    return call


def _module_of(name: str) -> str:
    """The module that has a function which emitted code calls; not imported to find it."""
    if name in FUNCTIONS or name in ("fill", "pointer_to", "shift", "where"):
        return "sciad.native.scalar_functions"
    if name in ("call", "stack_f64", "symbol", "view"):
        return "sciad.native.intrinsics"
    if name in ("clear", "combine", "factor", "gemm", "matmul", "substitute"):
        return "sciad.native.matrix_kernels"
    return "sciad.native.scipy_addresses"


def source_text(text: Text, kind: str = "") -> str:
    """The function alone, for people."""
    return _function(text, "").rstrip("\n")


def module_text(text: Text) -> str:
    """A module whose function `text.name` is a `cfunc` with the calling convention of compiled programs."""
    functions = set(text.functions) | ({"pointer_to"} if text.grows else set())
    functions |= {"call", "stack_f64", "symbol"} if text.keeps else set()
    modules = {name: _module_of(name) for name in sorted(functions)}
    head = [
        "# Generated.",
        "import numpy as np",
        "from numba import cfunc, njit, types",
    ]
    for module in sorted(set(modules.values())):
        head.append(f"from {module} import {', '.join(f for f in modules if modules[f] == module)}")
    return "\n".join(head) + "\n\n" + _definitions(text)


def _definitions(text: Text) -> str:
    """All of the module but what it imports."""
    kinds = ", ".join("double" if scalar else "pointer" for _, scalar in [*text.parameters, ("w", False)])
    flags = "{" + ", ".join(f'"{f}"' for f in FLAGS) + "}"
    options = f'error_model="numpy", fastmath={flags}'
    head = [
        'inf, nan = float("inf"), float("nan")',
        "double, pointer = types.float64, types.CPointer(types.float64)",
    ]
    if text.constants.size:
        head.append(f"C = np.array({_array(text.constants)})")
    entry = f"@cfunc(types.int64({kinds}), {options})\n"
    if not text.wrapped:
        return "\n".join(head) + "\n\n\n" + entry + _function(text, "")
    inner = f"@njit({options}, no_cpython_wrapper=True, no_cfunc_wrapper=True)\n" + _function(text, "_body")
    return "\n".join(head) + "\n\n\n" + inner + "\n\n" + entry + _around(text)


def _function(text: Text, suffix: str) -> str:
    parameters = [name for name, _ in text.parameters] + ["w"]
    if text.grows:
        parameters += [f"{arena}_size" for arena in text.layout.growing]
    if text.keeps:
        parameters.append(MEMORY)
    return "\n".join([f"def {text.name}{suffix}({', '.join(parameters)}):", *text.body]) + "\n"


def _around(text: Text) -> str:
    """The entry of a program whose arenas may outgrow the workspace: it is run again with more; and of one
    that leaves memory behind, which is given back.
    """
    layout, parameters = text.layout, ", ".join([name for name, _ in text.parameters])
    names = [f"{arena}_size" for arena in layout.growing]
    further = [*names, MEMORY] if text.keeps else names
    call = f"{text.name}_body({', '.join([parameters, '%s', *further])})"
    lines, clean = [f"def {text.name}({parameters}, w):"], []
    if text.keeps:
        lines += [f"    {MEMORY} = stack_f64(1)", f"    {MEMORY}[0] = 0.0"]  # as an int64 it is 0, too
        clean = [freeing()]
    lines += [f"    {name} = {layout.size[name[0]]}" for name in names]
    lines += [f"    status = {call % 'w'}", *(f"    {line}" for line in clean)]
    if names:
        fixed = sum(layout.size[a] * len(layout.twins[a]) for a in layout.size if not layout.grows[a])
        total = " + ".join([str(fixed), *(f"{len(layout.twins[a])}*{a}_size" for a in layout.growing)])
        lines.append("    while status < 0:")
        for name in names:
            lines.append(f"        if status == {-1 - ARENAS.index(name[0])}: {name} *= 4")
        lines += [f"        more = np.empty({total})", f"        status = {call % 'pointer_to(more)'}"]
        lines += ["        more[0] = 0.0"]  # the store keeps `more` alive through the call
        lines += [f"        {line}" for line in clean]
    return "\n".join([*lines, "    return status"]) + "\n"


def _array(values: np.ndarray) -> str:
    text = ", ".join(repr(float(v)) if math.isfinite(v) else f'float("{v}")' for v in values)
    return f"[{text}]"


def _int(x):
    return int(x) if np.isfinite(x) else 0


@functools.cache
def trampoline(pattern: str) -> Callable:
    """A compiled function that calls an address with scalars ("s") and arrays ("a") as the pattern says."""
    kinds = ["float64" if kind == "s" else "float64[::1]" for kind in pattern]
    return code.trampoline(signature(f"int64({', '.join(kinds)})"))
