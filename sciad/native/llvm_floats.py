"""Arithmetic of LLVM written with Python's operators: float64 values, integers, polynomials."""

from __future__ import annotations

from llvmlite import ir

__all__ = ["DOUBLE", "INT", "Float", "integer", "polynomial"]

DOUBLE, INT = ir.DoubleType(), ir.IntType(64)
_FLAGS = ("contract",)  # never to be reassociated, whatever the surrounding function allows


class Float:
    """A float64 in LLVM with Python's operators."""

    def __init__(self, builder, value):
        self.builder, self.value = builder, value

    def _with(self, other):
        return other.value if isinstance(other, Float) else ir.Constant(DOUBLE, other)

    def _new(self, value):
        return Float(self.builder, value)

    def __add__(self, other):
        return self._new(self.builder.fadd(self.value, self._with(other), flags=_FLAGS))

    def __sub__(self, other):
        return self._new(self.builder.fsub(self.value, self._with(other), flags=_FLAGS))

    def __rsub__(self, other):
        return self._new(self.builder.fsub(self._with(other), self.value, flags=_FLAGS))

    def __mul__(self, other):
        return self._new(self.builder.fmul(self.value, self._with(other), flags=_FLAGS))

    def __truediv__(self, other):
        return self._new(self.builder.fdiv(self.value, self._with(other), flags=_FLAGS))

    def __rtruediv__(self, other):
        return self._new(self.builder.fdiv(self._with(other), self.value, flags=_FLAGS))

    def __neg__(self):
        return self._new(self.builder.fneg(self.value))

    __radd__, __rmul__ = __add__, __mul__

    def __lt__(self, other):
        return self.builder.fcmp_ordered("<", self.value, self._with(other))

    def __gt__(self, other):
        return self.builder.fcmp_ordered(">", self.value, self._with(other))

    def __ge__(self, other):
        return self.builder.fcmp_ordered(">=", self.value, self._with(other))

    def equals(self, other):
        return self.builder.fcmp_ordered("==", self.value, self._with(other))

    def is_nan(self):
        return self.builder.fcmp_unordered("uno", self.value, self.value)

    def where(self, cond, other) -> Float:
        """``self if cond else other``; of a tuple of conditions any."""
        if isinstance(cond, tuple):
            cond = self.builder.or_(*cond)
        return self._new(self.builder.select(cond, self.value, self._with(other)))

    def bits(self):
        return self.builder.bitcast(self.value, INT)

    def from_bits(self, bits) -> Float:
        return self._new(self.builder.bitcast(bits, DOUBLE))

    def call(self, name: str, *others) -> Float:
        kind = ir.FunctionType(DOUBLE, [DOUBLE] * (1 + len(others)))
        module = self.builder.module
        function = module.globals.get(name) or ir.Function(module, kind, name)
        return self._new(self.builder.call(function, [self.value, *map(self._with, others)]))


def integer(n: int):
    return ir.Constant(INT, n)


def polynomial(x: Float, coefficients) -> Float:
    """``c[0] + c[1]*x + ...`` by Estrin's scheme: short chains of dependent operations."""
    terms: list = list(coefficients)
    while len(terms) > 1:
        pairs = []
        for k in range(0, len(terms) - 1, 2):
            pairs.append(x * terms[k + 1] + terms[k])
        terms = pairs + terms[len(terms) - len(terms) % 2 :]
        x = x * x
    return terms[0]
