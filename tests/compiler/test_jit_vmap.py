"""`vmap` of jitted functions: a native loop over rows, the same as the eager function in every way."""

import numpy as np
import pytest

import sciad as ad
from sciad.compiler import mapped_program

RNG = np.random.default_rng(0)
X, Z, A = RNG.normal(size=(9, 4)), RNG.normal(size=(3, 4)), RNG.normal(size=4)


def weighted(x, a):
    s = 0.0
    for i in range(x.size):
        s += np.sin(x[i]) * x[i] * a[i]
    return s


def total(f):
    return lambda x, a: np.sum(ad.vmap(f, (0, None))(x, a) ** 2)


COMBINATIONS = {
    "value": lambda f: ad.vmap(f, (0, None))(X, A),
    "both mapped": lambda f: ad.vmap(f)(X[:4], X[4:8]),
    "gradient inside": lambda f: ad.vmap(ad.grad(f, (0, 1)), (0, None))(X, A),
    "gradient outside": lambda f: ad.grad(total(f), (0, 1))(X, A),
    "jvp outside": lambda f: ad.jvp(total(f), (X, A), (X + 1, A + 1)),
    "jvp inside": lambda f: ad.vmap(lambda x: ad.jvp(f, (x, A), (x + 1, A)))(X),
    "hessian inside": lambda f: ad.vmap(ad.hessian(f), (0, None))(X, A),
    "hessian outside": lambda f: ad.hessian(total(f), 1)(X, A),
    "vmap of vmap": lambda f: ad.vmap(lambda x: ad.vmap(f, (None, 0))(x, Z))(X),
}


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_as_the_eager_function(combination):
    compute = COMBINATIONS[combination]
    eager, native = (ad.tree.flatten(compute(f))[0] for f in (weighted, ad.jit(weighted)))
    for a, b in zip(eager, native, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-12)


def test_rows_of_several_threads_add_up(monkeypatch):
    monkeypatch.setattr(mapped_program, "WORTH", 0.0)
    x = RNG.normal(size=(mapped_program.FEWEST + 7, 4))
    eager, native = (ad.grad(total(f), (0, 1))(x, A) for f in (weighted, ad.jit(weighted)))
    for a, b in zip(eager, native, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-12)


def test_each_row_takes_the_steps_it_needs():
    def root(a):
        z = a
        while abs(z * z - a) > 1e-13 * a:
            z = 0.5 * (z + a / z)
        return z

    a = 10.0 ** np.linspace(-6, 6, 24)
    np.testing.assert_allclose(ad.vmap(ad.jit(root))(a), np.sqrt(a), rtol=1e-12)
    np.testing.assert_allclose(ad.vmap(ad.grad(ad.jit(root)))(a), 0.5 / np.sqrt(a), rtol=1e-6)


def test_a_row_that_fails_raises():
    def root(x):
        if x < 0:
            raise ValueError("negative")
        return np.sqrt(x)

    with pytest.raises(ValueError, match="negative"):
        ad.vmap(ad.jit(root))(np.array([4.0, -1.0, 9.0]))
