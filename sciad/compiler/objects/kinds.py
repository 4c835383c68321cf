"""What the user's variables hold while a program is traced.

Numbers are operands of the IR (`nodes.Value`, or a plain Python number that is known while compiling).
Arrays are records over memory (`Array`), small arrays of separate scalars (`Small`) or expressions not
yet evaluated (`Lazy`, `Deferred`).  Tuples are Python tuples of these; anything mutable is a `Box`, so
that one journal sees every write. Whatever else Python code names (modules, functions, strings, None)
stands for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sciad.compiler.fence import NeedUnroll
from sciad.compiler.ir.nodes import Address, Operand, Value


class _Undefined:
    """A name that is bound on no path, or on some paths only."""

    def __repr__(self):
        return "undefined"


UNDEFINED = _Undefined()


@dataclass(eq=False)
class Conflict:
    """A name that holds things of different kinds on different paths: an error only if it is read."""

    message: str


class Box:
    """Mutable state: the names of a frame, the items of a list, the elements of a small array.

    Attributes
    ----------
    slots : dict from name or index to what is held.
    depth : number of regions open when it was made; writes from a deeper region are journaled there.
    sites : places of the program that made it (small arrays; see `arrays.Restart`).
    kin : boxes it shares elements with since control flow met; writing asks whether any of them can still
    be seen.
    """

    __slots__ = ("__weakref__", "depth", "is_param", "kin", "sites", "slots")

    def __init__(self, slots: dict, depth: int, sites: frozenset = frozenset()):
        self.slots, self.depth, self.sites, self.kin, self.is_param = slots, depth, sites, (), None


class ListBox(Box):
    """A Python list; ``slots`` holds 0, 1, ... and "len"."""

    __slots__ = ()

    def items(self) -> list:
        if isinstance(self.slots["len"], Value):
            raise NeedUnroll(
                "a list changes its length in a loop", "Fill an array made by np.empty before the loop."
            )
        return [self.slots[k] for k in range(self.slots["len"])]


class FrameBox(Box):
    """The names of a function; beside a name that may not be bound stands, under ``flag(name)``, whether
    it is."""

    __slots__ = ()

    @staticmethod
    def flag(name: str) -> str:
        return "?" + name

    @staticmethod
    def flagged(key: str) -> str:
        """The name of a flag's key; other keys as they are."""
        return key.removeprefix("?")


def is_flag(box: Box, key) -> bool:
    return isinstance(box, FrameBox) and FrameBox.flagged(key) != key


def is_name(box: Box, key) -> bool:
    """Whether this is a name of the user's."""
    return isinstance(box, FrameBox) and not key.startswith("#")


class DictBox(Box):
    """A Python dict with keys known while compiling."""

    __slots__ = ()


class SetBox(DictBox):
    """A Python set of constants; ``slots`` has them as keys."""

    __slots__ = ()


class RecordBox(Box):
    """An instance of a dataclass whose fields hold traced things."""

    __slots__ = ("type",)

    def __init__(self, slots, depth, type_):
        super().__init__(slots, depth)
        self.type = type_


@dataclass(eq=False)
class Tag:
    """One of several constants (texts, members of enumerations), by its number (see `tags`)."""

    index: Operand
    options: frozenset


class Text:
    """A text in which there are values: for messages only."""

    refusal = (
        "a text made of values, used for more than a message",
        "Build it outside of the compiled function, or from what is known while compiling.",
    )


@dataclass(eq=False)
class Array:
    """An array in memory: ``element[i, j] = mem[address + i*strides[0] + j*strides[1]]``.

    Shape and stride entries are ints, or int Values where they depend on values.  `kind` is "f", "i" or
    "b" (ints and bools are stored as floats).  `site` names inputs and constants, which are copied into
    "T" when written.
    """

    mem: str
    address: Address
    shape: tuple[Operand, ...]
    strides: tuple[Operand, ...]
    alias: int
    kind: str = "f"
    site: Any = None
    sequence: bool = False  # stands for a Python list: no arithmetic


