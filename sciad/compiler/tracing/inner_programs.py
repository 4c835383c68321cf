"""A function that is called inside of the traced one, as a program of its own, and programs put in place.

`Part` traces a function whose arguments are the numbers of one vector; what else it reads stays what it is
outside: values and memories of the program around it, with respect to which nothing is differentiated.
Derivatives of the part are made as those of any program, and `inlined` puts such a program where the trace
has got to.  So what is around differentiates it like everything else.
"""

from __future__ import annotations

import math

import numpy as np

from sciad.compiler.derivatives.as_programs import free_names
from sciad.compiler.fence import Refusal
from sciad.compiler.ir.builder import type_of
from sciad.compiler.ir.nodes import Address, Block, Call, Input, Load, Op, Operand, Program, Store, Value
from sciad.compiler.ir.walking import accesses, blocks, clone, is_arena, moved, substitute, walk
from sciad.compiler.objects import arrays
from sciad.compiler.objects.kinds import Array, Small, is_array, is_scalar
from sciad.compiler.passes.pipeline import optimize
from sciad.compiler.tracing.structures import flatten, rebuild

__all__ = ["Leaves", "Part", "inlined"]


class Leaves:
    """The numbers of a nested structure as one vector, with `floats` only those that are floats."""

    def __init__(self, t, x, what: str, floats: bool = False):
        self.t = t
        self.leaves, self.structure = flatten(t, x)
        self.shapes, self.kinds, self.at, self.size = [], [], [], 0
        for leaf in self.leaves:
            kind = leaf.kind if is_array(leaf) else type_of(leaf) if is_scalar(leaf) else None
            kind = None if floats and kind != "f" else kind
            shape = leaf.shape if is_array(leaf) else ()
            if not arrays.static_shape(shape):
                raise Refusal(f"{what} has a length that depends on values")
            self.shapes.append(shape)
            self.kinds.append(kind)
            self.at.append(self.size)
            self.size += math.prod(shape) if kind is not None else 0

    def tree(self, leaves):
        """The structure with other leaves."""
        return rebuild(self.t, self.structure, leaves)

    def elements(self):
        """Every number in order, as a list of operands, or one array where it is one already."""
        t = self.t
        numbers = [x for x, kind in zip(self.leaves, self.kinds, strict=True) if kind is not None]
        if len(numbers) == 1 and _is_vector(t, numbers[0]):
            return numbers[0]
        if self.size <= arrays.SMALL and not any(isinstance(x, Array) for x in numbers):
            return [
                t.builder.to_float(arrays.element(t, x, idx))
                for x in numbers
                for idx in (arrays.indices(x.shape) if is_array(x) else [()])
            ]
        return self.copied()

    def copied(self) -> Array:
        """Every number in a new array."""
        t = self.t
        made = arrays.allocate(t, (self.size,), "f")
        for k, leaf in enumerate(self.leaves):
            if self.kinds[k] is not None:
                store_leaf(t, part_of(t, made, self.at[k], self.shapes[k]), leaf)
        return made

    def kept(self):
        """`elements`, which do not change though the arrays be written."""
        found = self.elements()
        return self.copied() if isinstance(found, Array) and found.mem in arrays.LOCAL else found


def _is_vector(t, x) -> bool:
    """Whether the elements of an array follow each other in memory, as numbers."""
    return isinstance(x, Array) and x.kind == "f" and x.strides == arrays.row_major(t, x.shape)


def part_of(t, x: Array, at: int, shape: tuple, kind: str = "f") -> Array:
    """Consecutive elements of a vector, in a shape."""
    return Array(x.mem, x.address + at, shape, arrays.row_major(t, shape), x.alias, kind)


def store_leaf(t, target: Array, leaf) -> None:
    """Write a number or an array."""
    if target.shape == ():
        arrays.store(t, target, (), arrays.element(t, leaf, ()))
    elif isinstance(leaf, Small):
        for idx in arrays.indices(target.shape):
            arrays.store(t, target, idx, arrays.element(t, leaf, idx))
    else:
        arrays.assign(t, target, leaf)


