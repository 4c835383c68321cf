"""Events whose `apply` changes what the model reads from outside: the next piece reads it again."""

from __future__ import annotations

import numpy as np
import pytest

import sciad as ad
from sciad.solvers import solve_ivp

RATE = 1.0  # of a model that reads a global


class Plant:
    """Growth with rate 1, then, from y = 2 on, with the rate that the event sets."""

    def __init__(self):
        self.on, self.rate, self.rates = False, 1.0, np.array([1.0, 1.0])
        self.table = {"on": False, "rate": 1.0}


def by_flag_in_dict(plant):
    table = plant.table
    return lambda t, y, k: (k * 0.5 if table["on"] else k) * y, lambda: table.update(on=True)


def by_number_in_dict(plant):
    table = plant.table
    return lambda t, y, k: k * table["rate"] * y, lambda: table.update(rate=0.5)


def by_attribute(plant):
    def switch():
        plant.on = True

    return lambda t, y, k: k * 0.5 * y if plant.on else k * y, switch


def by_number_in_attribute(plant):
    def switch():
        plant.rate = 0.5

    return lambda t, y, k: k * plant.rate * y, switch


def by_array(plant):
    rates = plant.rates

    def switch():
        rates[1] = 0.5

    return lambda t, y, k: k * rates[1] * y, switch


def by_global(plant):
    global RATE
    RATE = 1.0

    def switch():
        global RATE
        RATE = 0.5

    return lambda t, y, k: k * RATE * y, switch


WAYS = [by_flag_in_dict, by_number_in_dict, by_attribute, by_number_in_attribute, by_array, by_global]


def event_of(switch):
    def half_way(t, y, k):
        return y[0] - 2.0

    def apply(t, y, k):
        switch()
        return y

    half_way.apply, half_way.direction = apply, 1
    return half_way


def end(way, k, method="Tsit5", interpreted=False):
    model, switch = way(Plant())
    if interpreted:
        model.interpreted = True
    options = {"rtol": 1e-10, "atol": 1e-12, "events": event_of(switch)}
    return solve_ivp(model, (0.0, 3.0), np.array([1.0]), method, [3.0], args=(k,), **options).y[0, -1]


def exact(k):
    return 2.0 * np.exp(0.5 * k * (3.0 - np.log(2.0) / k))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P", "auto"])
def test_the_next_piece_reads_its_captures_again(way, method):
    assert end(way, 1.2, method) == pytest.approx(exact(1.2), rel=1e-7)
    wanted = (exact(1.2 + 1e-6) - exact(1.2 - 1e-6)) / 2e-6
    assert ad.grad(lambda k: end(way, k, method))(1.2) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_models_called_in_python_too(way):
    assert end(way, 1.2, interpreted=True) == pytest.approx(exact(1.2), rel=1e-7)


def test_a_gradient_is_refused_where_apply_is_no_function():
    """A factor that shrinks by each call: called again for the derivative it leaves another one."""
    table = {"rate": 1.0}

    def shrink():
        table["rate"] *= 0.5

    def loss(k):
        table["rate"] = 1.0
        options = {"rtol": 1e-8, "args": (k,), "events": event_of(shrink)}
        model = lambda t, y, k: k * table["rate"] * y  # noqa: E731
        return solve_ivp(model, (0.0, 3.0), np.array([1.0]), "Tsit5", [3.0], **options).y[0, -1]

    assert loss(1.2) == pytest.approx(exact(1.2), rel=1e-5)
    with pytest.raises(ad.NotDifferentiable, match="when it is called again"):
        ad.grad(loss)(1.2)


def test_args_changed_in_place_are_read_again():
    def growth(t, y, p):
        return p["k"] * y

    def event(t, y, p):
        return y[0] - 2.0

    def apply(t, y, p):
        p["k"] = 0.6
        return y

    event.apply, event.direction = apply, 1
    sol = solve_ivp(
        growth, (0.0, 3.0), np.array([1.0]), "Tsit5", [3.0], args=({"k": 1.2},), events=event, rtol=1e-10
    )
    assert sol.y[0, -1] == pytest.approx(exact(1.2), rel=1e-7)


def test_the_order_of_events_at_one_time():
    """Lookers-on first, then changes in the order of the list; what is due happens, what is carried over
    does not."""
    said = []

    def event(name, apply=None, level=1.0):
        def g(t, y):
            return y[0] - level

        if apply is not None:

            def changed(t, y):
                said.append(name)
                return apply(y)

            g.apply = changed
        return g

    events = [
        event("up", lambda y: y + np.array([10.0, 1.0])),  # makes the condition of the next false
        event("due all the same", lambda y: y * np.array([1.0, 2.0])),
        event("seen"),
        event("carried over", lambda y: y * 0.0, level=5.0),
    ]
    sol = solve_ivp(
        lambda t, y: np.array([1.0, 0.0]), (0.0, 2.0), np.zeros(2), "Tsit5", [2.0], events=events, rtol=1e-9
    )
    assert said == ["up", "due all the same"] and len(sol.t_events[2]) == 1 and not len(sol.t_events[3])
    np.testing.assert_allclose(sol.y_events[2][0], [1.0, 0.0], atol=1e-9)  # before any change
    np.testing.assert_allclose(sol.y[:, -1], [12.0, 2.0], rtol=1e-9)
