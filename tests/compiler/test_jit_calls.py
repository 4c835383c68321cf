"""Calls of jitted functions and of their transforms: straight to the machine code, with the same results."""

import sys

import numpy as np
import pytest

import sciad as ad
from sciad.tree import flatten

OFFSET = np.float64(2.5)


def scalar(x, s):
    """A number of an array and a number."""
    return np.sum(np.sin(x) * s) + s * x.ravel()[0]


def several(a, b, s):
    """Containers of small and of large arrays, and what is captured."""
    return {"u": a * s, "v": b.T @ b * np.sum(a) * OFFSET}


SMALL, LARGE = np.linspace(0.1, 1.0, 6).reshape(2, 3), np.linspace(0.0, 1.0, 200).reshape(20, 10)
CASES = [
    (several, (SMALL, LARGE, 1.5)),
    (several, (LARGE, LARGE, 1.5)),
    (several, (SMALL, SMALL, np.float64(0.5))),
]


def same(found, wanted, rtol=1e-14):
    """Equal structures, types and numbers."""
    (a, one), (b, other) = flatten(found), flatten(wanted)
    assert one == other
    for x, y in zip(a, b, strict=True):
        assert type(x) is type(y) and np.shape(x) == np.shape(y)
        np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-14)


def calls(run):
    """How many functions of Python's are called."""
    count = 0

    def profile(frame, event, _):
        nonlocal count
        count += event == "call"

    for _ in range(3):
        run()
    sys.setprofile(profile)
    try:
        run()
    finally:
        sys.setprofile(None)
    return count - 1


@pytest.mark.parametrize(("f", "args"), CASES)
def test_arguments_of_every_kind(f, args):
    """Large arrays are inputs of their own; read-only ones, and ones in another order, are taken too."""
    compiled = ad.jit(f)
    for _ in range(3):
        same(compiled(*args), f(*args))
    odd = [np.asfortranarray(x) if np.ndim(x) else x for x in args]
    for x in odd:
        if np.ndim(x):
            x.flags.writeable = False
    same(compiled(*odd), f(*args))
    same(compiled(*[np.repeat(x, 2, 0)[::2] if np.ndim(x) else x for x in args]), f(*args))


@pytest.mark.parametrize(("f", "args"), CASES)
@pytest.mark.parametrize("n", range(3))
def test_derivatives_in_each_argument(f, args, n):
    """Alone and together with others, forward and reverse, below eager code."""
    total = lambda fun: lambda *a: sum(np.sum(np.sin(x)) for x in flatten(fun(*a))[0])  # noqa: E731
    same(ad.grad(total(ad.jit(f)), n)(*args), ad.grad(total(f), n)(*args), 1e-12)
    moved = tuple(np.ones_like(x) if k == n else None for k, x in enumerate(args))
    same(ad.jvp(ad.jit(f), args, moved), ad.jvp(f, args, moved), 1e-12)


@pytest.mark.parametrize("x", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("argnums", [0, 1, (0, 1), (1, 0), (1,)])
def test_gradients(x, argnums):
    """Of numbers and arrays, in any selection and order."""
    compiled = ad.jit(scalar)
    same(ad.grad(compiled, argnums)(x, 0.7), ad.grad(scalar, argnums)(x, 0.7), 1e-13)
    same(ad.value_and_grad(compiled, argnums)(x, 0.7), ad.value_and_grad(scalar, argnums)(x, 0.7), 1e-13)


def test_results_are_the_callers_own():
    """Nothing of a result is shared with another, or with the arguments."""
    g, identity = ad.grad(ad.jit(scalar), (0, 1)), ad.jit(lambda x: x)
    x = SMALL.copy()
    first = g(x, 0.7)
    kept = first[0].copy()
    g(2 * x, 0.3)
    np.testing.assert_array_equal(first[0], kept)
    y = identity(x)
    y[:] = 0.0
    np.testing.assert_array_equal(x, SMALL)


def test_what_is_captured_is_read_anew():
    """Also where it is differentiated around the call."""
    state = {"k": 2.0}
    f = ad.jit(lambda x: np.sum(x**2) * state["k"])
    assert f(np.ones(2)) == 4.0
    state["k"] = 3.0
    assert f(np.ones(2)) == 6.0
    np.testing.assert_array_equal(ad.grad(f)(np.ones(2)), 6.0)

    def outer(k):
        inner = ad.jit(lambda x: np.sum(x**2) * k)
        return inner(np.ones(2)) + np.sum(ad.grad(inner)(np.ones(2)))

    assert ad.grad(outer)(5.0) == 6.0


def test_zeros_that_meet_infinity():
    """They are seen, and left to the eager transforms, which know what to do."""
    f = lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0.0))  # noqa: E731
    x = np.array([0.0, 4.0])
    for fun in (f, ad.jit(f)):
        np.testing.assert_array_equal(ad.grad(fun)(x), [0.0, 0.25])
        np.testing.assert_array_equal(ad.jvp(fun, (x,), (np.ones(2),))[1], 0.25)
        np.testing.assert_allclose(ad.jacobian(fun)(x), [0.0, 0.25])


