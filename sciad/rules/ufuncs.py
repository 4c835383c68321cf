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
_INTS = {"closed": True, "arithmetic": True}  # what integers make an integer of, and truth values count in
scalar(
    np.add,
    lambda y, a, b: 1,
    lambda y, a, b: 1,
    also=[operator.add, operator.iadd],
    **_INTS,
    cost=0.4,
    exact=True,
    tame=True,
    of_truths=np.logical_or,
    reduction=np.sum,
    accumulation=np.cumsum,
)
scalar(
    np.subtract,
    lambda y, a, b: 1,
    lambda y, a, b: -1,
    also=[operator.sub, operator.isub],
    **_INTS,
    cost=0.4,
    exact=True,
    tame=True,
)
scalar(
    np.multiply,
    lambda y, a, b: b,
    lambda y, a, b: a,
    also=[operator.mul, operator.imul],
    **_INTS,
    cost=0.4,
    exact=True,
    tame=True,
    of_truths=np.logical_and,
    reduction=np.prod,
    accumulation=np.cumprod,
)
scalar(
    np.divide,
    lambda y, a, b: 1 / b,
    lambda y, a, b: -y / b,
    also=[operator.truediv, operator.itruediv],
    cost=3.0,
    arithmetic=True,
    exact=True,
)
scalar(
    np.power,
    lambda y, a, b: b * a ** (b - (b != 0)),
    lambda y, a, b: y * np.log(a + (a == 0)),
    also=[np.float_power, operator.pow, operator.ipow, math.pow],
    cost=20.0,
    arithmetic=True,
    exact=True,
)
scalar(np.negative, lambda y, x: -1, also=[operator.neg], **_INTS, cost=0.4, exact=True, tame=True)
scalar(np.positive, lambda y, x: 1, also=[operator.pos], **_INTS)
scalar(np.absolute, lambda y, x: np.conjugate(np.sign(x)), also=[abs], **_INTS, cost=0.4, tame=True)
scalar(np.fabs, lambda y, x: np.sign(x), also=[math.fabs])
scalar(np.square, lambda y, x: 2 * x, closed=True)
scalar(np.reciprocal, lambda y, x: -y * y, cost=3.0)
scalar(
    np.remainder,
    lambda y, a, b: 1,
    lambda y, a, b: -np.rint((a - y) / b),  # a/b may be a little less than it should be
    also=[operator.mod],
    **_INTS,
    cost=5.0,
    exact=True,
)
scalar(np.fmod, lambda y, a, b: 1, lambda y, a, b: -np.rint((a - y) / b), also=[math.fmod])

# exponentials, logarithms, roots
scalar(np.exp, lambda y, x: y, also=[math.exp])
scalar(np.exp2, lambda y, x: math.log(2) * y, also=[math.exp2] if hasattr(math, "exp2") else [])
scalar(np.expm1, lambda y, x: np.exp(x), also=[math.expm1])
scalar(np.log, lambda y, x: 1 / x, also=[math.log])
scalar(np.log2, lambda y, x: 1 / (math.log(2) * x), also=[math.log2])
scalar(np.log10, lambda y, x: 1 / (math.log(10) * x), also=[math.log10])
scalar(np.log1p, lambda y, x: 1 / (1.0 + x), also=[math.log1p])
scalar(np.sqrt, lambda y, x: 0.5 / y, also=[math.sqrt], cost=3.0)
scalar(np.cbrt, lambda y, x: 1 / (3.0 * y * y), also=[math.cbrt] if hasattr(math, "cbrt") else [], tame=True)
scalar(
    np.logaddexp,
    lambda y, a, b: 1 / (1.0 + np.exp(_gap(b, a))),
    lambda y, a, b: 1 / (1.0 + np.exp(_gap(a, b))),
    tame=True,
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
scalar(np.sin, lambda y, x: np.cos(x), also=[math.sin], tame=True)
scalar(np.cos, lambda y, x: -np.sin(x), also=[math.cos], tame=True)
scalar(np.tan, lambda y, x: 1.0 + y * y, also=[math.tan])
scalar(np.arcsin, lambda y, x: 1 / np.sqrt(_one_minus_square(x)), also=[math.asin])
scalar(np.arccos, lambda y, x: -1 / np.sqrt(_one_minus_square(x)), also=[math.acos])
scalar(np.arctan, lambda y, x: 1 / (1.0 + x * x), also=[math.atan], bounded=True)
scalar(
    np.arctan2,
    lambda y, a, b: b / np.hypot(a, b) / np.hypot(a, b),  # squares would overflow and underflow
    lambda y, a, b: -a / np.hypot(a, b) / np.hypot(a, b),
    also=[math.atan2],
    tame=True,
)
scalar(np.sinh, lambda y, x: np.cosh(x), also=[math.sinh])
scalar(np.cosh, lambda y, x: np.sinh(x), also=[math.cosh])
scalar(np.tanh, lambda y, x: 1.0 - y * y, also=[math.tanh], bounded=True)
scalar(np.arcsinh, lambda y, x: 1 / np.hypot(x, 1.0), also=[math.asinh], tame=True)
scalar(np.arccosh, lambda y, x: 1 / (np.sqrt(x - 1.0) * np.sqrt(x + 1.0)), also=[math.acosh])
scalar(np.arctanh, lambda y, x: 1 / _one_minus_square(x), also=[math.atanh])
scalar(
    np.hypot,
    lambda y, a, b: a / (y + (y == 0)),
    lambda y, a, b: b / (y + (y == 0)),
    also=[math.hypot],
    tame=True,
)
scalar(np.degrees, lambda y, x: 180.0 / math.pi, also=[np.rad2deg, math.degrees])
scalar(np.radians, lambda y, x: math.pi / 180.0, also=[np.deg2rad, math.radians])

# choosing between values: one side, or half of each at a tie
for _choose, _traits in {
    np.maximum: {"cost": 0.4, "of_ints": "max", "of_truths": np.logical_or, "reduction": np.max},
    np.minimum: {"cost": 0.4, "of_ints": "min", "of_truths": np.logical_and, "reduction": np.min},
    np.fmax: {"of_ints": "max"},
    np.fmin: {"of_ints": "min"},
}.items():
    scalar(
        _choose,
        lambda y, a, b: (a == y) * (1.0 - 0.5 * (b == y)),
        lambda y, a, b: (b == y) * (1.0 - 0.5 * (a == y)),
        closed=True,
        tame=True,
        **_traits,
    )
scalar(
    np.copysign,
    lambda y, a, b: np.sign(a) * np.sign(y),
    lambda y, a, b: 0,
    also=[math.copysign],
    cost=0.4,
    tame=True,
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
constant(np.sign, cost=0.4, closed=True, bounded=True)
constant(np.floor_divide, cost=3.0, exact=True, **_INTS)
constant(np.floor, np.ceil, cost=0.4, tame=True)
constant(np.rint, np.trunc, np.heaviside, tame=True)
constant(
    np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal, np.isnan, np.isfinite,
    cost=0.4, truth=True
)  # fmt: skip
constant(np.logical_and, np.logical_or, np.logical_not, cost=0.4, truth=True, logical=True)
constant(np.logical_xor, logical=True)
constant(np.isinf, truth=True)
constant(
    np.signbit, np.spacing, np.isnat, np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert,
    np.left_shift, np.right_shift, np.gcd, np.lcm
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
