"""Functions with derivative rules of their own inside of compiled functions: the rules are followed.

The rules here are not the true derivatives, so that what does not follow them is seen.
"""

import numpy as np
import pytest

import sciad as ad
from sciad.tree import flatten

cube = ad.custom(lambda x: x**3, pullback=lambda args: (args[0] ** 3, lambda g: (3.5 * args[0] ** 2 * g,)))
forward_cube = ad.custom(
    lambda x: x**3, pushforward=lambda args, dots: (args[0] ** 3, 3.5 * args[0] ** 2 * dots[0])
)


def unruled(x, factor, settings):
    """Of several arguments, one of them a container of an int and a number."""
    return {"y": x * factor * settings["n"], "z": np.sum(x) * settings["c"]}


scaled = ad.custom(unruled)


@scaled.def_pushforward
def _push_scaled(args, dots):
    (x, factor, settings), (dx, df, ds) = args, dots
    dy, dz = 0.0 * x, 0.0
    if dx is not None:
        dy, dz = dy + 1.5 * factor * settings["n"] * dx, dz + np.sum(dx) * settings["c"]
    if df is not None:
        dy = dy + x * settings["n"] * df
    if ds is not None:
        dz = dz + 2.0 * np.sum(x) * ds["c"]
    return unruled(x, factor, settings), {"y": dy, "z": dz}


@scaled.def_pullback
def _pull_scaled(args):
    x, factor, settings = args

    def pull(g):
        dx = 1.5 * factor * settings["n"] * g["y"] + g["z"] * settings["c"]
        return dx, settings["n"] * np.sum(x * g["y"]), {"n": None, "c": 2.0 * np.sum(x) * g["z"]}

    return unruled(x, factor, settings), pull


straight = ad.custom(np.round, pullback=lambda args: (np.round(args[0]), lambda g: (g,)))


def _clip_rule(args):
    return args[0], lambda g: (np.clip(g, -0.5, 0.5),)


clipped = ad.custom(lambda x: x, pullback=_clip_rule)
own = ad.custom(np.exp, pullback=lambda args: (own(args[0]), lambda g: (g * own(args[0]),)))


def _sine_rule(args):
    return np.sin(args[0]), lambda g: (g * cosine(args[0]),)


def _cosine_rule(args):
    return np.cos(args[0]), lambda g: (-g * sine(args[0]),)


sine, cosine = ad.custom(np.sin, pullback=_sine_rule), ad.custom(np.cos, pullback=_cosine_rule)


def two_results(args, dots):
    """A tuple comes back."""
    (x,), (d,) = args, dots
    return (np.sin(x), np.sum(x)), (2.0 * np.cos(x) * d, np.sum(d))


paired = ad.custom(lambda x: (np.sin(x), np.sum(x)), pushforward=two_results)
dropped = ad.custom(
    lambda x, y: x * y, pullback=lambda args: (args[0] * args[1], lambda g: (None, g * args[0]))
)


def in_loop(x):
    """Carried values go through it again and again."""
    total, y = 0.0, x
    for k in range(5):
        y = 0.5 * cube(y) + 0.1 * k * x
        total = total + np.sum(y)
    return total


def in_while(x):
    """Unknown how often, in numbers and in memory that is written."""
    y, k = x.copy(), 0
    while np.sum(y) < 12.0 and k < 40:
        y[k % len(x)] = cube(y[k % len(x)]) + 0.6
        y = y + 0.2 * forward_cube(y)
        k += 1
    return np.sum(y * x)


def in_branch(x):
    """On one path."""
    return np.sum(cube(x)) if x[0] > 0.2 else np.sum(sine(x))


def with_containers(x):
    """Structures in, structures out."""
    out = scaled(x, x[0], {"n": 3, "c": x[1]})
    return np.sum(out["y"] ** 2) * out["z"]


def made_inside(x):
    """Made where it is used, of functions defined there."""

    def rule(args):
        a, b = args
        return a * b, lambda g: (2.0 * g * b, 3.0 * g * a)

    product = ad.custom(lambda a, b: a * b, pullback=rule)
    return np.sum(product(x, np.sin(x)))


def inner_gradient(x):
    """Below a derivative inside."""
    g = ad.grad(lambda y: np.sum(cube(y) * y))(x)
    return g @ ad.jvp(lambda y: forward_cube(y) * x, (x,), (g,))[1]


def mapped(x):
    """For each element of a map."""
    return np.sum(ad.vmap(lambda a: cube(a) * sine(a))(x))


PROGRAMS = {
    "cube": lambda x: np.sum(cube(x) * x),
    "forward_cube": lambda x: np.sum(forward_cube(x) * x),
    "with_containers": with_containers,
    "straight": lambda x: np.sum(straight(3.0 * x) * x),
    "clipped": lambda x: np.sum(clipped(x) ** 2 * 3.0),
    "own": lambda x: np.sum(own(x) * x),
    "sine": lambda x: np.sum(sine(x) * x),
    "paired": lambda x: np.sum(paired(x)[0]) * paired(x)[1],
    "in_loop": in_loop,
    "in_while": in_while,
    "in_branch": in_branch,
    "made_inside": made_inside,
    "inner_gradient": inner_gradient,
    "mapped": mapped,
    "dropped": lambda x: np.sum(dropped(x, x * x)),
    "numbers": lambda x: cube(x[0]) * forward_cube(x[1]) + x[2],
}
LARGE = ("cube", "forward_cube", "with_containers", "clipped", "in_while")
ARGUMENTS = [np.array([0.4, 0.7, 0.3]), np.linspace(0.2, 0.6, 12)]


