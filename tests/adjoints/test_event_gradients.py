"""Gradients through events against closed forms and central differences."""

import numpy as np
import pytest

import sciad as ad
from sciad.solvers import SolverError, solve_ivp
from tests.problems.adjoint_list import AUTO_AND_OTHERS, adjoint_name
from tests.problems.comparisons import differences, relative
from tests.problems.event_functions import event

TIGHT = {"rtol": 1e-11, "atol": 1e-12}


def fall(t, y, p):
    return np.array([y[1], -p["gravity"]])


def bounce():
    def ground(t, y, p):
        return y[0]

    return event(ground, -1, apply=lambda t, y, p: np.array([0.0, -p["restitution"] * y[1]]))


BALL = {"gravity": 9.81, "restitution": 0.8}


def bounces(p, height):
    """Times of the first five bounces of a ball dropped from a height, closed form."""
    drop = np.sqrt(2 * height / p["gravity"])
    flights = [2 * drop * p["restitution"] ** k for k in range(1, 5)]
    return drop + np.array([np.sum(np.stack(flights[:k])) if k else 0.0 * drop for k in range(5)])


def height_after(p, height, t):
    """Height at t, after the fifth bounce and before the sixth, closed form."""
    drop = np.sqrt(2 * height / p["gravity"])
    last = drop
    for k in range(1, 5):
        last = last + 2 * drop * p["restitution"] ** k
    speed = p["gravity"] * drop * p["restitution"] ** 5
    return speed * (t - last) - p["gravity"] * (t - last) ** 2 / 2


MEASURES = {
    "time of the fifth bounce": (
        lambda sol: sol.t_events[0][4],
        lambda p, height: bounces(p, height)[4],
    ),
    "speed before it": (
        lambda sol: sol.y_events[0][4, 1],
        lambda p, height: -p["gravity"] * np.sqrt(2 * height / p["gravity"]) * p["restitution"] ** 4,
    ),
    "height after it": (lambda sol: sol.y[0, -1], lambda p, height: height_after(p, height, 2.8)),
}


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("adjoint", AUTO_AND_OTHERS, ids=adjoint_name)
def test_bouncing_ball(adjoint, measure):
    found, exact = MEASURES[measure]

    def loss(p, height):
        y0 = np.array([height, 0.0])
        keywords = {"t_eval": [0.2, 2.8], "args": (p,), "events": bounce(), "adjoint": adjoint, **TIGHT}
        return found(solve_ivp(fall, (0, 2.8), y0, "Tsit5", **keywords))

    relative(loss(BALL, 1.0), exact(BALL, 1.0))
    relative(ad.grad(loss, argnums=(0, 1))(BALL, 1.0), ad.grad(exact, argnums=(0, 1))(BALL, 1.0))


def test_forward_mode_and_steps_as_outputs():
    """All bounces at once by tangents; without t_eval the end of the span moves with it."""

    def times(p):
        return solve_ivp(fall, (0, 2.8), np.array([1.0, 0.0]), "Tsit5", args=(p,), events=bounce()).t_events[
            0
        ]

    direction = {"gravity": 0.3, "restitution": -0.2}
    relative(
        ad.jvp(times, (BALL,), (direction,))[1],
        ad.jvp(lambda p: bounces(p, 1.0), (BALL,), (direction,))[1],
    )

    def end(p, t1):
        return solve_ivp(fall, (0, t1), np.array([1.0, 0.0]), "Tsit5", args=(p,), events=bounce()).y[0, -1]

    expected = ad.grad(lambda p, t: height_after(p, 1.0, t), argnums=(0, 1))(BALL, 2.8)
    relative(ad.grad(end, argnums=(0, 1))(BALL, 2.8), expected)


@pytest.mark.parametrize("method", ["Rodas5P", "auto"])
def test_bouncing_ball_by_other_methods(method):
    def loss(p):
        keywords = {"t_eval": [2.8], "args": (p,), "events": bounce(), "rtol": 1e-9, "atol": 1e-9}
        return solve_ivp(fall, (0, 2.8), np.array([1.0, 0.0]), method, **keywords).y[0, -1]

    relative(ad.grad(loss)(BALL), ad.grad(lambda p: height_after(p, 1.0, 2.8))(BALL))
    direction = {"gravity": 1.0, "restitution": 0.1}
    relative(
        ad.jvp(loss, (BALL,), (direction,))[1],
        ad.jvp(lambda p: height_after(p, 1.0, 2.8), (BALL,), (direction,))[1],
    )