class Part:
    """``fun(*args, **kwargs)`` as a program of the numbers in the arguments `wrt`.

    Parameters
    ----------
    split : whether each of these arguments is an input group of its own.
    floats : whether ints, truth values and texts among the arguments are given as they are.

    Attributes
    ----------
    name, names : str, list of str
        The input group of the numbers, or those of each argument.
    given, results : Leaves
    program : Program
    """

    def __init__(
        self, t, fun, args: list, kwargs: dict, wrt: list[int], what: str, split=False, floats=False
    ):
        self.t, self.what, self.floats = t, what, floats
        self.given = [Leaves(t, args[n], f"an argument of {what}", floats) for n in wrt]
        self.at, self.size = [], 0
        for leaves in self.given:
            self.at.append(0 if split else self.size)
            self.size += leaves.size
        self.names = []
        for _ in self.given:
            t.inner_count += not self.names or split
            self.names.append(f"arg{t.inner_count}")
        if not self.names:
            t.inner_count += 1
        self.name = self.names[0] if self.names else f"arg{t.inner_count}"
        self.aliases = {name: t.program.new_class() for name in (self.name, *self.names)}
        args, prologue = list(args), Block()
        with t.region(Block()) as arm:
            t.prologues |= dict.fromkeys(self.aliases, prologue)
            for n, leaves, at, name in zip(wrt, self.given, self.at, self.names, strict=True):
                args[n] = leaves.tree(
                    [self._leaf(leaves, k, name, at + leaves.at[k], n) for k in range(len(leaves.leaves))]
                )
            with t.own_exceptions():
                self.results = Leaves(t, t.call(fun, args, kwargs), f"the result of {what}")
            self._store_results()
        for name in self.aliases:
            del t.prologues[name]
        if arm.new:
            raise Refusal(
                f"a function given to {what} changes what is not its own",
                "Compiled code would do that once more for the derivative: return it, with has_aux or as a "
                "further result.",
            )
        block = Block([*prologue, *arm.block])
        self._refuse_writes(block)
        program = t.program
        sizes = dict(zip(self.names, (leaves.size for leaves in self.given), strict=True)) if split else {}
        groups = [Input(name, sizes.get(name, self.size)) for name in self.aliases]
        self.program = optimize(
            Program(
                what, [*groups, *program.inputs], self.results.size, block,
                np.array(t._constants, dtype=float), program.sites, program.classes, program.filename,
                bases=t.bases,
            )
        )  # fmt: skip
        program.classes[:] = self.program.classes  # those that the passes made
        self.classes = len(program.classes)

    def _leaf(self, leaves: Leaves, k: int, name: str, at: int, n: int):
        """The argument as the function sees it: numbers of the input group."""
        t, leaf, kind, shape = self.t, leaves.leaves[k], leaves.kinds[k], leaves.shapes[k]
        if kind is None and not self.floats:
            raise Refusal(
                f"an argument of {self.what} is {t.describe(leaf)}: only numbers can be differentiated"
            )
        if kind in (None, "b"):
            return leaf
        record = Array(name, Address(at), shape, arrays.row_major(t, shape), self.aliases[name])
        record.site = site = self._site(n, k)
        if shape == ():
            value = t.input(record, at)
            value.name = value.name or getattr(leaf, "name", "")
            return value
        decision = t.decisions.get(site)
        if decision is None and math.prod(shape) <= arrays.SMALL:
            cells = [t.input(record, at + i) for i in range(math.prod(shape))]
            return Small(t.box(dict(enumerate(cells)), frozenset([site])), shape, tuple(range(len(cells))))
        if decision == "copy":
            made = arrays.allocate(t, shape)
            arrays.fill(t, made, record, fresh=True)
            return made
        return record

    def _site(self, n: int, k: int) -> tuple:
        return (*self.t.site(), "inner", (self.what, n, k))

    def _store_results(self) -> None:
        t, out, at = self.t, self.results, 0
        alias = t.program.new_class()
        for leaf, kind, shape in zip(out.leaves, out.kinds, out.shapes, strict=True):
            if kind is None:
                if not isinstance(leaf, str | bytes):
                    raise Refusal(
                        f"the function given to {self.what} returns {t.describe(leaf)}",
                        "Return numbers, arrays, or containers of these.",
                    )
                continue
            target = Array("out", Address(at), shape, arrays.row_major(t, shape), alias)
            store_leaf(t, target, leaf)
            at += math.prod(shape)

    def _refuse_writes(self, block: Block) -> None:
        """Memory from outside is only read."""
        t = self.t
        root = t.program.root
        own = {root(n.alias) for n in walk(block) if hasattr(n, "size") and is_arena(n.mem)}
        for node in walk(block):
            for kind, mem, _, alias in accesses(node):
                if kind == "store" and is_arena(mem) and root(alias) not in own:
                    raise Refusal(
                        f"a function given to {self.what} writes into an array that is not its own",
                        "Compiled code would do that once more for the derivative: copy it by np.array(...).",
                    )

    # ----------------------------------------------------------------------------------------------

    def elements(self, kept: bool = False):
        """The numbers of the arguments."""
        if len(self.given) == 1:
            return self.given[0].kept() if kept else self.given[0].elements()
        parts = [leaves.elements() for leaves in self.given]
        if all(isinstance(p, list) for p in parts):
            return [x for p in parts for x in p]
        made = arrays.allocate(self.t, (self.size,), "f")
        for leaves, at in zip(self.given, self.at, strict=True):
            for k, leaf in enumerate(leaves.leaves):
                if leaves.kinds[k] is not None:
                    store_leaf(self.t, part_of(self.t, made, at + leaves.at[k], leaves.shapes[k]), leaf)
        return made

    def inputs_from(self, found) -> list:
        """Trees of the arguments' structures, of numbers as `inlined` returns them."""
        return [
            leaves.tree(
                [
                    _leaf_from(self.t, found, at + leaves.at[k], leaves.shapes[k], "f", (n, k))
                    if leaves.kinds[k] is not None
                    else leaves.leaves[k]
                    for k in range(len(leaves.leaves))
                ]
            )
            for n, (leaves, at) in enumerate(zip(self.given, self.at, strict=True))
        ]

    def results_from(self, found, dots: bool = False):
        """The tree of the results; as tangents all are floats."""
        out = self.results
        return out.tree(
            [
                out.leaves[k]
                if kind is None
                else _leaf_from(
                    self.t, found, out.at[k], out.shapes[k], "f" if dots else kind, ("out", k, dots)
                )
                for k, kind in enumerate(out.kinds)
            ]
        )


