"""Derivatives of functions that have rules of their own: the rules, put in place."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from sciad.compiler.analysis.activity import remove_dead, varied
from sciad.compiler.derivatives.array_call_rules import _Pull
from sciad.compiler.ir.array_calls import new_array
from sciad.compiler.ir.builder import Builder
from sciad.compiler.ir.nodes import (
    Address,
    Block,
    Call,
    Carried,
    Custom,
    Input,
    Load,
    Loop,
    Piece,
    Program,
    Store,
    Value,
    View,
)
from sciad.compiler.ir.simple_loops import fill
from sciad.compiler.ir.walking import accesses, clone, free, is_arena, key_of, moved, walk
from sciad.compiler.passes.custom_bodies import spliced
from sciad.errors import MissingRule, NotDifferentiable

__all__ = ["pull_custom", "push_custom", "without_rules"]


def without_rules(program: Program, wrt: set[str]) -> Program:
    """In place: calls whose arguments are not differentiated, though something is that they capture, are
    what their bodies do.
    """
    while any(isinstance(n, Custom) for n in walk(program.body)):
        found = varied(program, wrt)
        plain = {
            id(n)
            for n in walk(program.body)
            if isinstance(n, Custom)
            and key_of(program, n.args[0].mem, n.args[0].alias) not in found
            and _captures(program, n, found)
        }
        if not plain:
            break
        spliced(program, plain)
    return program


def pull_custom(owner, node: Custom, pullback: Callable) -> None:
    """Emit the reverse of a call into the builder of the reverse transform `owner`; `pullback` makes programs
    of that kind.
    """
    if not _active(owner, *node.outs):
        return
    _check(owner, node)
    (x,), (y,) = node.args, node.outs
    if node.pull is not None:
        owner.replaced[id(node)] = _put(node.pull_out, x, y)
    e, b = _Pull(owner, node), owner.builder
    piece = node.pull or transpose_of(owner.program, node, node.push, x.shape[0], y.shape[0], pullback)
    block = clone(piece.block)
    xbar, target = e.bar(x), _place(e.bar(x))
    once = _stored_once(block, piece.result)
    if not once:
        alloc, kept = new_array(owner.program, x.shape, node)
        b.emit(alloc)
        fill(b, kept.mem, alloc.out, x.shape[0], kept.alias)
        target = _place(kept)
    for n in walk(block) if once else ():
        if isinstance(n, Store) and n.mem == piece.result:
            n.add = True
    _emit(owner, piece, block, (e.kept(x), e.bar(y)), target)
    if not once:
        b.emit(Call("add", (xbar,), (kept,)))


def push_custom(owner, node: Custom, pullback: Callable) -> None:
    """Emit the tangent of a call, after the call, into the builder of the forward transform `owner`."""
    if not _active(owner, *node.outs):
        owner.builder.emit(node)
        return
    _check(owner, node)
    (x,), (y,) = node.args, node.outs
    for n in _put(node.push_out or node.pull_out or node.body, x, y):
        owner.builder.emit(n)
    piece = node.push or transpose_of(owner.program, node, node.pull, x.shape[0], y.shape[0], pullback)
    dot = lambda v: dataclasses.replace(v, mem=f"{v.mem}_dot")  # noqa: E731
    _emit(owner, piece, clone(piece.block), (x, dot(x)), _place(dot(y)))


def transpose_of(
    program: Program, node: Custom, piece: Piece | None, n: int, m: int, pullback: Callable
) -> Piece:
    """The rule of the other mode: one is the transpose of the other, and the reverse of a linear map is its
    transpose, wherever it is taken.
    """
    if piece is None:
        raise MissingRule(
            f"{node.name} has no rule for its derivative in compiled code: give pushforward or pullback to "
            "ad.custom (derivatives of rules of rules of rules are not compiled)"
        )
    given, direction = piece.inputs
    sizes = (n, m) if piece is node.pull else (m, n)
    names = {piece.result: ("out", 0, None)}
    inputs = [Input(given, n), Input(direction, m if piece is node.pull else n)]
    rule = Program(
        node.name, inputs, sizes[0], moved(clone(piece.block), names), program.constants, program.sites,
        program.classes, program.filename,
    )  # fmt: skip
    found = pullback(rule, {direction})
    program.classes[:] = found.classes
    alias = program.new_class()
    result, seeds = f"{direction}_transposed", f"{direction}_seeds"
    body = moved(
        found.body,
        {f"{direction}_bar": (result, 0, alias), "out_bar": (seeds, 0, alias), "out": (None, 0, None)},
    )
    zeros = Block()
    with Builder(zeros) as b:
        fill(b, result, 0, sizes[1], alias)
    found.body = Block([*zeros, *body])
    found.outputs = [[Input(result, sizes[1])]]
    remove_dead(found)
    if any(isinstance(n, Load) and n.mem == direction for n in walk(found.body)):  # it is not linear
        return _by_units(program, piece, *((m, n) if piece is node.pull else (n, m)))
    return Piece(found.body, (given, seeds), result)


def _by_units(program: Program, piece: Piece, p: int, q: int) -> Piece:
    """The transpose of a rule from `p` to `q` numbers by what it gives for unit vectors, which is what the
    eager transforms do: rules that clip, for instance, are no linear maps.
    """
    given, direction = piece.inputs
    result, seeds, alias = f"{direction}_transposed", f"{direction}_seeds", program.new_class()
    index = Value("i", "i", 0, p - 1)
    body = Block()
    with Builder(body) as b:
        unit, image = (Address() + b.alloc(n, program.new_class()) for n in (p, q))
        units, images = (n.alias for n in body)
        fill(b, "T", unit, p, units)
        fill(b, "T", image, q, images)
        b.store("T", unit + index, 1.0, units)
        moves = {direction: ("T", unit, units), piece.result: ("T", image, images)}
        body.extend(moved(clone(piece.block), moves))
        total, after = Value("f", "sum"), Value("f", "sum")
        j = Value("i", "j", 0, q - 1)
        with b.into(Block()) as inner:
            term = b.op(np.multiply, b.load("T", image + j, images), b.load(seeds, Address() + j))
            following = b.op(np.add, total, term)
        b.emit(Loop(inner, [Carried(total, 0.0, following, after)], index=j, count=q))
        b.store(result, Address() + index, after, alias)
    return Piece(Block([Loop(body, index=index, count=p)]), (given, seeds), result)


def _emit(owner, piece: Piece, block: Block, given: tuple[View, View], target: tuple) -> None:
    moves = {name: _place(view) for name, view in zip(piece.inputs, given, strict=True)}
    for n in moved(block, moves | {piece.result: target}):
        owner.builder.emit(n)


def _put(piece: Piece, x: View, y: View) -> Block:
    """The result as a rule computes it."""
    (given,) = piece.inputs
    return moved(clone(piece.block), {given: _place(x), piece.result: _place(y)})


def _place(view: View) -> tuple:
    return view.mem, view.address, view.alias


def _active(owner, view: View) -> bool:
    return key_of(owner.program, view.mem, view.alias) in owner.active


def _captures(program: Program, node: Custom, active) -> bool:
    """Whether the function reads something that is differentiated beside its arguments."""
    block = node.body.block
    own = {node.body.result, *node.body.inputs}
    made = {program.root(n.alias) for n in walk(block) if hasattr(n, "size") and is_arena(n.mem)}
    return any(v in active for v in free(block)) or any(
        kind == "load"
        and mem not in own
        and not (is_arena(mem) and program.root(alias) in made)
        and key_of(program, mem, alias) in active
        for n in walk(block)
        for kind, mem, _, alias in accesses(n)
    )


def _check(owner, node: Custom) -> None:
    if _captures(owner.program, node, owner.active):
        raise NotDifferentiable(
            f"{node.name} uses a value being differentiated that is not among its arguments (it captures it, "
            "or an object it captures holds it): pass it as an argument"
        )


def _stored_once(block: Block, mem: str) -> bool:
    """Whether each place of a memory is written once, outside of loops and branches, and not read."""
    top, places = {id(n) for n in block}, []
    for n in walk(block):
        if any(m == mem for _, m, _, _ in accesses(n)):
            if not isinstance(n, Store) or n.add or n.address.terms or id(n) not in top:
                return False
            places.append(n.address.const)
    return len(set(places)) == len(places)
