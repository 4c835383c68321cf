"""A compiled program over the rows of its inputs: `vmap` as a native loop, over threads where that pays."""

from __future__ import annotations

import functools
import os
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from sciad.eager.traced import is_traced
from sciad.native import llvm
from sciad.native.code import trampoline
from sciad.native.interruption import stoppable
from sciad.native.python_entries import signature
from sciad.native.translator.function_to_llvm import INTERRUPTED
from sciad.recent import Made
from sciad.transforms.custom import custom
from sciad.transforms.map_failures import FailedElements

__all__ = ["Rows"]

FEWEST = 16  # rows that are run by one call of native code, of which
MOST_PARTS = 64  # there are so many at most
BLOCK = 0.05  # seconds of work in one native call: in between Python may interrupt
WORTH = 2e-3  # seconds of work that are worth starting threads


class Rows:
    """``rows(*inputs) -> out`` of a `primitive`; inputs that are `mapped` have a row for each element, the
    others are the same for all.  Derivatives are those of the primitive, over rows in turn.

    Rows are run in parts that depend on their number alone, and what is summed over rows is summed in each
    part and then over the parts in order: so results are the same to the last bit for any number of threads.
    Where a row fails, the first such one raises; or, if `nan`, all are NaN and named in a warning.
    """

    def __init__(self, primitive, mapped: tuple[bool, ...], nan: bool = False):
        self.primitive, self.mapped, self.nan = primitive, mapped, nan
        self.call = custom(self.value, self.push, self.pull)
        self.call.name = self.call.__name__ = primitive.call.name
        self.call.pure = True

    def __call__(self, *inputs):
        return self.call(*inputs)

    def value(self, *inputs) -> np.ndarray:
        (out,) = self.outputs(inputs, 1)
        self.run("primal", self.rows(inputs), [out])
        return out

    def forward(self, *inputs):
        """The values as they are where derivatives are wanted, too."""
        primitive = self.primitive.forward
        return (
            self(*inputs)
            if primitive is self.primitive
            else primitive.over_rows(self.mapped, self.nan)(*inputs)
        )

    def push(self, inputs, dots):
        dots = [np.zeros(np.shape(x)) if d is None else d for x, d in zip(inputs, dots, strict=True)]
        if any(map(is_traced, (*inputs, *dots))):
            return self.forward(*inputs), self.primitive.tangent.over_rows(self.mapped * 2, self.nan)(
                *inputs, *dots
            )
        out, out_dot = self.outputs(inputs, 2)
        self.run("pushforward", self.rows([*inputs, *dots], self.mapped * 2), [out, out_dot])
        return out, out_dot

    def pull(self, inputs):
        def pull(g):
            if any(map(is_traced, (*inputs, g))):
                rows = self.primitive.cotangent.over_rows((*self.mapped, True), self.nan)
                return self.split(rows(*inputs, g))
            count, (out,) = len(g), self.outputs(inputs, 1)
            sizes = [x.size for x in self.primitive.program.inputs]
            bars = [
                np.zeros((count, size) if m else (size,)) for size, m in zip(sizes, self.mapped, strict=True)
            ]
            self.run("pullback", self.rows([*inputs, g], (*self.mapped, True)), [out], bars)
            return tuple(bars)

        return self.forward(*inputs), pull

    def split(self, flat):
        """Cotangents of the inputs from one row of them all for each element."""
        parts, at = [], 0
        for x, mapped in zip(self.primitive.program.inputs, self.mapped, strict=True):
            part = flat[:, at : at + x.size]
            parts.append(part if mapped else np.sum(part, axis=0))
            at += x.size
        return tuple(parts)

    def outputs(self, inputs, how_many: int) -> list[np.ndarray]:
        count = next(x.shape[0] for x, m in zip(inputs, self.mapped, strict=True) if m)
        return [np.empty((count, self.primitive.program.n_out)) for _ in range(how_many)]

    def rows(self, inputs, mapped=None) -> list[np.ndarray]:
        """Arrays of two dimensions; one row stands for all."""
        mapped = self.mapped if mapped is None else mapped
        arrays = [np.ascontiguousarray(x, float) for x in inputs]
        return [x if m else x.reshape(1, -1) for x, m in zip(arrays, mapped, strict=True)]

    def run(self, kind: str, inputs: list, outputs: list, sums: list = ()) -> None:
        """Run rows; where `sums` have no row for each element, they are sums over the rows."""
        _, address, size = self.primitive.entry(kind)
        enter = _entry(len(inputs) + len(outputs) + len(sums))
        count = len(outputs[0])
        statuses = np.zeros(count, dtype=np.int64)

        stop, block = threading.Event(), FEWEST

        def run_part(first: int, last: int) -> list:
            own = [x if x.ndim == 2 else np.zeros(x.shape) for x in sums]
            for begin in range(first, last, block):
                if stop.is_set():
                    break
                some(begin, min(begin + block, last), own)
            return own

        def some(first: int, last: int, sums) -> None:
            arguments = []
            for x in (*inputs, *outputs, *sums):
                rows = x.ndim == 2 and (x.shape[0] == count)
                x = x[first:last] if rows else x.reshape(1, -1)
                arguments += [x, x.shape[1] if rows else 0]
            loop = _loop(len(arguments) // 2)
            enter(loop, address, last - first, *arguments, np.empty(size), statuses[first:last])

        def stoppable_part(*rows) -> list:
            with stoppable(stop):
                return run_part(*rows)

        length = max(FEWEST, -(-count // MOST_PARTS))
        starts = range(0, count, length)
        ends = [min(start + length, count) for start in starts]
        begun = time.perf_counter()
        found = [run_part(0, ends[0])] if count else []
        each = (time.perf_counter() - begun) / length
        rest, block = (count - length) * each, max(FEWEST, int(BLOCK / max(each, 1e-9)))
        workers = min(_processors(), 32, len(starts) - 1)
        if workers <= 1 or rest < WORTH:
            found += map(run_part, starts[1:], ends[1:])
        else:
            with ThreadPoolExecutor(workers) as pool:
                try:
                    found += pool.map(stoppable_part, starts[1:], ends[1:])
                except BaseException:  # Ctrl-C, for one: what runs on other threads is not waited for
                    stop.set()
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
        for k, total in enumerate(sums):
            if total.ndim == 1:
                for own in found:
                    total += own[k]
        failed = np.flatnonzero(statuses)
        if len(failed):
            self.failed(failed, statuses[failed].tolist(), inputs, outputs, sums)

    def failed(self, rows: np.ndarray, statuses: list, inputs: list, outputs: list, sums: list) -> None:
        """Raise for the first row that failed, or let all of them be NaN."""
        errors = [
            self.primitive.failure(status) for status in statuses
        ]  # each is asked, and gives memory back
        first, count = errors[0], len(outputs[0])
        others = f", and {len(rows) - 1} more of {count}" if len(rows) > 1 else ""
        if not self.nan:
            first.add_note(f"This was element {rows[0]} of a map{others}.")
            raise first
        for x in outputs:
            x[rows] = np.nan
        # A row whose result nobody asks for has no part in sums, whatever it is.
        asked = rows if not sums else [k for k in rows if inputs[-1][k].any()]
        for x in sums:
            if x.ndim == 2:
                x[rows] = 0.0
                x[asked] = np.nan
            elif len(asked):
                x[:] = np.nan
        shown = ", ".join(map(str, rows[:20])) + (", ..." if len(rows) > 20 else "")
        message = f"elements {shown} of a map failed and are NaN ({len(rows)} of {count}). The first: {first}"
        warnings.warn(FailedElements(message, tuple(rows.tolist())), stacklevel=2)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def _entry(arrays: int):
    """A Python function of the address of `_loop`, of a program, the number of rows, arrays with the steps
    between their rows, the workspace, and where the program's results go."""
    pairs = "float64[:,::1], int64, " * arrays
    return trampoline(signature(f"int64(int64, int64, {pairs}float64[::1], int64[::1])"))


_loops = Made()


def _loop(arrays: int) -> int:
    """Address of C code that calls a program for row after row and keeps what each returns."""
    return _loops.get(arrays, lambda: _make_loop(arrays))


def _make_loop(arrays: int) -> int:
    name = f"sciad_rows_{arrays}"
    k = range(arrays)
    pairs = ", ".join(f"ptr %a{j}, i64 %s{j}" for j in k)
    lines = [
        f"define i64 @{name}(i64 %f, i64 %n, {pairs}, ptr %w, ptr %r) {{",
        "entry:",
        "  %program = inttoptr i64 %f to ptr",
        "  br label %loop",
        "loop:",
        "  %i = phi i64 [0, %entry], [%next, %body]",
        "  %more = icmp slt i64 %i, %n",
        "  br i1 %more, label %body, label %done",
        "body:",
        *(f"  %o{j} = mul i64 %i, %s{j}" for j in k),
        *(f"  %p{j} = getelementptr double, ptr %a{j}, i64 %o{j}" for j in k),
        f"  %status = call i64 %program({', '.join(f'ptr %p{j}' for j in k)}, ptr %w)",
        "  %place = getelementptr i64, ptr %r, i64 %i",
        "  store i64 %status, ptr %place",
        "  %next = add i64 %i, 1",
        f"  %left = icmp eq i64 %status, {INTERRUPTED}",
        "  br i1 %left, label %done, label %loop",
        "done:",
        "  ret i64 0",
        "}",
    ]
    llvm.load(llvm.emit(llvm.parse("\n".join(lines))))
    return llvm.address_of(name)
