"""The examples of neural and stiff equations reach what they promise."""

import numpy as np

import sciad as ad
from examples import neural_ode_spiral as spiral
from examples import stiff_kinetics as kinetics
from sciad import adjoints
from sciad.tree import tree_leaves, tree_map


def test_spiral_is_learnt():
    truth = spiral.solve(spiral.spiral, spiral.START, spiral.TIMES, ())
    weights, losses = spiral.train(truth, 1000, progress=False)
    assert not np.mean(losses[-20:]) > 0.1 * losses[0]
    model = spiral.solve(spiral.network, spiral.START, spiral.TIMES, (weights,))
    assert model.shape == truth.shape == (1, 2, 1000)
    assert (
        not np.abs(model - truth).mean() > 0.35
    )  # the phase drifts; a still point would be much further away
    assert np.abs(truth).mean() > 0.5
    assert len(spiral.draw(truth, model, weights, losses).axes) == 4


def test_spiral_gradient():
    """Along a random direction in all weights, against differences of the loss."""
    rng = np.random.default_rng(1)
    truth = spiral.solve(spiral.spiral, spiral.START, spiral.TIMES, ())
    starts, targets = spiral.batch(truth, rng)
    w = spiral.first_weights(rng)
    v = tree_map(lambda x: 0.1 * rng.normal(size=x.shape), w)
    slope = ad.grad(spiral.loss)(w, starts, targets)
    found = sum(tree_leaves(tree_map(lambda g, v: np.sum(g * v), slope, v)))
    up, down = (
        spiral.loss(tree_map(lambda w, v, s=s: w + s * 1e-5 * v, w, v), starts, targets) for s in (1, -1)
    )
    assert not abs(found - (up - down) / 2e-5) > 1e-6 * abs(found) + 1e-9


def test_rates_are_found():
    data = kinetics.measure()
    rates, history = kinetics.fit(data, progress=False)
    assert not 2 * history[-1] / data.size > 1.3
    error = kinetics.uncertainty(rates, data)
    assert not np.any(np.abs(np.log(rates / kinetics.RATES)) > 4 * error)
    assert np.all(error < 0.1)
    # The optimum is one: the gradient by the adjoint vanishes there, and is right elsewhere.
    loss = lambda x: 0.5 * np.sum(kinetics.residuals(x, data) ** 2)  # noqa: E731
    assert not np.abs(ad.grad(loss)(np.log(rates)) * error).max() > 0.05
    model = adjoints.gauss_newton(lambda x: kinetics.residuals(x, data), np.log(kinetics.GUESS))
    gradient = ad.grad(loss)(np.log(kinetics.GUESS))
    assert not np.abs(model.gradient - gradient).max() > 1e-8 * np.abs(gradient).max()
    assert len(kinetics.draw(data, rates).axes) == 1


def test_gauss_newton_matrix_is_the_hessian_without_residuals():
    """With data that the model meets exactly, J^T J is the Hessian of half the sum of squares."""
    data = kinetics.concentrations(kinetics.RATES)
    at = np.log(kinetics.RATES)
    model = adjoints.gauss_newton(lambda x: kinetics.residuals(x, data), at)
    hessian = ad.hessian(lambda x: 0.5 * np.sum(kinetics.residuals(x, data) ** 2))(at)
    assert not np.abs(model.matrix - hessian).max() > 1e-8 * np.abs(hessian).max()
    assert np.allclose(
        adjoints.fisher(lambda x: kinetics.concentrations(np.exp(x)), at, kinetics.NOISE * kinetics.SIZES),
        model.matrix,
        rtol=1e-12,
    )
    gradient, matrix = model.gradient, model.matrix
    assert np.allclose((matrix + 2.0 * np.diag(np.diag(matrix))) @ model.step(2.0), -gradient, atol=1e-9)
    assert np.allclose(model.covariance() @ matrix, np.eye(3), atol=1e-8)
