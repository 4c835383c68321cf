"""Caches that forget what was used longest ago, and values made once by one thread."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

__all__ = ["Late", "Made", "Recent"]


class Recent:
    """The `size` values used last, by key."""

    def __init__(self, size: int):
        self.size = size
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._guard = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable, default: Any = None) -> Any:
        """The value kept under a key."""
        with self._guard:
            if key not in self._kept:
                return default
            self._kept.move_to_end(key)
            return self._kept[key]

    def put(self, key: Hashable, value: Any) -> None:
        """Keep a value."""
        with self._guard:
            self._kept[key] = value
            self._settle(key)

    def setdefault(self, key: Hashable, value: Any) -> Any:
        """The value kept under a key; `value` from now on if there is none."""
        with self._guard:
            found = self._kept.setdefault(key, value)
            self._settle(key)
            return found

    def _settle(self, key: Hashable) -> None:
        self._kept.move_to_end(key)
        while len(self._kept) > self.size:
            self._kept.popitem(last=False)

    def items(self) -> list[tuple[Hashable, Any]]:
        """All that is kept, used last at the end."""
        with self._guard:
            return list(self._kept.items())


class Late:
    """A value made when first wanted, by one thread; the others wait for it."""

    __slots__ = ("_guard", "_made", "_value")

    def __init__(self):
        self._guard, self._made = threading.RLock(), False

    def get(self, make: Callable[[], Any]) -> Any:
        """The value, made by `make` if it has not been yet."""
        if not self._made:
            with self._guard:
                if not self._made:
                    self._value = make()
                    self._made = True
        return self._value


class Made:
    """Values by key, each made once."""

    def __init__(self):
        self._late: dict[Hashable, Late] = {}

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The value of a key, made by `make` if it has not been yet."""
        late = self._late.get(key)
        if late is None:
            late = self._late.setdefault(key, Late())
        return late.get(make)
