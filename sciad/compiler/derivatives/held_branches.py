"""Programs whose branches are held, and their switching functions: what makes a program with kinks or jumps
smooth piece by piece.

A comparison, `absolute`, `maximum`, `minimum` or `sign` of quantities that vary continuously switches where a
difference passes zero. Each such place gets a number, the mode, in an input: above zero the program behaves
as if the difference were positive, wherever it is, below zero as if it were negative, and at zero as it did
before. So with held modes the program is smooth across its switches, and the differences, which are computed
by a second program, say when a mode must change. Places in loops of known length have one mode for each
iteration.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from sciad.compiler.analysis.activity import remove_dead, varied
from sciad.compiler.derivatives.as_programs import moved
from sciad.compiler.ir.builder import Builder
from sciad.compiler.ir.nodes import Address, Block, If, Input, Loop, Op, Program, Value
from sciad.compiler.ir.simple_loops import fill
from sciad.compiler.ir.walking import accesses, blocks, copy_program, substitute, walk
from sciad.compiler.passes.sharing import share

__all__ = ["count_switches", "held", "switching"]

COMPARISONS = {np.less: -1, np.less_equal: -1, np.greater: 1, np.greater_equal: 1}
CHOICES = {np.maximum: 1, np.fmax: 1, np.minimum: -1, np.fmin: -1}
SIGNS = {np.absolute, np.fabs, np.sign}
# What jumps where no difference passes zero: programs with these are left alone.
STEPS = {np.floor, np.ceil, np.trunc, np.rint, np.remainder, np.fmod, np.floor_divide, "int"}


def count_switches(program: Program, moving: set[str]) -> int:
    """How many modes the program needs where the inputs `moving` vary; 0 where it does not switch or where
    modes would not tell all.
    """
    moves = varied(program, moving)
    for node in walk(program.body):
        if isinstance(node, Op) and node.fn in STEPS and _moves(moves, node.args[0]):
            return 0
    return _Places(program, moving).count(program.body)


def held(program: Program, moving: set[str], group: str, at: int, size: int) -> Program:
    """The program with modes in the input `group`, from place `at` on, which then has `size` places."""
    out = copy_program(program)
    places = _Places(out, moving)
    places.rewrite(lambda b, mode, fn, args, old, place: _chosen(b, mode, fn, args, old), group, at)
    _resize(out, group, size)
    return remove_dead(_shared(out))


def switching(program: Program, moving: set[str], group: str, at: int, size: int, count: int) -> Program:
    """The program that computes, from the same inputs, the difference at each of the `count` places; NaN
    where a place is not come to.
    """
    out = copy_program(program)
    mems = {mem for node in walk(out.body) for kind, mem, _, _ in accesses(node) if kind == "load"}
    prologue, alias = Block(), out.new_class()
    with Builder(prologue) as b:
        own = out.new_class()
        old = Address() + b.alloc(out.n_out, own) if "out" in mems else Address()
        fill(b, "out", 0, count, alias, math.nan)
    out.body = moved(out.body, {"out": ("T" if "out" in mems else None, old, own)})

    def store(b, mode, fn, args, old, place):
        difference = args[0] if fn in SIGNS else b.op(np.subtract, *args)
        b.store("out", place, difference, alias)
        return _chosen(b, mode, fn, args, old)

    _Places(out, moving).rewrite(store, group, at)
    out.body = Block([*prologue, *out.body])
    out.n_out, out.outputs = count, [[Input("out", count)]]
    _resize(out, group, size)
    return remove_dead(_shared(out))


def _chosen(b: Builder, mode, fn, args, old):
    """What an op gives by its mode; `old` is what it gives by itself."""
    up, down = b.op(np.greater, mode, 0.5), b.op(np.less, mode, -0.5)
    if fn in COMPARISONS:
        true, false = (up, down) if COMPARISONS[fn] > 0 else (down, up)
        return b.op(np.logical_or, true, b.op(np.logical_and, old, b.op(np.logical_not, false)))
    if fn in CHOICES:
        a, c = args if CHOICES[fn] > 0 else reversed(args)
    elif fn is np.sign:
        a, c = 1.0, -1.0
    else:
        a, c = args[0], b.op(np.negative, args[0])
    return b.select(up, b.to_float(a), b.select(down, b.to_float(c), old))


def _moves(moves, x) -> bool:
    return isinstance(x, Value) and x in moves


def _shared(program: Program) -> Program:
    share(program)
    return program


def _resize(program: Program, group: str, size: int) -> None:
    program.inputs = [dataclasses.replace(g, size=size) if g.name == group else g for g in program.inputs]


class _Places:
    """Where a program switches, in order."""

    def __init__(self, program: Program, moving: set[str]):
        self.program, self.moves = program, varied(program, moving)

    def here(self, node) -> bool:
        if not isinstance(node, Op) or not any(_moves(self.moves, x) for x in node.args):
            return False
        return node.fn in COMPARISONS or node.fn in CHOICES or node.fn in SIGNS

    def count(self, block: Block, times: int = 1) -> int:
        total = 0
        for node in block:
            total += times * self.here(node)
            if isinstance(node, If):
                total += sum(self.count(inner, times) for inner in blocks(node))
            elif isinstance(node, Loop) and known(node):
                total += self.count(node.body, times * node.count)
        return total

    def rewrite(self, change, group: str, at: int) -> None:
        """Replace each place by ``change(builder, mode, fn, args, old result, address of its number)``."""
        self.change, self.group, self.at, self.next = change, group, at, 0
        self.alias, self.new = self.program.new_class(), {}
        self._block(self.program.body, ())
        substitute(self.program.body, self.new)

    def _block(self, block: Block, around: tuple) -> None:
        """`around`: (index, length) of the loops around it, outermost first."""
        nodes = list(block)
        block.clear()
        builder = Builder(block)
        for node in nodes:
            if isinstance(node, Loop) and known(node):
                if node.index is None:
                    node.index = Value("i", "q", 0)
                self._block(node.body, (*around, (node.index, node.count)))
            if isinstance(node, If):
                self._block(node.then, around)
                self._block(node.orelse, around)
            if not self.here(node):
                block.append(node)
                continue
            stride = math.prod(length for _, length in around)
            place, self.next = Address(self.next), self.next + stride
            for index, length in around:
                stride //= length
                place = place + Address(0, ((stride, index),))
            old = Value(node.out.type, node.out.name)
            block.append(Op(old, node.fn, node.args, line=node.line))
            builder.line = node.line
            with builder:
                mode = builder.load(self.group, place + Address(self.at), self.alias)
                self.new[node.out] = self.change(builder, mode, node.fn, node.args, old, place)


def known(loop: Loop) -> bool:
    """Whether a loop is known to run so many times."""
    return isinstance(loop.count, int) and not isinstance(loop.count, bool) and loop.stop is None
