"""Traced programs keep Python's meaning: aliases, views and copies, order of evaluation, kinds, scopes."""

# ruff: noqa: B007, B023, B905, C416, C417, F841, RUF007
from dataclasses import dataclass

import numpy as np
import pytest

from tests.compiler.agree import LONG, Y, agree, copies, run, traced


def writes(u):
    u[0] = 9.0
    return u[1]


def writes_during_an_expression(t, y):
    u = y.copy()
    a, b = u * 2, writes(u)
    c = u * 2 + writes(u) * u
    return a, b, c, u


class Writer:
    def log(self, u):
        u[0] = 3.0
        return 1.0


WRITER = Writer()


def writes_by_a_method_or_out(t, y):
    u = y.copy()
    a = u * 2 + WRITER.log(u)
    b = u * 2 + np.add(u, 1, out=u)
    return a, b, u


def comparisons_in_turn(t, y):
    count = [0]

    def seen(v):
        count[0] += 1
        return v

    results = [seen(y[0]) > 100 > seen(y[1]), 0 < seen(y[0]) < seen(1.5), y[1] > 5 < y[int(100 * y[0])]]
    return results, count[0]


def updates_through_masks(t, y):
    u = y.copy()
    u[u < 0.5] *= 2
    u[u > 0.7] -= t
    u[(u > 0.6) & (u < 0.9)] **= 2
    return u, y


def alias_of_argument(t, y):
    x = y
    y += 1
    return x


def alias_of_list(t, y):
    q = [1.0, 2.0, 3.0]
    r = q
    for i in range(10):
        r[0] = y[0] * i
        q[1] += 1
    return q, r


def nonlocal_in_loop(t, y):
    n = 0.0

    def inc(v):
        nonlocal n
        n = n + v

    for i in range(10):
        inc(y[i])
    if y[0] > 0:
        inc(1)
    return n


def late_and_early_bound_lambdas(t, y):
    fs = [lambda x: x * k for k in range(3)]
    gs = []
    for k in range(3):
        gs.append(lambda x, k=k: x * k)
    return [f(y[0]) for f in fs], [g(y[0]) for g in gs]


@dataclass
class State:
    v: float
    w: np.ndarray


def fields_in_loop(t, y):
    s = State(t, y.copy())
    for i in range(10):
        s.v += y[i]
        s.w[i] = s.v
        if s.v > 2:
            s.w = s.w * 0.5
    return s.v, s.w


def integer_arrays(t, y):
    a = np.array([1, 2, 3])
    a[0] = 2.7
    b = a / 2
    c = a // 2
    d = (-a) % 2
    e = a * y[:3]
    f = np.array([1, 2]) + np.array([True, False])
    return (
        a,
        b,
        c,
        d,
        e,
        f,
        (a > 1) & (a < 3),
        ~(a > 1),
        -7 // 2,
        int(-y[0] * 30) // 7,
        int(-y[0] * 30) % 7,
        a.sum(),
        a.mean(),
        a.max(),
    )


def chained_assignment(t, y):
    a = b = np.zeros(3)
    a[0] = y[0]
    return b


def rest(u):
    return u[1:]


def view_from_a_function(t, y):
    v = rest(y)
    v[0] = 7.0
    return y


def loop_variable_reassigned(t, y):
    for i in range(5):
        y[i] *= 2
        i = i + 3
    return i, y


def ranges(t, y):
    s = 0.0
    for i in range(10, 0, -3):
        s += i * y[i]
    for i in reversed(range(4)):
        s = s * 2 + y[i]
    n = int(y[0] * 10)
    for i in range(n, n + 3):
        s += y[i % 5]
    for i in range(2, n, 2):
        s += y[i % 7]
    for i in range(n, -1, -1):
        s -= y[i % 7] * i
    return s, i


def items_in_a_while_loop(t, y):
    u = y[:3].copy()
    k = 0
    while k < 30:
        u[k % 3] += k
        k += 1
    return u


def items_swapped(t, y):
    y[0], y[3] = y[3], y[0]
    a = y[1]
    y[1] = 5.0
    return a, y


def views_and_copies_of_a_matrix(t, y):
    A = np.outer(y, y)
    r = A[0]
    q = A.T
    z = A.ravel()
    f = A.flatten()
    g = A.reshape(-1)
    A[0] = 0.0
    A[1, 1] = 3.0
    return r, q, z, f, g


def alias_by_condition(t, y):
    x, z = y[:3], y[3:6]
    w = x if y[0] > 0.5 else z
    w[0] = 7
    w2 = w
    w += 1
    return x, z, w2, y


def search(u, v):
    for i in range(len(u)):
        for j in range(len(u)):
            if u[i] * u[j] > v:
                return i * 10 + j
    return -1


def search_in_a_loop(t, y):
    s = 0.0
    for k in range(8):
        r = search(y, k * 0.1)
        if r < 0:
            break
        s += r
    return s


def dict_in_branch_and_loop(t, y):
    d = {"a": y[0]}
    if y[1] > 0.3:
        d["a"] = 2 * d["a"]
    for i in range(5):
        d["a"] += y[i]
    return d


def list_of_arrays(t, y):
    out = []
    for i in range(3):
        if i != 1:
            out.append(y * i)
    return np.array(out), np.stack(out, 1), sum(out)


