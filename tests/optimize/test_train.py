"""`train`, its files, and searches from many starts."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

import sciad as ad
import sciad.optimize as opt
from sciad.solvers import solve_ivp
from sciad.tree import tree_leaves

X = np.linspace(-1, 1, 40)
Y = np.sin(3 * X)
START = {"w": np.linspace(-1, 1, 8), "b": np.zeros(8), "v": [np.full(8, 0.1), 0.0]}


def loss(p, k):
    hidden = np.tanh(X[k][:, None] * p["w"] + p["b"])
    return np.mean((hidden @ p["v"][0] + p["v"][1] - Y[k]) ** 2)


def draw(rng):
    return (rng.choice(len(X), 10, replace=False),)


@pytest.mark.parametrize(
    "method",
    [opt.adam(opt.cosine_decay(0.05, 60)), opt.chain(opt.clip_norm(0.5), opt.sgd(0.1, 0.9)), opt.lion(0.01)],
)
@pytest.mark.parametrize("generator", ["PCG64", "Philox", "MT19937"])
def test_an_interrupted_training_goes_on_to_the_last_bit(tmp_path, method, generator):
    fresh = lambda: np.random.Generator(getattr(np.random, generator)(5))  # noqa: E731
    whole = opt.train(loss, START, method, 60, draw, seed=fresh())

    def interrupt(step, params, value):
        if step == 24:
            raise KeyboardInterrupt

    file = tmp_path / "kept" / "training.npz"
    with pytest.raises(KeyboardInterrupt):
        opt.train(loss, START, method, 60, draw, seed=fresh(), file=file, every=10, callback=interrupt)
    assert len(opt.load(file, losses=0)["losses"]) == 20
    rest = opt.train(loss, START, method, 60, draw, seed=fresh(), file=file)
    np.testing.assert_array_equal(rest.losses, whole.losses)
    for a, b in zip(
        tree_leaves((whole.params, whole.state)), tree_leaves((rest.params, rest.state)), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    assert rest.rng.random() == whole.rng.random()
    assert whole.losses[-5:].mean() < whole.losses[:5].mean()
    done = opt.train(loss, START, method, 60, draw, seed=0, file=file)  # nothing is left to do
    np.testing.assert_array_equal(done.losses, whole.losses)


def test_files_keep_types_and_refuse_what_does_not_fit(tmp_path):
    file = tmp_path / "a.npz"
    tree = {"a": 0.1, "b": [1, True, "text"], "c": (np.arange(3), None, np.float64(1 / 3)), "big": 2**80}
    opt.save(file, tree=tree)
    back = opt.load(file, tree=tree)["tree"]
    assert back["a"] == 0.1 and back["b"] == [1, True, "text"] and back["big"] == 2**80
    assert [type(x) for x in back["b"]] == [int, bool, str] and back["c"][0].dtype == np.int64
    assert back["c"][1] is None and back["c"][2] == 1 / 3
    with pytest.raises(ValueError, match="no 'other'"):
        opt.load(file, other=0)
    with pytest.raises(ValueError, match="another structure"):
        opt.load(file, tree={**tree, "d": 1.0})
    with pytest.raises(ValueError, match="has shape"):
        opt.load(file, tree={**tree, "c": (np.arange(4), None, 0.0)})
    with pytest.raises(ValueError, match=r"end in \.npz"):
        opt.save(tmp_path / "a.txt", tree=tree)
    with pytest.raises(TypeError, match="cannot be saved"):
        opt.save(file, tree={"f": print})
    assert opt.load(file, tree=tree)["tree"]["a"] == 0.1  # the old file is whole
    assert list(tmp_path.iterdir()) == [file]


def test_a_step_to_where_a_solve_fails_is_shortened():
    def late(p):
        sol = solve_ivp(
            lambda t, y, k: k * y * y, (0, 1), np.ones(1), "Tsit5", [1.0], args=(p["k"],), rtol=1e-8
        )
        return (sol.y[0, 0] - 10.0) ** 2

    result = opt.train(late, {"k": 0.5}, opt.adam(opt.piecewise_rate([0.6, 1e-2], [2])), 200)
    assert result.failures and "step size" in result.failures[0]
    assert result.params["k"] == pytest.approx(0.9, abs=1e-3)
    assert np.isfinite(result.losses).all() and len(result.losses) == 200
    with pytest.raises(ad.SolverError, match="at step 0 of the training"):
        opt.train(late, {"k": 2.0}, opt.adam(0.1), 3)


def test_callbacks_end_a_training_and_pictures_are_drawn():
    def stop(step, params, value):
        if step == 3:
            raise StopIteration

    result = opt.train(loss, START, opt.adam(0.1), 50, draw, callback=stop, progress=True)
    assert len(result.losses) == 4 and result.plot().axes


# -- many starts --


def wavy(x):
    return np.sin(3 * x) + 0.1 * x**2


def test_many_starts_by_every_executor():
    starts = np.linspace(-4, 4, 9)
    one = opt.multi_start(wavy, starts)
    exact = opt.minimize(wavy, -0.5, tol=1e-12)
    assert one.best.params == pytest.approx(exact.params, abs=1e-5)
    assert 1 <= one.count() < 9 and np.all(np.diff(one.losses) >= 0)
    with ThreadPoolExecutor(2) as pool:
        np.testing.assert_array_equal(opt.multi_start(wavy, starts, executor=pool).losses, one.losses)
    assert one.waterfall().axes


@pytest.mark.long
def test_many_starts_by_processes():
    starts = np.linspace(-4, 4, 9)
    with ProcessPoolExecutor(1) as pool:
        found = opt.multi_start(wavy, starts, executor=pool, progress=True)
    np.testing.assert_array_equal(found.losses, opt.multi_start(wavy, starts).losses)


def test_starts_that_fail_are_counted():
    found = opt.multi_start(lambda x: x - 2 * np.sqrt(x - 1), [0.0, 3.0, -1.0, 8.0])
    assert found.best.params == pytest.approx(2.0, abs=1e-3)
    assert np.isinf(found.losses).sum() == 2 and "begin" in found.searches[-1].failure
    assert "2 failed" in found.waterfall().axes[0].get_title()
    with pytest.raises(ad.SolverError, match="none of 1 searches"):
        opt.multi_start(lambda x: np.sqrt(x), [-1.0])


def test_random_starts():
    made = opt.random_starts(
        {"a": 1.0, "b": np.zeros(3), "c": 2.0},
        400,
        spread=0.5,
        bounds={"b": (-1, 3)},
        fixed={"c": True},
        transforms={"a": "positive"},
    )
    a, b = np.array([p["a"] for p in made]), np.array([p["b"] for p in made])
    assert all(p["c"] == 2.0 for p in made)
    assert np.std(np.log(a)) == pytest.approx(0.5, rel=0.1) and np.mean(np.log(a)) == pytest.approx(
        0, abs=0.1
    )
    assert b.min() > -1 and b.max() < 3 and b.mean() == pytest.approx(1.0, abs=0.1)
    again = opt.random_starts({"a": 1.0}, 2, seed=7)
    assert again == opt.random_starts({"a": 1.0}, 2, seed=7) and again[0] != again[1]
