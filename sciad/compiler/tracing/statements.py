"""Reading the user's source: statements are executed on traced values, and what they do is emitted as IR."""

from __future__ import annotations

import ast
import contextlib
import importlib
import warnings

import numpy as np

from sciad.compiler.fence import NeedPeel, NeedUnroll, Refusal, Unbound, located
from sciad.compiler.ir.builder import type_of
from sciad.compiler.ir.nodes import Value
from sciad.compiler.objects.kinds import (
    UNDEFINED,
    Array,
    DictBox,
    FrameBox,
    Iteration,
    ListBox,
    Small,
    is_array,
)
from sciad.compiler.tracing.exceptions import Raised
from sciad.compiler.tracing.expressions import Expressions
from sciad.compiler.tracing.jumps import VALUE

UNROLL_TRIPS, UNROLL_NODES = 4, 200  # loops of this size are written out
CONTEXTS = (np.errstate, contextlib.nullcontext, warnings.catch_warnings)
FORCED_TRIPS = 512  # the most a loop that must be written out may run


class Statements(Expressions):
    """Executes normalised statements."""

    def run(self, statements) -> None:
        for k, statement in enumerate(statements):
            if self.dead:
                return
            self.builder.line = self.last_line = self.line_of(statement)
            handler = _STATEMENTS.get(type(statement))
            self.node = statement
            try:
                if handler is None:
                    raise Refusal(
                        f"`{type(statement).__name__.lower()}` statements", _HINTS.get(type(statement))
                    )
                handler(self, statement)
            except Refusal as refusal:
                if isinstance(refusal, Unbound) and self.probing:
                    raise
                raise located(refusal, self.frame.source.filename, self.node) from refusal
            except NeedUnroll as need:
                if need.error is None:
                    need.error = located(need.refusal, self.frame.source.filename, self.node)
                raise
            except Raised:
                if not self.catching and not self.dead:
                    raise
                return
            if self.catching and isinstance(self.raised, Value):
                self._rest(statements[k + 1 :])
                return

    def _rest(self, statements) -> None:
        """The rest of a block, after a statement that raises on some paths."""
        raised = self.raised

        def where_raised():
            self.write(self.raising, "raised", True)

        def elsewhere():
            self.write(self.raising, "raised", False)
            self.run(statements)

        if statements:
            self.branch(raised, where_raised, elsewhere)

    def _assign(self, s: ast.Assign):
        value = self.eval(s.value)
        if len(s.targets) > 1 or self.raised is not False:
            value = self.settled(value)

        def bind():
            for target in s.targets:
                self.bind(target, value)

        self.unless_raised(bind)

    def bind(self, target, value) -> None:
        """``target = value`` for a name, tuple, item or attribute."""
        self.node = target
        if isinstance(target, ast.Name):
            self.set_name(target.id, value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            self._unpack(target, value)
        elif isinstance(target, ast.Subscript):
            owner = self.eval(target.value)
            key = self.subscript(target.slice)
            self.node = target
            self.set_item(owner, key, value)
        elif isinstance(target, ast.Attribute):
            self.set_attribute(self.eval(target.value), target.attr, value)
        else:
            raise Refusal(f"assignment to a {type(target).__name__.lower()}")

    def set_name(self, name: str, value) -> None:
        if name != VALUE or len(self._journals) > self.frame.depth:
            value = self.settled(value)
        box = self._home(self.frame, name).box
        self.label(value, name)
        self.write(box, name, value)
        if box.slots.get(FrameBox.flag(name), True) is not True:
            self.write(box, FrameBox.flag(name), True)

    def _home(self, frame, name: str):
        """The frame whose name this is, when it is bound in `frame`."""
        if name not in frame.outer_names:
            return frame
        while name in frame.outer_names or name not in frame.box.slots:
            frame = frame.parent
            if frame is None:
                raise Refusal(
                    "`nonlocal` writing outside of the compiled function", "Return the new value instead."
                )
        return frame

    def label(self, value, name: str) -> None:
        """Give new scalars the name the user gives them."""
        if name.startswith("#"):
            return
        if isinstance(value, Value) and (not value.name or value in self.auto_named):
            value.name = name
            self.auto_named.pop(value, None)
        elif isinstance(value, Small) and type(value.box.slots) is dict:
            for k, cell in enumerate(value.cells):
                v = value.box.slots.get(cell)
                if isinstance(v, Value) and not v.name:
                    v.name = f"{name}_{k}"
        elif isinstance(value, Array) and len(value.address.terms) == 1:
            at = value.address.terms[0][1]
            if at.name == "at":
                at.name = f"{name}_at"

    def _unpack(self, target, value):
        stars = [k for k, e in enumerate(target.elts) if isinstance(e, ast.Starred)]
        items = self.items(value, len(target.elts) if not stars else None)
        if stars:
            after = len(target.elts) - stars[0] - 1
            middle = self.list(items[stars[0] : len(items) - after])
            items = [*items[: stars[0]], middle, *items[len(items) - after :]]
        if len(items) != len(target.elts):
            raise Refusal(f"cannot unpack {len(items)} values into {len(target.elts)} names")
        for element, item in zip(target.elts, items, strict=True):
            self.bind(element.value if isinstance(element, ast.Starred) else element, item)

    def _aug_assign(self, s: ast.AugAssign):
        fn = self.operator(s.op)
        target = s.target
        if isinstance(target, ast.Name):
            old = self.name(target.id)
            value = self.eval(s.value)
            self.node = s
            if self.catching:
                value = self.settled(value)
                new = (
                    None
                    if isinstance(old, ListBox)
                    else self.settled(self.binary(s.op, fn, old, value, True))
                )
                if self.raised is not False and (isinstance(old, ListBox) or is_array(old)):
                    raise Refusal("an update of an array or list that may raise, in a try statement")
                if not isinstance(old, ListBox) and not is_array(old):
                    self.unless_raised(lambda: self.set_name(target.id, new))
                    return
            if isinstance(old, ListBox) and isinstance(s.op, ast.Add):
                self.call_method(old, "extend", [value], {})
            elif is_array(old):
                self.set_item(old, Ellipsis, self._kept_kind(old, self.binary(s.op, fn, old, value)))
            else:
                self.set_name(target.id, self.binary(s.op, fn, old, value, True))
        elif isinstance(target, ast.Subscript):
            owner, key = self.eval(target.value), self.subscript(target.slice)
            if self._masked(owner, key):
                self._aug_masked(s, fn, owner, key)
                return
            old = self.get_item(owner, key)
            value = self.eval(s.value)
            self.node = s
            if self.catching:
                self._update_of_item(s, fn, owner, key, old, self.settled(value))
                return
            if is_array(old) and not isinstance(owner, (ListBox, DictBox, tuple)):
                self.set_item(owner, key, self._kept_kind(old, self.binary(s.op, fn, old, value)))
            elif is_array(old):
                self.set_item(old, Ellipsis, self._kept_kind(old, self.binary(s.op, fn, old, value)))
            else:
                self.set_item(owner, key, self.binary(s.op, fn, old, value))
        elif isinstance(target, ast.Attribute):
            owner = self.eval(target.value)
            old = self.get_attribute(owner, target.attr)
            new = self.binary(s.op, fn, old, self.eval(s.value), True)
            if is_array(old):
                self.set_item(old, Ellipsis, new)
            else:
                self.unless_raised(lambda: self.set_attribute(owner, target.attr, new))
        else:
            raise Refusal("augmented assignment to this")

    def _update_of_item(self, s, fn, owner, key, old, value) -> None:
        """``owner[key] op= value`` where it may raise."""
        new = self.settled(self.binary(s.op, fn, old, value, True))
        if is_array(old):
            new = self._kept_kind(old, new)
            if isinstance(owner, (ListBox, DictBox, tuple)):
                self.unless_raised(lambda: self.set_item(old, Ellipsis, new))
                return
        self.unless_raised(lambda: self.set_item(owner, key, new))

    def _masked(self, owner, key) -> bool:
        return is_array(owner) and is_array(key) and key.kind == "b" and len(key.shape) == len(owner.shape)

    def _aug_masked(self, s, fn, owner, key):
        """``x[mask] op= number``: every element is written, those outside of the mask as they were."""
        value = self.eval(s.value)
        self.node = s
        if is_array(value):
            raise Refusal("an array in an update through a mask", "Use np.where(mask, ..., x).")
        new = self._kept_kind(owner, self.binary(s.op, fn, owner, value))
        self.set_item(owner, Ellipsis, self.call(np.where, [key, new, owner], {}))

    def _kept_kind(self, old, new):
        kind = new.kind if is_array(new) else type_of(new)
        if old.kind != "f" and kind == "f":
            raise Refusal(
                "an array of ints is updated in place with floats", "Make the array with dtype=float."
            )
        return new

    def _if(self, s: ast.If):
        cond = self.condition(s.test)

        def arm(body):
            return lambda: self.run(body)

        line = self.builder.line
        if self.raised is False:
            self.branch(cond, arm(s.body), arm(s.orelse), s.live, line)
        else:
            self.unless_raised(lambda: self.branch(cond, arm(s.body), arm(s.orelse), s.live, line))

    def _for(self, s: ast.For):
        source = self.iteration(self.eval(s.iter))
        count = source.count
        if self.raised is not False:
            raise Refusal("a loop over what may raise, in a try statement", "Give it a name before the loop.")
        known = not isinstance(count, Value)
        short = known and count <= UNROLL_TRIPS and count * _weight(s) <= UNROLL_NODES and not s.stop
        if known and count == 0:
            return
        if source.static or short:
            self._written_out(s, source)
            return
        line = self.builder.line
        first = 0

        def body(index):
            self.no_flag()
            self.bind(s.target, source.item(self.builder.op(np.add, index, first)))
            self.run(s.body)

        while True:
            try:
                self.loop(
                    body,
                    count=self.builder.op(np.subtract, count, first),
                    name=s.target.id if isinstance(s.target, ast.Name) and not first else "",
                    stop=lambda: self.flagged(s.stop),
                    live_head=s.live_head,
                    live=s.live,
                    guesses=_assigned(s),
                    line=line,
                    peelable=known and first < count and not s.stop,
                )
                return
            except NeedPeel:
                body(0)
                first += 1
            except NeedUnroll:
                if not known or count > FORCED_TRIPS or first:
                    raise
                self._written_out(s, source)
                return

    def _written_out(self, s: ast.For, source: Iteration):
        if isinstance(source.count, Value):
            raise Refusal("a loop over this needs a length known while compiling")

        def iterations(k):
            while source.more(k):
                if k >= source.count + FORCED_TRIPS:
                    raise Refusal("a list that grows without end while it is looped over")
                self.bind(s.target, source.item(k))
                self.run(s.body)
                if self.dead:
                    return
                flag = self.flagged(s.stop)
                k += 1
                if flag is True:
                    return
                if isinstance(flag, Value) and source.more(k):
                    self.branch(flag, lambda: None, lambda k=k: iterations(k), s.live | s.live_head)
                    return

        iterations(0)

    def flagged(self, flags):
        """Whether any of these flags of the current frame is set."""
        result = self.raised if self.catching else False
        for name in flags:
            result = self.builder.op(np.logical_or, result, self.frame.box.slots.get(name, False))
        return result

    def _while(self, s: ast.While):
        if self.in_definition() and self._while_known(s):
            return
        line = self.builder.line
        try:
            self.loop(
                lambda _: (self.no_flag(), self.run(s.body)),
                head=lambda: self._head(s.test),
                stop=lambda: self.flagged(s.stop),
                live_head=s.live_head,
                live=s.live,
                guesses=_assigned(s),
                line=line,
            )
        except NeedUnroll as need:
            self._while_written_out(s, need)

    def _head(self, test):
        raised = self.raised
        try:
            cond = self.condition(test)
        except Raised:
            raise Refusal("a condition of a loop that always raises", "Compute it in the loop.") from None
        if self.raised is not raised:
            raise Refusal(
                "a condition of a loop that may raise, in a try statement", "Compute it in the loop."
            )
        return cond

    def _while_written_out(self, s: ast.While, need: NeedUnroll):
        """A loop whose body needs to be written out, as long as what is known while compiling says that it
        goes on."""
        for _ in range(FORCED_TRIPS):
            cond = self.condition(s.test)
            if isinstance(cond, Value):
                raise need
            if not cond:
                return
            self.run(s.body)
            if self.dead:
                return
            flag = self.flagged(s.stop)
            if flag is True:
                return
            if isinstance(flag, Value):

                def rest():
                    self._while_written_out(s, need)

                self.branch(flag, lambda: None, rest, s.live | s.live_head)
                return
        raise need

    def _while_known(self, s: ast.While) -> bool:
        """Run a loop of a definition as long as constants tell it to go on; whether it came to its end."""
        for _ in range(FORCED_TRIPS):
            cond = self.scratch(lambda: self.condition(s.test))
            if isinstance(cond, Value):
                return False
            if not cond:
                return True
            self.run(s.body)
            if self.dead or self.flagged(s.stop) is True:
                return True
        return False

    def _expr(self, s: ast.Expr):
        if isinstance(s.value, ast.Constant):
            return
        value = self.eval(s.value)
        if getattr(s, "context", False) and (s.binds or not isinstance(value, CONTEXTS)):
            raise Refusal(
                "a `with` block that does something, or binds a name",
                "Only np.errstate, np.printoptions, contextlib.nullcontext() and warnings.catch_warnings() "
                "are accepted; for contextlib.suppress write try and except.",
            )

    def _function_def(self, s: ast.FunctionDef):
        self.set_name(s.name, self.closure(s))

    def _assert(self, s: ast.Assert):
        cond = self.condition(s.test)
        text = (
            s.msg.value
            if isinstance(s.msg, ast.Constant)
            else ast.unparse(s.msg)
            if s.msg
            else ast.unparse(s.test)
        )
        self.node = s
        self.require(cond, "AssertionError", str(text))

    def _import(self, s):
        for alias in s.names:
            if isinstance(s, ast.Import):
                module = importlib.import_module(alias.name)
                if alias.asname is None and "." in alias.name:
                    module = importlib.import_module(alias.name.partition(".")[0])
                self.set_name(alias.asname or alias.name.partition(".")[0], module)
            else:
                self.set_name(
                    alias.asname or alias.name, getattr(importlib.import_module(s.module), alias.name)
                )

    def _nonlocal(self, s: ast.Nonlocal):
        if self.frame.parent is None:
            raise Refusal(
                "`nonlocal` writing outside of the compiled function", "Return the new value instead."
            )
        self.frame.outer_names |= set(s.names)

    def _global(self, s: ast.Global):
        raise Refusal("`global`: compiled functions do not write globals", "Return the new value instead.")

    def _delete(self, s: ast.Delete):
        for target in s.targets:
            if isinstance(target, ast.Subscript):
                self.drop_item(self.eval(target.value), self.subscript(target.slice))
                continue
            if not isinstance(target, ast.Name):
                raise Refusal("`del` of an attribute", "Set it to None.")
            self.name(target.id)
            box = self._home(self.frame, target.id).box
            self.write(box, target.id, UNDEFINED)
            self.write(box, FrameBox.flag(target.id), False)

    def _ann_assign(self, s: ast.AnnAssign):
        if s.value is not None:
            self.bind(s.target, self.eval(s.value))


def _weight(loop) -> int:
    """Number of nodes of a loop's body."""
    found = getattr(loop, "weight", None)
    if found is None:
        found = loop.weight = sum(1 for s in loop.body for _ in ast.walk(s))
    return found


def _assigned(loop) -> dict[str, int]:
    """Names the body of a loop assigns, and in which direction ints among them seem to move."""
    found = getattr(loop, "assigned", None)
    if found is not None:
        return found
    found = loop.assigned = {}
    nodes = [node for s in loop.body for node in ast.walk(s)]
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.setdefault(node.id, 0)
    for node in nodes:
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = {ast.Add: 1, ast.Sub: -1}.get(type(node.op), 0)
    return found


_STATEMENTS = {
    ast.Assign: Statements._assign,
    ast.AugAssign: Statements._aug_assign,
    ast.AnnAssign: Statements._ann_assign,
    ast.If: Statements._if,
    ast.For: Statements._for,
    ast.While: Statements._while,
    ast.Expr: Statements._expr,
    ast.FunctionDef: Statements._function_def,
    ast.Assert: Statements._assert,
    ast.Raise: lambda self, s: self._raise(s),
    ast.Try: lambda self, s: self._try(s),
    ast.Import: Statements._import,
    ast.ImportFrom: Statements._import,
    ast.Nonlocal: Statements._nonlocal,
    ast.Global: Statements._global,
    ast.Delete: Statements._delete,
    ast.Pass: lambda self, s: None,
}
_HINTS = {ast.ClassDef: "Define the class outside of the compiled function."}
