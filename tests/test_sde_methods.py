"""Methods for stochastic equations: order of convergence on equations with known solutions, adaptive steps,
bad input.
"""

import dataclasses

import numpy as np
import pytest

from solvers import BrownianMotion, solve_sde
from solvers.stochastic import METHODS, SRA1, SRIW1

PATHS = 400
STEPS = (1 / 8, 1 / 16, 1 / 32, 1 / 64)
RATE, NOISE = 0.5, 0.6
A, B = np.array([0.3, -0.2]), np.array([0.4, 0.5])


@dataclasses.dataclass(frozen=True)
class Equation:
    """``exact(W, calculus)`` is the solution at time 1 given the Brownian motion there."""

    drift: object
    diffusion: object
    y0: tuple
    noise: str
    noise_shape: tuple
    exact: object


def geometric(W, calculus):
    return np.exp(RATE - (NOISE**2 / 2 if calculus == "ito" else 0) + NOISE * W)


EQUATIONS = {
    "diagonal": Equation(
        lambda t, y: RATE * y, lambda t, y: NOISE * y, (1.0, 1.0), "diagonal", (2,), geometric
    ),
    "scalar": Equation(
        lambda t, y: RATE * y,
        lambda t, y: NOISE * y,
        (1.0, 1.0),
        "scalar",
        (),
        lambda W, calculus: np.full(2, geometric(W, calculus)),
    ),
    "commutative": Equation(
        lambda t, y: 0.1 * y,
        lambda t, y: np.stack([np.array([0.3, -0.2]) * y, np.array([0.4, 0.5]) * y], axis=1),
        (1.0, 1.0),
        "general",
        (2,),
        lambda W, calculus: np.exp(0.1 + A * W[0] + B * W[1] - (calculus == "ito") * (A**2 + B**2) / 2),
    ),
    "linear additive": Equation(
        lambda t, y: 1.0 / np.sqrt(1 + t) - y / (2 * (1 + t)),
        lambda t, y: np.array([0.5 / np.sqrt(1 + t)]),
        (1.0,),
        "additive",
        (1,),
        lambda W, calculus: (2.0 + 0.5 * W) / np.sqrt(2),
    ),
}

# equation, method, strong order; the linear equation with additive noise gains half an order or a whole one
ORDERS = [
    ("diagonal", "EulerMaruyama", 0.5),
    ("diagonal", "Milstein", 1.0),
    ("diagonal", "StratonovichMilstein", 1.0),
    ("diagonal", "SRIW1", 1.5),
    ("diagonal", "SOSRI", 1.5),
    ("diagonal", "Heun", 1.0),
    ("diagonal", "Midpoint", 1.0),
    ("diagonal", "EulerHeun", 1.0),
    ("diagonal", "ReversibleHeun", 1.0),
    ("scalar", "EulerMaruyama", 0.5),
    ("scalar", "Milstein", 1.0),
    ("scalar", "SRIW1", 1.5),
    ("scalar", "SOSRI", 1.5),
    ("scalar", "Heun", 1.0),
    ("commutative", "EulerMaruyama", 0.5),
    ("commutative", "Heun", 1.0),
    ("commutative", "Midpoint", 1.0),
    ("commutative", "EulerHeun", 1.0),
    ("commutative", "ReversibleHeun", 1.0),
    ("linear additive", "EulerMaruyama", 1.0),
    ("linear additive", "SRA1", 2.0),
    ("linear additive", "SRA3", 2.0),
    ("linear additive", "Heun", 2.0),
    ("linear additive", "ReversibleHeun", 2.0),
]


def slope(errors):
    return np.polyfit(np.log(STEPS[: len(errors)]), np.log(errors), 1)[0]


@pytest.mark.filterwarnings("ignore:the model is not compiled")
@pytest.mark.parametrize(("name", "method", "order"), ORDERS)
def test_strong_order(name, method, order):
    e = EQUATIONS[name]
    W = BrownianMotion((0, 1), e.noise_shape, seed=11, dt=STEPS[-1])
    calculus = METHODS[method].calculus
    exact = np.array([e.exact(W.increment(0, 1, k), calculus) for k in range(PATHS)])
    options = {"noise": e.noise, "calculus": calculus, "method": method, "brownian": W, "paths": PATHS}
    errors = []
    for dt in STEPS:
        sol = solve_sde(e.drift, e.diffusion, (0, 1), e.y0, dt=dt, t_eval=[1.0], **options)
        errors.append(np.mean(np.abs(sol.y[..., 0] - exact)))
    assert not abs(slope(errors) - order) > 0.15, errors


# The last step decides against the same method with steps eight times finer on the same path.
SELF = [
    ("EulerMaruyama", "additive", 1.0),
    ("SRA1", "additive", 1.5),
    ("SRA3", "additive", 1.5),
    ("Heun", "general", 0.5),
    ("EulerMaruyama", "general", 0.5),
]


