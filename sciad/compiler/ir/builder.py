"""Building IR: one place that folds constants, simplifies, shares common subexpressions and types
operations.
"""

from __future__ import annotations

import math
import operator
from contextlib import contextmanager

import numpy as np

from sciad.compiler.ir import nodes as ir
from sciad.compiler.ir.nodes import INF, Address, Alloc, Block, Line, Load, Op, Operand, Store, Value
from sciad.compiler.ir.op_traits import times, traits_of


def type_of(x: Operand) -> str:
    if isinstance(x, Value):
        return x.type
    return "b" if isinstance(x, bool) else "i" if isinstance(x, int) else "f"


def constant(x) -> bool:
    return not isinstance(x, Value)


class Builder:
    """Appends nodes to the innermost open block.  Use as a context manager to make values' operators emit
    into it.
    """

    def __init__(self, block: Block | None = None, reciprocals: bool = False):
        self.reciprocals = reciprocals  # divisions by one number share its reciprocal: for derivatives
        self.block = Block() if block is None else block
        self.line: Line | None = None
        self.definitions: dict[Value, tuple] = {}  # of ops: what value was computed from
        self._blocks: list[Block] = []
        self._scopes: list[dict] = [{}]
        self._made: dict[Value, tuple] = {}  # how a value was computed, for simplification

    def __enter__(self):
        ir.enter(self)
        return self

    def __exit__(self, *exc):
        ir.leave()

    @contextmanager
    def into(self, block: Block):
        """Open `block`: nodes go there, and what is computed there is not shared with code outside of it."""
        self._blocks.append(self.block)
        self.block = block
        self._scopes.append({})
        try:
            yield block
        finally:
            self._scopes.pop()
            self.block = self._blocks.pop()

    def emit(self, node: ir.Node) -> ir.Node:
        if node.line is None:
            node.line = self.line
        self.block.append(node)
        return node

    # ----------------------------------------------------------------------------------------------

    def op(self, fn, *args: Operand, name: str = "") -> Operand:
        """The result of ``fn(*args)``: a constant, an existing value, or the output of a new `Op`."""
        known, plain = True, True
        for a in args:  # written out, for this is where most of the time for long programs goes
            kind = a.__class__
            if kind is Value:
                known = False
            elif kind is not float and kind is not int and kind is not bool:
                plain = False
        if not plain:
            args = tuple(a.item() if isinstance(a, (np.generic, np.ndarray)) else a for a in args)
            known = all(constant(a) for a in args)
        if known:
            return fold(fn, args)
        simple = self._simplify(fn, args)
        if simple is not None:
            return simple
        key = (fn, tuple([id(a) if a.__class__ is Value else (type(a), repr(a)) for a in args]))
        found = self.shared(key)
        if found is not None:
            return found[0]
        out = Value(result_type(fn, args), name)
        if out.type == "i":
            out.low, out.high = interval(fn, args)
        self.emit(Op(out, fn, args))
        self.definitions[out] = (fn, args)
        self._made[out] = (fn, args)
        self.share(key, (out, args))  # args kept alive: the key holds their ids
        return out

    def shared(self, key):
        """What was shared under a key in this block or around it, None if nothing."""
        for scope in reversed(self._scopes):
            if key in scope:
                return scope[key]
        return None

    def share(self, key, found):
        """Keep something for what follows in this block and inside of it."""
        self._scopes[-1][key] = found
        return found

    def know(self, node: Op) -> None:
        """Share an operation that stands elsewhere, in a block that is executed before."""
        key = (node.fn, tuple(id(a) if isinstance(a, Value) else (type(a), repr(a)) for a in node.args))
        self._scopes[-1].setdefault(key, (node.out, node.args))
        self._made.setdefault(node.out, (node.fn, node.args))

    def to_float(self, x: Operand) -> Operand:
        return x if type_of(x) == "f" else self.op("float", x)

    def to_int(self, x: Operand) -> Operand:
        return x if type_of(x) == "i" else self.op("int", x)

    def select(self, cond: Operand, a: Operand, b: Operand) -> Operand:
        if constant(cond):
            return a if cond else b
        return self.op("select", cond, a, b)

    def stop(self, x: Operand) -> Operand:
        """The number `x` as one whose derivative is zero."""
        return x if constant(x) or x.type != "f" else self.op("stop", x)

    def _negated(self, x: Operand) -> Operand | None:
        """What `x` is minus of, if it was computed as that."""
        if x.__class__ is not Value:
            return None
        made = self._made.get(x)
        return made[1][0] if made is not None and made[0] is np.negative else None

    def _signs(self, fn, args):
        """Signs move outwards and into sums, where they cost nothing; the results are the same to the
        last bit.
        """
        if fn is np.negative:
            return self._negated(args[0])
        if fn not in (np.add, np.subtract, np.multiply, np.divide, times):
            return None
        a, b = args
        minus_a, minus_b = self._negated(a), self._negated(b)
        if minus_b is not None and fn in (np.add, np.subtract):
            return self.op(np.subtract if fn is np.add else np.add, a, minus_b)
        if minus_a is not None and fn is np.add:
            return self.op(np.subtract, b, minus_a)
        if fn in (np.multiply, np.divide, times) and (minus_a is not None or minus_b is not None):
            if minus_a is not None and minus_b is not None:
                return self.op(fn, minus_a, minus_b)
            for x, k in ((minus_a, 0), (minus_b, 1)):
                other = args[1 - k]
                if x is not None and constant(other) and type_of(other) == "f":
                    return self.op(fn, *((x, -other) if k == 0 else (-other, x)))
            product = self.op(fn, a if minus_a is None else minus_a, b if minus_b is None else minus_b)
            return self.op(np.negative, product)
        return None

    def _simplify(self, fn, args):
        is_num = [constant(a) for a in args]
        if fn in (np.positive, np.conjugate):
            return args[0]
        if fn is times:
            for x, other in (args, args[::-1]):
                if constant(x) and math.isfinite(x):
                    return self.op(np.multiply, float(x), self.to_float(other)) if x != 0 else 0.0
        if self.reciprocals and fn is np.divide and not is_num[1] and not (is_num[0] and abs(args[0]) == 1):
            return self.op(np.multiply, args[0], self.op(np.divide, 1.0, args[1]))
        signs = self._signs(fn, args)
        if signs is not None:
            return signs
        if fn is np.square:
            return self.op(np.multiply, args[0], args[0])
        if fn is np.add:
            a, b = args
            if (is_num[0] and a == 0 and type_of(a) <= type_of(b)) or (
                is_num[0] and a == 0 and type_of(b) == "f"
            ):
                return b
            if is_num[1] and b == 0 and (type_of(a) == "f" or type_of(b) == "i"):
                return a if type_of(a) != "b" else None
        elif fn is np.subtract:
            a, b = args
            if is_num[1] and b == 0 and (type_of(a) == "f" or type_of(a) == type_of(b) == "i"):
                return a
        elif fn is np.multiply:
            a, b = args
            for x, other, num in ((a, b, is_num[0]), (b, a, is_num[1])):
                if (
                    num
                    and not isinstance(x, bool)
                    and x == 1
                    and (type_of(other) == "f" or type_of(x) == type_of(other) == "i")
                ):
                    return other
                if num and type(x) is int and x == 0 and type_of(other) == "i":
                    return 0
                if (
                    num
                    and not isinstance(x, bool)
                    and x == -1
                    and (type_of(other) == "f" or type_of(x) == type_of(other) == "i")
                ):
                    return self.op(np.negative, other)
        elif fn is np.divide:
            if is_num[1] and args[1] == 1 and type_of(args[0]) == "f":
                return args[0]
            if is_num[1] and args[1] == 0:
                return self.op(np.multiply, args[0], math.copysign(INF, args[1]))
        elif fn is np.power:
            x, n = args
            if is_num[1] and type_of(x) == "f" and float(n).is_integer() and 0 <= n <= 4:
                n = int(n)
                if n == 0:
                    return 1.0
                square = x if n == 1 else self.op(np.multiply, x, x)
                return square if n <= 2 else self.op(np.multiply, square, x if n == 3 else square)
            if is_num[1] and type_of(x) == "f" and n == 0.5:
                return self.op(np.sqrt, x)
        elif (fn == "float" and type_of(args[0]) == "f") or (fn == "int" and type_of(args[0]) == "i"):
            return args[0]
        elif fn == "select":
            if is_num[0]:
                return args[1] if args[0] else args[2]
            if args[1] is args[2]:
                return args[1]
        elif fn is np.logical_and:
            for x, other in (args, args[::-1]):
                if constant(x):
                    return other if x else False
        elif fn is np.logical_or:
            for x, other in (args, args[::-1]):
                if constant(x):
                    return True if x else other
        return None

    # ----------------------------------------------------------------------------------------------

    def load(
        self, mem: str, address: Address, alias: int = 0, name: str = "", constant: bool = False
    ) -> Value:
        """The element at `address`; of memory that is never written (`constant`) it is loaded once."""
        if not constant:
            return self.emit(Load(Value("f", name), mem, address, alias)).out
        key = (mem, *address.key())
        found = self.shared(key)
        if found is None:
            out = self.emit(Load(Value("f", name), mem, address, alias)).out
            found = self.share(key, (out, address))
        return found[0]

    def store(self, mem: str, address: Address, value: Operand, alias: int = 0, **flags) -> None:
        self.emit(Store(mem, address, self.to_float(value), alias, **flags))

    def alloc(self, size: Operand, alias: int = 0, zero: bool = False) -> Value:
        return self.emit(Alloc(Value("i", "at", 0), size, alias, zero)).out


