"""The kernels' own LU decomposition, and every other way to solve linear systems, against NumPy."""

import ctypes

import numpy as np
import pytest
from scipy.sparse import csc_array, eye_array

import sciad as ad
from sciad.solvers import solve_ivp
from sciad.solvers.linear.lu_kernels import lu_factor, lu_solve, lu_solve_transposed
from sciad.solvers.linear.solver_choice import algebra_of
from sciad.solvers.model.build_model import build_model


@pytest.mark.parametrize("n", [1, 2, 3, 5, 12, 20])
@pytest.mark.parametrize("seed", range(3))
def test_solutions_with_row_exchanges(n, seed):
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(n, n)), random.normal(size=n)
    lu, pivots = a.T.copy().ravel(), np.zeros(n)
    assert lu_factor(n, lu, pivots) == 0
    if n > 3:
        assert np.any(pivots != np.arange(n))
    for solve, matrix in ((lu_solve, a), (lu_solve_transposed, a.T)):
        x = b.copy()
        solve(n, lu, pivots, x)
        expected = np.linalg.solve(matrix, b)
        assert not np.abs(x - expected).max() > 1e-11 * np.linalg.cond(a) * np.abs(expected).max()


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_singular_and_not_finite_matrices_are_reported(bad):
    a = np.eye(4)
    a[2, 2] = bad
    assert lu_factor(4, a.ravel().copy(), np.zeros(4)) == 1


# -- ways to solve, through the interface that steps and adjoints use --------------------------------------


def chain(n, width):
    """Right-hand side and Jacobian of n unknowns of which each depends on `width` neighbours to a side."""

    def fun(t, y, p):
        d = np.zeros_like(y)
        for i in range(len(y)):
            d[i] = -p[0] * y[i] ** 2
            for k in range(1, width + 1):
                if i >= k:
                    d[i] += p[1] * y[i - k] * y[i] / k
                if i < len(y) - k:
                    d[i] += y[i + k] * np.sin(y[i])
        return d

    return fun


def ring(t, y, p):
    """No order of the unknowns makes a narrow band of it: each depends on one far away."""
    far = y.reshape(-1, 20).T.reshape(-1)
    return -p[0] * y * y + p[1] * np.roll(y, 1) * far - y


def dense(t, y, p):
    return -p[0] * y + np.sum(y * y) * p[1] / len(y)


def star(t, y, p):
    """Sparse, but any elimination fills it up soon."""
    d = -p[0] * y * y
    for k in (3, 7, 11, 19, 23, 31, 37):
        d += p[1] * np.roll(y, k) * y
    return d


KINDS = [
    ("inline", chain(3, 1), 3),
    ("own", dense, 12),
    ("static", chain(8, 1), 8),
    ("static", ring, 100),
    ("banded", chain(3000, 2), 3000),
    ("lapack", dense, 40),
    ("scattered", star, 120),
    ("SuperLU", ring, 2000),
]


def model_of(fun, n):
    return build_model(fun, (n,), (np.array([1.3, 0.4]),))[0]


def called(address, *arguments):
    kinds = {float: ctypes.c_double, int: ctypes.c_int64}
    types = [kinds.get(type(x), ctypes.c_void_p) for x in arguments]
    values = [x if type(x) in kinds else x.ctypes.data for x in arguments]
    return ctypes.CFUNCTYPE(ctypes.c_int64, *types)(int(address))(*values)


def write_jacobian(model, algebra, table, y, p, jacobian):
    spare, work = np.zeros(model.n), np.zeros(algebra.work_size(model, ("primal", "jacobian")))
    if algebra.jacobian is not None and algebra.jacobian.colours:
        for seed, out in zip(algebra.jacobian.seeds, jacobian.reshape(-1, model.n), strict=True):
            assert called(table[1], 0.0, y, p, seed, spare, out, work) == 0
    else:
        assert called(table[1], 0.0, y, p, jacobian, work) == 0


