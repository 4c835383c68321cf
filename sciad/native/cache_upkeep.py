"""The cache as a whole: what is in it, how large it may grow, and what is deleted then.

All that belongs to one generated module is an entry: text, bitcode, machine code. ``$SCIAD_CACHE_SIZE``
bounds the sum of all entries, of whatever machine and version (``500M``, ``2G``; ``none`` for no bound; 1G if
it is not set). Beyond it the entries that were not used for longest are deleted, down to four fifths. Nothing
else in the folder is touched. A process that uses an entry which another one deletes makes it again.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from sciad.native.cache_folders import RECENT, cache_folder, cache_root, locked

__all__ = ["Entry", "clear", "entries", "limit", "prune", "readable", "size_in_bytes", "written"]

STANDARD_LIMIT = "1G"
KEPT = 0.8  # of the limit, when it was passed: so that it is not passed again at once


@dataclass
class Entry:
    """All files of one generated module.

    Attributes
    ----------
    folder : Path
        For one kind of machine, Python and libraries.
    name : str
    files : list of Path
    size : int
        Bytes that they take on the disk.
    used : float
        Time of the last use, seconds since 1970; uses within an hour count as one.
    """

    folder: Path
    name: str
    files: list[Path] = field(default_factory=list)
    size: int = 0
    used: float = 0.0

    @property
    def is_for_this_machine(self) -> bool:
        return self.folder == cache_folder()


def entries(root: Path | None = None) -> list[Entry]:
    """What is in the cache, of whatever machine, the longest unused first."""
    found: dict[tuple[Path, str], Entry] = {}
    for folder in _folders(root or cache_root()):
        for place in (folder, folder / "__pycache__"):
            for file in _scan(place):
                name = _entry_of(file.name)
                if name is None:
                    continue
                try:
                    state = file.stat(follow_symlinks=False)
                except OSError:  # deleted meanwhile
                    continue
                if file.name.endswith(".tmp") and time.time() - state.st_mtime < RECENT:
                    continue  # being written
                entry = found.setdefault((folder, name), Entry(folder, name))
                entry.files.append(Path(file.path))
                entry.size += getattr(state, "st_blocks", -(-state.st_size // 512)) * 512
                entry.used = max(entry.used, state.st_mtime)
    return sorted(found.values(), key=lambda entry: entry.used)


def prune(to: int | None = None, unused_since: float | None = None, root: Path | None = None) -> list[Entry]:
    """Delete the entries that were not used for longest.

    Parameters
    ----------
    to : int, optional
        Bytes to which the cache is cut.
    unused_since : float, optional
        All that was last used before this time (seconds since 1970) is deleted, too.
    root : Path, optional

    Returns
    -------
    deleted : list of Entry
    """
    root = root or cache_root()
    found = entries(root)
    total, deleted = sum(entry.size for entry in found), []
    for entry in found:
        too_much = to is not None and total > to
        too_old = unused_since is not None and entry.used < unused_since
        if too_much or too_old:
            for file in entry.files:
                with contextlib.suppress(OSError):  # another process was faster, or it may not be deleted
                    file.unlink()
            if not any(file.exists() for file in entry.files):
                total -= entry.size
                deleted.append(entry)
    return deleted


def clear(root: Path | None = None) -> list[Entry]:
    """Delete all entries."""
    root = root or cache_root()
    deleted = prune(to=-1, root=root)
    for folder in _folders(root):
        for place in (folder / "__pycache__", folder):
            with contextlib.suppress(OSError):  # not empty
                place.rmdir()
    for name in (_USAGE, f"{_USAGE}.lock"):
        with contextlib.suppress(OSError):
            (root / name).unlink()
    return deleted


def limit() -> int | None:
    """Bytes that the cache may hold; None for no bound."""
    text = os.environ.get("SCIAD_CACHE_SIZE") or STANDARD_LIMIT
    try:
        return None if text.strip().lower() == "none" else size_in_bytes(text)
    except ValueError as error:
        raise ValueError(f"SCIAD_CACHE_SIZE={text!r}: {error}") from None


def size_in_bytes(text: str) -> int:
    """Read ``500M``, ``1.5 GB``, ``1000000``."""
    parts = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([KMGT]?)(?:i?B)?\s*", text, re.IGNORECASE)
    if parts is None:
        raise ValueError(f"{text!r} is not a size such as 500M or 2G")
    return int(float(parts[1]) * 1024 ** " KMGT".index(parts[2].upper() or " "))


def readable(size: float) -> str:
    """The size for people."""
    for unit in ("B", "KB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.2f} GB"


# -- keeping to the limit while entries are written ----------------------------------------------------

_unreported: dict[Path, int] = {}
_USAGE = "usage.txt"  # what was measured last, and what was written since
_REPORTED_AT_ONCE = 4 << 20
_BLOCK = 4096  # what the smallest file takes


def written(root: Path, size: int) -> None:
    """Count what this process writes; now and then, and at its end, the cache is cut to its limit."""
    if not _unreported:
        atexit.register(_report_all)
    _unreported[root] = _unreported.get(root, 0) + -(-size // _BLOCK) * _BLOCK
    if _unreported[root] >= _REPORTED_AT_ONCE:
        _report(root)


def _report_all() -> None:
    for root, size in list(_unreported.items()):
        if size and root.is_dir():
            _report(root)


def _report(root: Path) -> None:
    size, _unreported[root] = _unreported.get(root, 0), 0
    with contextlib.suppress(OSError, ValueError):  # a wrong limit is said by `python -m sciad cache`
        bound = limit()
        if bound is None:
            return
        with locked(root / f"{_USAGE}.lock"):
            total, measured = _usage(root)
            total += size
            if total > bound or time.time() - measured > 86400.0:
                total, measured = sum(entry.size for entry in entries(root)), time.time()
            if total > bound:
                prune(int(KEPT * bound), root=root)
                total = sum(entry.size for entry in entries(root))
            (root / _USAGE).write_text(f"{total} {measured:.0f}\n")


def _usage(root: Path) -> tuple[int, float]:
    """The size that was written down, and when it was measured."""
    try:
        total, measured = (root / _USAGE).read_text().split()
        return int(total), float(measured)
    except (OSError, ValueError):
        return 0, 0.0


# -- which files are ours --------------------------------------------------------------------------------

_FOLDER = re.compile(r"numba[\w.+]+-llvmlite[\w.+]+-numpy[\w.+]+-.+-[0-9a-f]{6}")
_FILE = re.compile(
    r"(known_[0-9a-f]{20}|\w+_[0-9a-f]{20})(?:_[xfiu]*)?"
    r"(?:\.(?:py|o|bc|txt|lock)|\.[\w-]+\.pyc(?:\.\d+)?|\w*\.tmp)"
)


def _folders(root: Path) -> list[Path]:
    return [Path(item.path) for item in _scan(root) if _FOLDER.fullmatch(item.name) and item.is_dir()]


def _scan(folder: Path) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as items:
            return list(items)
    except OSError:
        return []


def _entry_of(file: str) -> str | None:
    match = _FILE.fullmatch(file)
    return match[1] if match else None
