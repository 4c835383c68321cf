"""Forward mode: a value and its tangent."""

from __future__ import annotations

from math import isfinite

from sciad import rule_table as table
from sciad.eager.operators import BINARY, RAISING
from sciad.eager.python_numbers import as_python
from sciad.eager.traced import PLAIN, Traced, apply, escaped, linked, raw, strip_nested
from sciad.eager.zeros import product, zeros
from sciad.plain_numpy import np
from sciad.rule_table import TABLE, Push
from sciad.tree import register_leaf

_float = np.float64
new = object.__new__  # as in `tape`


class Dual(Traced):
    """A value of a forward transform: `value` and `tangent`, both of the level below and of one shape."""

    __slots__ = ()
    level, tangent = Traced.owner, Traced.extra
    batched = False

    def __init__(self, value, tangent, level):
        self.value, self.tangent, self.level = value, tangent, level

    def process(self, record, args, kwargs):
        """Apply a function of the table to arguments of this level and below."""
        level = self.level
        if level.ended:
            escaped()
        values, tangents = [], []
        for a in args:
            if a.__class__ is Dual and a.level == level:
                values.append(a.value)
                tangents.append(a.tangent)
            else:
                values.append(a)
                tangents.append(None)
        if record.kind == "custom":
            return record.forward(self, values, tangents)
        y = record.fn(*values, **kwargs)
        if record.kind == "scalar":
            return Dual(y, scalar_tangent(record.partials, y, values, tangents), level)
        dy = array_tangent(record, y, values, tangents, kwargs)
        return self.wrap(y, dy)

    def wrap(self, y, dy):
        """Wrap a result, or a tuple of results of which some may have no tangent."""
        if y.__class__ is tuple or isinstance(y, tuple):
            items = [a if b is None else Dual(a, b, self.level) for a, b in zip(y, dy, strict=True)]
            return type(y)(*items) if hasattr(y, "_fields") else tuple(items)
        return Dual(y, dy, self.level)


register_leaf(Dual)


def scalar_tangent(partials, y, values, tangents):
    """Sum partial * tangent over the active arguments of an elementwise function."""
    total = None
    for k, t in enumerate(tangents):
        if t is None:
            continue
        p = partials[k](y, *values)
        t = (t if p == 1 else -t if p == -1 else t * p) if p.__class__ is int else t * p
        total = t if total is None else total + t
    if total.shape != y.shape:
        total = np.broadcast_to(total, y.shape)
    if total.dtype is not y.dtype and total.dtype.kind == "c" and y.dtype.kind != "c":
        total = np.real(total)
    return total


def careful_tangent(partials, y, values, tangents):
    """`scalar_tangent` in which a factor 0 makes a term 0, whatever the other is."""
    terms = [product(t, partials[k](y, *values)) for k, t in enumerate(tangents) if t is not None]
    total = sum(terms[1:], terms[0])
    if total.shape != y.shape:
        total = np.broadcast_to(total, y.shape)
    return np.real(total) if total.dtype.kind == "c" and y.dtype.kind != "c" else total


def array_tangent(record, y, values, tangents, kwargs):
    """Sum the derivatives along the tangents of the active arguments of an array function."""
    if record.joint:
        if record.selects and not all(map(_is_finite, tangents)):
            zeros.met += 1  # what is dropped counts as a factor 0
        moved = [
            t if t is not None else np.zeros(np.shape(v))[()] if record.rule(k) else v
            for k, (v, t) in enumerate(zip(values, tangents, strict=True))
        ]
        return record.fn(*moved, **kwargs)
    total = None
    for k, t in enumerate(tangents):
        if t is None:
            continue
        rule = record.rule(k)
        if rule is None:
            raise table.missing(record.fn, k, "forward")
        if rule.__class__ is Push:
            term = rule.fn(y, t, *values, **kwargs)
        else:
            term = record.fn(*values[:k], t, *values[k + 1 :], **kwargs)
        total = term if total is None else add_results(total, term)
    return total


def _is_finite(t):
    """False if an infinite or NaN entry is below a tangent."""
    t = raw(t)
    if t is None:
        return True
    total = np.vdot(t, t) if t.__class__ is np.ndarray else t
    return total - total == 0


def add_results(a, b):
    """Add two results, tuples of which entries may be missing included."""
    if isinstance(a, tuple):
        return tuple(y if x is None else x if y is None else x + y for x, y in zip(a, b, strict=True))
    return a + b


def _install_fast_operators():
    """Operators for two values of one level, or one and a number, without the general dispatch."""

    def binary(name, op, ufunc):
        record = TABLE[ufunc]
        p0, p1 = partials = record.partials
        raises = name in RAISING

        def forward(self, other):
            cls = other.__class__
            level = self.level
            if level.ended:
                escaped()
            if cls is Dual:
                if other.level != level:
                    return apply(record, (self, other), {})
                a, b = self.value, other.value
                y = op(a, b)
                p, t = p0(y, a, b), self.tangent
                s = t if p.__class__ is int and p == 1 else t * p
                p, t = p1(y, a, b), other.tangent
                t = s + t if p.__class__ is int and p == 1 else s + t * p
                if t.shape != y.shape or t.dtype is not y.dtype:
                    t = scalar_tangent(partials, y, (a, b), (self.tangent, other.tangent))
            elif cls in PLAIN:
                a, b = self.value, other
                y = op(a, b)
                p, t = p0(y, a, b), self.tangent
                if p.__class__ is int:
                    t = t if p == 1 else -t if p == -1 else t * p
                else:
                    t = t * p
                    if t.dtype is not y.dtype:
                        return apply(record, (self, other), {})
            else:
                return apply(record, (self, other), {})
            if raises and y.__class__ is _float and not isfinite(y):
                as_python(level, op, a, b)
            made = new(Dual)
            made.value, made.tangent, made.level = y, t, level
            return made

        def reflected(self, other):
            if other.__class__ not in PLAIN:
                return apply(record, (other, self), {})
            level = self.level
            if level.ended:
                escaped()
            b = self.value
            y = op(other, b)
            p, t = p1(y, other, b), self.tangent
            if p.__class__ is int:
                t = t if p == 1 else -t if p == -1 else t * p
            else:
                t = t * p
                if t.dtype is not y.dtype:
                    return apply(record, (other, self), {})
            if raises and y.__class__ is _float and not isfinite(y):
                as_python(level, op, other, b)
            made = new(Dual)
            made.value, made.tangent, made.level = y, t, level
            return made

        setattr(Dual, f"__{name}__", forward)
        setattr(Dual, f"__r{name}__", reflected)

    for name, (op, ufunc) in BINARY.items():
        if TABLE[ufunc].kind == "scalar":
            binary(name, op, ufunc)

    def getitem(self, index):
        if index.__class__ is not int and index.__class__ is not slice:
            index = strip_nested(index)
            if isinstance(index, Traced) or (
                index.__class__ is tuple and any(isinstance(i, Traced) for i in index)
            ):
                return Traced.__getitem__(self, index)
        level = self.level
        if level.ended:
            escaped()
        y = Dual(self.value[index], self.tangent[index], level)
        return y if y.value.__class__ is np.float64 else linked(y, self)

    Dual.__getitem__ = getitem

    def neg(self):
        level = self.level
        if level.ended:
            escaped()
        return Dual(-self.value, -self.tangent, level)

    Dual.__neg__ = neg
