"""Stiff problems of the Test Set for Initial Value Problem Solvers, at the end of their spans.

References are printed in F. Mazzia and C. Magherini, Test Set for Initial Value Problem Solvers, release 2.4
(2008). Five of the problems are among `tests.problems.ode_models`; the others are here, two of them
differential-algebraic.
"""

from typing import NamedTuple

import numpy as np
import pytest

from sciad.solvers import solve_ivp
from tests.problems.ode_models import MODELS


class Problem(NamedTuple):
    fun: object
    y0: np.ndarray
    t_end: float
    reference: np.ndarray
    mass: np.ndarray | None = None
    margin: float = 5.0  # worst relative error of a component, in units of rtol


def ring_modulator(t, y):
    small, large = 0.5 * np.sin(2e3 * np.pi * t), 2 * np.sin(2e4 * np.pi * t)
    y1, y2, y3, y4, y5, y6, y7, y8, y9, y10, y11, y12, y13, y14, y15 = y
    q1, q2, q3, q4 = (
        40.67286402e-9 * (np.exp(17.7493332 * voltage) - 1)
        for voltage in (
            y3 - y5 - y7 - large,
            -y4 + y6 - y7 - large,
            y4 + y5 + y7 + large,
            -y3 - y6 + y7 + large,
        )
    )
    return np.array(
        [
            (y8 - 0.5 * y10 + 0.5 * y11 + y14 - y1 / 25e3) / 1.6e-8,
            (y9 - 0.5 * y12 + 0.5 * y13 + y15 - y2 / 25e3) / 1.6e-8,
            (y10 - q1 + q4) / 2e-12,
            (-y11 + q2 - q3) / 2e-12,
            (y12 + q1 - q3) / 2e-12,
            (-y13 - q2 + q4) / 2e-12,
            (-y7 / 50 + q1 + q2 - q3 - q4) / 1e-8,
            -y1 / 4.45,
            -y2 / 4.45,
            (0.5 * y1 - y3 - 17.3 * y10) / 5e-4,
            (-0.5 * y1 + y4 - 17.3 * y11) / 5e-4,
            (0.5 * y2 - y5 - 17.3 * y12) / 5e-4,
            (-0.5 * y2 + y6 - 17.3 * y13) / 5e-4,
            (-y1 + small - (50 + 36.3) * y14) / 0.002,
            (-y2 - (600 + 36.3) * y15) / 0.002,
        ]
    )


def chemical_akzo_nobel(t, y):
    y1, y2, y3, y4, y5, y6 = y
    r1, r2, r3 = 18.7 * y1**4 * np.sqrt(y2), 0.58 * y3 * y4, 0.58 / 34.4 * y1 * y5
    r4, r5 = 0.09 * y1 * y4**2, 0.42 * y6**2 * np.sqrt(y2)
    inflow = 3.3 * (0.9 / 737 - y2)
    return np.array(
        [
            -2 * r1 + r2 - r3 - r4,
            -0.5 * r1 - r4 - 0.5 * r5 + inflow,
            r1 - r2 + r3,
            -r2 + r3 - 2 * r4,
            r2 - r3 + r5,
            115.83 * y1 * y4 - y6,
        ]
    )


def transistor_amplifier(t, y):
    supply, alpha, r0, r = 6.0, 0.99, 1000.0, 9000.0
    first, second = 1e-6 * (np.exp((y[1] - y[2]) / 0.026) - 1), 1e-6 * (np.exp((y[4] - y[5]) / 0.026) - 1)
    return np.array(
        [
            (y[0] - 0.1 * np.sin(200 * np.pi * t)) / r0,
            y[1] / r + (y[1] - supply) / r + (1 - alpha) * first,
            y[2] / r - first,
            (y[3] - supply) / r + alpha * first,
            y[4] / r + (y[4] - supply) / r + (1 - alpha) * second,
            y[5] / r - second,
            (y[6] - supply) / r + alpha * second,
            y[7] / r,
        ]
    )


