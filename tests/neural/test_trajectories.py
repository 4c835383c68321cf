"""Neural equations, flows, hidden and driven motions: closed forms, and gradients against differences."""

import numpy as np
import pytest
from scipy.interpolate import CubicHermiteSpline

import sciad as ad
from sciad import neural, nn
from sciad.solvers import solve_ivp, solve_sde

RNG = np.random.default_rng(0)
TIGHT = {"method": "Tsit5", "rtol": 1e-9, "atol": 1e-9}
W = nn.mlp_weights(RNG, (2, 6, 2))


def test_a_linear_network_solves_as_an_exponential():
    matrix = np.array([[-0.3, 1.0], [-1.0, -0.2]])
    y0 = RNG.normal(size=(4, 2))
    y = neural.neural_ode(matrix, y0, np.array([0.0, 0.5, 1.5]), lambda w, y: y @ w, **TIGHT)
    values, vectors = np.linalg.eig(matrix)
    for k, t in enumerate((0.0, 0.5, 1.5)):
        flow = (vectors * np.exp(values * t)) @ np.linalg.inv(vectors)
        np.testing.assert_allclose(y[..., k], y0 @ flow.real, atol=1e-7)


def test_gradient_of_a_neural_equation():
    y0 = RNG.normal(size=(3, 2))
    loss = lambda w, y0: np.sum(neural.neural_ode(w, y0, np.array([0.0, 0.5, 1.0]), **TIGHT) ** 2)  # noqa: E731
    ad.check_grads(loss, (W, y0), order=1, rtol=1e-4)


def test_variants_of_the_field():
    y0 = np.array([[1.0, 2.0]])
    assert neural.augmented(y0, 3).tolist() == [[1, 2, 0, 0, 0]]
    spring = neural.second_order(lambda t, x, v, k: -k * x)
    y = solve_ivp(spring, (0, 2), np.array([[1.0, 0.0]]), t_eval=[2.0], args=(4.0,), **TIGHT).y
    np.testing.assert_allclose(y[0, :, 0], [np.cos(4.0), -2 * np.sin(4.0)], atol=1e-7)
    field = neural.universal(lambda t, y, r: -r * y)
    np.testing.assert_allclose(
        field(0.0, y0, {"known": 0.5, "net": W}), -0.5 * y0 + nn.mlp(W, y0), rtol=1e-14
    )
    # |f|^2 of y' = -y from (3, 4) is 25 exp(-2t)
    bent = neural.with_energy(lambda t, y: -y)
    end = solve_ivp(bent, (0, 1), np.array([3.0, 4.0, 0.0]), t_eval=[1.0], **TIGHT).y[:, 0]
    assert end[2] == pytest.approx(12.5 * (1 - np.exp(-2)), rel=1e-7)


# -- flows --


def stretched(t, x, w):
    return x * w


def test_the_density_of_a_stretched_normal_is_exact():
    w, x = np.array([0.7, -0.4]), RNG.normal(size=(5, 2))
    sd = np.exp(w)
    expected = np.sum(-0.5 * (x / sd) ** 2 - 0.5 * np.log(2 * np.pi) - w, axis=1)
    np.testing.assert_allclose(neural.flow_log_density(stretched, w, x, **TIGHT), expected, atol=1e-7)
    signs = np.sign(RNG.normal(size=x.shape))  # the Jacobian is diagonal: one probe of signs is exact
    np.testing.assert_allclose(neural.flow_log_density(stretched, w, x, signs, **TIGHT), expected, atol=1e-7)
    z = RNG.normal(size=(5, 2))
    np.testing.assert_allclose(neural.flow_samples(stretched, w, z, **TIGHT), z * sd, rtol=1e-7)


def field(t, x, w):
    return nn.mlp(w, x)


def test_a_flow_integrates_to_one_and_probes_are_right_on_average():
    x = np.linspace(-6, 6, 49)
    grid = np.stack(np.meshgrid(x, x), axis=-1).reshape(-1, 2)
    density = np.exp(neural.flow_log_density(field, W, grid, method="Tsit5", rtol=1e-6, atol=1e-6))
    assert density.sum() * (x[1] - x[0]) ** 2 == pytest.approx(1.0, abs=1e-3)
    few = np.array([[0.3, -0.8], [1.0, 0.2]])
    exact = neural.flow_log_density(field, W, few, **TIGHT)
    # the four pairs of signs: z z^T averages to the identity over them
    signs = [np.tile([a, b], (2, 1)) for a in (-1.0, 1.0) for b in (-1.0, 1.0)]
    mean = np.mean([neural.flow_log_density(field, W, few, s, **TIGHT) for s in signs], axis=0)
    np.testing.assert_allclose(mean, exact, atol=1e-7)
    ad.check_grads(
        lambda w: np.sum(neural.flow_log_density(field, w, few, **TIGHT)), (W,), order=1, rtol=1e-4
    )
    ad.check_grads(
        lambda w: np.sum(neural.flow_log_density(field, w, few, signs[1], **TIGHT)), (W,), order=1, rtol=1e-4
    )


