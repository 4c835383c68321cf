"""Values that leave a transform, and functions that do not know them: refused, or rightly differentiated."""

import functools
import math
import statistics
import warnings

import numpy as np
import pytest

import sciad as ad

X = 0.7
MODES = {
    "grad": lambda f: ad.grad(f)(X),
    "jvp": lambda f: ad.jvp(f, (X,), (1.0,))[1],
    "linearize": lambda f: ad.linearize(f, X)[1](1.0),
}
sine, power = math.sin, functools.partial(math.pow, 2.0)


def imported_name(x):
    from math import sin

    return sin(x)


def imported_under_another_name(x):
    from math import sin as other

    return other(x)


def imported_module(x):
    import math

    return math.sin(x)


def imported_in_a_local_function(x):
    def inner(x):
        import math as m

        return m.sin(x)

    return inner(x)


def imported_numpy(x):
    import numpy

    y = numpy.zeros(2)
    y[1] = x
    return numpy.sin(y[1])


def imported_from_numpy(x):
    from numpy import sin, zeros

    y = zeros(2)
    y[0] = x
    return sin(y[0])


def default(x, f=math.sin):
    return f(x)


def keyword_default(x, *, f=math.sin):
    return f(x)


def partial(x):
    return power(x)


def local_partial(x):
    return functools.partial(math.pow, 2.0)(x)


def mapped(x):
    return sum(map(math.sin, [x]))


def listed(x):
    return [math.sin][0](x)


REACHED = [
    imported_name, imported_under_another_name, imported_module, imported_in_a_local_function, imported_numpy,
    imported_from_numpy, default, keyword_default, partial, local_partial, mapped, listed,
]  # fmt: skip


@pytest.mark.parametrize("f", REACHED)
@pytest.mark.parametrize("mode", MODES)
def test_functions_of_math_that_are_reached(f, mode):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        want = math.log(2.0) * 2.0**X if "partial" in f.__name__ else math.cos(X)
        assert math.isclose(MODES[mode](f), want, rel_tol=1e-12)
        assert math.isclose(f(X), 2.0**X if "partial" in f.__name__ else math.sin(X))


class Holder:
    of_class = staticmethod(math.sin)

    def __init__(self):
        self.f = math.sin
        self.g = functools.partial(math.pow, 2.0)

    def by_attribute(self, x):
        return self.f(x)

    def by_module(self, x):
        return math.sin(x)


HOLDER = Holder()
TABLE = {"f": math.sin, "list": [math.cos], "g": functools.partial(math.pow, 2.0)}

NOT_REACHED = {
    "attribute": lambda x: HOLDER.f(x),
    "partial as an attribute": lambda x: HOLDER.g(x),
    "method": lambda x: HOLDER.by_attribute(x),
    "method that names the module": lambda x: HOLDER.by_module(x),
    "dict": lambda x: TABLE["f"](x),
    "list in a dict": lambda x: 2.0 * TABLE["list"][0](x) + 1.0,
    "partial in a dict": lambda x: TABLE["g"](x),
}


@pytest.mark.parametrize("name", NOT_REACHED)
@pytest.mark.parametrize("mode", MODES)
def test_functions_of_math_that_are_not_reached_are_refused(name, mode):
    with pytest.raises(ad.NotDifferentiable, match=r"math\.\w+ of a value .*line \d+.*Write np\."):
        MODES[mode](NOT_REACHED[name])


def test_statistics_is_refused():
    with pytest.raises(ad.NotDifferentiable, match=r"np\.mean"):
        ad.grad(lambda x: statistics.fmean([x, 2.0]) * x)(X)


def test_float_on_purpose_is_no_error():
    with pytest.warns(ad.DerivativeDropped):
        assert ad.grad(lambda x: x * float(x))(X) == X
    assert ad.grad(lambda x: x * math.sin(ad.stop_gradient(x)))(X) == math.sin(X)


# -- values kept outside

MAKERS = {
    "jvp": lambda keep: ad.jvp(keep, (X,), (1.0,)),
    "grad": lambda keep: ad.grad(keep)(X),
    "linearize": lambda keep: ad.linearize(keep, X),
    "jvp of an array": lambda keep: ad.jvp(lambda x: keep(x)[0], (np.array([X, 1.0]),), (np.ones(2),)),
}
USES = {
    "product": lambda y, kept: y * kept,
    "sum": lambda y, kept: np.sum(kept) + y,
    "function": lambda y, kept: np.sin(kept) * y,
    "itself": lambda y, kept: kept,
    "float": lambda y, kept: y * float(np.sum(kept)),
    "item": lambda y, kept: np.array([y, 1.0]) * kept,
}
READERS = {
    "grad": lambda f: ad.grad(lambda y: np.sum(f(y)))(1.0),
    "jvp": lambda f: ad.jvp(f, (1.0,), (1.0,)),
    "vjp": lambda f: ad.vjp(f, 1.0),
    "linearize": lambda f: ad.linearize(f, 1.0),
    "value_and_grad": lambda f: ad.value_and_grad(lambda y: np.sum(f(y)))(1.0),
}


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("reader", READERS)
def test_values_that_escaped_are_refused(maker, use, reader):
    kept = []

    def keep(x):
        kept.append(x)
        return x * x

    MAKERS[maker](keep)
    with pytest.raises(ad.EscapedValue, match="had ended"):
        READERS[reader](lambda y: USES[use](y, kept[0]))


def test_a_cache_that_holds_an_earlier_value_is_refused():
    cache = {}

    def f(x):
        return x * cache.setdefault("x", x)

    assert ad.jvp(f, (X,), (1.0,))[1] == 2 * X
    with pytest.raises(ad.EscapedValue):
        ad.jvp(f, (X,), (1.0,))


def test_values_of_outer_transforms_are_no_strangers():
    def f(x):
        inner = ad.jvp(lambda y: x * y * y, (X,), (1.0,))[1]
        return inner + ad.grad(lambda y: x * x * y)(2.0) + ad.vjp(lambda y: x * y, 1.0)[1](1.0)[0]

    for mode in MODES.values():
        assert math.isclose(mode(f), 2 * X + 2 * X + 1.0)
    pull = ad.vjp(np.sin, X)[1]
    assert math.isclose(ad.jvp(lambda g: pull(g)[0], (1.0,), (1.0,))[1], math.cos(X))
