"""The step of a method together with a user's drift and diffusion, as the loops see it.

The whole step is compiled as one function of t, h, the state y, the noise w and the parameters p; where that
is not possible it is Python behind the same C entries. Steps of small systems without loops are also
compiled over lanes: one call makes the step of 16 paths, as vector code.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import sciad as ad
from sciad.errors import NotDifferentiable
from sciad.native.code import compiled
from sciad.solvers.model.entries import CallbackEntries, CompiledEntries, Entries
from sciad.solvers.model.parameters import unpacker
from sciad.solvers.sde.fixed_loop import LANES
from sciad.tree import flatten, unflatten

__all__ = ["CallbackStep", "CompiledStep", "step_function"]

SMALL = 48  # numbers that a step over lanes may keep in registers: state, noise and parameters
LONG = 300  # lines of a step that is compiled over lanes


def step_function(step: Callable, drift: Callable, diffusion: Callable, times: Callable):
    """The step as a function of (t, h, y, w, args)."""

    def advance(t, h, y, w, args):
        return step(drift, diffusion, times, t, h, y, w, args)

    return advance


class Step(Entries):
    """The step as a function of (t, h, y, w, p) with its derivatives, by address.

    Attributes
    ----------
    sizes : dict
        Numbers in "y", "noise", "out" (y, and its error where that is estimated) and "p": the floats of args,
        then the captured ones.
    captured : list
        Present values of the captured numbers and arrays; traced where they are.
    """

    convention: ClassVar = {
        "primal": ("t h y noise p", "out"),
        "pullback": ("t h y noise p gout", "out gt+ gh+ gy+ gnoise+ gp+"),
        "pushforward": ("t h y noise p dt dh dy dnoise dp", "out dout"),
    }
    by_value = frozenset({"t", "h", "dt", "dh"})

    def size(self, name: str) -> int:
        letter = name.rstrip("+").lstrip("dg")[0]
        return 1 if letter in "th" else self.sizes[{"n": "noise", "o": "out"}.get(letter, letter)]

    def by_place(self, kinds: tuple[str, ...], address: Callable[[str], int]) -> np.ndarray:
        """The addresses of some kinds where the loops expect them."""
        table = np.zeros(len(self.convention), dtype=np.int64)
        for place, kind in enumerate(self.convention):
            if kind in kinds:
                table[place] = address(kind)
        return table


class CompiledStep(CompiledEntries, Step):
    """A step compiled together with drift and diffusion."""

    def __init__(self, advance: Callable, y, w, args):
        from sciad.compiler.compiled_function import Group, compile_function

        groups = [
            Group("t", 0.0, True),
            Group("h", 1.0, True),
            Group("y", y),
            Group("noise", w),
            Group("p", args),
        ]
        self.function = compile_function(advance, groups)
        self.sizes = {**self.function.n_in, "out": self.function.n_out}

    @property
    def captured(self) -> list:
        return [capture.get() for capture in self.function.captures]

    def entries(self, *kinds: str) -> LoopEntries:
        return self.function.once(("entries of steps", kinds), lambda: self._entries(kinds))

    def _entries(self, kinds) -> LoopEntries:
        texts = {kind: self.function.text(kind) for kind in kinds}
        lanes = all(self._fits(text) for text in texts.values())

        def address(kind):
            return _lane_address(texts[kind], kind, self.sizes) if lanes else self.address(kind)

        return LoopEntries(self.by_place(kinds, address), self.work_size_of(*kinds), lanes)

    def _fits(self, text) -> bool:
        size = self.sizes["y"] + self.sizes["noise"] + self.sizes["p"]
        looped = any(line.lstrip().startswith(("for ", "while ")) for line in text.body)
        return size <= SMALL and len(text.body) <= LONG and not looped and not text.grows


class CallbackStep(CallbackEntries, Step):
    """A step in Python behind the C entries of a compiled one; slow, and right.

    Derivatives come from the eager transforms.
    """

    def __init__(self, advance: Callable, y, w, args, estimate: bool = False):
        super().__init__(
            {"primal": self._primal, "pullback": self._pullback, "pushforward": self._pushforward}
        )
        self.arguments, n_p = unpacker(*flatten(args))
        self.advance, self.y, self.w = advance, y, w
        self.sizes = {"y": _count(y), "noise": _count(w), "p": n_p, "out": _count(y) * (1 + estimate)}
        self.captured: list = []

    def entries(self, *kinds: str) -> LoopEntries:
        return LoopEntries(self.by_place(kinds, self.address), self.work_size_of(*kinds), False)

    def evaluate(self, t, y, p):
        """What a short step adds to y, for `sciad.solvers.model.entries.Witness`."""
        y = np.tile(y, self.sizes["y"] // len(y))
        return self.run(t, 1e-3, y, np.linspace(0.02, 0.04, self.sizes["noise"]), p) - y

    def run(self, t, h, y, w, p):
        """The step on flat values, traced or not."""
        out = self.advance(t, h, _fold(y, self.y), _fold(w, self.w), self.arguments(p))
        return np.concatenate([np.ravel(x) for x in flatten(out)[0]])

    def _primal(self, t, h, y, w, p):
        result = self.run(t, h, y, w, p)
        if ad.is_traced(result):
            raise NotDifferentiable(
                "drift or diffusion captures a value that is being differentiated, "
                "and the model is not compiled: pass that value in args"
            )
        return (result,)

    # times and noise are constants: models may take them apart with int() and float()

    def _pushforward(self, t, h, y, w, p, dt, dh, dy, dw, dp):
        return ad.jvp(lambda y, p: self.run(t, h, y, w, p), (y, p), (dy, dp))

    def _pullback(self, t, h, y, w, p, gout):
        out, pull = ad.vjp(lambda y, p: self.run(t, h, y, w, p), y, p)
        gy, gp = pull(gout)
        return out, 0.0, 0.0, gy, 0.0, gp


@dataclass(frozen=True)
class LoopEntries:
    """What a loop over paths is given of a step.

    Attributes
    ----------
    table : ndarray of int64
        Addresses of primal, pullback and pushforward, 0 where they are not wanted.
    work : int
        Size of the workspace they want.
    lanes : bool
        Whether one call makes the step of `LANES` paths.
    """

    table: np.ndarray
    work: int
    lanes: bool


def _lane_address(text, kind: str, sizes: dict[str, int]) -> int:
    return compiled(lane_text(text, kind, sizes), f"{text.name}_lanes", "lanes").address


def lane_text(text, kind: str, sizes: dict[str, int]) -> str:
    """Module with an entry ``lanes`` that makes the step for every lane of component-major arrays."""
    from sciad.compiler.backend.module import module_text

    # the scalar entry becomes a function that is inlined into the loop over lanes
    module = module_text(text)
    head, body = module.split("@cfunc(", 1)
    body = body[body.index(f"def {text.name}(") :]
    options = 'error_model="numpy", fastmath={"contract", "nsz"}'
    n, m, q = sizes["y"], sizes["noise"], sizes["p"]
    lanes = _Lanes(options)
    p = lanes.shared("p", q)
    if kind == "primal":
        arrays = ["Y", "W", "p"]
        lanes.read("y", "Y", n).read("v", "W", m).local("out", n)
        lanes.calls(f"{text.name}(t, h, y, v, {p}, out, w)").write("Y", "out", n)
    elif kind == "pushforward":
        arrays = ["Y", "W", "p", "DY", "dp"]
        dp = lanes.shared("dp", q)
        lanes.read("y", "Y", n).read("v", "W", m).read("dy", "DY", n).zero("dv", m)
        lanes.local("out", n).local("dout", n)
        lanes.calls(f"{text.name}(t, h, y, v, {p}, 0.0, 0.0, dy, dv, {dp}, out, dout, w)")
        lanes.write("Y", "out", n).write("DY", "dout", n)
    else:
        arrays = ["Y", "W", "p", "A", "G"]
        lanes.read("y", "Y", n).read("v", "W", m).read("a", "A", n).local("out", n)
        lanes.zero("gt", 1).zero("gh", 1).zero("gy", n).zero("gv", m).read("gp", "G", q)
        lanes.calls(f"{text.name}(t, h, y, v, {p}, a, out, gt, gh, gy, gv, gp, w)")
        lanes.write("A", "gy", n).write("G", "gp", q)
    return "\n".join(
        [
            head,
            "from sciad.native.intrinsics import stack_f64",
            "from sciad.native.scalar_functions import pointer_to, shift",
            "",
            f"@njit({options}, forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)",
            body,
            lanes.text(arrays),
        ]
    )


class _Lanes:
    """Writes the loop over lanes: gather, call, scatter, all with constant indices."""

    def __init__(self, options: str):
        self.options = options
        self.before: list[str] = []
        self.body: list[str] = []

    def shared(self, name: str, size: int) -> str:
        """A copy of what all lanes share, so that no store of a lane can change it."""
        self.before.append(f"{name}_ = pointer_to(stack_f64({max(size, 1)}))")
        self.before += [f"{name}_[{i}] = {name}[{i}]" for i in range(size)]
        return f"{name}_"

    def local(self, name: str, size: int):
        self.before.append(f"{name} = pointer_to(stack_f64({max(size, 1)}))")
        return self

    def read(self, name: str, source: str, size: int):
        self.local(name, size)
        self.body += [f"{name}[{i}] = {source}[{i * LANES} + lane]" for i in range(size)]
        return self

    def zero(self, name: str, size: int):
        self.local(name, size)
        self.body += [f"{name}[{i}] = 0.0" for i in range(size)]
        return self

    def calls(self, expression: str):
        self.body.append(f"status |= {expression}")
        return self

    def write(self, target: str, name: str, size: int):
        self.body += [f"{target}[{i * LANES} + lane] = {name}[{i}]" for i in range(size)]
        return self

    def text(self, arrays: list[str]) -> str:
        kinds = ", ".join(["types.int64", "double", "double"] + ["pointer"] * (len(arrays) + 1))
        lines = [
            f"@cfunc(types.int64({kinds}), {self.options})",
            f"def lanes(count, t, h, {', '.join(arrays)}, w):",
            *("    " + line for line in self.before),
            "    status = 0",
            "    for lane in range(count):",
            *("        " + line for line in self.body),
            "    return status",
        ]
        return "\n".join(lines) + "\n"


def _count(template) -> int:
    return sum(np.size(x) for x in flatten(template)[0])


def _fold(flat, template):
    leaves, structure = flatten(template)
    place, out = 0, []
    for leaf in leaves:
        size = math.prod(np.shape(leaf))
        out.append(np.reshape(flat[place : place + size], np.shape(leaf)))
        place += size
    return unflatten(structure, out)
