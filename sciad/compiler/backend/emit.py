"""IR to readable Python: the user's names and lines, expressions instead of single operations.

The text is written once and runs twice: compiled, where memories are pointers, and as plain Python on arrays.
"""

from __future__ import annotations

import keyword
import math
import os
from dataclasses import dataclass

import numpy as np

from sciad.compiler.analysis.parallel_loops import sums
from sciad.compiler.backend.array_call_text import call_text
from sciad.compiler.backend.routine_call_text import MEMORY, routine_call_lines
from sciad.compiler.backend.workspace import Layout, lay_out
from sciad.compiler.ir.builder import type_of
from sciad.compiler.ir.nodes import (
    Address,
    Alloc,
    Block,
    Check,
    If,
    Loop,
    Op,
    Operand,
    Program,
    RoutineCall,
    Store,
    Value,
)
from sciad.compiler.ir.op_traits import traits_of
from sciad.compiler.ir.walking import ARENAS, merges, operands, walk

WIDTH = 60  # of an expression

_BINARY = {
    np.add: ("+", 10),
    np.subtract: ("-", 10),
    np.multiply: ("*", 11),
    np.divide: ("/", 11),
    np.floor_divide: ("//", 11),
    np.remainder: ("%", 11),
    np.power: ("**", 13),
    np.less: ("<", 6),
    np.less_equal: ("<=", 6),
    np.greater: (">", 6),
    np.greater_equal: (">=", 6),
    np.equal: ("==", 6),
    np.not_equal: ("!=", 6),
    np.logical_and: ("&", 9),
    np.logical_or: ("|", 8),
}
_NEGATE, _NOT, _ATOM = 12, 5, 20
_RESERVED = set(f"w C range abs int float max min inf nan stop status {MEMORY}".split()) | {
    f"{a}_mark" for a in ARENAS
}
_CALLED = {"select": "where", "int": "int", "float": "float", "stop": "float", np.absolute: "abs"}


@dataclass
class Text:
    """`body`: the lines of one function; `functions`: names it calls; `parameters` in order; `keeps`: whether
    it calls routines, which may leave memory behind."""

    name: str
    parameters: list[tuple[str, bool]]
    body: list[str]
    functions: set[str]
    layout: Layout
    constants: np.ndarray
    keeps: bool = False

    @property
    def wrapped(self) -> bool:
        """Whether something has to be done around the function."""
        return self.grows or self.keeps

    @property
    def grows(self) -> bool:
        return any(self.layout.grows.values())


def emit(program: Program) -> Text:
    """Write a program as the body of a function of its parameters and the workspace ``w``."""
    emitter = _Emitter(program)
    text = emitter.run()
    if emitter.functions.isdisjoint(emitter.names.values()):
        return text
    return _Emitter(program, emitter.functions).run()  # a variable has the name of a function called here


