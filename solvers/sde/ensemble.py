"""Many paths over threads, with results that do not depend on how many threads there are."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from sciad.native.interruption import stoppable

__all__ = ["Moments", "chunks", "run"]

CHUNKS = 64  # an ensemble is cut into at most so many parts, whatever the number of threads


def chunks(paths: int, multiple: int) -> list[tuple[int, int]]:
    """Cut ``range(paths)`` into parts whose lengths are multiples of ``multiple`` (but for the last)."""
    blocks = -(-paths // multiple)
    size = -(-blocks // CHUNKS) * multiple
    return [(a, min(a + size, paths)) for a in range(0, paths, size)]


def run(work: Callable, parts: list, threads: int | None = None, progress: bool = False) -> list:
    """``[work(part) for part in parts]``, on threads where there is more than one part.

    Parameters
    ----------
    work : callable
        Releases the interpreter's lock where it matters.
    threads : int, optional
        As many as the process may use cores by default.
    progress : bool
        Show a bar (tqdm).
    """
    threads = threads or _cores()
    if len(parts) == 1 or threads == 1:
        results = map(work, parts)
        return list(_bar(results, len(parts)) if progress else results)
    stop = threading.Event()

    def stopped_work(part):
        with stoppable(stop):
            return work(part)

    with ThreadPoolExecutor(min(threads, len(parts))) as pool:
        try:
            results = pool.map(stopped_work, parts)
            return list(_bar(results, len(parts)) if progress else results)
        except BaseException:  # Ctrl-C, for one: what runs on other threads is not waited for
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every platform
        return os.cpu_count() or 1


def _bar(results, total: int):
    from tqdm import tqdm

    return tqdm(results, total=total, unit="part")


class Moments:
    """Mean, spread and quantiles of values that come in parts and are not kept.

    The parts are gone through twice: first for moments and range, then for a histogram of `BINS` equal
    bins on that range, from which quantiles are read by interpolation; their error is at most one bin.
    """

    BINS = 4096

    def __init__(self):
        self.count = 0
        self.mean = self.square = self.low = self.high = None
        self.histogram = None

    def add(self, values: np.ndarray) -> None:
        """First pass: values of shape (..., paths)."""
        count, mean = values.shape[-1], values.mean(-1)
        square = ((values - mean[..., None]) ** 2).sum(-1)
        low, high = values.min(-1), values.max(-1)
        if self.count:
            total = self.count + count
            shift = mean - self.mean
            square = self.square + square + shift**2 * (self.count * count / total)
            mean = self.mean + shift * (count / total)
            low, high = np.minimum(low, self.low), np.maximum(high, self.high)
        self.count += count
        self.mean, self.square, self.low, self.high = mean, square, low, high

    def sort(self, values: np.ndarray) -> None:
        """Second pass, over the same values."""
        if self.histogram is None:
            self.histogram = np.zeros((self.mean.size, self.BINS), dtype=np.int64)
        width = np.where(self.high > self.low, self.high - self.low, 1.0)[..., None]
        place = ((values - self.low[..., None]) * (self.BINS / width)).astype(np.int64)
        place = np.clip(place, 0, self.BINS - 1).reshape(self.mean.size, -1)
        place += np.arange(self.mean.size)[:, None] * self.BINS
        self.histogram += np.bincount(place.ravel(), minlength=self.histogram.size).reshape(
            self.histogram.shape
        )

    @property
    def std(self) -> np.ndarray:
        """Standard deviation, with count - 1 below the fraction."""
        return np.sqrt(self.square / max(self.count - 1, 1))

    def quantile(self, level: float) -> np.ndarray:
        """Value below which a fraction `level` lies."""
        below = np.cumsum(self.histogram, axis=1)
        target = level * self.count
        bin_ = np.minimum((below < target).sum(1), self.BINS - 1)
        rows = np.arange(len(below))
        inside = self.histogram[rows, bin_]
        part = (target - (below[rows, bin_] - inside)) / np.maximum(inside, 1)
        width = (self.high - self.low).ravel() / self.BINS
        return (self.low.ravel() + (bin_ + np.clip(part, 0, 1)) * width).reshape(self.mean.shape)
