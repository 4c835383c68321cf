"""What a linked kernel is made of, in one hash: so that a process that finds it compiled need not write
its text again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

__all__ = ["fingerprint"]


def fingerprint(entry: Callable, signature: str, constants: dict[str, Any], options: str) -> str:
    """Hash of the byte code of ``entry`` and of all kernels it reaches, and of every value they see by a
    global name.
    """
    hash = hashlib.sha256(f"{signature}\n{options}\n".encode())
    seen: set = set()
    for name in sorted(constants):
        hash.update(name.encode())
        _value(hash, constants[name], constants, seen)
    _value(hash, entry, constants, seen)
    return hash.hexdigest()[:20]


def _value(hash, value, constants, seen) -> None:
    if getattr(value, "is_kernel", False):
        if value in seen:
            hash.update(value.__name__.encode())
            return
        seen.add(value)
        code = value.__code__
        hash.update(code.co_code + repr((code.co_consts, code.co_names, code.co_varnames)).encode())
        hash.update(f"{getattr(value, 'is_apart', False)}{getattr(value, 'is_cold', False)}".encode())
        for name in value.__code__.co_names:
            if name in constants:
                hash.update(name.encode())
            elif name in value.__globals__:
                _value(hash, value.__globals__[name], constants, seen)
    elif isinstance(value, np.ndarray):
        hash.update(f"{value.dtype}{value.shape}".encode() + value.tobytes())
    elif isinstance(value, bool | int | float | str | tuple | list):
        hash.update(repr(value).encode())
    elif isinstance(value, ModuleType):
        hash.update(value.__name__.encode())
    else:
        hash.update(
            f"{getattr(value, '__module__', '')}.{getattr(value, '__name__', type(value).__name__)}".encode()
        )
