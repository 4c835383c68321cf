"""A compiled program as one function of the eager core, with derivatives that are compiled programs in
turn."""

from __future__ import annotations

import functools

import numpy as np

from sciad.compiler.backend.emit import emit
from sciad.compiler.backend.module import native_address, trampoline
from sciad.compiler.derivatives.as_programs import cotangent, tangent
from sciad.compiler.derivatives.pullback import pullback
from sciad.compiler.derivatives.pushforward import pushforward
from sciad.compiler.ir.nodes import Program
from sciad.compiler.mapped_program import Rows
from sciad.compiler.passes.pipeline import finish, optimize
from sciad.eager.traced import is_traced
from sciad.transforms.custom import custom
from sciad.transforms.vmap import find_batch


class Primitive:
    """``primitive(*inputs) -> out`` for flat float64 arrays, one per input group; inputs may be traced
    values.

    Derivatives of any order are native: those of plain arrays by the fused kinds (value and derivative in one
    program), those within other transforms by the primitives of the derivative programs.
    """

    def __init__(self, program: Program, raised=None):
        self.program, self.raised = program, raised
        self.call = custom(self.value, self.push, self.pull)
        self.call.name = self.call.__name__ = program.name
        self.call.whole = True  # under `vmap` it is given batches, and loops over their rows
        self.over_rows = functools.cache(functools.partial(Rows, self))

    def __call__(self, *inputs):
        return self.call(*inputs)

    def value(self, *inputs):
        batch = find_batch(inputs)
        if batch is not None:
            mapped = tuple(x.__class__ is batch.__class__ and x.level == batch.level for x in inputs)
            rows = [x.value if m else x for x, m in zip(inputs, mapped, strict=True)]
            return batch.rewrap(self.over_rows(mapped)(*rows))
        out = np.empty(self.program.n_out)
        self.run("primal", *inputs, out)
        return out

    def push(self, inputs, dots):
        dots = [np.zeros(np.shape(x)) if d is None else d for x, d in zip(inputs, dots, strict=True)]
        if any(map(is_traced, (*inputs, *dots))):
            return self.call(*inputs), self.tangent(*inputs, *dots)
        out, out_dot = np.empty(self.program.n_out), np.empty(self.program.n_out)
        self.run("pushforward", *inputs, *(np.ascontiguousarray(d, float) for d in dots), out, out_dot)
        return out, out_dot

    def pull(self, inputs):
        if any(map(is_traced, inputs)):
            return self.call(*inputs), lambda g: self.split(self.cotangent(*inputs, g))
        if self.program.n_out == 1:  # the gradient itself, in the same sweep as the value
            out, bars = self.gradient(inputs, np.ones(1))
            return out, lambda g: tuple(g * bar for bar in bars)

        def pull(g):
            if is_traced(g):
                return self.split(self.cotangent(*inputs, g))
            return self.gradient(inputs, np.ascontiguousarray(g, float))[1]

        return self.value(*inputs), pull

    def gradient(self, inputs, g: np.ndarray):
        """The value, and the cotangent of every input."""
        out, bars = np.empty(self.program.n_out), tuple(np.zeros(x.size) for x in self.program.inputs)
        self.run("pullback", *inputs, g, out, *bars)
        return out, bars

    def split(self, flat):
        parts, at = [], 0
        for x in self.program.inputs:
            parts.append(flat[at : at + x.size])
            at += x.size
        return tuple(parts)

    @functools.cached_property
    def tangent(self) -> Primitive:
        return Primitive(optimize(tangent(self.program)), self.raised)

    @functools.cached_property
    def cotangent(self) -> Primitive:
        return Primitive(optimize(cotangent(self.program)), self.raised)

    def run(self, kind: str, *arrays: np.ndarray) -> None:
        enter, address, size = self.entry(kind)
        status = enter(address, *arrays, np.empty(size))
        if status:
            self.fail(status)

    def entry(self, kind: str):
        """What calls a kind from Python, its address, and the length of its workspace."""
        entry = self.__dict__.setdefault("entries", {}).get(kind)
        if entry is None:
            program = {"primal": lambda p: p, "pushforward": pushforward, "pullback": pullback}[kind](
                self.program
            )
            text = emit(finish(program))
            enter = trampoline("a" * (len(text.parameters) + 1))
            entry = self.entries[kind] = enter, native_address(text), max(1, text.layout.work_size)
        return entry

    def fail(self, status: int):
        raise self.program.sites[status - 1].error()
