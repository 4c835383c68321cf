"""`grad`, `jvp`, `jacobian`, `vmap` and their like inside of compiled functions.

Each traces the function it is given as a `Part`, differentiates that as any program, and puts the result in
place; what a transform of the eager core returns is a `Bound` of one of the functions here.
"""

from __future__ import annotations

import numpy as np

from sciad.compiler.derivatives.jacobian import jacobian as jacobian_program
from sciad.compiler.derivatives.pullback import pullback
from sciad.compiler.derivatives.pushforward import pushforward
from sciad.compiler.fence import Refusal
from sciad.compiler.functions.lowerings import lower
from sciad.compiler.ir.walking import accesses, is_arena, walk
from sciad.compiler.objects import arrays
from sciad.compiler.objects.kinds import Array, Bound, ListBox, is_array, is_scalar
from sciad.compiler.tracing.inner_programs import (
    Leaves,
    Part,
    inlined,
    store_leaf,
)
from sciad.compiler.tracing.structures import flatten
from sciad.transforms import checkpoint as checkpoints
from sciad.transforms import gradients, jacobians


def _callable(t, f, what: str) -> None:
    if is_array(f) or is_scalar(f) or isinstance(f, ListBox | tuple | str):
        raise Refusal(f"{what} of {t.describe(f)}: only functions can be differentiated")


def _numbers(t, argnums, args, what: str) -> list[int]:
    """Positions of the arguments to differentiate in."""
    given = [argnums] if type(argnums) is int else flatten(t, argnums)[0]
    if not all(type(n) is int for n in given):
        raise Refusal(f"{what}: argnums must be the position of an argument, or a tuple of them")
    for n in given:
        if not -len(args) <= n < len(args):
            raise Refusal(
                f"{what}: argnums={argnums}, but the function was called with {len(args)} arguments"
            )
    found = [n % len(args) for n in given]
    if len(set(found)) < len(found):
        raise Refusal(f"{what}: argnums={argnums} names an argument twice")
    return found


def _tuple(t, x):
    """A tuple of the traced program."""
    return tuple(t.items(x)) if isinstance(x, tuple | ListBox) else (x,)


# ------------------------------------------------------------ gradients


@lower(gradients.grad)
def _grad(t, f, argnums=0):
    _callable(t, f, "ad.grad")
    return Bound(_call_grad, (f, argnums))


@lower(gradients.value_and_grad)
def _value_and_grad(t, f, argnums=0, has_aux=False):
    _callable(t, f, "ad.value_and_grad")
    return Bound(_call_value_and_grad, (f, argnums, has_aux))


def _call_grad(f, argnums, /, *args, **kwargs):
    """Stands for the function that `grad` returns."""


def _call_value_and_grad(f, argnums, has_aux, /, *args, **kwargs):
    """Stands for the function that `value_and_grad` returns."""


@lower(_call_grad)
def _apply_grad(t, f, argnums, /, *args, **kwargs):
    return _gradient(t, f, argnums, False, args, kwargs, "ad.grad")[1]


@lower(_call_value_and_grad)
def _apply_value_and_grad(t, f, argnums, has_aux, /, *args, **kwargs):
    return _gradient(t, f, argnums, has_aux, args, kwargs, "ad.value_and_grad")


def _gradient(t, f, argnums, has_aux, args, kwargs, what):
    numbers = _numbers(t, argnums, args, what)
    part = Part(t, f, args, kwargs, numbers, what)
    out = part.results
    if (
        not out.leaves
        or out.kinds[0] is None
        or out.shapes[0] != ()
        or (not has_aux and len(out.leaves) != 1)
    ):
        shape = (
            f"an array of shape {arrays.show_shape(out.shapes[0])}" if out.leaves and out.shapes[0] else "it"
        )
        raise Refusal(
            f"{what}: the function returns {shape}, not one number",
            "Sum it, pick an entry, or use ad.jacobian or ad.vjp.",
        )
    seeds = [1.0] + [0.0] * (out.size - 1)
    x = part.elements()
    found = inlined(
        part, pullback(part.program, {part.name}, t.heed), {part.name: x, "out_bar": seeds},
        {"out": out.size, f"{part.name}_bar": part.size},
    )  # fmt: skip
    bars = part.inputs_from(found[f"{part.name}_bar"])
    value = part.results_from(found["out"])
    return value, (bars[0] if type(argnums) is int else tuple(bars))


