"""Equilibria, orbits, multiple shooting, collocation, controls and sparse regression."""

import numpy as np
import pytest

import sciad as ad
import sciad.optimize as opt
from sciad import neural
from sciad.solvers import solve_ivp

TIGHT = {"method": "Tsit5", "rtol": 1e-9, "atol": 1e-9}


def cell(w, z, x):
    return np.tanh(z @ w["state"] + x @ w["input"])


def test_a_deep_equilibrium_is_one_and_has_its_gradient():
    rng = np.random.default_rng(0)
    w = {"state": 0.2 * rng.normal(size=(4, 4)), "input": rng.normal(size=(2, 4))}
    x = rng.normal(size=(3, 2))
    z = neural.deep_equilibrium(cell, w, x, 4)
    np.testing.assert_allclose(z, cell(w, z, x), atol=1e-9)
    ad.check_grads(lambda w, x: np.sum(neural.deep_equilibrium(cell, w, x, 4) ** 3), (w, x), order=1)


def van_der_pol(t, y, mu):
    return np.array([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])


def test_the_orbit_of_van_der_pol():
    """Period 6.6633 and amplitude 2.00862 at mu = 1 (a published value: 6.66328685931)."""
    residuals = lambda p: neural.orbit_residuals(van_der_pol, p["y0"], p["T"], (1.0,), **TIGHT)  # noqa: E731
    fit = opt.least_squares(residuals, {"y0": np.array([2.0, 0.1]), "T": 6.5})
    assert fit.params["T"] == pytest.approx(6.66328685931, abs=1e-6)
    assert fit.params["y0"][0] == pytest.approx(2.00862, abs=1e-4) and abs(fit.params["y0"][1]) < 1e-6


def lorenz(t, y, p):
    x, v, z = y
    return np.array([p[0] * (v - x), x * (p[1] - z) - v, x * v - p[2] * z])


TRUTH = np.array([10.0, 28.0, 8.0 / 3.0])


@pytest.mark.long
def test_multiple_shooting_fits_ten_lyapunov_times_where_one_trajectory_does_not():
    """The largest Lyapunov exponent is 0.906: eleven units of time are ten Lyapunov times."""
    times = np.linspace(0, 11, 221)
    clean = solve_ivp(lorenz, (0, 11), np.array([-8.0, 7.0, 27.0]), t_eval=times, args=(TRUTH,), **TIGHT).y
    data = clean + 0.1 * np.random.default_rng(0).normal(size=clean.shape)
    loose = {"method": "Tsit5", "rtol": 1e-6, "atol": 1e-6}
    starts = neural.segment_starts(len(times), 10)
    guess = {"rates": np.array([8.0, 24.0, 2.0]), "nodes": data[:, starts].T}

    def multiple(p):
        return neural.shooting_residuals(
            lorenz, (p["rates"],), p["nodes"], times, data, starts, 10.0, **loose
        )

    fit = opt.least_squares(multiple, guess, max_evaluations=60, tol=1e-8)
    np.testing.assert_allclose(fit.params["rates"], TRUTH, rtol=5e-3)
    single = opt.least_squares(
        lambda p: np.ravel(
            solve_ivp(lorenz, (0, 11), p["y0"], t_eval=times, args=(p["rates"],), **loose).y - data
        ),
        {"rates": guess["rates"], "y0": data[:, 0]},
        max_evaluations=60,
    )
    assert np.max(np.abs(single.params["rates"] / TRUTH - 1)) > 0.05
    assert 2 * single.loss / data.size > 10 > 2 * fit.loss / data.size


def test_shooting_residuals_vanish_on_a_trajectory_and_have_their_shape():
    times = np.linspace(0, 1, 11)
    y = solve_ivp(lorenz, (0, 1), np.array([1.0, 2.0, 3.0]), t_eval=times, args=(TRUTH,), **TIGHT).y
    for length in (3, 5, 10, 20):
        starts = neural.segment_starts(11, length)
        r = neural.shooting_residuals(lorenz, (TRUTH,), y[:, starts].T, times, y, starts, **TIGHT)
        assert r.shape == (33 + 3 * (len(starts) - 1),)
        np.testing.assert_allclose(r, 0, atol=1e-6)
    seen = neural.shooting_residuals(
        lorenz, (TRUTH,), y[:, [0]].T, times, y[:1] + 1, [0], observe=lambda y: y[:1], **TIGHT
    )
    np.testing.assert_allclose(seen, -1, atol=1e-6)


