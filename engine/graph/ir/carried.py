"""What a layer keeps from one forward run to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...parameters.streams import Streams
from .graph import Node
from .op import Run


class Carried:
    """float32 arrays of one preparation of a layer, zeros at first: what its last run began with, `start`, and what it
    ended with, `end`, from which the next one begins.

    A run is one of an iteration of the net's streams: a second one of the same iteration begins as the first did, so
    that a net may be run again for its inner blobs, and a plan that nothing counts the runs of begins with zeros each
    time. The arrays belong to the preparation: nets, copies and executors share none.
    """

    def __init__(self, *sizes: int):
        self.start = [np.zeros(size, np.float32) for size in sizes]
        self.end = [np.zeros(size, np.float32) for size in sizes]
        self._iteration: int | None = None

    def begin(self, streams: Streams) -> list[np.ndarray]:
        """What the run of this iteration begins with."""
        if self._iteration is not None and streams.iteration != self._iteration:
            _copy(self.end, self.start)
        self._iteration = streams.iteration
        return self.start

    def take_over(self, other: Carried) -> None:
        """Go on where `other`, of the same layer and shapes, is."""
        _copy(other.start, self.start)
        _copy(other.end, self.end)
        self._iteration = other._iteration

    def go_on(self, arrays: Sequence[np.ndarray], iteration: int) -> None:
        """Begin the next run with these, flat, as the run of this iteration has left them."""
        _copy(arrays, self.end)
        self._iteration = iteration


def carried_states(runs: Mapping[Node, Run]) -> dict[Node, Carried]:
    """What prepared layers carry over: the `state` of those that have one."""
    return {node: state for node, run in runs.items() if (state := getattr(run, "state", None))}


def _copy(source: Sequence[np.ndarray], target: Sequence[np.ndarray]) -> None:
    for values, array in zip(source, target, strict=True):
        np.copyto(array, values)
