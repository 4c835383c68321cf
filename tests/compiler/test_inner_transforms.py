"""Transforms inside of compiled functions: programs compiled and as Python, and the derivatives of both."""

from typing import NamedTuple

import numpy as np
import pytest

import sciad as ad
from sciad.tree import flatten, tree_map


class Point(NamedTuple):
    """Two numbers and a vector."""

    a: float
    b: float
    v: np.ndarray


def wave(x):
    """A number from a vector."""
    return np.sum(np.sin(x) * x) + x[0] * x[-1]


def vector(x):
    """A vector as long as its argument."""
    return np.cumsum(x**2) * np.exp(-0.1 * x)


def wide(x):
    """A vector longer than its argument."""
    return np.concatenate([x, x * x[0], np.sin(x)])


def narrow(x):
    """A vector shorter than its argument."""
    return np.array([np.sum(x**2), x[0] * x[1]])


def looped(x):
    """A while loop, a branch and writes."""
    y, k = x.copy(), 0
    while y[0] * y[0] < 40.0 and k < 50:
        if k % 2 == 0:
            y[k % 2] = y[k % 2] * 1.3 + y[1] * x[0]
        else:
            y = y + 0.1 * x
        k += 1
    return np.sum(y * x)


def tree_loss(p):
    """A number from nested containers."""
    return p["w"] @ np.tanh(p["w"] * p["s"][0]) + p["s"][1] ** 2 * p["w"][0]


def norm(x):
    """Squares of the gradient."""
    g = ad.grad(wave)(x)
    return g @ g


def of_captured(x):
    """A gradient of a function that captures what is differentiated outside, at several depths."""
    scale = np.sum(x)

    def inner(y):
        return np.sum(np.sin(y * scale) * x)

    return ad.grad(inner)(2.0 * x) * scale


def in_loop(x):
    """Steps of gradient descent."""
    for _ in range(7):
        x = x - 0.05 * ad.grad(wave)(x)
    return x


def in_while(x):
    """Newton's method on the gradient."""
    k = 0
    g = ad.grad(tilted)(x)
    while np.max(np.abs(g)) > 1e-9 and k < 30:
        x = x - np.linalg.solve(ad.hessian(tilted)(x), g)
        g = ad.grad(tilted)(x)
        k += 1
    return x


def tilted(x):
    """Convex."""
    return np.sum(np.cosh(x - 0.3 * np.cos(np.arange(len(x))))) + 0.5 * np.sum(x) ** 2


def in_branch(x):
    """A derivative on one path only."""
    if x[0] > 0.0:
        return ad.grad(looped)(x)
    return ad.jvp(vector, (x,), (x,))[1]


def pulled(x):
    """A pullback at several cotangents."""
    out, pull = ad.vjp(lambda a, b: vector(a) * b, x, 2.0 * x)
    a, b = pull(np.cos(out))
    return a + pull(np.ones(len(x)))[1] - b


def pushed(x):
    """One linearisation along several directions."""
    out, push = ad.linearize(vector, x)
    return push(out) + push(np.ones(len(x)))


def with_aux(x):
    """A loss that returns more."""
    (value, aux), g = ad.value_and_grad(lambda y: (wave(y), {"half": y / 2, "n": len(y)}), has_aux=True)(x)
    return value * aux["half"] * aux["n"] + g


def by_numbers(x):
    """Several arguments, numbers and arrays, one by keyword."""

    def f(a, b, c=1.0):
        return np.sum(a * np.sin(b)) * c

    g = ad.grad(f, argnums=(1, 0))(x, 0.7, c=3.0)
    return g[0] * g[1]


def on_tree(x):
    """Containers in and out."""
    p = {"w": x, "s": [x[0], 2.0 * x[1]]}
    value, g = ad.value_and_grad(tree_loss)(p)
    return value * g["w"] + g["s"][0] * g["s"][1]


def on_named(x):
    """A NamedTuple."""
    g = ad.grad(lambda p: p.a * p.b**2 + np.sum(p.v) * p.a)(Point(x[0], x[1], x))
    return g.v * g.a + g.b


