"""Rules of NumPy's elementwise functions: partial derivatives `(y, *xs)`, operators and ufuncs only.

Sources: NIST Digital Library of Mathematical Functions, chapter 4.  At a kink (`abs` at 0, `maximum` at a
tie) the derivative is the mean of the two sides; where NumPy's formula would make 0*inf the denominator
is shifted by the boolean ``(x == 0)``, so that partials are finite wherever the function is smooth.
"""

import math
import operator

from sciad.eager.traced import plainly
from sciad.plain_numpy import np
from sciad.rule_table import TABLE, alias, composite, constant, linear, scalar

# arithmetic
scalar(np.add, lambda y, a, b: 1, lambda y, a, b: 1, also=[operator.add, operator.iadd])
scalar(np.subtract, lambda y, a, b: 1, lambda y, a, b: -1, also=[operator.sub, operator.isub])
scalar(np.multiply, lambda y, a, b: b, lambda y, a, b: a, also=[operator.mul, operator.imul])
scalar(np.divide, lambda y, a, b: 1 / b, lambda y, a, b: -y / b, also=[operator.truediv, operator.itruediv])
scalar(
    np.power,
    lambda y, a, b: b * a ** (b - (b != 0)),
    lambda y, a, b: y * np.log(a + (a == 0)),
    also=[np.float_power, operator.pow, operator.ipow, math.pow],
)
scalar(np.negative, lambda y, x: -1, also=[operator.neg])
scalar(np.positive, lambda y, x: 1, also=[operator.pos])
scalar(np.absolute, lambda y, x: np.conjugate(np.sign(x)), also=[abs])
scalar(np.fabs, lambda y, x: np.sign(x), also=[math.fabs])
scalar(np.square, lambda y, x: 2 * x)
scalar(np.reciprocal, lambda y, x: -y * y)
scalar(np.remainder, lambda y, a, b: 1, lambda y, a, b: -np.floor(a / b), also=[operator.mod])
scalar(np.fmod, lambda y, a, b: 1, lambda y, a, b: -np.trunc(a / b), also=[math.fmod])

# exponentials, logarithms, roots
scalar(np.exp, lambda y, x: y, also=[math.exp])
scalar(np.exp2, lambda y, x: math.log(2) * y, also=[math.exp2] if hasattr(math, "exp2") else [])
scalar(np.expm1, lambda y, x: np.exp(x), also=[math.expm1])
scalar(np.log, lambda y, x: 1 / x, also=[math.log])
scalar(np.log2, lambda y, x: 1 / (math.log(2) * x), also=[math.log2])
scalar(np.log10, lambda y, x: 1 / (math.log(10) * x), also=[math.log10])
scalar(np.log1p, lambda y, x: 1 / (1.0 + x), also=[math.log1p])
scalar(np.sqrt, lambda y, x: 0.5 / y, also=[math.sqrt])
scalar(np.cbrt, lambda y, x: 1 / (3.0 * y * y), also=[math.cbrt] if hasattr(math, "cbrt") else [])
scalar(
    np.logaddexp,
    lambda y, a, b: 1 / (1.0 + np.exp(_gap(b, a))),
    lambda y, a, b: 1 / (1.0 + np.exp(_gap(a, b))),
)
scalar(
    np.logaddexp2,
    lambda y, a, b: 1 / (1.0 + np.exp2(_gap(b, a))),
    lambda y, a, b: 1 / (1.0 + np.exp2(_gap(a, b))),
)


def _one_minus_square(x):
    """``1 - x*x`` without loss near 1, nor in its derivative near 0."""
    near = np.absolute(x) < 0.5
    return near * (1.0 - x * x) + (1.0 - near) * ((1.0 - x) * (1.0 + x))


def _gap(a, b):
    """``a - b``, and 0 for two infinities of one sign: half of the derivative for each."""
    return np.fmax(a - b, 0.0) + np.fmin(a - b, 0.0)


