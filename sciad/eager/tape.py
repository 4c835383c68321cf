"""Reverse mode: a flat tape of operations in the order they ran, swept once backwards.

An entry is ``(rule, y, args, parents)``: `rule` is the tuple of partials for an elementwise function,
else an object with a method ``pull``; `parents` holds the tape index of each argument, None where it is
not active.  Creation order is a topological order, so the sweep is a loop: no recursion and no sorting,
however long the tape.
"""

from __future__ import annotations

import operator
from math import isfinite

from sciad import rule_table as table
from sciad.eager.dual import add_results, array_tangent, careful_tangent, scalar_tangent
from sciad.eager.operators import BINARY, RAISING
from sciad.eager.ownership import private
from sciad.eager.python_numbers import as_python
from sciad.eager.traced import PLAIN, Level, Primitive, Traced, apply, escaped, next_level, raw
from sciad.eager.zeros import product, zeros
from sciad.errors import NotFinite, UnsupportedWrite
from sciad.plain_numpy import np
from sciad.rule_table import TABLE, Push, Repeat
from sciad.tree import register_leaf

_F64 = np.dtype(np.float64)
_ndarray, _vdot, _float = np.ndarray, np.vdot, np.float64
new = object.__new__  # the hot paths fill a value in themselves: `Var(...)` takes a Python frame
_OBJECT = np.dtype(object)


class Tape(list):
    """The record of one reverse transform."""

    __slots__ = ("kept", "level", "record", "replayed")

    def __init__(self, replayed=False):
        self.replayed = replayed  # swept forwards, after the program has gone on
        self.level = Level(next_level())
        self.record = self.append
        self.kept = []

    def variable(self, value):
        """Return a new independent variable."""
        made = new(Var)
        made.value, made.tape, made.index = value, self, len(self)
        self.record((None, value, (), ()))
        return made

    def close(self):
        """End the transform: using one of its values from now on is an error."""
        self.record = escaped
        self.level.ended = True


class Var(Traced):
    """A value of a reverse transform: `value` of the level below and its place on the tape."""

    __slots__ = ()
    tape, index = Traced.owner, Traced.extra
    batched = False

    def __init__(self, value, tape, index):
        self.value = value
        self.tape = tape
        self.index = index

    level = property(operator.attrgetter("owner.level"))  # read without a Python frame

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
                values.append(a if a.__class__ in PLAIN or (keeps and not keeps[k]) else keep(a, tape))
                parents.append(None)
        fn = record.fn
        if len(values) == 1 and fn.__class__ is Primitive and values[0].__class__ is _ndarray:
            fn = fn.fn
        y = fn(*values, **kwargs)
        rule = record.partials if record.kind == "scalar" else _Linear(record, kwargs)
        if isinstance(y, tuple):
            return self.wrap(y, rule, tuple(values), tuple(parents))
        made = new(Var)
        made.value, made.tape, made.index = y, tape, len(tape)
        tape.record((rule, y, tuple(values), tuple(parents)))
        return made

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
        check_kept(tape.kept)
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
                c = (g if p == 1 else -g if p == -1 else g * p) if p.__class__ is int else g * p
                x = args[k]
                if c.shape != x.shape or c.dtype is not _F64:
                    c = fit(c, x)
                old = grads[j]
                grads[j] = c if old is None else old + c
            k += 1  # noqa: SIM113  faster than enumerate here
        grads[i] = None
    grads += [None] * (max(wanted, default=-1) + 1 - len(grads))
    return list(map(grads.__getitem__, wanted))


def sweep(tape, seeds, wanted):
    """`backward`, once more and carefully where that gives NaN.

    A path of the program on which one factor is 0 contributes nothing, though another be infinite or NaN;
    `forward` does the same.  See `zeros`.
    """
    if zeros.heeded:
        return _backward_carefully(tape, seeds, wanted)
    try:
        found = backward(tape, seeds, wanted)
        careful = any(map(has_nan, found)) and not any(map(has_nan, seeds.values()))
    except NotFinite:
        careful = True
    if careful:
        with zeros.heeding():
            found = _backward_carefully(tape, seeds, wanted)
    return found


def has_nan(g) -> bool:
    """True if a cotangent, or the array at the bottom of a traced one, has a NaN in it."""
    if g.__class__ is not _ndarray:
        if g is None or g.__class__ is np.float64:
            return g != g
        g = raw(g)
    if g.__class__ is _ndarray and g.dtype is _F64:
        total = _vdot(g, g)  # a sum of squares is NaN only if one of them is
        return total != total
    return g is not None and bool(np.isnan(g).any() if g.__class__ is _ndarray else g != g)


def _backward_carefully(tape, seeds, wanted):
    grads = [None] * (max(seeds, default=-1) + 1)
    for index, g in seeds.items():
        grads[index] = g
    owned = set()
    for i in range(len(grads) - 1, -1, -1):
        g = grads[i]
        rule, y, args, parents = tape[i]
        if g is None or rule is None:
            continue
        if rule.__class__ is tuple:
            for k, j in enumerate(parents):
                if j is not None:
                    accumulate(grads, j, product(g, rule[k](y, *args)), args[k])
        else:
            _careful(rule).pull(g, y, args, parents, grads, owned)
        grads[i] = None
    return [grads[i] if i < len(grads) else None for i in wanted]


