"""Array primitives that the IR calls whole, their derivatives, and how they are written.

============== =============================== =================================================
`Call.fn`      operands                        meaning
============== =============================== =================================================
``matmul``     c, a, b                         c = a @ b
``matmul_add`` c, a, b                         c += a @ b
``matmul_sub`` c, a, b                         c -= a @ b
``copy``       c, a                            c = a
``add``        c, a                            c += a
``zero``       c, c                            c = 0
``solve``      x, a, b                         x = a^-1 b (the front end's; `factored` replaces it)
``factor``     lu, a                           factors of a
``lu_solve``   x, lu, b, a                     x = a^-1 b; a is there for the derivative
``lu_solve_t`` x, lu, b, a                     x = a^-T b
============== =============================== =================================================
"""

from __future__ import annotations

import dataclasses
import math

from sciad.compiler.ir.builder import Builder
from sciad.compiler.ir.nodes import Address, Alloc, Block, Call, Loop, Operand, Program, Value, View
from sciad.compiler.ir.walking import blocks, key_of

# ------------------------------------------------------------ simple loops


def fill(b: Builder, mem: str, at: Operand, size: Operand, alias: int, value: float = 0.0) -> None:
    """Store `value` at `size` places from `at` on."""
    each(b, size, lambda q: b.store(mem, q + at, value, alias))


def each(b: Builder, count: Operand, body) -> None:
    """A parallel loop of ``body(address of the index)``, written out when short."""
    if isinstance(count, int) and count <= 4:
        for q in range(count):
            body(Address(q))
        return
    loop = Loop(Block(), index=Value("i", "q", 0), count=count, parallel=True)
    with b.into(loop.body):
        body(Address() + loop.index)
    b.emit(loop)


# ------------------------------------------------------------ derivatives


def factored(program: Program) -> Program:
    """In place: linear systems are solved by factors that stay for the derivatives."""
    _factored(program, program.body)
    return program


def _factored(program: Program, block: Block) -> None:
    out = []
    for node in block:
        for inner in blocks(node):
            _factored(program, inner)
        if isinstance(node, Call) and node.fn == "solve":
            a, b = node.args
            n = a.shape[0]
            alloc, lu = _array(program, (n * n + n,), node)
            out += [alloc, Call("factor", (lu,), (a,), line=node.line)]
            out.append(Call("lu_solve", node.outs, (lu, b, a), line=node.line))
        else:
            out.append(node)
    block[:] = out


def _array(program: Program, shape: tuple[int, ...], node) -> tuple[Alloc, View]:
    alias, at = program.new_class(), Value("i", "at", 0)
    strides = tuple(math.prod(shape[k + 1 :]) for k in range(len(shape)))
    alloc = Alloc(at, math.prod(shape), alias, line=node.line)
    return alloc, View("T", Address() + at, shape, strides, alias)


_ACCUMULATING = ("matmul_add", "matmul_sub", "add")


def reverse(owner, node: Call) -> None:
    """Emit the reverse of a call into the builder of the reverse transform `owner`."""
    b, program = owner.builder, owner.program

    def call(fn, out, *args):
        b.emit(Call(fn, (out,), args))

    def bar(view: View) -> View:
        mem, address, alias = owner.shadow(view.mem, view.address, view.alias)
        return dataclasses.replace(view, mem=mem, address=address, alias=alias)

    def active(view: View) -> bool:
        return key_of(program, view.mem, view.alias) in owner.active

    def kept(view: View) -> View:
        """The operand as it was: itself, or a copy made beside the call."""
        own = (node,) if any(view is out for out in node.outs) else ()
        if owner.stability.keeps_view(node, view, own):
            return view
        alloc, copy = _array(program, view.shape, node)
        if own:
            owner.after(node).extend([alloc, Call("copy", (copy,), (view,))])
        else:
            owner.before(node).extend([alloc, Call("copy", (copy,), (view,))])
        return copy

    (out,) = node.outs
    g = bar(out)
    if node.fn in ("matmul", "matmul_add", "matmul_sub"):
        a, c = node.args
        add = "matmul_sub" if node.fn == "matmul_sub" else "matmul_add"
        if active(a):
            call(add, bar(a), _matrix(g, True), _transposed(_matrix(kept(c), True)))
        if active(c):
            call(add, bar(c), _transposed(_matrix(kept(a), False)), _matrix(g, True))
    elif node.fn in ("lu_solve", "lu_solve_t"):
        lu, rhs, a = node.args
        plain = node.fn == "lu_solve"
        alloc, w = _array(program, out.shape, node)
        owner.before(node).append(alloc)
        call("lu_solve_t" if plain else "lu_solve", w, kept(lu), g, kept(a))
        if active(rhs):
            call("add", bar(rhs), w)
        if active(a):
            left, right = (w, kept(out)) if plain else (kept(out), w)
            call("matmul_sub", bar(a), _matrix(left, True), _transposed(_matrix(right, True)))
    elif node.fn in ("copy", "add"):
        if active(node.args[0]):
            call("add", bar(node.args[0]), g)
    elif node.fn == "factor":
        return
    else:
        assert node.fn == "zero", node.fn
    if node.fn not in _ACCUMULATING:
        call("zero", g, g)


