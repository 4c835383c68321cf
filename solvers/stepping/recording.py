"""The record of a solve while it is written, under a budget of memory: what does not fit is taken again.

The integration loop can stop at any step boundary, and everything it knows is in a few arrays. So a
checkpoint is a copy of these arrays, and the steps behind it can be taken again, to the last bit. A record
that outgrows its budget goes on in parts of equal size, each with the checkpoint it begins at; the rows of
the oldest parts are given up, and taken again when a backward pass asks for them. Where there are too many
checkpoints, every other one of the oldest is given up too (uniform checkpointing with online doubling: P.
Stumm and A. Walther, New algorithms for optimal online checkpointing, SIAM J. Sci. Comput. 32 (2010)), and
the steps between them are taken again under a budget of their own. Rows for c checkpoints of S steps each
cost one more forward solve, and storage grows with the root of the number of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from sciad.solvers.stepping import loop_state as state

__all__ = ["Part", "Recording", "Taken"]

PART = 1 / 16  # shares of the budget: the rows of one part,
ROWS = 1 / 2  # all rows that are kept,
CHECKPOINTS = 1 / 4  # and all checkpoints
SMALLEST_PART = 16  # rows
FEWEST = 8  # checkpoints that are kept in any case: with fewer, steps taken again would nest too deeply
DEEPER = 1 / 4  # share of the budget for taking part of a part again


@dataclass
class Part:
    """Consecutive steps.

    Attributes
    ----------
    begin : tuple of arrays or None
        Checkpoint at the first of them; None for the start of the solve.
    steps : int
    first, last : int
        Outputs first <= i < last lie in them.
    rows : ndarray (steps, width) or None
        Their record, if it is kept.
    """

    begin: tuple | None
    steps: int
    first: int
    last: int
    rows: np.ndarray | None


class Recording:
    """Rows being written.

    Parameters
    ----------
    capacity, width : int
        Rows expected, and numbers in each.
    memory : float or None
        Bytes that rows and checkpoints may take; no limit if None.
    part : Part, optional
        The steps that are taken again; a new solve if None.
    rows : ndarray, optional
        Memory to be used, if it is of the right size.
    """

    def __init__(
        self,
        capacity: int,
        width: int,
        memory: float | None,
        part: Part | None = None,
        rows: np.ndarray | None = None,
    ):
        self.past: list[Part] = []
        self._memory = memory
        self._limit = None if memory is None else max(SMALLEST_PART, int(memory * PART / (8 * width)))
        self._begin, self._first = (None, 0) if part is None else (part.begin, part.first)
        self._left = None if part is None else part.steps  # steps behind those of `past`
        self._longest = 2 * (self._limit or 0)  # steps between two checkpoints where some are given up
        capacity = min(capacity, self._limit or capacity)
        self.rows = np.empty((capacity, width)) if rows is None or len(rows) != capacity else rows

    def full(self, desk, whole, real) -> bool:
        """Make room; returns whether there is a use for it."""
        size, width = self.rows.shape
        if self._left == size:
            return False
        larger = min(2 * size, self._limit or 2 * size, self._left or 2 * size)
        if larger > size:
            grown = np.empty((larger, width))
            grown[:size] = self.rows
            self.rows = grown
            return True
        self.past.append(self._part(whole))
        self._first = self.past[-1].last
        if self._left is not None:
            self._left -= size
            size = min(size, self._left)
        rows = self._given_up()
        self.rows = np.empty((size, width)) if rows is None or len(rows) < size else rows[:size]
        whole[state.RECORDED] = 0
        scratch = desk.scratch.copy() if desk.plan.method.implicit else None
        self._begin = (whole.copy(), real.copy(), desk.z.copy(), scratch, *(x.copy() for x in desk.beside))
        self._thin()
        return True

    def parts(self, whole) -> list[Part]:
        return [*self.past, self._part(whole)]

    def _part(self, whole) -> Part:
        steps, last = int(whole[state.RECORDED]), int(whole[state.OUTPUT])
        return Part(self._begin, steps, self._first, last, self.rows[:steps])

    def _given_up(self) -> np.ndarray | None:
        """The rows of the oldest part that has some, where there are too many."""
        kept = [part for part in self.past if part.rows is not None]
        if sum(part.rows.nbytes for part in kept) <= self._memory * ROWS:
            return None
        rows, kept[0].rows = kept[0].rows, None
        return rows

    def _thin(self) -> None:
        """Give up checkpoints of the oldest parts where there are too many, so that those left are evenly
        spaced.
        """
        size = sum(array.nbytes for array in self._begin if array is not None)
        while len(self.past) * size > max(self._memory * CHECKPOINTS, FEWEST * size):
            bare = [part for part in self.past if part.rows is None]
            if len(bare) < 2:
                return
            merged: list[Part] = bare[:1]
            for part in bare[1:]:
                last = merged[-1]
                if last.steps + part.steps <= self._longest:
                    merged[-1] = Part(last.begin, last.steps + part.steps, last.first, part.last, None)
                else:
                    merged.append(part)
            if len(merged) == len(bare):
                self._longest *= 2
            self.past = merged + self.past[len(bare) :]


class Taken:
    """The steps of a solve whose record did not fit, to be read backwards.

    Parameters
    ----------
    parts : list of Part
    again : callable
        ``again(part, memory) -> list of Part`` takes the steps of a part again.
    memory : float
    """

    def __init__(self, parts: list[Part], again: Callable, memory: float):
        self._parts, self._again, self._memory = parts, again, memory

    def backwards(self) -> Iterator[Part]:
        """Parts with their rows, the last one first."""
        yield from self._backwards(self._parts, self._memory)

    def _backwards(self, parts: list[Part], memory: float) -> Iterator[Part]:
        for part in reversed(parts):
            if part.rows is not None:
                yield part
            else:
                yield from self._backwards(self._again(part, memory), memory * DEEPER)
