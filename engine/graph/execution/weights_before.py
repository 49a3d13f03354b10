"""The weights that the last run had, where an update has changed them since."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np

from ..ir.graph import Graph


class WeightsBefore:
    """Of a graph, those of its last run: the present ones, until they have been `moved`."""

    def __init__(self, graph: Graph):
        self._graph = graph
        self._moved: np.ndarray | None = None
        self._owns_moved = False

    def forget(self) -> None:
        """The last run is one with the present weights."""
        self._moved = None

    def moved(self, by: np.ndarray) -> None:
        """An update after the last run has subtracted `by` from the weights, float32 in the layout of their vector."""
        self._moved, self._owns_moved = by, False

    def keep(self) -> None:
        """A caller may write to that vector from now on."""
        if self._moved is not None and not self._owns_moved:
            self._moved, self._owns_moved = self._moved.copy(), True

    @contextlib.contextmanager
    def present(self) -> Iterator[None]:
        """The weights are those of the last run, and get their values back, statistics of batches as well."""
        owners = {node.held.owner for node in self._graph.nodes if node.held}
        kept = [(owner.vector, owner.vector.copy()) for owner in owners]
        if self._moved is not None:
            for owner in owners:
                if owner.vector.size == self._moved.size:
                    owner.vector += self._moved
                    owner.all_written()
        try:
            yield
        finally:
            for vector, values in kept:
                np.copyto(vector, values)
            for owner in owners:
                owner.all_written()
