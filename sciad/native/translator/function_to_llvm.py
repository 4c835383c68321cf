"""One function of generated Python as an LLVM function.

The text is written once while types are found on the way. A name has the type it was last given; where ways
meet (behind an ``if``, at the head of a loop) that of all of them, so an integer that is a float on one way
is a float on all. Where a loop shows a name to need another type at its head, or a name outlives the block it
is set in, the function is written once more with what is known now.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from sciad.native.runtime import NO_MEMORY
from sciad.native.translator.expression_to_llvm import SIGNS, Expressions
from sciad.native.translator.llvm_values import (
    NOTHING,
    TranslationError,
    Val,
    constant,
    llvm_types,
    result_type,
    unify,
)
from sciad.native.translator.llvm_writer import Writer

__all__ = ["Function"]

WEIGHTED = ("combine", "combine_from", "scatter")

_ATTEMPTS = 40
ROUNDS = 1024  # of loops of a program before it looks at the clock for the first time
LONG = 1e6  # rounds of a nest of loops that takes long enough to ask
INTERRUPTED = 1 << 62  # the status of a program that was interrupted; nobody reads it, Python's error is set


@dataclass
class _Loop:
    """A loop as it is written: where ``continue`` and ``break`` go, and the types of names at its head."""

    node: ast.stmt
    on: str
    after: str
    types: dict[str, str]
    new: dict[str, str] = field(default_factory=dict)  # types of names that the loop sets first


class _Again(Exception):
    """The function must be written once more."""


class Function(Expressions):
    """Translates one function for given types of its arguments."""

    def __init__(self, module, source, node: ast.FunctionDef, flags: str, cold: bool = False):
        self.module, self.source, self.node, self.flags, self.cold = module, source, node, flags, cold
        self.parameters = [a.arg for a in node.args.args]
        self.stored: set[str] = set(_stored_twice(node))  # names that live in memory of their own
        self.wide: dict[
            tuple[int, str], str
        ] = {}  # their types at the heads of loops, where these must be wider
        self.result: str | None = None
        self.changed = False

    def translate(self, types: list[str]) -> str:
        """Write the body; the type of the result."""
        self.given = types
        for _ in range(_ATTEMPTS):
            self.changed = False
            try:
                self.write()
            except _Again:
                self.changed = True
            except (AttributeError, IndexError, KeyError, ValueError, TypeError) as error:
                if not self.changed:  # else perhaps a consequence of a type that was wrong
                    where = f"line {getattr(self.at, 'lineno', '?')} of {self.source.name}"
                    raise TranslationError(f"{where}: {ast.unparse(self.at)}: {error!r}") from error
            if not self.changed:
                return self.result or "n"
        raise TranslationError(f"{self.node.name}: the types of its names do not settle")

    def text(self, symbol: str, attributes: str, linkage: str, mark: str = "") -> str:
        """The definition."""
        types = [t for type in self.given for t in llvm_types(type)]
        names = [p for value in self.arguments for p in value.parts]
        inside = ", ".join(f"{t} {mark if t == 'ptr' else ''}{n}" for t, n in zip(types, names, strict=True))
        head = f"define {linkage}{result_type(self.result or 'n')} {symbol}({inside}) {attributes} {{\nentry:"
        return "\n".join([head, *self.w.allocas, *self.w.lines, "}"])

    # the whole

    def write(self) -> None:
        self.w = Writer(self.module, self.flags, self.cold)
        self.slots: dict[tuple[str, str], list[str]] = {}  # of a name and a type
        self.types: dict[str, str] = {}  # of the names in memory, here
        self.scopes: list[dict[str, Val]] = [{}]
        self.loops: list[_Loop] = []
        self.owned: list[str] = []  # slots of memory to be freed
        self.arguments: list[Val] = []
        self.at: ast.AST = self.node
        for k, (name, type) in enumerate(zip(self.parameters, self.given, strict=True)):
            parts = [f"%a{k}_{j}" for j in range(len(llvm_types(type)))]
            value = Val(type, parts)
            self.arguments.append(value)
            self.set(name, value)
        self.body(self.node.body)
        if self.w.open:
            self.leave(NOTHING)

    def body(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            self.statement(statement)
            if not self.w.open:  # the rest is never reached
                break

    def block(self, statements: list[ast.stmt]) -> None:
        """Statements with names of their own."""
        self.scopes.append({})
        self.body(statements)
        self.scopes.pop()

    # names

    def set(self, name: str, value: Val) -> None:
        if value.type == "n":
            raise TranslationError(f"{name} is set to nothing")
        if name not in self.stored:
            self.scopes[-1][name] = value
            return
        self.types[name] = value.type
        for slot, type, part in zip(self.memory(name), llvm_types(value.type), value.parts, strict=True):
            self.w.line(f"store {type} {part}, ptr {slot}")

    def memory(self, name: str) -> list[str]:
        """Where a name of the present type lives."""
        key = name, self.types[name]
        if key not in self.slots:
            self.slots[key] = [self.w.slot(t) for t in llvm_types(key[1])]
        return self.slots[key]

    def become(self, name: str, type: str) -> None:
        """Go on with a name as another type."""
        if self.types[name] != type:
            self.set(name, self.w.cast(self.get(name), type))

    def get(self, name: str) -> Val:
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        if name in self.stored:
            type = self.types.get(name)
            if type is None:
                raise _Again if self.changed else TranslationError(f"{name} is read before it is set")
            parts = [
                self.w.new(f"load {t}, ptr {slot}")
                for t, slot in zip(llvm_types(type), self.memory(name), strict=True)
            ]
            return Val(type, parts)
        if name in self.local:
            self.stored.add(name)  # set in another block, or later in the loop
            raise _Again
        found = self.module.resolve(self.source, name)
        if isinstance(found, Val):
            return found
        raise TranslationError(f"{name} has no value")

    @property
    def local(self) -> set[str]:
        if not hasattr(self, "_local"):
            self._local = {
                n.id for n in ast.walk(self.node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            } | set(self.parameters)
        return self._local

    # interruption

    def ask(self) -> None:
        """In a loop that may be long: leave the function if Python wants to interrupt."""
        if not (self.module.interruptible and self.source is self.module.source):
            return
        w = self.w
        on, away = w.label(), w.label()
        w.branch(w.polled(ROUNDS), away, on)
        w.begin(away)
        self.leave(constant(INTERRUPTED))
        w.begin(on)

    # statements

    def statement(self, node: ast.stmt) -> None:
        self.at, self.w.in_loop = node, bool(self.loops)
        try:
            getattr(self, f"do_{type(node).__name__}", self.unknown)(node)
        except TranslationError as error:
            if self.changed:
                raise _Again from error
            if str(error).startswith("line "):
                raise
            raise TranslationError(
                f"line {node.lineno} of {self.source.name}: {ast.unparse(node)[:200]}: {error}"
            ) from error

    def do_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.value(node.value)

    def do_Pass(self, node: ast.Pass) -> None:
        pass

    def do_Assign(self, node: ast.Assign) -> None:
        if isinstance(node.value, ast.Call) and _is_empty(node.value):
            self.allocate(node.targets[0], node.value)
            return
        value = self.value(node.value)
        for target in node.targets:
            self.assign(target, value)

    def assign(self, target: ast.expr, value: Val) -> None:
        match target:
            case ast.Name(id=name):
                self.set(name, value)
            case ast.Tuple(elts=targets):
                items = value.items
                if len(items) != len(targets):
                    raise TranslationError(f"{len(items)} values for {len(targets)} names")
                for one, item in zip(targets, items, strict=True):
                    self.assign(one, item)
            case ast.Subscript():
                kind, address = self.address(target)
                self.w.store(self.w.cast(value, kind), address)
            case _:
                self.unknown(target)

    def do_AugAssign(self, node: ast.AugAssign) -> None:
        sign = SIGNS[type(node.op)]
        if isinstance(node.target, ast.Name):
            old = self.get(node.target.id)
            self.set(node.target.id, self.w.binary(sign, old, self.value(node.value)))
            return
        kind, address = self.address(node.target)
        old = self.w.load(kind, address)
        self.w.store(self.w.cast(self.w.binary(sign, old, self.value(node.value)), kind), address)

    def do_If(self, node: ast.If) -> None:
        w = self.w
        yes, no, after = w.label(), w.label(), w.label()
        if (known := self.condition(node.test, yes, no)) is not None:
            self.block(node.body if known else node.orelse)
            return
        before, ends = dict(self.types), []
        for label, statements in ((yes, node.body), (no, node.orelse)):
            self.types = dict(before)
            w.begin(label)
            self.block(statements)
            if w.open:
                ends.append((self.types, len(w.lines)))
                w.jump(after)
        if ends:
            self.meet(ends)
            w.begin(after)

    def meet(self, ends: list[tuple[dict[str, str], int]]) -> None:
        """Give names the same types at the ends of blocks (types there, and the place in the text) that go
        on together.
        """
        together = {name for types, _ in ends for name in types}
        common: dict[str, str] = {}
        for name in sorted(together):
            found = [types[name] for types, _ in ends if name in types]
            wide = found[0]
            for type in found[1:]:
                wide = wide and unify(wide, type)
            if wide is None:
                raise TranslationError(f"{name} is {' or '.join(sorted(set(found)))}")
            common[name] = wide
        for types, at in reversed(ends):
            changes = [n for n in common if types.get(n, common[n]) != common[n]]
            if changes:
                self.insert(at, types, {n: common[n] for n in changes})
        self.types = common

    def insert(self, at: int, types: dict[str, str], wanted: dict[str, str]) -> None:
        """Change types of names at an earlier place in the text, where a block ends."""
        w = self.w
        rest, w.lines, w.open = w.lines[at:], w.lines[:at], True
        self.types = dict(types)
        for name, type in wanted.items():
            self.become(name, type)
        w.lines += rest
        w.open = False

    def enter(self, node: ast.stmt) -> dict[str, str]:
        """Give names the types they have at the head of a loop."""
        for name in list(self.types):
            if (type := self.wide.get((id(node), name))) is not None:
                self.become(name, type)
        return dict(self.types)

    def go(self, label: str, loop: _Loop) -> None:
        """Jump to a label of a loop, names as they are at its head."""
        if not self.w.open:
            return
        for name in list(self.types):
            wanted, type = loop.types.get(name), self.types[name]
            if wanted is None:  # set in the loop first: of the type it has where the loop is left first
                wanted = loop.new.setdefault(name, type)
            if wanted == type:
                continue
            wide = unify(wanted, type)
            if wide is None or name not in loop.types:
                raise TranslationError(f"{name} is both {wanted} and {type} in a loop")
            if wide != wanted:
                self.wide[id(loop.node), name] = wide
                self.changed = True
            else:
                self.become(name, wide)
        self.w.jump(label)

    def left(self, loop: _Loop) -> None:
        """Go on behind a loop."""
        self.types = loop.new | loop.types
        self.w.begin(loop.after)

    def do_While(self, node: ast.While) -> None:
        w = self.w
        head, body, after = w.label(), w.label(), w.label()
        loop = _Loop(node, head, after, self.enter(node))
        endless = isinstance(node.test, ast.Constant) and bool(node.test.value)
        w.begin(head)
        if not endless and self.condition(node.test, body, after) is not None:
            raise TranslationError("a loop whose condition is constant")
        w.begin(body)
        self.ask()
        self.loops.append(loop)
        self.block(node.body)
        self.loops.pop()
        self.go(head, loop)
        if not endless or _breaks(node.body):
            self.left(loop)

    def do_For(self, node: ast.For) -> None:
        call = node.iter
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "range"):
            self.over_items(node)
            return
        w = self.w
        bounds = [w.cast(self.value(a), "i") for a in call.args]
        start, stop = (constant(0), bounds[0]) if len(bounds) == 1 else bounds[:2]
        step = bounds[2].known if len(bounds) == 3 else 1
        if not isinstance(step, int) or step == 0:
            raise TranslationError("a range whose step is not constant")
        head, body, latch, after = w.label(), w.label(), w.label(), w.label()
        loop = _Loop(node, latch, after, self.enter(node))
        before = w.block
        w.begin(head)
        counter, following = w.label(), w.label()
        w.line(f"%{counter} = phi i64 [ {start.text}, %{before} ], [ %{following}, %{latch} ]")
        test = w.new(f"icmp {'slt' if step > 0 else 'sgt'} i64 %{counter}, {stop.text}")
        w.branch(test, body, after)
        w.begin(body)
        if _rounds(node) > LONG:
            self.ask()
        self.scopes.append({})
        self.assign(node.target, Val("i", (f"%{counter}",), None, start.from_zero and step > 0))
        self.loops.append(loop)
        self.body(node.body)
        self.loops.pop()
        self.scopes.pop()
        self.go(latch, loop)
        w.begin(latch)
        w.line(f"%{following} = add nsw i64 %{counter}, {step}")
        w.jump(head, self.module.loop_mark(not self.cold and _has_sums(node)))
        self.left(loop)

    def over_items(self, node: ast.For) -> None:
        """Over a constant tuple: written out."""
        items = self.value(node.iter)
        if items.type[0] != "(":
            raise TranslationError("a loop over something else than a range or a constant tuple")
        w = self.w
        after = w.label()
        types = self.enter(node)
        for item in items.items:
            following = w.label()
            loop = _Loop(node, following, after, types)
            self.scopes.append({})
            self.assign(node.target, item)
            self.loops.append(loop)
            self.body(node.body)
            self.loops.pop()
            self.scopes.pop()
            self.go(following, loop)
            self.types = loop.new | loop.types
            w.begin(following)
        w.begin(after)

    def do_Break(self, node: ast.Break) -> None:
        self.go(self.loops[-1].after, self.loops[-1])

    def do_Continue(self, node: ast.Continue) -> None:
        self.go(self.loops[-1].on, self.loops[-1])

    def do_Return(self, node: ast.Return) -> None:
        self.leave(NOTHING if node.value is None else self.value(node.value))

    def leave(self, value: Val) -> None:
        if self.result is None:
            self.result = value.type
        if self.result != value.type:
            wide = unify(self.result, value.type)
            if wide is None:
                raise TranslationError(f"{self.node.name} returns both {self.result} and {value.type}")
            if wide != self.result:
                self.result, self.changed = wide, True
                self.w.end("unreachable")
                return
            value = self.w.cast(value, wide)
        for slot in self.owned:
            memory = self.w.new(f"load ptr, ptr {slot}")
            self.w.call("void", "free", ["ptr"], [memory])
        types = llvm_types(value.type)
        if not types:
            self.w.end("ret void")
        elif len(types) == 1:
            self.w.end(f"ret {types[0]} {value.text}")
        else:
            whole, kind = "undef", result_type(value.type)
            for k, (type, part) in enumerate(zip(types, value.parts, strict=True)):
                whole = self.w.new(f"insertvalue {kind} {whole}, {type} {part}, {k}")
            self.w.end(f"ret {kind} {whole}")

    def allocate(self, target: ast.expr, node: ast.Call) -> None:
        """``name = np.empty(size)``: memory, freed when the name is given other, and at the end. If there
        is none the function returns `NO_MEMORY`.
        """
        w = self.w
        if not isinstance(target, ast.Name) or len(node.args) != 1:
            self.unknown(node)
        count = w.cast(self.value(node.args[0]), "i")
        slot = w.slot("ptr")
        w.allocas.append(f"store ptr null, ptr {slot}")
        self.owned.append(slot)
        w.call("void", "free", ["ptr"], [w.new(f"load ptr, ptr {slot}")])
        room = w.new(f"mul i64 {count.text}, 8")
        memory = w.call("ptr", "malloc", ["i64"], [room])
        w.line(f"store ptr {memory}, ptr {slot}")
        none, some = w.label(), w.label()
        w.branch(w.new(f"icmp eq ptr {memory}, null"), none, some)
        w.begin(none)
        self.leave(constant(NO_MEMORY))
        w.begin(some)
        self.set(target.id, Val("af1", (memory, count.text)))


def _stored_twice(node: ast.FunctionDef):
    """Names given a value in more than one place, parameters among them."""
    seen = {a.arg for a in node.args.args}
    for n in ast.walk(node):
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store):
            if n.id in seen:
                yield n.id
            seen.add(n.id)


def _has_sums(node: ast.For) -> bool:
    """Whether a loop has weighted sums of its own, so that vectors pay."""
    return any(
        isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id in WEIGHTED
        for n in ast.walk(node)
    )


def _breaks(statements: list[ast.stmt]) -> bool:
    """Whether a loop of these statements is left by a break of its own."""
    for s in statements:
        if isinstance(s, ast.Break):
            return True
        if isinstance(s, ast.If) and (_breaks(s.body) or _breaks(s.orelse)):
            return True
    return False


def _rounds(node: ast.AST) -> float:
    """How often the inside of a loop runs, loops inside of it included, as far as the text says so."""
    inner = max((_rounds(child) for child in ast.iter_child_nodes(node)), default=1.0)
    if not isinstance(node, ast.For) or not isinstance(node.iter, ast.Call):
        return inner
    bounds = [a.value for a in node.iter.args if isinstance(a, ast.Constant)]
    if len(bounds) < len(node.iter.args):
        return max(inner, LONG + 1.0)  # not known: it may be long
    start, stop = ([0, *bounds] if len(bounds) == 1 else bounds)[:2]
    return inner * max(1, abs(stop - start))


def _is_empty(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Attribute) and node.func.attr == "empty"
