"""Writes of traced values into local arrays, whatever made them; arrays that others hold are not written."""

import numpy as np
import pytest

import sciad as ad

TABLE = np.linspace(0.1, 1.0, 4)
NUMBERS = [0.5, 1.5]
CALLS = []


def of_a_copy(x):
    a = TABLE.copy()
    a[0] = x
    return a


def of_a_function(x):
    a = np.cos(TABLE)
    a[1] = x
    return a


def of_counted_numbers(x):
    a = np.arange(4).astype(float)
    a[1:3] = x
    return a


def of_a_list(x):
    a = np.array(NUMBERS)
    a[1] += x
    return a


def of_an_expression(x):
    a = TABLE * 2 + np.ones(4)
    a[1], b = x, 2.0
    return a * b


def of_a_view_of_nothing_else(x):
    a = (TABLE * 2).reshape(2, 2).T
    a[0, 1] = x
    return a * np.array([[1.0, 2.0], [3.0, 4.0]])


def of_products(x):
    a = np.eye(4) @ TABLE
    a[1] = x
    a.T[2] = 2 * x
    return a


def of_places(x):
    a = TABLE[[0, 1, 2]]
    a[TABLE[:3] > 0.3] = x
    return a


def in_place(x):
    a = -TABLE
    a *= x
    a += x
    return a


def of_a_pair(x):
    a, b = np.meshgrid(TABLE, TABLE)
    a[0] = x
    b[:, 1] *= x
    return a + b


def of_random_numbers(x):
    a = np.random.default_rng(0).normal(size=3)
    a[0] = x
    return a


def in_a_list(x):
    q = [TABLE.copy() for _ in range(2)]
    q[1][0] = x
    return q[0] + q[1]


def by_functions(x):
    a, b, c = np.sin(TABLE), TABLE.copy(), TABLE.reshape(2, 2) + 0.0
    np.add.at(a, [0, 0], x)
    np.multiply(b, x, out=b)
    np.fill_diagonal(c, x)
    return a + b + c.ravel()


def in_a_loop(x):
    a = TABLE * 2
    for k in range(3):
        a[k + 1] = a[k] * x
    return a


def in_a_closure(x):
    a = np.cos(TABLE)

    def put(k):
        a[k] = x

    a[0] = 2 * x
    put(1)
    return a


def through_a_name(x):
    a = np.zeros(4)
    b = a
    b[1] = x
    return a + b


def argument(a, x):
    a[1] = x
    return a


def of_a_temporary_argument(x):
    return argument(np.cos(TABLE), x)


class Memory:
    def __init__(self):
        self.weights = np.ones(3)

    def __call__(self, x):
        a = self.weights * 2
        a[0] = x
        return a


PROGRAMS = [
    of_a_copy, of_a_function, of_counted_numbers, of_a_list, of_an_expression, of_a_view_of_nothing_else,
    of_products, of_places, in_place, of_a_pair, of_random_numbers, in_a_list, by_functions, in_a_loop,
    in_a_closure, through_a_name, of_a_temporary_argument,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: getattr(f, "__name__", type(f).__name__))
def test_derivatives(program):
    def f(x):
        return np.sum(np.sin(program(x)))

    slope = (f(1.3 + 1e-5) - f(1.3 - 1e-5)) / 2e-5
    for fun in (f, lambda x: np.sum(np.sin(program(x)))):
        assert ad.grad(fun)(1.3) == pytest.approx(slope, rel=1e-7)
        assert ad.jvp(fun, (1.3,), (1.0,)) == pytest.approx((f(1.3), slope), rel=1e-7)
        assert ad.hessian(fun)(1.3) == pytest.approx(
            (f(1.3 + 1e-4) - 2 * f(1.3) + f(1.3 - 1e-4)) / 1e-8, rel=1e-4, abs=1e-6
        )
    np.testing.assert_allclose(ad.vmap(f)(np.array([1.3, 0.7])), [f(1.3), f(0.7)], rtol=1e-15)


def test_in_a_method_that_is_differentiated_itself():
    assert ad.jvp(Memory(), (1.3,), (1.0,))[1].tolist() == [1.0, 0.0, 0.0]


def into_the_table(x):
    TABLE[0] = x
    return TABLE.sum()


def by_another_name(x):
    a = TABLE
    a[0] = x
    return a.sum()


def into_a_view_of_the_table(x):
    a = TABLE[1:]
    a[0] = x
    return a.sum()


def into_one_of_two_names(x):
    a = np.cos(TABLE)
    b = a
    a[0] = x
    return b.sum()


def into_a_row_that_is_kept(x):
    a = np.cos(TABLE).reshape(2, 2)
    row = a[0]
    a[0, 0] = x
    return row.sum()


@pytest.mark.parametrize(
    "program",
    [
        into_the_table,
        by_another_name,
        into_a_view_of_the_table,
        into_one_of_two_names,
        into_a_row_that_is_kept,
    ],
)
def test_what_others_hold_is_not_written(program):
    before = TABLE.copy()
    with pytest.raises(ad.UnsupportedWrite):
        ad.grad(program)(1.3)
    np.testing.assert_array_equal(TABLE, before)


def test_plain_programs_write_as_ever():
    """Code of a transform where nothing is traced: the same values, lines and names."""

    def f(x):
        a = np.cos(TABLE)
        CALLS.append(a)
        a[0] = 3.0
        return x * a.sum() + missing(a)

    def missing(a):
        return a[17]

    with pytest.raises(IndexError) as info:
        ad.grad(f)(1.3)
    places = [(t.name, t.lineno + 1 - f.__code__.co_firstlineno) for t in info.traceback]
    assert ("f", 4) in places and ("missing", 7) in places
    assert CALLS[0][0] == 3.0


def test_compiled_before_or_after():
    def outer(x):
        def inner(y):
            a = np.cos(TABLE)
            a[0] = y
            return a.sum() * y

        return ad.jit(inner)(x) + inner(x)

    assert ad.grad(outer)(1.3) == pytest.approx(2 * (np.cos(TABLE)[1:].sum() + 2 * 1.3))
