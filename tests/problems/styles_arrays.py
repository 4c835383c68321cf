"""Functions of one number in the styles of people who think in arrays, and small scientific programs."""

# ruff: noqa: B905, SIM

import math
from functools import cache

import numpy as np

V = np.array([0.5, 2.0, 1.2, 3.3, 0.1])
M = np.array([[2.0, 0.3, 0.1], [0.3, 1.5, 0.2], [0.1, 0.2, 1.0]])
TIMES = np.linspace(0.0, 2.0, 9)


def einsum(x):
    a = M * x
    return np.einsum("ij,jk->ik", a, M).sum() + np.einsum("ii", a) + np.einsum("i,i->", V, V * x)


def tensordot(x):
    return np.tensordot(M * x, M, axes=1).sum() + np.tensordot(M, M * x, axes=([0, 1], [1, 0]))


def sorting(x):
    v = V * x
    order = np.argsort(v)
    return np.sort(v)[1] + v[order][0] * 10.0 + np.sort(v)[::-1][0]


def searchsorted(x):
    knots = np.array([0.0, 1.0, 2.0, 3.0])
    k = np.searchsorted(knots, x) - 1
    return (x - knots[k]) * 10.0 + k


def padding(x):
    return np.pad(V * x, 2, mode="edge").sum() + np.pad(M * x, ((1, 0), (0, 2))).shape[1] + np.pad(V, 1)[0]


def medians(x):
    return np.median(V * x) + np.percentile(V * x, 30.0) + np.quantile(V, 0.5) * x


def nan_functions(x):
    v = np.where(V > 1.0, V * x, np.nan)
    return np.nanmean(v) + np.nansum(v) + np.nanmax(v) + np.nanstd(v)


def selected(x):
    v = V * x
    return np.sum(np.select([v < 1.0, v < 2.0], [v**2, 3.0 * v], default=-v))


def piecewise(x):
    v = V * x
    return np.sum(np.piecewise(v, [v < 1.0, v >= 1.0], [lambda u: u**2, lambda u: 2.0 * u]))


def vectorized(x):
    def f(a, b):
        return a * b if a > b else a + b

    return np.sum(np.vectorize(f)(V * x, 1.5))


def along_axis(x):
    return np.sum(np.apply_along_axis(lambda r: r @ r * x, 1, M))


def polynomial(x):
    return (
        np.polyval([1.0, x, 2.0], 0.5) + np.polyval(np.array([2.0, 1.0]), x) + np.sum(np.polyder([1.0, 2.0]))
    )


def convolution(x):
    return np.sum(np.convolve(V * x, [1.0, 2.0, 1.0], mode="same") ** 2)


def cholesky(x):
    factor = np.linalg.cholesky(M * x)
    return np.sum(np.log(np.diag(factor))) + factor[1, 0]


def qr(x):
    q, r = np.linalg.qr(M * x)
    return np.sum(np.abs(np.diag(r))) + np.abs(q[0, 0])


def eigenvalues(x):
    return np.sum(np.linalg.eigvalsh(M * x + np.diag([0.0, x * x, 1.0])) ** 3)


def eigenvectors(x):
    w, v = np.linalg.eigh(M + np.diag([x, 0.0, 0.0]))
    return w[0] + np.sum(v[:, 0] ** 4)


def log_determinant(x):
    sign, logarithm = np.linalg.slogdet(M * x)
    return sign * logarithm


def least_squares(x):
    a = np.stack([np.ones(5), V], axis=1)
    coefficients, *_ = np.linalg.lstsq(a, V**2 * x, rcond=None)
    return coefficients[0] + 10.0 * coefficients[1]


def solve_and_inverse(x):
    b = np.array([1.0, x, 2.0])
    return np.linalg.solve(M * x, b).sum() + np.linalg.inv(M)[0, 1] * x + np.linalg.norm(b)


def masks(x):
    v = V.copy()
    v[v > 1.0] *= x
    v[V < 0.2] = x
    return v.sum() + np.count_nonzero(V > 1.0) + np.mean(V[V > 1.0]) * x


def fancy_indices(x):
    v = V * x
    pairs = np.array([[0, 1], [2, 3]])
    return v[pairs].prod(axis=1).sum() + v[[0, -1]].sum() + M[np.arange(3), [2, 1, 0]].sum() * x


def broadcasting(x):
    d = V[:, None] - (V * x)[None, :]
    return np.exp(-(d**2)).sum() + np.tril(M * x).sum() + np.trace(M) * x


def meshgrid(x):
    a, b = np.meshgrid(np.linspace(0, x, 4), np.arange(3.0), indexing="ij")
    return np.sum(np.sin(a) * b)


def stacks(x):
    s = np.vstack([V * x, V])
    h = np.hstack([V, V * x])
    return s[0] @ s[1] + h[-1] + np.concatenate((V, [x, x])).sum() + np.column_stack((V, V * x))[1, 1]


def cumulative(x):
    return np.cumsum(V * x)[-2] + np.cumprod(V * x)[2] + np.diff(V * x).sum() + np.gradient(V * x)[1]


def interpolation(x):
    return np.interp(x, TIMES, np.sin(TIMES)) + np.trapezoid(V * x, dx=0.5) + np.clip(x, 0.0, 1.0)


def rolling(x):
    v = np.roll(V * x, 1)
    return v[0] + np.flip(v)[0] * 2.0 + np.tile(v, 2)[7] + np.repeat(v, 2)[1] + np.outer(v, V)[1, 2]


def shapes(x):
    a = np.arange(6.0).reshape(2, 3) * x
    return a.T.ravel()[1] + a.swapaxes(0, 1)[2, 1] + np.squeeze(a[None]).sum() + a.flatten()[3] + a.size


