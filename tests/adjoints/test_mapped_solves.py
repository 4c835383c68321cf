"""Ensembles: solves under vmap run natively, each element as if it were alone, for any number of threads."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import sciad as ad
from sciad.compiler import mapped_program
from sciad.solvers import solve_ivp
from sciad.transforms.map_failures import FailedElements

RHO = np.linspace(0.0, 21.0, 70)


def lorenz(t, y, rho):
    return np.array([10.0 * (y[1] - y[0]), y[0] * (rho - y[2]) - y[1], y[0] * y[1] - 8.0 / 3.0 * y[2]])


def outputs(rho, start, tolerance=1e-6):
    y0 = start * np.array([1.0, 0.5, 0.0])
    options = {"method": "Tsit5", "t_eval": [0.4, 1.0], "rtol": tolerance, "atol": tolerance}
    return solve_ivp(lorenz, (0.0, 1.0), y0, args=(rho,), **options).y


def loss(rho, start=1.0):
    return np.sum(outputs(rho, start) ** 2)


def plain(f):
    return f


FORMS = [plain, ad.jit]


@pytest.mark.parametrize("form", FORMS)
def test_each_element_is_as_if_it_were_alone(form):
    each = np.array([outputs(rho, 1.0) for rho in RHO])
    assert np.array_equal(ad.vmap(form(outputs), (0, None))(RHO, 1.0), each)
    alone = np.array([ad.grad(loss)(rho) for rho in RHO])
    together = ad.vmap(ad.grad(form(loss)))(RHO)
    np.testing.assert_allclose(together, alone, rtol=1e-11)
    step = 1e-4
    exact = [np.sum(outputs(rho + h, 1.0, 1e-12) ** 2) for rho in RHO[5::20] for h in (-step, step)]
    differences = np.diff(np.reshape(exact, (-1, 2)))[:, 0] / (2 * step)  # an independent derivative
    np.testing.assert_allclose(together[5::20], differences, rtol=1e-3)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_of_sums_over_elements_add_up(form):
    f = form(loss)
    together = ad.grad(lambda start: np.sum(ad.vmap(lambda rho: f(rho, start))(RHO)))(1.1)
    alone = sum(ad.grad(loss, 1)(rho, 1.1) for rho in RHO)
    assert abs(together - alone) < 1e-11 * abs(alone)


@pytest.mark.parametrize("form", FORMS)
def test_results_do_not_depend_on_threads(form, monkeypatch):
    monkeypatch.setattr(mapped_program, "WORTH", 0.0)
    rho, f = np.linspace(0.0, 21.0, 331), form(loss)

    def results(threads):
        monkeypatch.setattr(mapped_program, "_processors", lambda: threads)
        total = ad.grad(lambda start: np.sum(ad.vmap(lambda r: f(r, start))(rho)))(1.1)
        return ad.vmap(ad.grad(f))(rho), total

    (one, total), (three, other) = results(1), results(3)
    assert np.array_equal(one, three) and total == other


def test_directions_and_times_under_a_map():
    alone = np.array([ad.grad(loss)(rho) for rho in RHO[:9]])
    along = ad.vmap(lambda rho: ad.jvp(loss, (rho,), (1.0,))[1])(RHO[:9])
    np.testing.assert_allclose(along, alone, rtol=1e-10)

    def end(length):
        times = np.array([0.5, 1.0]) * length
        return solve_ivp(lorenz, (0.0, length), np.ones(3), "Tsit5", times, args=(9.0,), rtol=1e-7).y[0, -1]

    lengths = np.array([1.0, 1.5])
    assert np.array_equal(ad.vmap(ad.grad(end))(lengths), np.array([ad.grad(end)(x) for x in lengths]))


def test_second_derivatives_under_a_map_are_as_before():
    second = ad.grad(ad.grad(loss))
    together = ad.vmap(second)(RHO[:3])
    np.testing.assert_allclose(together, [second(rho) for rho in RHO[:3]], rtol=1e-10)


def blows_up(rate):
    return solve_ivp(lambda t, y: rate * y * y, (0.0, 1.0), np.ones(1), "Tsit5", [1.0]).y[0, 0]


RATES = np.array([0.1, 0.2, 2.0, 0.3, 3.0])  # the solution 1 / (1 - rate t) ends at t = 1 / rate


@pytest.mark.parametrize("form", FORMS)
def test_an_element_that_fails_raises_or_is_nan(form):
    f = form(blows_up)
    with pytest.raises(ad.SolverError) as raised:
        ad.vmap(f)(RATES)
    assert "t = 0.49" in str(raised.value)
    assert raised.value.__notes__ == ["This was element 2 of a map, and 1 more of 5."]
    with pytest.warns(FailedElements, match="elements 2, 4 of a map failed and are NaN") as warned:
        ends = ad.vmap(f, failures="nan")(RATES)
    assert warned[0].message.elements == (2, 4)
    assert np.array_equal(np.isnan(ends), [False, False, True, False, True])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FailedElements)
        slopes = ad.vmap(ad.grad(f), failures="nan")(RATES)
        total = ad.grad(lambda k: np.nansum(ad.vmap(lambda r: f(r * k), failures="nan")(RATES)))(1.0)
    assert np.array_equal(np.isnan(slopes), np.isnan(ends))
    np.testing.assert_allclose(total, np.nansum(slopes * RATES), rtol=1e-12)


def test_what_failures_may_be():
    with pytest.raises(ValueError, match="failures must be 'raise' or 'nan'"):
        ad.vmap(loss, failures="drop")
