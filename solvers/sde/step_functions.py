"""One step of each method for stochastic differential equations, in plain NumPy.

A step is a function ``step(drift, diffusion, times, t, h, y, w, args)`` that returns the state at t + h.
The compiler takes a step together with the user's drift and diffusion as one function and derives its
derivatives, so that a method is written here once and has exact gradients without a line of its own.

``w`` is the increment dW of the Brownian motion, or ``(dW, H)`` with the space-time Levy area for methods
that declare it; ``times(g, v)`` applies the diffusion to a vector of noise. A method with an embedded
estimate also returns the estimated error of the step.

References
----------
P. E. Kloeden and E. Platen, "Numerical Solution of Stochastic Differential Equations", Springer (1992):
Euler-Maruyama (10.2), Milstein (10.3), Stratonovich methods of Heun type (14 and 15).

P. Kidger, J. Foster, X. Li and T. Lyons, "Efficient and accurate gradients for neural SDEs", NeurIPS
(2021): reversible Heun.

A. Roessler, "Runge-Kutta methods for the strong approximation of solutions of stochastic differential
equations", SIAM J. Numer. Anal. 48 (2010) 922-952: the families SRA and SRI.

K. Debrabant and A. Roessler, "Families of efficient second order Runge-Kutta methods for the weak
approximation of Ito stochastic differential equations", Appl. Numer. Math. 59 (2009) 582-594: DRI1.
"""

from __future__ import annotations

import math

import numpy as np

import sciad as ad

__all__ = [
    "additive_step",
    "along_itself",
    "diffusion_step",
    "dri1_general",
    "elementwise",
    "matrix",
    "milstein_general",
    "milstein_stratonovich_general",
    "tensor",
]


# -- how the diffusion acts on noise -----------------------------------------------------------------


def elementwise(g, v):
    """Diagonal or scalar noise."""
    return g * v


def matrix(g, v):
    """General noise of a state that is a vector: g has shape (n, m)."""
    return g @ v


def tensor(g, v):
    """General noise of a state of any shape: the last axis of g runs over the noise."""
    return np.sum(g * v, axis=-1)


# -- methods of low order ----------------------------------------------------------------------------


def euler_maruyama(drift, diffusion, times, t, h, y, w, args):
    return y + h * drift(t, y, *args) + times(diffusion(t, y, *args), w)


def milstein(drift, diffusion, along, t, h, y, w, args):
    """``along(diffusion, t, y, g, args)`` is the derivative of the diffusion along itself."""
    f = drift(t, y, *args)
    g = diffusion(t, y, *args)
    return y + h * f + g * w + 0.5 * (w * w - h) * along(diffusion, t, y, g, args)


def milstein_stratonovich(drift, diffusion, along, t, h, y, w, args):
    f = drift(t, y, *args)
    g = diffusion(t, y, *args)
    return y + h * f + g * w + 0.5 * (w * w) * along(diffusion, t, y, g, args)


def along_itself(diffusion, t, y, g, args):
    """Derivative of the diffusion along itself, ``g'(y) g(y)``, of scalar or diagonal noise."""
    return ad.jvp(lambda y: diffusion(t, y, *args), (y,), (g,))[1]


def euler_heun(drift, diffusion, times, t, h, y, w, args):
    g = diffusion(t, y, *args)
    g1 = diffusion(t + h, y + times(g, w), *args)
    return y + h * drift(t, y, *args) + 0.5 * times(g + g1, w)


def heun(drift, diffusion, times, t, h, y, w, args):
    f = drift(t, y, *args)
    g = diffusion(t, y, *args)
    y1 = y + h * f + times(g, w)
    f1 = drift(t + h, y1, *args)
    g1 = diffusion(t + h, y1, *args)
    return y + 0.5 * h * (f + f1) + 0.5 * times(g + g1, w)


def midpoint(drift, diffusion, times, t, h, y, w, args):
    f = drift(t, y, *args)
    g = diffusion(t, y, *args)
    middle = y + 0.5 * h * f + 0.5 * times(g, w)
    f1 = drift(t + 0.5 * h, middle, *args)
    g1 = diffusion(t + 0.5 * h, middle, *args)
    return y + h * f1 + times(g1, w)


def reversible_heun(drift, diffusion, times, t, h, state, w, args):
    """The state is (y, z), z a second approximation; with -h and -w the step undoes itself."""
    y, z = state
    f = drift(t, z, *args)
    g = diffusion(t, z, *args)
    z1 = 2.0 * y - z + h * f + times(g, w)
    f1 = drift(t + h, z1, *args)
    g1 = diffusion(t + h, z1, *args)
    return y + 0.5 * h * (f + f1) + 0.5 * times(g + g1, w), z1


