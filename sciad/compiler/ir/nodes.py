"""The compiler's intermediate representation: scalars, flat memory and structured control flow.

Arrays do not exist here.  An array of the user's program is a compile-time record (memory, offset, shape,
strides) held by the front end; what reaches the IR are scalar operations, loads and stores at affine
addresses, `If` and `Loop` with explicit merges, and `Alloc` of space in one flat arena.  The adjoint of
memory at an address lives at the same address of a shadow memory, so views, swaps and aliases need no
treatment of their own in the transforms.

Memories are named by strings:

========== =====================================================================================
``"t"`` ..  one per input group (read only), named as the group
``"out"``   the flat result
``"T"``     the arena of local arrays (`Alloc` hands out offsets)
``"C"``     constants of the program, `Program.constants`
========== =====================================================================================

Transforms add shadows (``"T_bar"``, ``"T_dot"``, ``"y_bar"``, ...) and the tape, another arena, ``"S"``.

An operand is a `Value` or a plain Python ``float``, ``int`` or ``bool``.
"""

from __future__ import annotations

import builtins
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np

INF = float("inf")


class Value:
    """A scalar computed at run time.

    Attributes
    ----------
    type : {"f", "i", "b"}
        float64, int64 or bool.
    name : str
        The user's name for it where there is one; emission makes names unique.
    low, high : int or float
        For ints: an interval that contains the value (used to prove indices in range and non-negative).
    origin : Value or None
        The value this is another copy of (in a copied program, or computed again in the reverse sweep).
    """

    __slots__ = ("high", "low", "name", "origin", "type")
    __array_priority__ = 1000

    def __init__(self, type: str, name: str = "", low: float = -INF, high: float = INF):
        self.type, self.name, self.low, self.high, self.origin = type, name, low, high, None

    def __repr__(self) -> str:
        return f"%{self.name or 'v'}.{id(self) & 0xFFF:03x}:{self.type}"

    # Arithmetic on values emits into the active builder, so that the rules of `sciad.rule_table` run on
    # values unchanged.
    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if method != "__call__" or kwargs:
            return NotImplemented
        return _builder().op(ufunc, *inputs)

    def __bool__(self):
        raise TypeError("the value of a compiled scalar is not known while compiling")

    __hash__ = object.__hash__

    def __add__(self, other):
        return _builder().op(np.add, self, other)

    def __radd__(self, other):
        return _builder().op(np.add, other, self)

    def __sub__(self, other):
        return _builder().op(np.subtract, self, other)

    def __rsub__(self, other):
        return _builder().op(np.subtract, other, self)

    def __mul__(self, other):
        return _builder().op(np.multiply, self, other)

    def __rmul__(self, other):
        return _builder().op(np.multiply, other, self)

    def __truediv__(self, other):
        return _builder().op(np.divide, self, other)

    def __rtruediv__(self, other):
        return _builder().op(np.divide, other, self)

    def __floordiv__(self, other):
        return _builder().op(np.floor_divide, self, other)

    def __rfloordiv__(self, other):
        return _builder().op(np.floor_divide, other, self)

    def __mod__(self, other):
        return _builder().op(np.remainder, self, other)

    def __rmod__(self, other):
        return _builder().op(np.remainder, other, self)

    def __pow__(self, other):
        return _builder().op(np.power, self, other)

    def __rpow__(self, other):
        return _builder().op(np.power, other, self)

    def __neg__(self):
        return _builder().op(np.negative, self)

    def __pos__(self):
        return self

    def __abs__(self):
        return _builder().op(np.absolute, self)

    def __lt__(self, other):
        return _builder().op(np.less, self, other)

    def __le__(self, other):
        return _builder().op(np.less_equal, self, other)

    def __gt__(self, other):
        return _builder().op(np.greater, self, other)

    def __ge__(self, other):
        return _builder().op(np.greater_equal, self, other)

    def __eq__(self, other):
        return _builder().op(np.equal, self, other)

    def __ne__(self, other):
        return _builder().op(np.not_equal, self, other)

    def __and__(self, other):
        return _builder().op(np.logical_and, self, other)

    def __or__(self, other):
        return _builder().op(np.logical_or, self, other)

    def __invert__(self):
        return _builder().op(np.logical_not, self)


Operand = Value | float | int | bool


@dataclass(frozen=True)
class Line:
    """A place in the user's source."""

    file: str
    number: int
    text: str = ""


