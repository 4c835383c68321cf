"""Densities against scipy.stats, gradients against differences, compiled as in Python."""

import numpy as np
import pytest
from scipy import integrate, stats

import sciad as ad
from sciad import logdensity
from sciad.tree import tree_leaves

X = np.array([0.3, 1.7, 0.9, 4.2])
K = np.array([0.0, 3.0, 7.0, 1.0])
N = np.array([5.0, 3.0, 10.0, 4.0])
L = np.array([[1.2, 0, 0], [0.3, 0.8, 0], [-0.5, 0.2, 0.6]])
ROWS = np.array([[0.1, 0.2, -0.3], [1.0, -1.0, 0.5]])


def _negative_binomial(k, mean, size):
    return stats.nbinom.logpmf(k, size, size / (size + mean))


# name: (arguments, positions to differentiate, the same by SciPy)
CASES = {
    "normal": ((X, 0.5, 1.3), (0, 1, 2), stats.norm.logpdf),
    "normal of arrays": ((X, X[::-1] * 0.3, X + 0.1), (0, 1, 2), stats.norm.logpdf),
    "lognormal": ((X, 0.2, 0.7), (0, 1, 2), lambda x, m, s: stats.lognorm.logpdf(x, s, scale=np.exp(m))),
    "student_t": ((X, 4.5, 0.5, 1.3), (0, 1, 2, 3), stats.t.logpdf),
    "student_t of large df": ((X, 1e6, 0.5, 1.3), (0, 2, 3), stats.t.logpdf),
    "exponential": ((X, 0.7), (0, 1), lambda x, r: stats.expon.logpdf(x, scale=1 / r)),
    "gamma": ((X, 2.5, 0.7), (0, 1, 2), lambda x, a, r: stats.gamma.logpdf(x, a, scale=1 / r)),
    "multivariate_normal": (
        (ROWS, np.array([0.5, 0.1, -0.2]), L),
        (0, 1, 2),
        lambda x, m, f: stats.multivariate_normal.logpdf(x, m, f @ f.T),
    ),
    "multivariate_normal of one": (
        (ROWS[0], np.zeros(3), L),
        (0, 1),
        lambda x, m, f: stats.multivariate_normal.logpdf(x, m, f @ f.T),
    ),
    "poisson": ((K, np.array([0.5, 2.0, 9.0, 0.01])), (1,), stats.poisson.logpmf),
    "poisson of integers": ((K.astype(int), 3.3), (1,), stats.poisson.logpmf),
    "binomial": ((K, N, np.array([0.2, 0.6, 0.9, 0.01])), (2,), stats.binom.logpmf),
    "binomial_logit": (
        (K, N, np.array([-2.0, 0.3, 3.0, -30.0])),
        (2,),
        lambda k, n, z: stats.binom.logpmf(k, n, 1 / (1 + np.exp(-z))),
    ),
    "negative_binomial": ((K, np.array([0.5, 2.0, 9.0, 0.01]), 1.7), (1, 2), _negative_binomial),
    "negative_binomial close to Poisson": ((K, 2.0, 1e8), (1,), _negative_binomial),
}


