"""Patterns of Jacobians, colourings and compressed Jacobians against dense ones."""

import numpy as np
import pytest
from scipy.sparse import csc_array

import sciad as ad
from sciad.compiler.backend.emit import emit
from sciad.compiler.backend.module import python_function
from sciad.compiler.derivatives.pushforward import pushforward
from sciad.compiler.passes.pipeline import finish, optimize
from sciad.compiler.sparse.compressed_jacobian import colour_columns
from sciad.compiler.sparse.pattern import sparsity as pattern_of_program
from sciad.compiler.tracing.trace import Group, trace
from tests.problems.ode_models import MODELS
from tests.problems.random_programs import random_program


def mesh(u):
    """Diffusion on a periodic grid by whole arrays, with a reaction."""
    w = u[0] * u[0] * u[1]
    return np.stack([np.roll(u[0], 1, 0) + np.roll(u[0], -1, 1) + w, np.roll(u[1], 2, 1) - w])


def neighbours(u):
    d = np.empty_like(u)
    n = len(u)
    for i in range(n):
        left = u[i - 1] if i > 0 else 0.0
        d[i] = 2 * left + u[i] * u[(i + 2) % n]
    return d


def triangle(u):
    """Row i depends on the entries before it."""
    d = np.zeros_like(u)
    for i in range(len(u)):
        for j in range(i):
            d[i] += u[j] * u[j]
    return d


def running(u):
    d = np.zeros_like(u)
    total = 0.0
    for i in range(len(u)):
        total = total + u[i] ** 2
        if i % 2:
            d[i] = total
    return d


def matrix_times_diagonal(u):
    a = np.zeros((2, 2))
    a[0, 0] = u[0]
    a[1, 1] = u[1] * u[2]
    return a @ u[2:4]


def swapped(u):
    a, b = u[:2].copy(), u[2:].copy()
    for _ in range(3):
        a, b = b, 2 * a
    return np.concatenate([a, b])


def rounds(u):
    """`floor` and comparisons carry no derivative."""
    return np.array([np.floor(u[0]) * u[1], u[2] if u[0] > 0.3 else u[3], u[3] * 0.5])


def newton(u):
    """A loop whose length depends on values."""
    z = u[0]
    while abs(z * z - u[1]) > 1e-9:
        z = 0.5 * (z + u[1] / z)
    return np.array([z, u[2], z * u[3]])


def shifting(u):
    """What the first entry depends on grows from one iteration to the next."""
    a, b, c, k = u[0], u[1], u[2], 0.0
    while k < u[3]:
        a, b, c, k = b, c, c * c, k + 1.0
    return np.array([a, b, c])


def looked_up(u):
    """The index depends on a value."""
    k = int(u[0] * 3)
    d = np.zeros(3)
    d[1] = u[k]
    d[2] = u[1]
    return d


def stops_early(u):
    d = np.zeros_like(u)
    for i in range(len(u)):
        if u[i] > 2.0:
            break
        d[i] = u[i] * u[0]
    return d


EXACT = [
    (mesh, (2, 4, 5)),
    (mesh, (2, 3, 40)),
    (neighbours, (5,)),
    (neighbours, (60,)),
    (triangle, (6,)),
    (running, (7,)),
    (matrix_times_diagonal, (4,)),
    (swapped, (4,)),
    (rounds, (4,)),
]
CAUTIOUS = [(newton, (4,)), (shifting, (4,)), (looked_up, (4,)), (stops_early, (5,))]


def differences(f, u, h=1e-6):
    """Jacobian by central differences."""
    columns = []
    for k in range(u.size):
        step = np.zeros(u.size)
        step[k] = h
        step = step.reshape(u.shape)
        columns.append((f(u + step) - f(u - step)).ravel() / (2 * h))
    return np.stack(columns, axis=1)


def nonzero_somewhere(f, shape, tries=6):
    random = np.random.default_rng(0)
    found = 0
    for _ in range(tries):
        u = random.uniform(0.2, 1.2, shape)
        found = found | (np.abs(differences(f, u)) > 1e-7)
    return found


@pytest.mark.parametrize(("f", "shape"), EXACT, ids=lambda x: getattr(x, "__name__", None))
def test_patterns_are_exact(f, shape):
    pattern = ad.sparsity(f, (np.ones(shape),))
    assert pattern.format == "csc" and pattern.dtype == bool
    found = nonzero_somewhere(f, shape)
    if f is rounds:  # either branch
        found[1, [2, 3]] = True
    if f is matrix_times_diagonal:  # zeros of a product of matrices are not looked for
        assert (pattern.toarray() >= found).all()
    else:
        assert np.array_equal(pattern.toarray(), found)


