"""A compiled program over the rows of its inputs: `vmap` as a native loop, over threads where that pays."""

from __future__ import annotations

import functools
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from sciad.eager.traced import is_traced
from sciad.native import llvm
from sciad.native.code import trampoline
from sciad.native.interruption import stoppable
from sciad.native.python_entries import signature
from sciad.recent import Made
from sciad.transforms.custom import custom

__all__ = ["Rows"]

FIRST = 16  # rows that are timed before it is decided whether to use threads
BLOCK = 0.05  # seconds of work in one native call
WORTH = 2e-3  # seconds of work that are worth starting threads


class Rows:
    """``rows(*inputs) -> out`` of a `primitive`; inputs that are `mapped` have a row for each element, the
    others are the same for all.  Derivatives are those of the primitive, over rows in turn.
    """

    def __init__(self, primitive, mapped: tuple[bool, ...]):
        self.primitive, self.mapped = primitive, mapped
        self.call = custom(self.value, self.push, self.pull)
        self.call.name = self.call.__name__ = primitive.call.name
        self.call.pure = True

    def __call__(self, *inputs):
        return self.call(*inputs)

    def value(self, *inputs) -> np.ndarray:
        (out,) = self.outputs(inputs, 1)
        self.run("primal", self.rows(inputs), [out])
        return out

    def push(self, inputs, dots):
        dots = [np.zeros(np.shape(x)) if d is None else d for x, d in zip(inputs, dots, strict=True)]
        if any(map(is_traced, (*inputs, *dots))):
            return self(*inputs), self.primitive.tangent.over_rows(self.mapped * 2)(*inputs, *dots)
        out, out_dot = self.outputs(inputs, 2)
        self.run("pushforward", self.rows([*inputs, *dots], self.mapped * 2), [out, out_dot])
        return out, out_dot

    def pull(self, inputs):
        def pull(g):
            if any(map(is_traced, (*inputs, g))):
                return self.split(self.primitive.cotangent.over_rows((*self.mapped, True))(*inputs, g))
            count, (out,) = len(g), self.outputs(inputs, 1)
            sizes = [x.size for x in self.primitive.program.inputs]
            bars = [
                np.zeros((count, size) if m else (size,)) for size, m in zip(sizes, self.mapped, strict=True)
            ]
            self.run("pullback", self.rows([*inputs, g], (*self.mapped, True)), [out], bars)
            return tuple(bars)

        return self(*inputs), pull

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
        """Run rows; where `sums` have no row for each element, what threads add is added up."""
        _, address, size = self.primitive.entry(kind)
        enter = _entry(len(inputs) + len(outputs) + len(sums))
        count = len(outputs[0])

        def part(first: int, last: int, sums) -> int:
            for begin in range(first, last, block):  # in between Python may interrupt
                status = some(begin, min(begin + block, last), sums)
                if status or stop.is_set():
                    return status
            return 0

        def some(first: int, last: int, sums) -> int:
            arguments = []
            for x in (*inputs, *outputs, *sums):
                rows = x.ndim == 2 and (x.shape[0] == count)
                x = x[first:last] if rows else x.reshape(1, -1)
                arguments += [x, x.shape[1] if rows else 0]
            return enter(_loop(len(arguments) // 2), address, last - first, *arguments, np.empty(size))

        first, stop = min(FIRST, count), threading.Event()
        begun, block = time.perf_counter(), max(first, 1)
        statuses = [part(0, first, sums)]
        each = (time.perf_counter() - begun) / max(first, 1)
        rest, block = (count - first) * each, max(1, int(BLOCK / max(each, 1e-9)))
        workers = min(_processors(), 32)
        if workers == 1 or rest < WORTH:
            statuses.append(part(first, count, sums))
        else:
            cuts = np.linspace(first, count, workers + 1).astype(int)
            own = [[x if x.ndim == 2 else np.zeros(x.shape) for x in sums] for _ in range(workers)]

            def stopped_part(*rows) -> int:
                with stoppable(stop):
                    return part(*rows)

            with ThreadPoolExecutor(workers) as pool:
                try:
                    statuses += pool.map(stopped_part, cuts[:-1], cuts[1:], own)
                except BaseException:  # Ctrl-C, for one: what runs on other threads is not waited for
                    stop.set()
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
            for k, total in enumerate(sums):
                if total.ndim == 1:
                    total += np.sum([parts[k] for parts in own], axis=0)
        for status in statuses:
            if status:
                self.primitive.fail(status)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def _entry(arrays: int):
    """A Python function of the address of `_loop`, of a program, the number of rows, arrays with the steps
    between their rows, and the workspace."""
    pairs = "float64[:,::1], int64, " * arrays
    return trampoline(signature(f"int64(int64, int64, {pairs}float64[::1])"))


_loops = Made()


def _loop(arrays: int) -> int:
    """Address of C code that calls a program for row after row until one fails."""
    return _loops.get(arrays, lambda: _make_loop(arrays))


def _make_loop(arrays: int) -> int:
    name = f"sciad_rows_{arrays}"
    k = range(arrays)
    lines = [
        f"define i64 @{name}(i64 %f, i64 %n, {', '.join(f'ptr %a{j}, i64 %s{j}' for j in k)}, ptr %w) {{",
        "entry:",
        "  %program = inttoptr i64 %f to ptr",
        "  br label %loop",
        "loop:",
        "  %i = phi i64 [0, %entry], [%next, %again]",
        "  %more = icmp slt i64 %i, %n",
        "  br i1 %more, label %body, label %done",
        "body:",
        *(f"  %o{j} = mul i64 %i, %s{j}" for j in k),
        *(f"  %p{j} = getelementptr double, ptr %a{j}, i64 %o{j}" for j in k),
        f"  %status = call i64 %program({', '.join(f'ptr %p{j}' for j in k)}, ptr %w)",
        "  %fine = icmp eq i64 %status, 0",
        "  br i1 %fine, label %again, label %failed",
        "again:",
        "  %next = add i64 %i, 1",
        "  br label %loop",
        "failed:",
        "  ret i64 %status",
        "done:",
        "  ret i64 0",
        "}",
    ]
    llvm.load(llvm.emit(llvm.parse("\n".join(lines))))
    return llvm.address_of(name)