def extremes(x):
    v = V * x
    k = np.argmax(v)
    return v[k] + v.max() + np.ptp(v) + v.argmin() + np.maximum.reduce(v) + np.minimum.accumulate(v)[2]


def statistics(x):
    v = V * x
    return v.mean() + v.std() + np.var(v, ddof=1) + np.cov(V, v)[0, 1] + np.corrcoef(V, v**2)[0, 1]


def logical(x):
    v = V * x
    return (
        np.sum(np.logical_and(v > 0.2, v < 3.0)) * x + np.any(v > 1.0) + np.all(v > 0.0) + np.allclose(V, V)
    )


def norms(x):
    v = V * x
    return np.linalg.norm(v) + np.linalg.norm(v, 1) + np.linalg.norm(M * x) + np.dot(v, V) + np.vdot(V, v)


def cross_products(x):
    a, b = np.array([1.0, x, 2.0]), np.array([x, 0.5, 1.0])
    return np.cross(a, b).sum() + np.kron(a, b).sum() + np.inner(a, b) + np.linalg.det(M * x)


def histogram_by_hand(x):
    counts = np.zeros(4)
    for v in V:
        counts[min(int(v), 3)] += x
    np.add.at(counts, [0, 0, 1], x)
    return np.sum(counts**2)


def runge_kutta(x):
    def f(t, y):
        return np.array([y[1], -x * y[0]])

    y, h = np.array([1.0, 0.0]), 0.1
    for k in range(20):
        t = k * h
        k1 = f(t, y)
        k2 = f(t + h / 2, y + h / 2 * k1)
        k3 = f(t + h / 2, y + h / 2 * k2)
        k4 = f(t + h, y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return y[0] + y[1]


def newton(x):
    z, steps = x, 0
    while True:
        change = (z**3 - x) / (3 * z**2)
        z -= change
        steps += 1
        if abs(change) < 1e-12 or steps > 50:
            break
    return z


def bisection(x):
    low, high = 0.0, 10.0
    for _ in range(60):
        mid = 0.5 * (low + high)
        if mid * mid > 2.0:
            high = mid
        else:
            low = mid
    return mid * x


def heat_equation(x):
    u = np.zeros(12)
    u[5] = 1.0
    for _ in range(30):
        new = u.copy()
        for i in range(1, 11):
            new[i] = u[i] + 0.1 * x * (u[i + 1] - 2 * u[i] + u[i - 1])
        u = new
    return u @ u


def kalman_filter(x):
    m, p = np.zeros(2), np.eye(2)
    a = np.array([[1.0, 0.1], [0.0, 1.0]])
    h = np.array([[1.0, 0.0]])
    loglik = 0.0
    for y in np.sin(TIMES):
        m, p = a @ m, a @ p @ a.T + 0.01 * x * np.eye(2)
        s = (h @ p @ h.T + x)[0, 0]
        gain = (p @ h.T)[:, 0] / s
        r = y - (h @ m)[0]
        m, p = m + gain * r, p - np.outer(gain, h @ p)
        loglik -= 0.5 * (r * r / s + np.log(2 * np.pi * s))
    return loglik


def dynamic_programming(x):
    costs = [[x, 2.0, 3.0], [1.0, 2.0 * x, 0.5], [4.0, x, 1.0]]
    best = costs[0]
    for row in costs[1:]:
        best = [c + min(best) for c in row]
    return min(best)


def matrix_power_loop(x):
    p = np.array([[0.9, 0.1], [0.2 * x, 1.0 - 0.2 * x]])
    pi = np.array([0.5, 0.5])
    while True:
        new = pi @ p
        if np.max(np.abs(new - pi)) < 1e-10:
            break
        pi = new
    return pi[0]


def recursive_polynomials(x):
    @cache
    def legendre(n):
        if n < 2:
            return x if n else 1.0
        return ((2 * n - 1) * x * legendre(n - 1) - (n - 1) * legendre(n - 2)) / n

    return legendre(5)


def quadrature(x):
    nodes, weights = np.polynomial.legendre.leggauss(5)
    return sum(w * math.exp(-x * t * t) for t, w in zip(nodes, weights))


def monte_carlo(x):
    rng = np.random.default_rng(3)
    z = rng.standard_normal(20)
    return np.mean(np.maximum(np.exp(x * z - 0.5 * x * x) - 1.0, 0.0))


def pharmacokinetics(x):
    doses = {0.0: 1.0, 0.6: 0.5}
    central = 0.0
    for k in range(10):
        t = round(0.2 * k, 1)
        if t in doses:
            central += doses[t]
        central *= np.exp(-x * 0.2)
    return central


def logistic_map(x):
    y = 0.3
    trajectory = [y]
    for _ in range(12):
        y = 2.0 * x * y * (1.0 - y)
        trajectory.append(y)
    return np.array(trajectory).sum() + trajectory[-1]


def lennard_jones(x):
    positions = np.array([[0.0, 0.0], [1.1 * x, 0.0], [0.3, 1.2]])
    energy = 0.0
    for i in range(len(positions)):
        for j in range(i + 1, len(positions)):
            r2 = np.sum((positions[i] - positions[j]) ** 2)
            s6 = 1.0 / r2**3
            energy += 4.0 * (s6 * s6 - s6)
    return energy


def softmax_loss(x):
    logits = np.array([x, 2.0, 0.5])
    logits -= logits.max()
    p = np.exp(logits) / np.exp(logits).sum()
    return -np.log(p[1]) + np.logaddexp(x, 1.0)


def complex_phase(x):
    z = np.exp(1j * x)
    return np.abs(1.0 + z) + z.real


def spectrum(x):
    return np.sum(np.abs(np.fft.rfft(V * x)) ** 2)


PROGRAMS = [f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == __name__]