def capacitors() -> np.ndarray:
    mass = np.zeros((8, 8))
    for (i, j), c in {(0, 1): 1e-6, (3, 4): 3e-6, (6, 7): 5e-6}.items():
        mass[i, i] = mass[j, j] = -c
        mass[i, j] = mass[j, i] = c
    mass[2, 2], mass[5, 5] = -2e-6, -4e-6
    return mass


PROBLEMS = {
    "ring_modulator": Problem(
        ring_modulator,
        np.zeros(15),
        1e-3,
        np.array(
            [
                -0.2339057358486745e-1,
                -0.7367485485540825e-2,
                0.2582956709291169,
                -0.4064465721283450,
                -0.4039455665149794,
                0.2607966765422943,
                0.1106761861269975,
                0.2939904342435596e-6,
                -0.2840029933642329e-7,
                0.7267198267264553e-3,
                0.7929487196960840e-3,
                -0.7255283495698965e-3,
                -0.7941401968526521e-3,
                0.7088495416976114e-4,
                0.2390059075236570e-4,
            ]
        ),
        margin=100.0,  # errors in phase add up over twenty periods
    ),
    "chemical_akzo_nobel": Problem(
        chemical_akzo_nobel,
        np.array([0.444, 0.00123, 0.0, 0.007, 0.0, 115.83 * 0.444 * 0.007]),
        180.0,
        np.array(
            [
                0.1150794920661702,
                0.1203831471567715e-2,
                0.1611562887407974,
                0.3656156421249283e-3,
                0.1708010885264404e-1,
                0.4873531310307455e-2,
            ]
        ),
        np.diag([1.0, 1.0, 1.0, 1.0, 1.0, 0.0]),
    ),
    "transistor_amplifier": Problem(
        transistor_amplifier,
        np.array([0.0, 3.0, 3.0, 6.0, 3.0, 3.0, 6.0, 0.0]),
        0.2,
        np.array(
            [
                -0.5562145012262709e-2,
                0.3006522471903042e1,
                0.2849958788608128e1,
                0.2926422536206241e1,
                0.2704617865010554e1,
                0.2761837778393145e1,
                0.4770927631616772e1,
                0.1236995868091548e1,
            ]
        ),
        capacitors(),
    ),
}
for name in ("robertson", "van_der_pol", "oregonator", "hires", "pollu"):
    model = MODELS[name]
    PROBLEMS[name] = Problem(
        lambda t, y, model=model: model.fun(t, y, *model.args), model.y0, model.t_span[1], model.published
    )


@pytest.mark.parametrize("rtol", [1e-4, 1e-7, 1e-10])
@pytest.mark.parametrize("name", PROBLEMS)
def test_end_values(name, rtol):
    problem = PROBLEMS[name]
    size = np.abs(problem.reference)
    # Small components count as well, down to where they are traces of traces.
    atol = 0.1 * rtol * np.maximum(size, 1e-6 * size.max())
    options = {} if problem.mass is None else {"mass_matrix": problem.mass}
    found = solve_ivp(
        problem.fun, (0.0, problem.t_end), problem.y0, "Rodas5P", rtol=rtol, atol=atol, **options
    )
    assert found.success, found.message
    error = np.abs(found.y[:, -1] - problem.reference) / np.maximum(size, 1e-6 * size.max())
    assert error.max() <= problem.margin * rtol


@pytest.mark.parametrize("name", [n for n, m in MODELS.items() if m.stiff and m.published is not None])
def test_published_end_values_of_stiff_problems(name):
    model = MODELS[name]
    expected = np.asarray(model.final())
    got = solve_ivp(
        model.fun,
        model.t_span,
        model.y0,
        "Rodas5P",
        t_eval=[model.t_span[1]],
        args=model.args,
        rtol=1e-7,
        atol=1e-10,
    )
    assert got.success
    scale = np.abs(expected) + 1e-6 * np.abs(expected).max()
    assert not np.max(np.abs(got.y[:, -1] - expected) / scale) > 2e-3