def close(a, b, rtol):
    """Equal structures of equal numbers."""
    (found, one), (wanted, other) = flatten(a), flatten(b)
    assert one == other
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * max(1.0, np.max(np.abs(y), initial=0.0)))


@pytest.mark.parametrize(("name", "size"), [(f, 0) for f in PROGRAMS] + [(f, 1) for f in LARGE])
def test_as_python_does(name, size):
    """Values and derivatives of two orders, those of the eager transforms."""
    f, x = PROGRAMS[name], ARGUMENTS[size]
    v = np.cos(np.arange(len(x)))
    compiled = ad.jit(f)
    close(compiled(x), f(x), 1e-13)
    close(ad.value_and_grad(compiled)(x), ad.value_and_grad(f)(x), 1e-12)
    close(ad.jvp(compiled, (x,), (v,)), ad.jvp(f, (x,), (v,)), 1e-12)
    close(ad.hvp(compiled, (x,), (v,)), ad.hvp(f, (x,), (v,)), 1e-11)
    close(ad.jit(ad.grad(f))(x), ad.grad(f)(x), 1e-12)


def test_third_derivatives():
    """Rules of rules."""
    third = lambda f: ad.grad(ad.grad(ad.grad(f)))  # noqa: E731
    for f in (own, sine, lambda a: cube(a) * a):
        close(third(ad.jit(f))(0.7), third(f)(0.7), 1e-12)


def test_too_deep_is_said():
    """Functions that are each other's derivative are followed for three orders."""
    fourth = ad.grad(ad.grad(ad.grad(ad.grad(ad.grad(ad.jit(sine))))))
    with pytest.raises(ad.MissingRule, match="has no rule"):
        fourth(0.7)


def test_captured_values_are_no_constants():
    """What is differentiated has to be an argument, as in eager transforms."""

    def f(x):
        hidden = ad.custom(lambda y: y * x, pullback=lambda args: (args[0] * x, lambda g: (g * x,)))
        return hidden(2.0)

    close(ad.jit(f)(3.0), 6.0, 0.0)  # without a differentiated argument it is what it does
    assert ad.grad(f)(3.0) == ad.grad(ad.jit(f))(3.0) == ad.jvp(ad.jit(f), (3.0,), (1.0,))[1] == 2.0
    g = lambda x: ad.custom(  # noqa: E731
        lambda y: y * x, pullback=lambda args: (args[0] * x, lambda g: (g * x,))
    )(2.0 * x)
    with pytest.raises(ad.NotDifferentiable, match="not among its arguments"):
        ad.grad(ad.jit(g))(3.0)
    with pytest.raises(ad.NotDifferentiable, match="not among its arguments"):
        ad.jvp(ad.jit(g), (3.0,), (1.0,))


def test_no_rule_at_all():
    """Said when a derivative is asked for."""
    bare = ad.custom(lambda x: x**2)
    f = ad.jit(lambda x: bare(x) * x)
    assert f(2.0) == 8.0
    with pytest.raises(ad.MissingRule, match="has no rule"):
        ad.grad(f)(2.0)


REFUSED = {
    "another structure": (
        ad.custom(lambda x: x, pullback=lambda args: (args[0], lambda g: (g, g))),
        "structure",
    ),
    "another shape": (
        ad.custom(lambda x: x, pullback=lambda args: (args[0], lambda g: (1.0,))),
        "another shape",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_rules(case):
    """Found while compiling."""
    f, message = REFUSED[case]
    with pytest.raises(ad.UnsupportedSyntax, match=message):
        ad.jit(lambda x: f(x))(ARGUMENTS[0])


def test_changed_rules_are_seen():
    """A rule is part of what is compiled for."""
    function = ad.custom(lambda x: x * 2.0, pullback=lambda args: (args[0] * 2.0, lambda g: (g * 5.0,)))
    f = ad.jit(lambda x: function(x))
    assert ad.grad(f)(1.0) == 5.0
    function.def_pullback(lambda args: (args[0] * 2.0, lambda g: (g * 7.0,)))
    assert ad.grad(f)(1.0) == 7.0


def test_writes_into_arguments_are_refused():
    """They would be seen outside."""

    def write(x):
        x[0] = 5.0
        return x * 2.0

    f = ad.custom(write, pullback=lambda args: (args[0], lambda g: (g,)))
    with pytest.raises(ad.UnsupportedSyntax, match="a write into"):
        ad.jit(lambda x: np.sum(f(x)))(np.linspace(0.0, 1.0, 80))
