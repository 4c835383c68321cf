"""The state of a trace and what control flow does to it: regions, journals, merges, loops brought to a
fixpoint.

Every write of the user's program goes through `State.write` into a `Box`.  A region (the arm of an `if`,
the body of a loop) keeps a journal of the slots written in it; at its end the old contents are put back,
and the region's result is the journal.  An `if` merges two journals.  A loop is traced optimistically:
what it writes is taken to be unchanged at its head until the end of the body shows otherwise; then the
region is thrown away and traced again with a parameter in that place.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager

import numpy as np

from sciad.compiler.fence import Refusal, Unbound
from sciad.compiler.ir.builder import Builder, type_of
from sciad.compiler.ir.nodes import (
    INF,
    Address,
    Block,
    Carried,
    Check,
    If,
    Loop,
    Op,
    Operand,
    Phi,
    Program,
    Value,
)
from sciad.compiler.objects.kinds import (
    UNDEFINED,
    Box,
    Conflict,
    FrameBox,
    ListBox,
    is_flag,
    is_name,
    is_scalar,
    reached,
)
from sciad.compiler.objects.merging import Merge, same
from sciad.compiler.tracing.allocations import Bases
from sciad.compiler.tracing.exceptions import Raised
from sciad.compiler.tracing.int_bounds import Known, highest, lowest


class Arm:
    """A traced region: its nodes, and the values at its end of the slots it wrote."""

    def __init__(self, block: Block):
        self.block, self.new, self.boxes, self.result, self.dead = block, {}, [], None, False

    def read(self, box: Box, key):
        entry = self.new.get((id(box), key))
        return box.slots.get(key, UNDEFINED) if entry is None else entry[2]


class State(Known):
    """Journaled boxes, merges and loops over one `Builder` and `Program`."""

    def __init__(self, program: Program, builder: Builder):
        self.program, self.builder = program, builder
        self.frame, self.frames = None, []  # of the function being traced; has `box`
        self.bases = Bases()
        self.inflight: list = []  # values held by calls under way
        self.probing, self.probed = False, False
        self.dead = False  # this point is never reached
        self._journals: list[dict] = []
        self._boxes: list[list[Box]] = [[]]
        self._affine: dict[Value, Address] = {}

    # ----------------------------------------------------------------------------------------------

    def box(self, slots: dict, sites=frozenset(), cls=Box, **fields):
        made = cls(slots, len(self._journals), **({"sites": sites} if sites else {}), **fields)
        self._boxes[-1].append(made)
        return made

    def list(self, items) -> ListBox:
        items = list(items)
        return self.box({**dict(enumerate(items)), "len": len(items)}, cls=ListBox)

    def write(self, box: Box, key, value) -> None:
        if box.depth < len(self._journals):
            journal = self._journals[-1]
            if (id(box), key) not in journal:
                journal[id(box), key] = (box, key, box.slots.get(key, UNDEFINED))
        box.slots[key] = value

    def in_region(self) -> bool:
        """Whether what is traced here may be traced again, or not be reached."""
        return bool(self._journals)

    @contextmanager
    def region(self, block: Block):
        arm = Arm(block)
        journal: dict = {}
        self._journals.append(journal)
        self._boxes.append(arm.boxes)
        was_dead, self.dead = self.dead, False
        try:
            with self.builder.into(block):
                yield arm
            arm.dead = self.dead
            arm.new = {k: (box, key, box.slots[key]) for k, (box, key, _) in journal.items()}
        finally:
            self._journals.pop()
            self._boxes.pop()
            self.dead = was_dead
            for box, key, old in journal.values():
                box.slots[key] = old

    # ----------------------------------------------------------------------------------------------

    def branch(self, cond: Operand, then: Callable, orelse: Callable, live: set | None = None, line=None):
        """Run the thunks as the arms of an `If` (or one of them, if `cond` is known); return their merged
        result.

        `live` are the names of the current frame read afterwards (None: all).
        """
        if not isinstance(cond, Value):
            return (then if cond else orelse)()
        arms = []
        for thunk, truth in ((then, True), (orelse, False)):
            with self.region(Block()) as arm, self.narrowed(cond, truth):
                try:
                    arm.result = thunk()
                except Unbound:
                    if not self.probing:
                        raise
                    self.dead = self.probed = True
                except Raised:
                    arm.result = UNDEFINED
            arms.append(arm)
        for arm, other, negated in ((*arms, True), (*arms[::-1], False)):
            if (
                arm.dead
                and len(arm.block) == 1
                and isinstance(arm.block[0], Check)
                and arm.block[0].cond is False
            ):
                self.check(self.builder.op(np.logical_not, cond) if negated else cond, arm.block[0].site)
                return self._splice(other)
        node = If(cond, arms[0].block, arms[1].block)
        merge = Merge(self, arms, lambda a, b: self._phi(node, arms, a, b), owner=node)
        written = dict.fromkeys([*arms[0].new, *arms[1].new])
        merged = []
        for k in written:
            box, key, _ = arms[0].new.get(k) or arms[1].new[k]
            if is_flag(box, key):
                continue
            if box is self.frame.box and live is not None and key not in live:
                merged.append((box, key, UNDEFINED))
                continue
            values = [UNDEFINED if arm.dead else arm.read(box, key) for arm in arms]
            merged.append((box, key, merge(*values, name=key)))
            if is_name(box, key):
                self._merge_flags(cond, arms, merge, box, key, merged)
        result = merge(*(UNDEFINED if arm.dead else arm.result for arm in arms), name="")
        if isinstance(result, Conflict):
            raise Refusal(result.message)
        node.line = line
        self._close(node)
        for box, key, value in merged:
            self.write(box, key, value)
        self.dead = arms[0].dead and arms[1].dead
        return result

    def _merge_flags(self, cond, arms, merge, box, key, merged) -> None:
        """Whether a name is bound after an `if`."""
        flags = [UNDEFINED if arm.dead else self.bound(box, key, arm) for arm in arms]
        known = [f for f in flags if f is not UNDEFINED]
        flag = FrameBox.flag(key)
        if all(f is True for f in known):
            if flag in box.slots:
                merged.append((box, flag, True))
        elif all(f is False for f in known):
            merged.append((box, flag, False))
        elif flags[0] is True and flags[1] is False:
            merged.append((box, flag, cond))
        elif flags[0] is False and flags[1] is True:
            merged.append((box, flag, self.builder.op(np.logical_not, cond)))
        else:
            merged.append((box, flag, merge(*flags, name="")))

    def bound(self, box: Box, name: str, arm: Arm | None = None):
        """Whether a name is bound, at the end of `arm` or here."""
        if (box.slots.get(name, UNDEFINED) if arm is None else arm.read(box, name)) is UNDEFINED:
            return False
        flag = FrameBox.flag(name)
        flag = box.slots.get(flag, UNDEFINED) if arm is None else arm.read(box, flag)
        return True if flag is UNDEFINED else flag

    def _close(self, node: If) -> None:
        """Emit an `If`; where its arms compute nothing, its merges are selections."""
        if node.then or node.orelse:
            self.builder.emit(node)
            return
        for phi in node.phis:
            self.builder.emit(Op(phi.out, "select", (node.cond, phi.then, phi.orelse), line=node.line))

    def _splice(self, arm: Arm):
        """Continue as if the arm's nodes had been traced here."""
        self.builder.block.extend(arm.block)
        for box in arm.boxes:
            box.depth = len(self._journals)
        self._boxes[-1].extend(arm.boxes)
        for box, key, value in arm.new.values():
            self.write(box, key, value)
        self.dead = arm.dead
        return arm.result

    def _phi(self, node: If, arms, a: Operand, b: Operand, name="") -> Value:
        kind = join_types(a, b)
        sides = [self._converted(x, kind, arm.block) for x, arm in zip((a, b), arms, strict=True)]
        out = Value(kind, "", *hull(a, b))
        node.phis.append(Phi(out, *sides))
        return out

    def _converted(self, x, kind: str, block: Block) -> Operand:
        if x is UNDEFINED:
            return {"f": float("nan"), "i": 0, "b": False}[kind]
        if type_of(x) == kind:
            return x
        with self.builder.into(block):
            return self.builder.to_float(x) if kind == "f" else self.builder.to_int(x)

    def check(self, cond: Operand, site: int) -> None:
        if cond is not True:
            self.builder.emit(Check(cond, site))

    # ----------------------------------------------------------------------------------------------

    def loop(
        self,
        body,
        *,
        count=None,
        name="",
        head=None,
        stop=None,
        live_head,
        live,
        guesses=None,
        line=None,
        peelable=False,
    ):
        """Trace a loop: ``body(index)`` `count` times, or ``body(None)`` while ``head()``; ``stop()``
        ends it.

        `live_head` and `live` are the names read by a later iteration or after the loop, and after the
        loop; `guesses` maps names the body assigns to +1, -1 or 0: where ints among them are likely to
        move.
        """
        trial = _Trial(self, guesses or {}, live_head, peelable)
        for attempt in range(40):
            pre, inner = Block(), Block()
            index = None if count is None else Value("i", name, 0, highest(count) - 1)
            with self.region(pre if head else inner) as arm, self.bases.inside(trial):
                for box, key, value in trial.assumed.values():
                    self.write(box, key, value)
                cond = head() if head else None
                if cond is False:
                    break
                with self.builder.into(inner), self.narrowed(cond, True):
                    with self._probe(attempt == 0) as probe:
                        body(index)
                    stopped = False if self.dead or stop is None else stop()
            with self.bases.inside(trial):
                settled = trial.fits(arm)
            if settled and not probe.used:
                break
        else:
            raise Refusal(
                "the kinds of the loop's variables do not settle", "Give each one kind before the loop."
            )
        if cond is False:
            return head()
        trial.runs = cond is True if count is None else lowest(count) >= 1
        carried, outs = trial.carried(arm, inner)
        loop = Loop(inner, carried, index, count, line=line)
        if head:
            loop.pre, loop.cond = pre, cond
        if stopped is not False:
            loop.stop = stopped
        self.builder.emit(loop)
        for box, key, value in outs:
            dead = box is self.frame.box and FrameBox.flagged(key) not in live
            self.write(box, key, UNDEFINED if dead else value)

    @contextmanager
    def _probe(self, first: bool):
        """In the first attempt at a loop, arms that read names the body binds later are left out."""
        outer = self.probing, self.probed
        self.probing, self.probed = first or self.probing, False
        probe = _Probe()
        try:
            try:
                yield probe
            except Unbound:
                if not first:
                    raise
                self.dead = self.probed = True
            probe.used = self.probed and first
        finally:
            self.probing, self.probed = outer[0], outer[1] or (self.probed and outer[0])

    # ----------------------------------------------------------------------------------------------

    def shared(self, box: Box) -> list[Box]:
        """Boxes that are this one on some path, and that the program can reach by another name."""
        if not box.kin:
            return []
        family, grown = {id(box): box}, [box]
        while grown:
            for other in grown.pop().kin:
                if id(other) not in family:
                    family[id(other)] = other
                    grown.append(other)
        visible: set[int] = set()
        for frame in self.frames:
            reached(frame.box, visible)
        reached(self.inflight, visible)
        del family[id(box)]
        return [other for k, other in family.items() if k in visible]


