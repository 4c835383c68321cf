"""Gradients under a budget of memory: the same numbers, from steps taken again."""

import tracemalloc

import numpy as np
import pytest

import sciad as ad
from sciad.adjoints import DiscreteAdjoint
from sciad.solvers import solve_ivp
from sciad.solvers.methods.explicit_tableaus import Tsit5
from sciad.solvers.model.build_model import build_model
from sciad.solvers.stepping.integrate import Options, integrate
from tests.problems.ode_models import MODELS
from tests.problems.solve_losses import ROB_K, Y0, P, outputs, robertson_loss

LV = MODELS["lotka_volterra"]
TIMES = np.sort(np.concatenate([np.linspace(0.0, 40.0, 23), [7.5, 7.5]]))


def pendulum_gradient(memory, times=TIMES, **keywords):
    """With respect to everything, times included."""

    def f(y0, p, times, t0):
        y = outputs(y0, p, times, (t0, 40.0), adjoint=DiscreteAdjoint(memory=memory), **keywords)
        return np.sum(y * np.cos(np.arange(y.size)).reshape(y.shape))

    return np.concatenate(
        [np.ravel(x) for x in ad.tree.tree_leaves(ad.grad(f, (0, 1, 2, 3))(Y0, P, times, 0.0))]
    )


# bytes: all kept, parts kept, one part kept, checkpoints given up too
BUDGETS = [1e6, 1e5, 5e4, 2e4]


@pytest.mark.parametrize("memory", BUDGETS)
@pytest.mark.parametrize(
    "keywords",
    [{}, {"method": "Rodas5P", "rtol": 1e-8}, {"method": "KenCarp4", "rtol": 1e-7}, {"method": "auto"}],
    ids=["Tsit5", "Rodas5P", "KenCarp4", "auto"],
)
def test_the_budget_does_not_change_the_gradient(memory, keywords):
    assert np.array_equal(pendulum_gradient(memory, **keywords), pendulum_gradient(None, **keywords))


def test_steps_that_must_be_hit_and_backward_in_time():
    def f(y0, memory):
        keywords = {"tstops": [1.0, 33.3, 12.0], "adjoint": DiscreteAdjoint(memory=memory)}
        return np.sum(outputs(y0, P, TIMES[::-1], (40.0, 0.0), **keywords)[0] ** 2)

    assert np.array_equal(ad.grad(f)(1e-3 * Y0, 2e4), ad.grad(f)(1e-3 * Y0, None))


def test_stiff_problem_under_a_budget():
    small = ad.grad(robertson_loss)(ROB_K, adjoint=DiscreteAdjoint(memory=2e4))
    assert np.array_equal(small, ad.grad(robertson_loss)(ROB_K))


def test_memory_stays_in_the_budget():
    """Some 60 000 steps, which would take 9 MB."""

    def f(y0, memory, end=3e3):
        adjoint = DiscreteAdjoint(memory=memory)
        model = lambda t, y: np.array([y[1], -y[0] - 1e-3 * y[1]])  # noqa: E731
        sol = solve_ivp(model, (0, end), y0, "Tsit5", t_eval=[end], rtol=1e-9, atol=1e-9, adjoint=adjoint)
        return np.sum(sol.y)

    def used(memory):
        ad.grad(f)(Y0, memory, 1.0)  # compiles
        tracemalloc.start()
        gradient = ad.grad(f)(Y0, memory)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return gradient, peak

    gradient, peak = used(1e6)
    everything, needed = used(None)
    assert needed > 5e6 and not peak > 1.1e6
    assert np.array_equal(gradient, everything) and np.abs(gradient).max() > 1e-3


def test_records_that_are_looked_at_are_not_written_over():
    """The memory of a record is used again only when nobody holds it."""
    model, p = build_model(LV.fun, (2,), LV.args)
    ts = np.linspace(0, 300.0, 5)

    def taken(y0):
        return integrate(model, Tsit5, (0.0, 300.0), y0, p, ts, Options(rtol=1e-8, atol=1e-8))

    first = taken(LV.y0)
    before, address = first.record.copy(), first.record.ctypes.data
    assert first.record.nbytes > 2e5  # large enough to be kept
    second = taken(2 * LV.y0)
    assert second.record.ctypes.data != address and np.array_equal(first.record, before)
    view, address = second.y_steps, second.record.ctypes.data
    del first, second
    third = taken(LV.y0)
    assert third.record.ctypes.data != address and view[0, 0] == 2 * LV.y0[0]
    address = third.record.ctypes.data
    del third
    assert taken(LV.y0).record.ctypes.data == address
