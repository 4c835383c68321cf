"""The examples of stochastic equations reach what they promise."""

import numpy as np
import pytest

import sciad as ad
from examples import neural_sde, sde_fit


def test_fit_reaches_the_optimum():
    years, counts = sde_fit.read_counts()
    u = np.log(counts)
    p, likelihood, _ = sde_fit.fit(u)
    slope = ad.grad(sde_fit.negative_log_likelihood)(np.log(p), u)
    assert not np.max(np.abs(slope)) > 0.02
    assert likelihood > 7.0
    # a deterministic fit of the same data by others: 0.55, 0.028, 0.024, 0.80
    assert np.allclose(p[:4], [0.55, 0.028, 0.024, 0.80], rtol=0.15)
    assert np.all((p[4:] > 0.1) & (p[4:] < 0.4))
    figure = sde_fit.draw(years, counts, p)
    assert len(figure.axes) == 2


@pytest.mark.long
def test_networks_learn_drift_and_noise():
    targets = neural_sde.moments(neural_sde.true_paths())
    weights, losses = neural_sde.train(targets, 200)
    assert np.mean(losses[-10:]) < 0.03 * losses[0]
    x = np.array([-1.2, -0.5, 0.5, 1.2])
    assert np.all(np.sign(neural_sde.drift(0.0, x, weights)) == np.sign(x - x**3))
    assert np.all(np.abs(neural_sde.diffusion(0.0, x, weights) - 0.5) < 0.25)


def test_networks_have_the_right_gradient():
    targets = neural_sde.moments(neural_sde.true_paths(200))
    w = neural_sde.first_weights()
    slope = ad.grad(neural_sde.loss)(w, 1, targets)
    for part in w:
        for name in w[part]:
            values = []
            for sign in (1, -1):
                moved = {q: dict(w[q]) for q in w}
                moved[part][name] = w[part][name] + sign * 1e-5
                values.append(neural_sde.loss(moved, 1, targets))
            difference = (values[0] - values[1]) / 2e-5
            assert not abs(np.sum(slope[part][name]) - difference) > 1e-6 * max(1, abs(difference)), (
                part,
                name,
            )
