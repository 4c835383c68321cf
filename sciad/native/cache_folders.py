"""The folder of the cache: where it is, its part for this kind of machine, and locks in it.

It is ``$SCIAD_CACHE_DIR``, else ``sciad`` in the platform's user cache folder (``$XDG_CACHE_HOME`` or
``~/.cache``; ``%LOCALAPPDATA%`` on Windows), and in it there is one folder for each kind of machine, Python
and libraries.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from pathlib import Path

__all__ = ["RECENT", "cache_folder", "cache_root", "locked"]

RECENT = 3600.0  # seconds after a use in which another one is not entered


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


_folders: dict[str, Path] = {}


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
