"""The shared problems are what they say: SciPy reaches every closed form and every published value."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from tests.problems.ode_models import MODELS


@pytest.mark.parametrize("name", MODELS)
def test_known_answer_solves_the_problem(name):
    model = MODELS[name]
    expected = model.final()
    scale = np.where(expected == 0, 1, np.abs(expected))
    method, rtol = ("Radau", 1e-9) if model.stiff else ("DOP853", 1e-12)
    # An absolute tolerance per component, so that traces many orders smaller than the rest count as well.
    solution = solve_ivp(
        model.fun, model.t_span, model.y0, method, args=model.args, rtol=rtol, atol=1e-3 * rtol * scale
    )
    assert solution.success
    error = np.abs(solution.y[:, -1] - expected) / scale
    assert not np.any(~(error <= 1e-6)), error


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.exact])
def test_closed_form_satisfies_the_equation(name):
    model = MODELS[name]
    t = sum(model.t_span) / 3
    step = 1e-6
    at = [model.exact(t + shift, model.y0, *model.args) for shift in (-step, 0, step)]
    error = np.abs((at[2] - at[0]) / (2 * step) - model.fun(t, at[1], *model.args))
    assert not np.any(~(error <= 1e-6)), error
