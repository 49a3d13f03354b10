"""Data that Python code gives a net: arrays, or batches from an iterable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from ...conversion import ArrayLike, as_numbers
from ...engine.graph.ir.graph import Node
from ...engine.graph.ops.inputs import InputBlobs
from ...engine.parameters.streams import generator
from ...errors import UsageError

NamedBatch = Mapping[str, ArrayLike]


@runtime_checkable
class DataSource(Protocol):
    """What gives a net its batches, in place of a data layer: anything that can be iterated, over dicts with an array
    for each top, by its name, such as a generator or a list.

    It is iterated again after its end. A training that goes on from a snapshot begins at a batch in between: with a
    method `seek(number)`, which makes the next iteration begin at that batch, from 0 on and never in between; without
    one the batches before are taken and dropped.
    """

    def __iter__(self) -> Iterator[NamedBatch]: ...


class OwnBatches:
    """The batches of a `DataSource` for these tops. `count` is 0: where it ends is not known."""

    count = 0

    def __init__(self, source: DataSource | Iterable[NamedBatch], tops: Sequence[str]):
        if not isinstance(source, Iterable) or isinstance(source, (Mapping, str, bytes, np.ndarray)):
            what = f"an object of the type {type(source).__name__}"
            raise UsageError(f"the data is {what}, expected batches to iterate over: dicts of arrays by top")
        self._source, self._tops = source, list(tops)
        self._batches: Iterator[NamedBatch] | None = None
        self._next = 0  # the batch that _batches gives
        self._last: tuple[int, list[np.ndarray]] = (-1, [])

    def take(self, number: int) -> list[np.ndarray]:
        """Raises UsageError for what is not a batch of these tops, and at the end of a generator."""
        if number != self._last[0]:
            if self._batches is None or number != self._next:
                self._go_to(number)
            self._last = number, self._arrays(self._pull())
        return self._last[1]

    def close(self) -> None:
        pass

    def _go_to(self, number: int) -> None:
        seek = getattr(self._source, "seek", None)
        if seek is not None:
            seek(number)
            self._batches, self._next = iter(self._source), number
        elif self._batches is None or number < self._next:
            again = iter(self._source)
            if again is self._batches:
                raise UsageError("the data is a generator, which cannot begin again: give it a method seek, or a list")
            self._batches, self._next = again, 0
        while self._next < number:
            self._pull()

    def _pull(self) -> NamedBatch:
        assert self._batches is not None
        batch = next(self._batches, None)
        if batch is None:
            again = iter(self._source)
            batch = None if again is self._batches else next(again, None)
            self._batches = again
        if batch is None:
            hint = "an endless generator, or a list or an object with __iter__, which begins again"
            raise UsageError(f"the data has ended before batch {self._next} (from 0): give {hint}")
        self._next += 1
        return batch

    def _arrays(self, batch: NamedBatch) -> list[np.ndarray]:
        if not isinstance(batch, Mapping):
            raise UsageError(f"the data gave a {type(batch).__name__}, expected a dict of arrays for {self._tops}")
        if missing := [top for top in self._tops if top not in batch]:
            raise UsageError(f"the data gave a batch of {sorted(map(str, batch))}, without {missing[0]!r}")
        return [np.asarray(as_numbers(batch[top], top), np.float32) for top in self._tops]


def make_input(node: Node, source: DataSource | Iterable[NamedBatch]) -> OwnBatches:
    """The batches of `source` in place of a data layer, of whatever type: it becomes one that the caller feeds."""
    batches = OwnBatches(source, [top.name for top in node.tops])
    node.type, node.attributes = "Input", InputBlobs(tuple(array.shape for array in batches.take(0)))
    return batches


class ArrayRows:
    """Batches of the rows of arrays, one for each top: rows run on from the last to the first, also within a batch. If
    they are shuffled, each epoch has its own order, by the seed. Raises UsageError for arrays that are not as long."""

    def __init__(self, arrays: Mapping[str, ArrayLike], batch: int, *, shuffle: bool = False, seed: int = 0):
        self._arrays = [np.asarray(as_numbers(values, name), np.float32) for name, values in arrays.items()]
        lengths = sorted({len(array) if array.ndim else 0 for array in self._arrays})
        if len(lengths) != 1 or not lengths[0] or batch < 1:
            raise UsageError(f"the data has {lengths} rows for batches of {batch}, expected as many in all arrays")
        self.count, self.batch, self._shuffle, self._seed = lengths[0], batch, shuffle, seed
        self._order: tuple[int, np.ndarray] = (-1, np.arange(self.count))

    def take(self, number: int) -> list[np.ndarray]:
        rows: list[np.ndarray] = []
        at, end = number * self.batch, (number + 1) * self.batch
        while at < end:
            epoch, start = divmod(at, self.count)
            rows.append(self._rows(epoch)[start : start + end - at])
            at += len(rows[-1])
        chosen = np.concatenate(rows)
        return [array[chosen] for array in self._arrays]

    def close(self) -> None:
        pass

    def _rows(self, epoch: int) -> np.ndarray:
        if self._shuffle and self._order[0] != epoch:
            self._order = epoch, generator(self._seed, epoch).permutation(self.count)
        return self._order[1]
