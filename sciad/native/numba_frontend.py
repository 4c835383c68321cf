"""numba as a translator only: Python to LLVM, without optimisation or machine code.

numba optimises every function that another one calls by itself, and again inside each caller, and makes
machine code of it each time; for nested kernels that is a third of the time to compile them. What is
translated here is optimised once, as a whole, by `sciad.native.llvm`.
"""

from __future__ import annotations

import contextlib
import threading

__all__ = ["translating"]


@contextlib.contextmanager
def translating():
    """Within it, functions without a wrapper for Python, and C functions, are linked but not finished."""
    from numba.core.codegen import JITCodeLibrary, JITCPUCodegen

    with _guard:
        finalize, set_env = JITCodeLibrary.finalize, JITCPUCodegen.set_env

        def link(library):
            if _has_python_wrapper(library):
                finalize(library)
                return
            for other in dict.fromkeys(library._linking_libraries):
                library._reload_init.update(other._reload_init)
                library._final_module.link_in(other._get_module_for_linking(), preserve=True)
            library._finalize_dynamic_globals()
            library._finalized = True

        def set_env_if_there(codegen, name, env):
            if codegen._engine.get_global_value_address(name):
                set_env(codegen, name, env)

        JITCodeLibrary.finalize, JITCPUCodegen.set_env = link, set_env_if_there
        try:
            yield
        finally:
            JITCodeLibrary.finalize, JITCPUCodegen.set_env = finalize, set_env


_guard = threading.RLock()


def _has_python_wrapper(library) -> bool:
    functions = library._final_module.functions
    return any(not f.is_declaration and f.name.startswith("_ZN7cpython") for f in functions)