def _leaf_from(t, found, at: int, shape: tuple, kind: str, mark):
    """A number or an array of what `inlined` returns."""
    if isinstance(found, Array):
        record = part_of(t, found, at, shape, kind)
        return arrays.element(t, record, ()) if shape == () else record
    cells = found[at : at + math.prod(shape)]
    if shape == ():
        return arrays.cast(t, cells[0], kind)
    return arrays.small(t, shape, cells, kind, (*t.site(), "inner", mark))


# --------------------------------------------------------------------------------------------------


def inlined(part: Part, program: Program, inputs: dict, outputs: dict[str, int]) -> dict:
    """Put a program, made of that of `part`, where the trace has got to.

    Parameters
    ----------
    inputs : dict
        What the memories of its inputs hold: lists of operands, or arrays whose elements are consecutive.
    outputs : dict of str to int
        The memories wanted and their sizes.

    Returns
    -------
    dict
        The same for outputs.
    """
    t = part.t
    mapping: dict[Value, Operand] = {}
    body = moved(clone(program.body), free_names(program, {*inputs, *outputs}))
    _reclass(t, body, program, part.classes)
    singly: dict[str, list[Operand]] = {}
    further: dict[str, tuple] = {}
    for mem, given in inputs.items():
        if isinstance(given, list) and _loaded_singly(body, mem):
            _take_loads(body, mem, given, mapping)
            continue
        if isinstance(given, list):
            given = _in_memory(t, given)
        further[mem] = (given.mem, given.address, given.alias)
    found: dict = {}
    for mem, size in outputs.items():
        if size <= arrays.SMALL and _stored_singly(body, mem):
            singly[mem] = found[mem] = [0.0] * size
        else:
            found[mem] = made = arrays.allocate(t, (size,), "f", zero=True)
            further[mem] = (made.mem, made.address, made.alias)
    body = moved(body, further)
    for node in walk(body):
        if hasattr(node, "size") and getattr(node, "mem", None) == "T":
            t.bases.allocated(node.out)
    _emit(t, body, singly, mapping)
    return found


