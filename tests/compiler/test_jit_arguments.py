"""Jitted functions take their arguments as Python binds them: by name, by default, through partials, methods
and decorators; what is compiled in is told apart."""


# ruff: noqa: B008, RUF015

import enum
import functools

import numpy as np
import pytest

import sciad as ad


def keyword_only(x, *, s=2.0):
    return x * s


def required(x, *, s):
    return x * s


def everything(x, *more, s=2.0, **others):
    return x + sum(more) * 10 + s * 100 + sum(others.values()) * 1000


def positional_only(x, y=2.0, /, z=3.0):
    return x + y * 10 + z * 100


def first_by_name(x, **others):
    return x * list(others.values())[0]


def flags(x, n=3, *, flag=False, mode="a"):
    return x**n if flag else (x if mode == "a" else -x)


def array_default(x, w=np.array([1.0, 2.0])):
    return x * w.sum()


def array_keyword(x, *, w=np.array([1.0, 2.0])):
    return x * w.sum()


def twice(fun):
    @functools.wraps(fun)
    def inner(*args, **kwargs):
        return 2 * fun(*args, **kwargs)

    return inner


def renamed(fun):
    @functools.wraps(fun)
    def inner(y, **kwargs):
        return fun(y + 1, **kwargs)

    return inner


class Model:
    gain = 3.0

    def __init__(self):
        self.rate = 2.0

    def method(self, x, *, s=2.0):
        return x * self.rate * s

    @classmethod
    def of_class(cls, x, *, s=2.0):
        return x * cls.gain * s

    @staticmethod
    def static(x, *, s=2.0):
        return x * s

    def __call__(self, x, *, s=2.0):
        return x * self.rate * s + 1


CALLS = [
    (keyword_only, (1.5,), {"s": 5.0}),
    (keyword_only, (1.5,), {}),
    (required, (1.5,), {"s": 5.0}),
    (everything, (1.5, 2.0, 3.0), {"s": 4.0, "z": 5.0}),
    (everything, (1.5,), {"b": 4.0, "a": 5.0}),
    (positional_only, (1.5,), {"z": 7.0}),
    (first_by_name, (1.5,), {"a": 2.0, "b": 3.0}),
    (first_by_name, (1.5,), {"b": 3.0, "a": 2.0}),
    (flags, (1.5,), {"flag": True}),
    (flags, (1.5,), {"mode": "b"}),
    (flags, (1.5,), {"flag": True, "n": 2}),
    (array_default, (1.5,), {}),
    (array_default, (1.5,), {"w": np.ones(3)}),
    (array_keyword, (1.5,), {}),
    (array_keyword, (1.5,), {"w": np.ones(3)}),
    (functools.partial(keyword_only, s=9.0), (1.5,), {}),
    (functools.partial(keyword_only, s=9.0), (1.5,), {"s": 3.0}),
    (functools.partial(everything, 5.0, s=9.0), (1.5,), {"q": 3.0}),
    (twice(keyword_only), (1.5,), {"s": 5.0}),
    (renamed(keyword_only), (), {"y": 1.5, "s": 5.0}),
    (Model().method, (1.5,), {"s": 5.0}),
    (Model().of_class, (1.5,), {"s": 5.0}),
    (Model().static, (1.5,), {"s": 5.0}),
    (Model(), (1.5,), {"s": 5.0}),
]


@pytest.mark.parametrize("fun, args, kwargs", CALLS)
def test_calls(fun, args, kwargs):
    jitted = ad.jit(fun)
    for scale in (1.0, 2.0):  # compiled, and compiled before
        args = tuple(a * scale for a in args)
        assert jitted(*args, **kwargs) == pytest.approx(fun(*args, **kwargs), rel=1e-15)
    for name, value in kwargs.items():
        if isinstance(value, float):

            def loss(v, call, name=name):
                return call(*args, **{**kwargs, name: v})

            want = (loss(value + 1e-4, fun) - loss(value - 1e-4, fun)) / 2e-4
            assert ad.grad(lambda v: loss(v, jitted))(value) == pytest.approx(want, rel=1e-8, abs=1e-8)
            assert ad.jvp(lambda v: loss(v, jitted), (value,), (1.0,))[1] == pytest.approx(
                want, rel=1e-8, abs=1e-8
            )


def test_gradient_passes_keywords_on():
    assert ad.grad(ad.jit(keyword_only))(1.5, s=5.0) == 5.0


def test_jitted_method():
    class Jitted(Model):
        method = ad.jit(Model.method)

    assert Jitted().method(1.5, s=5.0) == 15.0


@pytest.mark.parametrize(
    "fun, args, kwargs",
    [
        (positional_only, (), {}),
        (positional_only, (1.0, 2.0, 3.0, 4.0), {}),
        (positional_only, (1.0,), {"y": 2.0}),
        (positional_only, (1.0, 2.0, 3.0), {"z": 2.0}),
        (required, (1.0,), {}),
        (required, (1.0,), {"s": 1.0, "t": 2.0}),
        (functools.partial(required), (1.0,), {}),
        (Model(), (), {}),
    ],
)
def test_wrong_calls_are_type_errors(fun, args, kwargs):
    with pytest.raises(TypeError):
        fun(*args, **kwargs)
    with pytest.raises(TypeError, match=r"\(\): "):
        ad.jit(fun)(*args, **kwargs)


class Side(enum.Enum):
    LEFT = 1
    RIGHT = 2


def sided(x, side):
    return x if side is Side.LEFT else -x


def applied(x, fun):
    return fun(x)


@pytest.mark.parametrize("fun, choices", [(sided, list(Side)), (applied, [np.sin, np.cos, abs, np.sin])])
def test_what_is_compiled_in_is_told_apart(fun, choices):
    for choice in choices:
        assert ad.jit(fun)(0.5, choice) == pytest.approx(fun(0.5, choice), rel=1e-15)


def test_equal_code_of_two_files_is_told_apart(tmp_path):
    import runpy

    for name in ("one.py", "two.py"):
        (tmp_path / name).write_text("def f(x):\n    return x.foo\n")
        with pytest.raises(ad.UnsupportedSyntax, match=name):
            ad.jit(runpy.run_path(str(tmp_path / name))["f"])(1.0)
