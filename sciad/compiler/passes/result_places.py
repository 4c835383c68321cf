"""The flat result: arrays built in place of being copied there, and whether each of its places is written
once."""

from __future__ import annotations

import math

from sciad.compiler.analysis.activity import Activity
from sciad.compiler.ir.builder import Builder
from sciad.compiler.ir.nodes import Address, Alloc, Block, Call, Load, Loop, Program, Store, Value
from sciad.compiler.ir.simple_loops import fill
from sciad.compiler.ir.walking import accesses, blocks, key_of, walk


def place_results(program: Program) -> Program:
    """In place: a local array that is only written, and copied to "out" at the end, is written to "out" at
    once."""
    for copy in list(program.body):
        place = _copied(copy)
        if place is not None:
            _place(program, copy, *place)
    return program


def _copied(node):
    """(the load, the store, number of elements) where a node does nothing but copy consecutive elements to
    "out"."""
    if not isinstance(node, Loop) or node.carried or not isinstance(node.count, int) or len(node.body) != 2:
        return None
    load, store = node.body
    if not (
        isinstance(load, Load) and isinstance(store, Store) and store.value is load.out and not store.add
    ):
        return None
    if load.mem != "T" or store.mem != "out" or len(load.address.terms) != 2 or len(store.address.terms) != 1:
        return None
    here, there = {v: c for c, v in load.address.terms}, {v: c for c, v in store.address.terms}
    if here.get(node.index) != 1 or there.get(node.index) != 1:
        return None
    return load, store, node.count


def _place(program: Program, copy: Loop, load: Load, store: Store, count: int) -> None:
    key = key_of(program, "T", load.alias)
    mine, allocs = [], []
    for node in walk(program.body):
        if isinstance(node, Alloc) and key_of(program, node.mem, node.alias) == key:
            allocs.append(node)
        for kind, mem, _, alias in accesses(node):
            if key_of(program, mem, alias) == key and node is not load:
                if kind == "load" or isinstance(node, Call):
                    return
                mine.append(node)
    offset = next(v for c, v in load.address.terms if v is not copy.index)
    if (
        len(allocs) != 1
        or allocs[0].out is not offset
        or allocs[0] not in program.body
        or allocs[0].size != count
    ):
        return
    shift = store.address.const - load.address.const
    if shift != store.address.const:
        return  # only a part of the array
    for node in mine:
        if sum(v is offset for _, v in node.address.terms) != 1 or any(
            v is offset and c != 1 for c, v in node.address.terms
        ):
            return
    for node in mine:
        terms = tuple((c, v) for c, v in node.address.terms if v is not offset)
        node.mem, node.address, node.alias = "out", Address(node.address.const + shift, terms), store.alias
    filling = Block()
    if allocs[0].zero:
        with Builder(filling) as b:
            fill(b, "out", shift, count, store.alias)
    out = []
    for node in program.body:
        if node is not copy:
            out += filling if node is allocs[0] else [node]
    program.body[:] = out


def written_once(program: Program, active: Activity) -> bool:
    """Does "out" need no adjoint of its own: never read, and each place stored to once at most?

    Constants stored before all else (zeros) do not count.
    """
    stores: list[tuple[Store, list[Loop]]] = []
    if not _collect(program.body, [], stores):
        return False
    while stores and not (isinstance(stores[0][0].value, Value) and stores[0][0].value in active):
        stores.pop(0)
    ranges = []
    for store, loops in stores:
        extent = _injective(store, loops)
        if extent is None:
            return False
        ranges.append((*extent, store))
    for i, (low, high, store) in enumerate(ranges):
        for below, above, other in ranges[:i]:
            if low <= above and below <= high and not _interleaved(store, other):
                return False
    return True


def _collect(block: Block, loops: list[Loop], stores: list) -> bool:
    for node in block:
        for kind, mem, _, _ in accesses(node):
            if mem == "out":
                if kind == "load" or not isinstance(node, Store) or node.add:
                    return False
                stores.append((node, list(loops)))
        for inner in blocks(node):
            if not _collect(inner, [*loops, node] if isinstance(node, Loop) else loops, stores):
                return False
    return True


def _injective(store: Store, loops: list[Loop]) -> tuple[int, int] | None:
    """Lowest and highest address, if different iterations of the loops around a store write different
    places."""
    steps = []
    for loop in loops:
        coefficient = next((c for c, v in store.address.terms if v is loop.index), 0)
        if not isinstance(loop.count, int) or (coefficient == 0 and loop.count > 1):
            return None
        steps.append((coefficient, loop.count))
    if len(store.address.terms) != sum(c != 0 for c, _ in steps):
        return None
    reach = 0
    for c, n in sorted(steps, key=lambda s: abs(s[0])):
        if n > 1 and abs(c) <= reach:
            return None
        reach += abs(c) * max(n - 1, 0)
    low = store.address.const + sum(min(0, c * (n - 1)) for c, n in steps)
    return low, low + reach


def _interleaved(a: Store, b: Store) -> bool:
    """Never the same place, because the addresses differ by what is no multiple of the steps."""
    steps = [abs(c) for c, _ in (*a.address.terms, *b.address.terms)]
    return bool(steps) and (a.address.const - b.address.const) % math.gcd(*steps) != 0
