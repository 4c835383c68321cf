"""Functions with derivative rules of their own."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from sciad import rule_table as table
from sciad.eager.dual import Dual
from sciad.eager.ownership import private
from sciad.eager.rebind import rebind
from sciad.eager.tape import accumulate, keep
from sciad.eager.traced import PLAIN, Level, Traced, next_level, operand
from sciad.errors import NotDifferentiable
from sciad.plain_numpy import np
from sciad.portable import Portable
from sciad.transforms.captured import frozen
from sciad.transforms.later_calls import Witness
from sciad.transforms.vmap import batch_levels, map_elements
from sciad.tree import LEAF, children, describe, flatten, unflatten


def custom(
    f: Callable,
    pushforward: Callable | None = None,
    pullback: Callable | None = None,
    rules_from: str | None = None,
) -> Custom:
    """Give a function its own derivative rules.

    Parameters
    ----------
    f : callable
        Arguments and result are numbers, arrays or nested structures of them; anything else in the
        arguments passes through as it is.
    pushforward : callable, optional
        ``pushforward(args, tangents) -> (out, dout)``; `args` is the tuple of arguments, `tangents` has
        one entry per argument, of its structure, None where the argument is not differentiated.
    pullback : callable, optional
        ``pullback(args) -> (out, pull)`` with ``pull(gout) -> tuple`` of one cotangent per argument (None for
        zero).  Of the two rules one is enough: the other mode then runs it once per entry.
    rules_from : str, optional
        A package imported the first time a rule is wanted and absent; it calls `def_pushforward` and
        `def_pullback` of the result.

    Returns
    -------
    Custom
        Called as `f`.  Rules may be called with values of other transforms inside; written in differentiable
        calls, they are differentiated in turn.  What rules are given is theirs, and what they return is
        copied: they may write into arrays and use them again.

    Examples
    --------
    >>> import numpy as np, sciad as ad
    >>> pullback = lambda args: (args[0] ** 3, lambda g: (3 * args[0] ** 2 * g,))
    >>> cube = ad.custom(lambda x: x**3, pullback=pullback)
    >>> ad.grad(cube)(2.0)
    np.float64(12.0)
    """
    return Custom(f, pushforward, pullback, rules_from)


class Custom(Portable):
    """A callable with its own derivative rules; made by `custom`."""

    kind = "custom"
    definition = None
    whole = False  # under `vmap`: call the function and its rules for each element
    pure = False  # reads nothing but its arguments, for sure

    def __init__(self, f, pushforward=None, pullback=None, rules_from=None):
        self.fn, self.rules_from = f, rules_from
        self._pushforward, self._pullback = pushforward, pullback
        self.name = self.__name__ = getattr(f, "__name__", repr(f))
        self.__doc__, self.__wrapped__ = getattr(f, "__doc__", None), f

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        leaves: list = []
        if kwargs:
            args = self._positional(args, kwargs)
        structures = []
        top, level = None, 0
        for arg in args:
            cls = arg.__class__
            if cls in PLAIN or (cls is np.ndarray and arg.dtype is _F64):
                leaves.append(arg)
                structures.append(ONE_LEAF)
                continue
            if isinstance(arg, Traced):
                leaves.append(arg)
                structures.append(ONE_LEAF)
                if arg.level > level:
                    top, level = arg, arg.level
                continue
            found, structure = flatten(arg)
            for leaf in found:
                if isinstance(leaf, np.ndarray):
                    leaf = operand(leaf)
                if isinstance(leaf, Traced) and leaf.level > level:
                    top, level = leaf, leaf.level
                leaves.append(leaf)
            structures.append((structure, len(found)))
        if top is None:
            return self.fn(*_rebuild(structures, leaves))
        return top.process(Call(self, structures), leaves, {})

    def made_of(self) -> tuple:
        return self.fn, self._pushforward, self._pullback, self.rules_from

    def def_pushforward(self, rule: Callable) -> Callable:
        """Register the forward rule; also a decorator."""
        self._pushforward = rule
        return rule

    def def_pullback(self, rule: Callable) -> Callable:
        """Register the reverse rule; also a decorator."""
        self._pullback = rule
        return rule

    def frozen(self) -> Custom:
        """The same with functions that go on seeing what they capture as it is now."""
        fn, *rules = [f and frozen(rebind(f)) for f in (self.fn, self._pushforward, self._pullback)]
        same = Custom(fn, *rules, self.rules_from)
        same.name, same.whole, same.pure = self.name, self.whole, self.pure
        return same

    def _rule(self, name):
        rule = getattr(self, name)
        if rule is None and self.rules_from is not None:
            importlib.import_module(self.rules_from)
            rule = getattr(self, name)
        return rule and rebind(rule)

    def _positional(self, args, kwargs):
        bound = inspect.signature(self.fn).bind(*args, **kwargs)
        bound.apply_defaults()
        if bound.kwargs:
            raise TypeError(
                f"{self.name}: keyword-only arguments {sorted(bound.kwargs)} cannot be differentiated"
            )
        return bound.args


class Call:
    """One call of a custom function: what the levels ask of a record."""

    __slots__ = ("before", "prim", "structures")
    kind = "custom"
    definition = None
    view = False

    def __init__(self, prim, structures):
        self.prim, self.structures, self.before = prim, structures, None

    def fn(self, *leaves):
        return self.prim(*_rebuild(self.structures, leaves))

    def whole(self, leaves):
        return self.prim.fn(*_rebuild(self.structures, leaves))

    def batch_levels(self, values):
        return {} if self.prim.whole else batch_levels(values)

    def forward(self, dual, values, tangents):
        """Run the pushforward at the level of `dual`."""
        for level, length in self.batch_levels([*values, *tangents]).items():
            return map_elements(
                level, length, lambda v, t: self.forward(dual, v, t), list(values), list(tangents)
            )
        values, tangents = list(map(private, values)), list(map(private, tangents))
        rule = self.prim._rule("_pushforward")
        args = _rebuild(self.structures, values)
        if rule is None:
            if self.prim._rule("_pullback") is None:
                raise table.missing(self.prim.fn, None, "forward")
            out, dout = self._push_by_pulls(args, values, tangents)
        else:
            directions = _by_argument(self.structures, values, tangents)
            out, dout = rule(args, directions)
        outs, structure = flatten(out)
        self._check_captures(outs, dual.level)
        douts = _match(f"the pushforward of {self.prim.name}", dout, structure)
        return unflatten(
            structure,
            [
                Dual(private(_numpy_value(o)), private(_shaped(t, o)), dual.level) if _is_float(o) else o
                for o, t in zip(outs, douts, strict=True)
            ],
        )

    def reverse(self, var, values, parents):
        """Run the pullback's forward half at the level of `var` and write the call down."""
        rule = self.prim._rule("_pullback")
        values = [
            keep(v, var.tape) if j is None else private(v) for v, j in zip(values, parents, strict=True)
        ]
        prim = self.prim
        users = not (getattr(prim.fn, "__module__", None) or "").startswith("sciad.")
        if users and (rule is None or var.tape.replayed):
            self.prim = prim.frozen()  # its rules are called later
        args = _rebuild(self.structures, values)
        if rule is None:
            if self.prim._rule("_pushforward") is None:
                raise table.missing(self.prim.fn, None, "reverse")
            rule = _Pushes(self, prim, parents).pullback
        levels = self.batch_levels(values)
        for level, length in levels.items():
            rule = _each_pullback(rule, level, length)
        out, pull = rule(args)
        if users:
            pull = frozen(pull)
        if not self.prim.whole:
            pull = each_pull(pull, set(levels))
        self.before = Witness(out) if var.tape.replayed and not prim.pure else None
        if out.__class__ is np.ndarray or out.__class__ is np.float64:
            return var.wrap(private(out), Pull(self, pull, LEAF), tuple(values), tuple(parents))
        outs, structure = flatten(out)
        self._check_captures(outs, var.level)
        if structure is LEAF and _is_float(out):
            return var.wrap(private(_numpy_value(out)), Pull(self, pull, LEAF), tuple(values), tuple(parents))
        outs = tuple([private(_numpy_value(o)) if _is_float(o) else o for o in outs])
        wrapped = var.wrap(outs, Pull(self, pull, (structure,)), tuple(values), tuple(parents))
        return unflatten(structure, wrapped)

    def push(self, values, tangents):
        """Return the tangents of the leaves of the output: what `linearize` asks."""
        dual = Dual(None, None, Level(next_level()))
        outs = flatten(self.forward(dual, values, tangents))[0]
        if self.before is not None:
            self.before.check(outs, self.prim.fn)
        mine = [o.__class__ is Dual and o.level == dual.level for o in outs]
        return [o.tangent if m else None for o, m in zip(outs, mine, strict=True)]

    def _check_captures(self, outs, level):
        for o in outs:
            if isinstance(o, Traced) and o.level >= level:
                raise NotDifferentiable(
                    f"{self.prim.name} uses a value being differentiated that is not among its arguments "
                    "(it captures it, or an object it captures holds it): pass it as an argument"
                )

    def _push_by_pulls(self, args, values, tangents):
        """Forward mode of a function that has a pullback only: one pull per entry of the output."""
        out, pull = self.prim._rule("_pullback")(args)
        outs, structure = flatten(out)
        results = []
        for k, o in enumerate(outs):
            shape = np.shape(o)
            entries = []
            for i in range(int(np.prod(shape))):
                unit = np.zeros(shape)
                unit.reshape(-1)[i] = 1.0
                seed = [np.zeros(np.shape(b)) if j != k else unit for j, b in enumerate(outs)]
                cotangents = _leaf_cotangents(self, pull(unflatten(structure, seed)), values)
                total = 0.0
                for c, t in zip(cotangents, tangents, strict=True):
                    if c is not None and t is not None:
                        total = total + np.sum(c * t)
                entries.append(total)
            results.append(
                np.reshape(np.stack([operand(e) for e in entries]), shape) if entries else np.zeros(shape)
            )
        return out, unflatten(structure, results)