# -- hidden motions --


def test_latent_loss():
    w = neural.latent_weights(np.random.default_rng(1), 2, 3, 5)
    times, ys = np.array([0.0, 0.4, 1.0, 1.3]), RNG.normal(size=(2, 4, 2))
    noise = RNG.normal(size=(2, 3))
    mean, log_sd = neural.encoded(w, times, ys)
    assert mean.shape == log_sd.shape == (2, 3)
    z0 = mean + np.exp(log_sd) * noise
    shown = neural.decoded(w, z0, times, **TIGHT)
    assert shown.shape == (2, 4, 2)
    np.testing.assert_allclose(shown[:, 0], nn.mlp(w["decoder"], z0), rtol=1e-12)
    fit = np.sum(0.5 * ((ys - shown) / 0.3) ** 2 + np.log(0.3 * np.sqrt(2 * np.pi)))
    kl = np.sum(0.5 * (mean**2 + np.exp(2 * log_sd) - 1) - log_sd)
    assert neural.latent_loss(w, times, ys, noise, 0.3, **TIGHT) == pytest.approx((fit + kl) / 2, rel=1e-9)
    ad.check_grads(lambda w: neural.latent_loss(w, times, ys, noise, 0.3, **TIGHT), (w,), order=1, rtol=1e-3)


def test_moments():
    paths = RNG.normal(2.0, 0.5, size=(4000, 1, 3))
    assert neural.moment_loss(paths, np.full((1, 3), 2.0), np.full((1, 3), 0.5)) < 1e-3
    assert neural.moment_loss(paths, np.full((1, 3), 1.0), np.full((1, 3), 0.5)) == pytest.approx(
        1.0, abs=0.05
    )


def test_the_divergence_of_two_drifted_motions():
    """Constant drifts a and b with noise s: the divergence is (a - b)^2 T / (2 s^2), without randomness."""
    drift, diffusion = neural.latent_sde(
        lambda t, z, a, b: 0.0 * z + b, lambda t, z, a, b: 0.0 * z + a, lambda t, z, a, b: 0.0 * z + 0.5
    )

    def end(a):
        sol = solve_sde(
            drift, diffusion, (0, 2), np.zeros(2), args=(a, 0.2), t_eval=[2.0], dt=0.1, seed=1, paths=8,
            method="EulerMaruyama",
        )  # fmt: skip
        return np.mean(sol.y[:, 1, -1])

    assert end(1.0) == pytest.approx(0.8**2 * 2 / (2 * 0.25), rel=1e-10)
    assert ad.grad(end)(1.0) == pytest.approx(0.8 * 2 / 0.25, rel=1e-8)


# -- driven motions --


def test_the_path_is_a_cubic_that_knows_the_past_only():
    times, values = np.array([0.0, 1.0, 1.5, 3.0]), RNG.normal(size=(4, 2))
    first, second = neural.path_slopes(times, values)
    for k in range(3):
        h = times[k + 1] - times[k]
        # slope at the end of each interval: the secant; then the cubic is known
        spline = CubicHermiteSpline(
            times[k : k + 2], values[k : k + 2], [first[k], (values[k + 1] - values[k]) / h]
        )
        for share in (0.0, 0.3, 1.0):
            found = first[k] + second[k] * (4 * share - 3 * share**2)
            np.testing.assert_allclose(found, spline(times[k] + share * h, 1), atol=1e-12)
    changed = values.copy()
    changed[3] += 1
    np.testing.assert_array_equal(neural.path_slopes(times, changed)[0][:3], first)


def test_a_driven_motion_with_a_constant_matrix_integrates_the_path():
    times, values = np.array([0.0, 1.0, 1.5, 3.0]), RNG.normal(size=(4, 2))
    matrix = np.array([[1.0, 2.0], [0.5, -1.0], [0.0, 3.0]])
    net = lambda w, z: np.ravel(w)  # noqa: E731
    z = neural.neural_cde(matrix, np.zeros(3), times, values, net, **TIGHT)
    np.testing.assert_allclose(z[:, 0], matrix @ (values[-1] - values[0]), atol=1e-7)


def test_gradient_of_a_driven_motion():
    times, values = np.array([0.0, 1.0, 1.5]), RNG.normal(size=(3, 4, 2))
    w = nn.mlp_weights(np.random.default_rng(2), (3, 5, 6))
    z0 = RNG.normal(size=(4, 3))
    loss = lambda w, z0: np.sum(neural.neural_cde(w, z0, times, values, **TIGHT) ** 2)  # noqa: E731
    ad.check_grads(loss, (w, z0), order=1, rtol=1e-4)