def _careful(rule):
    """The rule of an array function that heeds zeros, if it has one."""
    twin = rule.record.careful if rule.__class__ is _Linear else None
    return rule if twin is None else _Linear(twin, rule.kwargs)


def forward(tape, tangents, wanted):
    """Sweep the tape forwards: tangents by tape index in, tangents of the `wanted` entries out."""
    found = _forward(tape, tangents, wanted, scalar_tangent, lambda rule: rule)
    if any(map(has_nan, found)) and not any(map(has_nan, tangents.values())):
        with zeros.heeding():
            found = _forward(tape, tangents, wanted, careful_tangent, _careful)
    return found


def _forward(tape, tangents, wanted, scalar_tangent, version):
    if tape.kept:
        check_kept(tape.kept)
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
            moved[i] = version(rule).push(y, args, directions)
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
            rules = record.rules
            rule = rules[k] if k < len(rules) else record.rule(k)
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
                if grads[j] is None and c.shape == args[k].shape and c.dtype is _F64:
                    grads[j] = c
                else:
                    accumulate(grads, j, c, args[k])


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
    """Keep a constant for the sweeps, which must see it as it is now.

    Small arrays are copied; of a large one a fingerprint is taken, and the sweeps refuse if it changed
    meanwhile.  Values of other transforms may be written into likewise: theirs is the present value.
    """
    cls = a.__class__
    if cls is _ndarray:
        if a.size > 4096 and a.dtype is _F64 and a.flags.c_contiguous:
            tape.kept.append((a, fingerprint(a)))
            return a
        return a.copy(order="K")
    if cls is tuple or cls is list:
        return cls([x if x.__class__ in PLAIN else keep(x, tape) for x in a])
    return private(a)


def fingerprint(a):
    """A few random combinations of the entries and of their bits, at the speed of memory."""
    if a.dtype is not _F64 or not a.flags.c_contiguous:
        a = np.frombuffer(a.tobytes().ljust(-(-a.nbytes // 8) * 8, b"\0"))
    a = a.reshape(-1)
    whole = a.size // 512 * 512
    rows = a[:whole].reshape(-1, 512)
    # the bits tell where a sum is NaN or rounds a change away
    bits = np.bitwise_xor.reduce(rows.view(np.uint64), axis=0)
    return np.dot(rows, _WEIGHTS).tobytes() + bits.tobytes() + a[whole:].tobytes()


_WEIGHTS = np.modf(np.arange(1, 513) * 0.6180339887498949)[0] + 0.5


def check_kept(kept):
    """Refuse if an array of those ``(array, fingerprint)`` is no longer what it was."""
    for a, before in kept:
        if fingerprint(a) != before:
            raise UnsupportedWrite(
                f"an array of shape {a.shape} was changed in place after it had been used in a function "
                "that is differentiated; the gradient needs its old content. Write into a copy: a = a.copy()"
            )


def _install_fast_operators():
    """Operators for two values of one tape, or one and a number, without the general dispatch.

    This is the hot path of reverse mode: it must stay short.
    """

    def binary(name, op, ufunc):
        record = TABLE[ufunc]
        partials, keeps = record.partials, record.keeps[1]
        raises = name in RAISING

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
            if raises and y.__class__ is _float and not isfinite(y):
                as_python(tape.level, op, a, b)
            made = new(Var)
            made.value, made.tape, made.index = y, tape, len(tape)
            tape.record((partials, y, (a, b), parents))
            return made

        def reflected(self, other):
            if other.__class__ not in PLAIN:
                return apply(record, (other, self), {})
            tape = self.tape
            a = self.value
            y = op(other, a)
            if raises and y.__class__ is _float and not isfinite(y):
                as_python(tape.level, op, other, a)
            made = new(Var)
            made.value, made.tape, made.index = y, tape, len(tape)
            tape.record((partials, y, (other, a), (None, self.index)))
            return made

        setattr(Var, f"__{name}__", forward)
        setattr(Var, f"__r{name}__", reflected)

    for name, (op, ufunc) in BINARY.items():
        if TABLE[ufunc].kind == "scalar":
            binary(name, op, ufunc)

    negative = TABLE[np.negative].partials

    def neg(self):
        tape, a = self.tape, self.value
        y = -a
        made = new(Var)
        made.value, made.tape, made.index = y, tape, len(tape)
        tape.record((negative, y, (a,), (self.index,)))
        return made

    fetch = TABLE.get

    def array_ufunc(self, ufunc, method, *inputs, **kwargs):
        if not kwargs and method == "__call__" and len(inputs) == 1:
            record = fetch(ufunc)
            if record is not None and record.kind == "scalar":
                tape, a = self.tape, self.value
                y = ufunc(a)
                made = new(Var)
                made.value, made.tape, made.index = y, tape, len(tape)
                tape.record((record.partials, y, (a,), (self.index,)))
                return made
        return Traced.__array_ufunc__(self, ufunc, method, *inputs, **kwargs)

    Var.__neg__ = neg
    Var.__array_ufunc__ = array_ufunc