def test_collocation_is_of_fourth_order_and_fits():
    def defects(n):
        times = np.linspace(0, 1, n)
        y = solve_ivp(lorenz, (0, 1), np.array([1.0, 2.0, 3.0]), t_eval=times, args=(TRUTH,), **TIGHT).y
        return np.abs(neural.collocation_residuals(lorenz, (TRUTH,), y, times)).max()

    assert defects(101) / defects(201) == pytest.approx(32, rel=0.15)  # of one interval: order five
    times = np.linspace(0, 1.2, 61)
    y = solve_ivp(lorenz, (0, 1.2), np.array([1.0, 2.0, 3.0]), t_eval=times, args=(TRUTH,), **TIGHT).y
    data = y + 0.02 * np.random.default_rng(1).normal(size=y.shape)

    def residuals(p):
        defect = neural.collocation_residuals(lorenz, (p["rates"],), p["states"], times, 100.0)
        return np.concatenate([np.ravel(p["states"] - data), defect])

    fit = opt.least_squares(
        residuals, {"rates": np.array([5.0, 15.0, 1.0]), "states": data}, max_evaluations=40
    )
    np.testing.assert_allclose(fit.params["rates"], TRUTH, rtol=0.02)


# -- controls --


def test_controls_between_knots():
    knots = np.array([0.0, 1.0, 3.0])
    steps, lines = np.array([5.0, 7.0]), np.array([0.0, 2.0, 6.0])
    for t, step, line in ((-1, 5, 0), (0, 5, 0), (0.5, 5, 1), (1, 7, 2), (2.5, 7, 5), (3, 7, 6), (9, 7, 6)):
        assert neural.stepped_control(t, knots, steps) == step
        assert neural.straight_control(t, knots, lines) == pytest.approx(line)
        assert ad.jit(neural.stepped_control)(float(t), knots, steps) == step
        assert ad.jit(neural.straight_control)(float(t), knots, lines) == pytest.approx(line)


def move(t, y, u):
    return np.array([y[1], u])


@pytest.mark.parametrize("control", [neural.stepped_control, neural.straight_control])
def test_a_mass_moved_with_least_effort(control):
    """From rest at 0 to rest at 1 in unit time: u = 6 - 12 t, integral of u^2 = 12."""
    knots = np.linspace(0, 1, 21)
    size = 20 if control is neural.stepped_control else 21

    def cost(values):
        return neural.controlled_cost(
            move, lambda t, y, u: u * u, lambda y: 1e6 * np.sum((y - np.array([1.0, 0.0])) ** 2),
            np.zeros(2), knots, values, control=control, method="Tsit5", rtol=1e-8, atol=1e-8,
        )  # fmt: skip

    fit = opt.minimize(cost, np.zeros(size), "BFGS", tol=1e-8, max_iterations=500)
    best = 6 - 12 * (knots if size == 21 else (knots[:-1] + knots[1:]) / 2)
    exact = 12.0 if size == 21 else 12.0 / (1 - 1 / 400)  # of steps: a little more
    assert fit.loss == pytest.approx(exact, rel=1e-3)
    np.testing.assert_allclose(fit.params, best, atol=0.06)
    ad.check_grads(cost, (np.linspace(1, -1, size),), order=1, rtol=1e-3)


# -- sparse regression --


def test_the_terms_of_an_equation_are_found():
    rng = np.random.default_rng(0)
    x = rng.uniform(0.5, 2, size=(200, 2))
    terms, names = neural.polynomial_terms(x, 2, ["a", "b"])
    assert names == ["1", "a", "b", "a a", "a b", "b b"]
    values = np.stack([0.8 * x[:, 0] * x[:, 1], 1.5 * x[:, 1] - 0.3], axis=1) + 1e-3 * rng.normal(
        size=(200, 2)
    )
    found = neural.sparse_regression(terms, values, 0.05)
    assert np.flatnonzero(found[:, 0]).tolist() == [4] and np.flatnonzero(found[:, 1]).tolist() == [0, 2]
    np.testing.assert_allclose(found[[4, 0, 2], [0, 1, 1]], [0.8, -0.3, 1.5], atol=2e-3)
