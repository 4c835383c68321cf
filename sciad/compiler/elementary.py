"""exp, log, tanh and their kin as branch-free LLVM instructions, so that loops over them vectorise.

Errors are below 2 units in the last place; NaN, infinities, signed zeros and subnormal results are kept.
Argument reduction and the series of ``log`` follow fdlibm (Sun Microsystems, 1993); ``exp`` is a Taylor
series on half an octave."""

from __future__ import annotations

import math

from llvmlite import ir

LN2_HI, LN2_LO = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_LOG = (
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
    1.818357216161805012e-01,
    1.531383769920937332e-01,
    1.479819860511658591e-01,
)
_ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it rounds to an integer, found in the low bits
_DOUBLE, _INT = ir.DoubleType(), ir.IntType(64)
_FLAGS = ("contract",)  # never to be reassociated, whatever the surrounding function allows


class Float:
    """A float64 in LLVM with Python's operators."""

    def __init__(self, builder, value):
        self.builder, self.value = builder, value

    def _with(self, other):
        return other.value if isinstance(other, Float) else ir.Constant(_DOUBLE, other)

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
        return self.builder.bitcast(self.value, _INT)

    def from_bits(self, bits) -> Float:
        return self._new(self.builder.bitcast(bits, _DOUBLE))

    def call(self, name: str, *others) -> Float:
        kind = ir.FunctionType(_DOUBLE, [_DOUBLE] * (1 + len(others)))
        module = self.builder.module
        function = module.globals.get(name) or ir.Function(module, kind, name)
        return self._new(self.builder.call(function, [self.value, *map(self._with, others)]))


def _int(n: int):
    return ir.Constant(_INT, n)


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


def _octaves(x: Float):
    """``k``, ``r`` and ``c`` with ``x = k*ln2 + r + c``, ``|r| <= ln2/2`` and c below the last place of r."""
    shifted = x * 1.4426950408889634 + _ROUND
    k = shifted - _ROUND
    n = x.builder.sub(shifted.bits(), ir.Constant(_DOUBLE, _ROUND).bitcast(_INT))
    high, low = x - k * LN2_HI, k * LN2_LO
    r = high - low
    return n, r, (high - r) - low


def _power_of_two(x: Float, n) -> Float:
    """``2**n`` for -1022 <= n <= 1023."""
    b = x.builder
    return x.from_bits(b.shl(b.add(n, _int(1023)), _int(52)))


_EXP = [1 / math.factorial(k) for k in range(14)]


def exp(x: Float) -> Float:
    x = _clip(x, -746.0, 710.0)
    n, r, c = _octaves(x)
    b = x.builder
    half = b.ashr(n, _int(1))
    p = (polynomial(r, _EXP[2:]) * (r * r) + c + r) + 1.0
    return p * _power_of_two(x, half) * _power_of_two(x, b.sub(n, half))


def _clip(x: Float, low: float, high: float) -> Float:
    """NaN stays."""
    x = x._new(ir.Constant(_DOUBLE, high)).where(x > high, x)
    return x._new(ir.Constant(_DOUBLE, low)).where(x < low, x)


def _expm1(y: Float):
    """``exp(y) - 1`` for y <= 709, what its rounding lost, and of what it is made."""
    n, r, c = _octaves(y)
    s = _power_of_two(y, n)
    tail = polynomial(r, _EXP[2:]) * (r * r) + c
    q = r + tail
    part, rest = s * q, s - 1.0
    e = rest + part
    return e, part - (e - rest) + s * ((r - q) + tail), q, n


def expm1(x: Float) -> Float:
    e, lost, q, n = _expm1(_clip(x, -40.0, 710.0))
    huge = (
        (q + 1.0) * 2.0**512 * _power_of_two(x, x.builder.sub(n, _int(512)))
    )  # 2**n may overflow, this need not
    return x.where(x.equals(0.0), huge.where(x > 709.0, e + lost))


def tanh(x: Float) -> Float:
    e, lost, _, _ = _expm1(_clip(x.call("llvm.fabs.f64"), 0.0, 22.0) * 2.0)
    below = e + 2.0
    inverse = 1.0 / below
    y = e * inverse
    y = y + ((e - y * below) + (lost - y * ((e - (below - 2.0)) + lost))) * inverse
    return y.call("llvm.copysign.f64", x)