def test_other_arguments_than_floats():
    """Ints, float32, dictionaries and arguments by name."""
    f = lambda x, n=2: np.sum(x**n)  # noqa: E731
    compiled = ad.jit(f)
    for x in (3, np.float32(1.5), np.arange(3), np.arange(3, dtype=np.float32), [1.0, 2.0][0]):
        same(ad.grad(compiled)(x), ad.grad(f)(x), 1e-6)
    same(ad.grad(compiled)(SMALL, n=3), ad.grad(f)(SMALL, n=3), 1e-13)
    tree = lambda p: np.sum(p["a"] ** 2) * p["b"]  # noqa: E731
    p = {"a": SMALL, "b": 2.0}
    same(ad.grad(ad.jit(tree))(p), ad.grad(tree)(p), 1e-13)
    same(ad.hessian(ad.jit(tree))(p), ad.hessian(tree)(p), 1e-13)


def test_errors_are_those_of_eager_transforms():
    """Not one number, no such argument, errors that the function raises."""
    vector = ad.jit(lambda x: x * 2.0)
    with pytest.raises(ad.NotScalar):
        ad.grad(vector)(SMALL)
    with pytest.raises(ValueError, match="argnums=2"):
        ad.grad(ad.jit(scalar), 2)(SMALL, 0.5)

    def guarded(x):
        if x < 0:
            raise ValueError("too small")
        return x * x

    for run in (ad.jit(guarded), ad.grad(ad.jit(guarded)), ad.hessian(ad.jit(guarded))):
        with pytest.raises(ValueError, match="too small"):
            run(-1.0)


def test_maps_of_transforms():
    """Native loops over rows give what the transforms of each row do."""
    rows = np.linspace(0.1, 0.9, 60).reshape(20, 3)
    f, v = ad.jit(lambda x: np.sum(np.sin(x)) * x[0]), ad.jit(lambda x: np.cumsum(x**2))
    for made in (ad.grad(f), ad.hessian(f), ad.jacobian(v), lambda x: ad.jvp(v, (x,), (x,))[1]):
        np.testing.assert_allclose(ad.vmap(made)(rows), np.stack([made(r) for r in rows]), rtol=1e-13)


def test_few_calls():
    """What stands between a call and the machine code."""
    x, f, v = (
        np.linspace(0.1, 0.5, 3),
        ad.jit(lambda x: np.sum(np.sin(x) * x)),
        ad.jit(lambda x: np.sin(x) * x),
    )
    limits = {
        "call": (lambda: f(x), 10),
        "gradient": (lambda: g(x), 16),
        "pushforward": (lambda: ad.jvp(f, (x,), (x,)), 20),
        "Hessian": (lambda: h(x), 16),
        "Jacobian": (lambda: j(x), 16),
    }
    g, h, j = ad.grad(f), ad.hessian(f), ad.jacobian(v)
    found = {name: calls(run) for name, (run, _) in limits.items()}
    assert all(found[name] <= limits[name][1] for name in found), found


def test_only_what_is_differentiated_is_swept():
    """A large argument that is a constant has no cotangent, below eager code, too."""
    f, table = ad.jit(lambda p, x: p[0] * x + p[1]), np.linspace(0.0, 1.0, 500)
    loss = lambda p: np.sum(np.sin(f(p, table)))  # noqa: E731
    plain = lambda p: np.sum(np.sin(p[0] * table + p[1]))  # noqa: E731
    p = np.array([1.0, 2.0])
    np.testing.assert_allclose(ad.grad(loss)(p), ad.grad(plain)(p), rtol=1e-13)
    np.testing.assert_allclose(ad.hessian(loss)(p), ad.hessian(plain)(p), rtol=1e-12)
    (version,) = f._entries.values()
    pull = version.pull([p, table], wrt=(False, True))[1]
    assert [c is None for c in pull(np.ones(500))] == [False, True]
    assert ("pullback", (False, True)) in version.primitive.entries
    both = lambda p, x: np.sum(np.sin(f(p, x)))  # noqa: E731
    found, wanted = (
        ad.grad(both, (0, 1))(p, table),
        ad.grad(lambda p, x: np.sum(np.sin(p[0] * x + p[1])), (0, 1))(p, table),
    )
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)
