"""Gradients of random solves, in any units, against differences of tight solves by SciPy."""

import warnings

import numpy as np
import pytest

import sciad as ad
from sciad import adjoints
from sciad.solvers import solve_ivp
from tests.problems.random_solves import KINKED, random_solve, reference, solved

BATCH = 20
BOUND = 1e-4  # of the largest derivative or of one, whichever is more


def check(seed: int) -> bool | None:
    """Whether a gradient and a value are right; None where differences cannot judge."""
    case = random_solve(seed)
    adjoint = getattr(adjoints, case.adjoint)()
    x, direction = case.x, np.random.default_rng(seed + 10**6).normal(size=6)
    h = 1e-4 / np.abs(direction).max()
    (value, count), low, high = (reference(case, x + s * h * direction) for s in (0, -1, 1))
    if not count == low[1] == high[1]:
        return None  # an event comes or goes: no derivative
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        found = solved(case, x, solve_ivp)
        gradient = ad.grad(lambda x: solved(case, x, solve_ivp, adjoint))(x)
    if case.model in KINKED and abs(high[0] - 2 * value + low[0]) > 1e-3 * h:
        return None  # the reference itself has a kink here
    slope = (high[0] - low[0]) / (2 * h)
    right = abs(found - value) <= 1e-5 * max(1.0, abs(value))
    return right and bool(abs(gradient @ direction - slope) <= BOUND * max(1.0, np.abs(gradient).max()))


def run(seeds) -> None:
    results = {seed: check(seed) for seed in seeds}
    wrong = [seed for seed, result in results.items() if result is False]
    assert not wrong, [random_solve(seed) for seed in wrong]
    assert sum(result is not None for result in results.values()) > 0.7 * len(results)


@pytest.mark.parametrize("first", range(0, 300, BATCH))
def test_gradients_of_random_solves(first):
    run(range(first, first + BATCH))


@pytest.mark.long
@pytest.mark.parametrize("first", range(300, 3300, 100))
def test_gradients_of_more_random_solves(first):
    run(range(first, first + 100))