@dataclass(eq=False)
class Small:
    """An array of separate scalars: element k (row-major) is ``box.slots[cells[k]]``."""

    box: Box
    shape: tuple[int, ...]
    cells: tuple[int, ...]
    kind: str = "f"


@dataclass(eq=False)
class Lazy:
    """An array expression: ``elem(idx)`` computes one element where it is wanted.

    `reads` are pairs (array, whether element idx reads its element idx), for overlap; `work` tells that
    an element costs more than looking it up; `fill` is the constant it consists of, if any (None in a
    tuple: left open); `order` is that of its axes in memory once computed, slowest first, if not C order.
    """

    shape: tuple[Operand, ...]
    elem: Callable[[tuple], Operand]
    kind: str = "f"
    reads: tuple = ()
    work: bool = True
    fill: Any = None
    forced: Any = None
    order: tuple[int, ...] | None = None


@dataclass(eq=False)
class Deferred:
    """An array that can write itself: ``write(target, fresh)`` fills an `Array` (`fresh`: a new one)."""

    shape: tuple[Operand, ...]
    write: Callable[[Array, bool], None]
    kind: str = "f"
    reads: tuple = ()
    forced: Any = None


ARRAYS = (Array, Small, Lazy, Deferred)


@dataclass(eq=False)
class Range:
    start: Operand
    stop: Operand
    step: int


@dataclass(eq=False)
class Iteration:
    """Something a `for` can run over: `count` items, ``item(k)`` the k-th; `static` if k must be known.

    What `changes` while it is looped over tells by ``changes(k)`` whether there is a k-th item now.
    """

    count: Operand
    item: Callable[[Operand], Any]
    static: bool = False
    changes: Callable[[int], bool] | None = None

    def more(self, k: int) -> bool:
        """Whether the loop goes on with the k-th item, `count` being known."""
        return k < self.count if self.changes is None else self.changes(k)


@dataclass(eq=False)
class DictView:
    """What ``d.keys()``, ``d.values()`` or ``d.items()`` of a dict is: it shows the dict as it is when
    looked at."""

    owner: Any
    item: Callable[[Any], Any]  # of a key


@dataclass(eq=False)
class Closure:
    """A function defined by ``def`` or ``lambda`` inside the traced program."""

    source: Any
    frame: Any
    defaults: tuple = ()
    kw_defaults: dict = field(default_factory=dict)


@dataclass(eq=False)
class Function:
    """A Python function of the user's; `path` leads to it from the function traced (see `captures`)."""

    fn: Callable
    path: Any


@dataclass(eq=False)
class Host:
    """An object outside the program (a captured dict, list, instance), read through `path` when used."""

    obj: Any
    path: Any


@dataclass(eq=False)
class Bound:
    """A function or method with leading arguments given."""

    fn: Any
    args: tuple
    kwargs: dict = field(default_factory=dict)


@dataclass(eq=False)
class Frozen:
    """A distribution of scipy.stats with its parameters given."""

    distribution: Any
    parameters: dict


def is_scalar(x) -> bool:
    return isinstance(x, (Value, float, int, bool))


def is_array(x) -> bool:
    return isinstance(x, ARRAYS)


def reached(x, seen: set[int]) -> None:
    """Collect the ids of all boxes that can be reached from `x`."""
    if isinstance(x, Small):
        seen.add(id(x.box))
    elif isinstance(x, (tuple, list)):
        for e in x:
            reached(e, seen)
    elif isinstance(x, Box):
        if id(x) not in seen:
            seen.add(id(x))
            for e in x.slots.values():
                reached(e, seen)
    elif isinstance(x, (Bound, Closure)):
        reached(x.args if isinstance(x, Bound) else [x.frame.box, *x.kw_defaults.values()], seen)
    elif isinstance(x, DictView):
        reached(x.owner, seen)
    elif isinstance(x, Lazy):
        reached([r for r, _ in x.reads], seen)