@pytest.mark.parametrize(("kind", "fun", "n"), KINDS[1:], ids=lambda x: x if isinstance(x, str) else None)
@pytest.mark.parametrize("massive", [False, True])
def test_every_way_solves(kind, fun, n, massive):
    model = model_of(fun, n)
    random = np.random.default_rng(n)
    mass = None
    if massive:
        band = np.abs(np.subtract.outer(np.arange(n), np.arange(n))) <= 1 if n < 500 else eye_array(n)
        mass = csc_array(band).astype(float)
        mass.data = random.uniform(0.5, 1.5, mass.nnz)
    algebra = algebra_of(model, mass)
    if not massive:
        assert algebra.kind == kind
    table = algebra.table(model, ("primal", "jacobian"))
    y, p, shift = random.uniform(0.5, 1.5, n), np.array([1.3, 0.4]), 3.0
    jacobian, factors = np.zeros(algebra.jacobian_size), np.zeros(algebra.factor_size)
    write_jacobian(model, algebra, table, y, p, jacobian)
    values = algebra.mass_values(mass)
    assert called(table[3], n, shift, jacobian, values, factors, table) == 0

    step = 1e-6
    w = np.zeros((n, n)) if n < 500 else None
    mass_matrix = eye_array(n, format="csc") if mass is None else mass
    if w is not None:
        for k in range(n):
            e = np.zeros(n)
            e[k] = step
            column = (model.evaluate(0.0, y + e, p) - model.evaluate(0.0, y - e, p)) / (2 * step)
            w[:, k] = -column
        w += shift * mass_matrix.toarray()
        assert algebra.largest_row_sum(jacobian) == pytest.approx(
            np.abs(w - shift * mass_matrix.toarray()).sum(axis=1).max(), rel=1e-7
        )
    for place, transposed in ((4, False), (5, True)):
        b = random.normal(size=n)
        x = b.copy()
        called(table[place], n, factors, x, table)
        if w is not None:
            assert np.allclose((w.T if transposed else w) @ x, b, atol=1e-7)
        elif not transposed:  # by a directional difference
            product = (model.evaluate(0.0, y + step * x, p) - model.evaluate(0.0, y - step * x, p)) / (
                2 * step
            )
            assert np.allclose(shift * (mass_matrix @ x) - product, b, atol=1e-7)
            solved, forward = x, b
        else:  # (W^-1 f) . b = f . (W^-T b)
            assert solved @ b == pytest.approx(forward @ x, rel=1e-9)
    product = np.zeros(n)
    v = random.normal(size=n)
    called(table[6], n, values, v, product, table)
    assert np.allclose(product, mass_matrix @ v, atol=1e-13)


def test_small_pivots_of_a_static_elimination_fall_back_on_exchanges():
    def rotation(t, y, p):
        d = np.zeros_like(y)
        for i in range(0, len(y), 2):
            d[i] = p[0] * y[i] - y[i + 1]
            d[i + 1] = y[i] + p[0] * y[i + 1] + 0.1 * y[(i + 2) % len(y)]
        return d

    model = build_model(rotation, (10,), (np.array([1.0]),))[0]
    algebra = algebra_of(model)
    table = algebra.table(model, ("primal", "jacobian"))
    shift, p = 1.0 + 1e-13, np.array([1.0])  # the diagonal of W nearly vanishes
    jacobian, factors = np.zeros(algebra.jacobian_size), np.zeros(algebra.factor_size)
    write_jacobian(model, algebra, table, np.ones(10), p, jacobian)
    assert called(table[3], 10, shift, jacobian, algebra.mass_values(), factors, table) == 0
    assert algebra.kind == "static" and factors[algebra.doubt] == 1.0
    w = shift * np.eye(10) - ad.jacobian(rotation, 1)(0.0, np.ones(10), p)
    b = np.arange(10.0)
    for place, matrix in ((4, w), (5, w.T)):
        x = b.copy()
        called(table[place], 10, factors, x, table)
        assert np.allclose(matrix @ x, b, atol=1e-12)
    jacobian[:] = np.nan
    assert called(table[3], 10, shift, jacobian, algebra.mass_values(), factors, table) == 1


@pytest.mark.parametrize(
    ("kind", "fun", "n"), [k for k in KINDS if k[2] < 150], ids=lambda x: x if isinstance(x, str) else None
)
def test_gradients_through_every_way(kind, fun, n):
    y0 = np.random.default_rng(1).uniform(0.5, 1.0, n)
    p0 = np.array([1.3, 0.1])
    weights = np.cos(np.arange(n))

    def loss(p, y0):
        sol = solve_ivp(fun, (0.0, 0.4), y0, "Rodas5P", t_eval=[0.1, 0.4], args=(p,), rtol=1e-9, atol=1e-10)
        return weights @ sol.y[:, -1] + np.sum(sol.y[:, 0])

    _, (gp, gy) = ad.value_and_grad(loss, (0, 1))(p0, y0)
    v = np.random.default_rng(2).normal(size=n)
    h = 1e-5
    for k in range(2):
        e = h * np.eye(2)[k]
        difference = (loss(p0 + e, y0) - loss(p0 - e, y0)) / (2 * h)
        assert gp[k] == pytest.approx(difference, rel=2e-6, abs=2e-6)
    difference = (loss(p0, y0 + h * v) - loss(p0, y0 - h * v)) / (2 * h)
    assert gy @ v == pytest.approx(difference, rel=2e-6, abs=2e-6)
    forward = ad.jvp(loss, (p0, y0), (np.zeros(2), v))[1]
    assert forward == pytest.approx(gy @ v, rel=1e-9)