@pytest.mark.parametrize(("f", "shape"), CAUTIOUS, ids=lambda x: getattr(x, "__name__", None))
def test_patterns_miss_nothing(f, shape):
    pattern = ad.sparsity(f, (np.ones(shape),)).toarray()
    assert (pattern >= nonzero_somewhere(f, shape)).all()


def test_patterns_say_what_is_known():
    assert not ad.sparsity(newton, (np.ones(4),)).toarray()[1, [0, 1, 3]].any()
    shifted = ad.sparsity(shifting, (np.ones(4),)).toarray()
    assert np.array_equal(shifted, [[1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 1, 0]])
    assert ad.sparsity(looked_up, (np.ones(4),)).toarray()[2].tolist() == [False, True, False, False]


@pytest.mark.parametrize("name", ["hires", "pollu", "brusselator", "pleiades"])
def test_patterns_of_models(name):
    model = MODELS[name]
    pattern = ad.sparsity(model.fun, (0.3, model.y0, *model.args), argnums=1).toarray()
    y = np.random.default_rng(1).uniform(0.2, 1.5, len(model.y0))
    dense = ad.jacobian(ad.jit(model.fun), 1)(0.3, y, *model.args)
    assert np.array_equal(pattern, dense != 0)


@pytest.mark.parametrize(("f", "shape"), EXACT + CAUTIOUS, ids=lambda x: getattr(x, "__name__", None))
def test_compressed_jacobians_are_the_dense_ones(f, shape):
    u = np.random.default_rng(2).uniform(0.2, 1.2, shape)
    got = ad.sparse_jacobian(f)(u)
    expected = differences(f, u)
    assert got.format == "csc" and got.shape == expected.shape
    assert not np.abs(got.toarray() - expected).max() > 1e-8


def test_one_argument_of_several_with_captures():
    rate = np.array([2.0, 3.0])

    def f(a, x, p):
        return a * x[1:] * p["k"] + rate * x[:2]

    a, x, p = 1.5, np.array([1.0, 2.0, 3.0]), {"k": np.array([0.5, 0.7])}
    got = ad.sparse_jacobian(f, 1)(a, x, p).toarray()
    assert np.allclose(got, ad.jacobian(f, 1)(a, x, p), rtol=1e-14)
    by_k = ad.sparse_jacobian(f, 2)(a, x, p).toarray()
    assert np.allclose(by_k, np.diag(a * x[1:]), rtol=1e-14)


def test_colours_share_no_row():
    random = np.random.default_rng(3)
    pattern = csc_array(random.random((30, 40)) < 0.1)
    colours = colour_columns(pattern)
    for k in range(colours.max() + 1):
        assert pattern.toarray()[:, colours == k].sum(axis=1).max() <= 1
    banded = csc_array(np.abs(np.subtract.outer(np.arange(50), np.arange(50))) <= 2)
    assert colour_columns(banded).max() + 1 == 5


def test_large_grids_are_quick_to_look_at():
    pattern = ad.sparsity(mesh, (np.ones((2, 100, 100)),))
    assert pattern.shape == (20000, 20000) and pattern.nnz == 10000 * 7


@pytest.mark.parametrize("seeds", [range(40), pytest.param(range(40, 600), marks=pytest.mark.long)])
def test_patterns_of_random_programs_miss_nothing(seeds):
    known = 0
    for seed in seeds:
        _, f, inputs = random_program(seed, 5)
        x = np.concatenate([np.ravel(a) for a in inputs])
        program = optimize(trace(f, [Group("x", inputs, spread=True)]).program)
        pattern = pattern_of_program(program, "x")
        if pattern is None:  # given up
            continue
        known += 1
        push = python_function(emit(finish(pushforward(program))))
        scale = np.random.default_rng(seed).normal(size=(2, x.size))
        for k, unit in enumerate(np.eye(x.size)):
            for y in (x, *(x * (1 + 0.3 * scale))):
                out, tangent = np.zeros(program.n_out), np.zeros(program.n_out)
                if push(y, unit, out, tangent) == 0:
                    missing = (tangent != 0) & ~pattern.toarray()[:, k]
                    assert not missing.any(), (seed, np.flatnonzero(missing), k)
    assert known > 0.85 * len(seeds)


def test_traced_arguments_are_refused():
    with pytest.raises(ad.NotDifferentiable, match="jacobian, jvp"):
        ad.grad(lambda x: ad.sparse_jacobian(neighbours)(x).sum())(np.ones(5))
