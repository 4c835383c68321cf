"""Native code of generated modules: compiled by numba once per machine, read as object code afterwards.

Beside the text ``<stem>.py`` in the cache folder lie ``<stem>.bc``, LLVM's bitcode for linking, and
``<stem>.o``, object code for loading. ``<stem>`` ends with a hash of the text and of all it uses, and each
file begins with a checksum, so none is ever stale and a damaged one is made anew.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from sciad.native import interruption
from sciad.native import llvm as machine
from sciad.native.backend import translated
from sciad.native.cache import digest, import_text, read_file, write_file
from sciad.native.cache_folders import cache_folder, locked
from sciad.native.notices import compiling
from sciad.native.numba_frontend import lifted, start_runtime, translating
from sciad.native.python_entries import Signature, python_entry, table_entry, trampoline_entry
from sciad.private_interfaces import builtin

__all__ = ["Code", "assembled", "bound", "compiled", "trampoline"]


class Code:
    """Native code of one generated module.

    Attributes
    ----------
    stem : str
        The file's name; also the symbol of the C entry.
    """

    def __init__(self, stem: str):
        self.stem = stem

    @functools.cached_property
    def address(self) -> int:
        """Address of the C entry."""
        self._loaded()
        return machine.address_of(self.stem)

    def address_of(self, function: str) -> int:
        """Address of one of the functions of code that was `assembled`."""
        self._loaded()
        return machine.address_of(_symbol_in(self.stem, function))

    @functools.cached_property
    def enter(self) -> Callable:
        """The entry for Python, if the module has one."""
        self._loaded()
        symbol = _python_symbol(self.stem)
        return builtin(machine.address_of(symbol), self.stem.rpartition("_")[0])

    @functools.cached_property
    def bitcode(self) -> bytes:
        """For linking."""
        with _guard:
            return _read(cache_folder() / f"{self.stem}.bc") or _made_again(self.stem)

    def _loaded(self) -> None:
        with _guard:  # LLVM must not be given one symbol twice
            if self.stem not in _loaded:
                content = _read(cache_folder() / f"{self.stem}.o") or _made_again(self.stem, ".o")
                needs, _, code = content.partition(b"\n")
                for need in needs.decode().split():
                    _provide(need)
                machine.load(code)
                _loaded.add(self.stem)


def compiled(
    text: str | Callable[[], str],
    name: str,
    entry: str,
    form: Signature | None = None,
    key: str | None = None,
    separate: bool = False,
    unrolled: bool = True,
) -> Code:
    """Compile a generated module, or find it compiled.

    Parameters
    ----------
    text : str or callable
        Source of a module in which ``entry`` is a numba ``cfunc``; or what writes it.
    name : str
        Begins the names of the files.
    entry : str
    form : Signature, optional
        That of an entry for Python to be added; the ``cfunc`` then takes `python_entries.c_types` of it.
    key : str, optional
        A hash of what the text is made from, by which it is found without being written.
    separate : bool
        What the entry writes through one pointer is not reached through another.
    unrolled : bool
        As for `llvm.optimize`.
    """

    def made(stem: str, text: Callable[[], str]) -> Code:
        # A kernel is mostly linked with a model, and optimised then: alone only when called so.
        later = None if form is None else (lambda: _optimise_kernel(stem, unrolled))
        return _once(stem, lambda: _compile(text(), stem, entry, form, separate), later)

    stem = _known(key) if key is not None else None
    if stem is not None:
        return made(stem, text if callable(text) else lambda: text)
    source = text if isinstance(text, str) else text()
    stem = f"{name}_{digest(source + 'separate' * separate)}"
    code = made(stem, lambda: source)
    if key is not None:
        write_file(cache_folder() / f"known_{key}.txt", stem.encode())
    return code


def assembled(text: str, name: str, functions: Sequence[str]) -> Code:
    """Machine code of LLVM assembly as it stands, without optimisation of its own: for long straight lines.

    Parameters
    ----------
    text : str
    name : str
        Begins the names of the files.
    functions : sequence of str
        Those that are called from outside, by `Code.address_of`.
    """
    stem = f"{name}_{digest(text)}"
    return _once(stem, lambda: _assemble(text, stem, functions))


def bound(kernel: Code, form: Signature, table: Sequence[Code | int]) -> Code:
    """A kernel linked with the code it calls; its first argument, a table of addresses and numbers, is this
    one whatever is passed.
    """
    parts = "\n".join([kernel.stem, *(getattr(item, "stem", str(item)) for item in table)])
    stem = f"{kernel.stem.rpartition('_')[0]}_bound_{digest(parts)}"
    return _once(stem, lambda: _bind(stem, kernel, form, table))


def trampoline(form: Signature) -> Callable:
    """A Python function that calls its first argument, an address, with the others."""
    kinds = "".join(("x" if p.dimensions else "") + p.kind[0] for p in form.parameters)
    stem = f"enter_{digest(repr(form))}_{kinds}"[:60]
    return _once(stem, lambda: _make_trampoline(stem, form)).enter


_codes: dict[str, Code] = {}
_makers: dict[str, Callable[[], None]] = {}
_finishers: dict[str, Callable[[], None]] = {}  # what makes object code from bitcode when it is wanted
_loaded: set[str] = set()
_guard = threading.RLock()


def _once(stem: str, make: Callable[[], None], later: Callable[[], None] | None = None) -> Code:
    code = _codes.get(stem)
    if code is None:
        with _guard:  # one thread at a time compiles, as LLVM and numba do anyway
            code = _codes.get(stem)
            if code is None:
                _makers[stem] = make
                if later is not None:
                    _finishers[stem] = later
                if _read(cache_folder() / f"{stem}{'.o' if later is None else '.bc'}") is None:
                    with compiling(_in_words(stem)):
                        make()
                code = _codes[stem] = Code(stem)
    return code


def _made_again(stem: str, ending: str = ".bc") -> bytes:
    """Content of a file that was found missing or damaged, or is not made before it is wanted."""
    for _ in range(_ATTEMPTS):  # another process may clear the folder between writing and reading
        with compiling(_in_words(stem)):
            if ending == ".o" and stem in _finishers:
                _finishers[stem]()
            else:
                with contextlib.suppress(OSError):
                    (cache_folder() / f"{stem}.o").unlink()
                _makers[stem]()
        content = _read(cache_folder() / f"{stem}{ending}")
        if content is not None:
            return content
    raise FileNotFoundError(
        f"{cache_folder() / stem}{ending} is deleted or damaged each time it has been written"
    )


_ATTEMPTS = 40  # each may meet a process that deletes without pause


def _in_words(stem: str) -> str:
    """What a person is told of it: the name of the function."""
    return stem.rpartition("_")[0].removesuffix("_bound")


def _known(key: str) -> str | None:
    stem = (read_file(cache_folder() / f"known_{key}.txt") or b"").decode(errors="replace")
    return stem if stem.isidentifier() else None


def _python_symbol(stem: str) -> str:
    return f"python_{stem}"


def _symbol_in(stem: str, function: str) -> str:
    return f"{function}_of_{stem}"


def _compile(text: str, stem: str, entry: str, form: Signature | None, separate: bool) -> None:
    folder = cache_folder()
    with locked(folder / f"{stem}.lock"):
        if (
            _read(folder / f"{stem}{'.o' if form is None else '.bc'}") is not None
        ):  # another process was faster
            return
        write_file(folder / f"{stem}.py", text.encode())
        own = translated(text, entry, stem, separate, sparing=not separate)
        if own is not None:
            unit = machine.parse(own)
        else:
            with translating():
                function = getattr(import_text(folder / f"{stem}.py", text), entry)
            unit = _lifted(function, stem, separate)
        if form is None:
            short = own is None or own.count("\n") < LONG
            _finish(
                unit, stem, {stem}, bitcode=True, wide=True, gathered=short
            )  # programs have the long loops
        else:
            unit.link_in(machine.parse(python_entry(_python_symbol(stem), stem, form)))
            _write(folder / f"{stem}.bc", unit.as_bitcode())


def _optimise_kernel(stem: str, unrolled: bool) -> None:
    """Object code of a kernel alone; it is entered from Python and works on a few numbers at a time."""
    bitcode = _codes[stem].bitcode if stem in _codes else Code(stem).bitcode
    with locked(cache_folder() / f"{stem}.lock"):
        if _read(cache_folder() / f"{stem}.o") is None:
            _finish(machine.parse(bitcode), stem, {stem, _python_symbol(stem)}, False, unrolled=unrolled)


def _bind(stem: str, kernel: Code, form: Signature, table: Sequence[Code | int]) -> None:
    folder = cache_folder()
    with locked(folder / f"{stem}.lock"):
        if _read(folder / f"{stem}.o") is not None:  # another process was faster
            return
        unit = machine.parse(kernel.bitcode)
        models = [item for item in dict.fromkeys(table) if isinstance(item, Code)]
        for model in models:
            part = machine.parse(model.bitcode)
            _inline_small(part.get_function(model.stem))
            unit.link_in(part)
        numbers = (f"ptrtoint (ptr @{x.stem} to i64)" if isinstance(x, Code) else str(x) for x in table)
        values = ", ".join(f"i64 {number}" for number in numbers)
        head = [
            f"@table = internal constant [{len(table)} x i64] [{values}]",
            *(f"declare {_declaration(unit, model.stem)}" for model in models),
        ]
        head.append(table_entry(stem, kernel.stem, form, "table", len(table)))
        unit.link_in(machine.parse("\n".join(head)))
        unit.link_in(machine.parse(python_entry(_python_symbol(stem), stem, form)))
        _finish(unit, stem, {stem, _python_symbol(stem)}, bitcode=False)


def _assemble(text: str, stem: str, functions: Sequence[str]) -> None:
    folder = cache_folder()
    with locked(folder / f"{stem}.lock"):
        if _read(folder / f"{stem}.o") is not None:  # another process was faster
            return
        unit = machine.parse(text)
        unit.verify()
        for function in functions:
            unit.get_function(function).name = _symbol_in(stem, function)
        _emit(unit, stem)


def _make_trampoline(stem: str, form: Signature) -> None:
    unit = machine.parse(trampoline_entry(_python_symbol(stem), form))
    _finish(unit, stem, {_python_symbol(stem)}, bitcode=False)


def _finish(
    unit,
    stem: str,
    keep: set[str],
    bitcode: bool,
    wide: bool = False,
    unrolled: bool = True,
    gathered: bool = True,
) -> None:
    folder = cache_folder()
    machine.optimize(unit, keep, wide, unrolled, gathered)
    if bitcode:
        _write(folder / f"{stem}.bc", unit.as_bitcode())
    _emit(unit, stem, wide)


def _emit(unit, stem: str, wide: bool = False) -> None:
    outside = [f.name for f in unit.functions if f.is_declaration]
    needs = sorted(_NUMBA if "numba" in f or f.startswith("NRT_") else f for f in outside if _is_ours(f))
    _write(
        cache_folder() / f"{stem}.o",
        " ".join(dict.fromkeys(needs)).encode() + b"\n" + machine.emit(unit, wide),
    )


def _lifted(function, stem: str, separate: bool):
    """The module behind a ``cfunc``, its C function called ``stem``."""
    # Calls in the C function are marked noinline so that numba's reference counting can be pruned before.
    text, symbol = lifted(function)
    text = re.sub(r"\bnoinline\b", "nounwind", text)
    if separate:
        name = re.escape(symbol)
        head = re.search(rf'^define [^\n]*@"?{name}"?\([^\n]*', text, re.MULTILINE)
        text = text.replace(head[0], re.sub(r"\bptr %", "ptr noalias %", head[0]))
    unit = machine.parse(text)
    unit.get_function(symbol).name = stem
    return unit


def _declaration(unit, symbol: str) -> str:
    function = unit.get_function(symbol)
    arguments = ", ".join(str(a.type) for a in function.arguments)
    return f"i64 @{symbol}({arguments})"


def _inline_small(function) -> None:
    if sum(1 for block in function.blocks for _ in block.instructions) <= INLINED:
        function.add_function_attribute("alwaysinline")


LONG = 4000  # lines of LLVM text from which on a program is optimised with less care
INLINED = 200  # instructions of a model that is inlined wherever it is called


# The first line of object code names what must be entered among LLVM's symbols before it is loaded.
_NUMBA = "numba"
_SPECIAL = "sciad_special_"


def _is_ours(symbol: str) -> bool:
    return "numba" in symbol or symbol.startswith(("NRT_", _SPECIAL)) or symbol == interruption.SYMBOL


@functools.cache
def _provide(need: str) -> None:
    if need.startswith(_SPECIAL):
        from sciad.native import scipy_symbols

        scipy_symbols.provide(need.removeprefix(_SPECIAL))
    elif need == interruption.SYMBOL:
        interruption.provide()
    else:
        start_runtime()


def _write(path: Path, content: bytes) -> None:
    write_file(path, hashlib.sha256(content).digest() + content)


def _read(path: Path) -> bytes | None:
    """Content of a file whose checksum is right."""
    whole = read_file(path)
    if whole is None:
        return None
    content = whole[32:]
    return content if content and hashlib.sha256(content).digest() == whole[:32] else None
