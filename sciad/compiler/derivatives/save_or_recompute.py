"""What the reverse of a region recomputes and what it has the forward sweep keep.

The values in question form a graph: those of the region's forward sweep, and those of its reverse that
depend on no adjoint (partial derivatives, mostly).  Each can be recomputed from its arguments, at the
price of its operation, or saved, at the price of a store and a load; a minimum cut of that graph is the
cheapest choice.  So ``exp(x)`` is saved rather than recomputed, a product of saved numbers is not, and of
``sin`` and ``cos`` of a dead intermediate only the finished partial derivative crosses over.
"""

from __future__ import annotations

import itertools
from collections import deque

from sciad.compiler.analysis.costs import cost
from sciad.compiler.ir.nodes import Alloc, Block, Call, Load, Loop, Op, Operand, Program, Store, Value
from sciad.compiler.ir.walking import (
    blocks,
    is_arena,
    key_of,
    merges,
    operands,
    results,
    same_as,
    substitute,
    walk,
)

SAVE = 2.0
RELOAD = 0.8
INFINITE = float("inf")


class Stability:
    """Which loads can be repeated in the reverse sweep because nothing was stored there in between."""

    def __init__(self, program: Program):
        self.program = program
        self.paths: dict[
            int, list[tuple[int, int, object]]
        ] = {}  # node -> [(block, index in it, node there), ...]
        self.stores: dict[tuple, list] = {}
        self.allocs: dict[tuple, list] = {}
        self.handed_on: set[Value] = set()  # offsets used for more than addresses: their arrays may live on
        self._index(program.body, [])

    def _index(self, block: Block, path):
        for i, node in enumerate(block):
            here = [*path, (id(block), i, node)]
            self.paths[id(node)] = here
            for mem, alias in _stored(node):
                self.stores.setdefault(key_of(self.program, mem, alias), []).append(node)
            if isinstance(node, Alloc):
                self.allocs.setdefault(key_of(self.program, node.mem, node.alias), []).append(node)
            if not isinstance(node, Load | Call):
                taken = [node.value] if isinstance(node, Store) else operands(node)
                self.handed_on.update(
                    v for v in (*taken, *merges(node)) if isinstance(v, Value) and v.type == "i"
                )
            for inner in blocks(node):
                self._index(inner, here)

    def keeps(self, node, mem: str, alias: int) -> bool:
        """Is what `node` (of the primal) reads at its address still there in the reverse sweep?"""
        return self._kept(node, mem, alias, ())

    def keeps_view(self, node, view, own: tuple = ()) -> bool:
        """The same for an operand of a call, which stands in `own` if the call itself writes the operand."""
        return self._kept(node, view.mem, view.alias, own)

    def _kept(self, node, mem: str, alias: int, own: tuple) -> bool:
        if not is_arena(mem):
            return mem != "out"
        return self._final(node, key_of(self.program, mem, alias), own)

    def kept_by(self, store: Store) -> bool:
        """Is what `store` writes still there in the reverse sweep?"""
        if not is_arena(store.mem) or store.add or id(store) not in self.paths:
            return False
        return self._final(store, key_of(self.program, store.mem, store.alias), (store,))

    def _final(self, node, key, own) -> bool:
        if id(node) not in self.paths:
            return False
        stores, allocs = self.stores.get(key, []), self.allocs.get((key[0][0], key[1]), [])
        if all(isinstance(s, Store) and s.fresh and not s.add for s in stores) and not any(
            a.zero for a in allocs
        ):
            return True
        homes = {self.paths[id(a)][-1][0] for a in allocs}
        if len(homes) != 1:
            return False
        home = homes.pop()
        if home != id(self.program.body) and any(a.out in self.handed_on for a in allocs):
            return False
        at = self._position(node, home)
        if at is None:
            return False
        for store in stores:
            if any(store is s for s in own):
                continue
            position = self._position(store, home)
            if position is None or position >= at:
                return False
        if own:  # the store itself must not come to the same place twice
            path = self.paths[id(node)]
            depth = next(k for k, (block, _, _) in enumerate(path) if block == home)
            return all(not isinstance(n, Loop) or n.parallel for _, _, n in path[depth:])
        return True

    def _position(self, node, home):
        return next((i for block, i, _ in self.paths[id(node)] if block == home), None)


