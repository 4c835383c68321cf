"""Times of events: at any scale of time, and twice within one step."""

import numpy as np
import pytest

from sciad.solvers import solve_ivp
from tests.problems.event_functions import event

METHODS = ["Tsit5", "DOP853", "Rodas5P", "KenCarp4", "auto"]


def decay(t, y, scale):
    return -y / scale


@pytest.mark.parametrize("start", [0.0, -3.0])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1e-15, 1e-12, 1e-9, 1e-3, 1.0, 1e6, 1e12])
def test_time_has_no_scale_of_its_own(scale, method, start):
    """The half-life of a decay is found alike in femtoseconds and in ages of the universe."""
    half = event(lambda t, y, scale: y[0] - 0.5)
    span = (start * scale, (start + 1.0) * scale)
    keywords = {"args": (scale,), "events": half, "rtol": 1e-9, "atol": 1e-12}
    sol = solve_ivp(decay, span, np.ones(1), method, **keywords)
    assert sol.success and not abs(sol.t_events[0][0] / scale - start - np.log(2)) > 2e-8
    assert not abs(sol.y_events[0][0, 0] - 0.5) > 1e-14


def test_many_changes_far_from_time_zero_do_not_accumulate():
    """Ten pulses, a tenth apart, at t = 1e9."""
    pulse = event(lambda t, y: np.sin(10 * np.pi * (t - 1e9)), apply=lambda t, y: y + 1.0)
    span, keywords = (1e9 - 0.05, 1e9 + 0.96), {"events": pulse, "max_step": 0.06}
    sol = solve_ivp(lambda t, y: 0.0 * y, span, np.zeros(1), "Tsit5", **keywords)
    assert sol.success and sol.y[0, -1] == 10.0


def throw(t, y):
    return np.array([y[1], -9.81])


@pytest.mark.parametrize("below", [0.5, 1e-3, 1e-6, 1e-10])
@pytest.mark.parametrize("method", ["Tsit5", "DOP853", "Rodas5P", "KenCarp4", "RK4"])
def test_up_and_down_within_one_step(method, below):
    """A ball thrown up to height one passes a level just below it twice, within one step of the solve."""
    level = 1.0 - below

    def measure(direction):
        up = event(lambda t, y: y[0] - level, direction)
        y0 = np.array([0.0, np.sqrt(2 * 9.81)])
        return solve_ivp(throw, (0.0, 1.0), y0, method, events=up, first_step=0.9).t_events[0]

    top, width = np.sqrt(2 / 9.81), np.sqrt(2 * below / 9.81)
    for direction, expected in ((0, [top - width, top + width]), (1, [top - width]), (-1, [top + width])):
        found = measure(direction)
        assert found.shape == (len(expected),)
        assert not np.abs(found - expected).max() > 1e-7


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("t1", [4.0, -4.0])
def test_kinds_of_double_zeros(t1, sign):
    """Functions of time alone, for which the solution takes one long step."""
    cases = [
        (lambda t: (t - 1.0) * (t - 1.3), [1.0, 1.3]),
        (lambda t: (t - 1.0) * (t - 1.3) * (t - 2.9), [1.0, 1.3, 2.9]),
        (lambda t: (t - 0.1) * (t - 0.2), [0.1, 0.2]),
        (lambda t: (t - 3.7) * (t - 3.8), [3.7, 3.8]),
        (lambda t: np.cos(t) - 0.99 * np.cos(2.0) + 0.0 * t, None),
        (lambda t: abs(t - 2.0) - 0.01, [1.99, 2.01]),
        (lambda t: np.exp(-((t - 2.0) ** 2)) - 0.9, [2 - np.sqrt(-np.log(0.9)), 2 + np.sqrt(-np.log(0.9))]),
    ]
    for g, zeros in cases:
        along = np.sign(t1)

        def at(t, y, g=g, along=along):
            return sign * g(along * t)

        sol = solve_ivp(lambda t, y: 0.0 * y, (0.0, t1), np.ones(1), "Tsit5", events=at, first_step=4.0)
        if zeros is None:
            zeros = [np.arccos(0.99 * np.cos(2.0)), 2 * np.pi - np.arccos(0.99 * np.cos(2.0))]
            zeros = [t for t in zeros if t < 4.0]
        assert sol.accepted <= 2
        assert sol.t_events[0].shape == (len(zeros),)
        assert not np.abs(sol.t_events[0] - along * np.array(zeros)).max() > 1e-9


def test_first_of_two_zeros_ends_the_solve_or_changes_it():
    level = event(lambda t, y: y[0] - 0.999, terminal=True)
    y0 = np.array([0.0, np.sqrt(2 * 9.81)])
    sol = solve_ivp(throw, (0.0, 1.0), y0, "Tsit5", events=level, first_step=0.9)
    first = np.sqrt(2 / 9.81) - np.sqrt(2 * 0.001 / 9.81)
    assert sol.status == 1 and not abs(sol.t[-1] - first) > 1e-7

    ceiling = event(lambda t, y: y[0] - 0.999, apply=lambda t, y: np.array([y[0], -y[1]]))
    sol = solve_ivp(throw, (0.0, 0.8), y0, "Tsit5", events=ceiling, first_step=0.7)
    assert sol.t_events[0].shape == (1,) and not abs(sol.t_events[0][0] - first) > 1e-7


def test_samples_of_an_event_that_turns_often():
    def waves(t, y):
        return np.sin(20 * np.pi * t + 0.1)

    def run():
        return solve_ivp(lambda t, y: 0.0 * y, (0, 1.0), np.ones(1), "Tsit5", events=waves, first_step=1.0)

    waves.samples = 60
    zeros = (np.pi * np.arange(1, 21) - 0.1) / (20 * np.pi)
    assert run().t_events[0].shape == (20,) and not np.abs(run().t_events[0] - zeros).max() > 1e-12
    waves.samples = 2.5
    with pytest.raises(ValueError, match="samples"):
        run()
