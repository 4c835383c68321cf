"""Derivatives of the array primitives that the IR calls whole: `Call` of "matmul", "matmul_add" and "solve"."""

from __future__ import annotations

from .build import Builder
from .ir import Address, Block, Call, Loop, Operand, Value


def reverse(owner, node: Call) -> None:
    raise NotImplementedError(node.fn)


def forward(owner, node: Call) -> None:
    raise NotImplementedError(node.fn)


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
