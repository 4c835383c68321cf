"""The same mistake is the same error, whichever solver is called: models that raise."""

import threading

import numpy as np
import pytest

import sciad as ad
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
