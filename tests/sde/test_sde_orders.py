"""Strong and weak orders of the methods for stochastic equations, for every kind of noise."""

import numpy as np
import pytest

from benchmarks.sde_orders import (
    NOISE,
    NOISES,
    RATE,
    WEAK_STEPS,
    slope,
    step_noise,
    strong_errors,
    theory,
    weak_errors,
)
from sciad.solvers.sde.stochastic_methods import METHODS

EVERY = [(noise, method) for noise, methods in NOISES.items() for method in methods]
STRONG = [case for case in EVERY if theory(case[1], case[0])[0]]
OFTEN = {
    "diagonal": ("EulerMaruyama", "Milstein", "StratonovichMilstein", "EulerHeun", "Heun", "Midpoint",
                 "SRIW1", "SOSRI"),
    "scalar": ("Heun", "SRIW1"),
    "additive": ("EulerMaruyama", "Heun", "SRA1", "SRA3"),
    "commutative": ("EulerMaruyama", "Heun", "Midpoint", "EulerHeun", "ReversibleHeun"),
    "non-commutative": ("EulerMaruyama", "Heun", "Milstein", "StratonovichMilstein"),
}  # fmt: skip
SLOW = [(noise, "ReversibleHeun") for noise in ("scalar", "commutative", "non-commutative")]


@pytest.mark.parametrize(("noise", "method"), [case for case in STRONG if case[1] in OFTEN[case[0]]])
def test_strong_order(noise, method):
    steps = [2.0**-k for k in range(4, 8)]
    errors = strong_errors(method, noise, steps, paths=400)
    assert not abs(slope(steps, errors) - theory(method, noise)[0]) > 0.15, errors


@pytest.mark.long
@pytest.mark.parametrize(("noise", "method"), STRONG)
def test_strong_order_of_many_paths_and_small_steps(noise, method):
    steps = [2.0**-k for k in range(5, 10)]
    errors = strong_errors(method, noise, steps, paths=2000)
    assert not abs(slope(steps, errors) - theory(method, noise)[0]) > 0.1, errors


@pytest.mark.parametrize(
    ("noise", "method"),
    [pytest.param(*case, marks=pytest.mark.long if case in SLOW else ()) for case in EVERY],
)
def test_weak_order(noise, method):
    errors = weak_errors(method, noise, WEAK_STEPS)
    assert not abs(slope(WEAK_STEPS, errors) - theory(method, noise)[1]) > 0.1, errors


@pytest.mark.parametrize("method", ["EulerMaruyama", "SRIW1", "DRI1"])
def test_weak_order_for_linear_noise(method):
    """Moments of geometric Brownian motion, by exact expectation over a step: SRIW1 gains half an order."""
    method = METHODS[method]
    order = {"EulerMaruyama": 1.0}.get(method.name, 2.0)
    errors = []
    for h in WEAK_STEPS:
        first = second = 0.0
        for weight, w in step_noise(method.noise, 1, h, three=method.name == "DRI1"):
            y = method.fixed(
                lambda t, y: RATE * y, lambda t, y: NOISE * y, np.multiply, 0.0, h, np.ones(1), w, ()
            )
            first, second = first + weight * y[0], second + weight * y[0] ** 2
        count = round(1 / h)
        errors.append(
            max(abs(first**count / np.exp(RATE) - 1), abs(second**count / np.exp(2 * RATE + NOISE**2) - 1))
        )
    assert not abs(slope(WEAK_STEPS, errors) - order) > 0.1, errors
