"""Running IR in plain Python: the reference that compiled code is checked against, and the twin that
locates failures.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sciad.compiler.ir import nodes as ir
from sciad.compiler.ir.array_calls import ARRAY_CALLS
from sciad.compiler.ir.routines import run as run_routine
from sciad.compiler.ir.walking import ARENAS, is_arena
from sciad.native.memory_blocks import free_blocks


class Left(Exception):
    """The program left through a `Check`, whose `site` it is, or through a routine that failed."""

    def __init__(self, site: int, report: int = 0):
        self.site, self.report = site, report


def run(program: ir.Program, *inputs, watch: Callable[[ir.Node, list], None] | None = None) -> np.ndarray:
    """The flat output of `program` for one array (or number, for a scalar group) per input group.

    Parameters
    ----------
    watch : called after each `Op`, `Load` and `Store` with the node and the values of its operands and
    result.
    """
    memory = {
        g.name: np.atleast_1d(np.asarray(x, float)).ravel()
        for g, x in zip(program.inputs, inputs, strict=False)
    }
    memory["out"] = np.zeros(program.n_out)
    execute(program, memory, watch)
    return memory["out"]


def execute(program: ir.Program, memory: dict[str, np.ndarray], watch=None) -> None:
    """Run any program, also a derived one, on flat arrays for its parameters, written in place."""
    machine = _Machine(dict(memory), watch)
    machine.memory["C"] = program.constants
    try:
        with np.errstate(all="ignore"):
            machine.block(program.body)
    finally:
        free_blocks(machine.kept.ctypes.data)


class _Machine:
    def __init__(self, memory, watch):
        self.memory, self.watch, self.env = memory, watch, {}
        self.kept = np.zeros(1, dtype=np.int64)  # memory that routines leave behind
        self.top = dict.fromkeys(ARENAS, 0)

    def get(self, x):
        return self.env[x] if isinstance(x, ir.Value) else x

    def at(self, address: ir.Address) -> int:
        index = address.const + sum(c * self.env[v] for c, v in address.terms)
        if index < 0:
            raise IndexError(f"address {index} of {address}")
        return index

    def block(self, block: ir.Block) -> None:
        for node in block:
            getattr(self, type(node).__name__)(node)

    def Op(self, node):
        args = [self.get(a) for a in node.args]
        value = _apply(node.fn, args)
        self.env[node.out] = {"f": float, "i": int, "b": bool}[node.out.type](value)
        if self.watch:
            self.watch(node, args + [self.env[node.out]])

    def Load(self, node):
        self.env[node.out] = float(self.place(node.mem)[self.at(node.address)])
        if self.watch:
            self.watch(node, [self.env[node.out]])

    def Store(self, node):
        mem, i, value = self.place(node.mem), self.at(node.address), self.get(node.value)
        mem[i] = mem[i] + value if node.add else value
        if self.watch:
            self.watch(node, [value])

    def Alloc(self, node):
        size = int(self.get(node.size))
        self.env[node.out] = self.top[node.mem]
        self.top[node.mem] = top = self.top[node.mem] + size
        for mem in {node.mem, *(m for m in self.memory if is_arena(m) and m[0] == node.mem)}:
            held = self.memory.get(mem, np.zeros(0))
            if top > held.size:
                self.memory[mem] = np.concatenate([held, np.full(top, np.nan)])
        if node.zero:
            self.memory[node.mem][top - size : top] = 0.0

    def place(self, mem: str) -> np.ndarray:
        """A memory; those of an arena's twins are made when first met."""
        if mem not in self.memory and is_arena(mem):
            self.memory[mem] = np.full(max(64, self.top[mem[0]]), np.nan)
        return self.memory[mem]

    def Call(self, node):
        out, *args = [self.window(v) for v in node.outs + node.args]
        ARRAY_CALLS[node.fn].run(out, *args)

    def Custom(self, node):
        (given,) = node.body.inputs
        self.memory[given], self.memory[node.body.result] = map(self.window, (*node.args, *node.outs))
        self.block(node.body.block)

    def RoutineCall(self, node):
        views = [np.ascontiguousarray(self.window(v)) for v in (*node.outs, *node.args)]
        split = len(node.outs)
        report = run_routine(node.fn, views[:split], views[split:], self.kept)
        if report:
            raise Left(node.site, report)
        for view, values in zip(node.outs, views[:split], strict=True):
            self.window(view)[...] = values

    def window(self, view: ir.View) -> np.ndarray:
        flat = self.place(view.mem)[self.at(view.address) :]
        return np.lib.stride_tricks.as_strided(flat, view.shape, [8 * s for s in view.strides])

    def Check(self, node):
        if not self.get(node.cond):
            raise Left(node.site)

    def If(self, node):
        taken = bool(self.get(node.cond))
        self.block(node.then if taken else node.orelse)
        for phi in node.phis:
            self.env[phi.out] = self.get(phi.then if taken else phi.orelse)

    def Loop(self, node):
        current = [self.get(c.init) for c in node.carried]
        trip = 0
        count = self.get(node.count) if node.count is not None else None
        while count is None or trip < count:
            for c, value in zip(node.carried, current, strict=False):
                self.env[c.param] = value
            if node.index is not None:
                self.env[node.index] = trip
            if node.pre is not None:
                self.block(node.pre)
                if not self.get(node.cond):
                    break
            trip += 1
            self.block(node.body)
            current = [self.get(c.next) for c in node.carried]
            if node.stop is not None and self.get(node.stop):
                break
        for c, value in zip(node.carried, current, strict=False):
            self.env[c.out] = value
        if node.trip is not None:
            self.env[node.trip] = trip


def _apply(fn, args):
    if fn == "int":
        return int(args[0]) if np.isfinite(args[0]) else 0
    if fn in ("float", "stop"):
        return float(args[0])
    if fn == "select":
        return args[1] if args[0] else args[2]
    if fn in (np.floor_divide, np.remainder) and type(args[0]) is type(args[1]) is int:
        return 0 if args[1] == 0 else (args[0] // args[1] if fn is np.floor_divide else args[0] % args[1])
    return fn(*args)
