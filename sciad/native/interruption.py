"""Ctrl-C in long native calls.

Native loops run without the interpreter's lock, so Python cannot interrupt them. Every now and then they call
``sciad_poll`` (the name `polled` of `sciad.native.runtime`), which looks at the clock and, twenty times a
second, takes the lock and calls `look` here: an ordinary Python function, in which Python runs the handlers
of signals that have come. If one raises, as that of Ctrl-C does, the native call ends and the exception goes
on to its caller.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections.abc import Iterator

import llvmlite.binding as llvm

__all__ = ["SYMBOL", "Stopped", "look", "provide", "stoppable"]

SYMBOL = "sciad_poll"
EVERY = 50_000_000  # nanoseconds between two calls of `look`


class Stopped(Exception):
    """Work on another thread that nobody waits for any more."""


_work = threading.local()


def look() -> None:
    """Called while a native loop runs; ends it by raising."""
    stop = getattr(_work, "stop", None)
    if stop is not None and stop.is_set():
        raise Stopped


@contextlib.contextmanager
def stoppable(stop: threading.Event) -> Iterator[None]:
    """Native calls of this thread end soon after `stop` is set, by `Stopped`."""
    before, _work.stop = getattr(_work, "stop", None), stop
    try:
        yield
    finally:
        _work.stop = before


@functools.cache
def provide() -> None:
    """Enter ``sciad_poll`` among LLVM's symbols."""
    from sciad.native import llvm as machine

    if sys.platform == "win32":
        import ctypes

        frequency = ctypes.c_int64()
        ctypes.windll.kernel32.QueryPerformanceFrequency(ctypes.byref(frequency))
        function = ctypes.windll.kernel32.QueryPerformanceCounter
        llvm.add_symbol("sciad_clock", ctypes.cast(function, ctypes.c_void_p).value)
        clock = _WINDOWS.replace("SCALE", str(max(1, 1_000_000_000 // frequency.value)))
    else:
        clock = _POSIX.replace("CLOCK", "6" if sys.platform == "darwin" else "1")  # CLOCK_MONOTONIC
    llvm.add_symbol("sciad_look", id(look))
    unit = machine.parse(_POLL.replace("READ", clock).replace("EVERY", str(EVERY)))
    machine.load(machine.emit(unit))


_POSIX = """
  %seconds = call i32 @clock_gettime(i32 CLOCK, ptr %clock)
  %s = load i64, ptr %clock
  %np = getelementptr i64, ptr %clock, i64 1
  %n = load i64, ptr %np
  %sn = mul i64 %s, 1000000000
  %now = add i64 %sn, %n
"""
_WINDOWS = """
  %seconds = call i32 @sciad_clock(ptr %clock)
  %s = load i64, ptr %clock
  %now = mul i64 %s, SCALE
"""
# The caller's memory: rounds until the next call, the time of the last one, and that of the last `look`. The
# rounds grow until they take a few milliseconds. Returns them, or -1 with Python's error set.
_POLL = """
declare i32 @clock_gettime(i32, ptr)
declare i32 @sciad_clock(ptr)
declare i32 @PyGILState_Ensure()
declare void @PyGILState_Release(i32)
declare ptr @PyObject_CallNoArgs(ptr)
declare void @Py_DecRef(ptr)
@sciad_look = external global i8

define i64 @sciad_poll(ptr %beat) {
entry:
  %clock = alloca [2 x i64]
READ
  %lastp = getelementptr i64, ptr %beat, i64 1
  %lookedp = getelementptr i64, ptr %beat, i64 2
  %rounds = load i64, ptr %beat
  %last = load i64, ptr %lastp
  store i64 %now, ptr %lastp
  %first = icmp eq i64 %last, 0
  br i1 %first, label %begin, label %adapt
begin:
  store i64 %now, ptr %lookedp
  ret i64 %rounds
adapt:
  %spent = sub i64 %now, %last
  %quick = icmp slt i64 %spent, 2000000
  %twice = shl i64 %rounds, 1
  %most = icmp slt i64 %twice, 1073741824
  %longer = select i1 %most, i64 %twice, i64 1073741824
  %excess = udiv i64 %spent, 2000000
  %some = icmp ugt i64 %excess, 1
  %divisor = select i1 %some, i64 %excess, i64 1
  %shorter = udiv i64 %rounds, %divisor
  %none = icmp eq i64 %shorter, 0
  %least = select i1 %none, i64 1, i64 %shorter
  %new = select i1 %quick, i64 %longer, i64 %least
  store i64 %new, ptr %beat
  %looked = load i64, ptr %lookedp
  %since = sub i64 %now, %looked
  %due = icmp sgt i64 %since, EVERY
  br i1 %due, label %look, label %on
on:
  ret i64 %new
look:
  store i64 %now, ptr %lookedp
  %lock = call i32 @PyGILState_Ensure()
  %result = call ptr @PyObject_CallNoArgs(ptr @sciad_look)
  %raised = icmp eq ptr %result, null
  br i1 %raised, label %free, label %drop
drop:
  call void @Py_DecRef(ptr %result)
  br label %free
free:
  call void @PyGILState_Release(i32 %lock)
  %answer = select i1 %raised, i64 -1, i64 %new
  ret i64 %answer
}
"""
