"""Reverse mode: a flat tape of operations in the order they ran, swept once backwards.

An entry is ``(rule, y, args, parents)``: `rule` is the tuple of partials for an elementwise function,
else an object with a method ``pull``; `parents` holds the tape index of each argument, None where it is
not active.  Creation order is a topological order, so the sweep is a loop: no recursion and no sorting,
however long the tape.
"""

from __future__ import annotations

import sys

from . import indexing, table
from .dual import Dual, add_results, array_tangent, scalar_tangent
from .errors import EscapedValue, UnsupportedWrite
from .indexing import is_basic, same_layout, scatter_, setitem_, written
from .plain import np
from .table import TABLE, Push, Repeat
from .tree import register_leaf
from .value import BINARY, PLAIN, Traced, apply, linked, next_level, strip_nested

_F64 = np.dtype(np.float64)
_ndarray = np.ndarray
_OBJECT = np.dtype(object)


class Tape(list):
    """The record of one reverse transform."""

    __slots__ = ("kept", "level", "record")

    def __init__(self):
        self.level = next_level()
        self.record = self.append
        self.kept = []

    def variable(self, value):
        """Return a new independent variable."""
        index = len(self)
        self.record((None, value, (), ()))
        return Var(value, self, index)

    def close(self):
        """End the transform: using one of its values from now on is an error."""
        self.record = _escaped


def _escaped(entry):
    raise EscapedValue(
        "a value was used after the transform that differentiates it had ended (it was probably stored outside the "
        "function). Return it from the function instead, or store ad.stop_gradient(x)"
    )


class Var(Traced):
    """A value of a reverse transform: `value` of the level below and its place on the tape."""

    __slots__ = ()
    tape, index = Traced.owner, Traced.extra
    batched = False

    def __init__(self, value, tape, index):
        self.value = value
        self.tape = tape
        self.index = index

    @property
    def level(self):
        return self.tape.level

    def process(self, record, args, kwargs):
        """Apply a function of the table to arguments of this level and below, and write it down."""
        tape = self.tape
        if record.kind == "custom":
            mine = [a.__class__ is Var and a.tape is tape for a in args]
            values = [a.value if m else a for a, m in zip(args, mine, strict=True)]
            return record.reverse(
                self, values, [a.index if m else None for a, m in zip(args, mine, strict=True)]
            )
        values, parents, keeps = [], [], record.keeps
        for k, a in enumerate(args):
            if a.__class__ is Var and a.tape is tape:
                values.append(a.value)
                parents.append(a.index)
            else:
                values.append(keep(a, tape) if a.__class__ is _ndarray and (not keeps or keeps[k]) else a)
                parents.append(None)
        y = record.fn(*values, **kwargs)
        if record.kind == "scalar":
            rule = record.partials
        else:
            rule = _Linear(record, kwargs)
        return self.wrap(y, rule, tuple(values), tuple(parents))

    def wrap(self, y, rule, values, parents):
        """Write an operation down and wrap its result, or its tuple of results."""
        tape = self.tape
        index = len(tape)
        tape.record((rule, y, values, parents))
        if isinstance(y, tuple):
            items = []
            for k, a in enumerate(y):
                if getattr(a, "dtype", _OBJECT).kind in "fc":
                    tape.record((_Item(k, len(y)), a, (None,), (index,)))
                    a = Var(a, tape, len(tape) - 1)
                items.append(a)
            return type(y)(*items) if hasattr(y, "_fields") else tuple(items)
        return Var(y, tape, index)


def backward(tape, seeds, wanted):
    """Sweep the tape backwards.

    Parameters
    ----------
    tape : Tape
    seeds : dict
        Cotangent by tape index.
    wanted : list of int
        Indices whose cotangents are returned (None where zero).
    """
    if tape.kept:
        _check_kept(tape)
    grads = [None] * (max(seeds, default=-1) + 1)
    for index, g in seeds.items():
        grads[index] = g
    owned = set()
    for i in range(len(grads) - 1, -1, -1):
        g = grads[i]
        if g is None:
            continue
        rule, y, args, parents = tape[i]
        if rule.__class__ is not tuple:
            if rule is not None:
                rule.pull(g, y, args, parents, grads, owned)
                grads[i] = None
            continue
        k = 0
        for j in parents:
            if j is not None:
                p = rule[k](y, *args)
                if p.__class__ is int:
                    c = g if p == 1 else -g if p == -1 else g * p
                else:
                    c = g * p
                x = args[k]
                if c.shape != x.shape or c.dtype is not _F64:
                    c = fit(c, x)
                old = grads[j]
                grads[j] = c if old is None else old + c
            k += 1
        grads[i] = None
    return [grads[i] if i < len(grads) else None for i in wanted]


