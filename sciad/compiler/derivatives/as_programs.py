"""Derivatives as programs of the same form as the primal, so that they can be differentiated again."""

from __future__ import annotations

import dataclasses
import itertools

from sciad.compiler.analysis.activity import remove_dead
from sciad.compiler.derivatives.pullback import pullback
from sciad.compiler.derivatives.pushforward import pushforward
from sciad.compiler.ir.builder import Builder
from sciad.compiler.ir.nodes import Address, Block, Input, Program
from sciad.compiler.ir.simple_loops import fill
from sciad.compiler.ir.walking import accesses, copy_program, is_arena, moved, walk

__all__ = ["along", "cotangent", "free_names", "tangent"]


def tangent(program: Program, heed: str = "where needed") -> Program:
    """The program ``(inputs, dots) -> out_dot``."""
    return _with_result(pushforward(program, heed=heed), ["out_dot"])


def along(program: Program, wrt: set[str]) -> Program:
    """The program ``(inputs, dots of wrt) -> out_dot``; the dots are inputs named t_1, y_1 and so on."""
    return _with_result(pushforward(program, wrt), ["out_dot"])


def cotangent(program: Program, heed: str = "where needed") -> Program:
    """The program ``(inputs, out_bar) -> bars``, one behind the other."""
    return _with_result(pullback(program, heed=heed), [f"{g.name}_bar" for g in program.inputs])


def _with_result(program: Program, names: list[str]) -> Program:
    """The named outputs become "out"; other outputs are kept only if the program reads them."""
    program = copy_program(program)
    sizes = {g.name: g.size for group in program.outputs for g in group}
    read = {mem for n in walk(program.body) for kind, mem, _, _ in accesses(n) if kind == "load"}
    moves, prologue, at = {}, Block(), 0
    with Builder(prologue) as b:
        for name in sizes:
            if name in names:
                continue
            alias, place = program.new_class(), 0
            if name in read:
                place = b.alloc(sizes[name], alias)
            moves[name] = ("T" if name in read else None, Address() + place, alias)
        alias = program.new_class()
        for name in names:
            moves[name] = ("out", Address(at), alias)
            if name.endswith("_bar"):
                fill(b, "out", at, sizes[name], alias)
            at += sizes[name]
    moves |= free_names(program, set(sizes))
    program.inputs = [
        dataclasses.replace(g, name=moves[g.name][0]) if g.name in moves else g for g in program.inputs
    ]
    program.body = Block([*prologue, *moved(program.body, moves)])
    program.n_out, program.outputs = at, [[Input("out", at)]]
    return remove_dead(program)


def free_names(program: Program, but: set[str]) -> dict[str, tuple]:
    """New names, as `moved` takes them, for memories whose names end in what a derivative appends: these are
    wanted for the next one.
    """
    used = {mem for n in walk(program.body) for _, mem, _, _ in accesses(n)} | {
        g.name for g in program.inputs
    }
    moves = {}
    for name in sorted(used - but):
        if name.endswith(("_dot", "_bar")):
            stem = name[0] if is_arena(name) else name.rsplit("_", 1)[0]
            new = next(n for k in itertools.count(1) if (n := f"{stem}_{k}") not in used)
            used.add(new)
            moves[name] = (new, Address(), None)
    return moves
