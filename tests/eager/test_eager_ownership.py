"""Results belong to the caller: changing one changes nothing else, and what the caller changes afterwards
changes no derivative.
"""

import itertools
import threading

import numpy as np
import pytest

import sciad as ad

X = np.array([1.0, 2.0, 3.0])
SIZES = [3, 10_000]  # plain arrays are kept in two ways, by size


def twice(x):
    return x, x.T, 1.0 * x, x[:2]


def tree_of(result):
    return [leaf for leaf in ad.tree.tree_leaves(result) if isinstance(leaf, np.ndarray)]


def results_and_inputs():
    """Transforms of functions that return what they were given, with everything the caller holds."""
    x, y, u = X.copy(), X.copy(), np.ones(3)
    yield "grad of a sum", ad.grad(lambda a, b: np.sum(a + b), (0, 1))(x, y), [x, y]
    yield "grad, one array twice", ad.grad(lambda a, b: np.sum(a + b), (0, 1))(x, x), [x]
    yield "grad of a tree", ad.grad(lambda p: np.sum(p["a"] + p["b"][0]))({"a": x, "b": [y]}), [x, y]
    yield "aux", ad.value_and_grad(lambda a: (np.sum(a), (a, a)), has_aux=True)(x), [x]
    for name, f in {
        "identity": lambda a: (a, a),
        "views": lambda a: (a, a.T, a[:2], a.reshape(1, 3)),
        "captured": lambda a: (a + u, u, u),
        "sum": lambda a: (1.0 * a, a + 0.0),
    }.items():
        out, pull = ad.vjp(f, x)
        yield f"vjp, {name}", out, [x, u]
        cotangents = tuple(np.ones(np.shape(o)) for o in out)
        yield f"pullback, {name}", [pull(cotangents), pull(cotangents)], [*cotangents, x]
        out, push = ad.linearize(f, x)
        yield f"linearize, {name}", out, [x, u]
        yield f"pushforward, {name}", [push(u), push(u)], [x, u]
        yield f"jvp, {name}", ad.jvp(f, (x,), (u,)), [x, u]
        rows = np.stack([x, x])
        yield f"vmap, {name}", ad.vmap(f)(rows), [rows, u]
        yield f"jacobian, {name}", ad.jacobian(f)(x), [x, u]
        yield f"jacobian by rows, {name}", ad.jacobian(f, mode="reverse")(x), [x, u]
    out, pull = ad.vjp(lambda a, b: a + b, x, y)
    yield "pullback of a sum", pull(u), [u, x, y]
    yield "pullback of reshape", ad.vjp(lambda a: a.reshape(3, 1), x)[1](u.reshape(3, 1)), [u, x]
    kept = np.array([4.0, 5.0, 6.0])
    constant = ad.custom(lambda a: kept, pullback=lambda args: (kept, lambda g: (kept,)))
    yield "custom", ad.vjp(constant, x)[0], [kept, x]
    yield "custom pullback", ad.vjp(constant, x)[1](u), [kept, x]
    yield "stop_gradient", ad.jvp(lambda a: (ad.stop_gradient(a), a), (x,), (u,)), [x, u]
    yield "hessian", [ad.hessian(lambda a: np.sum(a**3))(x), ad.hvp(lambda a: a @ a, (x,), (u,))], [x, u]


@pytest.mark.parametrize("case", list(results_and_inputs()), ids=lambda case: case[0])
def test_results_share_no_memory(case):
    _, result, given = case
    arrays = tree_of(result)
    assert arrays
    for a, b in itertools.combinations(arrays, 2):
        assert not np.shares_memory(a, b)
    for a, b in itertools.product(arrays, given):
        assert not np.shares_memory(a, b)
    assert all(a.flags.writeable for a in arrays)