def forward(tape, tangents, wanted):
    """Sweep the tape forwards: tangents by tape index in, tangents of the `wanted` entries out."""
    moved = [None] * len(tape)
    for i, (rule, y, args, parents) in enumerate(tape):
        if rule is None:
            moved[i] = tangents.get(i)
            continue
        directions = [None if j is None else moved[j] for j in parents]
        if all(t is None for t in directions):
            continue
        if rule.__class__ is tuple:
            moved[i] = scalar_tangent(rule, y, args, directions)
        else:
            moved[i] = rule.push(y, args, directions)
    return [moved[i] for i in wanted]


def fit(c, x):
    """Undo broadcasting: sum a cotangent to the shape and kind of the value it belongs to."""
    shape = x.shape
    if c.shape != shape:
        extra = len(c.shape) - len(shape)
        if extra > 0:
            c = np.sum(c, axis=tuple(range(extra)))
        axes = (
            tuple([k for k, n in enumerate(shape) if n == 1 and c.shape[k] != 1]) if c.shape != shape else ()
        )
        if axes:
            c = np.sum(c, axis=axes, keepdims=True)
        if c.shape != shape:
            c = np.broadcast_to(c, shape)
    if c.dtype is not x.dtype and c.dtype.kind == "c" and x.dtype.kind != "c":
        c = np.real(c)
    return c


def accumulate(grads, j, c, x):
    """Add a contribution to the cotangent of entry j, whose value is x."""
    if c.shape != x.shape or c.dtype is not _F64:
        c = fit(c, x)
    old = grads[j]
    grads[j] = c if old is None else old + c


register_leaf(Var)


class _Linear:
    """Reverse rule of an array function: a declared transpose, or the transpose of its push."""

    __slots__ = ("kwargs", "record")

    def __init__(self, record, kwargs):
        self.record, self.kwargs = record, kwargs

    def push(self, y, args, tangents):
        return array_tangent(self.record, y, args, tangents, self.kwargs)

    def pull(self, g, y, args, parents, grads, owned):
        record, kwargs = self.record, self.kwargs
        for k, j in enumerate(parents):
            if j is None:
                continue
            rule = record.rule(k)
            cls = rule.__class__
            if rule is None:
                raise table.missing(record.fn, k, "reverse")
            if cls is Push:
                c = transpose_push(rule.fn, g, y, args, k, kwargs)
            elif cls is Repeat:
                c = rule.fn(g, k, *args, **kwargs)
            else:
                c = rule.fn(g, *args, **kwargs)
            if c is not None:
                accumulate(grads, j, c, args[k])


class _Getitem:
    """Reverse rule of indexing: adds into the cotangent of the array in place, so a loop over entries
    stays linear.
    """

    __slots__ = ()

    def push(self, y, args, tangents):
        return tangents[0][args[1]]

    def pull(self, g, y, args, parents, grads, owned):
        shape, index = args
        j = parents[0]
        buffer = grads[j]
        if g.dtype is not _F64 or (buffer is not None and buffer.dtype is not _F64):
            c = scatter_(g, index, shape)
            grads[j] = c if buffer is None else buffer + c
            return
        if j not in owned:
            buffer = np.zeros(shape) if buffer is None else _own(buffer)
            owned.add(j)
        grads[j] = _add_at(buffer, index, g, shape)


_GETITEM = _Getitem()


class _Setitem:
    """Reverse rule of writing: what was overwritten gets nothing, the value gets what its places got."""

    __slots__ = ()

    def push(self, y, args, tangents):
        shape, index, value_shape, _ = args
        old, new = [
            np.zeros(s) if t is None else t for s, t in zip((shape, value_shape), tangents, strict=True)
        ]
        return setitem_(old, new, index)

    def pull(self, g, y, args, parents, grads, owned):
        shape, index, value_shape, place = args
        old, new = parents
        if new is not None:
            c = written(g, index, shape)
            if c.shape != value_shape:
                c = fit(c, np.empty(value_shape))
            if c.__class__ is _ndarray:
                c = c.copy()  # g is about to be written into
            grads[new] = c if grads[new] is None else grads[new] + c
        if old is not None:
            if g.__class__ is _ndarray:
                if place not in owned:
                    g = g.copy()
                g[index] = 0.0
                if grads[old] is None:
                    owned.add(old)
            else:
                g = setitem_(g, 0.0, index)
            grads[old] = g if grads[old] is None else grads[old] + g


