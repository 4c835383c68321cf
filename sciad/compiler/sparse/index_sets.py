"""Sets of indices as rows of int arrays, padded with the number `n` of possible indices."""

from __future__ import annotations

import numpy as np

__all__ = ["IndexSets", "equal", "union", "widened"]


def union(n: int, sets) -> np.ndarray:
    """Row by row; an array with one row counts for every row. Rows come out sorted, each index once."""
    sets = [s for s in sets if s.shape[1]]
    if not sets:
        return np.empty((1, 0), np.int32)
    if len(sets) == 1:
        (both,) = sets
        if both.shape[1] == 1:
            return both
    elif all(s is sets[0] for s in sets):
        return sets[0]
    else:
        lanes = max(len(s) for s in sets)
        both = np.concatenate([s if len(s) == lanes else np.repeat(s, lanes, axis=0) for s in sets], axis=1)
    return _trimmed(n, _unique(n, np.sort(both, axis=1)))


def _unique(n: int, rows: np.ndarray) -> np.ndarray:
    """Sorted rows without repetitions."""
    again = rows[:, 1:] == rows[:, :-1]
    if not again.any():
        return rows
    rows[:, 1:][again] = n
    return np.sort(rows, axis=1)


def _trimmed(n: int, rows: np.ndarray) -> np.ndarray:
    width = int((rows.min(axis=0) < n).sum()) if len(rows) else 0
    return rows[:, :width]


def widened(n: int, rows: np.ndarray, width: int) -> np.ndarray:
    if rows.shape[1] == width:
        return rows
    return np.pad(rows, ((0, 0), (0, width - rows.shape[1])), constant_values=n)


def equal(n: int, a: np.ndarray, b: np.ndarray) -> bool:
    """Of sorted rows."""
    a, b = np.broadcast_arrays(*(widened(n, x, max(a.shape[1], b.shape[1])) for x in (a, b)))
    return np.array_equal(a, b)


class IndexSets:
    """Memory that holds a set at each address, and one more set that all addresses share."""

    def __init__(self, n: int, size: int):
        self.n = n
        self.rows = np.full((size, 0), n, np.int32)
        self.shared = np.empty((1, 0), np.int32)

    def grow(self, size: int) -> None:
        if size > len(self.rows):
            more = max(size, 2 * len(self.rows)) - len(self.rows)
            self.rows = np.pad(self.rows, ((0, more), (0, 0)), constant_values=self.n)

    def load(self, at: np.ndarray) -> np.ndarray:
        found = _trimmed(self.n, self.rows[np.clip(at, 0, max(len(self.rows) - 1, 0))])
        return union(self.n, (found, self.shared)) if self.shared.shape[1] else found

    def everything(self) -> np.ndarray:
        found = np.unique(np.append(self.rows, self.shared)).astype(np.int32)
        return found[found < self.n][None]

    def smear(self, sets: np.ndarray) -> bool:
        """A store at an unknown address. Whether that changed anything."""
        old = self.shared
        self.shared = union(self.n, (old, union(self.n, (sets.reshape(1, -1),))))
        return self.shared.shape != old.shape

    def store(self, at: np.ndarray, sets: np.ndarray, replace: bool) -> bool:
        """At known addresses. Whether that added anything."""
        places, inverse = np.unique(at, return_inverse=True) if len(at) > 1 else (at, None)
        if len(places) < len(at):  # several lanes in one place
            sets = self._merged(np.broadcast_to(sets, (len(at), sets.shape[1])), inverse, len(places))
            at = places
        inside = (at >= 0) & (at < len(self.rows))
        if not inside.all():
            at, sets = at[inside], sets if len(sets) == 1 else sets[inside]
        old = self.rows[at]
        new = sets if replace else union(self.n, (old, np.broadcast_to(sets, (len(at), sets.shape[1]))))
        if new.shape[1] > self.rows.shape[1]:
            self.rows = widened(self.n, self.rows, new.shape[1])
            old = widened(self.n, old, new.shape[1])
        new = np.broadcast_to(widened(self.n, new, self.rows.shape[1]), old.shape)
        self.rows[at] = new
        return bool((new != old).any())

    def _merged(self, sets: np.ndarray, group: np.ndarray, count: int) -> np.ndarray:
        keys = np.unique((np.repeat(group.ravel(), sets.shape[1]) * (self.n + 1)) + sets.ravel())
        group, index = np.divmod(keys[keys % (self.n + 1) < self.n], self.n + 1)
        sizes = np.bincount(group, minlength=count)
        out = np.full((count, int(sizes.max(initial=0))), self.n, np.int32)
        out[group, np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)] = index
        return out

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """(address, index) of everything."""
        rows = self.load(np.arange(len(self.rows)))
        rows = np.broadcast_to(rows, (len(self.rows), rows.shape[1]))
        found = rows < self.n
        return np.nonzero(found)[0], rows[found]
