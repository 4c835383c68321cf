"""Elementwise functions: ufuncs, `math`, and what NumPy builds of them."""

from __future__ import annotations

import math
import operator

import numpy as np

from sciad.compiler.fence import Refusal
from sciad.compiler.functions.lowerings import METHODS, Beyond, lower
from sciad.compiler.ir.builder import type_of
from sciad.compiler.ir.nodes import Value
from sciad.compiler.ir.op_traits import traits_of
from sciad.compiler.objects.arrays import broadcast_shape, cast, element, elementwise, getter, reads_of
from sciad.compiler.objects.kinds import Lazy, is_array, is_scalar
from sciad.compiler.objects.memory_order import result_order

_UFUNCS = """
add subtract multiply divide power negative positive absolute exp exp2 expm1 log log2 log10 log1p sqrt cbrt
square sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh arcsinh arccosh arctanh hypot maximum minimum
fmax fmin sign floor ceil trunc rint floor_divide remainder copysign less less_equal greater greater_equal
equal not_equal logical_and logical_or logical_not logical_xor isnan isinf isfinite logaddexp logaddexp2
fabs conjugate reciprocal deg2rad rad2deg float_power fmod heaviside"""


def _enter(fn):
    def lowering(t, *args, out=None):
        args = [t.as_array(a) for a in args]
        if len(args) == fn.nin + 1:
            *args, out = args
        if len(args) != fn.nin:
            raise Refusal(f"np.{fn.__name__} takes {fn.nin} arguments, {len(args)} were given")
        result = simplified(t, fn, args)
        if out is None:
            return result
        t.set_item(out, Ellipsis, result)
        return out

    lower(fn)(lowering)


def simplified(t, fn, args):
    """A ufunc in terms of fewer: what the middle and back end need to know stays small."""
    if fn in _MEANING:
        return _MEANING[fn](t, *args)
    if traits_of(fn).logical:
        args = [truths(t, a) for a in args]
    return elementwise(t, fn, *args)


def truths(t, x):
    kind = x.kind if is_array(x) else type_of(x)
    if kind == "b":
        return x
    return elementwise(t, np.not_equal, x, 0.0 if kind == "f" else 0)


_MEANING = {
    np.fabs: lambda t, x: elementwise(t, np.absolute, x),
    np.float_power: lambda t, x, y: elementwise(t, np.power, _float(t, x), y),
    np.conjugate: lambda t, x: x,
    np.reciprocal: lambda t, x: elementwise(t, np.divide, 1.0, x),
    np.deg2rad: lambda t, x: elementwise(t, np.multiply, x, math.pi / 180),
    np.rad2deg: lambda t, x: elementwise(t, np.multiply, x, 180 / math.pi),
    np.square: lambda t, x: _square(t, x),
    np.logaddexp2: lambda t, x, y: _logaddexp2(t, x, y),
    np.logical_xor: lambda t, x, y: elementwise(t, np.not_equal, truths(t, x), truths(t, y)),
}


def _logaddexp2(t, x, y):
    x, y = (elementwise(t, np.multiply, a, math.log(2.0)) for a in (x, y))
    return elementwise(t, np.divide, elementwise(t, np.logaddexp, x, y), math.log(2.0))


def _square(t, x):
    return elementwise(
        t, lambda a: t.apply(np.multiply, [a, a]), x, kind=x.kind if is_array(x) else type_of(x)
    )


for _name in _UFUNCS.split():
    _enter(getattr(np, _name))


def _float(t, x):
    return elementwise(t, t.builder.to_float, x, kind="f")


def scalar_function(ufunc):
    return lambda t, *args: simplified(t, ufunc, [_number(t, a) for a in args])


def _number(t, x):
    x = t.as_array(x)
    if is_array(x):
        if any(n != 1 for n in x.shape):
            raise Refusal(
                "a function of `math` applied to an array", "Use the function of the same name in NumPy."
            )
        x = element(t, x, (0,) * len(x.shape))
    return t.builder.to_float(x)


_NAMES = """sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh exp expm1 exp2 log1p log2 log10
sqrt cbrt pow copysign fmod isnan isinf isfinite"""
_MATH = {getattr(math, name): getattr(np, name) for name in _NAMES.split()}
_MATH |= {math.fabs: np.absolute, math.radians: np.deg2rad, math.degrees: np.rad2deg}
for _fn, _ufunc in _MATH.items():
    lower(_fn)(scalar_function(_ufunc))


