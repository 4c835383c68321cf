"""A path with a factor 0 in its derivative contributes nothing: in compiled code as outside."""

import numpy as np
import pytest

import sciad as ad
from sciad.solvers import solve_ivp

ZERO_WINS = {
    "root in a branch not taken": (lambda x: np.where(x > 0, np.sqrt(x), 0), [0.0, -1.0], [0.0, 0.0]),
    "root of a maximum": (lambda x: np.sqrt(np.maximum(x, 0)), [-1.0, 1.0], [0.0, 0.5]),
    "root of a clip": (lambda x: np.sqrt(np.clip(x, 0.0, 2.0)), [-1.0, 1.0, 3.0], [0.0, 0.5, 0.0]),
    "power 1/2 of a maximum": (lambda x: np.maximum(x, 0) ** 0.5, [-1.0, 1.0], [0.0, 0.5]),
    "norm": (lambda x: np.linalg.norm(x * np.array([3.0, 4.0])), [0.0, 1.0, -1.0], [0.0, 5.0, -5.0]),
    "norm times vector": (
        lambda x: np.sum(np.linalg.norm(x * np.array([3.0, 4.0])) * x * np.array([3.0, 4.0])),
        [0.0, 1.0],
        [0.0, 70.0],
    ),
    "deviation": (lambda x: np.std(x * np.array([1.0, 3.0])), [0.0, 1.0], [0.0, 1.0]),
    "logistic, overflown": (lambda t: 5 / (1 + np.exp(-10 * (t - 90))), [0.0, 10.0, 90.0], [0.0, 0.0, 12.5]),
    "logarithm times zero": (lambda x: np.where(x > 0, x * np.log(x), 0.0), [0.0, -1.0, 1.0], [0, 0, 1.0]),
    "quotient in a branch": (lambda x: np.where(x > 0, 1 / x, 0.0), [0.0, -1.0, 2.0], [0, 0, -0.25]),
    "roots in a loop": (
        lambda x: sum(np.where(x > k, np.sqrt(x - k), 0.0) for k in range(3)),
        [0.0, 1.0, 2.0],
        [0.0, 0.5, 0.5 + 0.5 / np.sqrt(2)],
    ),
    "infinite": (lambda x: np.sqrt(np.maximum(x, 0)), [0.0], [np.inf]),
    "root of a NaN": (lambda x: np.where(x > 0, x * np.sqrt(x), 0.0), [-1.0, 4.0], [0.0, 3.0]),
}


@pytest.mark.parametrize("name", ZERO_WINS)
def test_zero_wins(name):
    f, points, wanted = ZERO_WINS[name]
    compiled = ad.jit(f)
    with np.errstate(all="ignore"):
        for x, want in zip(points, wanted, strict=True):
            for g in (f, compiled):
                found = [ad.grad(g)(x), ad.jvp(g, (x,), (1.0,))[1]]
                np.testing.assert_allclose(found, [want] * 2, rtol=1e-13, err_msg=f"{name} at {x}")


def in_a_loop(x):
    total = 0.0
    for k in range(x.shape[0]):
        total = total * 0.5 + np.where(x[k] > 0, np.sqrt(x[k]), 0.0) * x[0]
    return total


def test_arrays_and_loops():
    x = np.array([2.0, 0.0, -1.0, 4.0])
    with np.errstate(all="ignore"):
        want, compiled = ad.grad(in_a_loop)(x), ad.jit(in_a_loop)
        assert np.isfinite(want).all()
        np.testing.assert_allclose(ad.grad(compiled)(x), want, rtol=1e-14)
        np.testing.assert_allclose(ad.jacobian(compiled)(x), want, rtol=1e-14)
        second = ad.hessian(compiled)(x)
    plain = x[[0, 3]]  # the others contribute nothing, in the second derivative neither
    np.testing.assert_allclose(
        second[np.ix_([0, 3], [0, 3])],
        ad.hessian(lambda v: np.sqrt(v[0]) * v[0] * 0.125 + np.sqrt(v[1]) * v[0])(plain),
        rtol=1e-14,
    )
    assert not second[1:3].any()


def test_plain_products_stay_plain():
    @ad.jit
    def plain(x):
        return x[0] * x[1] - np.sin(x[1]) * x[0] ** 2 + x[0] / (1.0 + x[1] * x[1])

    plain(np.ones(2))
    for kind in ("pullback", "pushforward"):
        assert "times(" not in ad.source(plain, kind)


def fall(t, y):
    return np.concatenate([y[2:], np.array([0.0, -9.81]) - 0.3 * np.linalg.norm(y[2:]) * y[2:]])


def tank(t, y):
    return np.array([-0.5 * np.sqrt(np.maximum(y[0], 0.0)), 0.5 * np.maximum(y[0], 0.0) ** 0.5])


def switch(t, y):
    return -y + 5 / (1 + np.exp(-10 * (t - 90)))


@pytest.mark.parametrize("method", ["Rosenbrock23", "Rodas5P", "auto", "KenCarp4"])
def test_stiff_solves_from_rest(method):
    cases = [(fall, np.zeros(4), 2.0, [0.0, -9.12977947, 0.0, -5.70643251])]
    cases += [(tank, np.array([1.0, 0.0]), 6.0, [0.0, 1.0]), (switch, np.ones(1), 100.0, [4.99976923])]
    for f, y0, end, want in cases:
        s = solve_ivp(f, (0.0, end), y0, method=method, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(np.asarray(s.y)[..., -1], want, rtol=1e-4, atol=1e-5)


def starts_at_a_root(t, y):
    return np.array([-y[0], 1.0 - np.sqrt(y[1])])


@pytest.mark.parametrize("method", ["Rodas5P", "KenCarp4"])
def test_the_jacobian_is_named(method):
    s = solve_ivp(starts_at_a_root, (0.0, 1.0), np.array([1.0, 0.0]), method=method)
    assert not s.success
    assert "The Jacobian of the model has -inf in row 1, column 1 at t = 0" in s.message
