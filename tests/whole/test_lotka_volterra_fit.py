"""The pelt fit reaches the least-squares optimum that an independent optimisation with SciPy alone finds."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

from examples import lotka_volterra_fit as example

OPTIMUM = {"alpha": 0.540, "beta": 0.0272, "gamma": 0.796, "delta": 0.0237, "hare0": 34.6, "lynx0": 5.84}


@pytest.fixture(scope="module")
def fitted():
    years, counts = example.read_counts()
    guess = example.first_guess(years, counts)
    return example.fit(example.make_objective(years, counts), guess)


def test_parameters_and_residual(fitted):
    assert tuple(OPTIMUM) == example.NAMES
    for name, value, expected in zip(example.NAMES, fitted.parameters, OPTIMUM.values(), strict=True):
        assert float(f"{value:.3g}") == expected, name
    assert f"{fitted.residual:.4f}" == "2.0187"


def test_agrees_with_scipy_alone(fitted):
    years, counts = example.read_counts()

    def residuals(log_parameters):
        p = np.exp(log_parameters)
        solution = solve_ivp(
            example.lotka_volterra,
            (years[0], years[-1]),
            p[4:],
            "DOP853",
            t_eval=years,
            args=(p[:4],),
            rtol=1e-10,
            atol=1e-10,
        )
        return (np.log(solution.y) - np.log(counts)).ravel()

    alone = least_squares(residuals, np.log(example.first_guess(years, counts)), x_scale="jac", xtol=1e-12)
    error = np.abs(np.log(fitted.parameters) - alone.x)
    assert not np.any(~(error <= 1e-5)), error


def test_close_to_the_published_posterior_means(fitted):
    error = np.abs(fitted.parameters / np.array(example.POSTERIOR_MEANS) - 1)
    assert not np.any(~(error <= 0.05)), error


def test_picture(fitted, tmp_path):
    years, counts = example.read_counts()
    path = tmp_path / "fit.png"
    example.draw(years, counts, fitted.parameters).savefig(path)
    assert path.stat().st_size > 10_000
