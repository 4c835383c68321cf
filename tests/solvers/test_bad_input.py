"""Wrong calls of solve_ivp: each says what is wrong, where, and what to do."""

import re

import numpy as np
import pytest

import sciad as ad
from sciad.solvers import SolverError, solve_ivp


def decay(t, y, rate):
    return -rate * y


def breaks_at_3_2(t, y, rate):
    return -rate * y * np.sqrt(3.2 - t)


GOOD = {"fun": decay, "t_span": (0.0, 5.0), "y0": np.array([1.0, 2.0]), "args": (0.5,), "method": "Tsit5"}

# what is wrong -> (arguments, exception, words of the message)
WRONG = {
    "NaN in y0": ({"y0": np.array([1.0, np.nan])}, ValueError, "y0.*1"),
    "NaN in the parameters": ({"args": (np.nan,)}, ValueError, "args"),
    "t_eval outside": ({"t_eval": np.array([0.0, 6.0])}, ValueError, "t_eval.*6"),
    "t_eval unsorted": ({"t_eval": np.array([0.0, 2.0, 1.0])}, ValueError, "t_eval"),
    "negative rtol": ({"rtol": -1e-3}, ValueError, "rtol"),
    "zero tolerances": ({"rtol": 0.0, "atol": 0.0}, ValueError, "rtol|atol"),
    "atol of wrong length": ({"atol": np.array([1e-6, 1e-6, 1e-6])}, ValueError, "atol"),
    "unknown method": ({"method": "Tsit6"}, ValueError, "Tsit6.*Tsit5"),
    "model of wrong length": (
        {"fun": lambda t, y, rate: np.array([-rate * y[0]])},
        ValueError,
        r"\(?1,?\)?.*2",
    ),
    "t_span of three": ({"t_span": (0.0, 1.0, 2.0)}, ValueError, "t_span"),
    "negative max_step": ({"max_step": -1.0}, ValueError, "max_step"),
    "first_step too long": ({"first_step": 50.0}, ValueError, "first_step"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_call(case):
    arguments, exception, words = WRONG[case]
    assert solve_ivp(**GOOD).success
    with pytest.raises(exception) as caught:
        solve_ivp(**GOOD | arguments)
    assert re.search(words, str(caught.value), flags=re.DOTALL), str(caught.value)


def test_model_that_becomes_nan_fails_with_time_and_component():
    solution = solve_ivp(**GOOD | {"fun": breaks_at_3_2})
    assert not solution.success
    assert solution.status < 0
    where = re.search(r"t = (\d+\.\d+)", solution.message)
    assert where and abs(float(where[1]) - 3.2) < 0.1, solution.message
    assert solution.t[-1] < 3.2 and np.all(np.isfinite(solution.y))


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_failed_solve_raises_under_differentiation(mode):
    def loss(rate):
        return np.sum(solve_ivp(**GOOD | {"fun": breaks_at_3_2, "args": (rate,)}).y)

    with pytest.raises(SolverError, match=r"3\.\d"):
        if mode == "reverse":
            ad.grad(loss)(0.5)
        else:
            ad.jvp(loss, (0.5,), (1.0,))


@pytest.mark.filterwarnings("ignore::sciad.solvers.model.build_model.InterpretedModel")
@pytest.mark.parametrize(
    "rate", [2, np.int64(4), np.int64(5), True, np.array(2), np.array(3), np.array([1, 2]), np.array([1, 3])]
)
def test_integers_in_args_are_never_those_of_another_call(rate):
    y = solve_ivp(lambda t, y, k: -k * y, (0, 1), np.ones(2), "Tsit5", args=(rate,), rtol=1e-8, atol=1e-10).y
    assert not np.abs(y[:, -1] - np.exp(-np.asarray(rate, float))).max() > 1e-6