@pytest.mark.parametrize(("method", "noise", "order"), SELF)
def test_strong_order_against_fine_steps(method, noise, order):
    if noise == "additive":
        drift = lambda t, y: np.sin(3 * y) - y  # noqa: E731
        diffusion = lambda t, y: np.array([0.8 + 0.2 * np.cos(t)])  # noqa: E731
        y0, shape = [0.4], (1,)
    else:  # the second noise sees the first: Levy areas matter
        drift = lambda t, y: 0.1 * y  # noqa: E731
        diffusion = lambda t, y: np.array([[1.0, 0.0], [0.0, y[0]]])  # noqa: E731
        y0, shape = [1.0, 0.0], (2,)
    W = BrownianMotion((0, 1), shape, seed=5, dt=STEPS[-1] / 16)
    calculus = "ito" if method == "EulerMaruyama" else METHODS[method].calculus
    options = {"noise": noise, "calculus": calculus, "method": method, "brownian": W, "paths": PATHS}
    run = lambda dt: solve_sde(drift, diffusion, (0, 1), y0, dt=dt, t_eval=[1.0], **options).y  # noqa: E731
    fine = run(W.dt)
    errors = [np.sqrt(np.mean((run(dt) - fine) ** 2)) for dt in STEPS]
    # half orders are met from above: the fine solution shares the error's direction
    assert not slope(errors) < order - 0.15, errors
    assert not slope(errors) > order + 0.5, errors


def hermite(count):
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    return nodes, weights / weights.sum()


@pytest.mark.parametrize(
    ("method", "order"), [("EulerMaruyama", 1.0), ("SRIW1", 2.0), ("SOSRI", 1.5), ("DRI1", 2.0)]
)
def test_weak_order(method, order):
    """Moments of geometric Brownian motion under the method, by exact expectation over one step's noise."""
    method = METHODS[method]
    drift, diffusion = (lambda t, y: RATE * y), (lambda t, y: NOISE * y)
    errors = []
    for h in STEPS:
        if method.name == "DRI1":
            noise, weights = np.sqrt(h) * np.array([-2.0, 0.0, 2.0]), np.array([1 / 6, 2 / 3, 1 / 6])
        else:
            nodes, weights = hermite(12)
            noise = np.sqrt(h) * nodes
        if method.space_time:
            z, v = hermite(6)
            noise = (np.repeat(noise, 6), np.tile(np.sqrt(h / 12) * z, len(noise)))
            weights = np.outer(weights, v).ravel()
        growth = method.fixed(drift, diffusion, np.multiply, 0.0, h, np.ones(weights.size), noise, ())
        count = round(1 / h)
        first, second = (weights @ growth) ** count, (weights @ growth**2) ** count
        errors.append(max(abs(first / np.exp(RATE) - 1), abs(second / np.exp(2 * RATE + NOISE**2) - 1)))
    assert not abs(slope(errors) - order) > 0.15, errors


def test_adaptive_steps_stay_on_the_path():
    e = EQUATIONS["diagonal"]
    W = BrownianMotion((0, 1), (2,), seed=4)
    exact = e.exact(W.increment(0, 1), "ito")
    for method in ("SRIW1", "SOSRI"):
        errors, steps = [], []
        for rtol in (1e-2, 1e-3, 1e-4, 1e-5):
            sol = solve_sde(
                e.drift, e.diffusion, (0, 1), e.y0, method=method, rtol=rtol, atol=rtol, brownian=W
            )
            assert sol.success and sol.t[0] == 0 and sol.t[-1] == 1 and np.all(np.diff(sol.t) > 0)
            errors.append(np.max(np.abs(sol.y[:, -1] - exact)))
            steps.append(len(sol.t) - 1)
        assert not errors[-1] > 1e-3 and not errors[-1] > errors[0] / 20, errors
        assert steps == sorted(steps) and steps[-1] > 2 * steps[0], steps


def test_adaptive_output_times_are_exact_on_the_path():
    W = BrownianMotion((0, 1), (1,), seed=9)
    times = np.array([0.0, 0.123, 0.5, 0.77])
    sol = solve_sde(
        lambda t, y: 0 * y, lambda t, y: 0 * y + 1.0, (0, 1), [0.0], noise="additive", method="SRA3",
        rtol=1e-3, t_eval=times, brownian=W,
    )  # fmt: skip
    assert np.array_equal(sol.t, times)
    assert not np.max(np.abs(sol.y[0] - W(times)[0])) > 1e-12


@pytest.mark.parametrize("dt", [0.1, 0.03])
def test_fixed_output_times_are_exact_on_the_path(dt):
    W = BrownianMotion((0, 1), (1,), seed=9, dt=dt)
    times = np.array([0.0, 0.1, 0.123, 0.5, 0.77, 1.0])
    for method in ("EulerMaruyama", "SRA1"):
        sol = solve_sde(
            lambda t, y: 0 * y, lambda t, y: 0 * y + 1.0, (0, 1), [0.0], noise="additive", method=method,
            dt=dt, t_eval=times, brownian=W,
        )  # fmt: skip
        assert not np.max(np.abs(sol.y[0] - W(times)[0])) > 1e-12


