"""Files of generated Python on disk: how they are named, written and loaded.

Every generated module is one file whose name carries the hash of its text, so a file is never stale. What
cannot be written is kept in the memory of this process, with one warning.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import os
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from types import ModuleType

from sciad.native import cache_upkeep
from sciad.native.backend import backend
from sciad.native.cache_folders import RECENT, cache_folder, locked

__all__ = [
    "digest",
    "import_text",
    "load_module",
    "read_file",
    "write_file",
]


def load_module(text: str, name: str) -> ModuleType:
    """Write ``text`` as a module of the cache folder (unless it is there already) and import it.

    Parameters
    ----------
    text : str
        Source of the module.
    name : str
        An identifier that begins the file's name, for people who look into the folder or at a traceback.

    Returns
    -------
    module : ModuleType
        The same object whenever the same text is asked for in one process.
    """
    stem = f"{name}_{digest(text)}"
    module = _modules.get(stem)
    if module is None:
        with _guard:
            module = _modules.get(stem)
            if module is None:
                path = cache_folder() / f"{stem}.py"
                with locked(path.with_suffix(".lock")):
                    if read_file(path) != text.encode():
                        write_file(path, text.encode())
                    module = _modules[stem] = import_text(path, text)
    return module


def import_text(path: Path, text: str) -> ModuleType:
    """Import a file of the cache folder that has this text, and may be in memory only or deleted."""
    name = f"_sciad_generated.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        try:
            spec.loader.exec_module(module)
        except OSError:
            exec(compile(text, str(path), "exec"), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def digest(text: str) -> str:
    """Hash of a text and of what every generated text may use of this package."""
    return hashlib.sha256(_runtime_text() + backend().encode() + text.encode()).hexdigest()[:20]


_modules: dict[str, ModuleType] = {}
_guard = threading.RLock()


# What could not be written, for the rest of this process.
_in_memory: dict[Path, bytes] = {}


def read_file(path: Path) -> bytes | None:
    """Content of a file of the cache, None if there is none; it counts as used now."""
    if path in _in_memory:
        return _in_memory[path]
    try:
        with open(path, "rb") as file:
            content = file.read()
            if time.time() - os.fstat(file.fileno()).st_mtime > RECENT:
                with contextlib.suppress(OSError):
                    os.utime(path)
        return content
    except OSError:
        return None


def write_file(path: Path, content: bytes) -> None:
    """Write a file that other processes see whole or not at all; keep it in memory if that fails."""
    try:
        try:
            _write_atomically(path, content)
        except FileNotFoundError:  # the folder is being deleted by another process
            _write_atomically(path, content)
    except OSError as error:
        _in_memory[path] = content
        _warn_once(path.parent, error)
    else:
        cache_upkeep.written(path.parent.parent, len(content))


def _write_atomically(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


_warned: list[Path] = []


def _warn_once(folder: Path, error: OSError) -> None:
    if not _warned:
        _warned.append(folder)
        warnings.warn(
            f"compiled code cannot be kept in {folder} ({error.strerror or error}), so every process "
            "compiles it again; make room (python -m sciad cache prune), or set SCIAD_CACHE_DIR to a folder "
            "that can be written",
            RuntimeWarning,
            stacklevel=2,
        )


@functools.cache
def _runtime_text() -> bytes:
    """The whole tool chain: what it writes changes with any of its files."""
    here = Path(__file__).parent
    files = [here.parent / "private_interfaces.py", *sorted(here.rglob("*.py"))]
    return b"".join(path.read_bytes() for path in files)
