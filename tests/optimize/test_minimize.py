"""`minimize`: known minima by every method, bounds, fixed entries, transforms, failing solves."""

import numpy as np
import pytest

import sciad as ad
import sciad.optimize as opt
from sciad.solvers import solve_ivp

METHODS = [
    "BFGS", "CG", "COBYQA", "L-BFGS-B", "Nelder-Mead", "Newton-CG", "Powell", "SLSQP", "TNC", "trust-constr",
    "trust-exact", "trust-krylov", "trust-ncg",
]  # fmt: skip


def rosenbrock(p):
    x = np.concatenate([np.reshape(p["x"], (1,)), p["rest"]])
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


@pytest.mark.parametrize("method", METHODS)
def test_rosenbrock_by_every_method(method):
    seen = []
    start = {"x": -1.0, "rest": np.array([2.0, 0.5])}
    fit = opt.minimize(
        rosenbrock, start, method, tol=1e-10, max_iterations=3000, callback=lambda p, loss: seen.append(loss)
    )
    assert fit.params["x"] == pytest.approx(1.0, abs=2e-3)
    np.testing.assert_allclose(fit.params["rest"], 1.0, atol=4e-3)
    assert fit.loss == rosenbrock(fit.params) and seen and len(fit.history.losses) == fit.evaluations
    assert min(fit.history.losses) == fit.loss and seen[-1] == fit.loss


def booth(p):
    return (p[0] + 2 * p[1] - 7) ** 2 + (2 * p[0] + p[1] - 5) ** 2


@pytest.mark.parametrize(
    "method", ["L-BFGS-B", "SLSQP", "TNC", "trust-constr", "Nelder-Mead", "Powell", "COBYQA"]
)
def test_bounds(method):
    fit = opt.minimize(booth, [0.5, 1.0], method, bounds=[(None, 0.8), (0, 2.5)], tol=1e-10)
    # least on the edge p0 = 0.8: 2.5 is beyond the minimum over p1 there, or not
    inner = min((booth((0.8, y)), y) for y in np.linspace(0, 2.5, 100001))
    np.testing.assert_allclose(fit.params, [0.8, inner[1]], atol=2e-3)


def test_pairs_for_the_entries_of_an_array():
    """As SciPy's minimize takes them; a tuple is (lows, highs)."""
    loss = lambda x: (x[0] - 5.0) ** 2 + (x[1] - 5.0) ** 2  # noqa: E731
    for bounds in ([(0, 10), (1, 20)], ([0, 1], [10, 20]), [(None, 10), (1, None)]):
        fit = opt.minimize(loss, np.array([0.5, 10.0]), bounds=bounds, tol=1e-12)
        np.testing.assert_allclose(fit.params, [5.0, 5.0], atol=1e-5)


def test_methods_without_bounds_refuse_them():
    with pytest.raises(ValueError, match="BFGS has no bounds"):
        opt.minimize(booth, [0.0, 0.0], "BFGS", bounds=(0, 1))


def test_fixed_leaves_and_fixed_entries():
    start = {"a": np.array([3.0, 4.0]), "b": {"c": 2.0, "d": np.zeros(3)}}
    loss = lambda p: np.sum((p["a"] - 1) ** 2) + (p["b"]["c"] - 5) ** 2 + np.sum((p["b"]["d"] - 2) ** 2)  # noqa: E731
    fit = opt.minimize(loss, start, fixed={"a": [True, False], "b": {"d": True}}, tol=1e-14)
    np.testing.assert_allclose(fit.params["a"], [3.0, 1.0], atol=1e-6)
    np.testing.assert_array_equal(fit.params["b"]["d"], 0.0)
    assert fit.params["b"]["c"] == pytest.approx(5.0, abs=1e-6)
    assert fit.names == ["['a'][1]", "['b']['c']"]