_SETITEM = _Setitem()


def write(x, value, index):
    """A value in which ``x[index] = value``, for `x` or `value` of a tape; writes in place if nobody else
    can see.
    """
    var = x if x.__class__ is Var and (value.__class__ is not Var or value.level <= x.level) else value
    tape = var.tape
    mine = x.__class__ is Var and x.tape is tape, value.__class__ is Var and value.tape is tape
    v = value.value if mine[1] else value
    a = x.value if mine[0] else x
    if (
        np.iscomplexobj(v)
        or a.dtype is not _F64
        or not all(m or not isinstance(z, Traced) for m, z in zip(mine, (x, value), strict=True))
    ):
        return setitem_(x, value, index)
    if a.__class__ is _ndarray and not isinstance(v, Traced):
        if sys.getrefcount(a) != _UNSHARED or a.base is not None or not a.flags.writeable:
            a = same_layout(a)
        a[index] = v
        y = a
    else:
        y = setitem_(a, v, index)
    place = len(tape)
    parents = (x.index if mine[0] else None, value.index if mine[1] else None)
    # neither old nor new content is needed by the backward sweep, and not to hold them lets the next
    # write be in place
    tape.record((_SETITEM, None, (y.shape, index, np.shape(v), place), parents))
    return Var(y, tape, place)


def look(flat, window):
    """Show a part of a flat value, holding nothing of it for the backward sweep but the places."""
    tape, y = flat.tape, window.look(flat.value)
    place = len(tape)
    tape.record((_GETITEM, None, (flat.shape, window.places), (flat.index, None)))
    return Var(y, tape, place)


def _unshared():
    """The reference count of an array held by one value and one local name, as `write` sees it."""
    holder = Var(np.zeros(1), None, 0)
    x = holder
    a = x.value if x.__class__ is Var else x
    return sys.getrefcount(a)


_UNSHARED = _unshared()


def _own(buffer):
    """A copy that may be added into in place, down to the arrays."""
    if buffer.__class__ is Dual:
        return Dual(_own(buffer.value), _own(buffer.tangent), buffer.level)
    return buffer if isinstance(buffer, Traced) else np.array(buffer)


def _add_at(buffer, index, g, shape):
    """Add `g` at some places of a buffer that is ours; returns the buffer."""
    if g.__class__ is Dual:
        if buffer.__class__ is not Dual:
            if isinstance(buffer, Traced):
                return buffer + scatter_(g, index, shape)
            buffer = Dual(buffer, np.zeros(shape), g.level)
        elif buffer.level != g.level:
            return buffer + scatter_(g, index, shape)
        buffer.value = _add_at(buffer.value, index, g.value, shape)
        buffer.tangent = _add_at(buffer.tangent, index, g.tangent, shape)
        return buffer
    if isinstance(g, Traced) or isinstance(buffer, Traced):
        return buffer + scatter_(g, index, shape)
    if index.__class__ is int or is_basic(index):
        buffer[index] += g
    else:
        np.add.at(buffer, index, g)
    return buffer


class _Item:
    """Reverse rule of taking one result out of a tuple of them."""

    __slots__ = ("k", "n")

    def __init__(self, k, n):
        self.k, self.n = k, n

    def push(self, y, args, tangents):
        return tangents[0][self.k]

    def pull(self, g, y, args, parents, grads, owned):
        j = parents[0]
        new = tuple([g if k == self.k else None for k in range(self.n)])
        grads[j] = new if grads[j] is None else add_results(grads[j], new)


def transpose_push(push, g, y, args, k, kwargs):
    """Transpose the linear map dx -> push(y, dx, ...) by running it on a tape of its own."""
    tape = Tape()
    start = np.zeros(args[k].shape, args[k].dtype)
    dx = tape.variable(start)
    out = push(y, dx, *args, **kwargs)
    pairs = zip(out, g, strict=True) if isinstance(out, tuple) else [(out, g)]
    seeds = {}
    for o, c in pairs:
        if c is not None and o.__class__ is Var and o.tape is tape:
            seeds[o.index] = c if o.index not in seeds else seeds[o.index] + c
    (c,) = backward(tape, seeds, [dx.index])
    return c


