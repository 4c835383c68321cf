"""Files of generated Python on disk: where they live, how they are written, locked and loaded.

Every generated module is one file whose name carries the hash of its text, so a file is never stale. The
folder is, in this order:

- ``$SCIAD_CACHE_DIR``;
- the platform's user cache folder (``$XDG_CACHE_HOME`` or ``~/.cache``; ``%LOCALAPPDATA%`` on Windows)
``/sciad``;
- a temporary folder of this process, where the above cannot be written.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from types import ModuleType

from sciad.native.backend import backend

__all__ = ["cache_folder", "digest", "import_text", "load_module", "locked", "write_atomically"]


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
                    if not _holds(path, text):
                        write_atomically(path, text.encode())
                    module = _modules[stem] = import_text(path)
    return module


def import_text(path: Path) -> ModuleType:
    """Import a file of the cache folder."""
    name = f"_sciad_generated.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def digest(text: str) -> str:
    """Hash of a text and of what every generated text may use of this package."""
    return hashlib.sha256(_runtime_text() + backend().encode() + text.encode()).hexdigest()[:20]


def cache_folder() -> Path:
    """Folder of generated modules for these libraries, this Python and CPU; made if absent, and writable."""
    wish = os.environ.get("SCIAD_CACHE_DIR") or _user_cache()
    folder = _folders.get(wish)
    if folder is None or not folder.is_dir():
        folder = _folders[wish] = _make_folder(Path(wish).expanduser())
    return folder


_modules: dict[str, ModuleType] = {}
_folders: dict[str, Path] = {}
_guard = threading.RLock()


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        return False


def write_atomically(path: Path, text: str | bytes) -> None:
    """Write a file that other processes see whole or not at all."""
    data = text.encode() if isinstance(text, str) else text
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def locked(path: Path):
    """One process at a time compiles a module; the others wait and then read what it wrote."""
    try:
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


def _make_folder(wish: Path) -> Path:
    folder = wish / _platform()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        temporary = tempfile.mkdtemp(prefix="sciad-")
        atexit.register(shutil.rmtree, temporary, ignore_errors=True)
        return Path(temporary)


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
