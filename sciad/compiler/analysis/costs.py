"""What operations cost, roughly: to weigh computing something again against keeping it."""

from __future__ import annotations

from sciad.compiler.ir.nodes import Op
from sciad.compiler.ir.op_traits import traits_of

__all__ = ["cost"]


def cost(node: Op) -> float:
    """Price of an operation, a multiplication being 0.4."""
    price = traits_of(node.fn).cost
    return 0.5 * price if node.out.type == "i" and price < 1.0 else price
