"""Which arrays are different allocations: what lets swapped buffers be updated without temporaries.

The address of every array is a base (the offset an `Alloc` handed out, or a merge of such offsets) plus a
distance within that allocation.  Two bases are apart if they never are the same allocation at the same
time.  Bases carried round a loop (``u, w = w, u``) are taken to be apart when they are at its start; the
end of the body must bear it out.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass

from sciad.compiler.fence import Refusal
from sciad.compiler.ir.nodes import Address, Value


@dataclass(eq=False)
class _Alloc:
    loops: tuple


@dataclass(eq=False)
class _Meet:
    """A merge: `first` or `second`, the same side for all merges at one `place`."""

    place: object
    first: Value | None
    second: Value | None


@dataclass(eq=False)
class _Param:
    """Carried round `loop`: `init`, later `next` (None: not known yet)."""

    loop: object
    init: Value | None
    next: Value | None = None


class Bases:
    def __init__(self):
        self.loops: tuple = ()  # being traced
        self._made: dict[Value, object] = {}
        self._claims: dict[object, list] = {}
        self._rejected: set[frozenset] = set()
        self.lent: set[Value] = set()  # copies of arrays from outside, which are only read
        self._written: set[Value] = set()

    @contextmanager
    def inside(self, loop):
        """Within: the body of `loop` is being traced."""
        outer, self.loops = self.loops, (*self.loops, loop)
        try:
            yield
        finally:
            self.loops = outer

    def allocated(self, at: Value) -> None:
        self._made[at] = _Alloc(self.loops)

    def lend(self, at: Value) -> None:
        """What `at` holds is a copy of an array from outside."""
        self.lent.add(at)

    def may_be_lent(self, base: Value | None) -> bool:
        """Whether what is about to be written may be a copy of an array from outside."""
        self._written.add(base)
        return base is None or self._leads_to_lent(base, set())

    def _leads_to_lent(self, base, seen: set) -> bool:
        if base in self.lent:
            return True
        found = self._made.get(base)
        if base in seen or found is None or isinstance(found, _Alloc):
            return False
        seen.add(base)
        ends = (found.first, found.second) if isinstance(found, _Meet) else (found.init, found.next)
        return any(self._leads_to_lent(end, seen) for end in ends)

    def met(self, out: Value, place, first, second) -> None:
        """`out` is `first` or `second` (None: undefined on that side)."""
        if all(x is None or x in self._made for x in (first, second)):
            self._made[out] = _Meet(place, first, second)

    def carried(self, param: Value, loop, init) -> None:
        if init is None or init in self._made:
            self._made.setdefault(param, _Param(loop, init))

    def left(self, out: Value, loop, param: Value) -> None:
        """`out` is what `param` is after the loop."""
        found = self._made.get(param)
        if isinstance(found, _Param):
            self._made[out] = _Meet(loop, found.init, param if found.next is None else found.next)

    def returns(self, param: Value, following) -> None:
        """What a carried base is at the end of the body."""
        found = self._made.get(param)
        if isinstance(found, _Param):
            found.next = following
            if following is not None and following not in self._made:
                del self._made[param]
            elif param in self._written and self.lent and self._leads_to_lent(param, set()):
                raise Refusal(
                    "an array is written in a loop whose next round has one from outside under that name",
                    "Compiled code would lose the write: make it a copy, np.array(...).",
                )

    def of(self, address: Address) -> Value | None:
        """The base of an address."""
        found = [v for c, v in address.terms if c == 1 and v in self._made]
        return found[0] if len(found) == 1 else None

    def hold(self, loop) -> bool:
        """Whether the end of the body bears out what was claimed of its parameters; the rest is rejected."""
        checked: set[frozenset] = set()
        failed = False
        while waiting := self._claims.pop(loop, None):  # a check may claim more
            for pair in {frozenset(p): p for p in waiting if frozenset(p) not in checked}.values():
                checked.add(frozenset(pair))
                if not self._apart(*(self._after(x, loop) for x in pair), set()):
                    self._rejected.add(frozenset(pair))
                    failed = True
            waiting = [p for p in self._claims.get(loop, ()) if frozenset(p) not in checked]
            if waiting:
                self._claims[loop] = waiting
            else:
                self._claims.pop(loop, None)
        return not failed

    def _after(self, x, loop):
        found = self._made.get(x)
        return (
            found.next if isinstance(found, _Param) and found.loop is loop and found.next is not None else x
        )

    def apart(self, a: Value | None, b: Value | None) -> bool:
        return a is not None and b is not None and self._apart(a, b, set())

    def _apart(self, a, b, asked: set) -> bool:
        if a is None or b is None:  # undefined: never used
            return True
        pair = frozenset((a, b))
        if a is b or pair in self._rejected or a not in self._made or b not in self._made:
            return False
        if pair in asked:
            return True
        asked.add(pair)
        x, y = self._made[a], self._made[b]
        if isinstance(x, _Alloc) and isinstance(y, _Alloc):
            return True
        if isinstance(x, _Alloc):
            a, b, x, y = b, a, y, x
        if isinstance(x, _Meet) and isinstance(y, _Meet) and x.place is y.place:
            return self._apart(x.first, y.first, asked) and self._apart(x.second, y.second, asked)
        if isinstance(x, _Param) and isinstance(y, _Alloc) and x.loop in y.loops:
            return True  # made in this iteration
        if isinstance(x, _Param) and isinstance(y, _Param) and x.loop is y.loop:
            return self._around(x.loop, (a, b), (x.init, y.init), (x.next, y.next), asked)
        if isinstance(y, (_Meet, _Param)) and self._depth(y) > self._depth(x):
            a, b, x, y = b, a, y, x
        if isinstance(x, _Meet):
            return self._apart(x.first, b, asked) and self._apart(x.second, b, asked)
        return self._around(x.loop, (a, b), (x.init, b), (x.next, b), asked)

    def _around(self, loop, pair, inits, nexts, asked) -> bool:
        if not self._apart(*inits, asked):
            return False
        if loop in self.loops:  # its end is not known yet
            self._claims.setdefault(loop, []).append(pair)
            return True
        return self._apart(*nexts, asked)

    def _depth(self, made) -> int:
        return self.loops.index(made.loop) + 1 if isinstance(made, _Param) and made.loop in self.loops else 0