def test_results_of_an_inner_transform_share_nothing():
    """What is an array for the caller is a traced value inside another transform."""

    def f(p):
        a, b = ad.grad(lambda x, y: np.sum(x * y) + np.sum(x + y), (0, 1))(p, p)
        a[0] = 5.0 * p[1]
        first, second = ad.jvp(lambda x: (x, x), (p,), (p,))[0]
        first[1] = 7.0
        third, fourth = ad.vmap(lambda x: (x, x))(p)
        third[2] = -1.0
        (g,) = ad.vjp(lambda x: x, p)[1](b)
        g[0] = 3.0
        return np.sum(a) + 2 * np.sum(b) + np.sum(first * second) + np.sum(third * fourth) + np.sum(g * p)

    def expected(p):
        a, b = p + 1.0, p + 1.0
        first, third, g = p + 0.0, p + 0.0, b + 0.0
        a[0], first[1], third[2], g[0] = 5.0 * p[1], 7.0, -1.0, 3.0
        return np.sum(a) + 2 * np.sum(b) + np.sum(first * p) + np.sum(third * p) + np.sum(g * p)

    assert ad.grad(f)(X) == pytest.approx(ad.grad(expected)(X))
    assert ad.jvp(f, (X,), (X,))[1] == pytest.approx(ad.jvp(expected, (X,), (X,))[1])


# ---------------------------------------------------------------------- changes between the sweeps


def numbers(n):
    return np.linspace(0.5, 1.5, n)


FUNCTIONS = {
    "input": lambda x, c: x * x,
    "output": lambda x, c: np.exp(x),
    "constant": lambda x, c: x * c,
    "both": lambda x, c: np.sin(x) / (x + c),
    "list": lambda x, c: x * [c, c],
    "nested": lambda x, c: {"y": (x * c, c / x)},
}


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_changes_after_the_forward_sweep(name, n):
    f = FUNCTIONS[name]
    x, c = numbers(n), numbers(n) + 1.0
    expected_out, pull = ad.vjp(lambda x: f(x, c), x)
    ones = ad.tree.tree_map(np.ones_like, expected_out)
    expected = pull(ones)[0].copy()
    for transform in (ad.vjp, ad.linearize):
        y, constant = x.copy(), c.copy()
        out, linear = transform(lambda v, constant=constant: f(v, constant), y)
        for changed in [y, constant, *tree_of(out)]:
            changed[...] = 100.0
        try:
            if transform is ad.vjp:
                assert np.allclose(linear(ones)[0], expected, rtol=1e-14)
            else:
                tangent = linear(np.ones(n))
                exact = ad.jvp(lambda x: f(x, c), (x,), (np.ones(n),))[1]
                for a, b in zip(tree_of(tangent), tree_of(exact), strict=True):
                    assert np.allclose(a, b, rtol=1e-14)
        except ad.UnsupportedWrite:
            assert n == SIZES[1], "small arrays are copied"


@pytest.mark.parametrize("n", SIZES)
def test_arguments_are_passed_by_value(n):
    """What a differentiated function writes into the caller's array does not reach its argument."""
    x = numbers(n)

    def f(v):
        y = v * v
        x[...] = 100.0
        return np.sum(y * v)

    expected = 3 * x**2
    assert ad.grad(f)(x) == pytest.approx(expected)
    x[...] = numbers(n)
    assert ad.jvp(f, (x,), (np.ones(n),))[1] == pytest.approx(np.sum(expected))
    x[...] = numbers(n)
    assert ad.vmap(f)(x[None]) == pytest.approx(np.sum(numbers(n) ** 3))


def index_array(x, k):
    y = x[k]
    k[0] = 2
    return np.sum(y * y)


def index_in_a_tuple(x, k):
    y = np.outer(x, x)[k, 1]
    k[0] = 2
    return np.sum(y)


def index_written_to(x, k):
    y = x * 1.0
    y[k] = x[::-1][:2] ** 2
    k[0] = 2
    return np.sum(y * y)


def taken(x, k):
    y = np.take(x, k)
    k[0] = 2
    return np.sum(y * y)


def mask(x, k):
    m = k > 5
    y = np.where(m, x[:2], x[1:])
    m[:] = True
    return np.sum(y * y)


def view_frozen(x, k):
    c = np.array([2.0, 3.0, 4.0])
    y = x * np.broadcast_to(c, (2, 3)) * np.diagonal(np.diag(c))
    c[:] = 0.0
    return np.sum(y)


def subclass(x, k):
    c = np.array([2.0, 3.0, 4.0]).view(Plain)
    y = x * c
    c[:] = 0.0
    return np.sum(y)


class Plain(np.ndarray):
    pass


