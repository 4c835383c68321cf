"""The tape: one record per iteration of what the reverse of a loop cannot recompute.

It is memory like any other, an arena ``"S"``.  The records of a counted loop are an array made before the
loop (before all enclosing loops with constant counts, with one slice for each of their iterations, so that
no offset needs saving); a loop of unknown length appends a record in each iteration.  Ints and bools are
kept as floats."""

from __future__ import annotations

import numpy as np

from sciad.compiler.derivatives.save_or_recompute import choose
from sciad.compiler.ir.builder import Builder
from sciad.compiler.ir.nodes import Address, Alloc, Block, Carried, Loop, Operand, Value
from sciad.compiler.ir.walking import ARENAS, accesses, walk

MOST = 1 << 16  # floats reserved for a loop that may leave early; beyond, it appends


class Tape:
    def __init__(self, owner):
        self.owner = owner
        used = {mem[0] for node in walk(owner.program.body) for _, mem, _, _ in accesses(node)}
        self.mem = next(arena for arena in ARENAS[1:] if arena not in used)  # a tape in a tape has its own
        self.loops: list[Loop] = []  # loops of the primal being reversed, innermost last

    def save_iterations(self, loop: Loop, reverse: Loop) -> None:
        """Connect the body of `loop` with its reverse: trip count, index, and what is saved of each
        iteration."""
        owner = self.owner
        if loop.count is None or loop.stop is not None:
            if loop.trip is None:
                loop.trip = Value("i", "trip", 0)
                owner.primal.add(loop.trip)
            reverse.count = loop.trip
        else:
            reverse.count = loop.count
        if loop.index is None:
            loop.index = Value("i", "i", 0)
        index = loop.index
        owner.primal.add(index)
        given = [c.param for c in loop.carried]
        # A loop that carries values waits for them: partial derivatives beside that cost next to nothing.
        slack = 0.0 if loop.parallel else 0.5
        plan = choose(
            owner, loop.body, reverse.body, [c.next for c in reverse.carried], given, [index], slack
        )
        prefix = Block()
        with Builder(prefix) as b:
            b.line = loop.line
            reverse.index = Value("i", index.name, 0)
            again: Operand = reverse.index
            if not loop.parallel:
                reverse.index.name = "back"
                again = b.op(np.subtract, b.op(np.subtract, reverse.count, 1), reverse.index, name=index.name)
                if isinstance(again, Value):
                    again.low = 0
            loaded: dict[Value, Operand] = {index: again}
            sums = list(reverse.carried)
            if plan.saved:
                self.record(loop, reverse, plan, b, loaded)
        plan.finish(loaded, prefix)
        for c, end in zip(sums, plan.ends, strict=True):
            c.next = end

    def record(self, loop: Loop, reverse: Loop, plan, b: Builder, loaded: dict) -> None:
        """Store the saved values at the end of the forward body, load them at the start of the reverse."""
        owner, k = self.owner, len(plan.saved)
        alias = owner.program.new_class()
        bounded = loop.count is not None and (
            loop.stop is None or (isinstance(loop.count, int) and loop.count * k <= MOST)
        )
        if bounded:
            there = self.array(loop, k, alias)
            at = lambda j, i: there(j, i)  # noqa: E731
            here = lambda j: at(j, loop.index)  # noqa: E731
            back = lambda j: at(j, loaded[loop.index])  # noqa: E731
        elif not any(isinstance(n, Alloc) and n.mem == self.mem for n in walk(loop.body)):
            base = Value("i", "record", 0)
            owner.before(loop).append(Alloc(base, 0, alias, mem=self.mem, line=loop.line))
            loop.body.append(Alloc(Value("i", "record", 0), k, alias, mem=self.mem, line=loop.line))
            here = lambda j: Address(j, ((1, base), (k, loop.index)))  # noqa: E731
            back = lambda j: Address(j) + base + (Address() + loaded[loop.index]) * k  # noqa: E731
        else:
            here, back = self.chain(loop, reverse, k, alias, b)
        with Builder(loop.body) as f:
            f.line = loop.line
            for j, v in enumerate(plan.saved):
                f.store(self.mem, here(j), v, alias, fresh=True)
        for j, v in enumerate(plan.saved):
            kept = b.load(self.mem, back(j), alias, name=v.name)
            if v.type == "f":
                loaded[v] = kept
            elif v.type == "b":
                loaded[v] = b.op(np.not_equal, kept, 0.0, name=v.name)
            else:
                loaded[v] = b.op("int", kept, name=v.name)
                loaded[v].low, loaded[v].high, loaded[v].origin = v.low, v.high, v
            if v.type != "f":
                kept.name = ""

    def array(self, loop: Loop, k: int, alias: int):
        """The records of a counted loop, and of the constant loops around it, as one array."""
        owner, count = self.owner, loop.count
        slices: list[tuple[int, Loop]] = []
        outermost, size = loop, None
        if isinstance(count, int):
            size = k * count
            for outer in reversed(self.loops):
                if not isinstance(outer.count, int) or (outer.stop is not None and size * outer.count > MOST):
                    break
                if outer.index is None:
                    outer.index = Value("i", "i", 0)
                owner.primal.add(outer.index)
                slices.append((size, outer))
                size *= outer.count
                outermost = outer
        else:
            with Builder() as f:
                size = f.op(np.multiply, count, k)
            owner.before(loop).extend(f.block)
        base = Value("i", "record", 0)
        owner.before(outermost).append(Alloc(base, size, alias, mem=self.mem, line=loop.line))
        start = Address() + base
        for stride, outer in slices:
            start = start + (Address() + outer.index) * stride
        if loop.parallel and isinstance(count, int):  # one column per value: vectors in the innermost loop
            return lambda j, i: start + j * count + (Address() + i)
        return lambda j, i: start + j + (Address() + i) * k

    def chain(self, loop: Loop, reverse: Loop, k: int, alias: int, b: Builder):
        """Records that are not evenly spaced: each begins with the place of the one before."""
        previous, last, at = Value("i", "previous", 0), Value("i", "last", 0), Value("i", "record", 0)
        loop.body.append(Alloc(at, k + 1, alias, mem=self.mem, line=loop.line))
        loop.carried.append(Carried(previous, 0, at, last))
        with Builder(loop.body) as f:
            f.store(self.mem, Address(k) + at, previous, alias, fresh=True)
        self.owner.primal.update((previous, last, at))
        place, first = Value("i", "record", 0), Value("i", "record", 0)
        link = b.op("int", b.load(self.mem, Address(k) + place, alias))
        link.low = 0
        reverse.carried.append(Carried(place, last, link, first))
        return (lambda j: Address(j) + at), (lambda j: Address(j) + place)