def elimination(t, y, p):
    gut, blood = y
    return np.array([-p["absorption"] * gut, p["absorption"] * gut - p["clearance"] * blood])


def doses(count, of=lambda p: p):
    """An event for each dose; its time and size are parameters."""

    def dose(i):
        def due(t, y, p):
            return t - of(p)["times"][i]

        return event(due, 1, apply=lambda t, y, p: y + np.array([of(p)["sizes"][i], 0.0]))

    return [dose(i) for i in range(count)]


DOSING = {
    "absorption": 1.3,
    "clearance": 0.4,
    "times": np.array([1.0, 2.5, 4.2]),
    "sizes": np.array([2.0, 1.5, 3.0]),
}


def concentration(p, t):
    """Blood after doses at p["times"] (all before t), closed form."""
    a, c = p["absorption"], p["clearance"]
    left = t - p["times"]
    return np.sum(p["sizes"] * a / (a - c) * (np.exp(-c * left) - np.exp(-a * left)))


def test_dose_times_are_parameters():
    def loss(p):
        keywords = {"t_eval": [3.0, 5.0, 7.0], "args": (p,), "events": doses(3), "rtol": 1e-10, "atol": 1e-12}
        sol = solve_ivp(elimination, (0, 7.0), np.zeros(2), "Tsit5", **keywords)
        return sol.y[1, 1] + 2 * sol.y[1, 2]

    expected = ad.grad(lambda p: concentration(p, 5.0) + 2 * concentration(p, 7.0))(DOSING)
    relative(ad.grad(loss)(DOSING), expected)


def test_events_may_capture_what_is_differentiated():
    """Neither y0 nor args hold a traced value: only the functions of the events do."""

    def loss(times):
        p = {**DOSING, "times": times}
        constant = {"absorption": 1.3, "clearance": 0.4}
        keywords = {"t_eval": [5.0], "args": (constant,), "events": doses(3, of=lambda _: p)}
        return solve_ivp(elimination, (0, 5.0), np.zeros(2), "Tsit5", **keywords, **TIGHT).y[1, 0]

    expected = ad.grad(lambda times: concentration({**DOSING, "times": times}, 5.0))(DOSING["times"])
    relative(ad.grad(loss)(DOSING["times"]), expected)


def test_two_events_in_one_step():
    """Both doses lie in one step; also at one and the same time."""

    def solved(p):
        keywords = {"t_eval": [4.0], "args": (p,), "events": doses(2), "first_step": 2.0}
        return solve_ivp(elimination, (0, 4.0), np.zeros(2), "RK4", **keywords)

    def loss(p):
        keywords = {"t_eval": [4.0], "args": (p,), "events": doses(2), **TIGHT}
        return solve_ivp(elimination, (0, 4.0), np.zeros(2), "Tsit5", **keywords).y[1, 0]

    for times in ([1.0, 1.0 + 1e-3], [1.0, 1.0]):
        p = {**DOSING, "times": np.array(times), "sizes": np.array([2.0, 1.5])}
        steps = solved(p)
        assert [len(t) for t in steps.t_events] == [1, 1]
        relative(loss(p), concentration(p, 4.0))
        relative(ad.grad(loss)(p), ad.grad(lambda p: concentration(p, 4.0))(p))


def oscillator(t, y, omega):
    return np.array([y[1], -(omega**2) * y[0]])