def result_type(fn, args) -> str:
    traits = traits_of(fn)
    if traits.truth:
        return "b"
    if fn == "int":
        return "i"
    if fn == "float":
        return "f"
    types = {type_of(a) for a in (args[1:] if fn == "select" else args)}
    if fn == "select" and types == {"b"}:
        return "b"
    if traits.closed and types <= {"i", "b"}:
        return "i"
    if fn is np.power and types <= {"i", "b"} and constant(args[1]) and args[1] >= 0:
        return "i"
    return "f"


_FOLD = {
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.negative: operator.neg,
    np.floor_divide: operator.floordiv,
    np.remainder: operator.mod,
}


def fold(fn, args):
    """``fn`` of plain numbers, as the program would have computed it (no warnings, NaN and infinity kept)."""
    if fn == "int":
        return int(args[0])
    if fn in ("float", "stop"):
        return float(args[0])
    if fn == "select":
        return args[1] if args[0] else args[2]
    if (
        fn in _FOLD
        and all(type(a) is int for a in args)
        and not (fn in (np.floor_divide, np.remainder) and args[1] == 0)
    ):
        return _FOLD[fn](*args)  # exact: Python's ints do not wrap
    with np.errstate(all="ignore"):
        return np.asarray(fn(*args)).item()


def _bounds(x) -> tuple[float, float]:
    return (x.low, x.high) if isinstance(x, Value) else (x, x)