def test_transforms_by_name_and_by_instance():
    target = np.array([0.2, 0.5, 0.3])

    def loss(p):
        return (
            -np.sum(target * np.log(p["shares"]))
            + (np.log(p["rate"]) + 3) ** 2
            + (p["level"] - 1.5) ** 2
            + np.sum((p["cuts"] - np.array([-1.0, 0.0, 2.0])) ** 2)
        )

    start = {"shares": np.full(3, 1 / 3), "rate": 1.0, "level": 2.5, "cuts": np.array([0.0, 1.0, 2.0])}
    seen = []

    def watched(p):
        raw = {k: np.asarray(ad.stop_gradient(v)) for k, v in p.items()}
        seen.append(
            bool(
                np.all(raw["shares"] > 0)
                and abs(raw["shares"].sum() - 1) < 1e-12
                and raw["rate"] > 0
                and 1 < raw["level"] < 3
                and np.all(np.diff(raw["cuts"]) > 0)
            )
        )
        return loss(p)

    transforms = {"shares": "simplex", "rate": "positive", "level": opt.Bounded(1.0, 3.0), "cuts": "ordered"}
    fit = opt.minimize(watched, start, "BFGS", transforms=transforms, tol=1e-9)
    np.testing.assert_allclose(fit.params["shares"], target, atol=1e-5)
    assert fit.params["rate"] == pytest.approx(np.exp(-3), rel=1e-5)
    assert fit.params["level"] == pytest.approx(1.5, abs=1e-5)
    np.testing.assert_allclose(fit.params["cuts"], [-1.0, 0.0, 2.0], atol=1e-5)
    assert len(seen) > 5 and all(seen)


def explosion(p):
    """y' = k y^2 from 1 is infinite at 1/k: within [0, 1] where k >= 1."""
    sol = solve_ivp(
        lambda t, y, k: k * y * y, (0, 1), np.ones(1), "Tsit5", [0.5, 1.0], args=(p["k"],), rtol=1e-8
    )
    return (sol.y[0, 1] - 50.0) ** 2 / 100


@pytest.mark.parametrize(
    "method", ["L-BFGS-B", "BFGS", "CG", "TNC", "SLSQP", "Nelder-Mead", "Powell", "trust-constr"]
)
def test_a_solve_that_fails_is_a_shorter_step(method):
    fit = opt.minimize(explosion, {"k": 0.3}, method, tol=1e-10, max_iterations=200)
    assert fit.params["k"] == pytest.approx(0.98, abs=1e-4)  # 1/(1 - k) = 50
    if method in ("L-BFGS-B", "BFGS", "CG", "TNC"):
        assert fit.failures and "step size" in fit.failures[0]


def test_a_loss_that_is_nan_beyond_a_wall():
    loss = lambda x: x - 2 * np.sqrt(x - 1.0)  # least at 2; no number below 1  # noqa: E731
    for method in ("L-BFGS-B", "BFGS", "CG", "Newton-CG", "trust-exact"):
        fit = opt.minimize(loss, 40.0, method, tol=1e-9)
        assert fit.params == pytest.approx(2.0, abs=1e-4), method


def test_a_start_that_fails_says_so():
    with pytest.raises(ad.SolverError, match=r"where the parameters begin.*step size"):
        opt.minimize(explosion, {"k": 3.0})
    with pytest.raises(ad.SolverError, match="where the parameters begin: the loss is nan"):
        opt.minimize(lambda x: np.sqrt(x), -1.0)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"method": "bfgs"}, ValueError, "must be one of"),
        ({"bounds": {"z": (0, 1)}}, KeyError, "names 'z'.*'x', 'rest'"),
        ({"bounds": {"x": (2, 1)}}, ValueError, "is not below"),
        ({"bounds": {"x": (2, 3)}}, ValueError, "begins outside of its bounds"),
        ({"bounds": {"x": 3}}, ValueError, "no pair"),
        ({"transforms": {"x": "positive"}}, ValueError, "is not greater than 0"),
        ({"transforms": {"x": "possitive"}}, ValueError, "there is no constraint"),
        ({"transforms": {"x": 3}}, TypeError, "is no constraint"),
        (
            {"transforms": {"rest": "ordered"}, "fixed": {"rest": [True, False]}},
            ValueError,
            "fix all or none",
        ),
        ({"fixed": True}, ValueError, "all parameters are fixed"),
        ({"fixed": {"x": 0.0}}, TypeError, "held at the value that it has"),
    ],
)
def test_what_is_wrong_with_the_arguments(arguments, error, text):
    with pytest.raises(error, match=text):
        opt.minimize(rosenbrock, {"x": -1.0, "rest": np.array([1.0, 2.0])}, **arguments)


