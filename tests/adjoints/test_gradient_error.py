"""A gradient knows how good it is: estimated errors against true ones."""

import numpy as np
import pytest

import sciad as ad
from sciad import adjoints
from sciad.solvers import solve_ivp
from sciad.solvers.ode.tolerance import tighter
from tests.problems.ode_models import MODELS

LV = MODELS["lotka_volterra"]


def lv_loss(p, y0=LV.y0, rtol=1e-5, **keywords):
    keywords = {"method": "Tsit5", "atol": rtol, **keywords}
    return np.sum(solve_ivp(LV.fun, (0, 8.0), y0, args=(p,), t_eval=[3.0, 8.0], rtol=rtol, **keywords).y ** 2)


def van_der_pol_loss(mu, rtol):
    times = np.linspace(0, 2000.0, 41)
    model = lambda t, y, mu: np.array([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])  # noqa: E731
    keywords = {"t_eval": times, "args": (mu,), "rtol": rtol, "atol": 1e-3 * rtol}
    return np.sum(solve_ivp(model, (0, 2000.0), np.array([2.0, 0.0]), "Rodas5P", **keywords).y[0] ** 2)


@pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-8])
def test_estimate_on_a_smooth_problem(rtol):
    _, gradient, error = adjoints.value_and_grad(lambda p: lv_loss(p, rtol=rtol))(LV.args[0])
    exact = ad.grad(lambda p: lv_loss(p, rtol=1e-13, method="DOP853"))(LV.args[0])
    true = np.abs(gradient - exact)
    assert np.all(error > 0.2 * true) and np.all(error < 5 * true)


@pytest.mark.parametrize("rtol", [1e-5, 1e-7, 1e-9])
def test_estimate_where_the_gradient_is_far_worse_than_the_solution(rtol):
    value, gradient, error = adjoints.value_and_grad(lambda mu: van_der_pol_loss(mu, rtol))(1e3)
    exact_value, exact = ad.value_and_grad(lambda mu: van_der_pol_loss(mu, 1e-12))(1e3)
    true = abs(gradient - exact)
    assert 0.2 * true < error < 5 * true
    assert true / abs(exact) > 100 * abs(value / exact_value - 1)


def test_check_tells_what_is_not_converged():
    bad, good = (adjoints.check(lambda mu, r=r: van_der_pol_loss(mu, r), 1e3) for r in (1e-6, 1e-9))
    assert bad.digits > 5 and bad.error > 0.1 and "not converged" in repr(bad)
    assert good.error < 1e-2 and "not converged" not in repr(good)
    without = adjoints.check(lv_loss, LV.args[0], LV.y0, estimate=False)
    assert without.error is None and without.digits > 10 and "estimated" not in repr(without)


def test_structure_and_several_arguments():
    _, gradient, error = adjoints.value_and_grad(lv_loss, argnums=(0, 1))(LV.args[0], LV.y0)
    assert [np.shape(x) for x in error] == [np.shape(x) for x in gradient] == [(4,), (2,)]


def test_fixed_steps_are_halved():
    f = lambda p: lv_loss(p, method="RK4", first_step=0.05)  # noqa: E731
    _, gradient, error = adjoints.value_and_grad(f)(LV.args[0])
    exact = ad.grad(lambda p: lv_loss(p, rtol=1e-13, method="DOP853"))(LV.args[0])
    true = np.abs(gradient - exact)
    assert np.all(error > 0.3 * true) and np.all(error < 3 * true)


def test_scopes_nest_and_end():
    plain = lv_loss(LV.args[0])
    with tighter(0.1):
        once = lv_loss(LV.args[0])
        with tighter(0.1):
            assert lv_loss(LV.args[0]) != once
        assert lv_loss(LV.args[0]) == once != plain
    assert lv_loss(LV.args[0]) == plain
    assert np.isclose(once, lv_loss(LV.args[0], rtol=1e-6), rtol=1e-12)
    with pytest.raises(ValueError, match="share"), tighter(0.0):
        pass
