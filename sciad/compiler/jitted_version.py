"""One compiled version of a jitted function: leaves in, result out."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from sciad.compiler.compiled_function import CompiledFunction
from sciad.compiler.differentiable_program import Primitive
from sciad.compiler.tracing.given import WithObjects
from sciad.compiler.tracing.trace import OutTree
from sciad.eager.traced import is_traced
from sciad.transforms.custom import custom
from sciad.tree import LEAF, flatten

__all__ = ["LARGE", "Version", "flat", "name_of"]

LARGE = 64  # arrays of more elements are inputs of their own, and not copied
_ARRAY = np.ndarray
_NOTHING, _ONES = (np.zeros(0),), np.ones(1)


class Version:
    """One compiled version: leaves in, result out."""

    def __init__(self, function: CompiledFunction, shapes: list[tuple]):
        self.matches, self.gather = function.matches, function.gather_from
        self.out_tree = function.out_tree
        self.given = isinstance(function.fun, WithObjects)
        self.primitive = Primitive(function.program())
        self.call = custom(self.value, self.push, self.pull)
        self.call.name = self.call.__name__ = name_of(function.fun)
        self.call.whole = True
        sizes = [math.prod(s) for s in shapes]
        self.large = frozenset(k for k, n in enumerate(sizes) if n > LARGE)
        self.places, at = [], 0  # of leaves in the vector of small ones: where each begins and ends
        for k, n in enumerate(sizes):
            self.places.append(None if k in self.large else (at, at + n, bool(shapes[k])))
            at += 0 if k in self.large else n
        self.shapes, self.n_small, self.n_out = shapes, at, function.n_out
        self.captures = bool(function.captures)
        tree = self.out_tree
        single = tree.structure is LEAF and not tree.statics and tree.shapes[0][1] == "f"
        self.result = tree.shapes[0][0] if single else None
        self.tangent_tree = OutTree(tree.structure, [(shape, "f") for shape, _ in tree.shapes], tree.statics)
        self.wanted: dict = {}
        self.calls: dict = {}

    def __call__(self, leaves: list):
        traced = tuple(map(is_traced, leaves))
        if any(traced):
            return self.call_with(traced)(*leaves)
        return self.value(*leaves)

    def call_with(self, traced: tuple[bool, ...]):
        """The custom function whose pullback sweeps only the inputs that hold traced leaves."""
        found = self.calls.get(traced)
        if found is None:
            wrt = [traced[k] for k in sorted(self.large)]
            wrt.append(any(t for k, t in enumerate(traced) if k not in self.large))
            found = self.call
            if not all(wrt):
                found = custom(self.value, self.push, functools.partial(self.pull, wrt=tuple(wrt)))
                found.name, found.__name__, found.whole = self.call.name, self.call.__name__, True
            self.calls[traced] = found
        return found

    def direct(self, args: tuple, captured: tuple):
        """The same for plain arguments that are leaves: straight to the machine code."""
        out = np.empty(self.n_out)
        self.run("primal", self.vectors(args, captured), out)
        return self.built(out)

    def direct_without_nan(self, args: tuple) -> tuple | None:
        """The result, alone in a tuple; None where it holds NaN."""
        out = np.empty(self.n_out)
        self.run("primal", self.vectors(args, ()), out)
        return None if _nan(out) else (self.built(out),)

    def run(self, kind, inputs: list, *others: np.ndarray) -> None:
        """Call the machine code."""
        enter, address, size = self.primitive.entry(kind)
        try:
            status = enter(address, *inputs, *others, np.empty(size))
        except TypeError:  # of what it takes for arrays: read-only, or not aligned
            status = enter(address, *[np.array(x) for x in inputs], *others, np.empty(size))
        if status:
            self.primitive.fail(status)

    def built(self, out: np.ndarray):
        """The result from one vector."""
        shape = self.result
        if shape is None:
            return self.out_tree.unflatten(out)
        return out.reshape(shape) if shape else out[0]

    def gradient(self, args: tuple, captured: tuple, numbers: tuple):
        """Value and gradients with respect to some arguments; None where they hold NaN."""
        how = self.wanted.get(numbers)
        if how is None:
            wrt = tuple([k in numbers for k in sorted(self.large)])
            wrt += (any(k not in self.large for k in numbers),)
            how = self.wanted[numbers] = "pullback" if all(wrt) else ("pullback", wrt), wrt
        kind, wrt = how
        out = np.empty(1)
        bars = [
            np.zeros(x.size) if w else None for x, w in zip(self.primitive.program.inputs, wrt, strict=True)
        ]
        given = [b for b in bars if b is not None]
        self.run(kind, self.vectors(args, captured), _ONES, out, *given)
        for b in given:
            if _nan(b):
                return None
        small, found = bars[-1], []
        for n in numbers:
            place, shape = self.places[n], self.shapes[n]
            if place is None:
                found.append(bars[sorted(self.large).index(n)].reshape(shape))
            elif not shape:
                found.append(small[place[0]])
            else:
                part = (
                    small[place[0] : place[1]]
                    if len(small) == place[1] - place[0]
                    else small[place[0] : place[1]].copy()
                )
                found.append(part.reshape(shape))
        return out[0], tuple(found)

    def pushed(self, primals: tuple, tangents: tuple):
        """Value and tangent; None where it holds NaN."""
        out, dot = np.empty(self.n_out), np.empty(self.n_out)
        filled = tuple([np.zeros(s) if t is None else t for t, s in zip(tangents, self.shapes, strict=True)])
        self.run("pushforward", self.vectors(primals, ()), *self.vectors(filled, ()), out, dot)
        if _nan(dot):
            return None
        return self.built(out), self.tangent_tree.unflatten(dot)

    def vectors(self, args: tuple, captured: tuple) -> list[np.ndarray]:
        """The inputs of the program from plain leaves."""
        if len(args) == 1 and not captured:
            x = args[0]
            if x.__class__ is _ARRAY:
                return [x.reshape(-1), *_NOTHING] if self.large else [x.reshape(-1)]
            return [np.array((x,))]
        inputs, small = [], np.empty(self.n_small)
        for x, place in zip(args, self.places, strict=True):
            if place is None:
                inputs.append(x.reshape(-1))
            elif place[2]:
                small[place[0] : place[1]] = x if x.ndim == 1 else x.reshape(-1)
            else:
                small[place[0]] = x
        if self.captures:
            small = np.concatenate([small, *[np.ravel(x) for x in captured]], dtype=float)
        inputs.append(small)
        return inputs

    def inputs(self, leaves) -> tuple:
        """The inputs of the program: large arrays, and all other leaves as one vector."""
        large = [flat([leaves[k]]) for k in sorted(self.large)]
        return (*large, flat([x for k, x in enumerate(leaves) if k not in self.large]))

    def value(self, *leaves):
        return self.out_tree.unflatten(self.primitive(*self.inputs(leaves)))

    def push(self, leaves, dots):
        filled = [np.zeros(np.shape(x)) if d is None else d for x, d in zip(leaves, dots, strict=True)]
        out, out_dot = self.primitive.push(self.inputs(leaves), self.inputs(filled))
        return self.out_tree.unflatten(out), self.out_tree.unflatten(out_dot)

    def pull(self, leaves, wrt: tuple[bool, ...] | None = None):
        out, pull = self.primitive.pull(self.inputs(leaves), wrt)
        shapes = [np.shape(x) for x in leaves]

        def pull_leaves(g):
            *large, small = pull(flat(flatten(g)[0]))
            return tuple(self.leaves_of(dict(zip(sorted(self.large), large, strict=True)), small, shapes))

        return self.out_tree.unflatten(out), pull_leaves

    def leaves_of(self, large: dict, small, shapes) -> list:
        """Leaves from the vectors of the inputs."""
        parts, at = [], 0
        for k, shape in enumerate(shapes):
            if k in self.large:
                parts.append(None if large[k] is None else np.reshape(large[k], shape))
                continue
            if small is None:
                parts.append(None)
                continue
            size = math.prod(shape)
            parts.append(np.reshape(small[at : at + size], shape) if shape else small[at])
            at += size
        return parts


def _nan(x: np.ndarray) -> bool:
    """Whether a vector holds NaN, mostly by one product."""
    return not math.isfinite(x.dot(x)) and bool(np.isnan(x).any())


def flat(leaves):
    """One vector of all leaves, which may be traced values."""
    if len(leaves) == 1:
        (x,) = leaves
        if not is_traced(x):
            whole = np.ascontiguousarray(x, dtype=float).reshape(-1)
            return whole if whole.flags.writeable else whole.copy()  # entries take no others
        return np.reshape(x, (-1,))
    if any(map(is_traced, leaves)):
        return np.concatenate([np.reshape(x, (-1,)) for x in leaves])
    return np.concatenate([np.ravel(x) for x in leaves], dtype=float) if leaves else np.zeros(0)


def name_of(fun: Callable) -> str:
    while isinstance(fun, functools.partial):
        fun = fun.func
    return getattr(fun, "__name__", type(fun).__name__)
