"""The same mistake is the same error, whichever solver is called: models that raise."""

import threading

import numpy as np
import pytest

import sciad as ad
from sciad.adjoints import DiscreteAdjoint
from sciad.solvers import solve_ivp, solve_sde


def by_ivp(model, **options):
    return solve_ivp(model, (0, 1), np.ones(2), "Tsit5", **options)


def by_sde(model, **options):
    return solve_sde(
        model, lambda t, y: 0.1 * y, (0, 1), np.ones(2), dt=0.1, seed=1, method="EulerMaruyama", **options
    )


def overflows(t, y):
    if t > 0.5:
        raise OverflowError("too large")
    return -y


def overflows_in_python(t, y):
    if eval("t > 0.5"):
        raise OverflowError("too large")
    return -y


def is_complex(t, y):
    return eval("1j") * y


RAISING = [
    (overflows, OverflowError, "too large"),
    (overflows_in_python, OverflowError, "too large"),
    (is_complex, TypeError, "complex"),
]


@pytest.mark.filterwarnings("ignore:.*not compiled")
@pytest.mark.parametrize("model, error, words", RAISING)
@pytest.mark.parametrize("solve", [by_ivp, by_sde])
def test_models_that_raise(solve, model, error, words):
    with pytest.raises(error, match=words):
        solve(model)


@pytest.mark.filterwarnings("ignore:.*not compiled")
def test_paths_on_several_threads_raise_the_error_of_the_model():
    """Every thread keeps the error that its own call met."""
    met = threading.Barrier(2, timeout=20)

    def model(t, y):
        if eval("t > 0.05"):
            met.wait()
            raise KeyError("mine")
        return -y

    with pytest.raises(KeyError, match="mine"):
        by_sde(model, paths=40, threads=2)


@pytest.mark.filterwarnings("ignore:.*not compiled")
def test_models_in_python_may_take_the_time_apart():
    def model(t, y, k):
        return -k * (1.0 + int(float(t) * 10)) * eval("y")

    def loss(k):
        sol = solve_sde(
            model, lambda t, y, k: 0.1 * y, (0, 1), np.ones(2), args=(k,), dt=0.1, seed=1, noise="diagonal",
            method="EulerMaruyama",
        )  # fmt: skip
        return np.sum(sol.y[:, -1])

    exact = (loss(0.3 + 1e-6) - loss(0.3 - 1e-6)) / 2e-6
    assert not abs(ad.grad(loss)(0.3) / exact - 1) > 1e-7
    assert not abs(ad.jvp(loss, (0.3,), (1.0,))[1] / exact - 1) > 1e-7