@lower(np.ldexp, math.ldexp)
def _ldexp(t, x, n):
    half = elementwise(t, np.floor_divide, t.as_array(n), 2)  # in two steps, which reach every float
    rest = elementwise(t, np.subtract, t.as_array(n), half)
    for power in (half, rest):
        x = elementwise(t, np.multiply, t.as_array(x), elementwise(t, np.power, 2.0, _float_of(t, power)))
    return x


def _float_of(t, x):
    return _float(t, x) if is_array(x) else t.builder.to_float(x)


@lower(math.log)
def _log(t, x, base=None):
    result = t.apply(np.log, [_number(t, x)])
    return result if base is None else t.apply(np.divide, [result, t.apply(np.log, [_number(t, base)])])


@lower(math.hypot)
def _hypot(t, *args):
    if len(args) == 2:
        return t.apply(np.hypot, [_number(t, a) for a in args])
    total = 0.0
    for a in args:
        a = _number(t, a)
        total = t.apply(np.add, [total, t.apply(np.multiply, [a, a])])
    return t.apply(np.sqrt, [total])


def _to_int(ufunc):
    return lambda t, x: t.integer(x if type_of(_as_number(t, x)) == "i" else t.apply(ufunc, [_number(t, x)]))


def _as_number(t, x):
    return x if is_scalar(x) else _number(t, x)


lower(math.floor)(_to_int(np.floor))
lower(math.ceil)(_to_int(np.ceil))
lower(math.trunc)(_to_int(np.trunc))
for _op, _ufunc in {
    operator.add: np.add,
    operator.sub: np.subtract,
    operator.mul: np.multiply,
    operator.truediv: np.divide,
    operator.neg: np.negative,
    operator.pow: np.power,
}.items():
    lower(_op)(lambda t, *args, fn=_ufunc: elementwise(t, fn, *map(t.as_array, args)))


def _special(name):
    """The function of `scipy.special` that stands for one of `math`."""

    def lowering(t, *args):
        import scipy.special

        return t.call(getattr(scipy.special, name), list(args), {})

    return lowering


for _fn, _name in {math.erf: "erf", math.erfc: "erfc", math.gamma: "gamma", math.lgamma: "gammaln"}.items():
    lower(_fn)(_special(_name))


@lower(np.where)
def where(t, condition, x=None, y=None):
    if x is None or y is None:
        raise Refusal("np.where with one argument", "Use np.where(condition, a, b).")
    condition, x, y = truths(t, t.as_array(condition)), t.as_array(x), t.as_array(y)
    if all(is_scalar(a) for a in (condition, x, y)):
        kind = "f" if "f" in (type_of(x), type_of(y)) else type_of(x)
        return t.builder.select(condition, cast(t, x, kind), cast(t, y, kind))
    kinds = [a.kind if is_array(a) else type_of(a) for a in (x, y)]
    kind = "f" if "f" in kinds else "i" if "i" in kinds else "b"
    shape = broadcast_shape(t, *(a.shape for a in (condition, x, y) if is_array(a)))
    gets = [getter(t, t.settled(a) if not isinstance(a, Lazy) else a, shape) for a in (condition, x, y)]

    def elem(idx):
        c, a, b = (g(idx) for g in gets)
        return t.builder.select(c, cast(t, a, kind), cast(t, b, kind))

    operands = [a for a in (condition, x, y) if is_array(a)]
    order = result_order(shape, operands)
    return Lazy(shape, elem, kind, tuple(r for a in operands for r in reads_of(a)), order=order)


@lower(np.clip, method="clip")
def clip(t, a, a_min=None, a_max=None, min=None, max=None):
    low, high = (min if a_min is None else a_min), (max if a_max is None else a_max)
    if low is not None:
        a = elementwise(t, np.maximum, t.as_array(a), t.as_array(low))
    if high is not None:
        a = elementwise(t, np.minimum, t.as_array(a), t.as_array(high))
    return a