def mapped_gradient(x):
    """A gradient for each row."""
    rows = np.outer(np.arange(1.0, 5.0), x)
    return ad.vmap(ad.grad(wave))(rows)


def mapped_axes(x):
    """Axes of several arguments."""
    table = np.outer(x, np.array([1.0, 2.0, 3.0, 4.0]))
    f = lambda a, s, p: {"y": a * s, "z": p["k"] * np.cos(a)}  # noqa: E731
    out = ad.vmap(f, in_axes=(1, None, {"k": 0}), out_axes=1)(table, x[0], {"k": np.arange(4.0)})
    return out["y"] * out["z"]


def mapped_twice(x):
    """Every pair."""
    return ad.vmap(lambda a: ad.vmap(lambda b: np.sin(a * b))(x))(x)


def checkpointed(x):
    """A part that is computed again."""
    return ad.grad(lambda y: np.sum(ad.checkpoint(vector)(y) * x))(x)


def stopped(x):
    """A part without derivative."""
    return ad.grad(lambda y: np.sum(y * ad.stop_gradient(y)))(x) * x


def of_constant(x):
    """A derivative that is zero, and one in an int."""
    zero = ad.grad(lambda y: 3.0)(x)
    return zero + ad.grad(lambda k: k * np.sum(x))(2)


def written_argument(x):
    """The function writes into what it is given."""

    def f(y):
        y[0] = y[1] * x[0]
        return np.sum(y**3)

    return ad.grad(f)(x) + x


VECTORS = [
    ad.grad(wave), ad.grad(looped), ad.grad(norm), ad.value_and_grad(wave), ad.hessian(wave),
    ad.hessian(looped), ad.jacobian(vector), ad.jacobian(wide), ad.jacobian(narrow),
    ad.jacobian(vector, mode="reverse"), ad.jacobian(vector, mode="forward"), norm,
    of_captured, in_loop, in_while, in_branch, pulled, pushed, with_aux, by_numbers, on_tree, on_named,
    mapped_gradient, mapped_axes, mapped_twice, checkpointed, stopped, of_constant, written_argument,
    lambda x: ad.jvp(wave, (x,), (np.cos(x),)), lambda x: ad.hvp(wave, (x,), (np.cos(x),)),
    lambda x: ad.jvp(lambda a, b: a * b, (x, x), (None, 2.0 * x))[1],
    lambda x: ad.jacobian(lambda p: {"u": p["a"] * p["b"], "v": np.sum(p["b"])})({"a": x[0], "b": x}),
    lambda x: ad.jacobian(lambda a, b: a * b, argnums=(0, 1))(x, x[1]),
]  # fmt: skip
NAMES = [f"{k}-{getattr(f, '__name__', 'f')}" for k, f in enumerate(VECTORS)]
ARGUMENTS = {"small": np.array([0.4, 0.7, -0.2]), "large": np.linspace(0.1, 0.9, 70)}


def close(a, b, rtol=1e-13):
    """Equal structures of equal numbers."""
    (found, one), (wanted, other) = flatten(a), flatten(b)
    assert one == other
    for x, y in zip(found, wanted, strict=True):
        assert np.shape(x) == np.shape(y)
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * max(1.0, np.max(np.abs(y), initial=0.0)))


@pytest.mark.parametrize("size", ARGUMENTS)
@pytest.mark.parametrize("f", VECTORS, ids=NAMES)
def test_values(f, size):
    """Compiled and not."""
    x = ARGUMENTS[size]
    close(ad.jit(f)(x), f(x.copy()))


@pytest.mark.parametrize("f", VECTORS, ids=NAMES)
def test_derivatives(f):
    """Forward and reverse mode over the compiled function, against those over Python."""
    x = ARGUMENTS["small"]

    def total(fun):
        return lambda y: sum(np.sum(np.sin(leaf)) for leaf in flatten(fun(y))[0])

    wanted = ad.grad(total(f))(x)
    close(ad.grad(total(ad.jit(f)))(x), wanted, 1e-11)
    close(ad.jvp(total(ad.jit(f)), (x,), (np.ones(3),))[1], np.sum(wanted), 1e-11)