# what is wrong -> (arguments, exception, words of the message); of the one and of the other solver
MISTAKES = {
    "args is a number": ({"args": 2.0}, TypeError, "'args' cannot be unpacked"),
    "args is an array": ({"args": np.ones(2)}, TypeError, r"\(p,\), with the comma"),
    "args is a dict": ({"args": {"k": 1.0}}, TypeError, "'args' cannot be unpacked"),
    "args hold NaN": ({"args": (1.0, np.array([0.0, np.nan]))}, ValueError, r"in args\[1\]\[1\].* is nan"),
    "args hold infinity": ({"args": (np.inf,)}, ValueError, r"parameter 0 of args .* is inf"),
    "t_span of three": ({"t_span": (0, 1, 2)}, ValueError, "t_span must be two times"),
    "t_span is a number": ({"t_span": 1.0}, ValueError, "t_span must be two times"),
    "t_span starts at NaN": ({"t_span": (np.nan, 1.0)}, ValueError, "the first of them finite"),
    "t_span ends at NaN": ({"t_span": (0.0, np.nan)}, ValueError, "t_span must be two times"),
    "y0 holds NaN": ({"y0": [1.0, np.nan]}, ValueError, r"`y0` must be finite. y0\[1\] is nan"),
    "y0 is text": ({"y0": ["a", "b"]}, ValueError, "y0 must be numbers"),
    "y0 is None": ({"y0": None}, (ValueError, TypeError), "y0"),
    "negative rtol": ({"rtol": -1e-3}, ValueError, "rtol must not be negative or NaN, but is -0.001"),
    "rtol is NaN": ({"rtol": np.nan}, ValueError, "rtol must not be negative or NaN"),
    "rtol is text": ({"rtol": "tight"}, ValueError, "rtol must be numbers"),
    "negative atol": ({"atol": -1.0}, ValueError, "atol must not be negative"),
    "no tolerance": ({"rtol": 0, "atol": 0}, ValueError, "both zero"),
    "first_step of zero": ({"rtol": 1e-3, "first_step": 0.0}, ValueError, "first_step must be positive"),
    "first_step is text": ({"rtol": 1e-3, "first_step": "a"}, ValueError, "first_step must be positive"),
    "first_step too long": ({"rtol": 1e-3, "first_step": 2.0}, ValueError, "longer than the whole t_span"),
    "negative max_step": ({"rtol": 1e-3, "max_step": -1}, ValueError, "max_step must be positive"),
    "max_step is NaN": ({"rtol": 1e-3, "max_step": np.nan}, ValueError, "max_step must be positive"),
    "no max_steps": ({"rtol": 1e-3, "max_steps": 0}, ValueError, "max_steps must be at least 1"),
    "max_steps is text": ({"rtol": 1e-3, "max_steps": "many"}, ValueError, "max_steps must be at least 1"),
    "t_eval before": ({"t_eval": [-0.1, 0.5]}, ValueError, "not within `t_span`: -0.1"),
    "t_eval after": ({"t_eval": [0.5, 1.2]}, ValueError, "not within `t_span`: 1.2"),
    "t_eval unsorted": ({"t_eval": [0.5, 0.2]}, ValueError, "not properly sorted"),
    "t_eval is a number": ({"t_eval": 0.5}, ValueError, "t_eval must be one-dimensional"),
    "t_eval holds NaN": ({"t_eval": [0.5, np.nan]}, ValueError, "not within `t_span`: nan"),
    "t_eval is text": ({"t_eval": ["a"]}, ValueError, "t_eval must be numbers"),
    "no such method": ({"method": "Tsit6"}, ValueError, "there is no method 'Tsit6'"),
    "method is a number": ({"method": 5}, ValueError, "method must be a name or a method itself, not 5"),
    "adjoint is text": ({"adjoint": "Discrete"}, TypeError, "Did you mean adjoints.DiscreteAdjoint"),
    "adjoint is a class": ({"adjoint": DiscreteAdjoint}, TypeError, "which is the class"),
    "adjoint is none": ({"adjoint": None}, TypeError, "adjoint must be 'auto' or an instance"),
    "model is no function": ({"model": 1.0}, TypeError, "the model comes first"),
    "model returns nothing": ({"model": lambda t, y, *args: None}, ValueError, "is its `return` missing"),
    "model of wrong shape": (
        {"model": lambda t, y, *args: np.ones(3)},
        ValueError,
        r"returns .*\(3,\).*\(2,\)",
    ),
}
OWN_WORDS = {"no such method", "method is a number", "model is no function", "model of wrong shape"}
OWN_WORDS |= {"model returns nothing"}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_refused_alike(case):
    changes, error, words = MISTAKES[case]
    good = {"model": lambda t, y, *args: -y, "t_span": (0, 1), "y0": [1.0, 2.0]}
    texts = []
    for solve in (solve_ivp, solve_sde):
        options = good | changes
        model = [options.pop("model")] + ([lambda t, y, *args: 0.1 * y] if solve is solve_sde else [])
        if solve is solve_sde and not {"rtol", "atol"} & options.keys():
            options["dt"] = 0.1
        with pytest.raises(error, match=words) as caught:
            solve(*model, options.pop("t_span"), options.pop("y0"), **options)
        texts.append((type(caught.value), str(caught.value).replace(solve.__name__, "solve")))
    assert texts[0][0] is texts[1][0]
    assert texts[0] == texts[1] or case in OWN_WORDS or "adjoint" in case


@pytest.mark.parametrize("drift", [overflows, overflows_in_python])
@pytest.mark.filterwarnings("ignore:.*not compiled")
def test_adaptive_steps_raise_the_error_of_the_model(drift):
    with pytest.raises(OverflowError, match="too large"):
        solve_sde(drift, lambda t, y: 0.1 * y, (0, 1), np.ones(2), rtol=1e-3, seed=1)


@pytest.mark.parametrize("mapped", ["y0", "args"])
def test_solves_under_vmap_are_those_one_by_one(mapped):
    def final(x):
        k, y0 = (x, np.ones(2)) if mapped == "args" else (0.5, np.ones(2) * x)
        sol = solve_sde(
            lambda t, y, k: -k * y, lambda t, y, k: 0.1 * y, (0, 1), y0, args=(k,), dt=0.1, seed=1, paths=3
        )
        return sol.y[..., -1]

    values = np.array([0.2, 0.7, 1.1])
    found = ad.vmap(final)(values)
    assert np.shape(found) == (3, 3, 2)
    assert not np.max(np.abs(found - np.stack([final(x) for x in values]))) > 1e-14
