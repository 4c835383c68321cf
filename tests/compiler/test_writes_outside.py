"""Writes into arrays that are not the function's own are refused: compiled code would lose them."""

import numpy as np
import pytest

import sciad as ad

NESTED = {"a": np.zeros(2), "l": [np.zeros(2)]}
SMALL, LARGE, COUNTS = np.zeros(3), np.zeros(200), np.zeros(4, dtype=int)


class Memory:
    def __init__(self, size):
        self.state = np.zeros(size)

    def __call__(self, x):
        self.state[0] += x
        return self.state[0] * x


def element(x):
    SMALL[0] += x
    return SMALL[0] * x


def large_element(x):
    LARGE[0] += x
    return LARGE[0] * x


def whole(x):
    SMALL[:] = x
    return SMALL.sum()


def large_slice(x):
    LARGE[2:5] = x
    return LARGE.sum()


def by_mask(x):
    LARGE[LARGE > 1.0] = x
    return LARGE.sum()


def by_places(x):
    LARGE[np.array([1, 3])] += x
    return LARGE.sum()


def counted(x):
    COUNTS[1] += 1
    return COUNTS[1] * x


def through_a_view(x):
    row = LARGE.reshape(20, 10)[3]
    row[1] = x
    return LARGE[31]


def in_a_loop(x):
    for i in range(3):
        SMALL[i] = x * i
    return SMALL.sum()


def in_a_helper(x):
    def put(a):
        a[0] = x

    put(SMALL)
    return x * x


def by_function(x):
    np.copyto(SMALL, x)
    return SMALL.sum()


def by_add_at(x):
    np.add.at(LARGE, np.array([1, 1]), x)
    return LARGE.sum()


def largest(x, seen=np.zeros(1)):  # noqa: B008
    seen[0] = max(seen[0], x)
    return seen[0]


def _closure(size):
    kept = np.zeros(size)

    def f(x):
        kept[0] = x
        return kept[0] * x

    return f


def one_of_two(x):
    a = SMALL if x > 0.0 else np.zeros(3)
    a[0] = x
    return a[0]


def one_of_two_large(x):
    a = LARGE if x > 0.0 else np.zeros(200)
    a[0] = x
    return a[0]


def one_of_two_in_a_view(x):
    a = np.zeros(200)
    if x > 0.0:
        a = LARGE
    a[3:9][1:] += x
    return a.sum()


def next_round(x):
    a = np.zeros(200)
    k = x
    while k > 0.0:
        a[0] += x
        a = LARGE
        k -= 1.0
    return a[0]


def in_a_dict(x):
    NESTED["a"][0] += x
    return NESTED["a"][0]


def in_a_list(x):
    NESTED["l"][0][1] = x
    return NESTED["l"][0][1]


def row_by_row(x):
    for row in LARGE.reshape(20, 10):
        row[0] = x
    return LARGE.sum()


def swapped(x):
    a, b = SMALL, LARGE
    a, b = b, a
    a[0] = x
    return a[0]


def filled(x):
    SMALL.fill(x)
    return SMALL.sum()


def by_out(x):
    np.add(LARGE, x, out=LARGE)
    return LARGE[0]


def transposed(x):
    LARGE.T[1] = x
    return LARGE[1]


def put(x):
    np.put(SMALL, [0], x)
    return SMALL[0]


def while_loop(x):
    i = 0
    while i < 3:
        SMALL[i] = x
        i += 1
    return SMALL.sum()


PROGRAMS = [
    element, large_element, whole, large_slice, by_mask, by_places, counted, through_a_view, in_a_loop,
    one_of_two, one_of_two_large, one_of_two_in_a_view, next_round, in_a_dict, in_a_list, row_by_row, swapped,
    filled, by_out, transposed, put, while_loop,
    in_a_helper, by_function, by_add_at, largest, Memory(2), Memory(300), _closure(2), _closure(300),
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: getattr(f, "__name__", type(f).__name__))
def test_a_write_outwards_is_refused(program):
    with pytest.raises(ad.UnsupportedSyntax, match=r"write|written"):
        ad.jit(program)(2.0)


def test_a_model_that_writes_outwards_runs_in_python():
    latest = np.zeros(1)

    def model(t, y):
        latest[0] = max(latest[0], t)
        return -y

    with pytest.warns(UserWarning, match="write"):
        solution = ad.solve_ivp(model, (0.0, 2.0), np.ones(1), method="Tsit5", rtol=1e-6, atol=1e-9)
    assert latest[0] == 2.0
    np.testing.assert_allclose(solution.y[0, -1], np.exp(-2.0), rtol=1e-5)


def test_writes_into_copies_and_arguments_are_the_functions_own():
    def f(x):
        mine = np.array(SMALL)
        mine[0] += x[0]
        x[1] = mine[0]
        return x.sum() * mine[0]

    x = np.array([2.0, 1.0])
    assert ad.jit(f)(x) == 8.0
    assert x[1] == 1.0
    assert SMALL[0] == 0.0


def test_reading_one_of_two_arrays_from_outside_is_no_write():
    def f(x):
        table = LARGE if x > 0.0 else np.ones(200)
        mine = np.zeros(200)
        mine[2] = x
        return table[2] + mine[2] + table.sum()

    assert ad.jit(f)(2.0) == 2.0
    assert ad.jit(f)(-1.0) == 200.0
