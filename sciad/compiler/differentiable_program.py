"""A compiled program as one function of the eager core, with derivatives that are compiled programs in
turn."""

from __future__ import annotations

import numpy as np

from sciad.compiler.backend.emit import emit
from sciad.compiler.backend.module import native_address, trampoline
from sciad.compiler.derivatives.as_programs import cotangent, tangent
from sciad.compiler.derivatives.pullback import pullback
from sciad.compiler.derivatives.pushforward import pushforward
from sciad.compiler.derivatives.routine_rules import beside_derivatives
from sciad.compiler.ir.nodes import Program
from sciad.compiler.ir.routines import failure_of
from sciad.compiler.mapped_program import Rows
from sciad.compiler.passes.pipeline import finish, optimize
from sciad.eager.traced import is_traced
from sciad.eager.zeros import product, zeros
from sciad.recent import Made
from sciad.transforms.custom import custom
from sciad.transforms.map_failures import failures_are_nan
from sciad.transforms.vmap import find_batch


class Primitive:
    """``primitive(*inputs) -> out`` for flat float64 arrays, one per input group; inputs may be traced
    values.

    Derivatives of any order are native: those of plain arrays by the fused kinds (value and derivative in one
    program), those within other transforms by the primitives of the derivative programs.

    Products of derivatives are plain, and give NaN where 0 meets infinity.  Transforms see that and ask
    once more, for `heeding`: the same in which 0 wins (`sciad.eager.zeros`).

    Parameters
    ----------
    program : Program
    heeding : callable, optional
        Makes the primitive in which 0 wins; without it, `program` is no derivative and serves both.
    heeds : bool
        This is the one in which 0 wins.
    """

    def __init__(self, program: Program, heeding=None, heeds=False):
        self.program, self.heeds = program, heeds
        self.make_heeding = heeding or (lambda: Primitive(program, heeds=True))
        self.entries: dict[str, tuple] = {}  # in use
        self.call = custom(self.value, self.push, self.pull)
        self.call.name = self.call.__name__ = program.name
        self.call.pure = True
        self.call.whole = True  # under `vmap` it is given batches, and loops over their rows
        self.made = Made()

    def __call__(self, *inputs):
        return self.call(*inputs)

    def value(self, *inputs):
        batch = find_batch(inputs)
        if batch is not None:
            mapped = tuple(x.__class__ is batch.__class__ and x.level == batch.level for x in inputs)
            rows = [x.value if m else x for x, m in zip(inputs, mapped, strict=True)]
            return batch.rewrap(self.over_rows(mapped, failures_are_nan())(*rows))
        out = np.empty(self.program.n_out)
        self.run("primal", *inputs, out)
        return out

    def push(self, inputs, dots):
        dots = [np.zeros(np.shape(x)) if d is None else d for x, d in zip(inputs, dots, strict=True)]
        if any(map(is_traced, (*inputs, *dots))):
            return self.forward.call(*inputs), self.tangent(*inputs, *dots)
        out, out_dot = np.empty(self.program.n_out), np.empty(self.program.n_out)
        self.run("pushforward", *inputs, *(np.ascontiguousarray(d, float) for d in dots), out, out_dot)
        return out, out_dot

    def pull(self, inputs, wrt: tuple[bool, ...] | None = None):
        """Value and pullback; of plain inputs only those `wrt` have cotangents, others None."""
        if any(map(is_traced, inputs)):
            return self.forward.call(*inputs), lambda g: self.split(self.cotangent(*inputs, g))
        if self.program.n_out == 1:  # the gradient itself, in the same sweep as the value
            out, bars = self.gradient(inputs, _ONE, wrt)

            def scaled(g):
                if zeros.heeded:
                    return self.every([product(g, bar) for bar in self.gradient(inputs, _ONE, wrt)[1]], wrt)
                return self.every([g * bar for bar in bars], wrt)

            return out, scaled

        def pull(g):
            if is_traced(g):
                return self.split(self.cotangent(*inputs, g))
            return self.every(self.gradient(inputs, np.ascontiguousarray(g, float), wrt)[1], wrt)

        return self.forward.value(*inputs), pull

    def every(self, bars, wrt) -> tuple:
        """Cotangents of all inputs, from those of the wanted ones."""
        if wrt is None or all(wrt):
            return tuple(bars)
        found = iter(bars)
        return tuple([next(found) if wanted else None for wanted in wrt])

    @property
    def forward(self) -> Primitive:
        """The values as they are where derivatives are wanted, too."""
        return self.made.get("forward", self._forward)

    def _forward(self) -> Primitive:
        program = beside_derivatives(self.program)
        return self if program is self.program else Primitive(program, self.make_heeding, self.heeds)

    def gradient(self, inputs, g: np.ndarray, wrt: tuple[bool, ...] | None = None):
        """The value, and the cotangent of every input, or of those `wrt`."""
        out, sizes = np.empty(self.program.n_out), [x.size for x in self.program.inputs]
        if wrt is None or all(wrt):
            bars = tuple([np.zeros(n) for n in sizes])
            self.run("pullback", *inputs, g, out, *bars)
        else:
            bars = tuple([np.zeros(n) for n, wanted in zip(sizes, wrt, strict=True) if wanted])
            self.run(("pullback", wrt), *inputs, g, out, *bars)
        return out, bars

    def split(self, flat):
        parts, at = [], 0
        for x in self.program.inputs:
            parts.append(flat[at : at + x.size])
            at += x.size
        return tuple(parts)

    @property
    def heeding(self) -> Primitive:
        return self.made.get("heeding", self.make_heeding)

    @property
    def tangent(self) -> Primitive:
        return self.derived("tangent", tangent)

    @property
    def cotangent(self) -> Primitive:
        return self.derived("cotangent", cotangent)

    def derived(self, name: str, derive) -> Primitive:
        def make():
            program = optimize(derive(self.program, "always" if self.heeds else "never"))
            return Primitive(program, lambda: getattr(self.heeding, name), self.heeds)

        return self.made.get(name, make)

    def over_rows(self, mapped: tuple[bool, ...], nan: bool = False) -> Rows:
        """The same for rows of the inputs that are `mapped`; those that fail are NaN, if `nan`."""
        return self.made.get(("rows", mapped, nan), lambda: Rows(self, mapped, nan))

    def run(self, kind, *arrays: np.ndarray) -> None:
        enter, address, size = self.entry(kind)
        status = enter(address, *arrays, np.empty(size))
        if status:
            self.fail(status)

    def entry(self, kind):
        """What calls a kind from Python, its address, and the length of its workspace.

        Kinds are "primal", "pushforward", "pullback", and pairs of the latter and which inputs they are with
        respect to.
        """
        if zeros.heeded and not self.heeds:
            return self.heeding.entry(kind)
        entry = self.entries.get(kind)
        if entry is None:
            entry = self.entries[kind] = self.made.get(("entry", kind), lambda: self._entry(kind))
        return entry

    def _entry(self, kind):
        program, wrt, heed = self.program, None, "always" if self.heeds else "never"
        if isinstance(kind, tuple):
            kind, wanted = kind
            wrt = {x.name for x, w in zip(program.inputs, wanted, strict=True) if w}
        if kind == "pullback":
            program = pullback(program, wrt, heed)
        elif kind == "pushforward":
            program = pushforward(program, wrt, heed)
        text = emit(finish(program))
        enter = trampoline("a" * (len(text.parameters) + 1))
        return enter, native_address(text), max(1, text.layout.work_size)

    def fail(self, status: int):
        raise self.failure(status)

    def failure(self, status: int) -> BaseException:
        """The exception that a status other than 0 stands for; to be asked once."""
        return failure_of(self.program.sites, status)


_ONE = np.ones(1)
