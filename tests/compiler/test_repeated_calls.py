"""Calls of equal arguments are traced once, where nothing can tell: recursion is as long as its results."""

import numpy as np
import pytest

import sciad as ad
from benchmarks.gradbench.det import determinant
from sciad.compiler.ir.walking import walk
from tests.compiler.agree import traced


def paths(x, i, j):
    """Sums over all paths through a grid, each of which meets most of the others."""
    if i == 0 or j == 0:
        return x[i] * x[j]
    return np.sin(paths(x, i - 1, j) + x[j] * paths(x, i, j - 1))


def through_grid(x):
    return paths(x, 9, 9)


@pytest.mark.parametrize("n", [3, 7])
def test_determinants(n):
    a = np.random.default_rng(n).normal(size=(n, n))
    value, slope = ad.value_and_grad(ad.jit(determinant))(a)
    assert value == pytest.approx(np.linalg.det(a), rel=1e-11)
    assert np.allclose(slope, value * np.linalg.inv(a).T, rtol=1e-9)


def test_overlapping_recursion():
    x = np.linspace(0.1, 1.0, 10)
    f = ad.jit(through_grid)
    table = np.empty((10, 10))
    for i in range(10):
        for j in range(10):
            edge = i == 0 or j == 0
            table[i, j] = x[i] * x[j] if edge else np.sin(table[i - 1, j] + x[j] * table[i, j - 1])
    assert f(x) == pytest.approx(table[9, 9], rel=1e-14)
    h = 1e-6
    for k in (0, 5):
        e = h * np.eye(10)[k]
        assert ad.grad(f)(x)[k] == pytest.approx((f(x + e) - f(x - e)) / (2 * h), rel=1e-7)


def test_programs_grow_with_what_is_different():
    """Minors of n columns: 2**n, not n!."""
    sizes = {}
    for n in (4, 8):
        program = traced(lambda t, a: determinant(a), 0.0, np.zeros((n, n))).program
        sizes[n] = sum(1 for _ in walk(program.body))
    assert sizes[8] < 40 * sizes[4]


def bump(a):
    a[0] += 1.0
    return a[0]


def doubled(a):
    return 2.0 * a


def first(a):
    return a[0] ** 2


def guarded(a, i):
    if a[i] > 0.0:
        return np.log(a[i])
    return a[i]


def writes_into_its_argument(x):
    a = np.array([x, 2.0 * x])
    return bump(a) + 10.0 * bump(a) + a[0]


def array_results_are_separate(x):
    a = np.array([x, 2.0 * x])
    b, c = doubled(a), doubled(a)
    b[0] = 100.0 * x
    return b[0] + c[0]


def argument_changes_between(x):
    a = np.array([x, 2.0 * x])
    before = first(a)
    a[0] = 3.0 * x
    return before + first(a)


def argument_of_many_changes_between(x):
    a = x * np.ones(100)
    before = first(a)
    a[0] = 3.0 * x
    return before + first(a)


def in_one_arm_only(x):
    a = np.array([x, -x])
    total = guarded(a, 0) if x > 0.5 else 0.0
    return total + guarded(a, 0) + guarded(a, 1)


def in_loops(x):
    total, y = 0.0, x
    for _ in range(3):
        total += first((y, 1.0)) + first((x, 1.0))
        y = y + x
    return total


@pytest.mark.parametrize(
    "f",
    [
        writes_into_its_argument,
        array_results_are_separate,
        argument_changes_between,
        argument_of_many_changes_between,
        in_one_arm_only,
        in_loops,
    ],
)
@pytest.mark.parametrize("x", [0.3, 1.7])
def test_what_may_differ_is_traced_again(f, x):
    value, slope = ad.value_and_grad(ad.jit(f))(x)
    assert value == pytest.approx(f(x), rel=1e-15)
    assert slope == pytest.approx(ad.grad(f)(x), rel=1e-14)