# ------------------------------------------------------------ linear maps


class _Linear:
    """A function at a point, to be pushed forward or pulled back later."""

    def __init__(self, t, f, primals, what: str, later: bool):
        self.t, self.what = t, what
        self.part = part = Part(t, f, list(primals), {}, list(range(len(primals))), what)
        self.x = part.elements(kept=later)
        self.depth, self.reads = len(t._journals), self._outside()
        self.programs: dict = {}

    def _outside(self) -> dict:
        """How often arrays of the trace that the program reads have been written."""
        t = self.t
        root = t.program.root
        own = {root(n.alias) for n in walk(self.part.program.body) if hasattr(n, "size") and is_arena(n.mem)}
        read = {
            root(alias)
            for n in walk(self.part.program.body)
            for kind, mem, _, alias in accesses(n)
            if kind == "load" and is_arena(mem) and root(alias) not in own
        }
        blocks = [*t.builder._blocks, t.builder.block]
        written_ = dict.fromkeys(read, 0)
        for block in blocks if read else ():
            for n in walk(block):
                for kind, _, _, alias in accesses(n):
                    if kind == "store" and root(alias) in written_:
                        written_[root(alias)] += 1
        return written_

    def _same(self) -> None:
        if self.reads and (self._outside() != self.reads or len(self.t._journals) != self.depth):
            raise Refusal(
                f"an array that a function given to {self.what} reads may have been written before its "
                "derivative is asked for",
                "Give it to the function as an argument.",
            )

    def program(self, kind, make):
        if kind not in self.programs:
            self.programs[kind] = make(self.part.program, {self.part.name}, self.t.heed)
        return self.programs[kind]

    def value(self):
        part = self.part
        found = inlined(part, part.program, {part.name: self.x}, {"out": part.results.size})
        return part.results_from(found["out"])

    def pushed(self, dots):
        """Value and tangent."""
        part, size = self.part, self.part.results.size
        self._same()
        program = self.program("pushforward", pushforward)
        found = inlined(
            part, program, {part.name: self.x, f"{part.name}_dot": dots}, {"out": size, "out_dot": size}
        )
        return part.results_from(found["out"]), part.results_from(found["out_dot"], dots=True)

    def tangents(self, tangents):
        """Tangents of the arguments as one vector."""
        t, part = self.t, self.part
        parts = []
        for k, (given, tangent) in enumerate(zip(part.given, tangents, strict=True)):
            if tangent is None:
                parts.append([0.0] * given.size)
                continue
            moved = Leaves(t, tangent, f"a tangent of {self.what}")
            if moved.structure != given.structure or moved.shapes != given.shapes:
                raise Refusal(f"{self.what}: tangent {k} has not the structure of its primal")
            parts.append(_masked(t, moved, given))
        if len(parts) == 1:
            return parts[0]
        return _joined(t, parts)

    def pulled(self, bars):
        """Cotangents of the arguments, as one vector, for cotangents of the results as one."""
        part = self.part
        self._same()
        program = self.program("pullback", pullback)
        name = f"{part.name}_bar"
        return inlined(part, program, {part.name: self.x, "out_bar": bars}, {name: part.size})[name]

    def cotangents(self, cotangent):
        """Cotangents of the results as one vector."""
        given = Leaves(self.t, cotangent, f"a cotangent of {self.what}")
        out = self.part.results
        if given.structure != out.structure or given.shapes != out.shapes:
            raise Refusal(f"{self.what}: the cotangent has not the structure of the output")
        return _masked(self.t, given, out)