class _Probe:
    used = False


class _Trial:
    """What a loop is assumed to hold at its head, and the parameters that stand for what changes."""

    def __init__(self, state: State, guesses: dict, live_head: set, peelable: bool):
        self.state, self.live_head, self.peelable = state, live_head, peelable
        self.params: dict[Value, None] = {}
        self.runs = False  # at least once
        self.assumed: dict = {}
        box = state.frame.box
        for key, direction in guesses.items():
            value = box.slots.get(key, UNDEFINED)
            if key in live_head and is_scalar(value) and not isinstance(value, bool):
                low, high = (lowest(value), highest(value)) if type_of(value) == "i" else (-INF, INF)
                bounds = (low, INF) if direction > 0 else (-INF, high) if direction < 0 else (low, high)
                self.assumed[id(box), key] = (box, key, self.param(type_of(value), key, *bounds))

    def param(self, kind, name, low=-INF, high=INF) -> Value:
        made = Value(kind, name if isinstance(name, str) else "", low, high)
        self.params[made] = None
        return made

    def fits(self, arm: Arm) -> bool:
        """Whether the end of the body agrees with what was assumed; if not, assume less."""
        changed = False

        def widen(a, b):
            nonlocal changed
            if a in self.params if isinstance(a, Value) else False:
                if join_types(a, b) == a.type and (a.type != "i" or b is UNDEFINED or _within(b, a)):
                    return a
            elif same(a, b) or b is UNDEFINED:
                return a
            changed = True
            kind = join_types(a, b)
            low, high = hull(a, b)
            if (
                isinstance(a, Value) and a in self.params and kind == "i"
            ):  # widen a side that moved to infinity
                low, high = (a.low if low >= a.low else -INF), (a.high if high <= a.high else INF)
            return self.param(kind, merge.name, low, high)

        merge = Merge(
            self.state,
            (Arm(Block()), arm),
            widen,
            lambda at, side: Value("i", "", 0),
            mode="fits",
            owner=self,
        )
        for k, (box, key, new) in arm.new.items():
            if box.is_param is self or self.is_dead(box, key) or arm.dead or is_flag(box, key):
                continue
            if is_name(box, key):
                flag = id(box), FrameBox.flag(key)
                held = self.assumed[flag][2] if flag in self.assumed else self.state.bound(box, key)
                merge.name = ""
                wider = widen(held, self.state.bound(box, key, arm))
                if wider is not held:
                    self.assumed[flag] = (box, flag[1], wider)
            before = self.assumed[k][2] if k in self.assumed else box.slots.get(key, UNDEFINED)
            wider = merge(before, new, name=key)
            if wider is not before:
                self.assumed[k] = (box, key, wider)
                changed = True
        return self.state.bases.hold(self) and not changed

    def carried(self, arm: Arm, inner: Block):
        """The loop's `Carried` list, and the slots to write after it."""
        state, init, following = self.state, {}, {}

        def collect(into):
            def leaf(a, b):
                if isinstance(a, Value) and a in self.params:
                    into.setdefault(a, b)
                return a

            return leaf

        def placed(address, side):
            with state.builder.into(inner):
                return state.operand(address)

        before = Arm(Block())
        start = Merge(
            state,
            (before, before),
            collect(init),
            lambda at, side: state.operand(at),
            mode="collect",
            owner=self,
        )
        end = Merge(state, (before, arm), collect(following), placed, mode="collect", owner=self)
        for k, (box, key, value) in self.assumed.items():
            if is_flag(box, key):
                start(value, state.bound(box, FrameBox.flagged(key)))
                if not arm.dead:
                    end(value, state.bound(box, FrameBox.flagged(key), arm))
                continue
            start(value, box.slots.get(key, UNDEFINED), name=key)
            if k in arm.new and not arm.dead:
                end(value, arm.new[k][2], name=key)
        used = [p for p in self.params if p in init]
        outs = {p: Value(p.type, p.name, p.low, p.high) for p in used}
        carried = []
        after = dict(outs)
        for p in used:
            first = state._converted(init[p], p.type, state.builder.block)
            last = following.get(p, UNDEFINED)
            if self.runs and p.type == "b" and last is True:
                after[p] = True
            carried.append(
                Carried(p, first, p if last is UNDEFINED else state._converted(last, p.type, inner), outs[p])
            )
        final = Merge(
            state,
            (before, before),
            lambda a, b: after.get(a, a) if isinstance(a, Value) else a,
            mode="final",
            owner=self,
        )
        results = [(box, key, final(value, value, name=key)) for box, key, value in self.assumed.values()]
        results += [
            (b, key, UNDEFINED)
            for b, key, _ in arm.new.values()
            if b.is_param is not self and self.is_dead(b, key)
        ]
        return carried, results

    def is_dead(self, box, key) -> bool:
        return box is self.state.frame.box and FrameBox.flagged(key) not in self.live_head


def join_types(a, b) -> str:
    types = {type_of(x) for x in (a, b) if x is not UNDEFINED}
    return "f" if "f" in types or not types else "i" if "i" in types else "b"


def hull(a, b) -> tuple[float, float]:
    known = [x for x in (a, b) if x is not UNDEFINED]
    if any(type_of(x) == "f" for x in known) or not known:
        return -INF, INF
    return min(map(lowest, known)), max(map(highest, known))


def _within(b, a) -> bool:
    return a.low <= lowest(b) and highest(b) <= a.high
