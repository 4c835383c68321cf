"""Gradients where a model switches inside its own code: as accurate as elsewhere, moments included."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pytest

import sciad as ad
from benchmarks.gradients_at_kinks import MODELS, error, loss_of, reference
from sciad import adjoints
from sciad.solvers import solve_ivp
from sciad.solvers.model.build_model import build_model
from sciad.solvers.model.held_model import held_model

reference = functools.cache(reference)
ADJOINTS = [
    adjoints.DiscreteAdjoint(),
    adjoints.InterpolatingAdjoint(rtol=1e-9),
    adjoints.GaussAdjoint(rtol=1e-9),
    adjoints.BacksolveAdjoint(rtol=1e-9),
    adjoints.ForwardSensitivity(),
]


def differences(f, x, h=1e-5):
    return np.array([(f(x + d) - f(x - d)) / (2 * h) for d in h * np.eye(len(x))])


@pytest.mark.parametrize("name", MODELS)
def test_errors_fall_with_the_tolerance(name):
    wanted = reference(name)
    errors = [error(name, rtol, wanted=wanted) for rtol in (1e-4, 1e-6, 1e-8)]
    assert errors[1] < 2e-4 and errors[2] < 2e-6 and errors[2] < 0.02 * errors[0] + 1e-6
    assert error(name, 1e-6, kinks=False, wanted=wanted) > 10 * errors[1]  # what it is without


@pytest.mark.parametrize("method", ["DOP853", "Rodas5P", "KenCarp4", "auto"])
@pytest.mark.parametrize("name", ["contact", "dose window", "thermostat"])
def test_every_family_of_methods(name, method):
    assert error(name, 1e-7, True, method, reference(name)) < (5e-4 if method == "KenCarp4" else 1e-4)
    loss, p = loss_of(name, 1e-7, True, method), np.array(MODELS[name][2])
    tangent = ad.jvp(loss, (p,), (np.array([1.0, 2.0]),))[1]
    assert tangent == pytest.approx(ad.grad(loss)(p) @ [1.0, 2.0], rel=1e-8)


def lagged(t, y, p):
    feed = 1.0 if t >= p[1] else 0.0
    return np.array([feed - p[0] * y[0]])


def after_lag(x):
    rate, lag, start, t0, t1 = x
    late = np.where(t1 > t0, t1 - max(lag, t0), 0.0)
    early = start * np.exp(-rate * (t1 - t0))
    return early + (1 - np.exp(-rate * late)) / rate


X = np.array([0.8, 0.7, 0.5, 0.1, 2.0])  # rate, lag, start, span


@pytest.mark.parametrize("adjoint", ADJOINTS, ids=lambda adjoint: type(adjoint).__name__)
@pytest.mark.parametrize("stops", [None, [0.7], [0.5, 0.7, 1.0]])
def test_lag_start_and_span_by_every_adjoint(adjoint, stops):
    def loss(x):
        span = (x[3], x[4])
        sol = solve_ivp(
            *(lagged, span, x[2:3], "Tsit5", np.stack([0.4 * x[4], x[4]])),
            **{"args": (x[:2],), "rtol": 1e-9, "atol": 1e-11, "adjoint": adjoint, "tstops": stops},
        )
        return sol.y[0, -1] + sol.y[0, 0]

    def exact(x):
        return after_lag(x) + after_lag(np.append(x[:4], 0.4 * x[4]))

    assert loss(X) == pytest.approx(exact(X), rel=1e-7)
    np.testing.assert_allclose(ad.grad(loss)(X), differences(exact, X), atol=1e-6)
    v = np.linspace(1.0, 2.0, 5)
    assert ad.jvp(loss, (X,), (v,))[1] == pytest.approx(differences(exact, X) @ v, rel=1e-6)


def switched(t, y, p):
    """Jumps in the state: fast above a level, slow below."""
    return np.array([-p[0] if y[0] > p[1] else -p[2], y[0]])


def switched_end(x):
    fast, level, slow, start = x
    moment = (start - level) / fast
    left = 1.5 - moment
    end = level - slow * left
    return end + 0.5 * moment * (start + level) + 0.5 * left * (level + end)


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_jumps_in_the_state_in_both_directions_of_time(direction):
    def loss(x):
        model = switched if direction > 0 else lambda t, y, p: -switched(t, y, p)
        sol = solve_ivp(
            *(model, (0.0, 1.5 * direction), np.stack([x[3], 0.0 * x[3]]), "Tsit5"),
            **{"t_eval": [1.5 * direction], "args": (x[:3],), "rtol": 1e-9, "atol": 1e-10},
        )
        return np.sum(sol.y[:, -1])

    x = np.array([1.2, 0.6, 0.3, 1.5])
    assert loss(x) == pytest.approx(switched_end(x), rel=1e-6)
    np.testing.assert_allclose(ad.grad(loss)(x), differences(switched_end, x), rtol=1e-7)


def test_steps_outputs_dense_output_and_events_across_kinks():
    def change(t, y, p):
        return y[1] - 0.5

    change.apply = lambda t, y, p: np.stack([y[0] + 0.3, y[1]])

    def exact(x):
        def rest(y, moment):
            """The end from a state on, by formulas piece by piece."""
            total = y[1]
            if y[0] > x[1]:
                stay = min((y[0] - x[1]) / x[0], 1.5 - moment)
                total += stay * y[0] - 0.5 * x[0] * stay**2
                moment, y = moment + stay, [y[0] - x[0] * stay]
            left = 1.5 - moment
            return y[0] - x[2] * left + total + left * y[0] - 0.5 * x[2] * left**2

        when = (x[3] - np.sqrt(x[3] ** 2 - x[0])) / x[0]
        return rest([x[3] - x[0] * when + 0.3, 0.5], when) + when

    for options in ({"t_eval": [1.5]}, {}, {"dense_output": True}):

        def loss(x, options=options):
            sol = solve_ivp(
                *(switched, (0.0, 1.5), np.stack([x[3], 0.0 * x[3]]), "Tsit5"),
                **{"args": (x[:3],), "rtol": 1e-9, "atol": 1e-10, "events": change, **options},
            )
            end = sol.sol(1.5) if "dense_output" in options else sol.y[:, -1]
            return np.sum(end) + sol.t_events[0][0]

        x = np.array([1.2, 0.6, 0.3, 1.5])
        assert loss(x) == pytest.approx(exact(x), rel=1e-6)
        np.testing.assert_allclose(ad.grad(loss)(x), differences(exact, x), rtol=1e-6)


def test_windows_that_are_shorter_than_steps():
    """Two switches in one step, the second of which matters behind the first only."""

    def pulses(t, y, p):
        both = np.where((t > p[0]) & (t < p[0] + 1e-3), 100.0, 0.0)
        return np.array([both + (p[1] if abs(t - 3.0) < 1e-3 * p[1] else 0.0)])

    def loss(p):
        sol = solve_ivp(pulses, (0.0, 5.0), np.zeros(1), "Tsit5", [5.0], args=(p,), max_step=1.0, rtol=1e-8)
        return sol.y[0, -1]

    value, gradient = ad.value_and_grad(loss)(np.array([1.3, 2.0]))
    assert value == pytest.approx(0.1 + 2e-3 * 4.0, rel=1e-6)
    np.testing.assert_allclose(gradient, [0.0, 8e-3], atol=1e-8)


def test_starts_on_a_kink():
    def bent(t, y, p):
        return np.array([p[0] + (p[1] if t >= 1.0 else -50.0) + p[2] * abs(y[0])])

    def loss(p):
        return solve_ivp(bent, (1.0, 2.0), np.zeros(1), "Tsit5", [2.0], args=(p,), rtol=1e-9).y[0, -1]

    p = np.array([0.4, 0.3, 0.5])

    def exact(p):
        return (p[0] + p[1]) * np.expm1(p[2]) / p[2]

    assert loss(p) == pytest.approx(exact(p), rel=1e-7)
    np.testing.assert_allclose(ad.grad(loss)(p), differences(exact, p), rtol=1e-6)


def draining(t, y, p):
    """Torricelli's law, not defined beyond the bottom of the tank."""
    return np.array([-p[0] * np.sqrt(y[0]) if y[0] > 0.0 else 0.0 * y[0]])


