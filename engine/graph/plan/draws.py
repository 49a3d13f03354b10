"""Random numbers that steps draw: where their streams are, which changes with each run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .emitter import Draw


class Draws:
    """The streams of nodes, which steps read in `tables`."""

    def __init__(self, draws: Sequence[Draw], tables: np.ndarray):
        self._draws, self._tables = draws, tables

    def find(self) -> None:
        """Before a run."""
        for node, at in self._draws:
            position = node.streams.position(node.name)
            self._tables[at : at + position.size] = position