def _reclass(t, body: Block, program: Program, known: int) -> None:
    """In place: alias classes that the program has beside the `known` ones are new ones of the trace."""
    numbers = {c: c for c in range(known)} | {
        c: t.program.new_class() for c in range(known, len(program.classes))
    }
    for c in numbers:
        if program.root(c) != c:
            t.program.union(numbers[c], numbers[program.root(c)])
    for node in walk(body):
        for place in (*node.outs, *node.args) if isinstance(node, Call) else (node,):
            if hasattr(place, "alias"):
                place.alias = numbers[place.alias]


def _emit(t, body: Block, singly: dict, mapping: dict) -> None:
    b, line = t.builder, t.builder.line
    for node in body:
        if mapping:
            substitute(one := Block([node]), mapping)
            (node,) = one
        if isinstance(node, Store) and node.mem in singly:
            at, value = node.address.const, b.to_float(node.value)
            cells = singly[node.mem]
            cells[at] = b.op(np.add, cells[at], value) if node.add else value
        elif isinstance(node, Op):
            b.line = node.line or line
            result = b.op(node.fn, *node.args, name=node.out.name)
            if type_of(result) != node.out.type:
                if isinstance(result, Value) or node.out.type != "f":
                    b.emit(Op(node.out, node.fn, node.args, line=node.line))
                    continue
                result = float(result)
            if isinstance(result, Value):
                result.name = result.name or node.out.name
                result.low, result.high = max(result.low, node.out.low), min(result.high, node.out.high)
            mapping[node.out] = result
        else:
            b.line = node.line or line
            b.emit(node)
    b.line = line


def _loaded_singly(body: Block, mem: str) -> bool:
    """Whether a memory is only read, at places known while compiling."""
    return all(
        isinstance(node, Load) and not node.address.terms
        for node in walk(body)
        if any(m == mem for _, m, _, _ in accesses(node))
    )


def _stored_singly(body: Block, mem: str) -> bool:
    """Whether a memory is only written, outside of loops and branches, at places known while compiling."""
    top = {id(node) for node in body}
    return all(
        isinstance(node, Store) and not node.address.terms and id(node) in top
        for node in walk(body)
        if any(m == mem for _, m, _, _ in accesses(node))
    )


def _take_loads(block: Block, mem: str, given: list, mapping: dict) -> None:
    kept = []
    for node in block:
        for inner in blocks(node):
            _take_loads(inner, mem, given, mapping)
        if isinstance(node, Load) and node.mem == mem:
            mapping[node.out] = given[node.address.const]
        else:
            kept.append(node)
    block[:] = kept


def _in_memory(t, given: list) -> Array:
    made = arrays.allocate(t, (len(given),), "f")
    for k, x in enumerate(given):
        arrays.store(t, made, (k,), x, fresh=True)
    return made