def sliding(t, y, p):
    """A relay without hysteresis: it switches without end from the moment at which the level is reached."""
    return np.array([(p[0] if y[0] < p[1] else -p[0]) + 0.1 * np.cos(t)])


def test_what_cannot_be_held_is_as_without():
    def loss(p, model, start, kinks):
        sol = solve_ivp(
            *(model, (0.0, 1.0), np.array([start]), "Tsit5", [0.3, 1.0]),
            **{"args": (p,), "rtol": 1e-4, "atol": 1e-6, "kinks": kinks},
        )
        return sol.y[0, 0] + sol.y[0, 1]

    for model, start, p in ((draining, 0.05, [1.0]), (sliding, 0.0, [2.0, 0.9])):
        with_kinks, without = (
            ad.value_and_grad(lambda p, k=k, m=model, s=start: loss(p, m, s, k))(np.array(p))
            for k in (True, False)
        )
        assert with_kinks[0] == pytest.approx(without[0], abs=2e-3)
        assert np.isfinite(with_kinks[1]).all()


def test_second_derivatives_warn_where_the_solution_passes_a_kink():
    def loss(p, end):
        model, y0, _, _ = MODELS["faster of two"]
        return solve_ivp(
            *(model, (0.0, end), np.array(y0), "Tsit5", [end]), **{"args": (p,), "rtol": 1e-9, "atol": 1e-9}
        ).y[0, -1]

    p = np.array([1.2, 0.4])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = ad.hessian(lambda p: loss(p, 0.5))(p)
    np.testing.assert_allclose(found, differences(ad.grad(lambda p: loss(p, 0.5)), p, 1e-4), atol=1e-6)
    with pytest.warns(UserWarning, match="second derivative .* switches at t = "):
        ad.hessian(lambda p: loss(p, 2.0))(p)


