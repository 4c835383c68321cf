"""Programs as users write them, one construct or more each, with arguments: what the compiler must trace."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
import scipy.special

from tests.compiler.agree import LONG, Y

RATE = 0.7
MATRIX = np.array([[1.0, 2.0], [3.0, 4.0]])
SETTINGS = {"gain": 1.5, "offsets": [0.1, 0.2], "steps": 3}
ORDER = np.array([2, 0, 1])


def mlp(t, y, p):
    y = y.reshape(20, 2)
    h = np.tanh((y**3) @ p["W1"].T + p["b1"])
    return (h @ p["W2"].T + p["b2"]).ravel()


def global_matrix(t, y):
    return RATE * MATRIX @ y[:2] + np.sin(t)


def stencil(t, y):
    u = y.copy()
    w = np.zeros_like(u)
    for _ in range(5):
        w[1:-1] = u[1:-1] + 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])
        w[0] = w[1]
        w[-1] = w[-2]
        u, w = w, u
    return u


def overlaps(t, y):
    u = y.copy()
    u[:-1] = u[1:]
    u[:] = u[::-1]
    u[1:] += u[:-1]
    u[::2] = u[1::2] * 2
    u[: len(u) // 2] = u[len(u) // 2 :]
    return u


def newton(t, y):
    z = y[0]
    while abs(z * z - 2) > 1e-10:
        z = z - (z * z - 2) / (2 * z)
    return z


def jumps(t, y):
    s = 0
    for i in range(100):
        if i % 3 == 0:
            continue
        if s > 5:
            break
        for j in range(10):
            if j > i:
                break
            s += y[0] * j
        else:
            s += 100 * y[1]
    return [s, i]


def early(t, y):
    for i in range(50):
        here = y[0] * i
        if here > 7.3:
            return np.array([here, i])
        while here < 1:
            here += 0.3
            if here > 0.9:
                return y[:2] * 2
    return np.array([t, t])


def small_arrays(t, y):
    a = np.zeros(3)
    for i in range(3):
        a[i] = y[i] ** 2
    b = a
    b[0] += 1
    for k in range(20):
        a = a + 0.1 * b
        a[k % 3] -= 1
    return a, b


def lists(t, y):
    out = []
    for i in range(10):
        out.append(y[0] * i)
    q = [x**2 for x in y[:4]]
    q[0], q[1] = q[1], q[0]
    *first, last = q
    return np.array(out).sum() + sum(q) + max(q) - min(v for v in y) + last * len(first)


@dataclass
class Params:
    a: float
    b: np.ndarray

    def line(self, x):
        return self.a * x + self.b.sum()

    @property
    def scaled(self):
        return self.a * RATE


class Pair(NamedTuple):
    a: float
    b: float


def structured(t, y, p, n, d):
    a, b = n
    return {
        "r": p.line(y[0]) + p.scaled + n.a * b,
        "s": [d["k"][0]["z"] + d["k"][1] + (p.b * 2)[1]],
        "n": Pair(a, y[1]),
    }


def inner(f, x, k=2.5):
    return f(x) * k


def higher_order(t, y):
    g = lambda x, s=3: x * s + y[0]  # noqa: E731

    def h(x):
        if x > 1:
            return g(x)
        return g(x, 2) + RATE

    return inner(h, y[1]) + inner(math.sin, t, k=1) + inner(h, 0.5)


def cholesky(t, y):
    low = np.zeros((5, 5))
    a = np.outer(y[:5], y[:5]) + 5 * np.eye(5)
    for i in range(5):
        for j in range(i + 1):
            s = a[i, j] - low[i, :j] @ low[j, :j]
            if i == j:
                low[i, i] = np.sqrt(s)
            else:
                low[i, j] = s / low[j, j]
    return low


def shrinking_views(t, y):
    v = y
    s = 0.0
    for _ in range(4):
        v = v[1:]
        s += v.sum() * v[0]
    return s


def guarded(t, y):
    i = 0
    while i < len(y) and y[i] < 100:
        i += 1
    x = y[-1] if i > 2 and y[i - 1] > 0 else 0
    return x + i


def array_functions(t, y):
    idx = np.array([3, 1, 2])
    z = y[idx] + y[[0, 1, 2]] + y[ORDER]
    m = y > 0.5
    w = y.copy()
    w[m] = 0
    w[idx] += 2
    return [
        np.where(m, y, -y),
        z,
        w,
        np.clip(y, 0.2, 0.7),
        np.cumsum(y),
        np.roll(y, 2),
        np.diff(y),
        np.linalg.norm(y),
        np.trapezoid(y),
        y.mean(),
        y.std(),
        np.max(y),
        np.argmax(y),
        np.minimum(y, 0.5),
        np.prod(y[:5]),
        np.any(m),
        np.stack([y, w]),
        np.concatenate([y, w])[3:],
        np.vstack([y, w]).T[1],
        np.outer(y, y)[1, :3],
        np.linspace(0, y[0], 7),
        np.arange(4) * t,
        np.tile(y[:2], 3),
        np.interp(0.37, np.linspace(0, 1, len(y)), y),
        np.flip(y)[:2],
        np.var(y),
        np.sum(np.outer(y, y), axis=0),
        np.mean(np.outer(y, w), axis=1),
        np.max(np.outer(y, w), axis=1, keepdims=True),
        np.hypot(y, w),
        np.logaddexp(y, w),
        np.dot(y, w),
        np.vdot(y, w),
        np.full(3, t),
        np.ones_like(y),
        np.atleast_1d(t),
        np.isclose(y, w),
        np.cross(y[:3], w[:3]),
        np.tril(np.outer(y, y))[:3, :3],
        np.diag(y[:3]),
        np.append(y, 1.0),
        y.T,
        np.expand_dims(y, 1)[:, 0],
        np.sqrt(y).dot(w),
        np.count_nonzero(m),
        np.gradient(y),
        np.sinc(y),
        np.add.reduce(y),
    ]


def linear_algebra(t, y):
    a = np.outer(y, y) + np.eye(len(y))
    return [
        np.linalg.solve(a, y),
        np.linalg.solve(a[:2, :2], y[:2]),
        a @ y,
        y @ a,
        (a @ a)[0],
        y @ y,
        np.linalg.inv(a)[0],
        np.trace(a),
    ]


def raising(t, y):
    if y[0] < -1:
        raise ValueError("negative")
    elif y[0] > 100:
        raise ValueError
    else:
        q = 2 * y[0]
    assert q > -5, "bad"
    return q


def swaps(t, y):
    a, b, c = y[:6].copy(), y[6:12].copy(), np.ones(6)
    for k in range(7):
        a, b, c = b, c, a
        a[:] = b * 2
        b[1:] = a[:-1]
        if k % 2 and a[0] > 0.3:
            a, b = b, a
            c = c + a
    return a, b, c


def scalars(t, y):
    x, s = y[0], y[1]
    return [
        math.exp(x),
        math.log(s),
        math.log(s, 3),
        math.hypot(x, s),
        math.atan2(x, s),
        math.pow(s, x),
        math.floor(x * 10),
        math.erf(x),
        math.gamma(s),
        math.lgamma(s),
        scipy.special.erf(s),
        scipy.special.expit(x),
        int(x * 7.9),
        round(s * 3),
        abs(-x),
        max(x, s),
        min(x, s, 0.1),
        float(3),
        x // 0.3,
        x % 0.3,
        -(x**3),
        s**-0.5,
        2**s,
        x != s,
        not x > s,
        divmod(s, 0.2)[1],
        math.pi * x,
        np.pi * x,
        np.sign(x),
        1 if x < s < 3 else 2,
        (x and s),
        bool(x),
        pow(s, 2.5),
        math.sqrt(s),
        np.cbrt(s),
        math.copysign(x, -s),
        np.expm1(x),
        np.log1p(s),
        np.arctan(x),
        x**4,
        x**2,
        s**0.5,
        3 in (1, 2, 3),
    ]


def while_else(t, y):
    k, s = 0, 0.0
    while k < 5:
        k += 1
        if y[0] > 10:
            break
        s += y[k % 3]
    else:
        s *= 2
    return s


def walrus_and_nested(t, y):
    s = 0.0
    while (step := y[0] * 0.5 + s) < 3:
        s += 0.5 + 0.1 * step
    rows = [[y[i] * j for j in range(3)] for i in range(2)]
    flat = [e for row in rows for e in row if True]
    table = {"a": s}
    table["b"] = 2.0
    return s + sum(flat) + table["a"] * table.get("b") + sum(table[k] for k in table)


def long_comprehension(t, y):
    return (
        np.array([np.sin(k * y[0]) for k in range(100)]) * 2,
        sum(k * y[1] for k in range(100)),
        max([y[2] - k for k in range(80)]),
    )


def matrix_rows(t, y):
    a = np.zeros((4, len(y)))
    a[0] = y
    for i in range(1, 4):
        a[i] = a[i - 1] * 0.5 + y[::-1]
        a[i, 0] += t
    total = 0.0
    for row in a:
        total += row[1] * row[-1]
    a[:, 1] = a[:, 2]
    a[1:] = a[:-1]
    return a, total, a.T @ a[:, 0], a.sum(axis=1), a.reshape(2, -1)[0, :3]


def nonlocal_state(t, y):
    count = 0

    def bump(x):
        nonlocal count
        count += 1
        return x * count

    return bump(y[0]) + bump(y[1]) + count


@numba.njit
def jitted(x, v):
    s = 0.0
    for k in range(v.shape[0]):
        s += x * v[k]
    return s


def calls_jitted(t, y):
    return jitted(t, y) + jitted(y[0], y[1:])


def recursive(t, y, depth=4):
    return y[0] if depth == 0 else y[0] * recursive(t, y, depth - 1) + t


def mutates_argument(t, y, p):
    y[0] = 3.0
    y *= p[0]
    p[1] += y[0]
    return y + p.sum()


def captured(t, y):
    total = 0.0
    for offset in SETTINGS["offsets"]:
        total += offset * y[0]
    for _ in range(SETTINGS["steps"]):
        total *= SETTINGS["gain"]
    return total


def bisection(t, y):
    lo, hi = 0.0, 2.0
    for _ in range(60):
        mid = 0.5 * (lo + hi)
        if mid**3 + mid - y[0] > 0:
            hi = mid
        else:
            lo = mid
    return mid


def int_to_float(t, y):
    x = 0
    k = 1
    for i in range(6):
        x = x + k
        if y[0] > 0.2 * i:
            k = y[1]
    return x


def late_binding(t, y):
    previous = 0.0
    for i in range(5):
        if i > 0:
            previous = current + previous * 0.5  # noqa: F821
        current = y[i % 3] * i
    return previous + current


def merged_then_written(t, y):
    a, b = y[:3].copy(), y[3:6].copy()
    c = a if y[0] > 0.5 else b
    c[0] = 7.0
    return a, b, c


NET = {
    "W1": np.ones((50, 2)) * 0.1,
    "b1": np.linspace(-1, 1, 50),
    "W2": np.ones((2, 50)) * 0.2,
    "b2": np.array([1.0, 2.0]),
}
PROGRAMS = [
    (mlp, (LONG[:40], NET)),
    (global_matrix, (Y,)),
    (stencil, (Y,)),
    (stencil, (LONG,)),
    (overlaps, (Y,)),
    (overlaps, (LONG,)),
    (newton, (Y,)),
    (jumps, (Y,)),
    (early, (Y,)),
    (early, (Y * 0.001,)),
    (small_arrays, (Y,)),
    (lists, (Y,)),
    (structured, (Y, Params(2.0, Y), Pair(1.0, 2.0), {"k": [{"z": 3.0}, 2]})),
    (higher_order, (Y,)),
    (cholesky, (Y,)),
    (shrinking_views, (Y,)),
    (shrinking_views, (LONG,)),
    (guarded, (Y,)),
    (guarded, (LONG,)),
    (array_functions, (Y,)),
    (array_functions, (LONG,)),
    (linear_algebra, (Y,)),
    (linear_algebra, (LONG,)),
    (raising, (Y,)),
    (swaps, (Y,)),
    (scalars, (Y,)),
    (while_else, (Y,)),
    (while_else, (Y * 100,)),
    (walrus_and_nested, (Y,)),
    (long_comprehension, (Y,)),
    (matrix_rows, (Y,)),
    (matrix_rows, (LONG,)),
    (nonlocal_state, (Y,)),
    (calls_jitted, (Y,)),
    (calls_jitted, (LONG,)),
    (recursive, (Y,)),
    (mutates_argument, (Y, Y[:3])),
    (mutates_argument, (LONG, LONG)),
    (captured, (Y,)),
    (bisection, (Y,)),
    (int_to_float, (Y,)),
    (late_binding, (Y,)),
    (merged_then_written, (Y,)),
    (merged_then_written, (1 - Y,)),
]
