"""Derivatives of the array primitives: of each what its reverse and its tangent emit."""

from __future__ import annotations

import dataclasses

from sciad.compiler.ir.array_calls import ARRAY_CALLS, as_matrix, new_array, transposed
from sciad.compiler.ir.nodes import Call, View
from sciad.compiler.ir.walking import key_of

__all__ = ["PULLBACKS", "PUSHFORWARDS", "emit_pullback", "emit_pushforward"]


class _Emitting:
    """What rules use of the transform they emit for.

    Needs of `owner`: `builder`, `program` and `active` (the memories that derivatives flow through).
    """

    def __init__(self, owner, node: Call):
        self.owner, self.node, self.program = owner, node, owner.program
        (self.out,) = node.outs

    def call(self, fn: str, out: View, *args: View) -> None:
        """Emit a call."""
        self.owner.builder.emit(Call(fn, (out,), args))

    def active(self, view: View) -> bool:
        """Whether derivatives flow through a memory."""
        return key_of(self.program, view.mem, view.alias) in self.owner.active


class _Pull(_Emitting):
    """Needs of `owner`, besides: `shadow`, `stability`, `before` and `after`, of the reverse transform."""

    def bar(self, view: View) -> View:
        """The adjoint of a view."""
        mem, address, alias = self.owner.shadow(view.mem, view.address, view.alias)
        return dataclasses.replace(view, mem=mem, address=address, alias=alias)

    def kept(self, view: View) -> View:
        """The operand as it was: itself, or a copy made beside the call."""
        own = (self.node,) if any(view is out for out in self.node.outs) else ()
        if self.owner.stability.keeps_view(self.node, view, own):
            return view
        alloc, copy = new_array(self.program, view.shape, self.node)
        beside = self.owner.after(self.node) if own else self.owner.before(self.node)
        beside.extend([alloc, Call("copy", (copy,), (view,))])
        return copy

    def scratch(self, shape: tuple[int, ...]) -> View:
        """A new array for the reverse."""
        alloc, view = new_array(self.program, shape, self.node)
        self.owner.before(self.node).append(alloc)
        return view


class _Push(_Emitting):
    def dot(self, view: View) -> View:
        """The tangent of a view."""
        return dataclasses.replace(view, mem=f"{view.mem}_dot")


def emit_pullback(owner, node: Call) -> None:
    """Emit the reverse of a call into the builder of the reverse transform `owner`."""
    e = _Pull(owner, node)
    g = e.bar(e.out)
    PULLBACKS[node.fn](e, g, *node.args)
    if node.fn != "factor" and not ARRAY_CALLS[node.fn].accumulates:
        e.call("zero", g, g)


def emit_pushforward(owner, node: Call) -> None:
    """Emit the tangent of a call, after the call, into the builder of the forward transform `owner`."""
    PUSHFORWARDS[node.fn](_Push(owner, node), *node.args)


# ------------------------------------------------------------ products


def _pull_matmul(e: _Pull, g: View, a: View, c: View) -> None:
    add = "matmul_sub" if e.node.fn == "matmul_sub" else "matmul_add"
    if e.active(a):
        e.call(add, e.bar(a), as_matrix(g, True), transposed(as_matrix(e.kept(c), True)))
    if e.active(c):
        e.call(add, e.bar(c), transposed(as_matrix(e.kept(a), False)), as_matrix(g, True))


def _push_matmul(e: _Push, a: View, c: View) -> None:
    further = "matmul_sub" if e.node.fn == "matmul_sub" else "matmul_add"
    first = e.node.fn
    for x, left, right in ((a, e.dot(a), c), (c, a, e.dot(c))):
        if e.active(x):
            e.call(first, e.dot(e.out), left, right)
            first = further
    if first == "matmul":
        e.call("zero", e.dot(e.out), e.dot(e.out))


# ------------------------------------------------------------ linear systems


def _pull_solve(e: _Pull, g: View, lu: View, rhs: View, a: View) -> None:
    plain = e.node.fn == "lu_solve"
    w = e.scratch(e.out.shape)
    e.call("lu_solve_t" if plain else "lu_solve", w, e.kept(lu), g, e.kept(a))
    if e.active(rhs):
        e.call("add", e.bar(rhs), w)
    if e.active(a):
        left, right = (w, e.kept(e.out)) if plain else (e.kept(e.out), w)
        e.call("matmul_sub", e.bar(a), as_matrix(left, True), transposed(as_matrix(right, True)))


def _push_solve(e: _Push, lu: View, rhs: View, a: View) -> None:
    alloc, r = new_array(e.program, e.out.shape, e.node)
    e.owner.builder.emit(alloc)
    if e.active(rhs):
        e.call("copy", r, e.dot(rhs))
    else:
        e.call("zero", r, r)
    if e.active(a):
        da = e.dot(a) if e.node.fn == "lu_solve" else transposed(e.dot(a))
        e.call("matmul_sub", as_matrix(r, True), da, as_matrix(e.out, True))
    e.call(e.node.fn, e.dot(e.out), lu, r, a)


# ------------------------------------------------------------ copies


def _pull_copy(e: _Pull, g: View, a: View) -> None:
    if e.active(a):
        e.call("add", e.bar(a), g)


def _push_copy(e: _Push, a: View) -> None:
    if e.active(a):
        e.call(e.node.fn, e.dot(e.out), e.dot(a))
    elif e.node.fn == "copy":
        e.call("zero", e.dot(e.out), e.dot(e.out))


def _nothing(e: _Emitting, *args: View) -> None:
    """Factors have no derivative of their own: that of the solution is by the matrix; zeros have none."""


PULLBACKS = {
    **dict.fromkeys(("matmul", "matmul_add", "matmul_sub"), _pull_matmul),
    **dict.fromkeys(("lu_solve", "lu_solve_t"), _pull_solve),
    **dict.fromkeys(("copy", "add"), _pull_copy),
    **dict.fromkeys(("factor", "zero"), _nothing),
}
PUSHFORWARDS = {
    **dict.fromkeys(("matmul", "matmul_add", "matmul_sub"), _push_matmul),
    **dict.fromkeys(("lu_solve", "lu_solve_t"), _push_solve),
    **dict.fromkeys(("copy", "add"), _push_copy),
    "factor": _nothing,
    "zero": lambda e, a: e.call("zero", e.dot(e.out), e.dot(e.out)),
}
