"""What a data layer gives: batch number 0, 1, ... of a source that begins again after its end, also within a batch.

A batch depends on its number, the seed and the layer's name, and on nothing else: so a training that goes on, or reads
ahead, gets what it should.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np

from ...engine.graph.analysis.fillers import filled_blob
from ...engine.graph.ir.graph import Node, Shape
from ...engine.graph.ops import op_of
from ...engine.graph.ops.inputs import DatabaseFiles, FilledBlobs, InputBlobs, PictureFiles, RowFiles, Transform
from .pictures import Pictures
from .places import Places
from .rows import RowSource
from .streams import check_batch, purpose_of, rows_of_shard

Batch = list[np.ndarray]
WINDOWS = "write its crops as pictures, and read them with ImageData or Data"
OWN = "caffe64.DataSource gives its batches from Python: Solver(..., data=...)"


class BatchSource(Protocol):
    """`take(number)` is a batch: a float32 array per top, new or never written to again. Batches are taken in order,
    or from any number on. `takes_long`: a thread is to prepare them while the net computes."""

    takes_long: bool

    def take(self, number: int) -> Batch: ...

    def close(self) -> None: ...


def make_source(node: Node, seed: int, places: Places, shards: int = 1) -> BatchSource | None:
    """The source of a layer without bottoms, of as many rows as a shard has; None for one that the caller feeds. Raises
    InputError, also for a layer that reads data in Python, UsageError for a package that is missing."""
    attributes = node.attributes
    if node.type == "WindowData":
        raise node.error("is not read", "another data layer", WINDOWS)
    if op_of(node) is None and not node.bottoms:
        raise node.error("would read its data by Python code, which is not run", "another data layer", OWN)
    files = attributes.files if isinstance(attributes, InputBlobs) else None
    if isinstance(files, DatabaseFiles | PictureFiles | RowFiles):
        files = replace(files, batch=rows_of_shard(node, files.batch, shards))
    match files:
        case DatabaseFiles() | PictureFiles():
            return Pictures(node, files, attributes.transform or Transform(), seed, places)
        case RowFiles():
            if attributes.transform:
                raise node.error("has a transform_param", "none: HDF5Data gives its rows as they are")
            return RowSource(node, files, seed, places)
        case FilledBlobs():
            return Filled(node, files, seed, shards)
    return None


class Filled:
    """Tops of a DummyData layer. One of a single row has that in each shard."""

    takes_long = False

    def __init__(self, node: Node, files: FilledBlobs, seed: int, shards: int = 1):
        shapes, fillers = [_cut(node, shape, shards) for shape in node.attributes.shapes], files.fillers
        self.node = node
        self._shapes = shapes * len(node.tops) if len(shapes) == 1 else shapes
        self._fillers = fillers * len(node.tops) if len(fillers) == 1 else fillers
        if not len(self._shapes) == len(self._fillers) == len(node.tops):
            raise node.error(f"has {len(fillers)} data_filler for {len(node.tops)} tops", "one, or one per top")
        check_batch(node, 1, self._shapes)
        self._draws = purpose_of(node, seed, 0)
        self._constant: Batch = []

    def take(self, number: int) -> Batch:
        if self._constant:
            return self._constant
        draws = self._draws(number)
        pairs = zip(self._fillers, self._shapes, strict=True)
        batch = [np.asarray(filled_blob(self.node, filler, shape, draws), np.float32) for filler, shape in pairs]
        if all(filler.type == "constant" for filler in self._fillers):
            self._constant = batch
        return batch

    def close(self) -> None:
        pass


def _cut(node: Node, shape: Shape, shards: int) -> Shape:
    if not shape or shape[0] == 1:
        return shape
    return rows_of_shard(node, shape[0], shards), *shape[1:]