def _stored(node):
    if isinstance(node, Store):
        yield node.mem, node.alias
    elif hasattr(node, "outs"):
        for view in node.outs:
            yield view.mem, view.alias


class Plan:
    """The choice for one region: `saved` values must be brought over by the caller, who then calls
    `finish`."""

    def __init__(self, reverse: Block, ends: list[Operand]):
        self.reverse, self.ends = reverse, ends
        self.saved: list[Value] = []  # values of the forward sweep
        self.stands_for: dict[
            Value, Value
        ] = {}  # ... and, where it differs, the value of the reverse each replaces
        self.recomputed: list[tuple[Value, Op | Load | Store]] = []

    def finish(self, loaded: dict[Value, Operand], prefix: Block | None = None) -> None:
        """Prepend `prefix` and what is recomputed to the reverse, and put `loaded` for the saved values."""
        mapping = {self.stands_for.get(v, v): x for v, x in loaded.items()}
        head = Block(prefix or ())
        for v, node in self.recomputed:
            copy = same_as(v)
            substitute(new := Block([node]), mapping)
            (node,) = new
            if isinstance(node, Op):
                head.append(Op(copy, node.fn, node.args, line=node.line))
            else:
                head.append(Load(copy, node.mem, node.address, node.alias, line=node.line))
            mapping[v] = copy
        substitute(self.reverse, mapping)
        self.ends = [mapping.get(x, x) if isinstance(x, Value) else x for x in self.ends]
        self.reverse[:0] = head


def choose(owner, forward: Block, reverse: Block, ends: list[Operand], given=(), free=(), slack=0.0) -> Plan:
    """Cut between the forward sweep of a region and its reverse.

    Parameters
    ----------
    owner : the reverse transform (its `primal` values and `stability`).
    ends : values the reverse region hands on at its end.
    given : values defined for the region from outside (loop parameters).
    free : those the reverse has without cost (a loop's index).
    slack : how much cheaper operations are on the forward sweep, as a part of their price.
    """
    plan, free = Plan(reverse, ends), set(free)
    nodes: dict[Value, object] = dict.fromkeys((*given, *free))
    reloads: dict[Value, Store] = {}
    for node in forward:
        if isinstance(node, Store) and isinstance(node.value, Value) and owner.stability.kept_by(node):
            reloads.setdefault(node.value, node)
        nodes.update(dict.fromkeys(results(node), node))
    pure = _independent(owner, reverse, nodes)
    nodes.update((node.out, node) for node in pure)
    is_pure = {id(n) for n in pure}
    sinks = {v: None for v in ends if isinstance(v, Value) and v in nodes}  # in order: the text must not vary
    for node in reverse:
        if id(node) not in is_pure:
            for inner in walk([node]):
                sinks.update((v, None) for v in (*operands(inner), *merges(inner)) if v in nodes)
    if not sinks:
        return plan

    def again(v) -> tuple[float, list[Value]]:
        """Price of having `v` again in the reverse, and what that needs."""
        node = nodes[v]
        if v in free:
            return 0.0, []
        if id(node) in is_pure:
            return slack * cost(node), list(operands(node))  # it is computed once in any case
        if v in reloads and not (isinstance(node, Op) and cost(node) <= RELOAD):
            return RELOAD, [x for _, x in reloads[v].address.terms]
        if isinstance(node, Op):
            return cost(node), list(operands(node))
        if isinstance(node, Load) and owner.stability.keeps(node, node.mem, node.alias):
            return RELOAD, list(operands(node))
        return INFINITE, []

    graph, pending, relevant = _Graph(), list(sinks), {}
    while pending:
        v = pending.pop()
        if v not in relevant:
            price, needs = again(v)
            relevant[v] = [a for a in needs if a in nodes]
            pending += relevant[v]
            graph.edge("S", (v, "made"), price)
            graph.edge((v, "made"), (v, "had"), INFINITE if v in free else SAVE)
            for a in relevant[v]:
                graph.edge((a, "had"), (v, "made"), INFINITE)
    for v in sinks:
        graph.edge((v, "had"), "T", INFINITE)
    side = graph.cut("S", "T")
    saved = [v for v in nodes if v in relevant and (v, "had") in side and (v, "made") not in side]
    made = [v for v in nodes if v in relevant and (v, "made") in side and v not in free]
    for v in made:
        node = nodes[v]
        if id(node) not in is_pure:
            reload = v in reloads and not (isinstance(node, Op) and cost(node) <= RELOAD)
            plan.recomputed.append((v, reloads[v] if reload else node))
    advanced = _advance(owner, forward, list(pure), saved)
    for v in saved:
        plan.saved.append(advanced.get(v, v))
        plan.stands_for[plan.saved[-1]] = v
    gone = is_pure - {id(nodes[v]) for v in made}
    reverse[:] = [n for n in reverse if id(n) not in gone]
    return plan


