"""Everything used of Python, NumPy, SciPy and numba that its owner does not promise to keep, in one place.

What is here may change with any minor release of its owner. So the dependencies of this package are bounded
to versions tried, nothing else in the package uses such a name, and ``missing()`` says which are gone.
Imports nothing of sciad; numba and scipy.special only when a name of theirs is asked for.

======== ======================================== =======================================================
owner    interface                                used for
======== ======================================== =======================================================
CPython  counts of references                     may an array be written in place: nobody else holds it
CPython  frames, byte code, instruction numbers   who asks for a number: ``a[i] = x``, ``"%f" % x``
CPython  ``METH_FASTCALL``, size of objects       calls of compiled code in 0.2 us
NumPy    layout of arrays in memory               the same
NumPy    ``_NoValue``, ``_core.umath.clip``       signatures of NumPy's own functions
NumPy    classes of results of ``linalg``         results of the same kind as NumPy's
SciPy    two ufuncs, ``__pyx_capi__``             derivatives of polygamma, zeta, lambertw; compiled calls
SciPy    ``group_columns``                        sparse Jacobians: which columns are found together
numba    libraries of a code generator            to translate only, and to optimise once, elsewhere
numba    arrays in LLVM, intrinsics               views and stack arrays without reference counts
======== ======================================== =======================================================
"""

from __future__ import annotations

import ast
import contextlib
import ctypes
import dis
import functools
import importlib
import inspect
import linecache
import opcode
import sys
from collections.abc import Callable

import numpy as np

__all__ = [  # and the keys of _LATER
    "NO_VALUE",
    "array_layout_is_known",
    "builtin",
    "capsule",
    "clip_ufunc",
    "count_references",
    "exceptions_waited_for",
    "formats_by_percent",
    "frame_above",
    "missing",
    "stores_an_item",
]

# -- CPython -------------------------------------------------------------------------------------------------

# Called where it stands, for a function around it would hold one more reference.
count_references = sys.getrefcount
frame_above = sys._getframe


def stores_an_item(frame) -> bool:
    """Whether the frame is at ``a[i] = x`` or ``a[i:j] = x``, which Python 3.12 and later tell apart."""
    return dis.opname[frame.f_code.co_code[frame.f_lasti]].startswith(("STORE_SUBSCR", "STORE_SLICE"))


def exceptions_waited_for(frame) -> list[tuple[str, ...]]:
    """Names of the exceptions that the ``try`` waits for in which a frame is, each as a dotted name in parts;
    a bare ``except`` waits for BaseException.
    """
    code, at, found = frame.f_code, frame.f_lasti, []
    instructions = None
    targets = [e.target for e in dis._parse_exception_table(code) if e.start <= at < e.end]
    while targets:
        target = targets.pop()
        instructions = instructions or list(dis.get_instructions(code))
        loaded, fresh = [], True
        for i in instructions:
            if i.offset < target or i.opname in ("PUSH_EXC_INFO", "CACHE"):
                continue
            if i.opname == "POP_TOP" and fresh:
                found.append(("BaseException",))
                break
            fresh = False
            if i.opname.startswith("LOAD_") and isinstance(i.argval, str):
                loaded = (
                    [*loaded[:-1], (*loaded[-1], i.argval)]
                    if i.opname == "LOAD_ATTR"
                    else [*loaded, (i.argval,)]
                )
            elif i.opname == "CHECK_EXC_MATCH":
                found += loaded
            elif i.opname == "RERAISE":
                break
            elif i.opname not in ("BUILD_TUPLE", "PUSH_NULL"):
                loaded = []
        # what is raised in a handler, or not caught by it, goes to the one around it
        targets += [
            e.target
            for e in dis._parse_exception_table(code)
            if e.start <= target < e.end and e.target > target
        ]
    return found


def formats_by_percent(frame) -> bool:
    """Whether the frame is at ``a % b``, such as ``"%.3f" % x``."""
    number, argument = frame.f_code.co_code[frame.f_lasti : frame.f_lasti + 2]
    return dis.opname[number].startswith("BINARY_OP") and argument == _REMAINDER


