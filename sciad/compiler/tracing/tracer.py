"""The tracer: statements, expressions and calls together, and the services they all use."""

from __future__ import annotations

import ast
import math

import numpy as np

from sciad.compiler.functions.creation import Creation
from sciad.compiler.functions.reductions import Reductions
from sciad.compiler.ir.builder import Builder
from sciad.compiler.ir.nodes import Block, Line, Program, Site, Value
from sciad.compiler.ir.routines import RoutineSite
from sciad.compiler.objects import arrays
from sciad.compiler.objects.kinds import Array, Deferred, FrameBox, Lazy, Small
from sciad.compiler.tracing.calls import Calls, Frame
from sciad.compiler.tracing.control_flow import State
from sciad.compiler.tracing.exceptions import Exceptions
from sciad.compiler.tracing.patterns import Patterns
from sciad.compiler.tracing.source import Source
from sciad.compiler.tracing.statements import Statements
from sciad.compiler.tracing.tags import Tags


class Tracer(Statements, Calls, Exceptions, Patterns, Tags, Creation, Reductions, State):
    """One trace of a function."""

    def __init__(self, program: Program, captures, decisions: dict, detail: bool = False):
        super().__init__(program, Builder(program.body))
        self.captures, self.decisions, self.detail = captures, decisions, detail
        self.prologue = Block()
        self.prologues: dict[str, Block] = {}  # of the parts being traced, by the names of their inputs
        self.inner_count = 0  # of such parts
        self.heed = "where needed"  # zeros in derivatives taken inside, see `pullback`
        self.custom_depth = 0  # rules within which a rule is traced
        self.node: ast.AST | None = None
        self.path: tuple = ()
        self.constant_class = program.new_class()
        self.group_classes = {g.name: program.new_class() for g in program.inputs}
        self._constants: list[float] = []
        self._inputs: dict[tuple, Value] = {}
        self._sites: dict[tuple, int] = {}
        self._lines: dict[tuple, Line] = {}
        self.last_line: Line | None = None
        self._outside: dict[tuple, object] = {}
        self.auto_named: dict[Value, None] = {}
        self._primitives: set = set()
        self.argument_sizes: dict[str, int] = {}  # of the input groups, without what is captured
        self.of_numpy: set = set()  # numbers that are NumPy's, whose arithmetic does not raise
        self.start_exceptions()
        self.start_tags()

    def enter_root(self) -> None:
        """The caller of the function to trace."""
        source = Source("<caller>", "<unknown>", None, None, [], True)
        self.frame = Frame(self.box({}, cls=FrameBox), source, None, 0)

    # ----------------------------------------------------------------------------------------------

    def scratch(self, thunk):
        """The value of `thunk`, computed nowhere: for its kind."""
        with self.region(Block()):
            return thunk()

    def line_of(self, node) -> Line | None:
        number = getattr(node, "lineno", None)
        if number is None:
            return self.builder.line
        key = (self.frame.source.filename, number, id(node) if self.detail else 0)
        if key not in self._lines:
            text = ast.unparse(node) if self.detail and isinstance(node, ast.expr) else ""
            self._lines[key] = Line(key[0], number, text)
        return self._lines[key]

    def site(self):
        """Identifies the place of the program that makes an array, over restarts."""
        return (self.path, id(self.node))

    def site_of(self, exception: str, message: str) -> int:
        """The number of the place that raises here."""
        key = (exception, message, self.frame.source.filename, getattr(self.node, "lineno", 0))
        if key not in self._sites:
            self.program.sites.append(Site(exception, message, self.line_of(self.node)))
            self._sites[key] = len(self.program.sites)
        return self._sites[key]

    def leave_unless(self, cond, exception: str, message: str) -> None:
        """Leave the program with an error unless `cond`."""
        self.check(cond, self.site_of(exception, message))

    def captured_only(self, x) -> bool:
        """Whether a number or array is known, or captured as it stands: no argument has a part in it."""
        if isinstance(x, Small):
            return all(self.captured_only(x.box.slots[c]) for c in x.cells)
        if isinstance(x, Array):
            return x.mem == "C" or x.address.const >= self.argument_sizes.get(x.mem, math.inf)
        if isinstance(x, Value):
            places = [at for (mem, at), v in self._inputs.items() if v is x]
            return any(at >= self.argument_sizes.get(self.program.inputs[-1].name, math.inf) for at in places)
        return True

    def routine_site(self, routine) -> int:
        """A place at which a routine may fail."""
        self.program.sites.append(RoutineSite("SolverError", routine.name, self.line_of(self.node), routine))
        return len(self.program.sites)

    def settled(self, value):
        """A value as it may be kept: expressions computed, here and inside tuples."""
        if isinstance(value, (Lazy, Deferred)):
            return arrays.force(self, value)
        if isinstance(value, tuple) and any(isinstance(v, (Lazy, Deferred, tuple)) for v in value):
            made = [self.settled(v) for v in value]
            return type(value)(*made) if hasattr(value, "_fields") else tuple(made)
        return value

    def input(self, x: Array, at: int) -> Value:
        """An element of memory that is never written, loaded once at the start of the program."""
        key = (x.mem, at)
        if key not in self._inputs:
            line, self.builder.line = self.builder.line, None
            with self.builder.into(self.prologues.get(x.mem, self.prologue)):
                self._inputs[key] = self.builder.load(x.mem, arrays.Address(at), x.alias)
            self.builder.line = line
            self.auto_named[self._inputs[key]] = None
        return self._inputs[key]

    def input_array(self, mem: str, offset: int, shape: tuple, kind: str, site, name: str = ""):
        """An array that the caller passes in."""
        size = int(np.prod(shape, dtype=int))
        record = Array(
            mem,
            arrays.Address(offset),
            shape,
            arrays.row_major(self, shape),
            self.group_classes[mem],
            kind,
            site,
        )
        decision = self.decisions.get(site)
        if decision is None and size <= arrays.SMALL:
            return Small(self.outer_box(_Loaded(self, record, name), site), shape, tuple(range(size)), kind)
        if decision == "copy":
            with self.builder.into(self.prologue):
                made = arrays.allocate(self, shape, kind)
                arrays.fill(self, made, record, fresh=True)
            if arrays.is_outside(site):
                self.bases.lend(self.bases.of(made.address))
            return made
        return record

    def outer_box(self, slots, site):
        """A box that was there before the program began."""
        made = self.box(slots, frozenset([site]))
        made.depth = 0
        return made

    def input_scalar(self, mem: str, offset: int, kind: str, name: str):
        record = Array(mem, arrays.Address(offset), (), (), self.group_classes[mem])
        value = self.input(record, offset)
        value.name = value.name or name
        if kind == "f":
            return value
        with self.builder.into(self.prologue):
            return arrays.cast(self, value, kind)

    def lifted_input(self, capture, kind: str):
        group = self.program.inputs[-1]
        offset = group.size
        group.size += capture.size
        name = capture.path.expression.rpartition(".")[2].strip("[]'")
        if not capture.shape:
            return self.input_scalar(group.name, offset, kind, name if name.isidentifier() else "")
        return self.input_array(
            group.name, offset, capture.shape, kind, ("input", capture.path.expression), name
        )

    def static_array(self, values: np.ndarray, site):
        kind = "b" if values.dtype == bool else "i" if values.dtype.kind in "iu" else "f"
        if values.ndim == 0:
            return values.item()
        return arrays.small(self, values.shape, values.ravel().tolist(), kind, site)

    def constants(self, values) -> int:
        offset = len(self._constants)
        self._constants.extend(float(v) for v in values)
        return offset

    def constant_values(self, x: Array) -> np.ndarray:
        flat = np.array(self._constants)
        at = [
            x.address.const + sum(i * s for i, s in zip(idx, x.strides, strict=True))
            for idx in arrays.indices(x.shape)
        ]
        return flat[at].reshape(x.shape)

    def counts(self, i, n, strict: bool = True) -> bool:
        """Whether ``i < n`` (or ``<=``) is known though `n` is not a constant."""
        gap = self.affine(n) + self.affine(i) * -1
        low = gap.const + sum(c * (v.low if c > 0 else v.high) for c, v in gap.terms)
        return low >= strict

    def distinct(self, a: Array, b: Array) -> bool:
        """Whether two local arrays are known to be different allocations."""
        return self.bases.apart(self.bases.of(a.address), self.bases.of(b.address))


class _Loaded(dict):
    """Elements of an input, loaded when first asked for."""

    def __init__(self, tracer, record: Array, name: str):
        super().__init__()
        self.tracer, self.record, self.name = tracer, record, name

    def __missing__(self, k):
        value = self.tracer.input(self.record, self.record.address.const + k)
        if self.name and not value.name:
            value.name = f"{self.name}_{k}"
        if self.record.kind != "f":
            with self.tracer.builder.into(self.tracer.prologue):
                value = arrays.cast(self.tracer, value, self.record.kind)
        self[k] = value
        return value

    def get(self, k, default=None):
        return self[k]
