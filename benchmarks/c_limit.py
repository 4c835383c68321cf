"""The C program of `lotka_volterra.c`, compiled with the library's own tableau and controller constants."""

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sciad.solvers.methods import explicit_tableaus
from sciad.solvers.stepping import controllers

SOURCE = Path(__file__).with_name("lotka_volterra.c")


def compile_limit(folder: Path | None = None) -> ctypes.CDLL:
    """Compile with -O3 -march=native and load; `CC` names another compiler than `cc`."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise RuntimeError(
            "the C limit needs a C compiler: install cc or gcc, or name one in the variable CC"
        )
    folder = Path(folder or tempfile.mkdtemp(prefix="sciad-limit-"))
    header, library = folder / "tableau.h", folder / "limit.so"
    header.write_text(tableau_header())
    options = ["-O3", "-march=native", "-shared", "-fPIC", f'-DTABLEAU_H="{header}"', "-o", str(library)]
    subprocess.run([compiler, *options, str(SOURCE), "-lm"], check=True)
    return ctypes.CDLL(str(library))


def tableau_header() -> str:
    tableau = explicit_tableaus.Tsit5
    controller = controllers.default(tableau)
    beta1, beta2, beta3 = (beta / (tableau.control_order + 1) for beta in controller.beta)
    assert beta3 == 0, "the C program knows proportional-integral control only"
    values = {"SAFETY": controller.safety, "SHRINK": controller.shrink, "GROW": controller.grow}
    values |= {"BETA1": beta1, "BETA2": beta2, "CONTROL_ORDER": tableau.control_order}
    for i, row in enumerate((*tableau.a, tableau.b)):
        values |= {f"A_{i + 1}_{j + 1}": value for j, value in enumerate(row)}
    values |= {f"E_{i + 1}": value for i, value in enumerate(tableau.error)}
    for i, row in enumerate(tableau.interpolant):
        values |= {f"D_{i + 1}_{k + 1}": value for k, value in enumerate(row)}
    names = ["#define A(i,j) A_##i##_##j", "#define D(i,k) D_##i##_##k", "#define E(i) E_##i"]
    return (
        "\n".join([*names, *(f"#define {name} ({float(value)!r})" for name, value in values.items())]) + "\n"
    )


class Limit:
    """The C solver for one problem: outputs, steps, gradient, and calls repeated inside C for timing."""

    def __init__(self, y0, p, times, tol: float, folder: Path | None = None):
        library = compile_limit(folder)
        vector, size, real = np.ctypeslib.ndpointer(float, flags="C"), ctypes.c_int64, ctypes.c_double
        arguments = [vector, vector, vector, size, real, real, vector, vector, size]
        library.forward.argtypes, library.forward.restype = arguments, size
        library.gradient.argtypes, library.gradient.restype = [*arguments, vector, vector], real
        library.repeat.argtypes = [size, ctypes.c_int, *library.gradient.argtypes]
        library.repeat.restype = real
        self.library = library
        self.outputs, self.gradient_p, self.gradient_y0 = np.empty((len(times), 2)), np.empty(4), np.empty(2)
        record = np.empty((100_000, 18))
        self.arguments = [y0, p, times, len(times), tol, tol, self.outputs, record, len(record)]
        self.results = [self.gradient_p, self.gradient_y0]

    def forward(self) -> int:
        """Fill `outputs`; the number of accepted steps."""
        return self.library.forward(*self.arguments)

    def gradient(self) -> float:
        """The value of the loss; fills `gradient_p` and `gradient_y0`."""
        return self.library.gradient(*self.arguments, *self.results)

    def repeated(self, times: int, gradient: bool) -> Callable[[], object]:
        return lambda: self.library.repeat(times, gradient, *self.arguments, *self.results)