def _masked(t, moved: Leaves, given: Leaves):
    """Numbers for those of `given`; truth values, and what is no number, do not move."""
    if "b" not in given.kinds:
        return moved.elements()
    found = []
    for k, kind in enumerate(given.kinds):
        if kind is None:
            continue
        x = moved.leaves[k]
        for idx in arrays.indices(given.shapes[k]):
            found.append(0.0 if kind == "b" else t.builder.to_float(arrays.element(t, x, idx)))
    return found


def _joined(t, parts: list):
    if all(isinstance(p, list) for p in parts):
        return [x for p in parts for x in p]
    size = sum(len(p) if isinstance(p, list) else arrays.size_of(t, p.shape) for p in parts)
    made, at = arrays.allocate(t, (size,), "f"), 0
    for p in parts:
        n = len(p) if isinstance(p, list) else arrays.size_of(t, p.shape)
        target = Array(made.mem, made.address + at, (n,), (1,), made.alias)
        if isinstance(p, list):
            for k, x in enumerate(p):
                arrays.store(t, target, (k,), x, fresh=True)
        else:
            flat = Array(p.mem, p.address, (n,), (1,), p.alias)
            store_leaf(t, target, flat)
        at += n
    return made


@lower(gradients.jvp)
def _jvp(t, f, primals, tangents):
    _callable(t, f, "ad.jvp")
    primals, tangents = _tuple(t, primals), _tuple(t, tangents)
    if len(primals) != len(tangents):
        raise Refusal(
            f"ad.jvp: {len(primals)} primals and {len(tangents)} tangents",
            "Give one tangent (or None) per primal.",
        )
    moved = [k for k, d in enumerate(tangents) if d is not None]
    linear = _Linear.__new__(_Linear)
    linear.t, linear.what, linear.programs, linear.reads = t, "ad.jvp", {}, {}
    linear.part = Part(t, f, list(primals), {}, moved, "ad.jvp")
    linear.x = linear.part.elements()
    return linear.pushed(linear.tangents([tangents[k] for k in moved]))


@lower(jacobians.hvp)
def _hvp(t, f, primals, tangents):
    primals, tangents = _tuple(t, primals), _tuple(t, tangents)
    argnums = 0 if len(primals) == 1 else tuple(range(len(primals)))
    return _jvp(t, _grad(t, f, argnums), primals, tangents)[1]


@lower(gradients.vjp)
def _vjp(t, f, /, *primals):
    _callable(t, f, "ad.vjp")
    linear = _Linear(t, f, primals, "ad.vjp", later=True)
    return linear.value(), Bound(_call_pullback, (linear,))


@lower(gradients.linearize)
def _linearize(t, f, /, *primals):
    _callable(t, f, "ad.linearize")
    linear = _Linear(t, f, primals, "ad.linearize", later=True)
    return linear.value(), Bound(_call_pushforward, (linear,))


def _call_pullback(linear, cotangent):
    """Stands for the pullback that `vjp` returns."""


def _call_pushforward(linear, /, *tangents):
    """Stands for the function that `linearize` returns."""


@lower(_call_pullback)
def _apply_pullback(t, linear, cotangent):
    return tuple(linear.part.inputs_from(linear.pulled(linear.cotangents(cotangent))))


@lower(_call_pushforward)
def _apply_pushforward(t, linear, /, *tangents):
    if len(tangents) != len(linear.part.given):
        raise Refusal(f"ad.linearize: {len(tangents)} tangents for {len(linear.part.given)} primals")
    return linear.pushed(linear.tangents(tangents))[1]


# ------------------------------------------------------------ Jacobians


@lower(jacobians.jacobian)
def _jacobian(t, f, argnums=0, mode="auto"):
    _callable(t, f, "ad.jacobian")
    if mode not in ("auto", "forward", "reverse"):
        raise Refusal(f"mode={mode!r}: choose 'auto', 'forward' or 'reverse'")
    return Bound(_call_jacobian, (f, argnums, mode))


