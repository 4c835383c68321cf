"""``jac`` and ``jac_sparsity`` as SciPy takes them, for compiled models and for models called in Python."""

import warnings

import numpy as np
import pytest
import scipy.integrate
from scipy import special
from scipy.sparse import csc_array, csr_matrix, diags_array

import sciad as ad
from sciad.solvers import solve_ivp
from sciad.solvers.model import build_model
from sciad.solvers.model.interpreted import InterpretedModel
from tests.problems.ode_models import MODELS


def diffusion(t, y, rate):
    d = np.zeros_like(y)
    n = len(y)
    for i in range(n):
        left = y[i - 1] if i > 0 else 1.0
        right = y[i + 1] if i < n - 1 else 0.0
        d[i] = rate * (left - 2 * y[i] + right) - y[i] ** 2
    return d


def diffusion_in_python(t, y, rate):
    padded = np.concatenate([[1.0], y, [0.0]])
    return rate * (padded[:-2] - 2 * y + padded[2:]) - y**2


diffusion_in_python.interpreted = True


class Opaque:
    """What neither the compiler nor the eager transforms look into."""

    def __init__(self):
        self.calls = 0

    def __call__(self, t, y, rate):
        self.calls += 1
        return np.asarray(memoryview(diffusion(t, np.array(y.tolist()), float(rate)))) + 0.1 * float(t)


def jacobian(t, y, rate):
    n = len(y)
    return diags_array([np.full(n - 1, rate), -2 * rate - 2 * y, np.full(n - 1, rate)], offsets=[-1, 0, 1])


N, RATE = 30, 40.0
Y0 = np.linspace(0.0, 1.0, N) ** 2
BAND = csc_array(np.abs(np.subtract.outer(np.arange(N), np.arange(N))) <= 1)


@pytest.fixture(scope="module")
def exact():
    def forced(t, y, extra):
        return diffusion(t, y, RATE) + extra * t

    options = {"rtol": 1e-10, "atol": 1e-12, "jac_sparsity": BAND}
    return {
        extra: scipy.integrate.solve_ivp(forced, (0, 0.3), Y0, "Radau", args=(extra,), **options).y[:, -1]
        for extra in (0.0, 0.1)
    }


def solve(fun, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InterpretedModel)
        return solve_ivp(
            fun, (0, 0.3), Y0, "Rodas5P", t_eval=[0.3], args=(RATE,), rtol=1e-7, atol=1e-9, **options
        )