def called(frame):
    """What the call that a frame is at calls, if the source names it: a name, its attributes, items."""
    line, end, column, stop = list(frame.f_code.co_positions())[frame.f_lasti // 2]
    if None in (line, end, column, stop):
        return None
    lines = linecache.getlines(frame.f_code.co_filename, frame.f_globals)[line - 1 : end]
    if not lines:
        return None
    lines = [text.encode() for text in lines]
    lines[-1] = lines[-1][:stop]
    lines[0] = lines[0][column:]
    try:
        call = ast.parse(b"".join(lines).decode().strip(), mode="eval").body
        callee = _value_of(call.func, frame) if isinstance(call, ast.Call) else None
    except Exception:
        return None
    while callee.__class__ is functools.partial:
        callee = callee.func
    return callee


def _value_of(node, frame):
    """The value of an expression that can be looked up without calling anything of the user's."""
    if isinstance(node, ast.Name):
        if node.id in frame.f_locals:
            return frame.f_locals[node.id]
        return frame.f_globals[node.id]
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Attribute):
        return inspect.getattr_static(_value_of(node.value, frame), node.attr)
    if isinstance(node, ast.Subscript):
        home = _value_of(node.value, frame)
        if home.__class__ in (dict, list, tuple):
            return home[_value_of(node.slice, frame)]
    raise LookupError


_REMAINDER = next(
    (k for k, (name, *_) in enumerate(getattr(opcode, "_nb_ops", ())) if name == "NB_REMAINDER"), None
)


def builtin(address: int, name: str) -> Callable:
    """A Python function from the address of C code with the signature of ``METH_FASTCALL``."""
    definition = _MethodDef(name.encode(), address, _FASTCALL, None)
    _definitions.append(definition)  # CPython keeps a pointer to it
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = [ctypes.POINTER(_MethodDef), ctypes.c_void_p, ctypes.c_void_p]
    return make(ctypes.byref(definition), None, None)


class _MethodDef(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


_FASTCALL = 0x80
_definitions: list[_MethodDef] = []

# -- NumPy ---------------------------------------------------------------------------------------------------

NO_VALUE = np._NoValue
clip_ufunc = np._core.umath.clip

# PyArrayObject_fields and PyArray_Descr of ndarraytypes.h, in bytes
WORD = ctypes.sizeof(ctypes.c_void_p)
HEAD = object.__basicsize__
TYPE = HEAD - WORD  # of every object
DATA = HEAD
COUNT = HEAD + WORD
DIMENSIONS = HEAD + 2 * WORD
DESCR = HEAD + 5 * WORD
FLAGS = HEAD + 6 * WORD
CODE = HEAD + WORD + 1  # of a descr: the character code; the byte order follows
USABLE = 0x0001 | 0x0100 | 0x0400  # C-contiguous, aligned, writable


def array_layout_is_known() -> bool:
    """Whether arrays lie in memory as the offsets above say."""
    array = np.zeros((3, 5))

    def at(address, offset, kind):
        return kind.from_address(address + offset).value

    word = ctypes.c_void_p
    dimensions = at(id(array), DIMENSIONS, word)
    found = (
        at(id(array), TYPE, word),
        at(id(array), DATA, word),
        at(id(array), COUNT, ctypes.c_int),
        [ctypes.c_int64.from_address(dimensions + 8 * j).value for j in range(2)],
        at(id(array), FLAGS, ctypes.c_int) & USABLE,
        ctypes.string_at(at(id(array), DESCR, word) + CODE, 2),
    )
    return found == (id(np.ndarray), array.ctypes.data, 2, [3, 5], USABLE, b"d=")


# -- SciPy ---------------------------------------------------------------------------------------------------


def cython_functions(module) -> dict:
    """The C functions of a module written in Cython, as capsules."""
    return module.__pyx_capi__


def plain_cython_name(name: str) -> str:
    """Without what Cython puts before the name of one of several functions for different types."""
    return name.removeprefix("__pyx_fuse_").lstrip("0123456789_") if "__pyx_fuse" in name else name


def capsule(item) -> tuple[str, int]:
    """Signature and address of a C function."""
    signature = _capsule_name(item)
    return signature.decode(), _capsule_pointer(item, signature)


_capsule_name = ctypes.pythonapi.PyCapsule_GetName
_capsule_name.restype, _capsule_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.restype, _capsule_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]

# -- names taken from elsewhere when they are asked for ------------------------------------------------------

_LATER = {
    "hurwitz_zeta": "scipy.special:_ufuncs._zeta",
    "group_columns": "scipy.optimize:_numdiff.group_columns",
    "lambertw_ufunc": "scipy.special:_ufuncs._lambertw",
    "EighResult": "numpy.linalg:_linalg.EighResult",
    "QRResult": "numpy.linalg:_linalg.QRResult",
    "SlogdetResult": "numpy.linalg:_linalg.SlogdetResult",
    "SVDResult": "numpy.linalg:_linalg.SVDResult",
    "Intrinsic": "numba.core.extending:_Intrinsic",
    "cgutils": "numba.core:cgutils",
    "make_array": "numba.np.arrayobj:make_array",
    "populate_array": "numba.np.arrayobj:populate_array",
    "compiler_lock": "numba.core.compiler_lock:global_compiler_lock",
    "cpu_target": "numba.core.registry:cpu_target",
    "nrt": "numba.core.runtime:rtsys",
}

