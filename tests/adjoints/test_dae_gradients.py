"""Gradients of solves with a mass matrix, regular and singular."""

import numpy as np
import pytest

import sciad as ad
from sciad.adjoints import ForwardSensitivity
from sciad.solvers import solve_ivp
from tests.problems.comparisons import differences, relative
from tests.problems.event_functions import event

SINGULAR = np.diag([1.0, 1.0, 0.0])
TIMES = np.array([0.4, 3.0, 40.0])


def robertson(t, y, k):
    r1, r2, r3 = k[0] * y[0], k[1] * y[1] ** 2, k[2] * y[1] * y[2]
    return np.array([r3 - r1, r1 - r2 - r3, y[0] + y[1] + y[2] - 1.0])


RATES = np.array([0.04, 3e7, 1e4])


def scaled_rates(x, **keywords):
    """Weighted outputs of Robertson's problem as a function of the logarithms of the rates."""
    keywords = {"t_eval": TIMES, "mass_matrix": SINGULAR, "rtol": 1e-9, "atol": 1e-12, **keywords}
    sol = solve_ivp(
        robertson, (0, 40), np.array([1.0, 0.0, 0.0]), "Rodas5P", args=(RATES * np.exp(x),), **keywords
    )
    return np.sum(sol.y * np.array([[1.0], [1e4], [1.0]]) * np.array([1.0, -2.0, 3.0]))


@pytest.mark.parametrize("adjoint", ["auto", ForwardSensitivity()])
def test_robertson_as_a_differential_algebraic_system(adjoint):
    found = ad.grad(lambda x: scaled_rates(x, adjoint=adjoint))(np.zeros(3))
    relative(found, differences(scaled_rates, np.zeros(3), 1e-3), 1e-5)
    v = np.array([0.3, -1.0, 0.5])
    relative(ad.jvp(scaled_rates, (np.zeros(3),), (v,))[1], found @ v, 1e-8)


def pendulum_like(t, y, p):
    """y2 is defined by p[1] y2 + y2^3 = y0 + p[2] sin t: nonlinear, non-autonomous, no closed form needed."""
    return np.array(
        [-p[0] * y[1] + y[2], y[0] - 0.1 * y[1], p[1] * y[2] + y[2] ** 3 - y[0] - p[2] * np.sin(t)]
    )


def reduced(t, y, p):
    """The same with the algebraic unknown found by Cardano's formula."""
    q = y[0] + p[2] * np.sin(t)
    root = np.sqrt(q**2 / 4 + p[1] ** 3 / 27)
    z = np.cbrt(q / 2 + root) + np.cbrt(q / 2 - root)
    return np.array([-p[0] * y[1] + z, y[0] - 0.1 * y[1]])


P = np.array([1.2, 0.9, 0.4])


def test_against_the_same_system_without_its_algebraic_equation():
    """In y0, parameters and t0; the initial value of the algebraic unknown is made consistent."""

    def dae(y0, p, t0, guess):
        start = np.concatenate([y0, guess])
        keywords = {"args": (p,), "mass_matrix": SINGULAR, "rtol": 1e-9, "atol": 1e-11}
        y = solve_ivp(pendulum_like, (t0, 3.0), start, "Rodas5P", t_eval=[0.5, 1.7, 3.0], **keywords).y
        return np.sum(y[:2] ** 2 * np.array([1.0, -1.0, 2.0])) + y[2, 0] + y[2, 2]

    def ode(y0, p, t0):
        keywords = {"args": (p,), "rtol": 1e-11, "atol": 1e-12}
        y = solve_ivp(reduced, (t0, 3.0), y0, "Tsit5", t_eval=[0.5, 1.7, 3.0], **keywords).y
        q = y[0] + p[2] * np.sin(np.array([0.5, 1.7, 3.0]))
        root = np.sqrt(q**2 / 4 + p[1] ** 3 / 27)
        z = np.cbrt(q / 2 + root) + np.cbrt(q / 2 - root)
        return np.sum(y**2 * np.array([1.0, -1.0, 2.0])) + z[0] + z[2]

    at = (np.array([1.0, 0.3]), P, 0.1)
    relative(dae(*at, np.array([0.7])), ode(*at), 1e-7)
    found = ad.grad(dae, argnums=(0, 1, 2, 3))(*at, np.array([0.7]))
    relative(found[:3], ad.grad(ode, argnums=(0, 1, 2))(*at), 1e-6)
    assert not np.any(np.abs(found[3]) > 1e-12)  # a guess, no more
    v = (np.array([0.2, -0.4]), np.array([0.3, 0.5, -1.0]), 0.7, np.array([1.0]))
    expected = sum(np.sum(g * d) for g, d in zip(found, v, strict=True))
    relative(ad.jvp(dae, (*at, np.array([0.7])), v)[1], expected, 1e-9)


