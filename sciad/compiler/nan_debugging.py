"""`debug_nan`: where the first NaN or infinity of a computation arises."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable

import numpy as np

from sciad import tree
from sciad.compiler.ir import interpret
from sciad.compiler.ir import nodes as ir
from sciad.compiler.tracing.trace import Group, trace

__all__ = ["debug_nan"]


def debug_nan(fun: Callable) -> Callable:
    """Run a compilable function step by step and stop where the first NaN or infinity arises.

    Parameters
    ----------
    fun : callable
        A function in the language that compiled functions accept.

    Returns
    -------
    callable
        With the arguments and the result of `fun`, much slower.  Raises FloatingPointError with file, line,
        expression and operand values at the first operation that makes a NaN out of numbers, or an
        infinity out of finite ones; at the first element of an argument that is NaN; and at the first
        element read that was never written.

    Raises
    ------
    UnsupportedSyntax
        When `fun` leaves the accepted language.

    Examples
    --------
    >>> from sciad.compiler.nan_debugging import debug_nan
    >>> def decay(t, rate):
    ...     scale = 1.0 - rate
    ...     return np.exp(-t) * np.log(scale)
    >>> debug_nan(decay)(0.0, 2.0)
    Traceback (most recent call last):
    FloatingPointError: nan in ..., line 3: np.log(scale)
        log(scale = -1.0) = nan
    """
    inner = inspect.unwrap(fun)

    @functools.wraps(inner)
    def stepped(*args, **kwargs):
        target = functools.partial(inner, **kwargs) if kwargs else inner
        names = dict(enumerate(inspect.signature(inner).parameters))
        groups = [Group(f"argument {names.get(k, k)}", a) for k, a in enumerate(args)]
        found = trace(target, [*groups, Group("captured", (), spread=True)], detail=True)
        inputs = [_flat(a) for a in args] + [_flat(found.gather(target))]
        try:
            out = interpret.run(found.program, *inputs, watch=_watch)
        except interpret.Left as left:
            site = found.program.sites[left.site - 1]
            if left.report:
                raise site.error(left.report) from None
            raise RuntimeError(f"{site.exception}: {site.message} ({_place(site.line)})") from None
        return found.out_tree.unflatten(out)

    return stepped


def _flat(x) -> np.ndarray:
    leaves = [v for v in tree.tree_leaves(x) if isinstance(v, (float, np.floating, np.ndarray))]
    return np.concatenate([np.ravel(v).astype(float) for v in leaves] or [np.zeros(0)])


def _watch(node: ir.Node, values: list) -> None:
    *operands, result = values
    if not isinstance(result, float) or math.isfinite(result):
        return
    if isinstance(node, ir.Op):
        numbers = [v for v in operands if isinstance(v, (int, float))]
        arose = not any(math.isnan(v) for v in numbers)
        if not math.isnan(result):
            arose = all(math.isfinite(v) for v in numbers)
        if arose and node.fn not in ("select", "float", "stop"):
            shown = ", ".join(_shown(a, v) for a, v in zip(node.args, operands, strict=True))
            name = node.fn if isinstance(node.fn, str) else node.fn.__name__
            raise FloatingPointError(f"{result} in {_place(node.line)}\n    {name}({shown}) = {result}")
    elif isinstance(node, ir.Load) and math.isnan(result):
        if node.mem == "T":
            what = "an element that was never written is read"
        else:
            what = f"an element of {node.mem} is nan"
        raise FloatingPointError(f"{what}{' in ' + _place(node.line) if node.line else ''}")


def _shown(operand, value) -> str:
    name = operand.name if isinstance(operand, ir.Value) else ""
    return f"{name} = {value!r}" if name and name not in ("total", "v") else repr(value)


def _place(line: ir.Line | None) -> str:
    if line is None:
        return "the function"
    return f"{line.file}, line {line.number}" + (f": {line.text}" if line.text else "")
