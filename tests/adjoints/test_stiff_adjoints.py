"""Continuous adjoints along Rosenbrock solves of stiff problems."""

import numpy as np
import pytest

import sciad as ad
from sciad import tree
from sciad.adjoints import BacksolveAdjoint, DiscreteAdjoint, GaussAdjoint, InterpolatingAdjoint
from sciad.solvers import SolverError, solve_ivp
from tests.problems.adjoint_list import CONTINUOUS, adjoint_name
from tests.problems.comparisons import relative
from tests.problems.ode_models import MODELS

# Model, end of its span and outputs on the way.
PROBLEMS = {
    "robertson": (1e5, np.concatenate([[0.0], np.logspace(-5, 5, 21)])),
    "hires": (321.8122, np.linspace(0.0, 321.8122, 9)),
    "oregonator": (360.0, np.linspace(0.0, 360.0, 9)),
}
SIZES = {"robertson": np.array([[1.0], [1e4], [1.0]])}


def loss(name, ends_only, **keywords):
    """Sum of the squares of the outputs, components of one size."""
    model, (end, times) = MODELS[name], PROBLEMS[name]

    def f(args):
        y = solve_ivp(
            *(model.fun, (0.0, end), np.asarray(model.y0, dtype=float), "Rodas5P"),
            **{
                "t_eval": times[-1:] if ends_only else times,
                "args": args,
                "rtol": 1e-6,
                "atol": 1e-9,
                **keywords,
            },
        ).y
        return np.sum((y * SIZES.get(name, 1.0)) ** 2)

    return f


def scaled(gradient, args):
    """Gradient with respect to the logarithms of the parameters."""
    return np.concatenate(
        [np.ravel(g) * np.ravel(a) for g, a in zip(*map(tree.tree_leaves, (gradient, args)), strict=True)]
    )


@pytest.mark.parametrize("ends_only", [False, True], ids=["outputs on the way", "end only"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_continuous_adjoints_along_rosenbrock_steps(name, ends_only):
    args = MODELS[name].args
    reference = scaled(ad.grad(loss(name, ends_only, rtol=1e-10, atol=1e-13))(args), args)
    for adjoint in (DiscreteAdjoint(), InterpolatingAdjoint(), GaussAdjoint()):
        found = scaled(ad.grad(loss(name, ends_only, adjoint=adjoint))(args), args)
        assert not np.abs(found - reference).max() > 1e-4 * np.abs(reference).max(), type(adjoint).__name__


@pytest.mark.parametrize("rtol", [1e-3, 1e-6])
@pytest.mark.parametrize("ends_only", [False, True])
def test_backsolve_never_returns_a_wrong_gradient(ends_only, rtol):
    """Robertson cannot be integrated backwards; large steps may seem to succeed."""
    model = MODELS["robertson"]
    with pytest.raises(SolverError, match="BacksolveAdjoint"):
        ad.grad(loss("robertson", ends_only, rtol=rtol, atol=1e-9, adjoint=BacksolveAdjoint()))(model.args)


def driven(t, y, p):
    """Non-autonomous in a way that needs the derivative of the adjoint equation in time."""
    return np.array([-p[0] * (y[0] - np.cos(p[1] * t) * y[1]), -p[2] * y[1] ** 2 * np.sin(t)])


@pytest.mark.parametrize("adjoint", CONTINUOUS, ids=adjoint_name)
def test_order_and_times_along_a_rosenbrock_method(adjoint):
    """As accurate as the tolerance says, in few steps, and differentiable in the times too."""

    def f(y0, p, times, t0, **keywords):
        keywords = {"args": (p,), "t_eval": times, "rtol": 1e-9, "atol": 1e-11, **keywords}
        y = solve_ivp(driven, (t0, 2.0), y0, "Rodas5P", **keywords).y
        return np.sum(y[0] ** 2 * np.array([1.0, -2.0, 3.0])) + np.sum(y[1])

    at = (np.array([1.0, 0.8]), np.array([3.0, 1.5, 0.7]), np.array([0.4, 1.1, 2.0]), 0.1)
    found = ad.grad(f, argnums=(0, 1, 2, 3))(*at, adjoint=adjoint)
    relative(found, ad.grad(f, argnums=(0, 1, 2, 3))(*at, rtol=1e-11, atol=1e-13), 1e-6)


def test_what_fails_is_named():
    with pytest.raises(ad.NotDifferentiable, match="mass matrix"):
        keywords = {"mass_matrix": np.eye(1), "adjoint": GaussAdjoint()}
        ad.grad(lambda y0: solve_ivp(lambda t, y: -y, (0, 1), y0, "Rodas5P", **keywords).y[0, -1])(np.ones(1))
    with pytest.raises(SolverError, match=r"backward solve of InterpolatingAdjoint failed: .*max_steps=3"):
        ad.grad(loss("robertson", False, adjoint=InterpolatingAdjoint(max_steps=3)))(MODELS["robertson"].args)
