"""The programs of `compiled_ad.py`, and their reverse code written by hand in numba, the limit.

Code by hand has the signature of a compiled pullback: ``(x, g, out, bar, w)``, flat inputs, the cotangent of
the result, the result, the gradient (accumulated into), and memory to work in.
"""

import math
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
from numba import njit

from sciad.tree import flatten
from tests.problems.ode_models import MODELS

FAST = {"error_model": "numpy", "fastmath": {"contract", "nsz", "reassoc"}}
STEPS, TARGETS, CELLS, SWEEPS = 100_000, 20_000, 5000, 200
POINTS, DIMENSION, COMPONENTS = 1000, 10, 25


@dataclass
class Problem:
    """`units`: what times are divided by, named `unit`; `tape`: arguments small enough for the tape, and
    how many times more work the whole problem is (None: the whole problem)."""

    fun: object
    args: tuple
    hand: object
    units: int
    unit: str
    tape: tuple | None = None

    def flat(self) -> np.ndarray:
        return np.concatenate([np.ravel(np.asarray(a, float)) for a in flatten(self.args)[0]])


# The programs -------------------------------------------------------------------------------------


def logistic(x, r, n=STEPS):
    for _ in range(n):
        x = r * x * (1 - x) + 1e-3 * np.sin(x)
    return x


def newton(a, n=TARGETS):
    z, s = a, 0.0
    for i in range(n):
        target = a + 1e-4 * i
        while abs(z + 0.5 * np.sin(z) - target) > 1e-12:
            z = z - (z + 0.5 * np.sin(z) - target) / (1 + 0.5 * np.cos(z))
        s = s + z
    return s


def stencil(u, n=SWEEPS):
    u, w = u.copy(), u.copy()
    for _ in range(n):
        w[1:-1] = u[1:-1] + 0.2 * (u[2:] - 2 * u[1:-1] + u[:-2])
        u, w = w, u
    return u


def stencil_of_c(u, c, n=SWEEPS):
    u, w = u.copy(), u.copy()
    for _ in range(n):
        w[1:-1] = u[1:-1] + c * (u[2:] - 2 * u[1:-1] + u[:-2])
        u, w = w, u
    return u


def gmm(alphas, means, icf, x):
    """The objective of ADBench: log-likelihood of a Gaussian mixture with full covariances, and its prior.

    `icf`: logarithms of the diagonals, then the lower triangles of the inverse factors by columns.
    """
    n, d = x.shape
    k = alphas.size
    diagonals, sums = np.exp(icf[:, :d]), np.sum(icf[:, :d], axis=1)
    total = 0.0
    for i in range(n):
        main = np.zeros(k)
        for j in range(k):
            centred = x[i] - means[j]
            q = diagonals[j] * centred
            at = d
            for a in range(d):
                for b in range(a + 1, d):
                    q[b] += icf[j, at] * centred[a]
                    at += 1
            main[j] = alphas[j] + sums[j] - 0.5 * np.sum(q * q)
        top = np.max(main)
        total += top + np.log(np.sum(np.exp(main - top)))
    top = np.max(alphas)
    prior = 0.5 * (np.sum(diagonals**2) + np.sum(icf[:, d:] ** 2)) - k * WISHART
    mixture = n * (top + np.log(np.sum(np.exp(alphas - top))))
    return total - mixture - 0.5 * n * d * math.log(2 * math.pi) + prior


def _wishart(d: int) -> float:
    """The constant of the prior with gamma = 1 and m = 0."""
    a = 0.5 * (d + 1)
    gammas = sum(math.lgamma(a + 0.5 * (1 - j)) for j in range(1, d + 1))
    return -(d + 1) * d * 0.5 * math.log(2) - 0.25 * d * (d - 1) * math.log(math.pi) - gammas


WISHART = _wishart(DIMENSION)


def mlp(y, p):
    hidden = np.tanh((y**3) @ p["w1"].T + p["b1"])
    return hidden @ p["w2"].T + p["b2"]


def lotka_volterra(y, p):
    return MODELS["lotka_volterra"].fun(0.0, y, p)


def pollu(y, p):
    return MODELS["pollu"].fun(0.0, y, p)


# By hand ------------------------------------------------------------------------------------------


@njit(**FAST)
def logistic_hand(x, g, out, bar, s):
    z, r = x[0], x[1]
    for i in range(STEPS):
        s[2 * i] = z * (1.0 - z)
        s[2 * i + 1] = r * (1.0 - 2.0 * z) + 1e-3 * np.cos(z)
        z = r * z * (1.0 - z) + 1e-3 * np.sin(z)
    out[0] = z
    z_bar, r_bar = g[0], 0.0
    for i in range(STEPS - 1, -1, -1):
        r_bar += z_bar * s[2 * i]
        z_bar *= s[2 * i + 1]
    bar[0] += z_bar
    bar[1] += r_bar