def test_parameters_in_dataclasses_and_named_tuples():
    from typing import NamedTuple

    class Pair(NamedTuple):
        x: float
        y: float

    fit = opt.minimize(
        lambda p: (p.x - 1) ** 2 + (p.y + 2) ** 2, Pair(0.0, 0.0), bounds={"y": (-1, 1)}, tol=1e-12
    )
    assert isinstance(fit.params, Pair)
    np.testing.assert_allclose(fit.params, [1.0, -1.0], atol=1e-6)


def test_likelihood_of_a_normal_sample():
    """Standard errors sd/sqrt(n) and sd/sqrt(2n); the profile of the mean in closed form."""
    rng = np.random.default_rng(1)
    x = rng.normal(3.0, 2.0, size=40)
    loss = lambda p: np.sum(0.5 * ((x - p["mean"]) / p["sd"]) ** 2 + np.log(p["sd"]))  # noqa: E731
    for transforms in (None, {"sd": "positive"}):
        fit = opt.minimize(
            loss, {"mean": 0.0, "sd": 1.0}, bounds=None if transforms else {"sd": (1e-3, None)},
            transforms=transforms, tol=1e-13,
        )  # fmt: skip
        sd = np.std(x)
        assert fit.params["sd"] == pytest.approx(sd, rel=1e-5)
        errors = fit.standard_errors()
        assert errors["mean"] == pytest.approx(sd / np.sqrt(40), rel=1e-4)
        assert errors["sd"] == pytest.approx(sd / np.sqrt(80), rel=1e-3)
        # deviance of the mean: n log(1 + (m - mean)^2/sd^2) = 3.841
        half = sd * np.sqrt(np.expm1(3.841458820694124 / 40))
        found = fit.profile("mean")
        np.testing.assert_allclose([found.low, found.high], np.mean(x) + half * np.array([-1, 1]), rtol=1e-4)
        assert found.threshold == pytest.approx(3.841458820694124 / 2)
    low, high = fit.confidence_intervals()
    assert low["sd"] == pytest.approx(sd * np.exp(-1.959964 / np.sqrt(80)), rel=1e-3)
    low, high = fit.confidence_intervals(method="profile")
    assert low["mean"] == pytest.approx(np.mean(x) - half, rel=1e-4) and 0 < low["sd"] < sd < high["sd"]
    assert fit.plot().axes and found.plot().axes


def test_a_parameter_on_its_bound_has_no_standard_error():
    fit = opt.minimize(booth, [0.5, 1.0], bounds=[(None, 0.8), None], tol=1e-12)
    errors = fit.standard_errors()
    assert np.isnan(errors[0]) and errors[1] == pytest.approx(1 / np.sqrt(10), rel=1e-6)


def test_what_the_data_do_not_tell_is_named():
    fit = opt.minimize(lambda p: (p["a"] + p["b"] - 3) ** 2, {"a": 0.0, "b": 0.0})
    with pytest.raises(opt.NotIdentified, match=r"\['a'\].*does not change"):
        fit.standard_errors()
    with pytest.raises(opt.NotIdentified, match=r"does not depend on \['b'\]"):
        opt.minimize(lambda p: p["a"] ** 2 + 0 * p["b"], {"a": 1.0, "b": 0.0}).standard_errors()


def test_a_profile_without_an_end_is_infinite():
    fit = opt.minimize(
        lambda p: np.exp(-p["a"]) + (p["b"] - 1) ** 2, {"a": 3.0, "b": 0.0}, bounds={"a": (None, 8)}
    )
    found = fit.profile("a")
    assert found.high == 8 and found.low < 8
    assert np.isfinite(fit.profile("b").high)
