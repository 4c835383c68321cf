"""Which entries of a Jacobian can be other than zero: the program run on sets of input indices.

A float stands for the set of inputs it depends on, an int or bool for its value where that is known. Loops of
known length are run; parallel ones all iterations at once, in *lanes*: a set is a row of an int array of
shape (lanes, width), padded with `n`; what is the same in all lanes has one row. Where a value, an address or
a number of iterations is not known, every possibility is joined. So the pattern can be too large, never too
small (as in A. Griewank & A. Walther, Evaluating Derivatives, 2nd ed., section 7.1, index domains).
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csc_array

from sciad.compiler.analysis.activity import differentiated
from sciad.compiler.ir.array_calls import ARRAY_CALLS
from sciad.compiler.ir.builder import fold
from sciad.compiler.ir.nodes import Address, Block, Loop, Operand, Program, Value, View
from sciad.compiler.ir.walking import defined
from sciad.compiler.sparse import index_sets
from sciad.compiler.sparse.index_sets import IndexSets

__all__ = ["sparsity"]

WORK = 20_000  # nodes executed, with what they cost beyond the first thousand set elements
LARGEST = 50_000_000  # elements of all sets of one value
ROUNDS = 200  # of a loop whose number of iterations is not known; its sets grow in each


def sparsity(program: Program, wrt: str) -> csc_array | None:
    """Pattern of the Jacobian of ``out`` with respect to the input group `wrt`.

    Returns
    -------
    csc_array of bool, shape (n_out, n)
        Every entry that is not zero for some input is in it. None if it would take too long to find.
    """
    n = next(g.size for g in program.inputs if g.name == wrt)
    try:
        sets = _Run(program, wrt, n).run()
    except _TooLong:
        return None
    rows, columns = sets.pairs()
    pattern = csc_array((np.ones(len(rows), bool), (rows, columns)), shape=(program.n_out, n))
    pattern.sum_duplicates()
    pattern.sort_indices()
    return pattern


class _TooLong(Exception):
    pass


UNKNOWN = None  # an int or bool that depends on float values


class _Run:
    """One execution. Values have a *level*, the number of parallel loops they are computed in."""

    def __init__(self, program: Program, wrt: str, n: int):
        self.program, self.wrt, self.n = program, wrt, n
        self.empty = np.empty((1, 0), np.int32)
        self.memory: dict[str, IndexSets] = {"out": IndexSets(n, program.n_out)}
        self.top: dict[str, int] = {}
        self.values: dict[Value, tuple[int, object]] = {}
        self.parents: list[np.ndarray] = []  # for each level the lane of the level below that a lane is in
        self.lanes = 1
        self.mask: np.ndarray | None = None  # lanes that execute; None: all of them
        self.unsure = 0  # how many enclosing blocks may not be executed at all
        self.changed = False
        self.work = 0.0

    def run(self) -> IndexSets:
        self.block(self.program.body)
        return self.memory["out"]

    # ------------------------------------------------------------ values

    def get(self, x: Operand):
        """An int or bool array of one or all lanes, UNKNOWN, or the sets of a float."""
        if not isinstance(x, Value):
            return self.empty if isinstance(x, float) else np.array([x])
        level, found = self.values[x]
        if found is UNKNOWN or len(found) == 1:
            return found
        for parent in self.parents[level:]:
            found = found[parent]
        return found

    def sets(self, x: Operand) -> np.ndarray:
        """Sets of a float; an int has none."""
        if isinstance(x, Value) and x.type == "f":
            return self.get(x)
        return self.empty

    def put(self, v: Value, found) -> None:
        if found is not UNKNOWN and found.ndim == 2:
            self.spend(found.size)
        self.values[v] = (len(self.parents), found)

    def spend(self, size: int) -> None:
        self.work += 1.0 + size / 1000.0
        if self.work > WORK:
            raise _TooLong

    def union(self, *sets: np.ndarray) -> np.ndarray:
        if max(len(s) for s in sets) * sum(s.shape[1] for s in sets) > LARGEST:
            raise _TooLong
        return index_sets.union(self.n, sets)

    def address(self, address: Address):
        total = np.array([address.const])
        for c, v in address.terms:
            x = self.get(v)
            if x is UNKNOWN:
                return UNKNOWN
            total = total + c * x.astype(np.int64)
        return total

    # ------------------------------------------------------------ nodes

    def block(self, block: Block) -> None:
        for node in block:
            getattr(self, type(node).__name__)(node)

    def Op(self, node):
        self.spend(0)
        if node.out.type != "f":
            self.put(node.out, self.whole(node))
        elif node.fn == "select":
            cond, a, b = self.get(node.args[0]), self.sets(node.args[1]), self.sets(node.args[2])
            self.put(node.out, self.choose(cond, a, b))
        else:
            self.put(
                node.out, self.union(self.empty, *(self.sets(node.args[k]) for k in differentiated(node)))
            )

    def whole(self, node):
        """An int or bool where all it is computed from is known."""
        if any(isinstance(x, float) or (isinstance(x, Value) and x.type == "f") for x in node.args):
            return UNKNOWN
        found = [self.get(x) for x in node.args]
        if any(x is UNKNOWN for x in found):
            return UNKNOWN
        if all(len(x) == 1 for x in found):
            try:
                return np.array([fold(node.fn, tuple(x[0].item() for x in found))])
            except (ZeroDivisionError, OverflowError):
                return UNKNOWN
        if node.fn == "select":
            return np.where(*found)
        if node.fn == "int":
            return found[0].astype(np.int64)
        with np.errstate(all="ignore"):
            return np.asarray(node.fn(*found))

    def choose(self, cond, a, b):
        """Sets where `cond` tells, joined where it is not known."""
        if cond is UNKNOWN:
            return self.union(a, b)
        if len(cond) == 1:
            return a if cond[0] else b
        width = max(a.shape[1], b.shape[1])
        a, b = (index_sets.widened(self.n, x, width) for x in (a, b))
        return np.where(cond[:, None], a, b)

    def Load(self, node):
        self.spend(0)
        if node.mem == self.wrt:
            at = self.address(node.address)
            found = np.arange(self.n, dtype=np.int32)[None] if at is UNKNOWN else self.inputs(at)
        elif node.mem in self.memory:
            at, memory = self.address(node.address), self.memory[node.mem]
            found = self.everything(node.mem) if at is UNKNOWN else memory.load(at)
        else:
            found = self.empty
        self.put(node.out, found)

    def inputs(self, at):
        return np.clip(at, 0, max(self.n - 1, 0)).astype(np.int32)[:, None]

    def Store(self, node):
        self.write(node.mem, self.address(node.address), self.sets(node.value), node.add)

    def write(self, mem: str, at, sets, add: bool = False) -> None:
        self.spend(sets.size)
        memory = self.memory[mem]
        if at is UNKNOWN:
            self.changed |= memory.smear(sets)
            return
        if self.mask is not None:
            at = np.broadcast_to(at, (self.lanes,))[self.mask]
            sets = sets if len(sets) == 1 else sets[self.mask]
        if len(at) == 1 and len(sets) > 1:  # all lanes meet in one place
            sets = self.joined(sets, len(sets))
            add = True
        self.changed |= memory.store(at, sets, replace=not (add or self.unsure))

    def joined(self, sets: np.ndarray, count: int) -> np.ndarray:
        """Sets of groups of `count` lanes."""
        return self.union(sets.reshape(len(sets) // count, -1))

    def Alloc(self, node):
        size = self.get(node.size)
        if size is UNKNOWN:
            raise _TooLong
        size = int(size.max(initial=0))
        start = self.top.get(node.mem, 0)
        self.top[node.mem] = start + size * self.lanes
        self.spend(size * self.lanes)
        memory = self.memory.setdefault(node.mem, IndexSets(self.n, 0))
        memory.grow(self.top[node.mem])
        at = np.array([start]) if self.lanes == 1 else start + size * np.arange(self.lanes)
        self.put(node.out, at)

    def Check(self, node):
        pass

    def Call(self, node):
        views = [self.view(v) for v in (*node.outs, *node.args)]
        out, args = node.outs[0], node.args
        sets = [self.read(v, at) for v, at in zip(args, views[1:], strict=True)]
        primitive = ARRAY_CALLS[node.fn]
        if primitive.reads == "products":
            found = self.matmul(args, sets)
        elif primitive.reads == "elements":
            found = sets[0]
        elif primitive.reads == "nothing":
            found = self.empty
        else:
            found = self.joined(self.union(*(self.joined(s, len(s)) for s in sets)), 1)
        if views[0] is UNKNOWN:
            self.write(out.mem, UNKNOWN, self.joined(found, len(found)))
        else:
            self.write(out.mem, views[0], found, primitive.accumulates)

    def RoutineCall(self, node):
        raise _TooLong

    def view(self, view: View):
        """Flat addresses of a view, in row-major order."""
        if self.lanes > 1:
            raise _TooLong
        at = self.address(view.address)
        if at is UNKNOWN:
            return UNKNOWN
        for size, stride in zip(view.shape, view.strides, strict=True):
            at = (at[:, None] + stride * np.arange(size)).ravel()
        return at

    def read(self, view: View, at):
        if view.mem == self.wrt:
            return np.arange(self.n, dtype=np.int32)[None] if at is UNKNOWN else self.inputs(at)
        if view.mem not in self.memory:
            return self.empty
        return self.everything(view.mem) if at is UNKNOWN else self.memory[view.mem].load(at)

    def everything(self, mem: str) -> np.ndarray:
        """The join of a whole memory."""
        self.spend(self.memory[mem].rows.size)
        return self.memory[mem].everything()

    def matmul(self, args, sets):
        (a, b), (left, right) = args, sets
        rows = a.shape[0] if len(a.shape) > 1 else 1
        columns = b.shape[-1] if len(b.shape) > 1 else 1
        inner = a.shape[-1]
        if len(left) > 1:
            left = self.joined(left, inner)
        if len(right) > 1:
            width = right.shape[1]
            right = right.reshape(inner, columns, width).swapaxes(0, 1).reshape(columns * inner, width)
            right = self.joined(right, inner)
        self.spend(rows * columns * (left.shape[1] + right.shape[1]))
        left = np.repeat(np.broadcast_to(left, (rows, left.shape[1])), columns, axis=0)
        right = np.tile(np.broadcast_to(right, (columns, right.shape[1])), (rows, 1))
        return self.union(left, right)

    # ------------------------------------------------------------ control

    def If(self, node):
        cond = self.get(node.cond)
        if cond is not UNKNOWN and len(cond) > 1 and (cond.all() or not cond.any()):
            cond = cond[:1]
        if cond is not UNKNOWN and len(cond) == 1:
            self.block(node.then if cond[0] else node.orelse)
            for phi in node.phis:
                x = phi.then if cond[0] else phi.orelse
                self.put(phi.out, self.sets(x) if phi.out.type == "f" else self.get(x))
            return
        mask = self.mask
        for arm, taken in ((node.then, True), (node.orelse, False)):
            if cond is UNKNOWN:
                self.unsure += 1
                self.block(arm)
                self.unsure -= 1
            else:
                hit = cond if taken else ~cond
                self.mask = hit if mask is None else mask & hit
                self.block(arm)
                self.mask = mask
        for phi in node.phis:
            if phi.out.type == "f":
                self.put(phi.out, self.choose(cond, self.sets(phi.then), self.sets(phi.orelse)))
            else:
                self.put(phi.out, self.merged(cond, self.get(phi.then), self.get(phi.orelse)))

    @staticmethod
    def merged(cond, a, b):
        """An int or bool after an `If`."""
        if a is UNKNOWN or b is UNKNOWN:
            return UNKNOWN
        if cond is not UNKNOWN:
            return np.where(cond, a, b)
        return a if np.array_equal(a, b) else UNKNOWN

    def Loop(self, node: Loop):
        count = UNKNOWN if node.count is None else self.get(node.count)
        if count is UNKNOWN:
            self.until_settled(node)
        elif node.parallel and node.stop is None and self.mask is None and not self.unsure:
            self.all_at_once(node, count)
        else:
            self.in_turn(node, count)

    def all_at_once(self, node: Loop, count: np.ndarray) -> None:
        """A parallel loop; what it carries are sums."""
        trips = int(count.max(initial=0))
        inits = [self.sets(c.init) if c.param.type == "f" else UNKNOWN for c in node.carried]
        if trips > 0:
            outer, level, mask = self.lanes, len(self.parents), self.mask
            self.parents.append(np.repeat(np.arange(outer), trips))
            self.lanes = outer * trips
            index = np.tile(np.arange(trips), outer)
            if len(count) > 1 and not (count == trips).all():
                self.mask = index < np.repeat(count, trips)
            if node.index is not None:
                self.put(node.index, index)
            for c in node.carried:
                self.put(c.param, self.empty if c.param.type == "f" else UNKNOWN)
            self.block(node.body)
            nexts = []
            for c in node.carried:
                found = self.sets(c.next)
                if self.mask is not None:
                    found = self.choose(self.mask, found, self.empty)
                nexts.append(found if len(found) == 1 else self.joined(found, trips))
            for v in defined(node.body):
                self.values.pop(v, None)
            self.lanes, self.mask = outer, mask
            del self.parents[level:]
        else:
            nexts = [self.empty] * len(inits)
        for c, init, found in zip(node.carried, inits, nexts, strict=True):
            self.put(c.out, UNKNOWN if init is UNKNOWN else self.union(init, found))
        if node.trip is not None:
            self.put(node.trip, count)

    def in_turn(self, node: Loop, count: np.ndarray) -> None:
        """A loop of known length, one iteration after the other."""
        mask, unsure = self.mask, self.unsure
        carried = [self.sets(c.init) if c.param.type == "f" else self.get(c.init) for c in node.carried]
        trips = int(count.max(initial=0))
        done = trips
        for k in range(trips):
            if len(count) > 1:
                running = count > k
                self.mask = running if mask is None else mask & running
            if node.index is not None:
                self.put(node.index, np.array([k]))
            for c, x in zip(node.carried, carried, strict=True):
                self.put(c.param, x)
            self.block(node.body)
            stop = np.array([False]) if node.stop is None else self.get(node.stop)
            nexts = [self.sets(c.next) if c.param.type == "f" else self.get(c.next) for c in node.carried]
            # Lanes that have ended, and iterations that may not take place, leave what was.
            sure = self.unsure == unsure
            if len(count) > 1 or not sure:
                cond = (count > k) if len(count) > 1 else UNKNOWN
                cond = cond if sure else UNKNOWN
                nexts = [
                    self.choose(cond, new, old) if c.param.type == "f" else self.merged(cond, new, old)
                    for c, new, old in zip(node.carried, nexts, carried, strict=True)
                ]
            carried = nexts
            if stop is not UNKNOWN and stop.all():
                done = k + 1
                break
            if stop is UNKNOWN or stop.any():
                self.unsure = unsure + 1
        for c, x in zip(node.carried, carried, strict=True):
            self.put(c.out, x)
        if node.trip is not None:
            self.put(node.trip, UNKNOWN if self.unsure != unsure else np.array([done]))
        self.mask, self.unsure = mask, unsure

    def until_settled(self, node: Loop) -> None:
        """A loop of unknown length: until another iteration would add nothing."""
        self.unsure += 1
        before, top = self.changed, dict(self.top)
        carried = [self.sets(c.init) if c.param.type == "f" else self.get(c.init) for c in node.carried]
        if node.index is not None:
            self.put(node.index, UNKNOWN)
        for _ in range(ROUNDS):
            self.changed = False
            self.top = dict(top)  # arrays made in the loop share their place: all stores add
            for c, x in zip(node.carried, carried, strict=True):
                self.put(c.param, x)
            if node.pre is not None:
                self.block(node.pre)
            self.block(node.body)
            settled = True
            for k, c in enumerate(node.carried):
                if c.param.type == "f":
                    new = self.union(carried[k], self.sets(c.next))
                    same = index_sets.equal(self.n, new, carried[k])
                else:
                    new = self.merged(UNKNOWN, carried[k], self.get(c.next))
                    same = (new is UNKNOWN) == (carried[k] is UNKNOWN)
                settled &= same
                carried[k] = new
            before |= self.changed
            if settled and not self.changed:
                break
        else:
            raise _TooLong
        self.unsure -= 1
        self.changed = before
        for c, x in zip(node.carried, carried, strict=True):
            self.put(c.param, x)
            self.put(c.out, x)
        if node.trip is not None:
            self.put(node.trip, UNKNOWN)