def milstein_general(m: int) -> str:
    """Text of Milstein's method for m Brownian motions that need not commute, without derivatives.

    With the iterated integrals ``I_lk``, the derivative of column k of the diffusion along
    ``sum_l g_l I_lk`` is a central difference over the step (Roessler 2010, strong order 1).
    """
    return _milstein(m, "dW[{0}] * dW[{0}] - h")


def milstein_stratonovich_general(m: int) -> str:
    """The same in the sense of Stratonovich."""
    return _milstein(m, "dW[{0}] * dW[{0}]")


def _milstein(m: int, square: str) -> str:
    pairs = [(l, k) for l in range(m) for k in range(l + 1, m)]
    lines = ["root = np.sqrt(h)", "dW, A = w", "g = diffusion(t, y, *args)"]
    for k in range(m):
        terms = []
        for l in range(m):
            if l == k:
                integral = f"0.5 * ({square.format(k)})"
            elif l < k:
                integral = f"(0.5 * dW[{l}] * dW[{k}] + A[{pairs.index((l, k))}])"
            else:
                integral = f"(0.5 * dW[{l}] * dW[{k}] - A[{pairs.index((k, l))}])"
            terms.append(f"{integral} * g[..., {l}]")
        lines.append(f"v{k} = ({' + '.join(terms)}) / root")
        lines.append(f"a{k} = diffusion(t, y + v{k}, *args)[..., {k}]")
        lines.append(f"b{k} = diffusion(t, y - v{k}, *args)[..., {k}]")
    change = " + ".join(f"(a{k} - b{k})" for k in range(m))
    return _function(lines, f" + h * drift(t, y, *args) + times(g, dW) + 0.5 * root * ({change})", None)


# -- weak order 2 ------------------------------------------------------------------------------------


def dri1(drift, diffusion, times, t, h, y, w, args):
    """DRI1 for scalar noise, or diagonal noise in which g_i depends on y_i alone.

    The Gaussian increment chooses a three-point variable of the same first five moments.
    """
    root = np.sqrt(h)
    level = 0.9674215661017014 * root  # P(|dW| > level) = 1/3
    w3 = 1.7320508075688772 * root * (np.where(w > level, 1.0, 0.0) - np.where(w < -level, 1.0, 0.0))
    f1 = drift(t, y, *args)
    g1 = diffusion(t, y, *args)
    f2 = drift(t + 0.5 * h, y + 0.5 * h * f1 + 0.35505102572168223 * g1 * w3, *args)
    f3 = drift(t + h, y + h * (2.0 * f2 - f1) + 1.579795897113271 * g1 * w3, *args)
    shift = 0.8345883285834634 * root * g1
    start = y + 0.6965376782077393 * h * f1
    g2 = diffusion(t + 0.6965376782077393 * h, start + shift, *args)
    g3 = diffusion(t + 0.6965376782077393 * h, start - shift, *args)
    half_square = 0.5 * (w3 * w3 - h) / root
    return (
        y
        + h * (f1 + 4.0 * f2 + f3) / 6.0
        + (0.2821637426900585 * g1 + 0.35891812865497076 * (g2 + g3)) * w3
        + 0.5990977621849132 * half_square * (g2 - g3)
    )


def dri1_general(m: int) -> str:
    """Text of DRI1 for m Brownian motions that need not commute; w is (dW, H).

    dW chooses the three-point variables, and the sign of H the two-point ones of the mixed integrals.
    """
    lines = ["root = np.sqrt(h)", "dW, H = w", "level = 0.9674215661017014 * root"]
    for k in range(m):
        lines.append(
            f"w{k} = 1.7320508075688772 * root * "
            f"(np.where(dW[{k}] > level, 1.0, 0.0) - np.where(dW[{k}] < -level, 1.0, 0.0))"
        )
        if k + 1 < m:
            lines.append(f"u{k} = np.where(H[{k}] > 0.0, root, -root)")
    lines += ["f1 = drift(t, y, *args)", "g1 = diffusion(t, y, *args)"]
    kick = " + ".join(f"g1[..., {k}] * w{k}" for k in range(m))
    lines += [
        f"kick = {kick}",
        "f2 = drift(t + 0.5 * h, y + 0.5 * h * f1 + 0.35505102572168223 * kick, *args)",
        "f3 = drift(t + h, y + h * (2.0 * f2 - f1) + 1.579795897113271 * kick, *args)",
        "start = y + 0.6965376782077393 * h * f1",
    ]
    for k in range(m):
        lines.append(f"c{k} = g1[..., {k}]")
        for name, sign in (("p", "+"), ("q", "-")):
            lines.append(
                f"{name}{k} = diffusion(t + 0.6965376782077393 * h, "
                f"start {sign} 0.8345883285834634 * root * c{k}, *args)[..., {k}]"
            )
    result = " + h * (f1 + 4.0 * f2 + f3) / 6.0"
    for k in range(m):
        result += (
            f" + (0.2821637426900585 * c{k} + 0.35891812865497076 * (p{k} + q{k})) * w{k}"
            f" + 0.2995488810924566 * (w{k} * w{k} - h) / root * (p{k} - q{k})"
        )
        mixed = []
        for l in range(m):
            if l != k:
                other = f"- root * u{k}" if k < l else f"+ root * u{l}"
                stages = f"({B22!r} * c{l} + {B23!r} * (p{l} + q{l}))"
                mixed.append(f"(0.5 * (w{k} * w{l} {other}) / root) * {stages}")
        if mixed:
            lines.append(f"s{k} = {' + '.join(mixed)}")
            for name, sign in (("d", "-"), ("e", "+")):
                lines.append(f"{name}{k} = diffusion(t, y {sign} s{k}, *args)[..., {k}]")
            result += f" + {BETA32!r} * (d{k} + e{k} - 2.0 * c{k}) * w{k} + {BETA42!r} * root * (e{k} - d{k})"
    return _function(lines, result, None)