def _each_pullback(rule, level, length):
    """The pullback of every element of a `vmap`."""

    def pullback(args):
        pulls = []

        def one(*args):
            out, pull = rule(args)
            pulls.append(pull)
            return out

        out = map_elements(level, length, one, *args)

        def pull(g):
            rest = iter(pulls)
            return map_elements(level, length, lambda c: tuple(next(rest)(c)), g)

        return out, pull

    return pullback


def each_pull(pull, known):
    """A pull for cotangents over which a `vmap` runs that does not run over the arguments."""

    def mapped(g):
        for level, length in batch_levels(flatten(g)[0]).items():
            if level not in known:
                one = each_pull(pull, known | {level})
                return map_elements(level, length, lambda c, one=one: tuple(one(c)), g)
        return pull(g)

    return mapped


class Pull:
    """Reverse rule of one call of a custom function."""

    __slots__ = ("call", "pull_", "structure")

    def __init__(self, call, pull, structure):
        self.call, self.pull_, self.structure = call, pull, structure

    def pull(self, g, y, args, parents, grads, owned):
        if self.structure is not LEAF:
            missing = [c is None and _is_float(o) for c, o in zip(g, y, strict=True)]
            parts = [np.zeros(np.shape(o))[()] if m else c for m, c, o in zip(missing, g, y, strict=True)]
            g = unflatten(self.structure[0], list(map(private, parts)))
        else:
            g = private(g)
        cotangents = _leaf_cotangents(self.call, self.pull_(g), args)
        for j, c, x in zip(parents, cotangents, args, strict=True):
            if j is not None and c is not None:
                accumulate(grads, j, private(_numpy_value(c)), x)

    def push(self, y, args, tangents):
        found = self.call.push(args, tangents)
        return found[0] if self.structure is LEAF else tuple(found)


