"""Python's operators on traced values, in general; each level has faster ones of its own."""

from __future__ import annotations

import operator
from math import isfinite

from sciad.eager.python_numbers import as_python
from sciad.eager.traced import Traced, apply, in_place
from sciad.plain_numpy import np
from sciad.rule_table import TABLE

BINARY = {
    "add": (operator.add, np.add),
    "sub": (operator.sub, np.subtract),
    "mul": (operator.mul, np.multiply),
    "truediv": (operator.truediv, np.true_divide),
    "pow": (operator.pow, np.power),
    "mod": (operator.mod, np.remainder),
    "floordiv": (operator.floordiv, np.floor_divide),
}
RAISING = ("truediv", "pow", "mod", "floordiv")  # of Python's numbers, at zero or beyond the largest
UNARY = {
    "neg": (operator.neg, np.negative),
    "pos": (operator.pos, np.positive),
    "abs": (operator.abs, np.absolute),
}
COMPARE = {"lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal,
           "ne": np.not_equal}  # fmt: skip


LOGIC = {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}


def _checked(method, op):
    def checked(self, other):
        y = method(self, other)
        if y.__class__ is np.float64 and not isfinite(y):
            x = self
            while isinstance(x.value, Traced):  # the level of the numbers that the user gave
                x = x.value
            as_python(x.level, op, self, other)
        return y

    return checked


def _floordiv_by(a, b):
    return b // a


def _install_operators():
    def binary(name, ufunc):
        def forward(self, other):
            return apply(TABLE[ufunc], (self, other), {})

        def reflected(self, other):
            return apply(TABLE[ufunc], (other, self), {})

        if name == "floordiv":  # the only one of `RAISING` that no level has a faster operator for
            forward, reflected = _checked(forward, operator.floordiv), _checked(reflected, _floordiv_by)

        def augmented(self, other):
            return in_place(self, apply(TABLE[ufunc], (self, other), {}))

        setattr(Traced, f"__{name}__", forward)
        setattr(Traced, f"__r{name}__", reflected)
        setattr(Traced, f"__i{name}__", augmented)

    def unary(name, ufunc):
        setattr(Traced, f"__{name}__", lambda self: apply(TABLE[ufunc], (self,), {}))

    def compare(name, ufunc):
        setattr(Traced, f"__{name}__", lambda self, other: apply(TABLE[ufunc], (self, other), {}))

    for name, (_, ufunc) in BINARY.items():
        binary(name, ufunc)
    for name, (_, ufunc) in UNARY.items():
        unary(name, ufunc)
    for name, ufunc in {**COMPARE, **LOGIC}.items():
        compare(name, ufunc)
    for name, ufunc in LOGIC.items():
        compare("r" + name, ufunc)
    unary("invert", np.invert)


_install_operators()
