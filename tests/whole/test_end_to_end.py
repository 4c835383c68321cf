"""Gradients of whole solves, as a user takes them, against closed forms and variational equations."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp as scipy_solve_ivp

import sciad as ad
from sciad.adjoints import DiscreteAdjoint, ForwardSensitivity, InterpolatingAdjoint
from sciad.solvers import solve_ivp
from sciad.tree import flatten, unflatten
from tests.problems.ode_models import MODELS

ADJOINTS = {
    adjoint.__name__: adjoint for adjoint in (DiscreteAdjoint, InterpolatingAdjoint, ForwardSensitivity)
}
TIGHT = {"method": "Tsit5", "rtol": 1e-10, "atol": 1e-10}
CLOSED = [name for name, model in MODELS.items() if model.exact and not model.stiff]


def complex_step(f, leaves):
    """Derivatives of f(leaves) with respect to every entry of every leaf, without differences."""
    gradients = []
    for i, leaf in enumerate(leaves):
        gradient = np.zeros(np.shape(leaf))
        for index in np.ndindex(gradient.shape):
            moved = np.array(leaf, complex)
            moved[index] += 1e-30j
            gradient[index] = np.imag(f([*leaves[:i], moved[()], *leaves[i + 1 :]])) / 1e-30
        gradients.append(gradient)
    return gradients


@pytest.mark.parametrize("adjoint", ADJOINTS)
@pytest.mark.parametrize("name", CLOSED)
def test_gradient_of_closed_form(name, adjoint):
    model = MODELS[name]
    times = np.linspace(*model.t_span, 7)
    weights = np.random.default_rng(0).normal(size=(model.y0.size, times.size))

    def loss(y0, args):
        solution = solve_ivp(
            model.fun, model.t_span, y0, t_eval=times, args=args, adjoint=ADJOINTS[adjoint](), **TIGHT
        )
        return np.sum(weights * solution.y**2)

    leaves, structure = flatten((model.y0, model.args))

    def exact_loss(leaves):
        y0, args = unflatten(structure, leaves)
        states = np.stack([model.exact(t, y0, *args) for t in times], axis=1)
        return np.sum(weights * states**2)

    value, gradient = ad.value_and_grad(loss, argnums=(0, 1))(model.y0, model.args)
    assert abs(value - exact_loss(leaves)) <= 1e-7 * max(1, abs(value))
    expected = complex_step(exact_loss, leaves)
    scale = max(np.abs(part).max() for part in expected)
    for mine, right in zip(flatten(gradient)[0], expected, strict=True):
        assert np.shape(mine) == np.shape(right)
        assert not np.any(~(np.abs(mine - right) <= 1e-6 * scale)), (mine, right)


def lotka_volterra_loss(p, **options):
    model = MODELS["lotka_volterra"]
    times = np.linspace(0, 10, 101)
    return np.sum(solve_ivp(model.fun, model.t_span, model.y0, t_eval=times, args=(p,), **options).y ** 2)


@pytest.mark.parametrize("adjoint", ADJOINTS)
def test_lotka_volterra_against_variational_equations(adjoint):
    model = MODELS["lotka_volterra"]
    (p,) = model.args

    def variational(t, z):
        y, s = z[:2], z[2:].reshape(2, 4)
        jacobian = np.array([[p[0] - p[1] * y[1], -p[1] * y[0]], [p[2] * y[1], p[2] * y[0] - p[3]]])
        by_p = np.array([[y[0], -y[0] * y[1], 0, 0], [0, 0, y[0] * y[1], -y[1]]])
        return np.concatenate([model.fun(t, y, p), (jacobian @ s + by_p).ravel()])

    z0 = np.concatenate([model.y0, np.zeros(8)])
    times = np.linspace(0, 10, 101)
    z = scipy_solve_ivp(variational, (0, 10), z0, "DOP853", t_eval=times, rtol=1e-13, atol=1e-13).y
    expected = 2 * np.einsum("it,ijt->j", z[:2], z[2:].reshape(2, 4, 101))

    gradient = ad.grad(lambda p: lotka_volterra_loss(p, adjoint=ADJOINTS[adjoint](), **TIGHT))(p)
    assert np.abs(gradient - expected).max() <= 1e-7 * np.abs(expected).max()


def test_forward_mode_is_the_same_gradient():
    (p,) = MODELS["lotka_volterra"].args
    gradient = ad.grad(lambda p: lotka_volterra_loss(p, **TIGHT))(p)
    direction = np.array([0.3, -0.2, 0.5, 0.1])
    _, slope = ad.jvp(lambda p: lotka_volterra_loss(p, **TIGHT), (p,), (direction,))
    assert abs(slope - gradient @ direction) <= 1e-7 * np.abs(gradient).max()


@pytest.mark.parametrize("adjoint", ADJOINTS)
def test_captured_value_gets_its_gradient(adjoint):
    def loss(rate):
        def decay(t, y):
            return -rate * y

        return solve_ivp(decay, (0, 1), np.array([2.0]), adjoint=ADJOINTS[adjoint](), **TIGHT).y[0, -1]

    for rate in (0.7, 1.3):
        assert abs(ad.grad(loss)(rate) - (-2 * np.exp(-rate))) <= 1e-7


@pytest.mark.parametrize("adjoint", ADJOINTS)
def test_loss_on_part_of_the_solution(adjoint):
    def loss(rate):
        model = lambda t, y, rate: np.array([-rate * y[0], rate * y[0]])  # noqa: E731
        y0 = np.array([1.0, 0.0])
        y = solve_ivp(
            model,
            (0, 2),
            y0,
            t_eval=np.array([0.5, 1.0, 2.0]),
            args=(rate,),
            adjoint=ADJOINTS[adjoint](),
            **TIGHT,
        ).y
        return y[1, 1]

    assert abs(ad.grad(loss)(0.8) - np.exp(-0.8)) <= 1e-7