class _Pushes:
    """Reverse mode of a function that has a pushforward only: one push per entry of the active arguments."""

    def __init__(self, call, prim, parents):
        self.call, self.prim, self.parents = call, prim, parents

    def pullback(self, args):
        return self.prim(*args), lambda g: self.pull(args, g)

    def pull(self, args, gout):
        gs = flatten(gout)[0]
        values = [
            leaf
            for arg, (structure, _) in zip(args, self.call.structures, strict=True)
            for leaf in ([arg] if structure is LEAF else flatten(arg)[0])
        ]
        results = []
        for k, (x, j) in enumerate(zip(values, self.parents, strict=True)):
            if j is None:
                results.append(None)
                continue
            entries = []
            for i in range(int(np.prod(np.shape(x)))):
                unit = np.zeros(np.shape(x))
                unit.reshape(-1)[i] = 1.0
                tangents = [unit[()] if m == k else None for m in range(len(values))]
                directions = _by_argument(self.call.structures, values, tangents)
                douts = flatten(self.call.prim._rule("_pushforward")(args, directions)[1])[0]
                entries.append(sum(np.sum(g * d) for g, d in zip(gs, douts, strict=True)))
            results.append(np.reshape(np.stack([operand(e) for e in entries]), np.shape(x)))
        return tuple(_rebuild(self.call.structures, results))


