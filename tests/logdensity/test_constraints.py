"""Constraints: inverses, Jacobians against differences, compiled as in Python."""

import numpy as np
import pytest

import sciad as ad
from sciad import logdensity
from sciad.logdensity.constraints import constraint_named

CASES = {
    "free": (logdensity.Unconstrained(), np.array([0.3, -2.0]), lambda x: True),
    "positive": (logdensity.Positive(), np.array([0.3, -2.0, 1.5]), lambda x: np.all(x > 0)),
    "above": (logdensity.Positive(2.5), np.array([0.3, -2.0]), lambda x: np.all(x > 2.5)),
    "bounded": (
        logdensity.Bounded(-1.0, 3.0),
        np.array([0.3, -2.0, 8.0]),
        lambda x: np.all((x > -1) & (x < 3)),
    ),
    "bounds of entries": (
        logdensity.Bounded(np.array([0.0, 1.0]), np.array([1.0, 5.0])),
        np.array([0.3, -2.0]),
        lambda x: np.all((x > [0, 1]) & (x < [1, 5])),
    ),
    "ordered": (logdensity.Ordered(), np.array([0.3, -2.0, 1.0]), lambda x: np.all(np.diff(x) > 0)),
    "ordered of one": (logdensity.Ordered(), np.array([0.3]), lambda x: True),
    "simplex": (
        logdensity.Simplex(),
        np.array([0.3, -2.0, 1.0]),
        lambda x: np.all(x > 0) and abs(x.sum() - 1) < 1e-14 and len(x) == 4,
    ),
    "correlation": (
        logdensity.CholeskyCorrelation(),
        np.array([0.3, -1.0, 0.5, 0.2, -0.3, 0.9]),
        lambda x: np.allclose(np.diag(x @ x.T), 1, atol=1e-14) and not np.triu(x, 1).any(),
    ),
}


def independent(name, x):
    """The entries of x that determine the others."""
    if name == "simplex":
        return x[:-1]
    if name == "correlation":
        return np.concatenate([x[i, :i] for i in range(len(x))])
    return x


@pytest.mark.parametrize("name", CASES)
def test_constraint(name):
    constraint, z, holds = CASES[name]
    x = constraint(z)
    assert holds(x)
    np.testing.assert_allclose(constraint.inverse(x), z, rtol=1e-8, atol=1e-9)
    assert np.shape(z) == constraint.free_shape(np.shape(x))
    h = 1e-6
    columns = [
        (independent(name, constraint(z + h * e)) - independent(name, constraint(z - h * e))) / (2 * h)
        for e in np.eye(len(z))
    ]
    expected = np.linalg.slogdet(np.stack(columns, axis=1))[1]
    assert constraint.log_jacobian(z) == pytest.approx(expected, rel=1e-6, abs=1e-8)
    np.testing.assert_allclose(ad.jit(lambda z: constraint(z))(z), x, rtol=1e-13)
    density = lambda z: np.sum(np.sin(constraint(z))) + constraint.log_jacobian(z)  # noqa: E731
    assert ad.jit(density)(z) == pytest.approx(density(z), rel=1e-12)
    ad.check_grads(density, (z,), order=1)
    np.testing.assert_allclose(ad.grad(ad.jit(density))(z), ad.grad(density)(z), rtol=1e-9, atol=1e-12)


def test_the_middle_of_a_simplex_is_zero():
    np.testing.assert_allclose(logdensity.Simplex()(np.zeros(4)), np.full(5, 0.2))
    np.testing.assert_allclose(logdensity.Simplex().inverse(np.full(5, 0.2)), 0, atol=1e-14)


def test_extremes_stay_finite():
    for z in (np.full(3, -700.0), np.full(3, 700.0)):
        assert np.isfinite(logdensity.Simplex().log_jacobian(z))
        assert np.isfinite(logdensity.Bounded(0.0, 2.0).log_jacobian(z))


@pytest.mark.parametrize(
    ("constraint", "x"),
    [
        (logdensity.Positive(), -1.0),
        (logdensity.Bounded(0.0, 1.0), 1.0),
        (logdensity.Ordered(), np.array([1.0, 1.0])),
        (logdensity.Simplex(), np.array([0.5, 0.6])),
        (logdensity.Simplex(), np.array([1.5, -0.5])),
        (logdensity.CholeskyCorrelation(), np.array([[1.0, 0.0], [0.5, 0.5]])),
        (logdensity.CholeskyCorrelation(), np.eye(2) + 0.1),
    ],
)
def test_what_is_outside_is_refused(constraint, x):
    with pytest.raises(ValueError):
        constraint.inverse(x)


def test_names():
    assert constraint_named("unit") == logdensity.Bounded(0.0, 1.0)
    with pytest.raises(ValueError, match="needs its bounds"):
        constraint_named("bounded")