# trigonometric and hyperbolic functions
scalar(np.sin, lambda y, x: np.cos(x), also=[math.sin])
scalar(np.cos, lambda y, x: -np.sin(x), also=[math.cos])
scalar(np.tan, lambda y, x: 1.0 + y * y, also=[math.tan])
scalar(np.arcsin, lambda y, x: 1 / np.sqrt(_one_minus_square(x)), also=[math.asin])
scalar(np.arccos, lambda y, x: -1 / np.sqrt(_one_minus_square(x)), also=[math.acos])
scalar(np.arctan, lambda y, x: 1 / (1.0 + x * x), also=[math.atan])
scalar(
    np.arctan2,
    lambda y, a, b: b / np.hypot(a, b) / np.hypot(a, b),  # squares would overflow and underflow
    lambda y, a, b: -a / np.hypot(a, b) / np.hypot(a, b),
    also=[math.atan2],
)
scalar(np.sinh, lambda y, x: np.cosh(x), also=[math.sinh])
scalar(np.cosh, lambda y, x: np.sinh(x), also=[math.cosh])
scalar(np.tanh, lambda y, x: 1.0 - y * y, also=[math.tanh])
scalar(np.arcsinh, lambda y, x: 1 / np.hypot(x, 1.0), also=[math.asinh])
scalar(np.arccosh, lambda y, x: 1 / (np.sqrt(x - 1.0) * np.sqrt(x + 1.0)), also=[math.acosh])
scalar(np.arctanh, lambda y, x: 1 / _one_minus_square(x), also=[math.atanh])
scalar(
    np.hypot,
    lambda y, a, b: a / (y + (y == 0)),
    lambda y, a, b: b / (y + (y == 0)),
    also=[math.hypot],
)
scalar(np.degrees, lambda y, x: 180.0 / math.pi, also=[np.rad2deg, math.degrees])
scalar(np.radians, lambda y, x: math.pi / 180.0, also=[np.deg2rad, math.radians])

# choosing between values: one side, or half of each at a tie
for _choose in (np.maximum, np.minimum, np.fmax, np.fmin):
    scalar(
        _choose,
        lambda y, a, b: (a == y) * (1.0 - 0.5 * (b == y)),
        lambda y, a, b: (b == y) * (1.0 - 0.5 * (a == y)),
    )
scalar(
    np.copysign,
    lambda y, a, b: np.sign(a) * np.sign(y),
    lambda y, a, b: 0,
    also=[math.copysign],
)
scalar(np.nextafter, lambda y, a, b: 1, lambda y, a, b: 0)
scalar(np.ldexp, lambda y, a, b: np.exp2(b), None, also=[math.ldexp])

# parts of complex numbers: linear over the reals
linear(np.conjugate, lambda g, x: np.conjugate(g))

# two results
composite(np.divmod, lambda a, b: (np.floor_divide(a, b), np.remainder(a, b)), also=[divmod])
composite(np.modf, lambda x: (np.fmod(x, 1.0), np.trunc(x)), also=[math.modf])
composite(np.frexp, lambda x: _frexp(x), also=[math.frexp])

# derivative zero on purpose
constant(
    np.sign, np.floor, np.ceil, np.rint, np.trunc, np.floor_divide, np.heaviside, np.signbit, np.spacing,
    np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal,
    np.logical_and, np.logical_or, np.logical_not, np.logical_xor, np.isfinite, np.isinf, np.isnan,
    np.isnat, np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift,
    np.gcd, np.lcm
)  # fmt: skip
for _fn, _ufunc in {
    math.floor: np.floor, math.ceil: np.ceil, math.trunc: np.trunc, math.isfinite: np.isfinite,
    math.isinf: np.isinf, math.isnan: np.isnan, operator.lt: np.less, operator.le: np.less_equal,
    operator.gt: np.greater, operator.ge: np.greater_equal, operator.eq: np.equal, operator.ne:
    np.not_equal, operator.floordiv: np.floor_divide, operator.not_: np.logical_not, operator.and_:
    np.bitwise_and, operator.or_: np.bitwise_or, operator.xor: np.bitwise_xor, operator.invert: np.invert,
}.items():  # fmt: skip
    alias(TABLE[_ufunc], _fn)

# the sign of a complex number turns with it
TABLE[np.sign].complex = lambda x: x / np.absolute(x)


def _frexp(x):
    exponent = plainly(lambda v: np.frexp(v)[1], x)
    return np.ldexp(x, -exponent), exponent
