"""Saying that something is being compiled, where that takes long enough to be noticed.

``with compiling("the derivative of f"):`` writes one line on stderr when the wait is longer than a second:
in terminals and notebooks with the seconds counted, and erased afterwards. A wait is made of all that is
compiled with next to nothing between. ``SCIAD_QUIET=1`` keeps stderr clean. ``logging.getLogger("sciad")``
hears of everything that took longer than a hundredth of a second, as INFO.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time

__all__ = ["compiling"]

DELAY = 1.0  # seconds of a wait after which it is spoken of
PAUSE = 0.3  # seconds without compiling that end a wait
LOGGED = 0.01  # seconds that are worth a record


class _Wait(threading.local):
    """What a thread waits for."""

    def __init__(self):
        self.depth = 0
        self.start = self.end = 0.0
        self.said = False


class _Line:
    """Writes the line from a thread of its own, while the one that compiles is in LLVM."""

    def __init__(self, wait: _Wait, what: str):
        self.what, self.start, self.said = what, wait.start, wait.said
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, name="sciad-notice", daemon=True)
        self.thread.start()

    def run(self) -> None:
        if self.over.wait(max(0.0, self.start + DELAY - time.monotonic())):
            return
        if not _is_watched(_stream()):
            if not self.said:
                _write(f"sciad: compiling {self.what} ... (kept for later runs: python -m sciad cache)\n")
            self.said = True
            return
        shown = 0
        while True:
            text = f"sciad: compiling {self.what} ... {time.monotonic() - self.start:.0f} s"
            _write("\r" + text.ljust(shown))
            shown = len(text)
            if self.over.wait(0.5):
                break
        _write("\r" + " " * shown + "\r")

    def stop(self) -> None:
        self.over.set()
        self.thread.join()


@contextlib.contextmanager
def compiling(what: str):
    """Within it, ``what`` is being compiled; the outermost one speaks, in the words of the innermost."""
    now = time.monotonic()
    if _wait.depth == 0:
        if now - _wait.end > PAUSE:
            _wait.start, _wait.said = now, False
        _wait.line = None if os.environ.get("SCIAD_QUIET") else _Line(_wait, what)
    line, before = _wait.line, None
    if line is not None:
        before, line.what = line.what, what
    _wait.depth += 1
    try:
        yield
    finally:
        _wait.depth -= 1
        if line is not None:
            line.what = before
        _wait.end = time.monotonic()
        if _wait.depth == 0:
            _wait.line = None
            if line is not None:
                line.stop()
                _wait.said = line.said
        _log(what, _wait.end - now)


_wait = _Wait()


def _is_watched(stream) -> bool:
    """Whether somebody looks at the stream now, who may be shown a line that changes."""
    if "ipykernel" in sys.modules:
        return True
    with contextlib.suppress(AttributeError, ValueError):  # there is none, or it is closed
        return stream.isatty()
    return False


def _write(text: str) -> None:
    with contextlib.suppress(AttributeError, OSError, ValueError):
        stream = _stream()
        stream.write(text)
        stream.flush()


def _stream():
    return sys.stderr


def _log(what: str, seconds: float) -> None:
    logging = sys.modules.get("logging")  # who wants to hear has imported it
    if logging is not None and seconds > LOGGED:
        logging.getLogger("sciad").info("compiled %s in %.2f s", what, seconds)
