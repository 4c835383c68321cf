"""Arrays of the traced program: elements, elementwise expressions, broadcasting, memory, overlap.

Small arrays are kept as separate scalars as long as every index into them is known while compiling.
Where that turns out wrong the trace starts again with a decision for the place that made the array:
"memory" (it lives in memory) or, for inputs and constants that are written or merged with local arrays,
"copy" (into the arena "T").
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from sciad.compiler.fence import Refusal, Restart
from sciad.compiler.ir import builder as build
from sciad.compiler.ir import nodes as ir
from sciad.compiler.ir.builder import type_of
from sciad.compiler.ir.nodes import Address, Block, Loop, Operand, Value
from sciad.compiler.objects.kinds import Array, Deferred, Lazy, Small, is_array, is_scalar
from sciad.compiler.objects.memory_order import result_order
from sciad.compiler.objects.trace_services import TraceServices

SMALL = 64  # arrays of at most this many elements may be separate scalars
UNROLL = 8  # elementwise expressions of at most this many elements are written out
SHORT = 4  # dimensions up to this length are written out in loops over elements

LOCAL = ("T", "out")  # memories that are written; all others are constant


# --------------------------------------------------------------------------------------------------


def element(t: TraceServices, x, idx: tuple) -> Operand:
    """Element `idx` of an array, or the number `x` itself."""
    if isinstance(x, Array):
        return _load(t, x, idx)
    if isinstance(x, Small):
        return x.box.slots[x.cells[_position(x, idx)]]
    if isinstance(x, Lazy):
        return element(t, x.forced, idx) if x.forced is not None else x.elem(idx)
    if isinstance(x, Deferred):
        return element(t, force(t, x), idx)
    return x


def store(t: TraceServices, x, idx: tuple, value: Operand, fresh: bool = False) -> None:
    """Write one element of an `Array` or `Small`."""
    value = cast(t, value, x.kind)
    if isinstance(x, Small):
        writable(t, x)
        t.write(x.box, x.cells[_position(x, idx)], value)
    else:
        to_be_written(t, x)
        t.builder.store(x.mem, address(t, x, idx), value, x.alias, **({"fresh": True} if fresh else {}))


def cast(t: TraceServices, value: Operand, kind: str) -> Operand:
    if type_of(value) == kind:
        return value
    if kind == "b":
        return t.builder.op(np.not_equal, value, 0.0 if type_of(value) == "f" else 0)
    return t.builder.to_float(value) if kind == "f" else t.builder.to_int(value)


def address(t: TraceServices, x: Array, idx: tuple) -> Address:
    at = x.address
    for i, stride in zip(idx, x.strides, strict=True):
        at = at + (
            t.affine(t.builder.op(np.multiply, i, stride))
            if isinstance(stride, Value)
            else t.affine(i) * stride
        )
    return at


def to_be_written(t: TraceServices, x: Array) -> None:
    """Before a write: memory that the caller passes in is copied first, by tracing again."""
    if x.mem not in LOCAL:
        refuse_outside(x.site)
        raise Restart({x.site: "copy"})
    if t.bases.lent and x.mem == "T" and t.bases.may_be_lent(t.bases.of(x.address)):
        raise _lost("an array that may be one from outside")


def refuse_outside(site) -> None:
    """Arguments are passed by value; a write into a captured array would have to be seen outside."""
    if is_outside(site):
        path = getattr(site[1], "expression", site[1])
        name = path.rpartition(".")[2].removeprefix("__globals__").strip("[]'")
        raise _lost(name if name.isidentifier() and name != "cell_contents" else "an array")


def is_outside(site) -> bool:
    """Whether an array is captured, in place of being given as an argument or made."""
    return isinstance(site, tuple) and len(site) == 2 and site[0] in ("input", "static")


def _lost(what: str) -> Refusal:
    return Refusal(
        f"a write into {what}, which is not the function's own",
        "Compiled code would lose it: take the array as an argument and return it, or copy it by np.array.",
    )


def writable(t: TraceServices, x: Small) -> None:
    """Make sure that nothing else that can be seen shares the elements through a merge, in the program or
    outside of it.
    """
    for site in x.box.sites:
        refuse_outside(site)
    shared = t.shared(x.box)
    if shared:
        raise Restart(dict.fromkeys(x.box.sites.union(*(other.sites for other in shared)), "memory"))


def _load(t: TraceServices, x: Array, idx):
    at = address(t, x, idx)
    if x.mem not in LOCAL and not at.terms:
        value = t.input(x, at.const)
    else:
        value = t.builder.load(x.mem, at, x.alias, constant=x.mem not in LOCAL)
    return cast(t, value, x.kind)


def _position(x: Small, idx) -> int:
    position = 0
    for i, n in zip(idx, x.shape, strict=True):
        if isinstance(i, Value):
            raise Restart(dict.fromkeys(x.box.sites, "memory"))
        position = position * n + i
    return position


# --------------------------------------------------------------------------------------------------


def small(t: TraceServices, shape, cells, kind="f", site=None) -> Small | Array:
    """An array of these scalars (row-major)."""
    site = site or t.site()
    cells = [cast(t, c, kind) for c in cells]
    decision = t.decisions.get(site)
    if decision is None:
        return Small(
            t.box(dict(enumerate(cells)), frozenset([site])), tuple(shape), tuple(range(len(cells))), kind
        )
    if decision == "memory" and not any(isinstance(c, Value) for c in cells):
        return Array(
            "C", Address(t.constants(cells)), tuple(shape), row_major(t, shape), t.constant_class, kind, site
        )
    made = allocate(t, shape, kind)
    for idx, c in zip(indices(shape), cells, strict=True):
        store(t, made, idx, c, fresh=True)
    return made


def allocate(t: TraceServices, shape, kind="f", zero=False) -> Array:
    """A new array in the arena."""
    alias = t.program.new_class()
    at = t.builder.alloc(size_of(t, shape), alias, zero)
    t.bases.allocated(at)
    return Array("T", Address(0, ((1, at),)), tuple(shape), row_major(t, shape), alias, kind)


def force(t: TraceServices, x):
    """`x` with its elements computed: an `Array` or a `Small`."""
    if not isinstance(x, (Lazy, Deferred)):
        return x
    if x.forced is None:
        x.forced = _computed(t, x)
    return x.forced


def memory(t: TraceServices, x) -> Array:
    """`x` as an `Array`; small arrays are moved to memory by tracing again."""
    x = force(t, x)
    if isinstance(x, Small):
        raise Restart(dict.fromkeys(x.box.sites, "memory"))
    return x


def copy(t: TraceServices, x, keep_order: bool = False):
    """A new array with the elements of `x`, in C order or in that of `x`."""
    if isinstance(x, (Lazy, Deferred)) and x.forced is None:
        return force(t, x if keep_order or isinstance(x, Deferred) else _in_order(x, None))
    order = result_order(x.shape, [x]) if keep_order else None
    if isinstance(x, Small) and order is None:
        return small(t, x.shape, [x.box.slots[c] for c in x.cells], x.kind)
    return _computed(t, _in_order(as_lazy(t, x, work=True), order))


def _in_order(x: Lazy, order) -> Lazy:
    return x if x.order == order else Lazy(x.shape, x.elem, x.kind, x.reads, x.work, x.fill, order=order)


def _computed(t: TraceServices, x):
    site = t.site()
    if isinstance(x, Deferred):
        made = allocate(t, x.shape, x.kind)
        x.write(made, True)
        return made
    if x.order is not None:
        return _computed_in_order(t, x)
    known = static_shape(x.shape)
    if (
        known
        and math.prod(x.shape) <= (UNROLL if x.fill is None else SMALL)
        and t.decisions.get(site) is None
    ):
        return small(t, x.shape, [x.elem(idx) for idx in indices(x.shape)], x.kind, site)
    zero = (
        x.fill is not None and x.fill[0] is not None and not isinstance(x.fill[0], Value) and x.fill[0] == 0
    )
    made = allocate(t, x.shape, x.kind, zero)
    if not zero and (x.fill is None or x.fill[0] is not None):
        fill(t, made, x, fresh=True)
    return made


def _computed_in_order(t: TraceServices, x: Lazy):
    """An array whose axes are in another order in memory: a new one in C order, transposed."""
    place = [x.order.index(axis) for axis in range(len(x.shape))]
    shape = tuple(x.shape[axis] for axis in x.order)

    def elem(idx):
        return x.elem(tuple(idx[k] for k in place))

    return _permuted(_computed(t, Lazy(shape, elem, x.kind, x.reads, x.work, x.fill)), place)


def _permuted(x: Array | Small, axes: list[int]) -> Array | Small:
    shape = tuple(x.shape[a] for a in axes)
    if isinstance(x, Small):
        order = np.arange(len(x.cells)).reshape(x.shape).transpose(axes).ravel()
        return Small(x.box, shape, tuple(x.cells[k] for k in order), x.kind)
    strides = tuple(x.strides[a] for a in axes)
    return Array(x.mem, x.address, shape, strides, x.alias, x.kind, x.site, x.sequence)


def filled(t: TraceServices, shape, value: Operand | None, kind="f") -> Lazy:
    """An array of one value; None leaves it open (`np.empty`)."""
    content = {"f": float("nan"), "i": 0, "b": False}[kind] if value is None else cast(t, value, kind)
    return Lazy(tuple(shape), lambda idx: content, kind, work=False, fill=(value,))


def as_lazy(t: TraceServices, x, work=False) -> Lazy:
    if isinstance(x, Lazy):
        return x
    x = force(t, x)
    return Lazy(x.shape, lambda idx: element(t, x, idx), x.kind, reads_of(x), work)


def reads_of(x) -> tuple:
    if isinstance(x, (Array, Small)):
        return ((x, True),)
    if isinstance(x, (Lazy, Deferred)):
        return reads_of(x.forced) if x.forced is not None else x.reads
    return ()


def elementwise(t: TraceServices, fn, *args, kind: str | None = None):
    """``fn`` (a ufunc, or a function of operands) of numbers and arrays, broadcast."""
    if all(is_scalar(a) for a in args):
        return t.arithmetic(fn, args)
    args = [force(t, a) if isinstance(a, Deferred) else a for a in args]
    fn = t.of_truths(fn, args)
    for a in args:
        if getattr(a, "sequence", False) or not (is_array(a) or is_scalar(a)):
            raise Refusal(f"arithmetic on {t.describe(a)}", "Make it an array with np.array(...).")
    shape = broadcast_shape(t, *(a.shape for a in args if is_array(a)))
    getters = [getter(t, a, shape) for a in args]
    if kind is None:
        if shape == ():
            return t.apply(fn, [get(()) for get in getters])  # a number, as in NumPy
        kinds = [a.kind if is_array(a) else type_of(a) for a in args]
        kind = build.result_type(fn, tuple(Value(k) for k in kinds))
        if fn is np.power and kinds[0] == kinds[1] == "i" and type(args[1]) is int and args[1] >= 0:
            kind = "i"
    reads = tuple(r for a in args for r in reads_of(a))
    order = result_order(shape, [a for a in args if is_array(a)])
    if not t.detail:
        return Lazy(shape, lambda idx: t.apply(fn, [get(idx) for get in getters]), kind, reads, order=order)
    line = t.builder.line

    def located(idx):
        operands = [get(idx) for get in getters]
        outer, t.builder.line = t.builder.line, line
        value = t.apply(fn, operands)
        t.builder.line = outer
        return value

    return Lazy(shape, located, kind, reads, order=order)


def getter(t: TraceServices, x, shape) -> Callable[[tuple], Operand]:
    """``get(idx)``: the element of `x` broadcast to `shape`."""
    if is_scalar(x):
        return lambda idx: x
    if isinstance(x, Lazy) and x.work and x.forced is None and len(x.shape) != len(shape):
        x = force(t, x)
    offset = len(shape) - len(x.shape)
    ones = [
        not isinstance(n, Value) and n == 1 and not (type(m) is int and m == 1)
        for n, m in zip(x.shape, shape[offset:], strict=True)
    ]
    if any(ones):
        if isinstance(x, Lazy) and x.work:
            x = force(t, x)
        return lambda idx: element(
            t, x, tuple(0 if one else i for one, i in zip(ones, idx[offset:], strict=True))
        )
    return lambda idx: element(t, x, idx[offset:] if offset else idx)


def broadcast_shape(t: TraceServices, *shapes) -> tuple:
    result: list = []
    for k in range(1, max(map(len, shapes), default=0) + 1):
        dim: Operand = 1
        for n in (s[-k] for s in shapes if len(s) >= k):
            if type(dim) is int and dim == 1:
                dim = n
            elif not (type(n) is int and n == 1):
                dim = same_length(t, dim, n, shapes)
        result.insert(0, dim)
    return tuple(result)


def same_length(t: TraceServices, n: Operand, m: Operand, shapes=()) -> Operand:
    """The common length of two dimensions; refused or checked at run time if they may differ."""
    if n is m or t.affine(n).key() == t.affine(m).key():
        return n if type(n) is int else m
    if type(n) is int and type(m) is int:
        text = " and ".join(show_shape(s) for s in shapes) or f"{n} and {m}"
        raise Refusal(f"arrays of shapes {text} do not go together")
    t.require(t.builder.op(np.equal, n, m), "ValueError", "arrays of different lengths do not go together")
    return n if type(n) is int else m


# --------------------------------------------------------------------------------------------------


def assign(t: TraceServices, target, value, fresh=False) -> None:
    """``target[...] = value`` with broadcasting; right under overlap."""
    if not is_array(value):
        number = value
        value = Lazy(target.shape, lambda idx: number, type_of(value), work=False)
    else:
        value = _fitted(t, value, target)
        if isinstance(target, Array) and overlaps(t, target, value):
            value = as_lazy(t, value) if isinstance(value, (Array, Small)) else value
            value = value if value.forced is None else as_lazy(t, value.forced)
            temporary = allocate(t, value.shape, value.kind)
            (
                value.write(temporary, True)
                if isinstance(value, Deferred)
                else fill(t, temporary, value, fresh=True)
            )
            value = temporary
    if isinstance(target, Small):
        if isinstance(value, Deferred) or (
            isinstance(value, Lazy) and value.work and len(target.cells) > UNROLL
        ):
            raise Restart(dict.fromkeys(target.box.sites, "memory"))
        writable(t, target)
        get = getter(t, value, target.shape)
        new = [cast(t, get(idx), target.kind) for idx in indices(target.shape)]
        for cell, v in zip(target.cells, new, strict=True):
            t.write(target.box, cell, v)
    elif isinstance(value, Deferred) and value.forced is None and len(value.shape) == len(target.shape):
        to_be_written(t, target)
        value.write(target, fresh)
    else:
        fill(t, target, value, fresh)


def _fitted(t: TraceServices, value, target):
    """`value` without leading dimensions of length 1, its shape checked to broadcast to that of `target`."""
    shape = value.shape
    while len(shape) > len(target.shape) and type(shape[0]) is int and shape[0] == 1:
        shape = shape[1:]
    fits = len(shape) <= len(target.shape)
    for n, m in zip(shape[::-1], target.shape[::-1], strict=False):
        if fits and not (type(n) is int and n == 1):
            fits = not (type(n) is int and type(m) is int and n != m)
            if fits:
                same_length(t, m, n)
    if not fits:
        raise Refusal(
            f"could not broadcast from shape {show_shape(value.shape)} into shape {show_shape(target.shape)}"
        )
    if len(shape) < len(value.shape):
        lead = (0,) * (len(value.shape) - len(shape))
        value = force(t, value)
        return Lazy(
            shape, lambda idx: element(t, value, lead + tuple(idx)), value.kind, ((value, False),), work=False
        )
    return value


def fill(t: TraceServices, target, value, fresh=False) -> None:
    """Store every element of `value` (broadcast) to an `Array`, by loops whose iterations are independent."""
    to_be_written(t, target)
    value = force(t, value) if isinstance(value, Deferred) else value
    get = getter(t, value, target.shape)
    nest(t, target.shape, lambda idx: store(t, target, idx, get(idx), fresh))


def nest(t: TraceServices, shape, body: Callable[[tuple], None], idx: tuple = ()) -> None:
    """Nested parallel loops over all indices of `shape`; short dimensions are written out."""
    if not shape:
        body(idx)
        return
    n = shape[0]
    if not isinstance(n, Value) and n <= SHORT:
        for k in range(n):
            nest(t, shape[1:], body, (*idx, k))
        return
    index = Value(
        "i", "ijklmn"[len(idx)] if len(idx) < 6 else "q", 0, n - 1 if not isinstance(n, Value) else n.high - 1
    )
    block = Block()
    with t.builder.into(block):
        nest(t, shape[1:], body, (*idx, index))
    t.builder.emit(Loop(block, index=index, count=n, parallel=True))


def overlaps(t: TraceServices, target: Array, value) -> bool:
    """Whether storing `value` to `target` element by element could read elements already overwritten."""
    root = t.program.root(target.alias)
    return any(
        isinstance(x, Array)
        and x.mem == target.mem
        and t.program.root(x.alias) == root
        and not (aligned and _identical(x, target))
        and not disjoint(t, x, target)
        for x, aligned in reads_of(value)
    )


def _identical(a: Array, b: Array) -> bool:
    def entries(x):
        return [n if type(n) is int else id(n) for n in (*x.shape, *x.strides)]

    return a.address.key() == b.address.key() and entries(a) == entries(b)


def disjoint(t: TraceServices, a: Array, b: Array) -> bool:
    """Whether two arrays of one alias class are known to have no element in common."""
    if t.distinct(a, b):
        return True
    if [(c, id(v)) for c, v in a.address.terms] != [(c, id(v)) for c, v in b.address.terms]:
        return False
    if not (static_shape(a.shape + a.strides) and static_shape(b.shape + b.strides)):
        return False
    spans = []
    for x in (a, b):
        steps = [(n - 1) * s for n, s in zip(x.shape, x.strides, strict=True)]
        spans.append(
            (x.address.const + sum(min(s, 0) for s in steps), x.address.const + sum(max(s, 0) for s in steps))
        )
    if spans[0][1] < spans[1][0] or spans[1][1] < spans[0][0]:
        return True
    divisor = math.gcd(*(s for x in (a, b) for n, s in zip(x.shape, x.strides, strict=True) if n > 1))
    return divisor > 0 and (a.address.const - b.address.const) % divisor != 0


# --------------------------------------------------------------------------------------------------


def static_shape(shape) -> bool:
    return not any(isinstance(n, Value) for n in shape)


def indices(shape) -> Sequence[tuple]:
    return list(itertools.product(*map(range, shape)))


def size_of(t: TraceServices, shape) -> Operand:
    size: Operand = 1
    for n in shape:
        size = t.builder.op(np.multiply, size, n)
    return size


def row_major(t: TraceServices, shape) -> tuple:
    strides: list = []
    step: Operand = 1
    for n in reversed(shape):
        strides.insert(0, step)
        step = t.builder.op(np.multiply, step, n)
    return tuple(strides)


def show_shape(shape) -> str:
    entries = ["?" if isinstance(n, ir.Value) else str(n) for n in shape]
    return f"({', '.join(entries)}{',' if len(entries) == 1 else ''})"
