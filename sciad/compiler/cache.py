"""Files of generated Python on disk: where they live, how they are written, locked, loaded and rebuilt.

Every generated module is one file whose name carries the hash of its text, so a file is never stale and
numba's own on-disk cache (kept in ``__pycache__`` beside it) makes the second process start fast. The
folder is, in this order:

- ``$SCIAD_CACHE_DIR``;
- the platform's user cache folder (``$XDG_CACHE_HOME`` or ``~/.cache``; ``%LOCALAPPDATA%`` on Windows)
``/sciad``;
- a temporary folder of this process, where the above cannot be written.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from types import ModuleType

__all__ = ["cache_folder", "load_known", "load_module", "write_atomically"]


def load_module(text: str, name: str, key: str | None = None) -> ModuleType:
    """Write ``text`` as a module of the cache folder (unless it is there already) and import it.

    Parameters
    ----------
    text : str
        Source of the module. Functions in it that ask numba for ``cache=True`` and an explicit signature
        are compiled on the first import on this machine and read from disk afterwards.
    name : str
        An identifier that begins the file's name, for people who look into the folder or at a traceback.
    key : str, optional
        A hash of what the text was made from, by which `load_known` finds the module without its text.

    Returns
    -------
    module : ModuleType
        The same object whenever the same text is asked for in one process.

    Notes
    -----
    The hash covers ``text`` and the package's own runtime module. Whatever else the text imports and lets
    numba inline must be mentioned in the text by its version or hash, for numba does not notice a change
    in it.
    """
    digest = _digest(text)
    module = _modules.get(digest)
    if module is None:
        with _guard:
            module = _modules.get(digest)
            if module is None:
                module = _modules[digest] = _load(text, f"{name}_{digest}")
    if key is not None:
        with contextlib.suppress(OSError):
            write_atomically(cache_folder() / f"known_{key}.txt", f"{name}_{digest}")
    return module


def load_known(key: str) -> ModuleType | None:
    """The module that `load_module` once made for ``key``; None if there is none, or not a whole one."""
    folder = cache_folder()
    try:
        stem = (folder / f"known_{key}.txt").read_text(encoding="utf-8")
        text = (folder / f"{stem}.py").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError):
        return None
    name, _, digest = stem.rpartition("_")
    return load_module(text, name) if _digest(text) == digest else None


def cache_folder() -> Path:
    """Folder of the generated modules for this numba, Python and CPU; made if absent, and writable."""
    wish = os.environ.get("SCIAD_CACHE_DIR") or _user_cache()
    folder = _folders.get(wish)
    if folder is None or not folder.is_dir():
        folder = _folders[wish] = _make_folder(Path(wish).expanduser())
    return folder


_modules: dict[str, ModuleType] = {}
_folders: dict[str, Path] = {}
_guard = threading.RLock()


def _digest(text: str) -> str:
    return hashlib.sha256(_runtime_text() + text.encode()).hexdigest()[:20]


def _load(text: str, stem: str) -> ModuleType:
    path = cache_folder() / f"{stem}.py"
    with _locked(path.with_suffix(".lock")):
        if not _holds(path, text):
            _forget_compiled(path)
            write_atomically(path, text)
        try:
            return _import_file(path)
        except Exception as error:
            # A torn index or object file shows as an unpickling error of one kind or another; anything
            # numba itself has to say is about the text and would only come twice.
            if _is_compile_error(error) or not _forget_compiled(path):
                raise
            return _import_file(path)


def _import_file(path: Path) -> ModuleType:
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


def _is_compile_error(error: Exception) -> bool:
    from numba.core.errors import NumbaError

    return isinstance(error, NumbaError | SyntaxError | NameError)


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


def _forget_compiled(path: Path) -> int:
    """Delete what Python and numba keep beside the module; how many files that were."""
    count = 0
    for stale in (path.parent / "__pycache__").glob(f"{path.stem}*"):
        with contextlib.suppress(OSError):
            stale.unlink()
            count += 1
    return count


@contextlib.contextmanager
def _locked(path: Path):
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
    import llvmlite.binding
    import numba

    cpu = llvmlite.binding.get_host_cpu_name() or "generic"
    return f"numba{numba.__version__}-py{sys.version_info.major}.{sys.version_info.minor}-{cpu}"


def _runtime_text() -> bytes:
    global _runtime
    if _runtime is None:
        _runtime = Path(__file__).with_name("runtime.py").read_bytes()
    return _runtime


_runtime: bytes | None = None