def alias_or_copy_in_a_loop(t, y):
    u = y.copy()
    v = u
    for k in range(5):
        v = u if k % 2 else v * 2
        v[0] += 1
    return u, v


def jumps_and_return(t, y):
    x = y[0]
    for i in range(20):
        if x > 3:
            x -= 1
            continue
        if i == 15:
            return x
        x *= 1.3
    x += 100
    return x


def kinds_of_arrays(t, y):
    m = np.zeros((3, 3), dtype=int)
    m[1, 2] = 4
    z = np.zeros(3, dtype=bool)
    z[0] = True
    return m * y[0], np.where(z, 1, 2), m.dtype == int, z.sum()


def arrays_in_lists(t, y):
    lst = [y[:3] * k for k in range(3)]
    lst[1][0] = 5.0
    a = lst[1]
    lst[1] = a + 1
    return lst, a, max(map(lambda v: v[0], lst)), [x for x in zip(y[:2], y[2:4])]


def none_before_the_loop(t, y):
    h = 0.1
    u = y[:3]
    k1 = k2 = None
    for i in range(6):
        k1 = np.array([u[1], -u[0], u[2] * t])
        k2 = np.array([k1[1], k1[0], 1.0])
        u = u + h * (k1 + k2) / 2
        u[2] = np.minimum(u[2], 0.9)
    return u, k1


def columns_and_rows(t, y):
    A = np.zeros((len(y), 2))
    A[:, 0] = y
    A[:, 1] = y**2
    A[1:, 0] = A[:-1, 0]
    B = A[::-1]
    B[0] = A[0]
    x = A[:, ::-1]
    x[:] = A
    A[[0, 1]] = A[[1, 0]]
    return A


def extreme_by_hand(t, y):
    i = 0
    n = len(y)
    best = -np.inf
    arg = -1
    for i, v in enumerate(y):
        if v > best:
            best = v
            arg = i
    while True:
        i -= 1
        if i <= 2:
            break
    return best, arg, i


def integrator_of_a_lambda(t, y):
    def rk(f, u, h, n):
        for _ in range(n):
            k1 = f(u)
            k2 = f(u + h * k1)
            u = u + h / 2 * (k1 + k2)
        return u

    return rk(lambda u: -u * u[0], y, 0.1, 5), rk(lambda x: -(x**2), t, 0.1, 3)


def pairs(t, y):
    s = 0.0
    for a, b in zip(y[:-1], y[1:]):
        s += a * b
    for i, (a, b) in enumerate(zip(y, y[::-1])):
        s += i * a * b
    x, *r = y
    return s, x, len(r), r[-1]


def indices_of_small_arrays(t, y):
    u = np.zeros(4)
    u[1:3] = y[:2]
    u[-1] += u[1]
    u[:] = u[[3, 2, 1, 0]]
    u[u > 0.5] = 0.0
    u[1:] *= 2
    return u, u[None, :] * u[:, None], u[..., 0], u.max(), (u @ u)


def methods_and_joins(t, y):
    return (
        y.dot(y),
        y.T @ y,
        np.sum(y * y > 0.3),
        np.mean([y[0], y[1]]),
        np.max([y[0], 2.0]),
        np.exp(y).sum(axis=0),
        y.reshape(3, 4).sum(0),
        y.reshape(3, 4).mean(axis=-1),
        y.reshape(3, 4).T.sum(axis=1),
        np.concatenate((y[:2], [1.0], y[3:])),
        np.array([y[:2], y[2:4]]),
        np.array([[y[0], 1], [2, 3]]) @ y[:2],
    )


def write_in_inner_loop_of_an_arm(t, y):
    """The inner loop writes into an array that the outer loop carries and the other arm replaces."""
    w = np.zeros(3)
    c = y[0]
    while c < 4.0:
        if c > 2.0:
            w = 0.5 * w + y[0]
        else:
            while c < 1.0:
                w[-1] -= 0.3
                c = c + 0.5
        c = c + 0.5
    return w


PROGRAMS = [
    write_in_inner_loop_of_an_arm,
    writes_during_an_expression,
    comparisons_in_turn,
    writes_by_a_method_or_out,
    updates_through_masks,
    alias_of_argument,
    alias_of_list,
    nonlocal_in_loop,
    late_and_early_bound_lambdas,
    fields_in_loop,
    integer_arrays,
    chained_assignment,
    view_from_a_function,
    loop_variable_reassigned,
    ranges,
    items_in_a_while_loop,
    items_swapped,
    views_and_copies_of_a_matrix,
    alias_by_condition,
    search_in_a_loop,
    dict_in_branch_and_loop,
    list_of_arrays,
    alias_or_copy_in_a_loop,
    jumps_and_return,
    kinds_of_arrays,
    arrays_in_lists,
    none_before_the_loop,
    columns_and_rows,
    extreme_by_hand,
    integrator_of_a_lambda,
    pairs,
    indices_of_small_arrays,
    methods_and_joins,
]


@pytest.mark.parametrize("y", [Y, LONG[:12] * 1.5, np.resize(LONG, 112)], ids=["12", "12-other", "112"])
@pytest.mark.parametrize("fun", PROGRAMS, ids=lambda f: f.__name__)
def test_meaning(fun, y):
    if fun is columns_and_rows or fun is methods_and_joins:
        y = y[:12]
    agree(run(traced(fun, 0.3, y), fun, 0.3, y), fun(*copies((0.3, y))))