@njit(**FAST)
def newton_hand(x, g, out, bar, s):
    a = x[0]
    z, total, top = a, 0.0, 0
    trips = s[:TARGETS]
    tape = s[TARGETS:]
    for i in range(TARGETS):
        target, trip = a + 1e-4 * i, 0
        while True:
            sine = np.sin(z)
            residual = z + 0.5 * sine - target
            if not abs(residual) > 1e-12:
                break
            inverse = 1.0 / (1.0 + 0.5 * np.cos(z))
            step = residual * inverse
            tape[top] = inverse
            tape[top + 1] = -0.5 * sine * step * inverse
            z -= step
            top, trip = top + 2, trip + 1
        trips[i] = trip
        total += z
    out[0] = total
    z_bar, a_bar = 0.0, 0.0
    for i in range(TARGETS - 1, -1, -1):
        z_bar += g[0]
        for _ in range(int(trips[i])):
            top -= 2
            a_bar += z_bar * tape[top]
            z_bar *= tape[top + 1]
    bar[0] += a_bar + z_bar


@njit(**FAST)
def stencil_hand(x, g, out, bar, s):
    n = CELLS
    u, w, ub, wb = s[:n], s[n : 2 * n], s[2 * n : 3 * n], s[3 * n : 4 * n]
    u[:], w[:], ub[:], wb[:] = x[:n], x[:n], g, 0.0
    for _ in range(SWEEPS):
        for q in range(n - 2):
            w[q + 1] = u[q + 1] + 0.2 * (u[q + 2] - 2.0 * u[q + 1] + u[q])
        u, w = w, u
    out[:] = u
    for _ in range(SWEEPS):
        ub, wb = wb, ub
        for q in range(n - 2):
            ub[q] += 0.2 * wb[q + 1]
        for q in range(n - 2):
            ub[q + 2] += 0.2 * wb[q + 1]
        for q in range(n - 2):
            ub[q + 1] += 0.6 * wb[q + 1]
            wb[q + 1] = 0.0
    bar[:n] += ub + wb


@njit(**FAST)
def stencil_of_c_hand(x, g, out, bar, s):
    n, c = CELLS, x[CELLS]
    u, w, ub, wb, rows = s[:n], s[n : 2 * n], s[2 * n : 3 * n], s[3 * n : 4 * n], s[4 * n :]
    u[:], w[:], ub[:], wb[:] = x[:n], x[:n], g, 0.0
    for k in range(SWEEPS):
        row = rows[k * (n - 2) : (k + 1) * (n - 2)]
        for q in range(n - 2):
            row[q] = u[q + 2] - 2.0 * u[q + 1] + u[q]
            w[q + 1] = u[q + 1] + c * row[q]
        u, w = w, u
    out[:] = u
    c_bar = 0.0
    for k in range(SWEEPS - 1, -1, -1):
        ub, wb = wb, ub  # adjoints of the buffers read and written in step k
        row = rows[k * (n - 2) : (k + 1) * (n - 2)]
        for q in range(n - 2):
            ub[q] += c * wb[q + 1]
        for q in range(n - 2):
            ub[q + 2] += c * wb[q + 1]
        for q in range(n - 2):
            ub[q + 1] += wb[q + 1] * (1.0 - 2.0 * c)
        for q in range(n - 2):
            c_bar += row[q] * wb[q + 1]
            wb[q + 1] = 0.0
    bar[:n] += ub + wb
    bar[n] += c_bar


