"""What is known of int values while compiling: bounds implied by conditions, and sums they are."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np

from sciad.compiler.ir.builder import type_of
from sciad.compiler.ir.nodes import INF, Address, Operand, Value


class Known:
    """Bounds and affine forms of values; the builder tells their definitions."""

    @contextmanager
    def narrowed(self, cond, truth: bool):
        """Within: int values have the bounds that `cond` being `truth` implies."""
        saved: list = []
        if isinstance(cond, Value):
            self._narrow(cond, truth, saved)
        try:
            yield
        finally:
            for value, low, high in reversed(saved):
                value.low, value.high = low, high

    def _narrow(self, cond, truth, saved):
        fn, args = self.builder.definitions.get(cond, (None, ()))
        if fn is np.logical_not:
            self._narrow(args[0], not truth, saved)
        elif fn is (np.logical_and if truth else np.logical_or):
            for a in args:
                if isinstance(a, Value):
                    self._narrow(a, truth, saved)
        elif fn in _ORDER and all(type_of(a) == "i" for a in args):
            x, y = args if _ORDER[fn][0] else args[::-1]
            strict = _ORDER[fn][1]
            if not truth:
                x, y, strict = y, x, not strict
            self._bound(x, -INF, highest(y) - strict, saved)
            self._bound(y, lowest(x) + strict, INF, saved)
        elif fn is np.equal and truth and all(type_of(a) == "i" for a in args):
            for x, y in (args, args[::-1]):
                self._bound(x, lowest(y), highest(y), saved)

    def _bound(self, x, low, high, saved):
        if not isinstance(x, Value):
            return
        saved.append((x, x.low, x.high))
        x.low, x.high = max(x.low, low), min(x.high, high)
        fn, args = self.builder.definitions.get(x, (None, ()))
        if fn in (np.add, np.subtract) and type(args[1]) is int:
            shift = args[1] if fn is np.add else -args[1]
            self._bound(args[0], x.low - shift, x.high - shift, saved)
        elif fn is np.add and type(args[0]) is int:
            self._bound(args[1], x.low - args[0], x.high - args[0], saved)

    def affine(self, x: Operand) -> Address:
        """An int operand as a sum of others, as far as its definition is one."""
        if not isinstance(x, Value):
            return Address(int(x))
        known = self._affine.get(x)
        if known is None:
            fn, args = self.builder.definitions.get(x, (None, ()))
            known = Address(0, ((1, x),))
            if x.type == "i" and all(type_of(a) == "i" for a in args):
                if fn is np.add:
                    known = self.affine(args[0]) + self.affine(args[1])
                elif fn is np.subtract:
                    known = self.affine(args[0]) + self.affine(args[1]) * -1
                elif fn is np.negative:
                    known = self.affine(args[0]) * -1
                elif fn is np.multiply and any(type(a) is int for a in args):
                    factor, other = args if type(args[0]) is int else args[::-1]
                    known = self.affine(other) * factor
            self._affine[x] = known
        return known

    def operand(self, address: Address) -> Operand:
        """The int an address stands for, as an operand."""
        total: Operand = address.const
        for factor, value in address.terms:
            total = self.builder.op(np.add, self.builder.op(np.multiply, value, factor), total)
        return total


_ORDER = {
    np.less: (True, True),
    np.less_equal: (True, False),
    np.greater: (False, True),
    np.greater_equal: (False, False),
}


def lowest(x):
    return (0 if x.type == "b" else x.low) if isinstance(x, Value) else x


def highest(x):
    return (1 if x.type == "b" else x.high) if isinstance(x, Value) else x
