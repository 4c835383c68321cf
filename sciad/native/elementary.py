"""exp, log, tanh, sin and their kin as branch-free LLVM instructions, so that loops over them vectorise.

Errors are below 2 units in the last place; NaN, infinities, signed zeros and subnormal results are kept.
Argument reduction and the series of ``log``, ``sin`` and ``cos`` follow fdlibm (Sun Microsystems, 1993);
``exp`` is a polynomial on half an octave."""

from __future__ import annotations

import functools
import math

from llvmlite import ir

from sciad.native.llvm_floats import DOUBLE, INT, Float, integer, polynomial

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


def _octaves(x: Float):
    """``k``, ``r`` and ``c`` with ``x = k*ln2 + r + c``, ``|r| <= ln2/2`` and c below the last place of r."""
    k, n = _nearest(x * 1.4426950408889634)
    high, low = x - k * LN2_HI, k * LN2_LO
    r = high - low
    return n, r, (high - r) - low


def _power_of_two(x: Float, n) -> Float:
    """``2**n`` for -1022 <= n <= 1023."""
    b = x.builder
    return x.from_bits(b.shl(b.add(n, integer(1023)), integer(52)))


# (exp(r) - 1 - r)/r**2 on half an octave, interpolated at Chebyshev's points: to 2e-17 of exp(r)
_EXP = (
    0.5000000000000001,
    0.16666666666666669,
    0.04166666666662347,
    0.008333333333329973,
    0.0013888888917539652,
    0.00019841269863432901,
    2.4801520791668554e-05,
    2.755726793084358e-06,
    2.762032758598735e-07,
    2.510061916134298e-08,
)


def exp(x: Float) -> Float:
    x = _clip(x, -746.0, 710.0)
    n, r, _ = _octaves(x)
    b = x.builder
    half = b.ashr(n, integer(1))
    p = (polynomial(r, _EXP) * (r * r) + r) + 1.0
    return p * _power_of_two(x, half) * _power_of_two(x, b.sub(n, half))


def _clip(x: Float, low: float, high: float) -> Float:
    """NaN stays."""
    x = x._new(ir.Constant(DOUBLE, high)).where(x > high, x)
    return x._new(ir.Constant(DOUBLE, low)).where(x < low, x)


def _expm1(y: Float):
    """``exp(y) - 1`` for y <= 709, what its rounding lost, and of what it is made."""
    n, r, c = _octaves(y)
    s = _power_of_two(y, n)
    tail = polynomial(r, _EXP) * (r * r) + c
    q = r + tail
    part, rest = s * q, s - 1.0
    e = rest + part
    return e, part - (e - rest) + s * ((r - q) + tail), q, n


def expm1(x: Float) -> Float:
    e, lost, q, n = _expm1(_clip(x, -40.0, 710.0))
    huge = (
        (q + 1.0) * 2.0**512 * _power_of_two(x, x.builder.sub(n, integer(512)))
    )  # 2**n may overflow, this need not
    return x.where(x.equals(0.0), huge.where(x > 709.0, e + lost))


# Numerator and denominator of exp(r) = (Q + P)/(Q - P) on half an octave (Cephes, S. L. Moshier, 1984)
_EXP_P = (3.02994407707441961300e-2, 1.26177193074810590878e-4)
_EXP_Q = (2.27265548208155028766e-1, 2.52448340349684104192e-3, 3.00198505138664455042e-6)


def tanh(x: Float) -> Float:
    y = _clip(x.call("llvm.fabs.f64"), 0.0, 22.0) * 2.0
    n, r, _ = _octaves(y)
    s, square = _power_of_two(y, n), r * r
    p = r * (square * polynomial(square, _EXP_P))  # P = r + p and Q = 2 + q
    q = square * polynomial(square, _EXP_Q)
    below, above = s - 1.0, s + 1.0
    top, top_lost = _sum(below * 2.0, above * r + (above * p + below * q))
    bottom, bottom_lost = _sum(above * 2.0, below * r + (below * p + above * q))
    inverse = 1.0 / bottom
    y = top * inverse
    y = y + ((top - y * bottom) + (top_lost - y * bottom_lost)) * inverse
    return y.call("llvm.copysign.f64", x)


def _sum(a: Float, b: Float):
    """``a + b``, where a is the larger one or zero, and what its rounding loses."""
    total = a + b
    return total, b - (total - a)


# Cody and Waite's parts of pi/2, of 33 bits each, and what is left (fdlibm)
_HALF_PI = (
    1.57079632673412561417e00,
    6.07710050630396597660e-11,
    2.02226624871116645580e-21,
    8.47842766036889956997e-32,
)
_SIN = (
    -1.66666666666666324348e-01,
    8.33333333332248946124e-03,
    -1.98412698298579493134e-04,
    2.75573137070700676789e-06,
    -2.50507602534068634195e-08,
    1.58969099521155010221e-10,
)
_COS = (
    4.16666666666666019037e-02,
    -1.38888888888741095749e-03,
    2.48015872894767294178e-05,
    -2.75573143513906633035e-07,
    2.08757232129817482790e-09,
    -1.13596475577881948265e-11,
)
_REDUCED = 2.0**20  # up to here multiples of the parts of pi/2 are exact


