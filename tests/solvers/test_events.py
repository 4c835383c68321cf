"""Events, automatic switching and the published end values of stiff problems."""

import numpy as np
import pytest

from sciad.solvers import solve_ivp
from tests.problems.ode_models import MODELS


def oscillator(t, y):
    return np.array([y[1], -y[0]])


def crossing(direction=0, terminal=False):
    def event(t, y):
        return y[0]

    event.direction, event.terminal = direction, terminal
    return event


TIGHT = {"rtol": 1e-10, "atol": 1e-10}


@pytest.mark.parametrize("method", ["Tsit5", "DOP853", "Rodas5P"])
def test_zeros_in_each_direction(method):
    start = np.array([0.5, 1.0])
    first = np.pi - np.arctan2(0.5, 1.0)
    both, up, down = (crossing(d) for d in (0, 1, -1))
    got = solve_ivp(oscillator, (0, 20), start, method, events=[both, up, down], **TIGHT)
    zeros = first + np.pi * np.arange(6)
    for found, expected in zip(got.t_events, (zeros, zeros[1::2], zeros[0::2]), strict=True):
        assert found.shape == expected.shape
        assert not np.abs(found - expected).max() > 1e-7
    assert not np.abs(got.y_events[0][:, 0]).max() > 1e-12


def test_terminal_events_and_counts():
    for count, time in ((True, np.pi / 2), (1, np.pi / 2), (3, 5 * np.pi / 2)):
        got = solve_ivp(
            oscillator, (0, 20), np.array([1.0, 0.0]), "Tsit5", events=crossing(0, count), **TIGHT
        )
        assert got.status == 1 and got.success and got.message == "A termination event occurred."
        assert not abs(got.t[-1] - time) > 1e-7 and got.t[-1] == got.t_events[0][-1]
        assert np.array_equal(got.y[:, -1], got.y_events[0][-1])


def test_outputs_end_with_a_terminal_event():
    times = np.linspace(0, 5, 51)
    got = solve_ivp(
        oscillator, (0, 5), np.array([1.0, 0.0]), "Tsit5", t_eval=times, events=crossing(0, True), **TIGHT
    )
    assert np.array_equal(got.t, times[times <= np.pi / 2])
    assert not np.abs(got.y[0] - np.cos(got.t)).max() > 1e-8


def test_bouncing_ball_goes_on_from_the_changed_state():
    def fall(t, y):
        return np.array([y[1], -9.81])

    def ground(t, y):
        return y[0]

    ground.direction = -1
    ground.apply = lambda t, y: np.array([0.0, -0.5 * y[1]])
    times = np.linspace(0, 1.3, 27)
    got = solve_ivp(fall, (0, 1.3), np.array([1.0, 0.0]), "Tsit5", t_eval=times, events=ground, **TIGHT)
    drop = np.sqrt(2 / 9.81)
    bounces = drop + 2 * drop * np.cumsum([0, 0.5, 0.25, 0.125, 0.0625])
    bounces = bounces[bounces < 1.3]
    assert got.t_events[0].shape == bounces.shape
    assert not np.abs(got.t_events[0] - bounces).max() > 1e-7
    assert np.array_equal(got.t, times) and not got.y[0].min() < -1e-9
    dense = solve_ivp(
        fall, (0, 1.0), np.array([1.0, 0.0]), "Tsit5", dense_output=True, events=ground, **TIGHT
    )
    before, after = drop - 1e-6, drop + 1e-6
    assert not abs(dense.sol(before)[1] + 9.81 * before) > 1e-6
    assert not abs(dense.sol(after)[1] - 0.5 * 9.81 * drop) > 1e-4


def test_backward_integration_finds_the_same_events():
    forward = solve_ivp(oscillator, (0, 10), np.array([1.0, 0.0]), "Tsit5", events=crossing(), **TIGHT)
    backward = solve_ivp(oscillator, (10, 0), forward.y[:, -1], "Tsit5", events=crossing(), **TIGHT)
    assert not np.abs(backward.t_events[0][::-1] - forward.t_events[0]).max() > 1e-7