def test_two_zeros_seen_in_one_step_come_in_order():
    """Two levels passed within one step, both recorded, the second one terminal."""

    def level(value, terminal):
        return event(lambda t, y, omega, levels: y[0] - levels[value], 0, terminal)

    def run(x):
        keywords = {"args": (x[0], x[1:]), "events": [level(1, True), level(0, False)], **TIGHT}
        model = lambda t, y, omega, levels: oscillator(t, y, omega)  # noqa: E731
        return solve_ivp(model, (0, 10), np.array([1.0, 0.0]), "DOP853", **keywords)

    x = np.array([1.3, 0.5, 0.48])

    def measure(x):
        sol = run(x)
        return np.array(
            [sol.t_events[0][0], sol.t_events[1][0], sol.t[-1], sol.y[1, -1], sol.y_events[1][0, 1]]
        )

    def exact(x):
        late, early = np.arccos(x[2]) / x[0], np.arccos(x[1]) / x[0]
        speed = [-x[0] * np.sqrt(1 - x[k] ** 2) for k in (2, 1)]
        return np.array([late, early, late, speed[0], speed[1]])

    sol = run(x)
    assert sol.status == 1 and sol.t[-1] == sol.t_events[0][0] > sol.t_events[1][0] > sol.t[-2]
    found = ad.jacobian(measure)(x)
    relative(found, ad.jacobian(exact)(x))
    relative(ad.jacobian(measure, mode="forward")(x), found, 1e-9)
    relative(ad.jacobian(measure, mode="reverse")(x), found, 1e-9)


def test_apply_may_change_parameters():
    """A switch of the rate at a threshold that is a parameter; args of other structure are refused."""

    def decay(t, y, p):
        return -p[0] * y

    def threshold(t, y, p):
        return y[0] - p[2]

    event(threshold, -1, apply=lambda t, y, p: (y, (np.array([p[1], p[1], p[2] / 100]),)))

    def solved(p):
        return solve_ivp(
            decay, (0, 3.0), np.array([2.0]), "Tsit5", t_eval=[3.0], args=(p,), events=threshold, **TIGHT
        )

    def exact(p):
        return p[2] * np.exp(-p[1] * (3.0 - np.log(2.0 / p[2]) / p[0]))

    p = np.array([1.5, 0.3, 0.9])
    relative(solved(p).y[0, 0], exact(p))
    relative(ad.grad(lambda p: solved(p).y[0, 0])(p), ad.grad(exact)(p))
    threshold.apply = lambda t, y, p: (y, (p, p))
    with pytest.raises(ValueError, match="2 args"):
        solved(p)


def test_terminal_event_moves_the_end():
    """sol.t and sol.y end with the event, with t_eval (which it cuts) and without."""

    def target(t, y, p):
        return y[0] - p[1]

    event(target, 0, True)

    def solved(p, times):
        return solve_ivp(
            oscillator_of,
            (0, 9.0),
            np.array([1.0, 0.0]),
            "Tsit5",
            t_eval=times,
            args=(p,),
            events=target,
            **TIGHT,
        )

    def oscillator_of(t, y, p):
        return oscillator(t, y, p[0])

    p = np.array([0.7, 0.2])
    end = ad.grad(lambda p: solved(p, None).t[-1])(p)
    relative(end, ad.grad(lambda p: np.arccos(p[1]) / p[0])(p))
    speed = ad.grad(lambda p: solved(p, None).y[1, -1])(p)
    relative(speed, ad.grad(lambda p: -p[0] * np.sqrt(1 - p[1] ** 2))(p))
    times = np.linspace(0, 9, 19)
    plain = solved(p, times)
    value, gradient = ad.value_and_grad(lambda p: np.sum(solved(p, times).y[0]))(p)
    relative(value, np.sum(plain.y[0]), 1e-9)
    relative(gradient, ad.grad(lambda p: np.sum(np.cos(p[0] * plain.t)))(p))
    both = ad.jacobian(lambda p: solved(p, times).t_events[0])(p)
    relative(both[0], end, 1e-9)


def test_dense_output_between_events():
    def loss(p, times):
        sol = solve_ivp(
            fall,
            (0, 2.0),
            np.array([1.0, 0.0]),
            "Tsit5",
            dense_output=True,
            args=(p,),
            events=bounce(),
            **TIGHT,
        )
        return np.sum(sol.sol(times)[0] * np.array([1.0, -2.0, 3.0]))

    times = np.array([1.9, 0.3, 1.0])
    found = ad.grad(loss, argnums=(0, 1))(BALL, times)
    h = 1e-5
    expected = [
        (loss({**BALL, k: BALL[k] + h}, times) - loss({**BALL, k: BALL[k] - h}, times)) / (2 * h)
        for k in BALL
    ]
    relative([found[0]["gravity"], found[0]["restitution"]], expected)
    relative(found[1], differences(lambda s: loss(BALL, s), times, 1e-3))


