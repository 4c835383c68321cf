"""Machine code by LLVM: modules put together, optimised, written as object code, loaded and called.

numba translates generated Python to LLVM's bitcode (`code`); everything after that happens here, without
numba, so a process that finds its object code on disk never imports numba at all. A kernel and the model
it calls are linked as bitcode: the calls become direct and small models are inlined, for the price of
optimising the two once more (about 0.1 s) instead of compiling a kernel for each model (some seconds).
"""

from __future__ import annotations

import functools
import platform
import threading

import llvmlite.binding as llvm
import numpy as np

from sciad.private_interfaces import array_layout_is_known

__all__ = ["address_of", "emit", "host", "load", "optimize", "parse", "provide", "provided"]


def parse(text: str | bytes) -> llvm.ModuleRef:
    """A module, from assembly or bitcode, to change and to link into others."""
    _initialize()
    if isinstance(text, bytes):
        return llvm.parse_bitcode(text)
    unit = llvm.parse_assembly(text)
    if not unit.data_layout:
        unit.triple, unit.data_layout = llvm.get_process_triple(), str(_machine(False).target_data)
    return unit


def optimize(
    unit: llvm.ModuleRef, keep: set[str], wide: bool = False, unrolled: bool = True, gathered: bool = True
) -> None:
    """Optimise a module of which only the functions named in ``keep`` are called from outside.

    ``wide`` allows the widest vectors there are: good for long loops, and a third slower in solver loops of
    a few numbers, where vectors are stored and loaded again in parts. ``unrolled`` allows the bodies of loops
    to be repeated: needed where loops are over two or three numbers, else more code than it saves time.
    ``gathered`` looks for scalars that can be computed together as vectors: in very long straight lines that
    takes half of the time and finds next to nothing.
    """
    for item in (*unit.functions, *unit.global_variables):
        if not item.is_declaration and item.name not in keep and item.linkage != llvm.Linkage.private:
            item.linkage = llvm.Linkage.internal
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization, options.slp_vectorization = True, gathered
    options.loop_unrolling = unrolled
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


def provide(symbol: str, address: int) -> None:
    """Let code that is loaded from now on name what lies at an address."""
    _initialize()
    with _guard:
        llvm.add_symbol(symbol, address)
        _provided[symbol] = address


def provided(symbol: str) -> int:
    """The address behind a name that was entered by `provide`."""
    return _provided[symbol]


_provided: dict[str, int] = {}


@functools.cache
def host() -> tuple[str, str]:
    """Name and features of this processor."""
    return llvm.get_host_cpu_name() or "generic", llvm.get_host_cpu_features().flatten()


_guard = threading.RLock()


@functools.cache
def _initialize() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    if not array_layout_is_known():  # where the fields of arrays are is written into all code that is kept
        raise ImportError(f"NumPy {np.__version__} lays out arrays in a way that sciad does not know")
    if "+avx512f" in host()[1]:
        # Scalars gathered to 8 at a time cost more than they save. LLVM has this as an option of the process
        # alone: code that numba compiles for others is vectorised to 4 at a time too, where no loop is.
        llvm.set_option("", "-slp-max-reg-size=256")
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