@pytest.mark.parametrize("case", CASES)
def test_density(case):
    arguments, active, reference = CASES[case]
    f = getattr(logdensity, case.split()[0])
    expected = np.sum(reference(*arguments))
    rtol = 1e-7 if "Poisson" in case or "large" in case else 1e-11
    assert f(*arguments) == pytest.approx(expected, rel=rtol)
    assert ad.jit(f)(*arguments) == pytest.approx(expected, rel=rtol)
    plain = [a.astype(float) if isinstance(a, np.ndarray) else a for a in arguments]

    def of_active(*values):
        given = list(plain)
        for k, v in zip(active, values, strict=True):
            given[k] = v
        return f(*given)

    values = tuple(plain[k] for k in active)
    if "multivariate" in case and len(active) == 3:  # the upper triangle of the factor is no parameter
        lower = lambda v: (v[0], v[1], np.tril(v[2]))  # noqa: E731
        base, of_active_all = values, of_active
        of_active = lambda *v: of_active_all(*lower(v))  # noqa: E731
        values = base
    ad.check_grads(of_active, values, order=1, rtol=1e-4)
    eager = ad.grad(of_active, tuple(range(len(values))))(*values)
    native = ad.grad(ad.jit(of_active), tuple(range(len(values))))(*values)
    for a, b in zip(tree_leaves(eager), tree_leaves(native), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("lognormal", (np.array([1.0, -0.5]), 0.0, 1.0), -np.inf),
        ("lognormal", (0.0, 0.0, 1.0), -np.inf),
        ("gamma", (-1.0, 2.0, 1.0), -np.inf),
        ("exponential", (-1e-9, 2.0), -np.inf),
        ("poisson", (-1.0, 2.0), -np.inf),
        ("poisson", (0.0, 0.0), 0.0),
        ("poisson", (2.0, 0.0), -np.inf),
        ("binomial", (5.0, 4.0, 0.5), -np.inf),
        ("binomial", (0.0, 4.0, 0.0), 0.0),
        ("binomial", (4.0, 4.0, 1.0), 0.0),
        ("binomial_logit", (5.0, 4.0, 0.5), -np.inf),
        ("negative_binomial", (0.0, 0.0, 2.0), 0.0),
        ("negative_binomial", (-2.0, 1.0, 2.0), -np.inf),
    ],
)
def test_the_edges_of_the_support(name, arguments, expected):
    with np.errstate(all="ignore"):
        assert getattr(logdensity, name)(*arguments) == expected
        assert ad.jit(getattr(logdensity, name))(*arguments) == expected


def test_gradients_beside_the_support_are_finite():
    """An observation that is impossible makes the density zero, not the gradient of the others NaN."""
    x = np.array([1.0, -0.5])
    assert np.isfinite(ad.grad(lambda m: logdensity.lognormal(x, m, 1.0))(0.3))
    assert np.isfinite(ad.grad(lambda a: logdensity.gamma(x, a, 1.0))(2.0))


def test_lkj_of_two_is_a_beta_distribution():
    for eta in (0.7, 1.0, 2.5):
        for r in (-0.6, 0.1, 0.9):
            matrix = np.array([[1.0, r], [r, 1.0]])
            expected = stats.beta.logpdf((r + 1) / 2, eta, eta) - np.log(2)
            assert logdensity.lkj(matrix, eta) == pytest.approx(expected, rel=1e-10)
            # the entry of the factor is r: no Jacobian
            factor = np.linalg.cholesky(matrix)
            assert logdensity.lkj_cholesky(factor, eta) == pytest.approx(expected, rel=1e-10)


def test_lkj_integrates_to_one():
    """Over the three correlations of a 3 x 3 matrix, and over free numbers with the Jacobian."""
    eta = 2.0
    nodes, weights = np.polynomial.legendre.leggauss(40)
    total = 0.0
    for i, a in enumerate(nodes):
        for j, b in enumerate(nodes):
            half = np.sqrt((1 - a * a) * (1 - b * b))
            c = a * b + half * nodes
            for k in range(len(nodes)):
                matrix = np.array([[1, a, b], [a, 1, c[k]], [b, c[k], 1]])
                total += weights[i] * weights[j] * weights[k] * half * np.exp(logdensity.lkj(matrix, eta))
    assert total == pytest.approx(1.0, abs=1e-3)
    constraint = logdensity.CholeskyCorrelation()
    density = lambda z: np.exp(logdensity.lkj_cholesky(constraint(z), eta) + constraint.log_jacobian(z))  # noqa: E731
    z = np.linspace(-4, 4, 33)
    values = np.array([[[density(np.array([a, b, c])) for c in z] for b in z] for a in z])
    for _ in range(3):
        values = integrate.simpson(values, x=z, axis=-1)
    assert values == pytest.approx(1.0, abs=5e-3)


def test_lkj_gradients_and_compiled():
    z = np.array([0.3, -0.5, 0.8, 0.1, -0.2, 0.4])
    constraint = logdensity.CholeskyCorrelation()
    f = lambda z, eta: logdensity.lkj_cholesky(constraint(z), eta) + constraint.log_jacobian(z)  # noqa: E731
    ad.check_grads(f, (z, 1.7), order=1)
    assert ad.jit(f)(z, 1.7) == pytest.approx(f(z, 1.7), rel=1e-12)
    factor = constraint(z)
    assert logdensity.lkj(factor @ factor.T, 1.7) == pytest.approx(
        logdensity.lkj_cholesky(factor, 1.7)
        - np.sum(np.arange(3, -1, -1.0)[1:] * np.log(np.diag(factor))[1:]),
        rel=1e-10,
    )
