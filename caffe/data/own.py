"""Batches from an iterable of Python code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from ...conversion import ArrayLike, as_numbers
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
    """The batches of a `DataSource` for these tops, whose code runs when they are taken."""

    takes_long = False

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
            found = "an array" if hasattr(batch, "__array__") else f"a {type(batch).__name__}"
            hint = "a tuple (X, Y) would be arrays with a row per example"
            raise UsageError(f"the data gave {found}, expected a dict of arrays for {self._tops} ({hint})")
        if missing := [top for top in self._tops if top not in batch]:
            raise UsageError(f"the data gave a batch of {sorted(map(str, batch))}, without {missing[0]!r}")
        return [np.asarray(as_numbers(batch[top], top), np.float32) for top in self._tops]


class CutBatches:
    """Rows of the batches that Python code gives, which are whole ones: batch p of it is batches p * shards and on. As
    many as the passes of an iteration are kept, since its code may not give one again."""

    takes_long = False

    def __init__(self, whole: OwnBatches, shards: int, passes: int):
        self._whole, self._shards, self._passes = whole, shards, passes
        self._kept: dict[int, list[np.ndarray]] = {}

    def take(self, number: int) -> list[np.ndarray]:
        """Raises UsageError as `OwnBatches`, and for rows that are not a multiple of the shards."""
        whole, shard = divmod(number, self._shards)
        if whole not in self._kept:
            batch = self._whole.take(whole)
            if odd := [
                len(array) if array.ndim else 0 for array in batch if not array.ndim or len(array) % self._shards
            ]:
                raise UsageError(
                    f"the data gave a batch of {odd[0]} rows, expected a multiple of {self._shards} shards"
                )
            while len(self._kept) >= self._passes:
                del self._kept[min(self._kept)]
            self._kept[whole] = batch
        return [np.array_split(array, self._shards)[shard] for array in self._kept[whole]]

    def close(self) -> None:
        self._kept = {}
        self._whole.close()
