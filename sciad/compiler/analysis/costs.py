"""What operations cost, roughly: to weigh computing something again against keeping it."""

from __future__ import annotations

import numpy as np

from sciad.compiler.ir.builder import times
from sciad.compiler.ir.nodes import Op

__all__ = ["cost"]

_DEAR = {
    np.divide: 3.0,
    np.reciprocal: 3.0,
    np.sqrt: 3.0,
    np.power: 20.0,
    np.floor_divide: 3.0,
    np.remainder: 5.0,
}
_CHEAP = {
    np.add,
    np.subtract,
    np.multiply,
    times,
    np.negative,
    np.absolute,
    np.maximum,
    np.minimum,
    np.sign,
    np.copysign,
}
_CHEAP |= {
    np.less,
    np.less_equal,
    np.greater,
    np.greater_equal,
    np.equal,
    np.not_equal,
    np.isnan,
    np.isfinite,
}
_CHEAP |= {np.logical_and, np.logical_or, np.logical_not, np.floor, np.ceil, "select", "int", "float", "stop"}


def cost(node: Op) -> float:
    """Price of an operation, a multiplication being 0.4."""
    if node.fn in _CHEAP:
        return 0.2 if node.out.type == "i" else 0.4
    return _DEAR.get(node.fn, 8.0)
