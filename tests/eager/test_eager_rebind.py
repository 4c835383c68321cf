"""The copies of users' functions that transforms run: of local functions too, and they keep nothing alive."""

import gc
import weakref

import numpy as np
import pytest

import sciad as ad


def calls_itself():
    def power(x, n):
        kept = np.zeros(1)
        kept[0] = x
        return kept[0] * power(x, n - 1) if n else 1.0

    return lambda x: power(x, 3)


def call_each_other():
    def even(x, n):
        kept = np.zeros(1)
        kept[0] = x
        return odd(x * x, n - 1) if n else kept[0]

    def odd(x, n):
        return even(x + 1.0, n - 1)

    return lambda x: even(x, 2)


def bound_later():
    def outer(x):
        return inner(x)

    def inner(x):
        kept = np.zeros(2)
        kept[1] = x**3
        return kept.sum()

    return outer


LOCAL = {
    "calls itself": (calls_itself, 3 * 1.5**2),
    "call each other": (call_each_other, 2 * 1.5),
    "bound later": (bound_later, 3 * 1.5**2),
}


@pytest.mark.parametrize("name", LOCAL)
def test_local_functions(name):
    make, slope = LOCAL[name]
    for f in (make(), ad.checkpoint(make())):
        for _ in range(2):
            assert ad.grad(f)(1.5) == pytest.approx(slope)
        assert ad.jvp(f, (1.5,), (1.0,))[1] == pytest.approx(slope)


def misfit(p, data):
    return np.sum((p - data) ** 2)


def by_default(data):
    return lambda p, data=data: misfit(p, data)


def by_capture(data):
    return lambda p: misfit(p, data)


def by_capture_of_itself(data):
    def f(p, n=1):
        return f(p, n - 1) if n else misfit(p, data)

    return f


@pytest.mark.parametrize("make", [by_default, by_capture, by_capture_of_itself])
@pytest.mark.parametrize("transform", [ad.grad, ad.value_and_grad, ad.hessian, ad.vmap])
def test_functions_and_their_data_are_let_go(make, transform):
    data = np.arange(3.0)
    f = make(data)
    run, left = transform(f), (weakref.ref(f), weakref.ref(data))
    for _ in range(2):
        run(np.ones(3) if transform is not ad.vmap else np.ones((2, 3)))
    del data, f, run
    for _ in range(2):  # the copy of a function that holds itself goes first
        gc.collect()
    assert [reference() for reference in left] == [None, None]