def sin(x: Float) -> Float:
    n, r, c = _quadrant(x)
    return _turned(x, n, _cos_series(r, c), _sin_series(r, c))


def cos(x: Float) -> Float:
    n, r, c = _quadrant(x)
    return _turned(x, x.builder.add(n, integer(1)), _cos_series(r, c), _sin_series(r, c))


def _quadrant(x: Float):
    """``n``, ``r`` and ``c`` with ``x = n*pi/2 + r + c``, ``|r| <= pi/4`` and c below the last place of r; n
    modulo 4.

    A function of its own, inlined later, so that the sine and the cosine of a number share it.
    """
    b = x.builder
    name, kind = "sciad_quadrant", ir.LiteralStructType([INT, DOUBLE, DOUBLE])
    function = b.module.globals.get(name)
    if function is None:
        function = ir.Function(b.module, ir.FunctionType(kind, [DOUBLE]), name)
        function.linkage = "linkonce_odr"
        for attribute in ("alwaysinline", "nounwind", "readnone"):
            function.attributes.add(attribute)
        inner = ir.IRBuilder(function.append_basic_block())
        result = ir.Constant(kind, ir.Undefined)
        for k, part in enumerate(list(_quadrant_of(Float(inner, function.args[0])))):
            result = inner.insert_value(result, part, k)
        inner.ret(result)
    n, r, c = (b.extract_value(q, k) for q in [b.call(function, [x.value])] for k in range(3))
    return n, x._new(r), x._new(c)


def _quadrant_of(x: Float):
    """The branch is seldom taken; a loop that contains it is vectorised all the same."""
    b, near = x.builder, _quadrant_near(x)
    before = b.block
    beyond = b.fcmp_unordered(">", x.call("llvm.fabs.f64").value, ir.Constant(DOUBLE, _REDUCED))
    with b.if_then(beyond, likely=False):
        far = _quadrant_far(x)
        inside = b.block
    for one, other in zip(near, far, strict=True):
        values = [getattr(v, "value", v) for v in (one, other)]
        phi = b.phi(values[0].type)
        phi.add_incoming(values[0], before)
        phi.add_incoming(values[1], inside)
        yield phi


def _quadrant_near(x: Float):
    k, n = _nearest(x * 0.6366197723675814)
    r, c = x - k * _HALF_PI[0], None
    for part in _HALF_PI[1:3]:
        step = k * part
        rest = r - step
        lost = (r - rest) - step
        r, c = rest, lost if c is None else c + lost
    return n, r, c - k * _HALF_PI[3]


def _nearest(x: Float):
    """The integer next to x, |x| < 2**51, and its low bits."""
    shifted = x + _ROUND
    return shifted - _ROUND, x.builder.sub(shifted.bits(), ir.Constant(DOUBLE, _ROUND).bitcast(INT))


_STEP, _FIRST = 32, 1043  # binary orders of magnitude for each row of the table; the first (biased)


def _quadrant_far(x: Float):
    """Payne and Hanek's reduction: 2/pi times the power of two that belongs to x, modulo 4, is in a table, to
    four doubles. NaN for infinity."""
    b = x.builder
    bits = x.bits()
    order = b.and_(b.lshr(bits, integer(52)), integer(2047))
    row = b.sdiv(b.sub(order, integer(_FIRST)), integer(_STEP))
    left = b.sub(order, b.add(b.mul(row, integer(_STEP)), integer(_FIRST)))  # 0 <= left < _STEP
    mantissa = b.and_(bits, integer((1 << 63) | ((1 << 52) - 1)))
    m = x.from_bits(b.or_(mantissa, b.shl(b.add(left, integer(1023 + 52)), integer(52))))  # an integer
    place = b.mul(row, integer(4))
    table = _table(b.module)
    t = [
        x._new(b.load(b.gep(table, [integer(0), b.add(place, integer(j))], inbounds=True))) for j in range(4)
    ]
    (p0, e0), (p1, e1), (p2, e2) = (_product(m, part) for part in t[:3])
    p0 = p0 - (p0 * 0.25).call("llvm.rint.f64") * 4.0
    s1, l1 = _exact_sum(e0, p1)
    s2, l2 = _exact_sum(p0, s1)
    k, n = _nearest(s2)
    tails = [_exact_sum(l2, l1), _exact_sum(e1, p2)]
    tail, lost = _exact_sum(tails[0][0], tails[1][0])
    high, low = _exact_sum(s2 - k, tail)
    low = low + (((tails[0][1] + tails[1][1]) + lost) + (m * t[3] + e2))
    high, low = _exact_sum(high, low)
    r, c = _product(high, math.pi / 2)
    c = c + (high * 6.123233995736766e-17 + low * (math.pi / 2)) + (x - x)
    return n, r, c


def _product(a: Float, b):
    """``a*b`` and what its rounding loses."""
    p = a * b
    return p, a.call("llvm.fma.f64", b, -p)


