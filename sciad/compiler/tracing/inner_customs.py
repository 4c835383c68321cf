"""Functions with derivative rules of their own (`ad.custom`) inside of compiled functions.

The function and its rules are traced as programs where it is called; a node `Custom` holds them.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sciad import tree
from sciad.compiler.fence import Refusal
from sciad.compiler.functions.lowerings import lower
from sciad.compiler.ir.nodes import Block, Custom, Piece, View
from sciad.compiler.ir.walking import accesses, is_arena, moved, walk
from sciad.compiler.objects import arrays
from sciad.compiler.objects.kinds import Array, Bound, DictBox, ListBox, RecordBox, Small, is_array, is_scalar
from sciad.compiler.tracing.inner_programs import Leaves, Part, part_of
from sciad.transforms import custom as customs

__all__ = ["from_outside"]

DEEPEST = 3  # rules of rules of rules are traced: functions may be their own derivatives without end


@dataclass(eq=False)
class _Function:
    """A function of the program and its rules."""

    fn: Any
    push: Any
    pull: Any
    name: str


@lower(customs.custom)
def _custom(t, f, pushforward=None, pullback=None, rules_from=None):
    name = getattr(getattr(f, "fn", None), "__name__", None) or getattr(
        getattr(f, "source", f), "name", "ad.custom"
    )
    return Bound(_call_custom, (_Function(f, pushforward, pullback, name),))


def from_outside(obj: customs.Custom, path, resolve) -> Bound:
    """A function made by `custom` outside of the compiled one."""
    if obj.rules_from is not None or (getattr(obj.fn, "__module__", None) or "").startswith("sciad."):
        raise Refusal(
            f"{obj.name} has derivative rules of its own, which compiled code would not follow",
            "Call it outside of the compiled function; or, if the rules are those of another way to "
            "write it, enter that by sciad.rule_table.composite.",
        )
    fn, push, pull = (
        resolve(getattr(obj, name), path.attr(name)) for name in ("fn", "_pushforward", "_pullback")
    )
    return Bound(_call_custom, (_Function(fn, push, pull, obj.name),))


def _call_custom(function, /, *args, **kwargs):
    """Stands for a function that `custom` returns."""


@lower(_call_custom)
def _apply_custom(t, function, /, *args, **kwargs):
    if kwargs:
        raise Refusal(f"{function.name} has derivative rules of its own: give it its arguments by position")
    what, args = f"{function.name}, which has rules of its own,", tuple(args)
    given = Leaves(t, args, f"an argument of {what}", floats=True)
    primal = _Primal(t, _spread, [function.fn, args], {}, [1], what, floats=True)
    out = primal.results
    rules = _rules(t, function, args, given, out, what)
    x = given.copied()
    y = arrays.allocate(t, (out.size,), "f")
    t.builder.emit(Custom("custom", (_view(y),), (_view(x),), _piece(t, primal), *rules, function.name))
    leaves = zip(out.leaves, out.kinds, out.at, out.shapes, strict=True)
    return out.tree(
        [
            leaf if kind is None else _read(t, part_of(t, y, at, shape, kind))
            for leaf, kind, at, shape in leaves
        ]
    )


class _Primal(Part):
    """The function itself: writes into its arguments would be seen outside."""

    def _site(self, n: int, k: int) -> tuple:
        return "input", f"argument {n} {k} {super()._site(n, k)}"


def _rules(t, function: _Function, args: tuple, given: Leaves, out: Leaves, what: str) -> list[Piece | None]:
    found: list[Piece | None] = [None, None, None, None]
    if t.custom_depth >= DEEPEST:
        return found
    wanted = [function.push is not None, function.pull is not None]
    if t.custom_depth and wanted[1]:
        wanted[0] = False  # one gives the other
    cotangents = out.tree([x if k == "f" else None for x, k in zip(out.leaves, out.kinds, strict=True)])
    cases = ((_pushed, function.push, _tangents(t, args), out), (_pulled, function.pull, cotangents, given))
    with _deeper(t):
        for k, (run, rule, direction, like) in enumerate(cases):
            if wanted[k]:
                part = Part(t, run, [rule, args, direction, like], {}, [1, 2], what, split=True, floats=True)
                found[k] = _piece(t, part)
                found[k + 2] = _piece(
                    t, Part(t, _result, [rule, args, direction, k], {}, [1], what, floats=True)
                )
                for piece in (found[k], found[k + 2]):
                    _refuse_reads(t, piece.block, what)
    return found


@contextmanager
def _deeper(t):
    t.custom_depth += 1
    try:
        yield
    finally:
        t.custom_depth -= 1


def _tangents(t, args: tuple) -> tuple:
    """Directions: floats for floats, zeros for ints, None for the rest and for arguments without floats."""
    found = []
    for a in args:
        leaves = Leaves(t, a, "an argument", floats=True)
        if "f" not in leaves.kinds:
            found.append(None)
            continue
        zero = [
            x if kind == "f" else 0 if is_scalar(x) and not isinstance(x, bool) else None
            for x, kind in zip(leaves.leaves, leaves.kinds, strict=True)
        ]
        found.append(leaves.tree(zero))
    return tuple(found)


def _piece(t, part: Part) -> Piece:
    t.inner_count += 1
    result = f"result{t.inner_count}"
    return Piece(moved(part.program.body, {"out": (result, 0, None)}), tuple(part.names), result)


def _refuse_reads(t, block: Block, what: str) -> None:
    """A rule is run when the derivative is taken: arrays may have been written meanwhile."""
    root = t.program.root
    own = {root(n.alias) for n in walk(block) if hasattr(n, "size") and is_arena(n.mem)}
    for n in walk(block):
        for kind, mem, _, alias in accesses(n):
            if kind == "load" and is_arena(mem) and root(alias) not in own:
                raise Refusal(
                    f"a derivative rule of {what} reads an array that the compiled function has made",
                    "Make it an argument.",
                )


def _view(x: Array) -> View:
    return View(x.mem, x.address, x.shape, x.strides, x.alias)


def _read(t, x: Array):
    """A number or an array from what was just computed."""
    if x.shape == ():
        return arrays.element(t, x, ())
    site = (*t.site(), "custom", repr(x.address.const))
    if math.prod(x.shape) > arrays.UNROLL or t.decisions.get(site) is not None:
        return x
    cells = [arrays.element(t, x, idx) for idx in arrays.indices(x.shape)]
    return Small(t.box(dict(enumerate(cells)), frozenset([site])), x.shape, tuple(range(len(cells))), x.kind)


# ------------------------------------------------------------ what the programs compute


def _spread(fn, args):
    """``fn(*args)``."""


def _pushed(rule, args, tangents, out):
    """Tangents of the result, one behind the other."""


def _pulled(rule, args, cotangent, given):
    """Cotangents of the arguments, one behind the other."""


def _result(rule, args, tangents, k):
    """The result as a rule computes it."""


@lower(_result)
def _apply_result(t, rule, args, tangents, k):
    return t.items(t.call(rule, [args] if k else [args, tangents], {}), 2)[0]


@lower(_spread)
def _apply_spread(t, fn, args):
    return t.call(fn, list(args), {})


@lower(_pushed)
def _apply_pushed(t, rule, args, tangents, out):
    pair = t.items(t.call(rule, [args, tangents], {}), 2)
    found = _match(t, out.structure, pair[1], "the pushforward")
    return tuple(
        _like(t, x if kind == "f" else None, shape, "the pushforward")
        for x, kind, shape in zip(found, out.kinds, out.shapes, strict=True)
        if kind is not None
    )


@lower(_pulled)
def _apply_pulled(t, rule, args, cotangent, given):
    pull = t.items(t.call(rule, [args], {}), 2)[1]
    found = _match(t, given.structure, t.call(pull, [cotangent], {}), "the pull")
    return tuple(
        _like(t, x, shape, "the pull")
        for x, kind, shape in zip(found, given.kinds, given.shapes, strict=True)
        if kind is not None
    )


def _match(t, structure, x, who: str) -> list:
    """The parts of a tangent or cotangent along a structure; None stands for a part that is zero."""
    if structure is tree.LEAF:
        return [x]
    _, keys, parts = structure
    if x is None:
        found = [None] * len(parts)
    elif isinstance(x, DictBox | RecordBox):
        found = [x.slots.get(k) for k in keys] if keys is not None and list(x.slots) == list(keys) else []
    else:
        found = list(t.items(x)) if isinstance(x, tuple | ListBox) else []
    if len(found) != len(parts):
        raise Refusal(f"{who} returned another structure than {tree.describe(structure)}")
    return [leaf for child, part in zip(found, parts, strict=True) for leaf in _match(t, part, child, who)]


def _like(t, x, shape: tuple, who: str):
    """A tangent or cotangent of this shape."""
    if x is None:
        return arrays.filled(t, shape, 0.0) if shape else 0.0
    x = t.unwrapped(x)
    if not (is_array(x) or is_scalar(x)):
        raise Refusal(f"{who} returned {t.describe(x)}")
    if is_array(x) and not x.shape:
        x = arrays.element(t, t.settled(x), ())
    if (x.shape if is_array(x) else ()) != shape:
        raise Refusal(f"{who} returned an array of another shape than {arrays.show_shape(shape)}")
    return x