def test_a_path_does_not_depend_on_the_output_times():
    e = EQUATIONS["diagonal"]
    options = {"dt": 1 / 64, "seed": 3, "method": "SRIW1"}
    all_ = solve_sde(e.drift, e.diffusion, (0, 1), e.y0, **options)
    some = solve_sde(e.drift, e.diffusion, (0, 1), e.y0, t_eval=[0.25, 1.0], **options)
    odd = solve_sde(e.drift, e.diffusion, (0, 1), e.y0, t_eval=[0.26, 1.0], **options)
    assert np.array_equal(all_.y[:, [16, 64]], some.y)
    assert not np.max(np.abs(odd.y[:, 1] - some.y[:, 1])) > 1e-3  # one more step, on the same path
    longer = solve_sde(e.drift, e.diffusion, (0, 2), e.y0, **options)
    assert np.array_equal(longer.y[:, :65], all_.y)


def test_tableaus_check_themselves():
    for tableau, field in ((SRA1, "beta2"), (SRIW1, "beta3"), (SRIW1, "B1")):
        value = getattr(tableau, field)
        wrong = tuple(2 * x for x in value) if isinstance(value[0], (int, float)) else value[::-1]
        with pytest.raises(ValueError, match="fails by"):
            dataclasses.replace(tableau, **{field: wrong})


def gbm(**changes):
    options = {
        "drift": lambda t, y: y,
        "diffusion": lambda t, y: y,
        "t_span": (0, 1),
        "y0": [1.0, 2.0],
        "dt": 0.1,
    }
    options |= changes
    return solve_sde(
        options.pop("drift"), options.pop("diffusion"), options.pop("t_span"), options.pop("y0"), **options
    )


BAD = [
    ({"dt": -0.1}, "dt = -0.1 must be positive"),
    ({"dt": None}, "either dt"),
    ({"rtol": 1e-3}, "either dt"),
    ({"noise": "pink"}, "diagonal, scalar, additive, general"),
    ({"noise": "general"}, r"diffusion returns shape \(2,\)"),
    ({"diffusion": lambda t, y: np.ones((2, 3))}, r"diffusion returns shape \(2, 3\)"),
    ({"diffusion": lambda t, y: np.ones((3, 2)), "noise": "general"}, r"diffusion returns shape \(3, 2\)"),
    ({"drift": lambda t, y: np.ones(3)}, r"drift returns shape \(3,\)"),
    ({"method": "Heun"}, "sense of Stratonovich"),
    ({"method": "SRIW1", "calculus": "stratonovich"}, "sense of Ito"),
    ({"calculus": "newton"}, "calculus = 'newton'"),
    ({"method": "RK45"}, "EulerMaruyama"),
    ({"method": "SRA1"}, "for additive noise"),
    ({"method": "EulerMaruyama", "dt": None, "rtol": 1e-3}, "no error estimate"),
    ({"t_span": (1, 0)}, "increase"),
    ({"t_eval": [0.5, 0.2]}, "t_eval must increase"),
    ({"t_eval": [0.5, 1.2]}, "lie in t_span"),
    ({"paths": 0}, "paths = 0"),
    ({"y0": [1.0, np.nan]}, "y0 holds values that are not finite"),
    ({"brownian": BrownianMotion((0, 0.5), 2)}, "leaves the span"),
    ({"brownian": BrownianMotion((0, 1), 3)}, "noise of shape"),
    ({"brownian": BrownianMotion((0, 1), 2), "seed": 1}, "seed or brownian"),
    ({"quantiles": [0.5]}, "give paths"),
    ({"quantiles": [1.5], "paths": 4}, "must lie in"),
]


@pytest.mark.parametrize("case", range(len(BAD)))
def test_wrong_calls(case):
    changes, words = BAD[case]
    with pytest.raises(ValueError, match=words):
        gbm(**changes)


def test_failures_say_where():
    sol = gbm(drift=lambda t, y: y**3, y0=[30.0, 1.0], seed=0, paths=3, t_eval=[1.0], method="EulerMaruyama")
    assert not sol.success and sol.status == -1
    assert "not finite" in sol.message and "path 0" in sol.message
    few = gbm(dt=None, rtol=1e-6, seed=0, max_steps=5)
    assert not few.success and "max_steps = 5" in few.message


@pytest.mark.filterwarnings("ignore:the model is not compiled")
def test_models_that_do_not_compile_give_the_same():
    def drift(t, y):
        return eval("0.5 * y")

    same = gbm(drift=lambda t, y: 0.5 * y, seed=2, paths=3)
    with pytest.warns(UserWarning, match="not compiled"):
        slow = gbm(drift=drift, seed=2, paths=3)
    assert not np.max(np.abs(slow.y - same.y)) > 1e-12