@lower(np.nan_to_num)
def _nan_to_num(t, x, copy=True, nan=0.0, posinf=None, neginf=None):
    x = t.settled(t.as_array(x))
    largest = float(np.finfo(float).max)
    if copy is False:
        raise Refusal("np.nan_to_num in place", "Assign its result.")
    ends = [(math.inf, largest if posinf is None else posinf)]
    ends += [(-math.inf, -largest if neginf is None else neginf)]
    result = where(t, elementwise(t, np.isnan, x), nan, x)
    for infinity, instead in ends:
        result = where(t, elementwise(t, np.equal, x, infinity), instead, result)
    return result


@lower(np.interp)
def _interp(t, x, xp, fp):
    """Piecewise linear interpolation: the interval is found by counting the knots to the left."""
    xp, fp = t.settled(t.as_array(xp)), t.settled(t.as_array(fp))
    n = xp.shape[0]
    if isinstance(n, Value) or n < 2:
        raise Beyond("np.interp on a table of unknown length or of one point")

    def one(value):
        count = t.sum_of(
            n - 2, lambda k: t.builder.to_int(t.apply(np.less_equal, [element(t, xp, (_plus(t, k),)), value]))
        )
        count = t.builder.to_int(count)
        if isinstance(count, Value):
            count.low, count.high = 0, n - 2
        x0, x1 = element(t, xp, (count,)), element(t, xp, (_plus(t, count),))
        f0, f1 = element(t, fp, (count,)), element(t, fp, (_plus(t, count),))
        slope = (f1 - f0) / (x1 - x0)

        def mean_slope():
            """At a knot: the mean of both sides, outside of the table 0."""
            before = 0.0
            if isinstance(count, Value):
                first_knot = t.builder.to_float(t.apply(np.equal, [count, 0]))
                k = t.apply(np.maximum, [t.builder.op(np.subtract, count, 1), 0])
                rise, run = f0 - element(t, fp, (k,)), x0 - element(t, xp, (k,))
                before = rise / (run + first_knot)
            return 0.5 * (slope + before)

        side = t.branch(t.apply(np.equal, [value, x0]), mean_slope, lambda: slope)
        inside = f0 + side * (value - x0)
        first, last = element(t, fp, (0,)), element(t, fp, (n - 1,))
        left, right = element(t, xp, (0,)), element(t, xp, (n - 1,))
        at_end = last + 0.5 * slope * (value - right)
        inside = t.builder.select(t.apply(np.equal, [value, right]), at_end, inside)
        inside = t.builder.select(t.apply(np.less, [value, left]), first, inside)
        return t.builder.select(t.apply(np.greater, [value, right]), last, inside)

    x = t.as_array(x)
    return elementwise(t, one, x, kind="f") if is_array(x) else one(t.builder.to_float(x))


def _plus(t, k):
    return t.builder.op(np.add, k, 1)


def _cast_method(t, x, dtype, copy=True):
    kind = t.kind_of_dtype(dtype)
    return elementwise(t, lambda v: cast(t, v, kind), x, kind=kind)


METHODS["array", "astype"] = _cast_method
lower(np.real)(lambda t, x: t.as_array(x))
lower(np.abs)(lambda t, x: elementwise(t, np.absolute, t.as_array(x)))


@lower(np.isclose)
def isclose(t, a, b, rtol=1e-05, atol=1e-08):
    a, b = t.as_array(a), t.as_array(b)

    def close(x, y):
        x, y = t.builder.to_float(x), t.builder.to_float(y)
        gap = t.apply(np.absolute, [t.apply(np.subtract, [x, y])])
        scale = t.apply(np.multiply, [rtol, t.apply(np.absolute, [y])])
        return t.apply(np.less_equal, [gap, t.apply(np.add, [atol, scale])])

    return elementwise(t, close, a, b, kind="b") if is_array(a) or is_array(b) else close(a, b)


@lower(np.sinc)
def _sinc(t, x):
    def one(v):
        v = t.apply(np.multiply, [math.pi, t.builder.to_float(v)])
        small = t.apply(np.less, [t.apply(np.absolute, [v]), 0.1])
        square, series = t.apply(np.multiply, [v, v]), 1.0
        for k in (110.0, 72.0, 42.0, 20.0, 6.0):
            ratio = t.apply(np.divide, [square, k])
            series = t.apply(np.subtract, [1.0, t.apply(np.multiply, [ratio, series])])
        safe = t.builder.select(small, 1.0, v)
        return t.builder.select(small, series, t.apply(np.divide, [t.apply(np.sin, [safe]), safe]))

    return elementwise(t, one, x, kind="f") if is_array(x) else one(x)