def test_smooth_models_and_those_with_too_many_places_have_no_modes():
    def smooth(t, y, p):
        return np.sin(y) * (2.0 if p[0] > 0.0 else 1.0)

    def stepped(t, y, p):
        return p[0] * np.floor(t) * np.abs(y)

    def many(t, y, p):
        return -np.maximum(y, 0.0) * p[0]

    for model, n in ((smooth, 2), (stepped, 2), (many, 100)):
        assert held_model(build_model(model, (n,), (np.ones(1),))[0]) is None
    assert held_model(build_model(many, (3,), (np.ones(1),))[0]).switches == 3


def test_maps_stop_at_switches_and_compiled_functions_warn():
    def loss(p):
        sol = solve_ivp(lagged, (0.0, 2.0), np.array([0.5]), "Tsit5", [2.0], args=(p,), rtol=1e-9, atol=1e-11)
        return sol.y[0, -1]

    rows = np.array([[0.8, 0.7], [1.1, 0.3]])
    wanted = [differences(lambda p: after_lag(np.array([*p, 0.5, 0.0, 2.0])), p) for p in rows]
    np.testing.assert_allclose(ad.vmap(ad.grad(loss))(rows), wanted, rtol=1e-6)
    found = ad.grad(lambda rows: np.sum(ad.vmap(loss)(rows)))(rows)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    with pytest.warns(UserWarning, match="does not stop there"):
        ad.grad(ad.jit(loss))(rows[0])
