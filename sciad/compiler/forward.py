"""Forward mode, IR to IR: every value gets a tangent, ``name_dot``, and every memory a twin at the same addresses.

A tangent that is zero for structural reasons is None and leaves no trace.  Applied to a pullback this gives second
derivatives: adjoints and tape are values and memory like any other.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from . import linalg
from .activity import differentiated, partials_of, remove_dead, varied
from .build import Builder
from .ir import Block, Carried, If, Input, Operand, Phi, Program, Value
from .normal import normalize_loops
from .regions import copy_program, key_of

__all__ = ["pushforward"]


def pushforward(program: Program, wrt: set[str] | None = None) -> Program:
    """The program ``(inputs, input_dots) -> outputs, output_dots``.

    Parameters
    ----------
    wrt : names of the input groups that have tangents; all of them by default.
    """
    program = copy_program(program)
    normalize_loops(program)
    wrt = {g.name for g in program.inputs} if wrt is None else wrt
    forward = Forward(program, varied(program, wrt | _accumulated(program)))
    program.body = forward.run()
    program.inputs = [*program.inputs, *(_dot(g) for g in program.inputs if g.name in wrt)]
    program.outputs = [part for group in program.outputs for part in (group, [_dot(g) for g in group])]
    program.name = f"{program.name}_pushforward"
    return remove_dead(program)


def _dot(g: Input) -> Input:
    return Input(f"{g.name}_dot", g.size, g.scalar)


def _accumulated(program: Program) -> set[str]:
    """Outputs that are added to: what they hold before has a tangent too."""
    return {g.name for group in program.outputs[1:] for g in group}


class Forward:
    """One sweep over a program.  `load` gives the tangent of a load and may be replaced (constant seeds)."""

    def __init__(self, program: Program, active):
        self.program, self.active = program, active
        self.builder = Builder()
        self.dot: dict[Value, Operand] = {}

    def run(self) -> Block:
        with self.builder as b, b.into(Block()) as body:
            self.block(self.program.body)
        return body

    def block(self, block: Block) -> None:
        for node in block:
            self.builder.line = node.line
            getattr(self, type(node).__name__)(node)

    def tangent(self, x: Operand) -> Operand | None:
        return self.dot.get(x) if isinstance(x, Value) else None

    def set(self, x: Value, tangent: Operand | None) -> None:
        if tangent is None or not isinstance(tangent, Value) and tangent == 0:
            return
        self.dot[x] = tangent
        if isinstance(tangent, Value) and not tangent.name and x.name:
            tangent.name = f"{x.name}_dot"

    def Op(self, node):
        b = self.builder
        b.emit(node)
        b.know(node)
        if node.out not in self.active:
            return
        if node.fn == "select":
            cond, x, y = node.args
            dx, dy = self.tangent(x), self.tangent(y)
            if dx is not None or dy is not None:
                self.set(node.out, b.select(cond, 0.0 if dx is None else dx, 0.0 if dy is None else dy))
            return
        total, partials = None, partials_of(node.fn)
        for k in differentiated(node):
            dx = self.tangent(node.args[k])
            if dx is not None:
                term = b.op(np.multiply, partials[k](node.out, *node.args), dx)
                total = term if total is None else b.op(np.add, total, term)
        self.set(node.out, total)

    def Load(self, node):
        self.builder.emit(node)
        if node.out in self.active:
            out = Value("f", f"{node.out.name}_dot" if node.out.name else "")
            self.builder.emit(dataclasses.replace(node, out=out, mem=f"{node.mem}_dot"))
            self.dot[node.out] = out

    def Store(self, node):
        self.builder.emit(node)
        if key_of(self.program, node.mem, node.alias) in self.active:
            tangent = self.tangent(node.value)
            if tangent is not None or not node.add:
                value = 0.0 if tangent is None else tangent
                self.builder.emit(dataclasses.replace(node, mem=f"{node.mem}_dot", value=value))

    def Alloc(self, node):
        self.builder.emit(node)
        if node.zero and key_of(self.program, node.mem, node.alias) in self.active:
            linalg.fill(self.builder, f"{node.mem}_dot", node.out, node.size, node.alias)

    def Call(self, node):
        self.builder.emit(node)
        if any(key_of(self.program, v.mem, v.alias) in self.active for v in node.outs):
            linalg.forward(self, node)

    def Check(self, node):
        self.builder.emit(node)

    def If(self, node):
        arms = []
        for arm in (node.then, node.orelse):
            with self.builder.into(Block()) as block:
                self.block(arm)
            arms.append(block)
        phis = list(node.phis)
        for phi in node.phis:
            sides = [self.tangent(x) for x in (phi.then, phi.orelse)]
            if any(s is not None for s in sides):
                out = self.partner(phi.out)
                phis.append(Phi(out, *(0.0 if s is None else s for s in sides)))
        self.builder.emit(If(node.cond, *arms, phis, line=node.line))

    def partner(self, x: Value) -> Value:
        self.dot[x] = out = Value("f", f"{x.name}_dot" if x.name else "")
        return out

    def Loop(self, node):
        carried = list(node.carried)
        for c in node.carried:
            if c.param in self.active:
                init = self.tangent(c.init)
                carried.append(
                    Carried(self.partner(c.param), 0.0 if init is None else init, 0.0, self.partner(c.out))
                )
        with self.builder.into(Block()) as body:
            self.block(node.body)
        for c, d in zip(
            [c for c in node.carried if c.param in self.active], carried[len(node.carried) :], strict=True
        ):
            end = self.tangent(c.next)
            d.next = 0.0 if end is None else end
        self.builder.emit(dataclasses.replace(node, body=body, carried=carried))
