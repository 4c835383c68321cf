"""Loops of sums reversed iteration by iteration, and those that look like them but must not be."""

import numpy as np
import pytest

import sciad as ad
from sciad.compiler import Group, compile_function

RNG = np.random.default_rng(0)
N, D = 40, 9
X, P = RNG.normal(size=(N, D)), RNG.normal(size=D)


def rows(x, p):
    total, weight = 0.0, 0.0
    scaled = np.exp(p)
    for i in range(N):
        z = x[i] * scaled
        q = np.zeros(D)
        for a in range(D):
            for b in range(a + 1, D):
                q[b] += z[a] * p[a] * x[i, b]
        total += np.sum(q * z) + np.log(1.0 + np.sum(z * z))
        weight -= np.sum(q)
    return total + 2.0 * weight


def nonlinear_end(x, p):
    total = 0.0
    for i in range(N):
        z = np.sin(x[i] * p)
        total += np.sum(z * z)
    return np.log(1.0 + total)


def read_array_overwritten_later(x, p):
    scale, total = p * p, 0.0
    for i in range(N):
        z = np.sin(x[i] * scale)
        total += np.sum(z * z)
    scale[0] = 3.0 * p[1]
    scale[1] *= p[0]
    return total + np.sum(scale * scale)


def array_lives_on(x, p):
    z, total = np.zeros(D), 0.0
    for i in range(N):
        z = z * p + x[i]
        total += np.sum(z * z)
    return total


def carried_product(x, p):
    total, product = 0.0, 1.0
    for i in range(N):
        z = x[i] * p
        product = product * (1.0 + 0.1 * np.sum(z))
        total += product
    return total


def two_loops(x, p):
    total = 0.0
    for i in range(N):
        z = np.tanh(x[i] * p)
        total += np.sum(z * z)
    other = 0.0
    for i in range(N):
        z = np.exp(0.1 * x[i]) * p
        other += np.sum(z * x[i])
    return 3.0 * total - other


PROGRAMS = (rows, nonlinear_end, read_array_overwritten_later, array_lives_on, carried_product, two_loops)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_gradient_and_second_derivatives(program):
    compiled = compile_function(program, [Group("x", (X, P), spread=True)])
    flat, direction = np.concatenate([X.ravel(), P]), RNG.normal(size=D * N + D)

    def whole(v):
        return program(np.reshape(v[:-D], (N, D)), v[-D:])

    expected, change = ad.grad(whole)(flat), ad.hvp(whole, (flat,), (direction,))
    out, bar = np.empty(1), np.zeros(D * N + D)
    assert compiled.interpreted("pullback")(flat, np.ones(1), out, bar) == 0
    np.testing.assert_allclose(out[0], whole(flat), rtol=1e-12)
    np.testing.assert_allclose(bar, expected, rtol=1e-10, atol=1e-12)
    out, out_dot, bar, bar_dot = np.empty(1), np.empty(1), np.zeros(D * N + D), np.zeros(D * N + D)
    run = compiled.interpreted("second")
    assert run(flat, np.ones(1), direction, np.zeros(1), out, out_dot, bar, bar_dot) == 0
    np.testing.assert_allclose(bar, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(bar_dot, change, rtol=1e-9, atol=1e-11)


def test_third_derivatives():
    def along(f):
        return lambda s: f(X * (1.0 + s), P + s)

    eager, native = (ad.grad(ad.grad(ad.grad(along(f))))(0.3) for f in (rows, ad.jit(rows)))
    np.testing.assert_allclose(native, eager, rtol=1e-9)


def test_only_one_datum_is_kept():
    sizes = [
        compile_function(f, [Group("x", (np.zeros((n, D)), P), spread=True)]).work_size("pullback")
        for f, n in ((rows, N), (rows_of_many, 500))
    ]
    assert max(sizes) < 20 * D


def rows_of_many(x, p):
    total = 0.0
    for i in range(500):
        z = np.sin(x[i] * p)
        for a in range(1, D):
            z[a] += z[a - 1] ** 2
        total += np.sum(z * z)
    return total