# Attributes used of what is behind those names.
_USED = {
    "Intrinsic": ("_register",),
    "cgutils": (
        "alloca_once",
        "alloca_once_value",
        "for_range",
        "get_or_insert_function",
        "pack_array",
        "unpack_tuple",
    ),
    "compiler_lock": ("__enter__", "__exit__"),
    "cpu_target": ("target_context",),
    "nrt": ("initialize",),
}


def __getattr__(name: str):
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home, _, path = _LATER[name].partition(":")
    try:
        value = importlib.import_module(home)
        for part in path.split("."):
            value = getattr(value, part)
    except (ImportError, AttributeError) as error:
        owner = home.partition(".")[0]
        version = getattr(importlib.import_module(owner), "__version__", "")
        raise ImportError(
            f"{owner} {version} has no {home}.{path}, which sciad needs; install a version of {owner} that "
            "sciad's own requirements allow"
        ) from error
    globals()[name] = value
    return value


# -- numba ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def linking_only(which: Callable):
    """Within it, numba links the libraries of code for whose LLVM module ``which`` holds, and does no more:
    it neither optimises them nor makes machine code.

    numba's code generator belongs to the whole process, and so do functions compiled for both sides. So it
    makes libraries of another class meanwhile, under numba's own lock: what other threads compile waits.
    """
    with __getattr__("compiler_lock"):
        codegen = __getattr__("cpu_target").target_context.codegen()
        ordinary, set_env = codegen._library_class, codegen.set_env

        def set_env_if_there(name, env):
            if codegen._engine.get_global_value_address(name):
                set_env(name, env)

        codegen._library_class, codegen.set_env = _linked_library(ordinary, which), set_env_if_there
        try:
            yield
        finally:
            codegen._library_class, codegen.set_env = ordinary, set_env


@functools.cache
def _linked_library(ordinary: type, which: Callable) -> type:
    class LinkedLibrary(ordinary):
        def finalize(self):
            if not which(self._final_module):
                super().finalize()
                return
            for other in dict.fromkeys(self._linking_libraries):
                self._reload_init.update(other._reload_init)
                self._final_module.link_in(other._get_module_for_linking(), preserve=True)
            self._finalize_dynamic_globals()
            self._finalized = True

    return LinkedLibrary


_OF_A_CODEGEN = ("_engine", "_library_class", "create_library", "set_env")
_OF_A_LIBRARY = ("_final_module", "_finalize_dynamic_globals", "_finalized", "_get_module_for_linking")
_OF_A_LIBRARY += ("_linking_libraries", "_reload_init", "finalize")


def cfunc_text(function) -> tuple[str, str]:
    """LLVM text behind a ``numba.cfunc``, and the symbol of its C function."""
    return str(function._library._final_module), function._wrapper_name


# -- what is gone --------------------------------------------------------------------------------------------


def missing() -> list[str]:
    """What of all this the installed packages do not have."""
    gone = []
    for name, where in _LATER.items():
        try:
            value = globals()[name] if name in globals() else __getattr__(name)
        except ImportError:
            gone.append(where.replace(":", "."))
            continue
        gone += [
            f"{where.replace(':', '.')}.{used}" for used in _USED.get(name, ()) if not hasattr(value, used)
        ]
    if not gone:
        gone += _missing_in_a_library()
    if _REMAINDER is None:
        gone.append("opcode._nb_ops")
    if not hasattr(dis, "_parse_exception_table"):
        gone.append("dis._parse_exception_table")
    if not array_layout_is_known():
        gone.append("NumPy's layout of arrays")
    return gone


def _missing_in_a_library() -> list[str]:
    codegen = __getattr__("cpu_target").target_context.codegen()
    gone = [f"numba's code generator: {name}" for name in _OF_A_CODEGEN if not hasattr(codegen, name)]
    if not gone:
        if not hasattr(codegen._engine, "get_global_value_address"):
            gone.append("numba's execution engine: get_global_value_address")
        library = codegen.create_library("probe")
        gone += [f"numba's library of code: {name}" for name in _OF_A_LIBRARY if not hasattr(library, name)]
    function = importlib.import_module("numba").cfunc("float64(float64)")(_same)
    for name in ("_library", "_wrapper_name"):
        if not hasattr(function, name):
            gone.append(f"numba's cfunc: {name}")
    return gone


def _same(x):
    return x