NESTINGS = {
    "forward over forward": lambda f: lambda x, v: ad.jvp(lambda y: ad.jvp(f, (y,), (v,))[1], (x,), (v,))[1],
    "forward over reverse": lambda f: lambda x, v: ad.jvp(lambda y: ad.grad(f)(y) @ v, (x,), (v,))[1],
    "reverse over forward": lambda f: lambda x, v: ad.grad(lambda y: ad.jvp(f, (y,), (v,))[1])(x) @ v,
    "reverse over reverse": lambda f: lambda x, v: ad.grad(lambda y: ad.grad(f)(y) @ v)(x) @ v,
}


@pytest.mark.parametrize("f", [wave, looped, norm], ids=lambda f: f.__name__)
@pytest.mark.parametrize("nesting", NESTINGS)
def test_nestings(nesting, f):
    """All four give the second derivative along a direction, and differentiate again."""
    x, v = ARGUMENTS["small"], np.array([0.3, -0.2, 0.5])
    nested = ad.jit(NESTINGS[nesting](f))
    close(nested(x, v), ad.hvp(f, (x,), (v,)) @ v, 1e-11)
    third = ad.grad(lambda y: ad.hvp(f, (y,), (v,)) @ v)(x)
    close(ad.grad(nested)(x, v), third, 1e-10)
    close(ad.jvp(lambda y: nested(y, v), (x,), (v,))[1], third @ v, 1e-10)


REFUSED = {
    "not one number": (lambda x: ad.grad(vector)(x), "not one number"),
    "argument twice": (lambda x: ad.grad(wave, (0, 0))(x), "twice"),
    "no such argument": (lambda x: ad.grad(wave, 2)(x), "argnums=2"),
    "tangents": (lambda x: ad.jvp(wave, (x,), (x, x)), "1 primals and 2 tangents"),
    "tangent of another shape": (lambda x: ad.jvp(wave, (x,), (x[:2],)), "structure of its primal"),
    "axes": (lambda x: ad.vmap(lambda a, b: a + b)(x, x[:2]), "different length"),
    "no axis": (lambda x: ad.vmap(lambda a: a, in_axes=None)(x), "no argument is mapped"),
    "no function": (lambda x: ad.grad(x)(x), "only functions"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    """What eager transforms refuse is refused with the place."""
    f, message = REFUSED[case]
    with pytest.raises(ad.UnsupportedSyntax, match=message) as caught:
        ad.jit(f)(ARGUMENTS["small"])
    assert __file__ in str(caught.value)


def test_writes_outside_are_refused():
    """A differentiated function that changes something else would do so more than once."""

    def f(x):
        seen = np.zeros(3)

        def inner(y):
            seen[0] = 1.0
            return np.sum(y**2)

        return ad.grad(inner)(x) + seen

    with pytest.raises(ad.UnsupportedSyntax, match="not its own"):
        ad.jit(f)(ARGUMENTS["small"])


def test_writes_after_vjp_are_refused():
    """A pullback is that at the point where it was made."""

    def f(x):
        table = np.zeros(100)
        table[:] = x[0]
        out, pull = ad.vjp(lambda y: np.sum(table * y[0] ** 2), x)
        table[:] = 3.0
        return pull(1.0)[0] * out

    with pytest.raises(ad.UnsupportedSyntax, match="may have been written"):
        ad.jit(f)(ARGUMENTS["small"])


def test_decorated_functions_are_what_they_do():
    """A decorator that copies attributes does not make a function the gradient it wraps."""
    import functools

    gradient = ad.grad(wave)

    @functools.wraps(gradient)
    def twice(x):
        return 2.0 * gradient(x)

    x = ARGUMENTS["small"]
    close(ad.jit(lambda y: twice(y))(x), 2.0 * gradient(x))


def test_other_transforms_are_other_programs():
    """A captured transform is part of what is compiled for."""
    x, seen = ARGUMENTS["small"], []
    for made in (ad.grad(wave), ad.grad(looped), ad.hessian(wave), ad.jacobian(vector)):
        f = lambda y, made=made: made(y)  # noqa: E731
        close(ad.jit(f)(x), made(x))
        seen.append(f)
    assert tree_map(lambda f: f(x).shape, seen) == [(3,), (3,), (3, 3), (3, 3)]