def _independent(owner, reverse: Block, nodes) -> list[Op]:
    """Operations of the reverse that depend on no adjoint."""
    found, outs = [], set()
    for node in reverse:
        if isinstance(node, Op):
            values = [a for a in node.args if isinstance(a, Value)]
            if all(a in nodes or a in outs or a in owner.primal for a in values):
                found.append(node)
                outs.add(node.out)
    return found


def _advance(owner, forward: Block, pure: list[Op], saved: list[Value]) -> dict[Value, Value]:
    """Compute operations of the reverse that are to be saved, and what they are made of, in the forward
    sweep."""
    makers = {n.out: n for n in pure}
    moved, pending = set(), [v for v in saved if v in makers]
    while pending:
        v = pending.pop()
        if v not in moved:
            moved.add(v)
            pending += [a for a in makers[v].args if isinstance(a, Value) and a in makers]
    mapping: dict[Value, Value] = {}
    for node in pure:
        if node.out in moved:
            v = node.out
            mapping[v] = same_as(v)
            args = tuple(mapping.get(a, a) if isinstance(a, Value) else a for a in node.args)
            forward.append(Op(mapping[v], node.fn, args, line=node.line))
            owner.primal.add(mapping[v])
    return mapping


class _Graph:
    """Minimum cut by augmenting shortest paths."""

    def __init__(self):
        self.room: dict = {}

    def edge(self, a, b, capacity: float) -> None:
        self.room.setdefault(b, {}).setdefault(a, 0.0)
        out = self.room.setdefault(a, {})
        out[b] = out.get(b, 0.0) + capacity

    def cut(self, source, sink) -> set:
        """The side of the sink: of all minimum cuts the one nearest to it."""
        while path := self._path(source, sink):
            steps = list(itertools.pairwise(path))
            flow = min(self.room[a][b] for a, b in steps)
            assert flow < INFINITE, "a needed value can be neither saved nor recomputed"
            for a, b in steps:
                self.room[a][b] -= flow
                self.room[b][a] += flow
        side, queue = {sink}, deque([sink])
        while queue:
            b = queue.popleft()
            for a in self.room[b]:
                if a not in side and self.room[a][b] > 1e-9:
                    side.add(a)
                    queue.append(a)
        return side

    def _path(self, source, sink):
        came, queue = {source: None}, deque([source])
        while queue:
            a = queue.popleft()
            for b, room in self.room.get(a, {}).items():
                if room > 1e-9 and b not in came:
                    came[b] = a
                    if b == sink:
                        path = [sink]
                        while path[-1] != source:
                            path.append(came[path[-1]])
                        return path[::-1]
                    queue.append(b)
        return None