def _split(x: Float):
    """``x = m * 2**k`` with m in [sqrt(1/2), sqrt(2))."""
    b = x.builder
    tiny = x < 2.2250738585072014e-308
    x = (x * 18014398509481984.0).where(tiny, x)
    bits = x.bits()
    shifted = b.sub(bits, _int(0x3FE6A09E667F3BCD))
    k = b.ashr(shifted, _int(52))
    m = x.from_bits(b.sub(bits, b.shl(k, _int(52))))
    k = b.sub(k, b.select(tiny, _int(54), _int(0)))
    return m, x._new(b.sitofp(k, _DOUBLE))


def log(x: Float) -> Float:
    m, k = _split(x)
    f = m - 1.0
    return _log_special(x, _log_series(f, k, 0.0))


def _log_series(f: Float, k: Float, correction) -> Float:
    s = f / (f + 2.0)
    z = s * s
    r = z * polynomial(z, _LOG)
    h = f * f * 0.5
    return k * LN2_HI - ((h - (s * (h + r) + (k * LN2_LO + correction))) - f)


def _log_special(x: Float, y: Float) -> Float:
    infinity = math.inf
    y = x.where(x.equals(infinity), y)
    y = x._new(ir.Constant(_DOUBLE, -infinity)).where(x.equals(0.0), y)
    ok = x.builder.fcmp_ordered(">=", x.value, ir.Constant(_DOUBLE, 0.0))
    return y.where(ok, x._new(ir.Constant(_DOUBLE, math.nan)))


def log1p(x: Float) -> Float:
    u = x + 1.0
    m, k = _split(u)
    # what rounding 1 + x lost, as a part of u
    lost = (x - (u - 1.0)).where(u < 9007199254740992.0, 0.0)
    lost = (1.0 - (u - x)).where(u > 2.0, lost)
    lost = lost.where(u < 9007199254740992.0, 0.0) / u
    y = _log_special(u, _log_series(m - 1.0, k, lost))
    small = x.call("llvm.fabs.f64") < 1e-300
    return x.where(small, y)


def expit(x: Float) -> Float:
    e = exp(-x.call("llvm.fabs.f64"))
    top = e._new(ir.Constant(_DOUBLE, 1.0)).where(x >= 0.0, e)
    return top / (e + 1.0)


def logaddexp(a: Float, b: Float) -> Float:
    gap = (a - b).call("llvm.fabs.f64")
    gap = gap._new(ir.Constant(_DOUBLE, 0.0)).where(a.equals(b), gap)  # both infinite
    large = a.where(a > b, b)
    return large + log1p(exp(-gap))


def plus(a: Float, b: Float) -> Float:
    """A step of a sum that may be made in any order."""
    return a._new(a.builder.fadd(a.value, b.value, flags=("reassoc", "nsz", "contract")))


def minus(a: Float, b: Float) -> Float:
    return a._new(a.builder.fsub(a.value, b.value, flags=("reassoc", "nsz", "contract")))


def maximum(a: Float, b: Float) -> Float:
    """NaN wins."""
    return a.where((a >= b, a.is_nan()), b)


def minimum(a: Float, b: Float) -> Float:
    return a.where((b >= a, a.is_nan()), b)


def fmax(a: Float, b: Float) -> Float:
    """A number wins against NaN."""
    return a.where((a >= b, b.is_nan()), b)


def fmin(a: Float, b: Float) -> Float:
    return a.where((b >= a, b.is_nan()), b)


def sign(x: Float) -> Float:
    one = x._new(ir.Constant(_DOUBLE, 1.0))
    return one.where(x > 0.0, (-one).where(x < 0.0, x))


def reciprocal(x: Float) -> Float:
    return 1.0 / x


def heaviside(x: Float, at_zero: Float) -> Float:
    one = x._new(ir.Constant(_DOUBLE, 1.0))
    return one.where(x > 0.0, (one - 1.0).where(x < 0.0, at_zero.where(x.equals(0.0), x)))


def degrees(x: Float) -> Float:
    return x * (180.0 / math.pi)


def radians(x: Float) -> Float:
    return x * (math.pi / 180.0)


def isnan(x: Float):
    return x.is_nan()


def isinf(x: Float):
    return x.call("llvm.fabs.f64").equals(math.inf)


def isfinite(x: Float):
    return x.call("llvm.fabs.f64") < math.inf


def signbit(x: Float):
    return x.builder.icmp_signed("<", x.bits(), _int(0))
