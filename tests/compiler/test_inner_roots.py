"""`root` and `fixed_point` inside of compiled functions."""

import numpy as np
import pytest

import sciad as ad


def cubic(a):
    """A number."""
    return ad.root(lambda x: x**3 + a[0] * x - 2.0 - a[1], 1.0)


def system(p):
    """A nested structure, of what is captured and of arguments."""
    k = np.arange(1.0, 4.0)

    def f(x, q):
        u, v = x["u"], x["v"]
        return {"u": np.tanh(u * q[0]) + v * p[:3] - 2.0 * k * u, "v": np.sum(u) + v**3 - q[1]}

    x = ad.root(f, {"u": np.ones(3), "v": 0.5}, p)
    return x["u"] @ x["u"] * x["v"]


def implicit_steps(p):
    """Implicit Euler steps: a root in each round of a loop."""
    y = np.array([1.0, 0.0, p[0]])
    for _ in range(4):
        old = y
        y = ad.root(lambda z, old=old: z - old - 0.1 * p * np.sin(z[::-1]), old)
    return y


def kepler(p):
    """A fixed point for each element of a list."""
    return np.stack([ad.fixed_point(lambda e, m=m: m + 0.4 * p[0] * np.sin(e), m, rtol=1e-14) for m in p])


def at_optimum(p):
    """The root of a gradient."""
    loss = lambda x: np.sum(np.cosh(x - p)) + 0.5 * np.sum(x) ** 2  # noqa: E731
    return ad.root(ad.grad(loss), np.zeros(3))


PROGRAMS = [cubic, system, implicit_steps, kepler, at_optimum]


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_as_python_does(f):
    """Values and derivatives of two orders."""
    p, v = np.array([0.3, 0.5, 0.7]), np.array([0.5, -0.3, 1.0])
    scalar = lambda fun: lambda q: np.sum(np.sin(fun(q)))  # noqa: E731
    compiled = ad.jit(f)
    np.testing.assert_allclose(compiled(p), f(p), rtol=1e-12)
    wanted = ad.grad(scalar(f))(p)
    np.testing.assert_allclose(ad.grad(scalar(compiled))(p), wanted, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(ad.jvp(scalar(compiled), (p,), (v,))[1], wanted @ v, rtol=1e-9)
    np.testing.assert_allclose(ad.jit(ad.grad(scalar(f)))(p), wanted, rtol=1e-9, atol=1e-11)
    second = ad.hvp(scalar(f), (p,), (v,))
    np.testing.assert_allclose(ad.hvp(scalar(compiled), (p,), (v,)), second, rtol=1e-8, atol=1e-10)


def test_four_orders_of_a_square_root():
    """Against the closed form."""
    f, factor = ad.jit(lambda a: ad.root(lambda x: x * x - a, 1.0)), 1.0
    for order in range(5):
        np.testing.assert_allclose(f(1.7), factor * 1.7 ** (0.5 - order), rtol=1e-11)
        f, factor = ad.grad(f), factor * (0.5 - order)


def test_no_solution():
    """The error of Python, with the place."""
    with pytest.raises(ad.NotConverged, match=r"not converged after 100 steps.*test_inner_roots"):
        ad.jit(lambda a: ad.root(lambda x: x**2 + a, 1.0))(2.0)
    with pytest.raises(ad.NotConverged, match=r"not converged after 20 steps"):
        ad.jit(lambda a: ad.fixed_point(lambda x: a * x + 1.0, 1.0, max_iterations=20))(1.0)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_runs_away_is_no_solution():
    """The difference of two infinities is within any tolerance of them."""
    runs_away = lambda a: ad.fixed_point(lambda z: 2.0 * z + a, 0.5)  # noqa: E731
    for f in (runs_away, ad.grad(runs_away), ad.jit(runs_away), ad.grad(ad.jit(runs_away))):
        with pytest.raises(ad.NotConverged):
            f(1.0)


def test_the_start_has_no_derivative():
    """A solution does not depend on where it was searched."""
    f = lambda a: ad.root(lambda x: x**3 - 2.0, a)  # noqa: E731
    assert ad.grad(ad.jit(f))(1.0) == ad.grad(f)(1.0) == 0.0


def test_wrong_sizes_are_refused():
    """As many equations as unknowns."""
    with pytest.raises(ad.UnsupportedSyntax, match="2 numbers for 1 unknowns"):
        ad.jit(lambda a: ad.root(lambda x: np.stack([x, x + a]), 1.0))(1.0)


def test_in_a_map():
    """For each element, as many steps as it needs."""
    p = np.array([0.3, 0.5, 0.7])
    solve = lambda m: ad.fixed_point(lambda e: m + 0.4 * np.sin(e), m, rtol=1e-14)  # noqa: E731
    mapped = ad.jit(ad.vmap(solve))
    np.testing.assert_allclose(mapped(p), [solve(m) for m in p], rtol=1e-14)
    wanted = [1.0 / (1.0 - 0.4 * np.cos(e)) for e in mapped(p)]
    np.testing.assert_allclose(ad.grad(lambda q: np.sum(mapped(q)))(p), wanted, rtol=1e-11)
