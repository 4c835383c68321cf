"""Which values, tangents and cotangents of a program may be infinite or NaN, and products that heed it.

A path of a program on which one factor of a derivative is 0 contributes nothing, though another be infinite
or NaN: ``np.where(x > 0, np.sqrt(x), 0)`` at 0.  So derivatives multiply by `times` where a factor may be
that, and plainly where none can: in a model of sums and products all products are plain.

What a program is given counts as finite, and sums and products of finite numbers do as well: overflow in
them is no place where a function is not smooth.
"""

from __future__ import annotations

import math

import numpy as np

from sciad.compiler.analysis.activity import differentiated, partials_of
from sciad.compiler.ir.builder import Builder
from sciad.compiler.ir.nodes import Block, Call, If, Load, Loop, Op, Operand, Program, Store, Value
from sciad.compiler.ir.op_traits import times, traits_of
from sciad.compiler.ir.walking import key_of, walk


class Finiteness:
    """The analysis of one program of which derivatives are about to be made.

    Attributes
    ----------
    values : set
        Values (and memory keys, see `walking.key_of`) that may be infinite or NaN.
    tangents, cotangents : set
        Those whose tangents or cotangents may be that.
    """

    def __init__(self, program: Program, active, reciprocals: bool = True):
        self.program, self.active, self.reciprocals = program, active, reciprocals
        self.primal: dict[Value, Op | None] = {}
        nodes = list(walk(program.body))
        for node in nodes:
            if isinstance(node, Op):
                self.primal[node.out] = node
        self.values = _reached(*self._edges(nodes, self._value_edges))
        edges, wild = self._edges(nodes, self._derivative_edges)
        self.tangents = _reached(edges, {b for _, b in wild})
        self.cotangents = _reached([(b, a) for a, b in edges], {a for a, _ in wild})

    def _edges(self, nodes, of_op):
        """What flows into what, and where infinite numbers begin."""
        edges, begin = [], set()
        for node in nodes:
            if isinstance(node, Op):
                of_op(node, edges, begin)
            elif isinstance(node, Load):
                edges.append((self._key(node), node.out))
            elif isinstance(node, Store):
                edges.append((node.value, self._key(node)))
            elif isinstance(node, Call):
                edges += [(self._key(a), self._key(b)) for a in node.args for b in node.outs]
            elif isinstance(node, If):
                edges += [(x, phi.out) for phi in node.phis for x in (phi.then, phi.orelse)]
            elif isinstance(node, Loop):
                for c in node.carried:
                    edges += [(c.init, c.param), (c.next, c.param), (c.param, c.out)]
        return edges, begin

    def _key(self, place):
        return key_of(self.program, place.mem, place.alias)

    def _value_edges(self, node, edges, begin):
        if node.out.type != "f" or traits_of(node.fn).bounded:
            return
        if not self._tame(node.fn, node.args, self._primal_op):
            begin.add(node.out)
        edges += [(x, node.out) for x in node.args]

    def _derivative_edges(self, node, edges, wild):
        if node.out not in self.active:
            return
        for k in differentiated(node):
            x = node.args[k]
            if isinstance(x, Value):
                edges.append((x, node.out))
                if node.fn != "select" and self.wild_partial(node, k):
                    wild.add((x, node.out))

    def wild_partial(self, node: Op, k: int) -> bool:
        """Whether the partial derivative of an op of the program may be infinite or NaN."""
        with Builder(reciprocals=self.reciprocals) as b, b.into(Block()):
            return self.wild(partials_of(node.fn)[k](node.out, *node.args), b)

    def wild(self, x: Operand, builder: Builder) -> bool:
        """Whether a value of the program, or one that `builder` made of such, may be infinite or NaN."""
        if not isinstance(x, Value):
            return not math.isfinite(x)
        if x.type != "f":
            return False
        if x in self.primal or x not in builder.definitions:
            return x in self.values
        fn, args = builder.definitions[x]
        if traits_of(fn).bounded:
            return False
        if not self._tame(fn, args, lambda v: self._primal_op(v) or builder.definitions.get(v)):
            return True
        return any(self.wild(a, builder) for a in args)

    def heeds(self, heed: str, wild: bool, partial: Operand = 0.0, builder: Builder | None = None) -> bool:
        """Whether a factor 0 must win in a product, as `heed` asks (see `pullback`)."""
        if heed == "where needed":
            return wild or self.wild(partial, builder)
        return heed == "always"

    def _primal_op(self, x):
        node = self.primal.get(x) if isinstance(x, Value) else None
        return None if node is None else (node.fn, node.args)

    def _tame(self, fn, args, made) -> bool:
        """Whether a function is finite where its arguments are."""
        if fn is np.divide:
            return _sign_of(args[1], made) == "positive"
        if fn is np.power and not isinstance(args[1], Value):
            return args[1] >= 0 and float(args[1]).is_integer()
        if fn is np.sqrt:
            return _sign_of(args[0], made) != ""
        return traits_of(fn).tame


def multiply(builder: Builder, a: Operand, b: Operand, careful: bool) -> Operand:
    """A product of a derivative, with `careful` one in which a factor 0 wins."""
    return builder.op(times if careful else np.multiply, a, b)


def _reached(edges, begin) -> set:
    """What can be reached along `edges`."""
    after: dict = {}
    for a, b in edges:
        if not isinstance(a, float | int):
            after.setdefault(a, []).append(b)
        elif not math.isfinite(a):
            begin.add(b)
    found, pending = set(begin), list(begin)
    while pending:
        for b in after.get(pending.pop(), ()):
            if b not in found:
                found.add(b)
                pending.append(b)
    return found


def _sign_of(x: Operand, made, depth: int = 8) -> str:
    """ "positive" (and away from 0), "nonnegative" or "" of what is known of a number's sign."""
    if not isinstance(x, Value):
        return "positive" if x > 0 else "nonnegative" if x == 0 else ""
    fn, args = (made(x) if depth else None) or ("", ())
    if fn in (np.absolute, np.sqrt, np.exp, np.square, np.exp2, np.hypot):
        return "nonnegative"
    if fn is np.cosh:
        return "positive"
    if fn is np.power and not isinstance(args[1], Value) and args[1] % 2 == 0:
        return "nonnegative"
    if fn is np.multiply and args[0] is args[1]:
        return "nonnegative"
    if fn in (np.add, np.multiply, np.divide, np.maximum):
        signs = [_sign_of(a, made, depth - 1) for a in args]
        if fn is np.maximum:
            return max(signs, key=("", "nonnegative", "positive").index)
        if fn is not np.add:
            return "nonnegative" if all(signs) else ""  # of tiny numbers a product is 0
        if all(signs):
            return "positive" if "positive" in signs else "nonnegative"
    return ""