def keep(a, tape):
    """Keep a plain array for the backward sweep, which must see it as it is now.

    Small arrays are copied; of a large one a fingerprint is taken, and `backward` refuses if it changed
    meanwhile.
    """
    if not a.flags.writeable:
        return a
    if a.size <= 4096 or a.dtype is not _F64 or not a.flags.c_contiguous:
        return a.copy(order="K")
    tape.kept.append((a, _fingerprint(a)))
    return a


def _fingerprint(a):
    """A few random combinations of the entries, at the speed of one pass through memory."""
    a = a.reshape(-1)
    whole = a.size // 512 * 512
    return np.dot(a[:whole].reshape(-1, 512), _WEIGHTS).tobytes() + a[whole:].tobytes()


_WEIGHTS = np.modf(np.arange(1, 513) * 0.6180339887498949)[0] + 0.5


def _check_kept(tape):
    for a, fingerprint in tape.kept:
        if _fingerprint(a) != fingerprint:
            raise UnsupportedWrite(
                f"an array of shape {a.shape} was changed in place after it had been used in a function that is "
                "differentiated; the gradient needs its old content. Write into a copy: a = a.copy()"
            )


def _install_fast_operators():
    """Operators for two values of one tape, or one and a number, without the general dispatch.

    This is the hot path of reverse mode: it must stay short.
    """

    def binary(name, op, ufunc):
        record = TABLE[ufunc]
        partials, keeps = record.partials, record.keeps[1]

        def forward(self, other):
            cls = other.__class__
            tape = self.tape
            if cls is Var and other.tape is tape:
                a = self.value
                b = other.value
                parents = (self.index, other.index)
            elif cls in PLAIN:
                a = self.value
                b = other
                parents = (self.index, None)
            elif cls is _ndarray and other.dtype is _F64:
                a = self.value
                b = keep(other, tape) if keeps else other
                parents = (self.index, None)
            else:
                return apply(record, (self, other), {})
            y = op(a, b)
            index = len(tape)
            tape.record((partials, y, (a, b), parents))
            return Var(y, tape, index)

        def reflected(self, other):
            if other.__class__ not in PLAIN:
                return apply(record, (other, self), {})
            tape = self.tape
            a = self.value
            y = op(other, a)
            index = len(tape)
            tape.record((partials, y, (other, a), (None, self.index)))
            return Var(y, tape, index)

        setattr(Var, f"__{name}__", forward)
        setattr(Var, f"__r{name}__", reflected)

    for name, (op, ufunc) in BINARY.items():
        if TABLE[ufunc].kind == "scalar":
            binary(name, op, ufunc)

    negative = TABLE[np.negative].partials

    def neg(self):
        tape, a = self.tape, self.value
        y = -a
        index = len(tape)
        tape.record((negative, y, (a,), (self.index,)))
        return Var(y, tape, index)

    fetch = TABLE.get

    def array_ufunc(self, ufunc, method, *inputs, **kwargs):
        if not kwargs and method == "__call__" and len(inputs) == 1:
            record = fetch(ufunc)
            if record is not None and record.kind == "scalar":
                tape, a = self.tape, self.value
                y = ufunc(a)
                index = len(tape)
                tape.record((record.partials, y, inputs and (a,), (self.index,)))
                return Var(y, tape, index)
        return general(self, ufunc, method, *inputs, **kwargs)

    general = Traced.__array_ufunc__

    def getitem(self, index):
        if index.__class__ is not int and index.__class__ is not slice:
            index = strip_nested(index)
            if isinstance(index, Traced) or (
                index.__class__ is tuple and any(isinstance(i, Traced) for i in index)
            ):
                return indexing.getitem(self, index)
        tape, a = self.tape, self.value
        y = a[index]
        place = len(tape)
        tape.record((_GETITEM, y, (a.shape, index), (self.index, None)))
        y = Var(y, tape, place)
        return y if y.value.__class__ is np.float64 else linked(y, self)

    Var.__neg__ = neg
    Var.__getitem__ = getitem
    Var.__array_ufunc__ = array_ufunc
