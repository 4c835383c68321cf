"""``method="auto"``: which method is used where."""

import numpy as np
import pytest

from sciad.solvers import solve_ivp
from tests.problems.ode_models import MODELS

# Stiff models that an explicit method takes in about as few steps as an implicit one are not in the list.
STIFF = ["prothero_robinson", "robertson", "van_der_pol", "hires", "pollu"]


@pytest.mark.parametrize("name", ["lotka_volterra", "lorenz", "pleiades", "arenstorf"])
@pytest.mark.parametrize("rtol", [1e-3, 1e-8])
def test_problems_that_are_not_stiff_stay_explicit(name, rtol):
    model = MODELS[name]
    got = solve_ivp(
        model.fun, model.t_span, model.y0, t_eval=model.t_span, args=model.args, rtol=rtol, atol=rtol * 1e-3
    )
    assert got.methods == [(model.t_span[0], "Tsit5")] and got.njev == 0


@pytest.mark.parametrize("name", STIFF)
@pytest.mark.parametrize("rtol", [1e-4, 1e-9])
def test_stiff_problems_are_found_at_every_tolerance(name, rtol):
    model = MODELS[name]
    options = {"args": model.args, "rtol": rtol, "atol": rtol * 1e-6, "t_eval": [model.t_span[1]]}
    got = solve_ivp(model.fun, model.t_span, model.y0, **options)
    best = solve_ivp(model.fun, model.t_span, model.y0, "Rodas5P", **options)
    assert got.success and got.accepted < 2 * best.accepted + 100
    starts = [t for t, _ in got.methods]
    assert [method for _, method in got.methods[:2]] == ["Tsit5", "Rodas5P"]
    assert starts[0] == model.t_span[0] and np.all(np.diff(starts) > 0)
    exact = model.final()
    assert not np.abs(got.y[:, 0] - exact).max() > 1e3 * rtol * np.abs(exact).max()


def test_switches_back_where_stiffness_ends():
    def softening(t, y):
        rate = 1e4 if t < 1.0 else 1.0
        return np.array([-rate * (y[0] - np.cos(5 * t)) - 5 * np.sin(5 * t), y[2], -y[1]])

    got = solve_ivp(
        softening, (0, 40.0), np.array([2.0, 0.0, 1.0]), t_eval=[40.0], tstops=[1.0], rtol=1e-6, atol=1e-8
    )
    assert [method for _, method in got.methods] == ["Tsit5", "Rodas5P", "Tsit5"]
    assert 0 < got.methods[1][0] < 1.0 < got.methods[2][0] < 20.0
    assert got.y[1, 0] == pytest.approx(np.sin(40.0), abs=1e-3)


def test_auto_switches_only_where_the_problem_is_stiff():
    easy = solve_ivp(lambda t, y: np.array([y[1], -y[0]]), (0, 10), np.array([1.0, 0.0]))
    assert [name for _, name in easy.methods] == ["Tsit5"]
    model = MODELS["robertson"]
    stiff = solve_ivp(model.fun, (0, 1e4), model.y0, args=model.args, rtol=1e-6, atol=1e-10)
    assert stiff.success and "Rodas5P" in [name for _, name in stiff.methods] and stiff.nfev < 5000

    def pulse(t, y):  # stiff up to t = 1 only
        return np.array([-(1e4 if t < 1.0 else 1.0) * (y[0] - np.cos(t))])

    changing = solve_ivp(pulse, (0, 200), np.array([0.0]), tstops=[1.0], rtol=1e-6)
    names = [name for _, name in changing.methods]
    assert names[0] == "Tsit5" and "Rodas5P" in names and names[-1] == "Tsit5"