def _exact_sum(a: Float, b: Float):
    """``a + b`` and what its rounding loses (Knuth)."""
    s = a + b
    part = s - a
    return s, (a - (s - part)) + (b - part)


def _table(module):
    """2**order * 2/pi modulo 4, for the orders of magnitude of `_quadrant_far`."""
    name = "sciad_two_over_pi"
    if name not in module.globals:
        rows = [part for k in range(_FIRST - 1075, 2047 - 1075 + _STEP, _STEP) for part in _four_parts(k)]
        kind = ir.ArrayType(DOUBLE, len(rows))
        table = ir.GlobalVariable(module, kind, name)
        table.linkage, table.global_constant = "internal", True
        table.initializer = ir.Constant(kind, rows)
    return module.globals[name]


def _four_parts(order: int) -> list[float]:
    """2**order * 2/pi modulo 4 as a sum of doubles, each next to what is left."""
    digits = 1400
    rest = (_two_over_pi(digits) << max(order, 0)) >> max(-order, 0)
    rest = rest % (4 << digits)
    parts = []
    for _ in range(4):
        parts.append(rest / (1 << digits))  # rounded correctly
        numerator, denominator = parts[-1].as_integer_ratio()
        rest -= (numerator << digits) // denominator
    return parts


@functools.cache
def _two_over_pi(digits: int) -> int:
    """2/pi times 2**digits, pi by Machin's formula."""
    one = 1 << (digits + 64)

    def arctan_of_inverse(n):
        total, term, k = 0, one // n, 1
        while term:
            total += (term // k) * (1 if k % 4 == 1 else -1)
            term, k = term // (n * n), k + 2
        return total

    pi = 4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239))
    return (2 * one << digits) // pi


def _sin_series(r: Float, c: Float) -> Float:
    z = r * r
    cube = z * r
    return r - ((z * (c * 0.5 - cube * polynomial(z, _SIN[1:])) - c) - cube * _SIN[0])


def _cos_series(r: Float, c: Float) -> Float:
    z = r * r
    half = z * 0.5
    w = 1.0 - half
    return w + (((1.0 - w) - half) + (z * (z * polynomial(z, _COS)) - r * c))


def _turned(x: Float, n, even: Float, odd: Float) -> Float:
    """The sine n quarters of a turn on from an angle with this cosine and sine."""
    b = x.builder
    y = even.where(b.trunc(n, ir.IntType(1)), odd)
    sign = b.shl(b.and_(n, integer(2)), integer(62))
    return x.from_bits(b.xor(y.bits(), sign))


def _split(x: Float):
    """``x = m * 2**k`` with m in [sqrt(1/2), sqrt(2))."""
    b = x.builder
    tiny = x < 2.2250738585072014e-308
    x = (x * 18014398509481984.0).where(tiny, x)
    bits = x.bits()
    shifted = b.sub(bits, integer(0x3FE6A09E667F3BCD))
    k = b.ashr(shifted, integer(52))
    m = x.from_bits(b.sub(bits, b.shl(k, integer(52))))
    k = b.sub(k, b.select(tiny, integer(54), integer(0)))
    return m, x._new(b.sitofp(k, DOUBLE))


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
    y = x._new(ir.Constant(DOUBLE, -infinity)).where(x.equals(0.0), y)
    ok = x.builder.fcmp_ordered(">=", x.value, ir.Constant(DOUBLE, 0.0))
    return y.where(ok, x._new(ir.Constant(DOUBLE, math.nan)))


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
    top = e._new(ir.Constant(DOUBLE, 1.0)).where(x >= 0.0, e)
    return top / (e + 1.0)


def logaddexp(a: Float, b: Float) -> Float:
    gap = (a - b).call("llvm.fabs.f64")
    gap = gap._new(ir.Constant(DOUBLE, 0.0)).where(a.equals(b), gap)  # both infinite
    large = a.where(a > b, b)
    return large + log1p(exp(-gap))


def plus(a: Float, b: Float) -> Float:
    """A step of a sum that may be made in any order."""
    return a._new(a.builder.fadd(a.value, b.value, flags=("reassoc", "nsz", "contract")))


def minus(a: Float, b: Float) -> Float:
    return a._new(a.builder.fsub(a.value, b.value, flags=("reassoc", "nsz", "contract")))


def times(a: Float, b: Float) -> Float:
    """A product in which a factor 0 wins, whatever the other is."""
    zero = a.builder.or_(a.equals(0.0), b.equals(0.0))
    return a._new(ir.Constant(DOUBLE, 0.0)).where(zero, a * b)


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
    one = x._new(ir.Constant(DOUBLE, 1.0))
    return one.where(x > 0.0, (-one).where(x < 0.0, x))


def reciprocal(x: Float) -> Float:
    return 1.0 / x


def heaviside(x: Float, at_zero: Float) -> Float:
    one = x._new(ir.Constant(DOUBLE, 1.0))
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
    return x.builder.icmp_signed("<", x.bits(), integer(0))