def test_initial_values_are_consistent_and_differentiable():
    """The first output is the solution of the algebraic equation, with its derivative."""

    def first(p, y0):
        keywords = {"args": (p,), "mass_matrix": SINGULAR}
        return solve_ivp(pendulum_like, (0.3, 1.0), np.stack([y0, 0.3, 0.5]), "Rodas5P", **keywords).y[2, 0]

    z = first(P, 1.0)
    assert not abs(P[1] * z + z**3 - 1.0 - P[2] * np.sin(0.3)) > 1e-14
    slope = 1.0 / (P[1] + 3 * z**2)
    relative(
        ad.grad(first, argnums=(0, 1))(P, 1.0),
        (np.array([0.0, -z * slope, np.sin(0.3) * slope]), slope),
        1e-10,
    )


@pytest.mark.parametrize("method", ["Rodas4", "Rodas5P"])
def test_regular_mass_matrix(method):
    """M y' = f is y' = M^-1 f."""
    mass = np.array([[2.0, 1.0], [0.3, 1.5]])

    def f(t, y, p):
        return np.array([-p[0] * y[0] + np.sin(p[1] * t), y[0] * y[1] - p[1] * y[1]])

    def loss(p, y0, t0, **keywords):
        keywords = {"args": (p,), "t_eval": [0.6, 1.5], "rtol": 1e-9, "atol": 1e-11, **keywords}
        return np.sum(solve_ivp(keywords.pop("fun", f), (t0, 1.5), y0, **keywords).y ** 2)

    def inverted(t, y, p):
        return np.linalg.solve(mass, f(t, y, p))

    at = (np.array([1.1, 0.6]), np.array([0.5, 0.8]), 0.1)
    exact = ad.grad(loss, argnums=(0, 1, 2))(*at, fun=inverted, method="Tsit5")
    relative(ad.grad(loss, argnums=(0, 1, 2))(*at, method=method, mass_matrix=mass), exact, 1e-6)


def test_events_of_a_differential_algebraic_system():
    """A kick of y0 where the algebraic unknown passes a level: the state after it is made consistent too."""

    def solved(p):
        kick = event(lambda t, y, p: y[2] - p[2], 0, apply=lambda t, y, p: y + np.array([0.0, p[0], 0.0]))
        keywords = {"args": (p,), "mass_matrix": SINGULAR, "rtol": 1e-10, "atol": 1e-11, "events": kick}
        return solve_ivp(
            pendulum_like, (0, 3.0), np.array([1.0, 0.3, 0.7]), "Rodas5P", t_eval=[3.0], **keywords
        )

    assert len(solved(P).t_events[0]) == 1
    found = ad.jacobian(lambda p: solved(p).y[:, 0], mode="reverse")(P)
    relative(ad.jacobian(lambda p: solved(p).y[:, 0], mode="forward")(P), found, 1e-9)
    relative(found, differences(lambda p: solved(p).y[:, 0], P, 1e-4), 1e-6)


def test_second_derivatives():
    """With a regular mass matrix; with a singular one they are refused."""
    mass = np.array([[2.0, 1.0], [0.3, 1.5]])

    def loss(p):
        keywords = {"args": (p,), "mass_matrix": mass, "rtol": 1e-8, "atol": 1e-10}
        f = lambda t, y, p: np.array([-p[0] * y[0] ** 2, y[0] * y[1] - p[1] * y[1]])  # noqa: E731
        return np.sum(solve_ivp(f, (0, 1.5), np.ones(2), "Rodas5P", t_eval=[0.6, 1.5], **keywords).y ** 2)

    p = np.array([1.1, 0.6])
    relative(ad.hessian(loss)(p), differences(ad.grad(loss), p, 1e-3), 1e-6)
    with pytest.raises(ad.NotDifferentiable, match="singular mass matrix"):
        ad.hessian(scaled_rates)(np.zeros(3))
