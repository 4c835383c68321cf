"""Ensembles: reproducible on any number of threads, moments and their gradients against closed forms,
statistics without paths.
"""

import matplotlib
import numpy as np
import pytest

import sciad as ad
from sciad.solvers import solve_sde

matplotlib.use("Agg")


def gbm(t, y, mu, sigma):
    return mu * y


def gbm_noise(t, y, mu, sigma):
    return sigma * y


def ou(t, y, rate, level, sigma):
    return rate * (level - y)


def ou_noise(t, y, rate, level, sigma):
    return np.full(1, sigma)


def cir_noise(t, y, rate, level, sigma):
    return sigma * np.sqrt(np.maximum(y, 0.0))


RATE, LEVEL, SIGMA = 1.5, 0.8, 0.4
DECAY = np.exp(-RATE)
# drift, diffusion, noise, args, method; mean and variance at 1 from y = 1, slopes of the mean in args and y
MODELS = {
    "GBM": (
        gbm, gbm_noise, "diagonal", (0.1, 0.3), "SRIW1",
        np.exp(0.1), np.exp(0.2) * (np.exp(0.09) - 1), (np.exp(0.1), 0.0, np.exp(0.1)),
    ),
    "OU": (
        ou, ou_noise, "additive", (RATE, LEVEL, SIGMA), "SRA1",
        LEVEL + (1 - LEVEL) * DECAY, SIGMA**2 / (2 * RATE) * (1 - DECAY**2),
        (-(1 - LEVEL) * DECAY, 1 - DECAY, 0.0, DECAY),
    ),
    "CIR": (
        ou, cir_noise, "diagonal", (RATE, LEVEL, SIGMA), "SRIW1",
        LEVEL + (1 - LEVEL) * DECAY,
        SIGMA**2 / RATE * (DECAY - DECAY**2) + LEVEL * SIGMA**2 / (2 * RATE) * (1 - DECAY) ** 2,
        (-(1 - LEVEL) * DECAY, 1 - DECAY, 0.0, DECAY),
    ),
}  # fmt: skip


@pytest.mark.parametrize("paths", [4000, pytest.param(100_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", MODELS)
def test_moments_and_their_gradient(name, paths):
    """Within three standard errors of closed forms, from the spread of the paths and of their derivatives."""
    drift, diffusion, noise, args, method, mean, variance, slopes = MODELS[name]

    def ends(*values):
        sol = solve_sde(
            drift, diffusion, (0, 1), np.array([values[-1]]), args=values[:-1], noise=noise, method=method,
            dt=1 / 100, paths=paths, seed=8, t_eval=[1.0],
        )  # fmt: skip
        return sol.y[:, 0, 0]

    at = (*args, 1.0)
    y = ends(*at)
    assert y.shape == (paths,)
    fourth = np.mean((y - y.mean()) ** 4)
    assert not abs(y.mean() - mean) > 3 * y.std() / np.sqrt(paths)
    assert not abs(y.var() - variance) > 3 * np.sqrt((fourth - y.var() ** 2) / paths)
    found = ad.grad(lambda *values: np.mean(ends(*values)), argnums=tuple(range(len(at))))(*at)
    for k, exact in enumerate(slopes):
        direction = tuple(float(j == k) for j in range(len(at)))
        each = ad.jvp(ends, at, direction)[1]
        assert not abs(found[k] - each.mean()) > 1e-12
        # the last term is for derivatives that are the same on all paths: the error of the steps
        assert not abs(found[k] - exact) > 3 * each.std() / np.sqrt(paths) + 2e-5


@pytest.mark.parametrize(
    "options",
    [
        {"method": "EulerMaruyama", "dt": 0.05},
        {"method": "SRIW1", "dt": 0.07, "t_eval": [0.11, 1.0]},
        {"method": "SOSRI", "rtol": 1e-2},
    ],
    ids=["fixed", "bridged", "adaptive"],
)
def test_any_number_of_threads_gives_the_same_bits(options):
    def run(**more):
        return solve_sde(gbm, gbm_noise, (0, 1), [1.0, 2.0], args=(0.1, 0.3), seed=5, **options, **more).y

    one = run(paths=150, threads=1)
    for threads in (2, 3, 8):
        assert np.array_equal(run(paths=150, threads=threads), one)
    assert np.array_equal(run(paths=40), one[:40])
    single = run()
    if "rtol" in options:
        single = single[:, [0, -1]]
    assert not np.max(np.abs(single - one[0])) > 1e-13
    assert len(np.unique(one[:, 0, -1])) == 150


def test_shapes():
    for y0, shape in ((1.0, ()), ([1.0, 2.0], (2,)), (np.ones((2, 3)), (2, 3))):
        options = {"args": (0.1, 0.3), "seed": 1, "dt": 0.25, "method": "EulerMaruyama"}
        assert solve_sde(gbm, gbm_noise, (0, 1), y0, **options).y.shape == (*shape, 5)
        assert solve_sde(gbm, gbm_noise, (0, 1), y0, paths=7, **options).y.shape == (7, *shape, 5)
        with_axis = lambda t, y, mu, sigma: np.stack([0.1 * y, 0.2 * y], axis=-1)  # noqa: E731
        sol = solve_sde(gbm, with_axis, (0, 1), y0, noise="general", paths=7, **options)
        assert sol.y.shape == (7, *shape, 5)


def test_statistics_without_paths():
    options = {"args": (0.1, 0.3), "seed": 3, "dt": 0.1, "method": "EulerMaruyama", "paths": 5000}
    kept = solve_sde(gbm, gbm_noise, (0, 1), [1.0, 2.0], **options)
    levels = (0.05, 0.5, 0.95)
    sol = solve_sde(gbm, gbm_noise, (0, 1), [1.0, 2.0], quantiles=levels, **options)
    assert sol.y is None and sol.mean.shape == (2, 11)
    assert not np.max(np.abs(sol.mean - kept.y.mean(0))) > 1e-13
    assert not np.max(np.abs(sol.std - kept.y.std(0, ddof=1))) > 1e-13
    bin_ = np.ptp(kept.y, axis=0) / 4096
    for q in levels:
        assert np.all(np.abs(sol.quantiles[q] - np.quantile(kept.y, q, axis=0)) <= 4 * bin_ + 1e-12)


def test_plots_and_progress(capsys):
    import matplotlib.pyplot as plt

    options = {"args": (0.1, 0.3), "seed": 3, "dt": 0.1, "method": "EulerMaruyama"}
    one = solve_sde(gbm, gbm_noise, (0, 1), [1.0, 2.0], **options)
    many = solve_sde(gbm, gbm_noise, (0, 1), [1.0, 2.0], paths=50, progress=True, **options)
    assert "part" in capsys.readouterr().err
    fan = solve_sde(gbm, gbm_noise, (0, 1), [1.0, 2.0], paths=50, quantiles=(0.1, 0.5, 0.9), **options)
    for sol, lines, bands in ((one, 1, 0), (many, 4, 2), (fan, 1, 1)):
        ax = sol.plot(component=1)
        assert len(ax.lines) == lines and len(ax.collections) == bands
        assert ax.get_xlabel() == "t" and ax.get_ylabel() == "y[1]"
        plt.close(ax.figure)
    assert "EulerMaruyama" in repr(one) and "statistics" in repr(fan)
