"""What Python code gives a net in place of its data layers: rows of arrays, or batches (`own`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...arguments import LARGEST_FLOAT
from ...conversion import ArrayLike, as_numbers
from ...engine.graph.ir.graph import PICTURE_AXES, Graph, Node, Shape
from ...engine.graph.ops import op_of
from ...engine.graph.ops.inputs import FilledBlobs, InputBlobs
from ...errors import NotFinite, UsageError
from ...wording import counted, one_of
from .own import CutBatches, OwnBatches
from .places import Places
from .sources import Batch, BatchSource
from .streams import ORDER, layer_key, purpose_of
from .transformer import PixelTransform

BATCH = 64  # rows, for a net that names none
EXPECTED = "arrays with a row per example: (X, Y), or a dict of arrays by top; or an iterable of such dicts of batches"
Sources = dict[str, tuple[list[str], BatchSource]]


@dataclass(frozen=True)
class Feed:
    """`data` as a caller gave it for the argument `name`. `batch` rows at a time, None for as many as the net's data
    layer takes. `trains`: rows are shuffled, and run on from the last to the first; else each test takes all once.
    Each batch is cut into `shards`, which are taken one by one, each `passes` times in an iteration."""

    name: str
    data: Any
    batch: int | None = None
    trains: bool = True
    shards: int = 1
    passes: int = 1

    def sources(self, graph: Graph, seed: int, places: Places) -> Sources:
        """The source for each of the layers that it stands for, under the first's name. Raises UsageError."""
        layers = [node for node in graph.nodes if not node.bottoms and not _fills_itself(node)]
        arrays = self._arrays([top.name for node in layers for top in node.tops])
        tops = [top for node in layers for top in (top.name for top in node.tops)] if arrays is None else [*arrays]
        fed = [node for node in layers if any(top.name in tops for top in node.tops)]
        if arrays is not None:
            self._check_whole(fed, layers, tops)
        if not fed:
            raise UsageError(f"{self.name} was given to a net without a data layer or an input: {graph.path}")
        if arrays is None:
            whole = OwnBatches(self.data, tops)
            return {fed[0].name: (tops, CutBatches(whole, self.shards, self.passes) if self.shards > 1 else whole)}
        return {fed[0].name: (tops, self._rows(arrays, fed, seed, places))}

    @property
    def is_rows(self) -> bool:
        """Whether it is arrays, of which there is an end."""
        return isinstance(self.data, (Mapping, tuple)) or hasattr(self.data, "__array__")

    def _arrays(self, tops: list[str]) -> dict[str, ArrayLike] | None:
        """Arrays by top; None for batches."""
        if isinstance(self.data, Mapping):
            return dict(self.data)
        if not self.is_rows:
            if not isinstance(self.data, Iterable) or isinstance(self.data, (str, bytes)):
                raise UsageError(f"{self.name} is of the type {type(self.data).__name__}, expected {EXPECTED}")
            return None
        given = self.data if isinstance(self.data, tuple) else (self.data,)
        if len(given) != len(tops):
            raise UsageError(
                f"{self.name} has {counted(len(given), 'array')}, the net reads {' and '.join(map(repr, tops))}"
            )
        return dict(zip(tops, given, strict=True))

    def _check_whole(self, fed: Sequence[Node], layers: Sequence[Node], tops: Sequence[str]) -> None:
        known = [top.name for node in layers for top in node.tops]
        if unknown := [top for top in tops if top not in known]:
            raise UsageError(f"{self.name} has an array for {unknown[0]!r}, expected {one_of(known)}")
        for node in fed:
            if missing := [top.name for top in node.tops if top.name not in tops]:
                raise UsageError(f"{self.name} has no array for {missing[0]!r}, which the layer {node.name!r} gives")

    def _rows(self, arrays: Mapping[str, ArrayLike], fed: Sequence[Node], seed: int, places: Places) -> ArrayRows:
        first = fed[0]
        numbers = {top: checked_rows(f"{self.name}[{top!r}]", values) for top, values in arrays.items()}
        lengths = {len(array) for array in numbers.values()}
        if len(lengths) != 1:
            raise UsageError(f"{self.name} has arrays of {sorted(lengths)} rows, expected as many in all")
        batch = self.batch or _batch_of(first)
        if not batch or not self.trains:
            batch = min(batch or BATCH, *lengths)
        if batch % self.shards:
            raise UsageError(
                f"{self.name} is taken {batch} rows at a time, expected a multiple of {self.shards} shards"
            )
        changes: list[PixelTransform | None] = []
        for top, array in numbers.items():
            node = next(node for node in fed if any(each.name == top for each in node.tops))
            transform = node.attributes.transform if isinstance(node.attributes, InputBlobs) else None
            if transform is None or node.tops[0].name != top:
                changes.append(None)
                continue
            if array.ndim != PICTURE_AXES:
                found = f"{self.name}[{top!r}] has the shape {list(array.shape)}"
                raise UsageError(f"{found}, expected pictures [N, channels, height, width] for {node.name!r}")
            changes.append(PixelTransform(node, transform, seed, layer_key(node, 0), places))
        draws = purpose_of(first, seed, ORDER) if self.trains else None
        return ArrayRows(list(numbers.values()), batch // self.shards, draws, changes)


def make_inputs(graph: Graph, shapes: Mapping[str, Shape]) -> None:
    """Layers without bottoms of types that are not known, such as those of Python code, become inputs of the shapes
    that their tops were given."""
    for node in graph.nodes:
        if not node.bottoms and op_of(node) is None and all(top.name in shapes for top in node.tops):
            node.type, node.attributes = "Input", InputBlobs(tuple(shapes[top.name] for top in node.tops))


def checked_rows(name: str, values: ArrayLike) -> np.ndarray:
    """An array of one row or more. Raises UsageError, NotFinite."""
    array = as_numbers(values, name)
    if array.ndim == 0 or not array.size:
        raise UsageError(f"{name} has the shape {list(array.shape)}, expected a row per example")
    if array.dtype.kind == "f" and not (array.max() <= LARGEST_FLOAT and array.min() >= -LARGEST_FLOAT):
        rows = array.reshape(len(array), -1)
        row, column = np.argwhere(~(np.abs(rows) <= LARGEST_FLOAT))[0].tolist()
        raise NotFinite(name, row, column, float(rows[row, column]))
    return array


def _fills_itself(node: Node) -> bool:
    return isinstance(node.attributes, InputBlobs) and isinstance(node.attributes.files, FilledBlobs)


def _batch_of(node: Node) -> int:
    """The rows that a data layer takes at a time; 0 for an Input layer, which takes any number."""
    if not isinstance(node.attributes, InputBlobs) or node.type == "Input":
        return 0
    files, shapes = node.attributes.files, node.attributes.shapes
    if files is not None and not isinstance(files, FilledBlobs):
        return files.batch
    return shapes[0][0] if shapes and shapes[0] else 0


class ArrayRows:
    """Batches of the rows of arrays, one per top, which go through the transform_param of their layer. With `draws`,
    random numbers by epoch, rows run on from the last to the first, also within a batch, each epoch in its own order;
    without, in their own order, and the last batch before they begin again has as many as are left."""

    def __init__(
        self, arrays: Sequence[np.ndarray], batch: int, draws: Callable[[int], np.random.Generator] | None,
        changes: Sequence[PixelTransform | None],
    ):  # fmt: skip
        self._arrays, self._draws, self._changes = arrays, draws, changes
        self.count, self.batch, self.takes_long = len(arrays[0]), batch, any(changes)
        self._order: tuple[int, np.ndarray] = (-1, np.arange(self.count))

    @property
    def batches(self) -> int:
        """That all rows make, the last perhaps smaller."""
        return -(-self.count // self.batch)

    def take(self, number: int) -> Batch:
        rows = self._rows_of(number)
        return [
            self._transformed(change, array, rows, number) if change else array[rows].astype(np.float32, copy=False)
            for array, change in zip(self._arrays, self._changes, strict=True)
        ]

    def close(self) -> None:
        pass

    def _rows_of(self, number: int) -> np.ndarray:
        if self._draws is None:
            start = number % self.batches * self.batch
            return np.arange(start, min(start + self.batch, self.count))
        at, end = number * self.batch, (number + 1) * self.batch
        parts: list[np.ndarray] = []
        while at < end:
            epoch, start = divmod(at, self.count)
            if self._order[0] != epoch:
                self._order = epoch, self._draws(epoch).permutation(self.count)
            parts.append(self._order[1][start : start + end - at])
            at += len(parts[-1])
        return np.concatenate(parts)

    @staticmethod
    def _transformed(change: PixelTransform, array: np.ndarray, rows: np.ndarray, number: int) -> np.ndarray:
        target = np.empty((len(rows), *change.shape(array.shape[1:])), np.float32)
        pixels = array[rows] if array.dtype == np.uint8 else array[rows].astype(np.float32)
        change.run(list(pixels), change.draws(number, len(rows)), target)
        return target
