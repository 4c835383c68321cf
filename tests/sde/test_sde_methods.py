"""Methods for stochastic equations: adaptive steps, output times, tableaus, bad input."""

import dataclasses

import numpy as np
import pytest

import sciad as ad
from benchmarks.sde_orders import EQUATIONS
from sciad.solvers import BrownianMotion, solve_sde
from sciad.solvers.sde.stochastic_methods import SRA1, SRIW1


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


def test_nothing_happens_after_the_last_output():
    """Cubic growth that reaches infinity later: outputs before, and their gradient, are finite."""

    def loss(p, t_eval, **options):
        sol = solve_sde(
            lambda t, y, p: p * y**3, lambda t, y, p: 0.5 * y, (0, 1), [0.8], args=(p,), seed=12, paths=17,
            t_eval=t_eval, **options,
        )  # fmt: skip
        return np.sum(sol.y[..., -1])

    for options in ({"dt": 0.02, "method": "EulerMaruyama"}, {"rtol": 1e-2, "method": "SRIW1"}):
        assert ad.grad(loss)(0.5, [0.1, 0.2], **options) > 0
        assert ad.grad(loss)(0.5, [0.0], **options) == 0


def test_paths_shared_with_levy_areas():
    """The integral of W1 dW2 is exact in steps of any size, output times between them included."""
    columns = lambda t, y: np.stack([np.stack([1 + 0 * y[0], 0 * y[0]]), np.stack([0 * y[0], y[0]])])  # noqa: E731
    W = BrownianMotion((0, 2), 2, seed=4, dt=0.1)
    times = (0.5, 0.777, 1.7)
    exact = np.array(
        [
            [0.5 * np.prod(W.increment(0.3, t, k)) + W.levy_area(0.3, t, k)[0, 1] for t in times]
            for k in range(19)
        ]
    )
    for dt in (0.1, 0.23, 0.05):
        sol = solve_sde(
            lambda t, y: 0 * y, columns, (0.3, 1.7), [0.0, 0.0], noise="general", method="Milstein", dt=dt,
            brownian=W, paths=19, t_eval=times,
        )  # fmt: skip
        assert not np.max(np.abs(sol.y[:, 1] - exact)) > 1e-13
    with pytest.raises(ValueError, match="resolves Levy areas"):
        gbm(diffusion=columns, noise="general", method="Milstein", dt=0.001, brownian=W)


def test_general_noise_of_one_column_is_scalar_noise():
    for y0 in (1.0, [1.0, 2.0]):
        for method in ("Milstein", "DRI1"):
            options = {"y0": y0, "dt": 0.02, "method": method, "paths": 4}
            W = BrownianMotion((0, 1), 1, seed=3, dt=0.02)
            scalar = gbm(diffusion=lambda t, y: 0.2 * y * y, noise="scalar", seed=3, **options)
            column = gbm(
                diffusion=lambda t, y: np.stack([0.2 * y * y], axis=-1),
                noise="general",
                brownian=W,
                **options,
            )
            assert not np.max(np.abs(scalar.y - column.y)) > 1e-11


def test_diagonal_noise_that_mixes_components_is_told():
    with pytest.warns(UserWarning, match=r"component 0 .* SRIW1 then loses its order"):
        gbm(diffusion=lambda t, y: y[::-1], method="SRIW1", seed=1)


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
    ({"dt": -0.1}, "dt must be positive, but is -0.1"),
    ({"dt": np.nan}, "dt must be positive, but is nan"),
    ({"dt": "a"}, "dt must be positive, but is 'a'"),
    ({"dt": 1e-15}, "too many"),
    ({"dt": None, "rtol": -1e-3, "method": "SRIW1"}, "rtol must not be negative or NaN, but is -0.001"),
    ({"dt": None, "rtol": 0, "atol": 0, "method": "SRIW1"}, "both zero"),
    (
        {"dt": None, "rtol": 1e-3, "first_step": -1, "method": "SRIW1"},
        "first_step must be positive, but is -1",
    ),
    ({"dt": None, "rtol": 1e-3, "max_step": 0, "method": "SRIW1"}, "max_step must be positive, but is 0"),
    ({"threads": 0, "paths": 20}, "threads = 0"),
    ({"seed": 1.5}, "seed = 1.5 must be an integer"),
    ({"t_span": (0, 1, 2)}, "two times"),
    ({"t_span": (0, np.inf)}, "finite"),
    ({"noise": "additive"}, "changes with y"),
    ({"noise": "additive", "method": "Heun"}, "changes with y"),
    ({"method": "ReversibleHeun"}, "sense of Stratonovich"),
    ({"method": "EulerMaruyama", "calculus": "stratonovich"}, "sense of Ito"),
    ({"noise": "scalar", "diffusion": lambda t, y: np.ones((2, 1))}, r"scalar noise wants that of the state"),
    ({"noise": "general", "diffusion": lambda t, y: np.ones(2)}, r"general noise wants \(2, 'm'\)"),
    ({"t_eval": [0.5, 0.5 + 1e-13]}, "same time"),
    ({"y0": []}, "holds no numbers"),
    ({"brownian": np.zeros(3)}, "not a BrownianMotion"),
    ({"brownian": BrownianMotion((0, 1), 2, increments=np.zeros((3, 10, 2))), "paths": 4}, "of 3 paths"),
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
    ({"t_eval": [0.5, 0.2]}, "not properly sorted"),
    ({"t_eval": [0.5, 0.5]}, "given twice"),
    ({"t_eval": [0.5, 1.2]}, "not within `t_span`"),
    ({"paths": 0}, "paths = 0"),
    ({"y0": [1.0, np.nan]}, r"`y0` must be finite. y0\[1\] is nan"),
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


@pytest.mark.filterwarnings("ignore:.*not compiled")
def test_models_that_do_not_compile_give_the_same():
    def drift(t, y):
        return eval("0.5 * y")

    same = gbm(drift=lambda t, y: 0.5 * y, seed=2, paths=3)
    with pytest.warns(UserWarning, match="not compiled"):
        slow = gbm(drift=drift, seed=2, paths=3)
    assert not np.max(np.abs(slow.y - same.y)) > 1e-12


@pytest.mark.parametrize("whole", [np.array([1, 2]), np.array(3), np.int64(2), 2, np.array([True, False])])
def test_integers_in_args_are_not_read_as_the_parameters_after_them(whole):
    """Euler's steps of dy = -c k y without noise, k of whole numbers, then c a float."""
    sol = solve_sde(
        lambda t, y, k, c: -c * k * y, lambda t, y, k, c: 0.0 * y, (0, 1), [1.0, 1.0], args=(whole, 0.5),
        dt=0.1, method="EulerMaruyama",
    )  # fmt: skip
    assert not np.max(np.abs(sol.y[:, -1] - (1 - 0.05 * np.asarray(whole, float)) ** 10)) > 1e-14
