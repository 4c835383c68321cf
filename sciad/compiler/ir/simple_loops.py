"""Loops that transforms write: over consecutive elements, in any order."""

from __future__ import annotations

from collections.abc import Callable

from sciad.compiler.ir.builder import Builder
from sciad.compiler.ir.nodes import Address, Block, Loop, Operand, Value

__all__ = ["each", "fill"]


def fill(b: Builder, mem: str, at: Operand, size: Operand, alias: int, value: float = 0.0) -> None:
    """Store `value` at `size` places from `at` on."""
    each(b, size, lambda q: b.store(mem, q + at, value, alias))


def each(b: Builder, count: Operand, body: Callable[[Address], None]) -> None:
    """A parallel loop of ``body(address of the index)``, written out when short."""
    if isinstance(count, int) and count <= 4:
        for q in range(count):
            body(Address(q))
        return
    loop = Loop(Block(), index=Value("i", "q", 0), count=count, parallel=True)
    with b.into(loop.body):
        body(Address() + loop.index)
    b.emit(loop)
