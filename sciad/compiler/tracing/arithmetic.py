"""Scalar operations with the meaning of Python's and NumPy's numbers: truth values, ints of 64 bits."""

from __future__ import annotations

import ast

import numpy as np

from sciad.compiler.fence import Refusal
from sciad.compiler.ir.builder import type_of
from sciad.compiler.ir.nodes import Value
from sciad.compiler.ir.op_traits import traits_of
from sciad.compiler.objects.kinds import is_array, is_scalar

EXACT_INTS = 2**53  # floats count without gaps up to here
INT_LIMIT = 9.2e18


class Arithmetic:
    """Operations on operands."""

    def apply(self, fn, args):
        """A scalar operation; truth values count as 0 and 1 in arithmetic."""
        if traits_of(fn).arithmetic:
            args = [self.builder.to_int(a) if type_of(a) == "b" else a for a in args]
        try:
            return self.builder.op(fn, *args) if isinstance(fn, (np.ufunc, str)) else fn(*args)
        except (ValueError, ArithmeticError) as error:
            raise Refusal(f"{type(error).__name__}: {error}") from None

    def of_truths(self, fn, args):
        """The function that NumPy's `fn` is on truth values."""
        other = traits_of(fn).of_truths
        if other is not None and all((x.kind if is_array(x) else type_of(x)) == "b" for x in args):
            return other
        if fn in (np.subtract, np.negative) and all(is_array(x) and x.kind == "b" for x in args):
            raise Refusal("a difference of truth values", "Use != or ~, or convert with astype(int).")
        return fn

    def arithmetic(self, fn, args):
        """A scalar operation of the user's; what Python's ints do beyond 64 bits or by zero raises here."""
        types = [type_of(a) for a in args]
        if types == ["b", "b"]:
            if fn is np.add:  # True for NumPy's truth values, 2 for Python's
                raise Refusal("a sum of truth values", "Convert them with int(...).")
            fn = self.of_truths(fn, args)
        args = [self._representable(a, "f" in types) for a in args]
        if not traits_of(fn).exact or not set(types) <= {"i", "b"}:
            return self.apply(fn, args)
        if fn in (np.floor_divide, np.remainder, np.divide):
            return self._divided(fn, *args)
        result = self.apply(fn, args)
        if isinstance(result, Value) and result.type == "i" and not self._fits(fn, result, args):
            floats = [self.builder.to_float(a) for a in args]
            size = self.builder.op(np.absolute, self.builder.op(fn, *floats))
            message = "an integer outgrows the 64 bits that compiled code has for it"
            self.require(self.builder.op(np.less, size, INT_LIMIT), "OverflowError", message)
        return result

    def _representable(self, x, among_floats: bool):
        """An int constant, as a float where it has more than 64 bits."""
        if type(x) is not int or abs(x) < 2**63:
            return x
        if not among_floats:
            raise Refusal(f"the integer {x} beyond 64 bits", "Write it as a float.")
        try:
            return float(x)
        except OverflowError as error:
            raise Refusal(f"OverflowError: {error}") from None

    def _divided(self, fn, a, b):
        low, high = (b.low, b.high) if isinstance(b, Value) and b.type == "i" else (0, 0)
        if not isinstance(b, Value) and b == 0:
            self.fail("ZeroDivisionError", "division by zero")
        if isinstance(b, Value) and low <= 0 <= high:
            nonzero = self.truth(b)
            self.require(nonzero, "ZeroDivisionError", "integer division or modulo by zero")
            b = self.where_raised(1, b)
        return self.apply(fn, [a, b])

    def bits(self, op, a, b):
        """Shifts and bit operations of ints, one of them a constant, in arithmetic."""
        if not all(is_scalar(x) and type_of(x) != "f" for x in (a, b)):
            raise Refusal(
                "bit operations on floats or arrays of numbers", "They are for single integers here."
            )
        if isinstance(op, (ast.LShift, ast.RShift)):
            if not isinstance(b, int) or b < 0:
                raise Refusal("a shift by a number of bits that is not a constant")
            fn = np.multiply if isinstance(op, ast.LShift) else np.floor_divide
            return self.arithmetic(fn, [a, 1 << b])
        value, mask = (a, b) if isinstance(b, int) else (b, a)
        if not isinstance(mask, int):
            raise Refusal("a bit operation of two integers that depend on values", "Use a constant mask.")
        both = self._masked_bits(self.builder.to_int(value), int(mask))
        if isinstance(op, ast.BitAnd):
            return both
        total = self.builder.op(np.add, self.builder.to_int(value), int(mask))
        twice = isinstance(op, ast.BitXor)
        return self.builder.op(np.subtract, total, self.builder.op(np.multiply, both, 2) if twice else both)

    def _masked_bits(self, x, mask: int):
        op = self.builder.op
        if mask < 0:
            return op(np.subtract, x, self._masked_bits(x, ~mask))
        if mask & (mask + 1) == 0:  # all bits below one
            return op(np.remainder, x, mask + 1) if mask else 0
        total = 0
        for k in range(mask.bit_length()):
            if mask >> k & 1:
                bit = op(np.remainder, op(np.floor_divide, x, 1 << k), 2)
                total = op(np.add, total, op(np.multiply, bit, 1 << k))
        return total

    def _fits(self, fn, result, args) -> bool:
        if max(abs(result.low), abs(result.high)) < 2**63:
            return True
        steps = fn in (np.add, np.subtract, np.negative, np.absolute)  # nobody counts that far
        return steps and any(len(args) == 1 or (type(a) is int and abs(a) <= 2**40) for a in args)

    def integer(self, x):
        """``int(x)`` of a number."""
        if type_of(x) != "f":
            return self.builder.to_int(x)
        if not isinstance(x, Value):
            try:
                return int(x)
            except (ValueError, OverflowError) as error:
                self.fail(type(error).__name__, str(error))
        inside = self.builder.op(np.less_equal, self.builder.op(np.absolute, x), float(EXACT_INTS))
        self.require(inside, "ValueError", "int(...) of NaN, or of a number beyond 2**53")
        result = self.builder.to_int(x)
        result.low, result.high = max(result.low, -EXACT_INTS), min(result.high, EXACT_INTS)
        return result
