"""Many unknowns: memory of explicit solves, and stiff ones by sparse factorisations."""

import tracemalloc

import numpy as np
import pytest
import scipy.integrate

from sciad.solvers import solve_ivp
from sciad.solvers.linear.solver_choice import algebra_of
from sciad.solvers.model.build_model import build_model


def advection(t, y, speed):
    d = np.empty_like(y)
    for i in range(len(y)):
        d[i] = speed * (y[i - 1] - y[i]) - 0.1 * y[i] ** 2
    return d


@pytest.mark.parametrize("n", [50_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_explicit_solves_copy_nothing_beyond_their_work_arrays(n):
    y0 = 1.0 + np.sin(2 * np.pi * np.arange(n) / n)
    options = {"t_eval": [0.5, 1.0], "args": (1.0,), "rtol": 1e-8, "atol": 1e-8}
    tracemalloc.start()
    solve_ivp(advection, (0, 1.0), y0, "Tsit5", **options)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    got = solve_ivp(advection, (0, 1.0), y0, "Tsit5", **options)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    # Two outputs, the initial values as an array of our own, and small change; the work arrays are kept.
    assert not peak > 8 * (3 * n + 20_000)
    # Where neighbours are nearly equal each component decays by y' = -0.1 y^2.
    smooth = y0 / (1 + 0.1 * y0)
    assert not np.abs(got.y[:, 1] - smooth).max() > 20.0 / n


def brusselator(t, y, a, b, alpha, source):
    """On a periodic square, with a source in a disc from t = 1.1 on (Hairer & Wanner II, IV.10)."""
    d = np.empty_like(y)
    n = y.shape[1]
    c = alpha * n * n
    for i in range(n):
        up, down = (i - 1) % n, (i + 1) % n
        for j in range(n):
            left, right = (j - 1) % n, (j + 1) % n
            u, v = y[0, i, j], y[1, i, j]
            uuv = u * u * v
            d[0, i, j] = b + uuv - (a + 1) * u
            d[0, i, j] += c * (y[0, up, j] + y[0, down, j] + y[0, i, left] + y[0, i, right] - 4 * u)
            d[1, i, j] = a * u - uuv
            d[1, i, j] += c * (y[1, up, j] + y[1, down, j] + y[1, i, left] + y[1, i, right] - 4 * v)
            if t >= 1.1:
                d[0, i, j] += source[i, j]
    return d


def start(n):
    x, z = np.meshgrid(np.arange(n) / n, np.arange(n) / n)
    source = np.where((x - 0.3) ** 2 + (z - 0.6) ** 2 <= 0.01, 5.0, 0.0)
    return np.stack([22 * z * (1 - z) ** 1.5, 27 * x * (1 - x) ** 1.5]), (3.4, 1.0, 0.1, source)


def test_brusselator_in_two_dimensions_against_scipy():
    n = 16
    y0, args = start(n)
    model, p = build_model(brusselator, y0.shape, args)
    assert algebra_of(model).kind == "SuperLU"
    got = solve_ivp(
        brusselator, (0, 2.0), y0, "Rodas5P", t_eval=[2.0], args=args, rtol=1e-7, atol=1e-9, tstops=[1.1]
    )
    pattern = algebra_of(model).pattern
    y = y0.ravel()
    for span in ((0.0, 1.1), (1.1, 2.0)):
        late = span[1] if span[0] else 0.0  # the source is switched at the very ends of the spans
        y = scipy.integrate.solve_ivp(
            lambda t, y, late=late: model.evaluate(late, y, p),
            span, y, "Radau", jac_sparsity=pattern, rtol=1e-8, atol=1e-10,
        ).y[:, -1]  # fmt: skip
    assert got.success and got.y.shape == (2, n, n, 1)
    assert not np.abs(got.y[..., 0].ravel() - y).max() > 1e-6


@pytest.mark.long
def test_brusselator_of_32768_unknowns():
    y0, args = start(128)
    options = {"t_eval": [1.2], "args": args, "tstops": [1.1]}
    rough = solve_ivp(brusselator, (0, 1.2), y0, "Rodas5P", rtol=1e-3, atol=1e-5, **options)
    fine = solve_ivp(brusselator, (0, 1.2), y0, "Rodas5P", rtol=1e-4, atol=1e-6, **options)
    assert rough.success and fine.success and fine.accepted < 100
    assert not np.abs(rough.y - fine.y).max() > 1e-2


def test_dense_jacobians_that_are_too_large_are_refused():
    def mean_field(t, y):
        return np.sum(y) / len(y) - y

    with pytest.raises(ValueError, match=r"20000 unknowns is not known to be sparse.*jac_sparsity"):
        solve_ivp(mean_field, (0, 1), np.ones(20_000), "Rodas5P")
    assert solve_ivp(mean_field, (0, 1), np.ones(20_000), "Tsit5").success
