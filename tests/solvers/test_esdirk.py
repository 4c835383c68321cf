"""KenCarp4: order, stiff solutions, reuse of factors, gradients."""

import dataclasses

import numpy as np
import pytest

import sciad as ad
from sciad.adjoints import GaussAdjoint
from sciad.solvers import solve_ivp
from sciad.solvers.methods.esdirk import ESDIRK
from sciad.solvers.methods.names import method_named
from tests.problems.ode_models import MODELS

KENCARP4 = method_named("KenCarp4")


def entangled(t, y):
    return np.array(
        [-y[0] * y[0] * np.cos(t) + 0.7 * y[1] * t, y[0] * y[1] * np.sin(3 * t) - y[1] * y[1] - y[0]]
    )


def test_measured_orders():
    fixed = dataclasses.replace(KENCARP4, error=None, name="KenCarp4 with fixed steps")
    y0, tight = np.array([1.0, 0.5]), {"rtol": 1e-12, "atol": 1e-13}
    exact = solve_ivp(entangled, (0.3, 2.3), y0, "Vern9", t_eval=[2.3], **tight).y
    ends, inside = [], []
    for steps in (32, 64):
        h = 2.0 / steps
        got = solve_ivp(entangled, (0.3, 2.3), y0, fixed, t_eval=[2.3], first_step=h, **tight)
        assert got.accepted == steps
        ends.append(np.abs(got.y - exact).max())
        times = [0.3 + 0.65 * h]  # inside of the first step
        got = solve_ivp(entangled, (0.3, 2.3), y0, fixed, t_eval=times, first_step=h, **tight)
        inside.append(
            np.abs(got.y - solve_ivp(entangled, (0.3, 2.3), y0, "Vern9", t_eval=times, **tight).y).max()
        )
    assert 3.8 < np.log2(ends[0] / ends[1]) < 4.5
    assert np.log2(inside[0] / inside[1]) > 3.2  # the error inside of one step


def test_coefficients_are_checked():
    with pytest.raises(ValueError, match="on the diagonal"):
        ESDIRK(**{f.name: getattr(method_named("RK4"), f.name) for f in dataclasses.fields(ESDIRK)})
    with pytest.raises(ValueError, match=r"KenCarp4.*row 6 of a"):
        dataclasses.replace(KENCARP4, b=(0.0, *KENCARP4.b[1:]))


STIFF = ["robertson", "van_der_pol", "oregonator", "hires", "pollu", "brusselator"]


@pytest.mark.parametrize("name", STIFF)
def test_stiff_problems(name):
    model = MODELS[name]
    t1 = model.t_span[1]
    got = solve_ivp(
        model.fun, model.t_span, model.y0, "KenCarp4", t_eval=[t1], args=model.args, rtol=1e-7, atol=1e-12
    )
    exact = model.final()
    scale = np.abs(exact) + 1e-3 * np.abs(exact).max()
    assert got.success, got.message
    assert not np.max(np.abs(got.y[:, 0] - exact) / scale) > 2e-4
    # The point of the method: Jacobians and factors serve for many stages and steps.
    assert got.njev < got.accepted and got.nlu < 2 * got.accepted


@pytest.mark.parametrize("name", ["robertson", "hires", "driven_decay"])
def test_gradients(name):
    model = MODELS[name]
    t0, t1 = model.t_span[0], min(model.t_span[1], 40.0)
    times = t0 + (t1 - t0) * np.array([0.3, 0.61, 1.0])

    def loss(y0, args, t1=t1, method="KenCarp4"):
        ts = np.array([times[0], times[1], t1])
        sol = solve_ivp(model.fun, (t0, t1), y0, method, t_eval=ts, args=args, rtol=1e-9, atol=1e-13)
        return np.sum(np.sin(sol.y * np.array([1.0, 0.5, 0.3])))

    got = ad.grad(loss, (0, 1, 2))(model.y0, model.args, t1)
    exact = ad.grad(loss, (0, 1, 2))(model.y0, model.args, t1, "Rodas5P")
    for a, b in zip(ad_leaves(got), ad_leaves(exact), strict=True):
        assert np.allclose(a, b, rtol=2e-4, atol=1e-5 * np.abs(b).max())
    direction = np.cos(np.arange(len(model.y0)))
    pushed = ad.jvp(lambda y0: loss(y0, model.args), (model.y0,), (direction,))[1]
    assert pushed == pytest.approx(got[0] @ direction, rel=1e-8)


def ad_leaves(tree):
    from sciad.tree import flatten

    return flatten(tree)[0]


def test_large_sparse_systems_factor_rarely():
    def diffusion(t, y, rate):
        far = y.reshape(-1, 20).T.reshape(-1)
        return rate * (np.roll(y, 1) + np.roll(y, -1) - 2 * y) + 0.1 * far - y**3

    y0 = np.sin(np.linspace(0, 6 * np.pi, 400))
    got = solve_ivp(diffusion, (0, 5.0), y0, "KenCarp4", t_eval=[5.0], args=(50.0,), rtol=1e-6, atol=1e-9)
    exact = solve_ivp(diffusion, (0, 5.0), y0, "Rodas5P", t_eval=[5.0], args=(50.0,), rtol=1e-8, atol=1e-10)
    assert not np.abs(got.y - exact.y).max() > 1e-4
    assert got.nlu < 0.7 * got.accepted


def test_what_is_not_available_says_so():
    model = MODELS["robertson"]

    def loss(k, adjoint="auto"):
        sol = solve_ivp(
            model.fun, (0, 1), model.y0, "KenCarp4", t_eval=[1.0], args=(k,), adjoint=adjoint, rtol=1e-6
        )
        return sol.y[2, -1]

    with pytest.raises(ad.NotDifferentiable, match="GaussAdjoint does not work with KenCarp4"):
        ad.grad(loss)(*model.args, GaussAdjoint())
    with pytest.raises(ad.NotDifferentiable, match="second derivatives of a solve by KenCarp4"):
        ad.hvp(loss, model.args, (np.ones(3),))
    with pytest.raises(ValueError, match="Rosenbrock method such as Rodas5P, not KenCarp4"):
        solve_ivp(model.fun, (0, 1), model.y0, "KenCarp4", args=model.args, mass_matrix=np.eye(3))