def test_auto_switches_only_where_the_problem_is_stiff():
    easy = solve_ivp(oscillator, (0, 10), np.array([1.0, 0.0]))
    assert [name for _, name in easy.methods] == ["Tsit5"]
    model = MODELS["robertson"]
    stiff = solve_ivp(model.fun, (0, 1e4), model.y0, args=model.args, rtol=1e-6, atol=1e-10)
    assert stiff.success and "Rodas5P" in [name for _, name in stiff.methods] and stiff.nfev < 5000

    def pulse(t, y):  # stiff up to t = 1 only
        return np.array([-(1e4 if t < 1.0 else 1.0) * (y[0] - np.cos(t))])

    changing = solve_ivp(pulse, (0, 200), np.array([0.0]), tstops=[1.0], rtol=1e-6)
    names = [name for _, name in changing.methods]
    assert names[0] == "Tsit5" and "Rodas5P" in names and names[-1] == "Tsit5"


@pytest.mark.parametrize("method", ["Rodas5P"])
@pytest.mark.parametrize("name", [n for n, m in MODELS.items() if m.stiff and m.published is not None])
def test_published_end_values_of_stiff_problems(name, method):
    model = MODELS[name]
    expected = np.asarray(model.final())
    got = solve_ivp(
        model.fun,
        model.t_span,
        model.y0,
        method,
        t_eval=[model.t_span[1]],
        args=model.args,
        rtol=1e-7,
        atol=1e-10,
    )
    assert got.success
    scale = np.abs(expected) + 1e-6 * np.abs(expected).max()
    assert not np.max(np.abs(got.y[:, -1] - expected) / scale) > 2e-3


def robertson_dae(t, y):
    r1, r2, r3 = 0.04 * y[0], 3e7 * y[1] ** 2, 1e4 * y[1] * y[2]
    return np.array([r3 - r1, r1 - r2 - r3, y[0] + y[1] + y[2] - 1.0])


@pytest.mark.parametrize("method", ["Rodas5P", "auto"])
def test_singular_mass_matrix(method):
    mass = np.diag([1.0, 1.0, 0.0])
    start = np.array([1.0, 0.0, 0.0])
    options = {"method": method, "t_eval": [40.0], "mass_matrix": mass, "rtol": 1e-8, "atol": 1e-11}
    got = solve_ivp(robertson_dae, (0, 40), start, **options)
    expected = [0.7158270688, 0.9185534765e-5, 0.2841637457]  # Hairer & Wanner, Solving ODEs II
    assert not np.abs(got.y[:, -1] / expected - 1).max() > 1e-6
    assert not abs(got.y[:, -1].sum() - 1) > 1e-12


def test_regular_mass_matrix_and_refusals():
    mass = np.array([[2.0, 1.0], [0.0, 1.0]])
    got = solve_ivp(
        lambda t, y: -(mass @ y),
        (0, 1),
        np.array([1.0, 2.0]),
        "Rodas4",
        mass_matrix=mass,
        rtol=1e-9,
        atol=1e-9,
    )
    assert not np.abs(got.y[:, -1] - np.array([1.0, 2.0]) * np.exp(-1)).max() > 1e-7
    # The algebraic unknown is made consistent; where that is impossible, the residual is named.
    singular = np.diag([1.0, 1.0, 0.0])
    got = solve_ivp(robertson_dae, (0, 1), np.array([1.0, 0.0, 0.5]), mass_matrix=singular)
    assert np.array_equal(got.y[:, 0], [1.0, 0.0, 0.0])
    none = lambda t, y: np.array([-y[0], -y[1], y[0] + y[2] ** 2 + 0.5])  # noqa: E731
    with pytest.raises(ValueError, match=r"equation 2 is left with 1\.75"):
        solve_ivp(none, (0, 1), np.array([1.0, 0.0, 0.5]), mass_matrix=singular)
    high = lambda t, y: np.array([y[1], y[2], y[0] - np.cos(t)])  # noqa: E731
    with pytest.raises(ValueError, match="an index above 1"):
        solve_ivp(high, (0, 1), np.array([1.0, 0.0, -1.0]), mass_matrix=singular)
    with pytest.raises(ValueError, match=r"shape \(2, 2\)"):
        solve_ivp(robertson_dae, (0, 1), np.array([1.0, 0.0, 0.0]), mass_matrix=mass)
    with pytest.raises(ValueError, match="Rodas5P, not Tsit5"):
        solve_ivp(robertson_dae, (0, 1), np.array([1.0, 0.0, 0.0]), "Tsit5", mass_matrix=np.eye(3))
