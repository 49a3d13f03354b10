"""More rows than a Caffe net takes at a time: all of them in batches, and those of a MemoryData layer, one batch per
run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..conversion import ArrayLike, as_numbers
from ..engine.graph.ir.graph import Graph
from ..errors import UsageError

if TYPE_CHECKING:
    from .net import CaffeNet


def forward_all(net: CaffeNet, names: Sequence[str] | None, inputs: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
    """Runs the net on all rows of its `inputs`, one batch of its present size at a time; the last is filled up with
    zeros.

    Returns its outputs and the blobs `names`, float32 with one row per row. Raises UsageError for inputs of different
    lengths, none, and a blob without a row for each of a batch.
    """
    arrays = {name: np.asarray(as_numbers(values, name), np.float32) for name, values in inputs.items()}
    rows = {len(array) if array.ndim else 0 for array in arrays.values()}
    if len(rows) != 1 or 0 in rows:
        raise UsageError(f"forward_all was given {sorted(rows)} rows, expected one number of them for all inputs")
    size, total = net.blobs[net.inputs[0]].shape[0], rows.pop()
    found: dict[str, list[np.ndarray]] = {}
    for batch in _batches(arrays, size, total):
        for name, values in net.forward(names, None, None, **batch).items():
            if values.shape[:1] != (size,):
                raise UsageError(f"{name!r} has the shape {list(values.shape)}: no row for each of a batch of {size}")
            found.setdefault(name, []).append(values)
    return {name: np.concatenate(parts)[:total] for name, parts in found.items()}


def _batches(arrays: Mapping[str, np.ndarray], size: int, total: int) -> Iterator[dict[str, np.ndarray]]:
    for start in range(0, total, size):
        batch = {name: array[start : start + size] for name, array in arrays.items()}
        missing = start + size - total
        if missing > 0:
            batch = {
                name: np.concatenate([part, np.zeros((missing, *part.shape[1:]), np.float32)])
                for name, part in batch.items()
            }
        yield batch


class MemoryRows:
    """The rows of a net's MemoryData layer, its first one, of which each run takes the next batch, cyclically; none at
    first. `row` is the one that the next batch begins with; set before there are any, it is for those that follow."""

    def __init__(self, graph: Graph):
        self._graph, self._arrays = graph, list[np.ndarray]()
        self._row, self.shards = 0, 1  # a run takes the rows of one shard of a batch

    def __bool__(self) -> bool:
        return bool(self._arrays)

    def give(self, data: ArrayLike, labels: ArrayLike) -> None:
        """Rows for the runs from now on, as of `CaffeNet.set_input_arrays`."""
        first = self._graph.nodes[0]
        if first.type != "MemoryData":
            raise UsageError(f"set_input_arrays is for a net whose first layer is MemoryData, not {first.type}")
        ((size, *expected),) = first.attributes.shapes
        pictures, numbers = (np.asarray(as_numbers(*each), np.float32) for each in ((data, "data"), (labels, "labels")))
        rows = len(pictures) if pictures.ndim else 0
        if list(pictures.shape[1:]) != expected:
            raise UsageError(f"the data has the shape {list(pictures.shape)}, expected [N, {str(expected)[1:-1]}]")
        if numbers.ndim == 0 or numbers.size != rows or rows % size or not rows:
            what = f"{rows} rows of data and {numbers.size} labels"
            raise UsageError(f"{what}, expected as many, a multiple of the batch size {size}")
        row = 0 if self else self._row
        self._size, self._arrays = size // self.shards, [pictures, numbers.reshape(-1)][: len(first.tops)]
        self.row = row

    @property
    def size(self) -> int:
        """Rows that a run takes; 0 before there are any."""
        return self._size if self else 0

    @property
    def row(self) -> int:
        return self._row

    @row.setter
    def row(self, row: int) -> None:
        self._row = row // self._size * self._size % len(self._arrays[0]) if self else row

    def take(self) -> dict[str, np.ndarray]:
        """The next batch, by the names of the layer's tops."""
        start, tops = self._row, self._graph.nodes[0].tops
        self.row = start + self._size
        return {top.name: array[start : start + self._size] for top, array in zip(tops, self._arrays, strict=True)}