def _rebuild(structures, leaves):
    """Put leaves back into the arguments they came from."""
    args, i = [], 0
    for structure, n in structures:
        args.append(leaves[i] if structure is LEAF else unflatten(structure, leaves[i : i + n]))
        i += n
    return tuple(args)


def _by_argument(structures, values, tangents):
    """Tangents in the structure of the arguments, None for an argument that does not move."""
    directions, i = [], 0
    for structure, n in structures:
        part = tangents[i : i + n]
        if all(t is None for t in part):
            directions.append(None)
        else:
            part = [
                (np.zeros(np.shape(v))[()] if _is_float(v) or v.__class__ is int else None)
                if t is None
                else t
                for t, v in zip(part, values[i : i + n], strict=True)
            ]
            directions.append(part[0] if structure is LEAF else unflatten(structure, part))
        i += n
    return tuple(directions)


def _leaf_cotangents(call, cotangents, values):
    """Flatten what a pull returned to one cotangent per leaf of the arguments."""
    structures = call.structures
    if not isinstance(cotangents, (tuple, list)) or len(cotangents) != len(structures):
        raise TypeError(
            f"the pull of {call.prim.name} must return a tuple of {len(structures)} cotangents, one per "
            f"argument (None for zero), not {cotangents!r}"
        )
    leaves = []
    for k, (c, (structure, n)) in enumerate(zip(cotangents, structures, strict=True)):
        if c is None:
            leaves.extend([None] * n)
        elif structure is LEAF:
            leaves.append(c)
        else:
            leaves.extend(_match(f"the pull of {call.prim.name} for argument {k}", c, structure))
    return leaves


def _match(who, c, structure):
    """Flatten a tangent or cotangent along the structure it belongs to; None stands for a part that is
    zero.
    """
    if structure is LEAF:
        return [c]
    parts = structure[2]
    found = [None] * len(parts) if c is None else [child for _, child in children(c) or ()]
    if len(found) != len(parts):
        raise TypeError(f"{who} returned another structure than {describe(structure)}: {c!r}")
    return [leaf for child, part in zip(found, parts, strict=True) for leaf in _match(who, child, part)]


def _is_float(x):
    return isinstance(x, (float, Traced)) or (
        isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "fc"
    )


def _numpy_value(x):
    return np.float64(x) if x.__class__ in (float, int) else operand(x)


def _shaped(t, o):
    if t is None:
        return np.zeros(np.shape(o))[()]
    t = _numpy_value(t)
    if np.shape(t) != np.shape(o):
        raise ValueError(
            f"a pushforward returned a tangent of shape {np.shape(t)} for an output of shape {np.shape(o)}"
        )
    return t


_F64 = np.dtype(np.float64)
ONE_LEAF = (LEAF, 1)