class _Emitter:
    def __init__(self, program: Program, reserved: set[str] = frozenset()):
        self.program = program
        self.layout = lay_out(program)
        self.lines: list[str] = []
        self.depth = 1
        self.functions: set[str] = set()
        self.scalars = {g.name for g in program.parameters if g.scalar}
        self.taken = {g.name for g in program.parameters} | _RESERVED | reserved
        self.names: dict[Value, str] = {}
        self.folded: dict[Value, tuple[str, int]] = {}
        self.place = None
        self.bumped: list[str] = []
        self.uses: dict[Value, int] = {}
        self.sums: set[int] = set()
        for node in walk(program.body):
            for v in (*operands(node), *merges(node)):
                self.uses[v] = self.uses.get(v, 0) + 1

    def run(self) -> Text:
        self.arenas()
        self.block(self.program.body, [])
        self.line("return 0")
        parameters = [(g.name, g.scalar) for g in self.program.parameters]
        name = self.program.name if self.program.name.isidentifier() else "program"
        keeps = any(isinstance(node, RoutineCall) for node in walk(self.program.body))
        return Text(name, parameters, self.lines, self.functions, self.layout, self.program.constants, keeps)

    def arenas(self) -> None:
        """Name the parts of the workspace."""
        layout, start = self.layout, "0"
        for arena in ARENAS:
            capacity = f"{arena}_size" if layout.grows[arena] else str(layout.size[arena])
            for twin in layout.twins[arena]:
                self.taken.add(twin)
                self.line(f"{twin} = w" if start == "0" else f"{twin} = shift(w, {start})")
                if start != "0":
                    self.functions.add("shift")
                if capacity.isdigit() and start.isdigit():
                    start = str(int(start) + int(capacity))
                else:
                    start = capacity if start == "0" else f"{start} + {capacity}"
            bumped = any(
                isinstance(n, Alloc) and n.mem == arena and n.out not in layout.fixed
                for n in walk(self.program.body)
            )
            if bumped and layout.twins[arena]:
                self.bumped.append(arena)
                self.line(f"{arena}_top = {layout.top[arena]}")

    # ------------------------------------------------------------ text

    def line(self, text: str, node=None) -> None:
        comment = ""
        if node is not None and node.line is not None:
            place = (node.line.file, node.line.number)
            if place != self.place:
                self.place = place
                comment = f"  # {os.path.basename(place[0])}:{place[1]}"
        self.lines.append("    " * self.depth + text + comment)

    def name(self, v: Value) -> str:
        if v in self.layout.fixed:
            return str(self.layout.fixed[v])
        if v not in self.names:
            plain = v.name.isidentifier() and v.name.strip("_") and not keyword.iskeyword(v.name)
            base = v.name if plain else "v"
            name, k = base, 0
            while name in self.taken:
                k += 1
                name = f"{base}_{k}"
            self.taken.add(name)
            self.names[v] = name
        return self.names[v]

    def expression(self, x: Operand, level: int = 0, type: str | None = None) -> str:
        if isinstance(x, Value):
            text, own = self.folded.get(x) or (self.name(x), _ATOM)
            if type == "f" and x.type == "b":
                self.functions.add("where")
                text, own = f"where({text}, 1.0, 0.0)", _ATOM
        else:
            text = _literal(x, type)
            own = _NEGATE if text.startswith("-") else _ATOM
        return f"({text})" if own < level else text

    def operation(self, node: Op) -> tuple[str, int]:
        fn, args = node.fn, node.args
        type = "f" if any(type_of(a) == "f" for a in args) else None
        if id(node) in self.sums:  # may be summed in any order
            name = "plus" if fn is np.add else "minus"
            self.functions.add(name)
            return f"{name}({self.expression(args[0])}, {self.expression(args[1])})", _ATOM
        if fn in _BINARY:
            sign, level = _BINARY[fn]
            logical = fn in (np.logical_and, np.logical_or)
            comparison = level == 6
            left = level + 1 if comparison or fn is np.power else level
            right = level + (0 if fn is np.power else 1)
            if logical:
                left = right = 9.5 if fn is np.logical_and else 8.5
            a = self.expression(args[0], left, type)
            b = self.expression(args[1], right, None if fn is np.power else type)
            tight = fn in (np.multiply, np.divide, np.power, np.floor_divide, np.remainder)
            return (f"{a}{sign}{b}" if tight else f"{a} {sign} {b}"), level
        if fn is np.negative:
            return "-" + self.expression(args[0], _NEGATE), _NEGATE
        if fn is np.logical_not:
            return "not " + self.expression(args[0], _NOT + 1), _NOT
        if fn in ("int", "float") and type_of(args[0]) == "b":
            self.functions.add("where")
            return f"where({self.expression(args[0])}, {'1, 0' if fn == 'int' else '1.0, 0.0'})", _ATOM
        if node.out.type == "i" and fn is np.sign:
            self.functions.add("where")
            x = self.expression(args[0], 7)
            return f"where({x} > 0, 1, where({x} < 0, -1, 0))", _ATOM
        if node.out.type == "i" and traits_of(fn).of_ints:
            return f"{traits_of(fn).of_ints}({', '.join(self.expression(a) for a in args)})", _ATOM
        name = _CALLED.get(fn) or fn.__name__
        if name not in ("int", "float", "abs"):
            self.functions.add(name)
        types = ["b", node.out.type, node.out.type] if fn == "select" else ["f"] * len(args)
        if name in ("int", "float", "abs"):
            types = [None] * len(args)
        inside = [self.expression(a, 0, t) for a, t in zip(args, types, strict=True)]
        return f"{name}({', '.join(inside)})", _ATOM

    def index(self, mem: str, address: Address) -> str:
        if mem in self.scalars:
            return mem
        const, parts = address.const, []
        for c, v in address.terms:
            if v in self.layout.fixed:
                const += c * self.layout.fixed[v]
            else:
                name = self.expression(v, 10 if c == 1 else 12)
                parts.append((name if abs(c) == 1 else f"{abs(c)}*{name}", c < 0))
        text = ""
        for part, negative in sorted(parts, key=lambda p: p[1]):
            text += (" - " if negative else " + ") + part if text else ("-" + part if negative else part)
        if const or not text:
            text = f"{text} {'-' if const < 0 else '+'} {abs(const)}" if text else str(const)
        return f"{mem}[{text}]"

    # ------------------------------------------------------------ nodes

    def block(self, block: Block, ends: list) -> None:
        """Emit nodes; `ends` are operands used at the end of the block, in the text of the caller."""
        consumer: dict[Value, object] = {}
        for node in block:
            if isinstance(node, Op | Store | If | Check):
                for v in operands(node):
                    consumer[v] = node
            elif isinstance(node, Loop):
                for v in operands(node):
                    if v is not node.count:
                        consumer[v] = node
        for v in ends:
            if isinstance(v, Value):
                consumer[v] = block
        for node in block:
            if (
                isinstance(node, Op)
                and not node.out.name
                and self.uses.get(node.out) == 1
                and node.out in consumer
            ):
                text, level = self.operation(node)
                if len(text) <= WIDTH:
                    self.folded[node.out] = text, level
                    continue
                self.line(f"{self.name(node.out)} = {text}", node)
                continue
            getattr(self, type(node).__name__)(node)

    def Op(self, node):
        text, _ = self.operation(node)
        self.line(f"{self.name(node.out)} = {text}", node)

    def Load(self, node):
        if node.mem in self.scalars:
            self.names[node.out] = node.mem
        else:
            self.line(f"{self.name(node.out)} = {self.index(node.mem, node.address)}", node)

    def Store(self, node):
        sign = "+=" if node.add else "="
        self.line(f"{self.index(node.mem, node.address)} {sign} {self.expression(node.value, 0, 'f')}", node)

    def Alloc(self, node):
        if node.out in self.layout.fixed:
            at = self.layout.fixed[node.out]
        else:
            at = self.name(node.out)
            top = f"{node.mem}_top"
            self.line(f"{at} = {top}", node)
            if node.size != 0 if isinstance(node.size, int) else True:
                self.line(f"{top} += {self.expression(node.size)}")
                if self.layout.grows[node.mem]:
                    self.line(f"if {top} > {node.mem}_size: return {-1 - ARENAS.index(node.mem)}")
        if node.zero and node.mem in self.layout.twins[node.mem]:
            self.functions.add("fill")
            self.line(f"fill({node.mem}, {at}, {self.expression(node.size)}, 0.0)", node)

    def Check(self, node):
        self.line(f"if not {self.expression(node.cond, _NOT + 1)}: return {node.site}", node)

    def Call(self, node):
        self.line(call_text(self, node), node)

    def RoutineCall(self, node):
        for text in routine_call_lines(self, node):
            self.line(text, node)

    def If(self, node):
        head = len(self.lines)
        self.line(f"if {self.expression(node.cond)}:", node)
        for phi in node.phis:
            self.name(phi.out)
        for side, arm in (("then", node.then), ("orelse", node.orelse)):
            if side == "orelse":
                middle = len(self.lines)
                self.line("else:")
            self.depth += 1
            self.block(arm, [getattr(phi, side) for phi in node.phis])
            self.assign([(phi.out, getattr(phi, side)) for phi in node.phis])
            self.depth -= 1
        if len(self.lines) == middle + 1:
            self.lines.pop()
        elif middle == head + 1:
            self.lines.insert(middle, "    " * (self.depth + 1) + "pass")
        if middle == head + 1 and len(self.lines) == middle:
            self.lines.pop()

    def assign(self, pairs) -> None:
        """Simultaneous assignment; what would change nothing is left out."""
        pairs = [(self.name(out), self.expression(x, 0, out.type)) for out, x in pairs]
        pairs = [(a, b) for a, b in pairs if a != b]
        targets = {a for a, _ in pairs}
        if len(pairs) > 1 and any(set(_words(b)) & (targets - {a}) for a, b in pairs):
            self.line(f"{', '.join(a for a, _ in pairs)} = {', '.join(b for _, b in pairs)}")
        else:
            for a, b in pairs:
                self.line(f"{a} = {b}")

    def Loop(self, node):
        counter = None
        if node.count is None or node.trip is not None:
            counter = node.index if node.trip is None else node.trip
        for c in node.carried:
            self.names[c.out] = self.name(c.param)
            self.sums.update(id(op) for op in sums(node, c, self.uses) or ())
        self.assign([(c.param, c.init) for c in node.carried])
        if counter is not None:
            text = self.name(counter)
            if node.index is not None:
                self.names[node.index] = text
            self.line(f"{text} = 0")
        for arena in self.bumped if node.scratch else ():
            self.line(f"{arena}_mark = {arena}_top")
        if node.count is not None:
            index = "_" if counter is not None or node.index is None else self.name(node.index)
            self.line(f"for {index} in range({self.expression(node.count)}):", node)
        else:
            self.line("while True:", node)
        start = len(self.lines)
        self.depth += 1
        if node.pre is not None:
            self.block(node.pre, [node.cond])
            cond = self.expression(node.cond)
            if len(self.lines) == start:
                self.lines[-1] = self.lines[-1].replace("while True:", f"while {cond}:", 1)
            else:
                self.line(f"if not ({cond}): break")
        for arena in self.bumped if node.scratch else ():
            self.line(f"{arena}_top = {arena}_mark")
        self.block(node.body, [node.stop, *(c.next for c in node.carried)])
        stop = None
        if node.stop is not None:
            stop = self.expression(node.stop)
            changed = {self.name(c.param) for c in node.carried} | (
                {self.name(counter)} if counter is not None else set()
            )
            if set(_words(stop)) & changed:
                self.line(f"stop = {stop}")
                stop = "stop"
        self.assign([(c.param, c.next) for c in node.carried])
        if counter is not None:
            self.line(f"{self.name(counter)} += 1")
        if stop is not None:
            self.line(f"if {stop}: break")
        if len(self.lines) == start:
            self.line("pass")
        self.depth -= 1


def _words(text: str) -> list[str]:
    return "".join(ch if ch.isalnum() or ch == "_" else " " for ch in text).split()


def _literal(x, type: str | None) -> str:
    if type == "f" or isinstance(x, float):
        x = float(x)
        if math.isnan(x):
            return "nan"
        if math.isinf(x):
            return "inf" if x > 0 else "-inf"
    return repr(x)