def interval(fn, args) -> tuple[float, float]:
    """Bounds of an int result from those of its arguments."""
    if fn == "int":
        return (
            _bounds(args[0])
            if type_of(args[0]) == "i"
            else (0, 1)
            if type_of(args[0]) == "b"
            else (-INF, INF)
        )
    if fn == "select":
        (a, b), (c, d) = _bounds(args[1]), _bounds(args[2])
        return min(a, c), max(b, d)
    bounds = [(0, 1) if type_of(x) == "b" else _bounds(x) for x in args]
    (a, b) = bounds[0]
    if fn is np.negative:
        return -b, -a
    if fn is np.absolute:
        return (0 if a <= 0 <= b else min(abs(a), abs(b))), max(abs(a), abs(b))
    if len(bounds) == 2:
        (c, d) = bounds[1]
        if fn is np.add:
            return a + c, b + d
        if fn is np.subtract:
            return a - d, b - c
        if fn is np.maximum:
            return max(a, c), max(b, d)
        if fn is np.minimum:
            return min(a, c), min(b, d)
        if fn is np.multiply:
            products = [0 if 0 in (x, y) else x * y for x in (a, b) for y in (c, d)]
            return min(products), max(products)
        if fn is np.remainder and c == d and c > 0 and d != INF:
            return 0, c - 1
        if fn is np.floor_divide and c == d and 0 < c < INF:
            return (a // c if a != -INF else -INF), (b // c if b != INF else INF)
    return -INF, INF
