"""scipy.stats, scipy.optimize, scipy.integrate and cached functions while a function is differentiated."""

import functools

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.stats
from scipy.optimize import brentq
from scipy.stats import gamma, norm, poisson

import sciad as ad

DATA = np.array([0.5, 1.2, 2.0])
COUNTS = np.array([1, 4, 2])
PRIOR = scipy.stats.norm(0.3, 2.0)
logpdf = norm.logpdf


def by_module(x):
    return np.sum(scipy.stats.norm.logpdf(DATA, loc=x, scale=2.0 * x))


def by_name(x):
    return np.sum(gamma.logpdf(DATA, x, scale=2.0)) + norm.cdf(x, 0.2, 1.5) + norm(x, 2.0).logsf(0.3)


def of_counts(x):
    return np.sum(poisson.logpmf(COUNTS, x)) + scipy.stats.nbinom.logpmf(3, 5, x / 4.0)


def frozen_outside(x):
    return PRIOR.logpdf(x) + PRIOR.mean() * x + logpdf(x) + norm.rvs(random_state=3) * 0.0


def of_several(x):
    cov = np.array([[x, 0.3], [0.3, 2.0]])
    return scipy.stats.multivariate_normal.logpdf(np.array([0.2, x]), np.array([x, 0.1]), cov)


@functools.lru_cache
def square(x):
    return x * x


@functools.cache
def table(n):
    return np.arange(n) * 1.5


def cached(x):
    return square(x) * x + np.sum(table(3) * x)


PROGRAMS = [by_module, by_name, of_counts, frozen_outside, of_several, cached]


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_derivatives(f):
    slope = (f(1.3 + 1e-5) - f(1.3 - 1e-5)) / 2e-5
    assert ad.grad(f)(1.3) == pytest.approx(slope, rel=1e-7)
    assert ad.jvp(f, (1.3,), (1.0,)) == pytest.approx((f(1.3), slope), rel=1e-7)
    if f is frozen_outside:
        return  # draws numbers
    assert ad.jit(f)(1.3) == pytest.approx(f(1.3), rel=1e-12)
    assert ad.grad(ad.jit(f))(1.3) == pytest.approx(slope, rel=1e-7)


def test_parameters_of_a_distribution_from_outside_are_read_at_each_call():
    def outer(x):
        prior = scipy.stats.norm(x, 2.0)
        return ad.jit(lambda u: prior.logpdf(u) * u)(x)

    assert outer(1.0) == pytest.approx(norm.logpdf(1.0, 1.0, 2.0))
    assert outer(2.0) == pytest.approx(2.0 * norm.logpdf(2.0, 2.0, 2.0))


def test_a_cached_function_is_not_asked_to_remember_traced_values():
    square.cache_clear()
    ad.grad(cached)(1.3)
    assert square.cache_info().currsize == 0


REFUSED = {
    "brentq": (lambda x: brentq(lambda u: u * u - x, 0.0, 5.0), "ad.root"),
    "fsolve": (lambda x: scipy.optimize.fsolve(lambda u: u * u - x, 1.0)[0], "ad.root"),
    "root_scalar": (lambda x: scipy.optimize.root_scalar(lambda u: u - x, bracket=[0, 5]).root, "ad.root"),
    "fixed_point": (lambda x: scipy.optimize.fixed_point(lambda u: np.cos(u * x), 0.5), "ad.fixed_point"),
    "minimize": (lambda x: scipy.optimize.minimize(lambda u: (u[0] - x) ** 2, [0.0]).x[0], "ad.root"),
    "golden": (lambda x: scipy.optimize.golden(lambda u: (u - x) ** 2), "ad.root"),
    "curve_fit": (
        lambda x: scipy.optimize.curve_fit(lambda t, a: a * t, DATA, DATA * x)[0][0], "gauss_newton"
    ),
    "quad": (lambda x: scipy.integrate.quad(lambda u: u * x, 0.0, 1.0)[0], "leggauss"),
    "odeint": (lambda x: scipy.integrate.odeint(lambda y, t: -x * y, 1.0, [0.0, 1.0])[-1, 0], "solve_ivp"),
    "solve_ivp": (lambda x: scipy.integrate.solve_ivp(lambda t, y: -y, (0, 1), [x]).y[0, -1], "solve_ivp"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_routines_say_what_to_write_instead(name):
    f, words = REFUSED[name]
    assert np.isfinite(f(1.3))
    with pytest.raises(ad.NotDifferentiable, match=rf"{name} met .*{words}"):
        ad.grad(f)(1.3)
    with pytest.raises(ad.UnsupportedSyntax, match=rf"(?s){name} .*outside.*{words}"):
        ad.jit(f)(1.3)


def test_routines_that_meet_no_traced_value_run():
    def f(x):
        root = brentq(lambda u: u * u - 2.0, 0.0, 5.0)
        return root * x + scipy.integrate.quad(lambda u: u, 0.0, 2.0)[0]

    assert ad.grad(f)(1.3) == pytest.approx(np.sqrt(2.0))


def test_a_method_without_a_derivative_names_those_that_have_one():
    with pytest.raises(ad.MissingRule, match=r"norm.ppf has no derivative; differentiable are cdf, logcdf"):
        ad.grad(lambda x: norm.ppf(x))(0.3)
    with pytest.raises(ad.MissingRule, match=r"vonmises.logpdf .*none that is"):
        ad.grad(lambda x: scipy.stats.vonmises.logpdf(0.2, x))(0.3)