def test_backward_in_time():
    def solved(p):
        ground = event(lambda t, y, p: y[0] - 0.5, 0, apply=lambda t, y, p: y * np.array([1.0, p[1]]))
        return solve_ivp(
            lambda t, y, p: oscillator(t, y, p[0]),
            (5.0, 0.0),
            np.array([1.0, 0.2]),
            "Tsit5",
            t_eval=[4.9, 0.0],
            args=(p,),
            events=ground,
            **TIGHT,
        )

    p = np.array([1.1, 0.8])
    relative(ad.jacobian(lambda p: solved(p).y[:, 1])(p), differences(lambda p: solved(p).y[:, 1], p))


def test_an_event_at_the_end_of_a_step_is_reported_once():
    """Steps of exactly 1/4 end at the zeros; SciPy's way of looking reports each of them twice."""

    def level(t, y):
        return y[0] - 0.5

    sol = solve_ivp(lambda t, y: np.ones(1), (0, 1), np.zeros(1), "RK4", first_step=0.25, events=level)
    assert sol.t_events[0].tolist() == [0.5]
    level.apply = lambda t, y: y + 1.0
    sol = solve_ivp(lambda t, y: np.ones(1), (0, 1), np.zeros(1), "RK4", first_step=0.25, events=level)
    assert sol.t_events[0].tolist() == [0.5] and sol.y[0, -1] == 2.0


def test_what_has_no_derivative_is_refused():
    def touch(t, y, p):
        return (t - p) ** 3

    def end(p):
        return solve_ivp(
            lambda t, y, p: -p * y, (0, 2), np.ones(1), "Tsit5", args=(p,), events=touch
        ).t_events[0][0]

    with pytest.raises(SolverError, match="touches zero"):
        ad.grad(end)(1.0)
    with pytest.raises(ad.NotDifferentiable, match="second derivatives through events"):
        ad.hessian(
            lambda p: np.sum(
                solve_ivp(
                    fall,
                    (0, 1),
                    np.array([1.0, 0.0]),
                    "Tsit5",
                    args=({"gravity": p, "restitution": 0.5},),
                    events=bounce(),
                ).t_events[0]
            )
        )(9.81)

    def sticks(t, y):
        return y[0] - 0.5

    event(sticks, apply=lambda t, y: np.array([0.5]))
    sol = solve_ivp(lambda t, y: np.ones(1), (0, 1), np.zeros(1), "Tsit5", events=sticks)
    assert len(sol.t_events[0]) == 1


@pytest.mark.parametrize("restitution", [0.3, 0.8])
def test_events_that_accumulate_are_named(restitution):
    """A ball at rest after a finite time does not fall through the ground."""
    p = {"gravity": 9.81, "restitution": restitution}
    sol = solve_ivp(fall, (0, 9.0), np.array([1.0, 0.0]), "Tsit5", args=(p,), events=bounce())
    rest = np.sqrt(2 / 9.81) * (1 + restitution) / (1 - restitution)
    assert not sol.success and "times that accumulate" in sol.message
    assert not abs(sol.t[-1] - rest) > 1e-4 and not sol.y[0].min() < -1e-9


def test_zeros_shortly_after_a_change():
    """The next zero lies much closer to a change of the state than the first step after it is long."""

    def crossing(t, y):
        return y[0] - 0.5

    for speed in (1e-5, 1e-8):
        event(crossing, 1, apply=lambda t, y, speed=speed: np.array([0.5 - speed, y[1] + 1.0]))
        model = lambda t, y: np.array([1.0, 0.0])  # noqa: E731
        end = 0.5 + 3.5 * speed
        sol = solve_ivp(model, (0, end), np.zeros(2), "Tsit5", events=crossing)
        assert not np.abs(sol.t_events[0] - 0.5 - speed * np.arange(4)).max() > 1e-12


def test_bad_input_is_named_while_differentiating():
    def end(p, start=1.0, times=None):
        keywords = {"t_eval": times, "args": ({**BALL, "gravity": p},), "events": bounce()}
        return solve_ivp(fall, (0, 1.0), np.array([start, 0.0]), "Tsit5", **keywords).y[0, -1]

    for arguments, words in (
        ((np.nan,), "parameter"),
        ((1.0, np.inf), "y0"),
        ((1.0, 1.0, [0.5, 2.0]), "t_eval"),
    ):
        with pytest.raises(ValueError, match=words):
            ad.grad(end)(*arguments)
