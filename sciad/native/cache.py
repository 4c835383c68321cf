"""Files of generated Python on disk: where they live, how they are written, locked and loaded.

Every generated module is one file whose name carries the hash of its text, so a file is never stale. The
folder is ``$SCIAD_CACHE_DIR``, else ``sciad`` in the platform's user cache folder (``$XDG_CACHE_HOME`` or
``~/.cache``; ``%LOCALAPPDATA%`` on Windows), and in it one folder for each kind of machine, Python and
libraries. What cannot be written is kept in the memory of this process, with one warning.
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

from sciad.native.backend import backend

__all__ = [
    "cache_folder",
    "cache_root",
    "digest",
    "import_text",
    "load_module",
    "locked",
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


def cache_root() -> Path:
    """Folder of all that is kept, for whatever machine."""
    return Path(os.environ.get("SCIAD_CACHE_DIR") or _user_cache()).expanduser()


def cache_folder() -> Path:
    """Folder for these libraries, this Python and CPU; it is made when something is written."""
    wish = os.environ.get("SCIAD_CACHE_DIR") or _user_cache()
    folder = _folders.get(wish)
    if folder is None:
        folder = _folders[wish] = cache_root() / _platform()
    return folder


_modules: dict[str, ModuleType] = {}
_folders: dict[str, Path] = {}
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


RECENT = 3600.0  # seconds after a use in which another one is not entered


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
        from sciad.native import cache_upkeep

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


@contextlib.contextmanager
def locked(path: Path):
    """One process at a time compiles a module; the others wait and then read what it wrote."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "a+b")  # noqa: SIM115
    except OSError:  # a folder that can only be read needs no lock
        yield
        return
    with file:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            with contextlib.suppress(OSError):  # gives up after ten seconds: then both compile, harmlessly
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            with contextlib.suppress(OSError):  # some network file systems have no locks
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _user_cache() -> str:
    if os.name == "nt":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser(r"~\AppData\Local")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "sciad")


def _platform() -> str:
    """Whatever decides what machine code is made and how it finds the fields of arrays and objects."""
    import sysconfig
    from importlib.metadata import version

    from sciad.native import llvm

    cpu, features = llvm.host()
    mark = hashlib.sha256(features.encode()).hexdigest()[:6]
    libraries = "-".join(f"{name}{version(name)}" for name in ("numba", "llvmlite", "numpy"))
    abi = sysconfig.get_config_var("SOABI") or sys.implementation.cache_tag
    return f"{libraries}-{abi}-{cpu}-{mark}"


@functools.cache
def _runtime_text() -> bytes:
    """The whole tool chain: what it writes changes with any of its files."""
    here = Path(__file__).parent
    files = [here.parent / "private_interfaces.py", *sorted(here.rglob("*.py"))]
    return b"".join(path.read_bytes() for path in files)