def forward(owner, node: Call) -> None:
    """Emit the tangent of a call, after the call."""
    b, program = owner.builder, owner.program

    def call(fn, out, *args):
        b.emit(Call(fn, (out,), args))

    def dot(view: View) -> View:
        return dataclasses.replace(view, mem=f"{view.mem}_dot")

    def active(view: View) -> bool:
        return key_of(program, view.mem, view.alias) in owner.active

    (out,) = node.outs
    if node.fn in ("matmul", "matmul_add", "matmul_sub"):
        a, c = node.args
        further = "matmul_sub" if node.fn == "matmul_sub" else "matmul_add"
        first = node.fn
        for x, left, right in ((a, dot(a), c), (c, a, dot(c))):
            if active(x):
                call(first, dot(out), left, right)
                first = further
        if first == "matmul":
            call("zero", dot(out), dot(out))
    elif node.fn in ("lu_solve", "lu_solve_t"):
        lu, rhs, a = node.args
        alloc, r = _array(program, out.shape, node)
        b.emit(alloc)
        if active(rhs):
            call("copy", r, dot(rhs))
        else:
            call("zero", r, r)
        if active(a):
            da = dot(a) if node.fn == "lu_solve" else _transposed(dot(a))
            call("matmul_sub", _matrix(r, True), da, _matrix(out, True))
        call(node.fn, dot(out), lu, r, a)
    elif node.fn in ("copy", "add"):
        (x,) = node.args
        if active(x):
            call(node.fn, dot(out), dot(x))
        elif node.fn == "copy":
            call("zero", dot(out), dot(out))
    elif node.fn == "zero":
        call("zero", dot(out), dot(out))
    else:
        assert node.fn == "factor", node.fn


def _matrix(view: View, column: bool) -> View:
    """A vector as a column, or a row."""
    if len(view.shape) == 2:
        return view
    shape, strides = (
        ((view.shape[0], 1), (view.strides[0], 1)) if column else ((1, view.shape[0]), (1, view.strides[0]))
    )
    return dataclasses.replace(view, shape=shape, strides=strides)


def _transposed(view: View) -> View:
    return dataclasses.replace(view, shape=view.shape[::-1], strides=view.strides[::-1])


# ------------------------------------------------------------ text


def call_text(emitter, node: Call) -> str:
    """A call of the kernel in `sciad.native.matrix_kernels` that does it."""

    def place(view: View, column: bool = True) -> str:
        view = _matrix(view, column)
        text = emitter.index(view.mem, view.address)
        at = text[len(view.mem) + 1 : -1] if text != view.mem else "0"
        return f"{view.mem}, {at}, {view.strides[0]}, {view.strides[1]}"

    out = node.outs[0]
    shape = _matrix(out, True).shape
    if node.fn.startswith("matmul"):
        a, b = (_matrix(x, column) for x, column in zip(node.args, (False, True), strict=True))
        scale, add = ("-1.0" if node.fn == "matmul_sub" else "1.0"), node.fn != "matmul"
        through_blas = _gemm(emitter, _matrix(out, True), a, b, scale, add)
        if through_blas is not None:
            return through_blas
        size = f"{a.shape[0]}, {a.shape[1]}, {b.shape[1]}"
        return _call(emitter, "matmul", place(out), place(a), place(b), size, scale, add)
    if node.fn in ("copy", "add", "zero"):
        keep, scale = {"copy": ("0.0", "1.0"), "add": ("1.0", "1.0"), "zero": ("0.0", "0.0")}[node.fn]
        source = node.args[0]
        if node.fn == "zero":
            emitter.functions.add("clear")
            return f"clear({place(out)}, {shape[0]}, {shape[1]})"
        return _call(emitter, "combine", place(out), place(source), f"{shape[0]}, {shape[1]}", keep, scale)
    lu = node.args[0] if node.fn != "factor" else out
    factors = place(lu).rsplit(", ", 2)[0]
    if node.fn == "factor":
        (a,) = node.args
        return _call(emitter, "factor", factors, place(a), a.shape[0])
    _, b, _ = node.args
    return _call(
        emitter,
        "substitute",
        place(out),
        factors,
        place(b),
        f"{shape[0]}, {shape[1]}",
        node.fn == "lu_solve_t",
    )


LARGE, NARROW = 32**3, 8  # multiplications from which on BLAS is faster; and the least dimension


def _gemm(emitter, c: View, a: View, b: View, scale: str, add: bool) -> str | None:
    """A call of BLAS for matrices that are large, and consecutive along rows or along columns."""
    m, k, n = *a.shape, b.shape[1]
    if m * k * n < LARGE or min(m, k, n) < NARROW:
        return None
    if c.strides[0] != 1:  # by rows: the transposed product
        a, b, c = _transposed(b), _transposed(a), _transposed(c)
        m, n = n, m
    parts = []
    for x in (c, a, b):
        turned = x.strides[0] != 1
        if (1 not in x.strides) or (turned and x is c) or max(x.strides) < x.shape[1 if turned else 0]:
            return None
        text = emitter.index(x.mem, x.address)
        parts += [] if x is c else [turned]
        parts += [x.mem, text[len(x.mem) + 1 : -1], x.strides[0 if turned else 1]]
    return _call(emitter, "gemm", *parts, m, n, k, scale, add)


def _call(emitter, name: str, *parts) -> str:
    emitter.functions.add(name)
    return f"{name}({', '.join(map(str, parts))})"
