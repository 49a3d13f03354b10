"""Arrays that callers were given: brought up to date as long as they hold them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

import numpy as np

Key = TypeVar("Key", bound=Hashable)
Fill = Callable[[Key, np.ndarray], object]


class HeldArrays(Generic[Key]):
    """float32 arrays by key, each made when it is asked for. An array that no caller holds any more is forgotten when
    the values change: what callers wrote into it is gone then."""

    def __init__(self) -> None:
        self._arrays: dict[Key, np.ndarray] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._arrays

    def __iter__(self) -> Iterator[tuple[Key, np.ndarray]]:
        return iter(list(self._arrays.items()))

    def get(self, key: Key) -> np.ndarray | None:
        """The array, if there is one."""
        return self._arrays.get(key)

    def put(self, key: Key, array: np.ndarray) -> np.ndarray:
        """Show this array, which must own its memory, so that views of it hold it."""
        return self._arrays.setdefault(key, array)

    def changed(self, key: Key, fill: Fill) -> None:
        """There are new values: `fill(key, array)` writes them, if a caller holds the array."""
        array = self._arrays.pop(key, None)
        if array is None:
            return
        held = weakref.ref(array)
        del array
        if (array := held()) is not None:
            fill(key, array)
            self._arrays[key] = array

    def all_changed(self, fill: Fill) -> None:
        """The same of all."""
        for key in list(self._arrays):
            self.changed(key, fill)