@dataclass(eq=False)
class Address:
    """``const + sum(coefficient * value)``: a flat index, kept affine so that passes need no pattern
    matching.
    """

    const: int = 0
    terms: tuple[tuple[int, Value], ...] = ()

    def __add__(self, other: Address | Operand) -> Address:
        if isinstance(other, Address):
            terms = {id(v): [c, v] for c, v in self.terms}
            for c, v in other.terms:
                entry = terms.setdefault(id(v), [0, v])
                entry[0] += c
            return Address(self.const + other.const, tuple((c, v) for c, v in terms.values() if c))
        if isinstance(other, Value):
            return self + Address(0, ((1, other),))
        return Address(self.const + int(other), self.terms)

    def __mul__(self, factor: int) -> Address:
        return Address(self.const * factor, tuple((c * factor, v) for c, v in self.terms if factor))

    def key(self) -> tuple:
        return (self.const, frozenset((c, id(v)) for c, v in self.terms))

    def __repr__(self) -> str:
        return " + ".join([str(self.const)] + [f"{c}*{v}" for c, v in self.terms])


# --------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Node:
    line: Line | None = field(default=None, kw_only=True)


@dataclass(eq=False)
class Op(Node):
    """``out = fn(*args)``, pure.  `fn` is a ufunc (a key of the rule table) or one of "int", "float",
    "stop" (the same number, without its derivative), "select".
    """

    out: Value
    fn: Any
    args: tuple[Operand, ...]


@dataclass(eq=False)
class Load(Node):
    """``out = mem[address]``.  `alias` is the alias class of the array read (see `Program.classes`)."""

    out: Value
    mem: str
    address: Address
    alias: int = 0


@dataclass(eq=False)
class Store(Node):
    """``mem[address] = value``, or ``+=`` where `add`.  `fresh`: the first store into this place since
    its `Alloc`.
    """

    mem: str
    address: Address
    value: Operand
    alias: int = 0
    add: bool = False
    fresh: bool = False


@dataclass(eq=False)
class Alloc(Node):
    """``out`` = offset in `mem` ("T", or the tape "S") of `size` new elements (zeroed if `zero`)."""

    out: Value
    size: Operand
    alias: int = 0
    zero: bool = False
    mem: str = "T"


@dataclass(eq=False)
class View:
    """A rectangular window of memory, as `Call` passes arrays."""

    mem: str
    address: Address
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    alias: int = 0


@dataclass(eq=False)
class Call(Node):
    """An opaque array primitive ("matmul", "solve", ...): reads `args`, writes `outs`."""

    fn: str
    outs: tuple[View, ...]
    args: tuple[View, ...]


@dataclass(eq=False)
class Piece:
    """A part of a program with memories of its own for what it is given (`inputs`) and for its `result`."""

    block: Block
    inputs: tuple[str, ...]
    result: str


@dataclass(eq=False)
class Custom(Call):
    """A function with derivative rules of its own: `body`, from one vector to another.

    Its derivatives are not those of `body` but `push`, of arguments and tangents, or `pull`, of arguments and
    cotangents (either may be missing; `name` is the function's).  `push_out` and `pull_out` are the results
    as the rules compute them, which take the place of `body` where a derivative is taken.
    """

    body: Piece
    push: Piece | None
    pull: Piece | None
    push_out: Piece | None
    pull_out: Piece | None
    name: str

    def pieces(self) -> list[Piece]:
        """Those there are."""
        found = (self.body, self.push, self.pull, self.push_out, self.pull_out)
        return [p for p in found if p is not None]


@dataclass(eq=False)
class RoutineCall(Call):
    """A call of a routine (`sciad.compiler.ir.routines`), its `fn`; the operands are consecutive numbers.
    Where it fails, the program is left with `site` and the routine's report.
    """

    site: int = 0


@dataclass(eq=False)
class Check(Node):
    """If not `cond`, leave the program with status `site` (1-based index into `Program.sites`)."""

    cond: Operand
    site: int


@dataclass(eq=False)
class Phi:
    """The merge of an `If`: ``out`` is `then` or `orelse`."""

    out: Value
    then: Operand
    orelse: Operand


@dataclass(eq=False)
class If(Node):
    cond: Operand
    then: Block
    orelse: Block
    phis: list[Phi] = field(default_factory=list)