@lower(jacobians.hessian)
def _hessian(t, f, argnums=0):
    return _jacobian(t, _grad(t, f, argnums), argnums, "forward")


def _call_jacobian(f, argnums, mode, /, *args, **kwargs):
    """Stands for the function that `jacobian` returns."""


@lower(_call_jacobian)
def _apply_jacobian(t, f, argnums, mode, /, *args, **kwargs):
    numbers = _numbers(t, argnums, args, "ad.jacobian")
    part = Part(t, f, args, kwargs, numbers, "ad.jacobian")
    n, m = part.size, part.results.size
    x = part.elements(kept=True)
    if mode == "forward" or (mode == "auto" and n <= m):
        matrix = inlined(
            part, jacobian_program(part.program, part.name, t.heed), {part.name: x}, {"J": n * m}
        )["J"]
    else:
        matrix = _by_rows(t, part, x)
    blocks = []
    out = part.results
    for o, kind in enumerate(out.kinds):
        if kind is None:
            raise Refusal("ad.jacobian: the function returns something that is no number")
        trees = [
            given.tree(
                [
                    _block(
                        t,
                        matrix,
                        n,
                        (out.at[o], out.shapes[o]),
                        (at + given.at[k], given.shapes[k]),
                        (o, i, k),
                    )
                    if given.kinds[k] is not None
                    else given.leaves[k]
                    for k in range(len(given.leaves))
                ]
            )
            for i, (given, at) in enumerate(zip(part.given, part.at, strict=True))
        ]
        blocks.append(trees[0] if type(argnums) is int else tuple(trees))
    return out.tree(blocks)


def _block(t, matrix, n: int, out: tuple, given: tuple, mark):
    """The derivatives of one leaf in another."""
    (row, rows), (column, columns) = out, given
    shape = (*rows, *columns)
    if isinstance(matrix, Array):
        strides = (*(s * n for s in arrays.row_major(t, rows)), *arrays.row_major(t, columns))
        record = Array(matrix.mem, matrix.address + (row * n + column), shape, strides, matrix.alias)
        return record if shape else arrays.element(t, record, ())
    cells = [
        matrix[(row + i) * n + column + j]
        for i in range(int(np.prod(rows, dtype=int)))
        for j in range(int(np.prod(columns, dtype=int)))
    ]
    return arrays.small(t, shape, cells, "f", (*t.site(), "block", mark)) if shape else cells[0]


def _by_rows(t, part: Part, x):
    """The Jacobian by one reverse sweep for each entry of the result."""
    program, name = pullback(part.program, {part.name}, t.heed), f"{part.name}_bar"
    n, m = part.size, part.results.size

    def row(seeds):
        return inlined(part, program, {part.name: x, "out_bar": seeds}, {name: n})[name]

    if m <= arrays.SHORT:
        rows = [row([float(i == j) for j in range(m)]) for i in range(m)]
        if all(isinstance(r, list) for r in rows):
            return [e for r in rows for e in r]
        return _joined(t, rows)
    rows = arrays.allocate(t, (m, n), "f")

    def fill(i):
        seeds = arrays.allocate(t, (m,), "f", zero=True)
        arrays.store(t, seeds, (i,), 1.0)
        found = row(seeds)
        target = Array(
            rows.mem, rows.address + t.affine(t.builder.op(np.multiply, i, n)), (n,), (1,), rows.alias
        )
        for j, e in enumerate(found if isinstance(found, list) else ()):
            arrays.store(t, target, (j,), e)
        if isinstance(found, Array):
            store_leaf(t, target, found)

    t.loop(fill, count=m, name="i", live_head=set(), live=set())
    return Array(rows.mem, rows.address, (m * n,), (1,), rows.alias)


# ------------------------------------------------------------ less memory


@lower(checkpoints.checkpoint)
def _checkpoint(t, f):
    _callable(t, f, "ad.checkpoint")
    return f
