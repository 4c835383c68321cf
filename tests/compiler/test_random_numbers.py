"""Random numbers that are functions of a key: the same compiled and not, to the last bit."""

import numpy as np
import pytest

import sciad as ad

KEY = ad.random.key(20261128)
DRAWS = {
    "normal": lambda k: ad.random.normal(k, (3, 5)),
    "normal number": lambda k: ad.random.normal(k),
    "normal odd": lambda k: ad.random.normal(k, 7),
    "uniform": lambda k: ad.random.uniform(k, (1000,)),
    "uniform number": lambda k: ad.random.uniform(k),
    "empty": lambda k: ad.random.uniform(k, (0, 3)),
    "randint": lambda k: ad.random.randint(k, -3, 9, (4, 2)),
    "randint number": lambda k: ad.random.randint(k, 0, 10**12),
    "permutation": lambda k: ad.random.permutation(k, 20),
    "permutation of rows": lambda k: ad.random.permutation(k, np.arange(12.0).reshape(6, 2)),
    "choice": lambda k: ad.random.choice(k, 10, (2, 3)),
    "choice of rows": lambda k: ad.random.choice(k, np.arange(12.0).reshape(6, 2), 4),
    "choice without replacement": lambda k: ad.random.choice(k, 10, 4, replace=False),
    "split": lambda k: ad.random.split(k, 3),
    "fold_in": lambda k: ad.random.fold_in(k, 12345678901),
    "key": lambda k: ad.random.key(-5) + ad.random.key(2**40 + 3) + k,
    "nested": lambda k: ad.random.normal(ad.random.split(ad.random.fold_in(k, 3))[1], 4),
}


@pytest.mark.parametrize("name", DRAWS)
def test_same_compiled_and_not(name):
    """Bit for bit, of one type."""
    draw = DRAWS[name]
    wanted, found = draw(KEY), ad.jit(draw)(KEY)
    assert np.asarray(found).dtype == np.asarray(wanted).dtype
    np.testing.assert_array_equal(found, wanted)


def monte_carlo(key, s):
    """A sum over numbers that are drawn in a loop, with keys of its index."""
    total = 0.0
    for k in range(200):
        total = total + np.exp(s * ad.random.normal(ad.random.fold_in(key, k)))
    return total / 200


def test_loops_and_gradients():
    """The sum and its derivative; keys have none."""
    compiled = ad.jit(monte_carlo)
    z = np.array([ad.random.normal(ad.random.fold_in(KEY, k)) for k in range(200)])
    np.testing.assert_allclose(compiled(KEY, 0.3), np.mean(np.exp(0.3 * z)), rtol=1e-14)
    for f in (monte_carlo, compiled):
        np.testing.assert_allclose(ad.grad(f, 1)(KEY, 0.3), np.mean(z * np.exp(0.3 * z)), rtol=1e-13)
        np.testing.assert_array_equal(ad.grad(f, 0)(KEY, 0.3), 0.0)
    np.testing.assert_allclose(
        ad.jit(ad.hessian(monte_carlo, 1))(KEY, 0.3), np.mean(z**2 * np.exp(0.3 * z)), rtol=1e-13
    )


def test_training_with_minibatches():
    """A whole run of stochastic gradient descent as one program."""
    x = np.linspace(-1.0, 1.0, 100)
    y = 3.0 * x - 0.5

    def loss(p, batch):
        return np.mean((p[0] * x[batch] + p[1] - y[batch]) ** 2)

    def train(key, p):
        for step in range(150):
            batch = ad.random.choice(ad.random.fold_in(key, step), 100, 8)
            p = p - 0.3 * ad.grad(loss)(p, batch)
        return p

    found = ad.jit(train)(KEY, np.zeros(2))
    np.testing.assert_allclose(found, train(KEY, np.zeros(2)), rtol=1e-12)
    np.testing.assert_allclose(found, [3.0, -0.5], atol=1e-4)


def test_maps_over_keys():
    """Each element has its own numbers, those of its key."""
    keys = ad.random.split(KEY, 4)
    wanted = np.stack([ad.random.normal(k, 3) for k in keys])
    for f in (ad.vmap(lambda k: ad.random.normal(k, 3)), ad.jit(ad.vmap(lambda k: ad.random.normal(k, 3)))):
        np.testing.assert_array_equal(f(keys), wanted)


def test_distributions():
    """Moments and bins of many numbers, within five standard errors; other keys, other numbers."""
    n = 200_000
    z, u = ad.random.normal(KEY, n), ad.random.uniform(KEY, n)
    assert abs(np.mean(z)) < 5 / np.sqrt(n) and abs(np.var(z) - 1) < 5 * np.sqrt(2 / n)
    assert abs(np.mean(z**4) - 3) < 5 * np.sqrt(96 / n)
    assert u.min() >= 0.0 and u.max() < 1.0
    for numbers in (np.floor(20 * u).astype(int), ad.random.randint(KEY, 0, 20, n)):
        counts = np.bincount(numbers, minlength=20)
        assert len(counts) == 20 and np.all(np.abs(counts - n / 20) < 5 * np.sqrt(n / 20))
    a, b = ad.random.split(KEY)
    for other in (ad.random.normal(a, n), ad.random.normal(b, n), ad.random.normal(ad.random.key(0), n)):
        assert abs(np.mean(z * other)) < 5 / np.sqrt(n)
        assert not np.any(z[:1000] == other[:1000])
    assert abs(np.mean(z[1:] * z[:-1])) < 5 / np.sqrt(n)


def test_permutations_are_permutations():
    """All orders of three, as often."""
    orders = [tuple(ad.random.permutation(ad.random.fold_in(KEY, k), 3)) for k in range(3000)]
    counts = {order: orders.count(order) for order in set(orders)}
    assert len(counts) == 6 and all(abs(c - 500) < 5 * np.sqrt(500) for c in counts.values())


def test_what_is_no_key_is_refused():
    """A seed in place of a key."""
    with pytest.raises((ValueError, IndexError)):
        ad.random.normal(np.zeros(0), 2)
    with pytest.raises(ValueError, match="more are asked for"):
        ad.random.choice(KEY, 3, 4, replace=False)
