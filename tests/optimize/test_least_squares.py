"""`least_squares`: certified results, intervals against closed forms, failing solves, real data."""

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import curve_fit
from scipy.stats import t as student

import sciad.optimize as opt
from sciad.solvers import solve_ivp

DATA = Path(__file__).parents[2] / "examples" / "data"
# NIST StRD, Misra1a: y = b1 (1 - exp(-b2 x)); certified values and standard deviations
VOLUME = np.array(
    [10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78]
)
PRESSURE = np.array(
    [77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0]
)
MISRA = {"b1": (2.3894212918e02, 2.7070075241e00), "b2": (5.5015643181e-04, 7.2668688436e-06)}


def misra(p):
    return p["b1"] * -np.expm1(-p["b2"] * PRESSURE) - VOLUME


@pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
@pytest.mark.parametrize("start", [(500.0, 1e-4), (250.0, 5e-4)])
def test_certified_values(method, start):
    fit = opt.least_squares(misra, dict(zip(MISRA, start, strict=True)), method, tol=1e-14)
    errors = fit.standard_errors()
    for name, (value, error) in MISRA.items():
        assert fit.params[name] == pytest.approx(value, rel=1e-6)
        assert errors[name] == pytest.approx(error, rel=1e-5)
    assert 2 * fit.loss == pytest.approx(1.2455138894e-01, rel=1e-7)
    np.testing.assert_array_equal(fit.residuals, misra(fit.params))


def test_intervals_of_a_straight_line_are_those_of_student():
    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, 12)
    y = 1 + 2 * x + 0.1 * rng.normal(size=12)
    fit = opt.least_squares(lambda p: p["a"] + p["b"] * x - y, {"a": 0.0, "b": 0.0})
    slope, covariance = np.polyfit(x, y, 1, cov=True)
    error, quantile = np.sqrt(covariance[0, 0]), student.ppf(0.975, 10)
    for method in ("wald", "profile"):
        low, high = fit.confidence_intervals(method=method)
        np.testing.assert_allclose(
            [low["b"], high["b"]], slope[0] + quantile * error * np.array([-1, 1]), rtol=2e-5
        )


def test_known_errors_are_those_of_curve_fit():
    x = np.linspace(0, 3, 9)
    sigma = np.linspace(0.1, 0.3, 9)
    y = np.exp(-0.7 * x) + sigma * np.random.default_rng(3).normal(size=9)
    fit = opt.least_squares(lambda p: (np.exp(-p * x) - y) / sigma, 1.0, sigma_known=True, tol=1e-13)
    expected, covariance = curve_fit(
        lambda x, k: np.exp(-k * x), x, y, 1.0, sigma, absolute_sigma=True, ftol=1e-14, xtol=1e-14
    )
    assert fit.params == pytest.approx(expected[0], rel=1e-6)
    assert fit.standard_errors() == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-4)


def test_positive_parameters_have_positive_intervals():
    low, high = opt.least_squares(
        lambda p: p["size"] * np.exp(-p["rate"] * np.arange(4.0)) - np.array([1.0, 1.1, 0.7, 1.0]),
        {"size": 1.0, "rate": 0.1},
        transforms={"rate": "positive"},
    ).confidence_intervals()
    assert 0 < low["rate"] < high["rate"]


def test_fixed_bounds_and_robust_losses():
    x = np.arange(8.0)
    y = 2 * x + 1
    y[5] = 60.0
    model = lambda p: p["a"] * x + p["b"] - y  # noqa: E731
    robust = opt.least_squares(model, {"a": 1.0, "b": 0.0}, loss="soft_l1", options={"f_scale": 0.05})
    assert robust.params["a"] == pytest.approx(2.0, abs=0.02)
    held = opt.least_squares(model, {"a": 1.0, "b": 3.0}, fixed={"b": True})
    assert held.params["b"] == 3.0 and held.standard_errors()["b"] == 0.0
    bounded = opt.least_squares(model, {"a": 1.0, "b": 0.0}, bounds={"a": (None, 1.5)})
    assert bounded.params["a"] == pytest.approx(1.5) and np.isnan(bounded.standard_errors()["a"])


@pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
def test_a_solve_that_fails_is_a_shorter_step(method):
    def residuals(p):
        sol = solve_ivp(
            lambda t, y, k: k * y * y, (0, 1), np.ones(1), "Tsit5", [0.5, 1.0], args=(p,), rtol=1e-9
        )
        return sol.y[0] - np.array([1 / (1 - 0.49), 1 / (1 - 0.98)])

    fit = opt.least_squares(residuals, 0.6, method)
    assert fit.params == pytest.approx(0.98, abs=1e-6)
    assert fit.failures and "step size" in fit.failures[0]


def test_hares_and_lynxes():
    """The residual of the log fit is 2.0187 (see examples/lotka_volterra_fit.py)."""
    years, *counts = np.loadtxt(DATA / "lynx_hare.csv", delimiter=",", comments=("#", "year")).T
    logs = np.log(np.stack(counts))

    def model(t, y, p):
        hare, lynx = y
        return np.array([p[0] * hare - p[1] * hare * lynx, p[3] * hare * lynx - p[2] * lynx])

    def residuals(p):
        sol = solve_ivp(
            model, (0, 20), p["start"], "Tsit5", years - 1900, args=(p["rates"],), rtol=1e-8, atol=1e-8
        )
        return np.log(sol.y) - logs

    start = {"rates": np.array([0.6, 0.03, 0.6, 0.02]), "start": np.array([30.0, 4.0])}
    fit = opt.least_squares(residuals, start, transforms="positive")
    assert 2 * fit.loss == pytest.approx(2.0187, abs=1e-4)
    low, high = fit.confidence_intervals()
    assert np.all(low["rates"] < [0.55, 0.028, 0.8, 0.024]) and np.all(
        high["rates"] > [0.55, 0.028, 0.8, 0.024]
    )
    found = fit.profile("['rates'][0]")
    assert 0.4 < found.low < low["rates"][0] * 1.05 and found.low < fit.params["rates"][0] < found.high < 0.75


def test_a_jacobian_that_is_not_of_full_rank_is_named():
    fit = opt.least_squares(
        lambda p: np.array([p["a"] * p["b"] - 2, 2 * p["a"] * p["b"] - 4.1, 0.1]), {"a": 1.0, "b": 1.0}
    )
    with pytest.raises(opt.NotIdentified, match="does not change"):
        fit.standard_errors()


def test_lm_refuses_bounds():
    with pytest.raises(ValueError, match="has no bounds"):
        opt.least_squares(misra, {"b1": 200.0, "b2": 1e-4}, "lm", bounds={"b1": (0, None)})
