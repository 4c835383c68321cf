"""Random numbers that are a function of a counter: Philox 4x32-10, and normal variates made from it.

A counter-based generator has no state. The k-th number of path p and component c is computed from
``(seed, k, p, c)`` alone, so noise replays in any order, backwards, and on any number of threads.

Everything is written without branches or table look-ups, so that a loop of these kernels over 16 paths
becomes vector code.

References
----------
J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC11 (2011): the generator; its published test vectors are in tests/sde/test_sde_noise.py.

G. E. P. Box and M. E. Muller, "A note on the generation of random normal deviates", Ann. Math. Stat. 29
(1958) 610-611: two normals from two uniforms.

FreeBSD msun (fdlibm), e_log.c, k_sin.c and k_cos.c: the polynomials of log, sin and cos.
"""

from __future__ import annotations

import math

import numpy as np

from sciad.native.kernels import kernel
from sciad.native.runtime import unroll

__all__ = ["normal_pair", "philox", "words_to_normals"]

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
WORD = 0xFFFFFFFF

LN2_HIGH = 6.93147180369123816490e-01
LN2_LOW = 1.90821492927058770002e-10
TWO_PI = 2 * math.pi


@kernel
def philox(c0, c1, c2, c3, k0, k1):
    """Four random 32-bit words for a 128-bit counter and a 64-bit key, all given as uint64 < 2**32."""
    for _ in unroll(range(ROUNDS)):
        p0 = np.uint64(MULTIPLIERS[0]) * c0
        p1 = np.uint64(MULTIPLIERS[1]) * c2
        c0, c1, c2, c3 = (
            (p1 >> np.uint64(32)) ^ c1 ^ k0,
            p1 & np.uint64(WORD),
            (p0 >> np.uint64(32)) ^ c3 ^ k1,
            p0 & np.uint64(WORD),
        )
        k0 = (k0 + np.uint64(WEYL[0])) & np.uint64(WORD)
        k1 = (k1 + np.uint64(WEYL[1])) & np.uint64(WORD)
    return c0, c1, c2, c3


@kernel
def normal_pair(index, node, path, stream, key):
    """Two independent standard normals of counter ``(index, node, path, stream)``, each int64 in
    [0, 2**32), for a 64-bit key.
    """
    k = np.uint64(key)
    a, b, c, d = philox(
        np.uint64(index),
        np.uint64(node),
        np.uint64(path),
        np.uint64(stream),
        k & np.uint64(WORD),
        k >> np.uint64(32),
    )
    return words_to_normals(a, b, c, d)


@kernel
def words_to_normals(a, b, c, d):
    """Box and Muller's transform of four random words: two uniforms of 53 bits, neither 0 nor 1."""
    u = (np.float64(np.int64((a << np.uint64(21)) ^ (b >> np.uint64(11)))) + 0.5) * 2.0**-53
    v = np.float64(np.int64((c << np.uint64(21)) ^ (d >> np.uint64(11)))) * 2.0**-53
    radius = math.sqrt(-2.0 * log_unit(u))
    sine, cosine = sincos_turn(v)
    return radius * cosine, radius * sine


@kernel
def log_unit(x):
    """Natural logarithm of a positive normal number, to 1 ulp."""
    bits = np.float64(x).view(np.int64)
    # exponent and mantissa, the mantissa taken into [sqrt(1/2), sqrt(2))
    shifted = bits + np.int64(0x3FF0000000000000 - 0x3FE6A09E667F3BCD)
    exponent = np.float64((shifted >> np.int64(52)) - np.int64(1023))
    mantissa = np.int64((shifted & np.int64(0x000FFFFFFFFFFFFF)) + np.int64(0x3FE6A09E667F3BCD))
    mantissa = mantissa.view(np.float64)
    f = mantissa - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01))
    odd = z * (
        6.666666666666735130e-01
        + w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01))
    )
    half = 0.5 * f * f
    return exponent * LN2_HIGH - ((half - (s * (half + even + odd) + exponent * LN2_LOW)) - f)


@kernel
def sincos_turn(v):
    """Sine and cosine of ``2 pi v`` for v in [0, 1]."""
    quarter = math.floor(4.0 * v + 0.5)
    x = TWO_PI * (v - 0.25 * quarter)
    z = x * x
    sine = x + x * z * (
        -1.66666666666666324348e-01
        + z
        * (
            8.33333333332248946124e-03
            + z
            * (
                -1.98412698298579493134e-04
                + z
                * (
                    2.75573137070700676789e-06
                    + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)
                )
            )
        )
    )
    cosine = (
        1.0
        - 0.5 * z
        + z
        * z
        * (
            4.16666666666666019037e-02
            + z
            * (
                -1.38888888888741095749e-03
                + z
                * (
                    2.48015872894767294178e-05
                    + z
                    * (
                        -2.75573143513906633035e-07
                        + z * (2.08757232129817482790e-09 - z * 1.13596475577881948265e-11)
                    )
                )
            )
        )
    )
    turn = np.int64(quarter)
    swap = (turn & np.int64(1)) == np.int64(1)
    first = cosine if swap else sine
    second = sine if swap else cosine
    sine = -first if (turn & np.int64(2)) == np.int64(2) else first
    cosine = -second if ((turn + np.int64(1)) & np.int64(2)) == np.int64(2) else second
    return sine, cosine
