"""`adjoints.explain` tells what was chosen and what was measured."""

import numpy as np
import pytest

import sciad as ad
from sciad import adjoints
from sciad.solvers import solve_ivp
from tests.problems.ode_models import MODELS

LV = MODELS["lotka_volterra"]
TIMES = np.linspace(0, 5, 21)


def solved(p=LV.args[0], **keywords):
    keywords = {"method": "Tsit5", "t_eval": TIMES, "rtol": 1e-6, "atol": 1e-8, **keywords}
    return solve_ivp(LV.fun, (0, 5.0), LV.y0, args=(p,), **keywords)


def test_every_method_is_measured():
    found = adjoints.explain(solved())
    assert type(found.chosen).__name__ == "DiscreteAdjoint" and "exact" in found.why
    assert (found.states, found.parameters, found.outputs, found.method) == (2, 4, 21, "Tsit5")
    assert not found.stiff and found.steps == solved().accepted
    costs = {cost.name: cost for cost in found.costs}
    assert set(costs) >= {"DiscreteAdjoint", "ForwardSensitivity", "InterpolatingAdjoint", "BacksolveAdjoint"}
    assert all(cost.seconds > 0 for cost in found.costs) and found.forward > 0
    assert costs["ForwardSensitivity"].digits > 10 and 3 < costs["GaussAdjoint"].digits < 10
    text = repr(found)
    assert text.count("\n") == 8 and "GaussAdjoint" in text and "2 states, 4 parameters" in text


def test_failures_are_shown():
    """The way back of a fast decay is unstable."""
    model = lambda t, y, k: -k * (y - np.cos(t))  # noqa: E731
    sol = solve_ivp(model, (0, 3.0), np.array([0.5]), "Tsit5", [3.0], args=(50.0,), rtol=1e-6)
    costs = {cost.name: cost for cost in adjoints.explain(sol).costs}
    assert costs["BacksolveAdjoint"].seconds is None and "fails" in costs["BacksolveAdjoint"].note
    assert costs["DiscreteAdjoint"].seconds > 0


def test_inside_of_a_derivative_and_as_asked_for():
    seen = []

    def loss(p):
        adjoint = adjoints.DiscreteAdjoint(memory=1e3)
        sol = solved(p, adjoint=adjoint, method="auto", rtol=1e-9)
        seen.append(adjoints.explain(sol, measure=False))
        return np.sum(sol.y)

    ad.grad(loss)(LV.args[0])
    assert "asked for" in seen[0].why and "budget" in seen[0].why and seen[0].forward is None
    assert seen[0].method == "Tsit5"


def test_stiffness_is_told():
    model = MODELS["robertson"]
    sol = solve_ivp(model.fun, (0, 10.0), model.y0, "auto", args=model.args, t_eval=[10.0])
    found = adjoints.explain(sol, measure=False)
    assert found.stiff and found.method == "Rodas5P"


def test_other_things_are_refused():
    with pytest.raises(TypeError, match="solve_ivp"):
        adjoints.explain(np.zeros(3))
