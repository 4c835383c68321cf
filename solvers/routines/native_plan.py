"""Arrays that native code reads, and the names under which programs find them."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable

import numpy as np

from sciad.native import llvm
from sciad.native.kernels import link_entry

__all__ = ["driver", "named", "resident"]

_resident: dict[str, np.ndarray] = {}


def resident(array: np.ndarray) -> int:
    """The address of a contiguous array's content, which is kept as long as the process lives; 0 if empty."""
    if not array.size:
        return 0
    key = f"{array.dtype.str}{array.shape}" + hashlib.sha256(array.tobytes()).hexdigest()
    return _resident.setdefault(key, np.ascontiguousarray(array).copy()).ctypes.data


def named(plan: np.ndarray, *contents) -> tuple[str, np.ndarray]:
    """Enter a plan under a name made of what it stands for, the same in every process.

    Returns the name and the plan that is known under it, which is the one that was entered first.

    Parameters
    ----------
    plan : ndarray of int64
    contents : arrays and text
        All that the plan says, without addresses.
    """
    digest = hashlib.sha256()
    for item in contents:
        digest.update(item.tobytes() if isinstance(item, np.ndarray) else repr(item).encode())
    name = f"sciad_plan_{digest.hexdigest()[:20]}"
    if name not in _resident:
        _resident[name] = plan
        llvm.provide(name, plan.ctypes.data)
    return name, _resident[name]


@functools.cache
def driver(kernel: Callable, arguments: int) -> str:
    """The name of a driver of so many int64 arguments, as machine code."""
    code = link_entry(kernel, f"int64({', '.join(['int64'] * arguments)})")
    llvm.provide(code.stem, code.address)
    return code.stem
