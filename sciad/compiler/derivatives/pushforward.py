"""Forward mode, IR to IR: every value gets a tangent, ``name_dot``, and every memory a twin at the same
addresses.

A tangent that is zero for structural reasons is None and leaves no trace.  Applied to a pullback this
gives second derivatives: adjoints and tape are values and memory like any other.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from sciad.compiler.analysis.activity import differentiated, partials_of, remove_dead, varied
from sciad.compiler.analysis.finiteness import Finiteness, multiply
from sciad.compiler.derivatives.array_call_rules import emit_pushforward
from sciad.compiler.derivatives.custom_rules import push_custom, without_rules
from sciad.compiler.derivatives.pullback import pullback
from sciad.compiler.derivatives.routine_rules import push_routine
from sciad.compiler.ir.builder import Builder
from sciad.compiler.ir.nodes import Block, Carried, If, Input, Load, Operand, Phi, Program, Store, Value
from sciad.compiler.ir.simple_loops import fill
from sciad.compiler.ir.walking import copy_program, key_of
from sciad.compiler.passes.while_loops import normalize_loops

__all__ = ["pushforward"]


def pushforward(program: Program, wrt: set[str] | None = None, heed: str = "where needed") -> Program:
    """The program ``(inputs, input_dots) -> outputs, output_dots``.

    Parameters
    ----------
    wrt : names of the input groups that have tangents; all of them by default.
    heed : as in `pullback`
    """
    program = copy_program(program)
    normalize_loops(program)
    wrt = {g.name for g in program.inputs} if wrt is None else wrt
    without_rules(program, wrt)
    forward = Forward(program, varied(program, wrt | _outputs(program)), heed=heed)
    program.body = forward.run()
    program.inputs = [*program.inputs, *(_dot(g) for g in program.inputs if g.name in wrt)]
    program.outputs = [part for group in program.outputs for part in (group, [_dot(g) for g in group])]
    program.name = f"{program.name}_pushforward"
    return remove_dead(program)


def _dot(g: Input) -> Input:
    return Input(f"{g.name}_dot", g.size, g.scalar)


def _outputs(program: Program) -> set[str]:
    """Outputs have tangents whatever they depend on: where they are written these are too, if only with
    zeros, and what accumulated ones hold before has a tangent of its own."""
    return {g.name for group in program.outputs for g in group}


class Forward:
    """One sweep over a program that pushes `directions` tangents at once.

    With one direction the tangents of memory live in its twin; subclasses that push several (a Jacobian's
    columns) say where theirs come from and go to by `load` and `store`.
    """

    def __init__(self, program: Program, active, directions: int = 1, heed: str = "where needed"):
        self.program, self.active, self.heed = program, active, heed
        self.builder = Builder(reciprocals=True)
        self.finiteness = Finiteness(program, active)
        self.dots: list[dict[Value, Operand]] = [{} for _ in range(directions)]

    def run(self) -> Block:
        with self.builder as b, b.into(Block()) as body:
            self.block(self.program.body)
        return body

    def load(self, node: Load, dot: dict) -> Operand | None:
        return self.builder.emit(dataclasses.replace(node, out=_partner(node.out), mem=f"{node.mem}_dot")).out

    def store(self, node: Store, dot: dict, tangent: Operand | None) -> None:
        if tangent is not None or not node.add:
            value = 0.0 if tangent is None else tangent
            self.builder.emit(dataclasses.replace(node, mem=f"{node.mem}_dot", value=value))

    def block(self, block: Block) -> None:
        for node in block:
            self.builder.line = node.line
            getattr(self, type(node).__name__)(node)

    def Op(self, node):
        self.builder.emit(node)
        self.builder.know(node)
        if node.out not in self.active:
            return
        for dot in self.dots:
            tangent = self.tangent(node, dot)
            if tangent is not None and (isinstance(tangent, Value) or tangent != 0):
                dot[node.out] = tangent
                if isinstance(tangent, Value) and not tangent.name and node.out.name:
                    tangent.name = f"{node.out.name}_dot"

    def tangent(self, node, dot: dict) -> Operand | None:
        b = self.builder
        tangents = {
            k: dot[x] for k in differentiated(node) if isinstance(x := node.args[k], Value) and x in dot
        }
        if not tangents:
            return None
        if node.fn == "select":
            sides = [tangents.get(1, 0.0), tangents.get(2, 0.0)]
            tangent = b.select(node.args[0], *sides)
            if self.heed == "never" and any(node.args[k] in self.finiteness.tangents for k in tangents):
                # what is dropped counts as a factor 0: NaN, if it is infinite
                dropped = b.select(node.args[0], *reversed(sides))
                tangent = b.op(np.add, tangent, b.op(np.multiply, dropped, 0.0))
            return tangent
        total, partials = None, partials_of(node.fn)
        for k, dx in tangents.items():
            partial = partials[k](node.out, *node.args)
            careful = self.finiteness.heeds(self.heed, node.args[k] in self.finiteness.tangents, partial, b)
            term = multiply(b, partial, dx, careful)
            total = term if total is None else b.op(np.add, total, term)
        return total

    def Load(self, node):
        self.builder.emit(node)
        if node.out in self.active:
            for dot in self.dots:
                tangent = self.load(node, dot)
                if tangent is not None:
                    dot[node.out] = tangent

    def Store(self, node):
        self.builder.emit(node)
        if key_of(self.program, node.mem, node.alias) in self.active:
            for dot in self.dots:
                self.store(node, dot, dot.get(node.value) if isinstance(node.value, Value) else None)

    def Alloc(self, node):
        self.builder.emit(node)
        if node.zero and key_of(self.program, node.mem, node.alias) in self.active:
            fill(self.builder, f"{node.mem}_dot", node.out, node.size, node.alias)

    def Call(self, node):
        self.builder.emit(node)
        if any(key_of(self.program, v.mem, v.alias) in self.active for v in node.outs):
            emit_pushforward(self, node)

    def Custom(self, node):
        push_custom(self, node, pullback)

    def RoutineCall(self, node):
        if any(key_of(self.program, v.mem, v.alias) in self.active for v in node.outs):
            push_routine(self, node)
        else:
            self.builder.emit(node)

    def Check(self, node):
        self.builder.emit(node)

    def If(self, node):
        arms = []
        for arm in (node.then, node.orelse):
            with self.builder.into(Block()) as block:
                self.block(arm)
            arms.append(block)
        phis = list(node.phis)
        for dot in self.dots:
            for phi in node.phis:
                sides = [dot.get(x) if isinstance(x, Value) else None for x in (phi.then, phi.orelse)]
                if any(s is not None for s in sides):
                    dot[phi.out] = _partner(phi.out)
                    phis.append(Phi(dot[phi.out], *(0.0 if s is None else s for s in sides)))
        self.builder.emit(If(node.cond, *arms, phis, line=node.line))

    def Loop(self, node):
        pairs = []
        for dot in self.dots:
            for c in node.carried:
                if c.param in self.active:
                    init = dot.get(c.init, 0.0) if isinstance(c.init, Value) else 0.0
                    pairs.append((c, dot, Carried(_partner(c.param), init, 0.0, _partner(c.out))))
                    dot[c.param], dot[c.out] = pairs[-1][2].param, pairs[-1][2].out
        with self.builder.into(Block()) as body:
            self.block(node.body)
        for c, dot, d in pairs:
            d.next = dot.get(c.next, 0.0) if isinstance(c.next, Value) else 0.0
        carried = [*node.carried, *(d for _, _, d in pairs)]
        self.builder.emit(dataclasses.replace(node, body=body, carried=carried))


def _partner(x: Value) -> Value:
    return Value("f", f"{x.name}_dot" if x.name else "")
