"""Events: where they are found, what they end and change, forwards and backwards."""

import numpy as np
import pytest

from sciad.solvers import solve_ivp


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
