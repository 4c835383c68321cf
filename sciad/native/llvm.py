"""Machine code by LLVM: modules put together, optimised, written as object code, loaded and called.

numba translates generated Python to LLVM's bitcode (`code`); everything after that happens here, without
numba, so a process that finds its object code on disk never imports numba at all. A kernel and the model
it calls are linked as bitcode: the calls become direct and small models are inlined, for the price of
optimising the two once more (about 0.1 s) instead of compiling a kernel for each model (some seconds).
"""

from __future__ import annotations

import ctypes
import functools
import platform
import threading
from collections.abc import Callable

import llvmlite.binding as llvm
import numpy as np

__all__ = ["address_of", "builtin", "emit", "host", "load", "optimize", "parse"]


def parse(text: str | bytes) -> llvm.ModuleRef:
    """A module, from assembly or bitcode, to change and to link into others."""
    _initialize()
    return llvm.parse_bitcode(text) if isinstance(text, bytes) else llvm.parse_assembly(text)


def optimize(unit: llvm.ModuleRef, keep: set[str], wide: bool = False) -> None:
    """Optimise a module of which only the functions named in ``keep`` are called from outside.

    ``wide`` allows the widest vectors there are: good for long loops, and a third slower in solver loops of
    a few numbers, where vectors are stored and loaded again in parts.
    """
    for item in (*unit.functions, *unit.global_variables):
        if not item.is_declaration and item.name not in keep and item.linkage != llvm.Linkage.private:
            item.linkage = llvm.Linkage.internal
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = True
    builder = llvm.create_pass_builder(_machine(wide), options)
    builder.getModulePassManager().run(unit, builder)


def emit(unit: llvm.ModuleRef, wide: bool = False) -> bytes:
    """Object code; ``wide`` as for `optimize`."""
    return _machine(wide).emit_object(unit)


def load(code: bytes) -> None:
    """Make the functions of object code callable in this process."""
    with _guard:
        _engine().add_object_file(llvm.ObjectFileRef.from_data(code))
        _engine().finalize_object()


def address_of(symbol: str) -> int:
    """Address of a function that was loaded."""
    with _guard:
        return _engine().get_function_address(symbol)


def builtin(address: int, name: str) -> Callable:
    """A Python function from the address of C code with the signature of CPython's ``METH_FASTCALL``."""
    definition = _MethodDef(name.encode(), address, _FASTCALL, None)
    _definitions.append(definition)  # CPython keeps a pointer to it
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = [ctypes.POINTER(_MethodDef), ctypes.c_void_p, ctypes.c_void_p]
    return make(ctypes.byref(definition), None, None)


@functools.cache
def host() -> tuple[str, str]:
    """Name and features of this processor."""
    return llvm.get_host_cpu_name() or "generic", llvm.get_host_cpu_features().flatten()


class _MethodDef(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


_FASTCALL = 0x80
_definitions: list[_MethodDef] = []
_guard = threading.RLock()


@functools.cache
def _initialize() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.set_option("", "-slp-max-reg-size=256")  # scalars gathered to 8 at a time cost more than they save
    llvm.add_symbol("sciad_ndarray", id(np.ndarray))
    llvm.add_symbol("sciad_TypeError", id(TypeError))


@functools.cache
def _machine(wide: bool) -> llvm.TargetMachine:
    return _new_machine(wide)


def _new_machine(wide: bool) -> llvm.TargetMachine:
    _initialize()
    cpu, features = host()
    if wide and "+avx512f" in features:  # which LLVM does not use of itself on many processors
        features += ",-prefer-256-bit"
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(cpu=cpu, features=features, opt=3, jit=True)


@functools.cache
def _engine():
    _initialize()
    # LLVM's own memory manager may place code too far from what it calls on this processor.
    careful = platform.machine().lower() in ("arm64", "aarch64")
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), _new_machine(False), use_lmm=careful)
