"""Solves with a mass matrix, regular and singular, and what is refused."""

import numpy as np
import pytest

from sciad.solvers import solve_ivp


def robertson_dae(t, y):
    r1, r2, r3 = 0.04 * y[0], 3e7 * y[1] ** 2, 1e4 * y[1] * y[2]
    return np.array([r3 - r1, r1 - r2 - r3, y[0] + y[1] + y[2] - 1.0])


@pytest.mark.parametrize("method", ["Rodas5P", "auto"])
def test_singular_mass_matrix(method):
    mass = np.diag([1.0, 1.0, 0.0])
    start = np.array([1.0, 0.0, 0.0])
    options = {"method": method, "t_eval": [40.0], "mass_matrix": mass, "rtol": 1e-8, "atol": 1e-11}
    got = solve_ivp(robertson_dae, (0, 40), start, **options)
    expected = [0.7158270688, 0.9185534765e-5, 0.2841637457]  # Hairer & Wanner, Solving ODEs II
    assert not np.abs(got.y[:, -1] / expected - 1).max() > 1e-6
    assert not abs(got.y[:, -1].sum() - 1) > 1e-12


def test_regular_mass_matrix_and_refusals():
    mass = np.array([[2.0, 1.0], [0.0, 1.0]])
    got = solve_ivp(
        lambda t, y: -(mass @ y),
        (0, 1),
        np.array([1.0, 2.0]),
        "Rodas4",
        mass_matrix=mass,
        rtol=1e-9,
        atol=1e-9,
    )
    assert not np.abs(got.y[:, -1] - np.array([1.0, 2.0]) * np.exp(-1)).max() > 1e-7
    # The algebraic unknown is made consistent; where that is impossible, the residual is named.
    singular = np.diag([1.0, 1.0, 0.0])
    got = solve_ivp(robertson_dae, (0, 1), np.array([1.0, 0.0, 0.5]), mass_matrix=singular)
    assert np.array_equal(got.y[:, 0], [1.0, 0.0, 0.0])
    none = lambda t, y: np.array([-y[0], -y[1], y[0] + y[2] ** 2 + 0.5])  # noqa: E731
    with pytest.raises(ValueError, match=r"equation 2 is left with 1\.75"):
        solve_ivp(none, (0, 1), np.array([1.0, 0.0, 0.5]), mass_matrix=singular)
    high = lambda t, y: np.array([y[1], y[2], y[0] - np.cos(t)])  # noqa: E731
    with pytest.raises(ValueError, match="an index above 1"):
        solve_ivp(high, (0, 1), np.array([1.0, 0.0, -1.0]), mass_matrix=singular)
    with pytest.raises(ValueError, match=r"shape \(2, 2\)"):
        solve_ivp(robertson_dae, (0, 1), np.array([1.0, 0.0, 0.0]), mass_matrix=mass)
    with pytest.raises(ValueError, match="Rodas5P, not Tsit5"):
        solve_ivp(robertson_dae, (0, 1), np.array([1.0, 0.0, 0.0]), "Tsit5", mass_matrix=np.eye(3))


@pytest.mark.parametrize("small", [1.0, 1e-13, 1e-30, 1e20])
@pytest.mark.parametrize("residual", [1.0, 1e-25])
def test_units_of_equations_decide_nothing(small, residual):
    """A capacity in farad beside a mass in kilogram is small, but not zero; and an equation is one in any
    unit."""
    mass = np.diag([small, 1.0, 0.0])

    def circuit(t, y):
        return np.array([-small * y[0], -y[1] + y[2], residual * (y[2] - 2.0 * y[0])])

    sol = solve_ivp(
        *(circuit, (0.0, 1.0), np.array([1.0, 0.0, 0.0]), "Rodas5P", [1.0]),
        **{"mass_matrix": mass, "rtol": 1e-9, "atol": 1e-11},
    )
    np.testing.assert_allclose(sol.y[:, -1], np.exp(-1.0) * np.array([1.0, 2.0, 2.0]), rtol=1e-7)
