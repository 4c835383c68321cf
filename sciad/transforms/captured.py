"""Values being differentiated that a function captures, lifted to arguments: a captured value is never a
constant.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable

from sciad.eager.traced import Traced, operand
from sciad.tree import children, flatten, unflatten


def lift(f: Callable) -> tuple[list, Callable]:
    """Find the traced values a function captures.

    Returns
    -------
    values : list
        The traced values in its closure, its defaults and those of functions it captures.
    rebuild : callable
        Takes as many values and returns the function with these in place of the captured ones.
    """
    values: list = []
    seen: dict[int, object] = {}

    def plan(x):
        """Return a recipe `make(values) -> x` or None if nothing traced is inside."""
        if isinstance(operand(x), Traced):
            values.append(operand(x))
            place = len(values) - 1
            return lambda new: new[place]
        if isinstance(x, types.FunctionType):
            return plan_function(x)
        if isinstance(x, types.MethodType):
            inner = plan_function(x.__func__)
            return inner and (lambda new: types.MethodType(inner(new), x.__self__))
        if isinstance(x, functools.partial):
            parts = plan([x.func, list(x.args), dict(x.keywords)])
            return parts and (lambda new: (lambda p: functools.partial(p[0], *p[1], **p[2]))(parts(new)))
        if isinstance(x, type) or children(x) is None:
            return None
        leaves, structure = flatten(x)
        recipes = [plan(leaf) for leaf in leaves]
        if not any(recipes):
            return None
        return lambda new: unflatten(
            structure, [r(new) if r else leaf for r, leaf in zip(recipes, leaves, strict=True)]
        )

    def plan_function(g):
        if id(g) in seen:
            return None
        seen[id(g)] = g
        cells = [plan(_content(cell)) for cell in g.__closure__ or ()]
        defaults = plan(list(g.__defaults__)) if g.__defaults__ else None
        if not any(cells) and defaults is None:
            return None

        def make(new):
            closure = tuple(
                types.CellType(r(new)) if r else cell
                for r, cell in zip(cells, g.__closure__ or (), strict=True)
            )
            arguments = tuple(defaults(new)) if defaults else g.__defaults__
            copy = types.FunctionType(g.__code__, g.__globals__, g.__name__, arguments, closure)
            copy.__kwdefaults__ = g.__kwdefaults__
            return copy

        return make

    recipe = plan(f)
    return values, (recipe or (lambda new: f))


def _content(cell):
    try:
        return cell.cell_contents
    except ValueError:  # not yet assigned
        return None