OPTIONS = {
    "nothing": {},
    "dense jac": {"jac": lambda t, y, rate: jacobian(t, y, rate).toarray()},
    "sparse jac": {"jac": lambda t, y, rate: csr_matrix(jacobian(t, y, rate))},
    "pattern": {"jac_sparsity": BAND},
    "dense pattern": {"jac_sparsity": BAND.toarray().astype(int)},
    "both": {"jac": jacobian, "jac_sparsity": BAND},
    "vectorized": {"vectorized": True},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
@pytest.mark.parametrize("fun", [diffusion, diffusion_in_python])
def test_every_form_gives_the_solution(fun, options, exact):
    got = solve(fun, **options)
    assert got.success and not np.abs(got.y[:, 0] - exact[0.0]).max() > 1e-8
    assert got.accepted < 60


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_models_that_cannot_be_differentiated_take_differences(options, exact):
    fun = Opaque()
    got = solve(fun, **options)
    assert got.success and not np.abs(got.y[:, 0] - exact[0.1]).max() > 1e-8
    per_jacobian = fun.calls / got.njev
    if "jac" in options:
        assert per_jacobian < 14
    else:
        assert (per_jacobian < 17) == ("jac_sparsity" in options)


def test_differences_are_told_of():
    with pytest.warns(InterpretedModel, match=r"neither be compiled nor differentiated.*differences"):
        solve_ivp(Opaque(), (0, 0.01), Y0, "Rodas5P", args=(RATE,))


def test_a_constant_matrix():
    a = np.array([[-2.0, 1.0, 0.0], [1.0, -200.0, 0.3], [0.0, 0.5, -1.0]])

    def linear(t, y):
        return a @ y

    linear.interpreted = True
    y0 = np.array([1.0, 2.0, 3.0])
    exact = scipy.linalg.expm(a) @ y0
    for jac in (a, csc_array(a), a.tolist()):
        got = solve_ivp(linear, (0, 1), y0, "Rodas5P", t_eval=[1.0], jac=jac, rtol=1e-8, atol=1e-10)
        assert np.allclose(got.y[:, 0], exact, rtol=1e-7)


def test_patterns_of_indices_that_depend_on_values():
    def shuffled(t, y, order):
        d = np.zeros_like(y)
        for i in range(len(y)):
            d[i] = -(y[i] ** 2) + y[int(order[i])]
        return d

    n = 40
    order = np.random.default_rng(0).permutation(n).astype(float)
    pattern = csc_array(np.eye(n, dtype=bool))
    pattern = (
        pattern + csc_array((np.ones(n, bool), (np.arange(n), order.astype(int))), shape=(n, n))
    ).tocsc()
    options = {"t_eval": [1.0], "args": (order,), "rtol": 1e-8, "atol": 1e-10}
    y0 = np.linspace(0.5, 1.5, n)
    full = solve_ivp(shuffled, (0, 1), y0, "Rodas5P", **options)
    sparse = solve_ivp(shuffled, (0, 1), y0, "Rodas5P", jac_sparsity=pattern, **options)
    assert np.allclose(full.y, sparse.y, rtol=1e-11)
    with pytest.raises(ValueError, match=r"misses entries of row \d+"):
        solve_ivp(shuffled, (0, 1), y0, "Rodas5P", jac_sparsity=np.eye(n), **options)


def test_wrong_shapes_are_refused_as_scipy_does():
    model = MODELS["robertson"]
    for jac in (np.eye(2), lambda t, y, k: np.eye(4)):
        with pytest.raises(ValueError, match="`jac` is expected to have shape"):
            solve_ivp(model.fun, (0, 1), model.y0, "Rodas5P", args=model.args, jac=jac)
    with pytest.raises(ValueError, match="jac_sparsity has shape"):
        solve_ivp(model.fun, (0, 1), model.y0, "Rodas5P", args=model.args, jac_sparsity=np.eye(2))
    with pytest.raises(ValueError, match="jac has entries at t = 0 where jac_sparsity has none"):
        solve(diffusion_in_python, jac=jacobian, jac_sparsity=np.eye(N))


def test_gradients_with_a_given_pattern():
    def loss(rate, fun, options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InterpretedModel)
            sol = solve_ivp(
                fun, (0, 0.1), Y0, "Rodas5P", t_eval=[0.1], args=(rate,), rtol=1e-8, atol=1e-10, **options
            )
        return np.sum(sol.y**2)

    compiled = ad.grad(loss)(RATE, diffusion, {})
    difference = (loss(RATE + 1e-3, diffusion, {}) - loss(RATE - 1e-3, diffusion, {})) / 2e-3
    assert compiled == pytest.approx(difference, rel=1e-6)
    for options in ({"jac_sparsity": BAND}, {"jac": jacobian, "jac_sparsity": BAND}, {"jac": jacobian}):
        assert ad.grad(loss)(RATE, diffusion_in_python, options) == pytest.approx(compiled, rel=1e-7)


def profile(t, y, k, scale):
    """Its first term has no derivative here; stiff, and pulled by something that moves."""
    slow = -k * special.voigt_profile(y[0], 1.0, 1.0) + np.sin(3.0 * t / scale)
    return np.array([slow, 200.0 * (np.cos(t / scale) - y[1])]) / scale


@pytest.mark.parametrize("called", [False, True])
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e9])
@pytest.mark.parametrize("method", ["Rodas5P", "KenCarp4", "auto"])
def test_jacobian_by_differences_where_a_rule_is_missing(method, scale, called):
    """The compiled model goes on serving; derivatives are refused by the name of the function."""

    def model(t, y, k, scale):
        return profile(t, y, k, scale)

    model.interpreted = called
    keywords = {"args": (2.0, scale), "t_eval": [scale], "rtol": 1e-6, "atol": 1e-8}
    expected = scipy.integrate.solve_ivp(
        profile, (0, scale), np.zeros(2), "Radau", args=(2.0, scale), rtol=1e-10, atol=1e-12
    )
    with pytest.warns(InterpretedModel, match="differences"):
        build_model._models.clear()
        sol = solve_ivp(model, (0, scale), np.zeros(2), method, **keywords)
    assert sol.success and sol.accepted < 600
    assert not np.abs(sol.y[:, 0] - expected.y[:, -1]).max() > 2e-5

    def loss(k):
        return solve_ivp(model, (0, scale), np.zeros(2), method, **{**keywords, "args": (k, scale)}).y[0, 0]

    with warnings.catch_warnings(), pytest.raises(ad.MissingRule, match="voigt_profile"):
        warnings.simplefilter("ignore")
        ad.grad(loss)(2.0)