@njit(**FAST)
def gmm_hand(v, g, out, bar, s):
    """Value and gradient of a point at a time: nothing is kept but the centred points and their images."""
    n, d, k = POINTS, DIMENSION, COMPONENTS
    width = d * (d + 1) // 2
    alphas, means, icf, x = (
        v[:k],
        v[k : k + k * d],
        v[k + k * d : k + k * (d + width)],
        v[k + k * (d + width) :],
    )
    alphas_bar, means_bar = bar[:k], bar[k : k + k * d]
    icf_bar, x_bar = bar[k + k * d : k + k * (d + width)], bar[k + k * (d + width) :]
    centred, q = s[: k * d], s[k * d : 2 * k * d]
    diagonals, diagonals_bar = s[2 * k * d : 3 * k * d], s[3 * k * d : 4 * k * d]
    sums, sums_bar, main = (
        s[4 * k * d : 4 * k * d + k],
        s[4 * k * d + k : 4 * k * d + 2 * k],
        s[4 * k * d + 2 * k :],
    )
    c_bar, q_bar, scale, total, prior = np.zeros(d), np.zeros(d), g[0], 0.0, 0.0
    for j in range(k):
        sums[j] = sums_bar[j] = 0.0
        for a in range(d):
            diagonals[j * d + a] = np.exp(icf[j * width + a])
            diagonals_bar[j * d + a] = scale * diagonals[j * d + a]
            prior += diagonals[j * d + a] ** 2
            sums[j] += icf[j * width + a]
        for a in range(d, width):
            prior += icf[j * width + a] ** 2
            icf_bar[j * width + a] += scale * icf[j * width + a]
    for i in range(n):
        for j in range(k):
            c, z, row = centred[j * d : (j + 1) * d], q[j * d : (j + 1) * d], icf[j * width : (j + 1) * width]
            for a in range(d):
                c[a] = x[i * d + a] - means[j * d + a]
                z[a] = diagonals[j * d + a] * c[a]
            at = d
            for a in range(d):
                for b in range(d - a - 1):
                    z[a + 1 + b] += row[at + b] * c[a]
                at += d - a - 1
            square = 0.0
            for a in range(d):
                square += z[a] * z[a]
            main[j] = alphas[j] + sums[j] - 0.5 * square
        top, mass = main[0], 0.0
        for j in range(k):
            top = max(top, main[j])
        for j in range(k):
            main[j] = np.exp(main[j] - top)
            mass += main[j]
        total += top + np.log(mass)
        for j in range(k):
            weight = scale * main[j] / mass
            c, z, row = centred[j * d : (j + 1) * d], q[j * d : (j + 1) * d], icf[j * width : (j + 1) * width]
            row_bar = icf_bar[j * width : (j + 1) * width]
            alphas_bar[j] += weight
            sums_bar[j] += weight
            for a in range(d):
                q_bar[a] = -weight * z[a]
            at = d
            for a in range(d):
                c_bar[a] = diagonals[j * d + a] * q_bar[a]
                diagonals_bar[j * d + a] += c[a] * q_bar[a]
                for b in range(d - a - 1):
                    row_bar[at + b] += q_bar[a + 1 + b] * c[a]
                    c_bar[a] += row[at + b] * q_bar[a + 1 + b]
                at += d - a - 1
            for a in range(d):
                x_bar[i * d + a] += c_bar[a]
                means_bar[j * d + a] -= c_bar[a]
    top, mass = alphas[0], 0.0
    for j in range(k):
        top = max(top, alphas[j])
    for j in range(k):
        main[j] = np.exp(alphas[j] - top)
        mass += main[j]
    for j in range(k):
        alphas_bar[j] -= scale * n * main[j] / mass
        for a in range(d):
            icf_bar[j * width + a] += sums_bar[j] + diagonals_bar[j * d + a] * diagonals[j * d + a]
    mixture = n * (top + np.log(mass))
    out[0] = total - mixture - 0.5 * n * d * math.log(2 * math.pi) + 0.5 * prior - k * WISHART


HIDDEN, BATCH = 50, 20


@njit(inline="always", **FAST)
def fast_tanh(x):
    """One division; good to four units in the last place."""
    a = min(abs(x), 20.0) * 2.0
    k = np.floor(a * 1.4426950408889634 + 0.5)
    r = a - k * 6.93145751953125e-1 - k * 1.42860682030941723212e-6
    rr = r * r
    p = r * ((1.26177193074810590878e-4 * rr + 3.02994407707441961300e-2) * rr + 9.99999999999999999910e-1)
    q = (
        (3.00198505138664455042e-6 * rr + 2.52448340349684104192e-3) * rr + 2.27265548208155028766e-1
    ) * rr + 2.0
    s = np.int64((np.int64(k) + 1023) << 52).view(np.float64)
    return math.copysign(((s - 1.0) * q + (s + 1.0) * p) / ((s + 1.0) * q + (s - 1.0) * p), x)


