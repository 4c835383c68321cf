"""The derivative of the diffusion along itself, as source that is compiled with the rest of a step.

Milstein's method and the change from Ito's to Stratonovich's sense need ``g'(y) g``. The compiler
differentiates the diffusion once; the text it emits is a function like any other and is called by the step,
which can then be differentiated in turn.
"""

from __future__ import annotations

import math

import numpy as np

from sciad.compiler.compiled_function import Group, compile_function
from sciad.errors import UnsupportedSyntax
from sciad.native.kernels import load_module
from sciad.solvers.model.parameters import is_parameter
from sciad.tree import flatten, paths

__all__ = ["diffusion_along_itself"]


def diffusion_along_itself(diffusion, y, args):
    """A function ``(diffusion, t, y, g, args) -> g'(y) g`` that the compiler accepts.

    Parameters
    ----------
    diffusion : callable
    y, args
        Examples, for their shapes.

    Raises
    ------
    UnsupportedSyntax
        If the diffusion cannot be compiled, or captures numbers.
    """

    def flat(t, y, args):
        return diffusion(t, y, *args)

    function = compile_function(flat, [Group("t", 0.0, True), Group("y", y), Group("p", args)])
    if function.captures:
        raise UnsupportedSyntax(
            "the diffusion uses numbers from outside of it",
            hint="Pass them in args, then its derivative can be compiled.",
        )
    text = function.text("pushforward")
    if text.grows:
        raise UnsupportedSyntax("the diffusion has loops of unknown length")
    return load_module(
        _module(text, function.n_in, function.n_out, np.shape(y), args), "diffusion_tangent"
    ).along


def _module(text, n_in, n_out, shape, args) -> str:
    names = sorted(text.functions - {"shift", "fill", "where"})
    lines = ["import numpy as np", *(f"from numpy import {name}" for name in names)]
    if text.constants.size:
        lines.append(f"C = np.array({text.constants.tolist()!r})")
    lines += [
        "inf, nan = float('inf'), float('nan')",
        "",
        "def shift(memory, n):",
        "    return memory[n:]",
        "",
        "def fill(memory, start, size, value):",
        "    memory[start : start + size] = value",
        "",
        "def where(condition, a, b):",
        "    return a if condition else b",
        "",
        "def tangent(t, y, p, y_dot):",
    ]
    tangents = [name for name, _ in text.parameters]
    scalars = {name for name, scalar in text.parameters if scalar}
    dots = [name for name in tangents if name.endswith("_dot") and name not in ("y_dot", "out_dot")]
    for name in dots:
        size = n_in[name.removesuffix("_dot")]
        lines.append(f"    {name} = 0.0" if name in scalars else f"    {name} = np.zeros({max(size, 1)})")
    lines += [f"    out = np.zeros({n_out})", f"    out_dot = np.zeros({n_out})"]
    if text.layout.work_size:
        lines.append(f"    w = np.zeros({text.layout.work_size})")
    lines += [line for line in text.body if line.strip() != "return 0"]
    lines += ["    return out_dot", "", "def along(diffusion, t, y, g, args):"]
    lines.append(f"    p = {_packed(args)}")
    count = math.prod(shape)
    if shape:
        lines.append(f"    d = tangent(t, np.reshape(y, ({count},)), p, np.reshape(g, ({count},)))")
        lines.append(f"    return np.reshape(d, {tuple(shape)!r})")
    else:
        lines.append("    return tangent(t, np.array([y]), p, np.array([g]))[0]")
    return "\n".join(lines) + "\n"


def _packed(args) -> str:
    leaves = flatten(args)[0]
    parts = []
    for leaf, path in zip(leaves, paths(args), strict=True):
        if is_parameter(leaf):
            parts.append(f"np.ravel(args{path})" if np.ndim(leaf) else f"np.array([args{path}])")
    if not parts:
        return "np.zeros(1)"
    return parts[0] if len(parts) == 1 else f"np.concatenate([{', '.join(parts)}])"