def shape_list(x, k):
    shape = [3, 1]
    y = np.reshape(x, shape)
    shape[:] = [1, 3]
    return np.sum(y * x)


CONSTANTS = [index_array, index_in_a_tuple, index_written_to, taken, mask, view_frozen, subclass, shape_list]


@pytest.mark.parametrize("f", CONSTANTS, ids=lambda f: f.__name__)
def test_constants_changed_after_use(f):
    def fresh(x):
        return f(x, np.array([0, 1]))

    moved = np.array([float(fresh(X + 1e-6 * u) - fresh(X - 1e-6 * u)) / 2e-6 for u in np.eye(3)])
    assert ad.grad(fresh)(X) == pytest.approx(moved, rel=1e-8)
    assert ad.linearize(fresh, X)[1](X) == pytest.approx(moved @ X, rel=1e-8)
    assert ad.jvp(fresh, (X,), (X,))[1] == pytest.approx(moved @ X, rel=1e-8)


@pytest.mark.parametrize("change", ["nan", "large", "reversed"])
def test_a_change_of_a_large_constant_is_noticed(change):
    c = numbers(20_000)
    c[7] = {"nan": np.nan, "large": 1e30}.get(change, 1.0)

    def f(x):
        y = np.sum(x * c)
        if change == "reversed":
            c[:] = c[::-1].copy()
        else:
            c[9] += 1.0
        return y

    for run in (lambda: ad.grad(f)(numbers(20_000)), lambda: ad.linearize(f, c * 0)[1](c)):
        with pytest.raises(ad.UnsupportedWrite, match="changed in place"):
            run()


def test_values_of_an_outer_transform_changed_after_use():
    """To an inner transform they are constants, and may be written into."""

    def f(p):
        c = p * 2.0

        def inner(x):
            y = np.sum(c * x * x)
            c[0] = 50.0
            return y

        first = ad.grad(inner)(p)
        q = p * 1.0
        _, pull = ad.vjp(lambda x: x * x, q)
        q[1] = 9.0
        _, push = ad.linearize(lambda x: x * x, q)
        q[2] = 9.0
        return np.sum(first) + np.sum(pull(p)[0]) + np.sum(push(p))

    def expected(p):
        q = p * 1.0
        q[1] = 9.0
        return np.sum(4.0 * p * p) + np.sum(2 * p * p) + np.sum(2 * q * p)

    assert ad.grad(f)(X) == pytest.approx(ad.grad(expected)(X))
    assert ad.jvp(f, (X,), (X,))[1] == pytest.approx(ad.jvp(expected, (X,), (X,))[1])


def test_stopped_value_is_a_copy():
    def f(x):
        y = x * x
        s = ad.stop_gradient(y)
        s[0] = 100.0
        return np.sum(y * y)

    assert ad.grad(f)(X) == pytest.approx(4 * X**3)


def test_rules_of_custom_functions_may_write_into_what_they_are_given():
    def rule(args):
        (x,) = args
        y = x**2

        def pull(g):
            g *= 2 * x
            x[:] = np.nan
            return (g,)

        return y, pull

    square = ad.custom(lambda x: x**2, pullback=rule)

    def f(x):
        y = x * 1.0
        z = square(y)
        return np.sum(z + y * y + z)

    assert ad.grad(f)(X) == pytest.approx(6 * X)


def test_custom_function_may_use_one_work_array():
    work = np.zeros(3)

    def double(x):
        work[:] = 2 * x
        return work

    rule = ad.custom(
        double,
        pullback=lambda args: (double(*args), lambda g: (2 * g,)),
        pushforward=lambda args, tangents: (double(*args), 2 * tangents[0]),
    )

    def f(x):
        a = rule(x)
        b = rule(x * x)
        return np.sum(a * b)

    assert ad.grad(f)(X) == pytest.approx(12 * X**2)
    assert ad.jvp(f, (X,), (np.ones(3),))[1] == pytest.approx(np.sum(12 * X**2))


def test_threads_do_not_see_each_other():
    found = {}

    def work(k):
        found[k] = [ad.grad(lambda x: np.sum(np.sin(k * x) * x))(X) for _ in range(50)]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for k, gradients in found.items():
        assert np.allclose(gradients, np.sin(k * X) + k * X * np.cos(k * X), rtol=1e-14)