@njit(**FAST)
def mlp_hand(x, g, out, bar, s):
    """One row of the batch at a time, forward and back; weights by columns, their gradient too."""
    h = HIDDEN
    y, b1, b2, w1, w2 = x[:40], x[40:90], x[90:92], x[92:192], x[192:292]
    first, second, z = s[:h], s[h : 2 * h], s[2 * h : 3 * h]
    first_bar, second_bar, b1_bar, w2_bar = (
        s[3 * h : 4 * h],
        s[4 * h : 5 * h],
        s[5 * h : 6 * h],
        s[6 * h : 8 * h],
    )
    for j in range(h):
        first[j], second[j] = w1[2 * j], w1[2 * j + 1]
    for j in range(5 * h):
        s[3 * h + j] = 0.0
    for i in range(BATCH):
        u, v = y[2 * i], y[2 * i + 1]
        a, b = u * u * u, v * v * v
        left, right = 0.0, 0.0
        for j in range(h):
            z[j] = fast_tanh(a * first[j] + b * second[j] + b1[j])
        for j in range(h):
            left += z[j] * w2[j]
            right += z[j] * w2[h + j]
        out[2 * i], out[2 * i + 1] = left + b2[0], right + b2[1]
        gl, gr = g[2 * i], g[2 * i + 1]
        bar[90] += gl
        bar[91] += gr
        a_bar, b_bar = 0.0, 0.0
        for j in range(h):
            w2_bar[j] += gl * z[j]
            w2_bar[h + j] += gr * z[j]
            z_bar = (gl * w2[j] + gr * w2[h + j]) * (1.0 - z[j] * z[j])
            b1_bar[j] += z_bar
            first_bar[j] += z_bar * a
            second_bar[j] += z_bar * b
            a_bar += z_bar * first[j]
            b_bar += z_bar * second[j]
        bar[2 * i] += 3.0 * u * u * a_bar
        bar[2 * i + 1] += 3.0 * v * v * b_bar
    for j in range(h):
        bar[92 + 2 * j] += first_bar[j]
        bar[92 + 2 * j + 1] += second_bar[j]
        bar[40 + j] += b1_bar[j]
    for j in range(2 * h):
        bar[192 + j] += w2_bar[j]


@njit(**FAST)
def lotka_volterra_hand(x, g, out, bar, s):
    hare, lynx, birth, predation, growth, death = x[0], x[1], x[2], x[3], x[4], x[5]
    g0, g1, both = g[0], g[1], hare * lynx
    out[0] = birth * hare - predation * both
    out[1] = growth * both - death * lynx
    both_bar = growth * g1 - predation * g0
    bar[0] += g0 * birth + both_bar * lynx
    bar[1] += both_bar * hare - g1 * death
    bar[2] += g0 * hare
    bar[3] -= g0 * both
    bar[4] += g1 * both
    bar[5] -= g1 * lynx


# --------------------------------------------------------------------------------------------------


def problems() -> dict[str, Problem]:
    rng = np.random.default_rng(0)
    weights = {"b1": HIDDEN, "b2": 2, "w1": (HIDDEN, 2), "w2": (2, HIDDEN)}
    network = (rng.normal(size=(BATCH, 2)), {name: rng.normal(size=shape) for name, shape in weights.items()})
    cells = rng.normal(size=CELLS)
    width = DIMENSION * (DIMENSION + 1) // 2
    mixture = (
        rng.normal(size=COMPONENTS),
        rng.normal(size=(COMPONENTS, DIMENSION)),
        0.1 * rng.normal(size=(COMPONENTS, width)),
        rng.normal(size=(POINTS, DIMENSION)),
    )
    few = (*mixture[:3], mixture[3][:2])
    models = SimpleNamespace(**{name: MODELS[name] for name in ("lotka_volterra", "pollu")})
    cell_steps = CELLS * SWEEPS
    return {
        "a logistic": Problem(logistic, (0.3, 3.0), logistic_hand, STEPS, "step", ((0.3, 3.0, 1000), 100)),
        "b newton": Problem(newton, (0.7,), newton_hand, TARGETS, "root", ((0.7, 200), 100)),
        "c stencil": Problem(stencil, (cells,), stencil_hand, cell_steps, "cell", ((cells, 20), 10)),
        "c stencil, c too": Problem(
            stencil_of_c, (cells, 0.2), stencil_of_c_hand, cell_steps, "cell", ((cells, 0.2, 20), 10)
        ),
        "d gmm": Problem(gmm, mixture, gmm_hand, POINTS, "point", (few, POINTS / 2)),
        "e mlp": Problem(mlp, network, mlp_hand, 1, "call"),
        "f lotka_volterra": Problem(
            lotka_volterra,
            (models.lotka_volterra.y0, *models.lotka_volterra.args),
            lotka_volterra_hand,
            1,
            "call",
        ),
        "f pollu": Problem(pollu, (models.pollu.y0 + 0.01, *models.pollu.args), None, 1, "call"),
    }
