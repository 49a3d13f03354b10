"""Parameters that steps write, such as moving averages: where they lie, and that they have been written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...compiler.cpu import FLOAT_BYTES
from ...parameters.owner import Held
from .emitter import Update


class Updates:
    """The blobs that steps over `arena` write, whose offsets are in `tables`."""

    def __init__(self, updates: Sequence[Update], arena: np.ndarray, tables: np.ndarray):
        self._updates, self._start, self._tables = updates, arena.ctypes.data, tables
        self._held: list[Held] = []

    def find(self) -> None:
        """Before a run: write the offsets of the blobs, which may be another net's by now."""
        held = [update.node.held for update in self._updates]
        if held == self._held:
            return
        self._held = held
        for update, each in zip(self._updates, held, strict=True):
            start = each.owner.vector.ctypes.data - self._start
            for number, blob in enumerate(update.blobs):
                self._tables[update.at + number] = start + each.owner.slices[each.numbers[blob]].offset * FLOAT_BYTES

    def written(self) -> None:
        """After a run."""
        for update, held in zip(self._updates, self._held, strict=True):
            held.written(update.blobs)
