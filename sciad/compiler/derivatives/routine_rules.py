"""Derivatives of calls of routines: `sciad.compiler.ir.routines` says how, here they are emitted."""

from __future__ import annotations

import dataclasses

from sciad.compiler.ir.array_calls import new_array
from sciad.compiler.ir.nodes import Call, Program, RoutineCall, View
from sciad.compiler.ir.walking import copy_program, key_of, walk

__all__ = ["beside_derivatives", "pull_routine", "push_routine"]


def beside_derivatives(program: Program) -> Program:
    """The program with its routines as they are beside derivatives; itself if they are the same."""
    calls = [node for node in walk(program.body) if isinstance(node, RoutineCall)]
    if all(node.fn.beside_derivatives() is node.fn for node in calls):
        return program
    program = copy_program(program)
    for node in walk(program.body):
        if isinstance(node, RoutineCall):
            node.fn = node.fn.beside_derivatives()
    return program


def pull_routine(owner, node: RoutineCall) -> None:
    """Let the forward sweep record, and emit the way back into the builder of the reverse transform `owner`.

    Needs of `owner`: `builder`, `program`, `active`, `shadow` and `before`.
    """

    def bar(view: View) -> View:
        mem, address, alias = owner.shadow(view.mem, view.address, view.alias)
        return dataclasses.replace(view, mem=mem, address=address, alias=alias)

    def array(size: int) -> View:
        alloc, view = new_array(owner.program, (size,), node)
        owner.before(node).append(alloc)
        return view

    outs, args = node.outs, node.args
    wanted = tuple(key_of(owner.program, a.mem, a.alias) in owner.active for a in args)
    way = node.fn.reversed(wanted)
    kept = array(way.kept)
    node.fn, node.outs = way.recording, (*outs, kept)
    found = [array(a.shape[0]) for a in args]
    seeds = [bar(out) for out in outs]
    owner.builder.emit(RoutineCall(way.back, tuple(found), (kept, *seeds), node.site, line=node.line))
    for a, g, want in zip(args, found, wanted, strict=True):
        if want:
            owner.builder.emit(Call("add", (bar(a),), (g,), line=node.line))
    for seed in seeds:
        owner.builder.emit(Call("zero", (seed,), (seed,), line=node.line))


def push_routine(owner, node: RoutineCall) -> None:
    """Emit values and tangents at once into the builder of the forward transform `owner`."""
    dots = []
    for view in node.args:
        if key_of(owner.program, view.mem, view.alias) in owner.active:
            dots.append(dataclasses.replace(view, mem=f"{view.mem}_dot"))
        else:
            alloc, zeros = new_array(owner.program, view.shape, node)
            owner.builder.emit(alloc)
            owner.builder.emit(Call("zero", (zeros,), (zeros,), line=node.line))
            dots.append(zeros)
    tangents = tuple(dataclasses.replace(view, mem=f"{view.mem}_dot") for view in node.outs)
    outs, args = (*node.outs, *tangents), (*node.args, *dots)
    owner.builder.emit(RoutineCall(node.fn.tangent(), outs, args, node.site, line=node.line))
