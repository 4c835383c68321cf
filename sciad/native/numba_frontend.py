"""numba as a translator only: Python to LLVM, without optimisation or machine code.

numba optimises every function that another one calls by itself, and again inside each caller, and makes
machine code of it each time; for nested kernels that is a third of the time to compile them. What is
translated here is optimised once, as a whole, by `llvm`.
"""

from __future__ import annotations

from sciad import private_interfaces as private

__all__ = ["lifted", "start_runtime", "translating"]


def translating():
    """Within it, functions without a wrapper for Python, and C functions, are linked but not finished."""
    return private.linking_only(_has_no_python_wrapper)


def _has_no_python_wrapper(module) -> bool:
    return not any(not f.is_declaration and f.name.startswith("_ZN7cpython") for f in module.functions)


def lifted(function) -> tuple[str, str]:
    """LLVM text behind a ``cfunc``, and the symbol of its C function."""
    return private.cfunc_text(function)


def start_runtime() -> None:
    """Enter numba's own functions, such as those that count references, among LLVM's symbols."""
    private.nrt.initialize(private.cpu_target.target_context)