@dataclass(eq=False)
class Carried:
    """A value carried round a loop: `param` inside the body, `init` before it, `next` at its end, `out`
    after it.
    """

    param: Value
    init: Operand
    next: Operand
    out: Value


@dataclass(eq=False)
class Loop(Node):
    """A counted loop (`count` given) or a while loop (`cond` given, computed by `pre` before each iteration).

    `index` runs 0, 1, ... in a counted loop.  `stop`, if given, is a bool of the body: leave the loop
    after this iteration (the carried values are those of its end).  `trip` is the number of iterations
    begun.  In a `parallel` loop no iteration reads what another writes and nothing is carried (in derived
    programs: their order does not matter, and what is carried are sums).  `index` may be had in a while
    loop too.  In a while loop the values of `pre` are those of the carried params; `pre` is evaluated
    once more than the body (unless `stop` ends the loop).
    """

    body: Block
    carried: list[Carried] = field(default_factory=list)
    index: Value | None = None
    count: Operand | None = None
    pre: Block | None = None
    cond: Operand | None = None
    stop: Operand | None = None
    trip: Value | None = None
    parallel: bool = False
    scratch: bool = False  # a loop in no other whose iterations give back the arena space they took


class Block(list):
    """A list of nodes executed in order."""


@dataclass
class Input:
    """One input group: a scalar passed by value, or a flat vector of `size` elements."""

    name: str
    size: int
    scalar: bool = False


# that programs raise and that are not Python's, by name
EXCEPTIONS: dict[str, type[Exception]] = {"LinAlgError": np.linalg.LinAlgError}


def exception_class(name: str) -> type[Exception] | None:
    """The class of an exception that programs raise; None of one that is the user's."""
    return EXCEPTIONS.get(name) or getattr(builtins, name, None)


@dataclass
class Site:
    """Where and with what message the program raises."""

    exception: str
    message: str
    line: Line | None = None

    def error(self) -> Exception:
        """The exception of the user's program, with the place it was raised at."""
        kind = exception_class(self.exception) or RuntimeError
        where = f" ({self.line.file}:{self.line.number})" if self.line is not None else ""
        return kind(f"{self.message}{where}")


@dataclass
class Program:
    """A compiled function's IR.

    Attributes
    ----------
    inputs : input groups in calling order; their memories carry their names.  A scalar group is memory of
    size 1. n_out : number of elements of "out". classes : union-find parents of alias classes: two arrays
    may overlap only if ``root(a) == root(b)``. outputs : memories the caller passes to be written (the
    transforms add to them), in groups of a kind. bases : ``bases.apart(a, b)`` tells that two offsets in
    "T" (of an `Alloc`, or merges of such) are different
        allocations, ``bases.of(address)`` is the offset an address counts from.
    out_tree, captures, guards : structure of the result, lifted captured numbers, and what else the trace
    depends on.
    """

    name: str
    inputs: list[Input]
    n_out: int
    body: Block
    constants: np.ndarray = field(default_factory=lambda: np.zeros(0))
    sites: list[Site] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)
    filename: str = ""
    outputs: list[list[Input]] | None = None
    out_tree: Any = None
    captures: list = field(default_factory=list)
    guards: list = field(default_factory=list)
    bases: Any = None

    def __post_init__(self):
        if self.outputs is None:
            self.outputs = [[Input("out", self.n_out)]]

    @property
    def parameters(self) -> list[Input]:
        """Inputs and outputs in calling order."""
        return self.inputs + [output for group in self.outputs for output in group]

    def new_class(self) -> int:
        self.classes.append(len(self.classes))
        return len(self.classes) - 1

    def root(self, alias: int) -> int:
        while self.classes[alias] != alias:
            self.classes[alias] = alias = self.classes[self.classes[alias]]
        return alias

    def union(self, a: int, b: int) -> int:
        a, b = self.root(a), self.root(b)
        self.classes[max(a, b)] = min(a, b)
        return min(a, b)


class _Open(threading.local):
    """Builders that are entered, innermost last: each thread has its own."""

    def __init__(self):
        self.builders: list = []


_open = _Open()


def enter(builder) -> None:
    """From now on the operators of values emit into `builder`, in this thread."""
    _open.builders.append(builder)


def leave() -> None:
    """Back to the builder before."""
    _open.builders.pop()


def _builder():
    if not _open.builders:
        raise RuntimeError("a compiled value was used outside of the compiler")
    return _open.builders[-1]