# mixed terms of DRI1: (B2)_22, (B2)_23, beta3_2 and beta4_3
B22 = 214 / 513 * math.sqrt(1105 / 991)
B23 = 491 / 513 * math.sqrt(221 / 4955)
BETA32 = 4955 / 14144
BETA42 = math.sqrt(4955 / 221) / 8


# -- stochastic Runge-Kutta methods, written out from their tableaus -----------------------------------


def additive_step(tableau, embedded: bool) -> str:
    """Text of a step of family SRA, for noise that does not depend on the state."""
    chi = "0.5 * w[0] + w[1]"
    lines = [f"chi = {chi}"]
    for i in range(tableau.stages):
        shift = _combine(tableau.A0[i], "f", "h * ({})") + _combine(tableau.B0[i], "g", "times({}, chi)")
        lines.append(f"f{i} = drift({_time(tableau.c0[i])}, y{shift}, *args)")
        lines.append(f"g{i} = diffusion({_time(tableau.c1[i])}, y, *args)")
    result = (
        _combine(tableau.alpha, "f", "h * ({})")
        + _combine(tableau.beta1, "g", "times({}, w[0])")
        + _combine(tableau.beta2, "g", "times({}, chi)")
    )
    euler = [a - (i == 0) for i, a in enumerate(tableau.alpha)]
    error = _combine(euler, "f", "h * ({})") + _combine(tableau.beta2, "g", "times({}, chi)")
    return _function(lines, result, error if embedded else None)


def diffusion_step(tableau, embedded: bool) -> str:
    """Text of a step of family SRI, for scalar noise and diagonal noise."""
    lines = [
        "root = np.sqrt(h)",
        "dW = w[0]",
        "chi1 = 0.5 * (dW * dW - h) / root",
        "chi2 = 0.5 * dW + w[1]",
        "chi3 = dW * (dW * dW - 3.0 * h) / (6.0 * h)",
    ]
    for i in range(tableau.stages):
        shift = _combine(tableau.A0[i], "f", "h * ({})") + _combine(tableau.B0[i], "g", "chi2 * ({})")
        if tableau.alpha[i] or any(row[i] for row in (*tableau.A0, *tableau.A1)):
            lines.append(f"f{i} = drift({_time(tableau.c0[i])}, y{shift}, *args)")
        shift = _combine(tableau.A1[i], "f", "h * ({})") + _combine(tableau.B1[i], "g", "root * ({})")
        lines.append(f"g{i} = diffusion({_time(tableau.c1[i])}, y{shift}, *args)")
    iterated = _combine(tableau.beta3, "g", "chi2 * ({})") + _combine(tableau.beta4, "g", "chi3 * ({})")
    result = (
        _combine(tableau.alpha, "f", "h * ({})")
        + _combine(tableau.beta1, "g", "dW * ({})")
        + _combine(tableau.beta2, "g", "chi1 * ({})")
        + iterated
    )
    euler = [a - (i == 0) for i, a in enumerate(tableau.alpha)]
    return _function(lines, result, _combine(euler, "f", "h * ({})") + iterated if embedded else None)


def _combine(coefficients, name: str, form: str) -> str:
    """`` + form(sum of coefficient * name_i)``, or nothing where all coefficients are 0."""
    terms = [
        f"{name}{i}" if c == 1 else f"{c!r} * {name}{i}" for i, c in enumerate(map(float, coefficients)) if c
    ]
    return " + " + form.format(" + ".join(terms)) if terms else ""


def _time(c: float) -> str:
    return "t" if c == 0 else "t + h" if c == 1 else f"t + {float(c)!r} * h"


def _function(lines: list[str], result: str, error: str | None) -> str:
    returned = f"y{result}" if error is None else f"y{result},{error.removeprefix(' +')}"
    body = "\n    ".join([*lines, f"return {returned}"])
    return f"import numpy as np\n\n\ndef step(drift, diffusion, times, t, h, y, w, args):\n    {body}\n"
