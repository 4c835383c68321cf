"""Machine code from kernels: functions written in plain Python, put together with their constants and
compiled once.

``link(entry, signature, constants)`` gathers the sources of ``entry`` and of every function marked
``@kernel`` that it reaches, writes them with the constants as literals into one module of the cache
folder, and returns the compiled function; ``Kernel.serving`` puts the models it calls into it.
``interpret(entry, constants)`` runs the same text as ordinary Python.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import math
import re
import textwrap
from collections.abc import Callable, Sequence
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from sciad.native import runtime
from sciad.native.cache import digest, load_module
from sciad.native.cache_folders import cache_folder
from sciad.native.code import Code, bound, compiled
from sciad.native.fingerprint import fingerprint
from sciad.native.placeholders import Placeholder
from sciad.native.python_entries import Signature
from sciad.native.python_entries import signature as read_signature
from sciad.native.specialize import copied, specialize

__all__ = [
    "Kernel",
    "apart",
    "as_apart",
    "cache_folder",
    "cold",
    "interpret",
    "kernel",
    "link",
    "link_entry",
    "linked_source",
    "load_module",
]

FASTMATH = ("contract", "nsz")


def kernel(function: Callable) -> Callable:
    """Mark a function as one that ``link`` may write into a compiled module. It stays an ordinary
    function.
    """
    function.is_kernel = True
    return function


def apart(function: Callable) -> Callable:
    """Mark a kernel that is not to be inlined by force: it is large and called from several places."""
    function.is_apart = True
    return kernel(function)


@functools.cache
def as_apart(function: Callable) -> Callable:
    """The same kernel, marked so: where it pays for some sizes only."""
    return apart(functools.update_wrapper(_same(function), function))


def _same(function: FunctionType) -> FunctionType:
    return FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__)


def cold(function: Callable) -> Callable:
    """Mark a kernel that runs seldom: it stays a function of its own, small rather than fast."""
    function.is_cold = True
    return apart(function)


def link(
    entry: Callable,
    signature: str,
    constants: dict[str, Any] | None = None,
    fastmath: tuple[str, ...] = FASTMATH,
    unrolled: bool = True,
) -> Kernel:
    """Compile ``entry`` and the kernels it reaches, with ``constants`` as literals.

    Parameters
    ----------
    entry : callable
        A function marked ``@kernel``.
    signature : str
        Such as ``"int64(float64[::1], int64)"``: arrays are C-contiguous.
    constants : dict, optional
        Values of the placeholders used by the kernels (see `sciad.native.placeholders`), by name: numbers,
        strings, nested tuples of numbers, NumPy arrays, or other kernels to be called under that name.
        Module-level numbers and tuples of the kernels' own modules need not be named here. Tuples and arrays
        indexed by constants (also by variables of ``unroll`` loops) vanish.
    fastmath : tuple of str
        LLVM flags; the default keeps NaN and infinities as they are.
    unrolled : bool
        Whether LLVM may repeat the bodies of loops: for loops over two or three numbers.

    Returns
    -------
    kernel : Kernel
        Releases the GIL. Compiled at the first call on this machine, read from the cache folder afterwards.
    """
    constants = constants or {}
    options = _options(fastmath)
    form = read_signature(signature)
    key = digest(fingerprint(entry, signature, constants, options))

    def text() -> str:
        return _linked_module(entry, form, constants, options)

    code = compiled(text, entry.__name__, _ENTRY, form, key, unrolled=unrolled)
    return Kernel(code, form)


def link_entry(entry: Callable, signature: str, constants: dict[str, Any] | None = None) -> Code:
    """As `link`, but the result is the code of a C function, whose address other kernels call.

    Parameters
    ----------
    signature : str
        Pointers are ``CPointer(float64)`` and the like; kernels make arrays of them by ``numba.carray``.
    """
    constants = constants or {}
    options = _options(FASTMATH)
    key = digest(fingerprint(entry, f"C {signature}", constants, options))

    def text() -> str:
        *inner, last = _parts(entry, constants, options)
        return "\n\n".join([*inner, f"@cfunc({signature!r}, {options})\n" + last.split("\n", 1)[1]])

    return compiled(text, entry.__name__, entry.__name__, None, key)


def _options(fastmath: tuple[str, ...]) -> str:
    return "error_model='numpy', fastmath={" + ", ".join(repr(flag) for flag in sorted(fastmath)) + "}"


class Kernel:
    """A compiled kernel, to be called with NumPy arrays and numbers.

    Attributes
    ----------
    enter : callable
        The same without this object's own overhead.
    """

    def __init__(self, code: Code, form: Signature):
        self.code, self.form = code, form

    @property
    def enter(self) -> Callable:
        return self.code.enter

    def __call__(self, *arguments):
        return self.enter(*arguments)

    def serving(self, table: Sequence[Code | int] | None) -> Callable:
        """This kernel with code it calls in it, to be called with the same arguments; what is passed as the
        first one, the table of addresses and numbers, is not read. Without a table, the kernel as it is.
        """
        return self.code_serving(table).enter

    def code_serving(self, table: Sequence[Code | int] | None) -> Code:
        """The same as native code, whose C entry has the table's address and length as its first arguments,
        too.
        """
        return bound(self.code, self.form, table) if table else self.code


def _linked_module(entry: Callable, form: Signature, constants: dict[str, Any], options: str) -> str:
    """Text of the module with its decorators, and a C function that makes arrays of pointers."""
    parts = _parts(entry, constants, options)
    names, kinds, arguments = [], [], []
    for k, parameter in enumerate(form.parameters):
        sizes = [f"a{k}_{j}" for j in range(parameter.dimensions)]
        kind = f"types.{parameter.kind}"
        names += [f"a{k}", *sizes]
        kinds += [f"types.CPointer({kind})" if sizes else kind, *["types.int64"] * len(sizes)]
        arguments.append(f"carray(a{k}, ({', '.join(sizes)},))" if sizes else f"a{k}")
    parts.append(
        f"@cfunc(types.{form.result}({', '.join(kinds)}), {options})\n"
        f"def {_ENTRY}({', '.join(names)}):\n    return {entry.__name__}({', '.join(arguments)})\n"
    )
    return "\n\n".join(parts)


def _parts(entry: Callable, constants: dict[str, Any], options: str) -> list[str]:
    """Head of the module and its functions, each with its decorator in the first line."""
    text = linked_source(entry, constants).replace(runtime.__name__, f"{runtime.__package__}.intrinsics")
    head, *functions = text.split(_MARK)
    inner = f"@njit({options}, forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)\n"
    alone = inner.replace("forceinline=True, ", "")
    head += "from numba import carray, cfunc, njit, types\n"
    seldom = re.findall(rf"^{_APART}{_COLD}def (\w+)", text, re.MULTILINE)
    head += f"COLD = {tuple(seldom)}\n" if seldom else ""
    return [head, *((alone if part.startswith(_APART) else inner) + part for part in functions)]


def interpret(entry: Callable, constants: dict[str, Any] | None = None) -> Callable:
    """The same text as ``link`` would compile, run by Python: for debugging, and for models that are
    Python callables.
    """
    text = linked_source(entry, constants).replace(_MARK, "")
    return getattr(load_module(text, entry.__name__ + "_interpreted"), entry.__name__)


def linked_source(entry: Callable, constants: dict[str, Any] | None = None) -> str:
    """Text of the linked module, functions in the order of their use from the inside out, ``entry`` last."""
    linker = _Linker(constants or {})
    linker.add(entry)
    return linker.text()


_ENTRY = "c_entry"
_UNFILLED = Placeholder("a name that no module declares")
_MARK = "# -- kernel\n"
_APART = "# apart\n"
_COLD = "# cold\n"


class _Linker:
    def __init__(self, constants: dict[str, Any]):
        self.constants = constants
        self.imports: dict[str, str] = {}
        self.tables: dict[str, str] = {}
        self.functions: dict[str, tuple[Callable, str]] = {}

    def text(self) -> str:
        head = ["# Generated: kernels put together with their constants."]
        head += sorted(self.imports.values()) + list(self.tables.values())
        return "\n".join(head) + "\n\n" + "\n".join(_MARK + text for _, text in self.functions.values())

    def add(self, function: Callable) -> None:
        name = function.__name__
        if name in self.functions:
            if self.functions[name][0] is not function:
                raise TypeError(f"two kernels are called {name!r}; rename one of them")
            return
        if not getattr(function, "is_kernel", False):
            raise TypeError(f"{name!r} is not marked @kernel")
        tree = copied(_parse(function))
        found = self.resolve(function, tree)
        tree = specialize(tree, {k: v for k, v in found.items() if _is_data(v)})
        used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        renamed = {}
        for key, value in found.items():
            if key not in used:
                continue
            if getattr(value, "is_kernel", False):
                self.add(value)
                renamed[key] = value.__name__
            elif isinstance(value, ModuleType):
                self.imports[key] = f"import {value.__name__} as {key}"
            elif _is_data(value):
                self.table(key, value)
            elif isinstance(value, FunctionType) and value.__module__ != runtime.__name__:
                raise TypeError(f"kernel {name!r} calls {key!r}, which is not marked @kernel")
            else:
                self.imports[key] = f"from {value.__module__} import {_name(value)} as {key}"
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id in renamed:
                node.id = renamed[node.id]
        note = _APART if getattr(function, "is_apart", False) else ""
        note += _COLD if getattr(function, "is_cold", False) else ""
        self.functions[name] = (function, note + ast.unparse(tree) + "\n")

    def resolve(self, function: Callable, tree: ast.FunctionDef) -> dict[str, Any]:
        """Values of the global names the function uses."""
        local = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        local |= {a.arg for a in tree.args.args}
        found = {}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Name) or node.id in local or node.id in found:
                continue
            if node.id in self.constants:
                if not isinstance(function.__globals__.get(node.id, _UNFILLED), Placeholder):
                    raise TypeError(
                        f"constant {node.id!r} hides a global of kernel {function.__name__!r}; rename it, or "
                        "make the global a placeholder"
                    )
                found[node.id] = _plain(self.constants[node.id])
            elif node.id in function.__globals__:
                value = function.__globals__[node.id]
                if isinstance(value, Placeholder):
                    raise NameError(
                        f"kernel {function.__name__!r} uses {node.id!r} ({value.meaning}), which has no "
                        "value: pass it in constants"
                    )
                found[node.id] = _plain(value)
            elif not hasattr(builtins, node.id):
                raise NameError(
                    f"kernel {function.__name__!r} uses {node.id!r}, which has no value: pass it in constants"
                )
        return found

    def table(self, name: str, value) -> None:
        text = f"{name} = {_literal(value)}"
        if self.tables.setdefault(name, text) != text:
            raise TypeError(f"two kernels see different values of the constant {name!r}")
        if "np." in text:
            self.imports["np"] = "import numpy as np"


@functools.cache
def _parse(function: Callable) -> ast.FunctionDef:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    tree.decorator_list = []
    tree.returns = None
    for argument in tree.args.args:
        argument.annotation = None
    return tree


def _plain(value):
    """Python numbers for NumPy's, so that they can be written as literals."""
    if isinstance(value, np.generic):
        return value.item()
    return value


def _is_data(value) -> bool:
    if isinstance(value, tuple | list):
        return all(_is_data(item) for item in value)
    return isinstance(value, bool | int | float | str | np.ndarray)


def _literal(value) -> str:
    if isinstance(value, np.ndarray):
        return f"np.array({_literal(value.tolist())}, dtype=np.{value.dtype})"
    if isinstance(value, tuple | list):
        items = [_literal(item) for item in value]
        return "(" + ", ".join(items) + ("," if len(items) == 1 else "") + ")"
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    return repr(value)


def _name(value) -> str:
    return getattr(value, "__name__", None) or value._name
