"""What a data layer gives: batch number 0, 1, ... of a source that begins again after its end, also within a batch.

A batch depends on its number, the seed and the layer's name, and on nothing else: so a training that goes on, or reads
ahead, gets what it should.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Protocol

import numpy as np

from ...engine.graph.analysis.fillers import filled_blob
from ...engine.graph.ir.graph import Node
from ...engine.graph.ops.inputs import DatabaseFiles, FilledBlobs, InputBlobs, PictureFiles, RowFiles, Transform
from ...engine.parameters.streams import generator
from ...errors import FileMissing, InputError
from ...formats.caffe.datum import BadRecord, parse_datum
from ...formats.files import open_input
from ...formats.pixels import read_pixels, resize_pixels
from .database import open_database
from .rows import RowSource
from .transformer import PixelTransform

Batch = list[np.ndarray]
Find = Callable[[str], Path]
ORDER, START = 1, 2  # purposes of random numbers besides the pictures' own


class BatchSource(Protocol):
    """`take(number)` is a batch: a float32 array per top, new or never written to again. Batches are taken in order,
    or from any number on. `count` is the number of records, 0 if there is no end."""

    count: int

    def take(self, number: int) -> Batch: ...

    def close(self) -> None: ...


def make_source(node: Node, seed: int, find: Find) -> BatchSource | None:
    """The source of a layer without bottoms; None for one that the caller feeds. `find` gives the place of a file that
    a net names. Raises InputError, UsageError for a package that is missing."""
    attributes = node.attributes
    files = attributes.files if isinstance(attributes, InputBlobs) else None
    match files:
        case DatabaseFiles() | PictureFiles():
            return Pictures(node, files, attributes.transform or Transform(), seed, find)
        case RowFiles():
            if attributes.transform:
                raise node.error("has a transform_param", "none: HDF5Data gives its rows as they are")
            return RowSource(node, files, purpose_of(node, seed, ORDER), find)
        case FilledBlobs():
            return Filled(node, files, seed)
    return None


def purpose_of(node: Node, seed: int, kind: int) -> Callable[[int], np.random.Generator]:
    """The random numbers of a layer for a purpose, by the number of what they are for."""
    return partial(generator, seed, layer_key(node, kind))


def layer_key(node: Node, kind: int) -> int:
    digest = hashlib.blake2b(f"{node.phase}/{node.name}/{kind}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


class Pictures:
    """Pictures and their labels, of a database or a list of files."""

    def __init__(self, node: Node, files: DatabaseFiles | PictureFiles, transform: Transform, seed: int, find: Find):
        if files.batch < 1:
            raise node.error("has no batch_size", "a positive number")
        if transform.force_color and transform.force_gray:
            raise node.error("has force_color and force_gray", "one of them")
        self.node, self.batch, self._tops = node, files.batch, len(node.tops)
        self._transformer = PixelTransform(node, transform, seed, layer_key(node, 0), find)
        self._records: DatabaseRecords | ListedPictures
        if isinstance(files, DatabaseFiles):
            self._records = DatabaseRecords(node, files, transform, find)
        else:
            self._records = ListedPictures(node, files, seed, find)
        self.count = self._records.count

    def take(self, number: int) -> Batch:
        labels = np.empty(self.batch, np.float32)
        data: np.ndarray = np.empty(0, np.float32)
        for row in range(self.batch):
            at = number * self.batch + row
            pixels, labels[row] = self._records.at(at)
            shape = self._transformer.shape(pixels.shape)
            if row == 0:
                data = np.empty((self.batch, *shape), np.float32)
            if data.shape[1:] != shape:
                found = f"{self._records.name(at)} has the shape {list(pixels.shape)}"
                raise self.node.error(found, f"that of the batch's first, {list(data.shape[1:])}")
            self._transformer.run(pixels, at, data[row])
        return [data, labels][: self._tops]

    def close(self) -> None:
        self._records.close()


class DatabaseRecords:
    """The pictures of a database by their numbers, from the first again after the last."""

    def __init__(self, node: Node, files: DatabaseFiles, transform: Transform, find: Find):
        self.node, self._path = node, find(files.path)
        self._database = open_database(self._path, files.backend)
        self.count = self._database.count
        self._color = True if transform.force_color else False if transform.force_gray else None
        self._next = 0
        self._values: Iterator[bytes] = iter(())

    def name(self, number: int) -> str:
        return f"record {number % self.count} of {self._path}"

    def at(self, number: int) -> tuple[np.ndarray, int]:
        if number != self._next or number % self.count == 0:
            self._values = self._database.records(number % self.count)
        self._next = number + 1
        data = next(self._values, None)
        if data is None:
            raise InputError(self._path, f"ends before record {number % self.count}", f"{self.count} records")
        try:
            record = parse_datum(data)
        except BadRecord as bad:
            raise InputError(self._path, f"record {number % self.count} {bad.args[0]}", *bad.args[1:]) from None
        if record.pixels is None:
            return read_pixels(BytesIO(record.file), self.name(number), self._color), record.label
        if self._color is not None:
            raise self.node.error(
                "has force_color or force_gray, and records that are not files of pictures", "neither"
            )
        return record.pixels, record.label

    def close(self) -> None:
        self._values = iter(())


class ListedPictures:
    """The pictures of a list of files by their numbers, each epoch in its own order if they are shuffled."""

    def __init__(self, node: Node, files: PictureFiles, seed: int, find: Find):
        if len(node.tops) != 2:
            raise node.error(f"has {len(node.tops)} tops", "2, pictures and labels")
        self.node, self._files, self._list = node, files, find(files.path)
        self._lines = list(self._read())
        self.count = len(self._lines)
        self._order: tuple[int, np.ndarray] = (-1, np.arange(0))
        self._draws = purpose_of(node, seed, ORDER)
        self._start = int(purpose_of(node, seed, START)(0).integers(files.skip)) if files.skip else 0
        if self._start >= self.count:
            raise node.error(f"has rand_skip {files.skip} and a list of {self.count} pictures", "less")

    def _read(self) -> Iterator[tuple[str, int]]:
        with open_input(self._list) as file:
            lines = file.read().decode("utf-8", "surrogateescape").splitlines()
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            name, _, label = line.rstrip().rpartition(" ")
            try:
                yield name, int(label)
            except ValueError:
                raise InputError(self._list, f"found {label!r}", "a file, a blank and a label", line=number) from None
        if not lines:
            raise InputError(self._list, "is empty", "lines of a file and a label")

    def _line(self, number: int) -> tuple[str, int]:
        epoch, at = divmod(number + self._start, self.count)
        if not self._files.shuffle:
            return self._lines[at]
        if self._order[0] != epoch:
            self._order = epoch, self._draws(epoch).permutation(self.count)
        return self._lines[int(self._order[1][at])]

    def name(self, number: int) -> str:
        return self._line(number)[0]

    def at(self, number: int) -> tuple[np.ndarray, int]:
        name, label = self._line(number)
        path = self._files.root + name
        try:
            with open_input(path) as file:
                pixels = read_pixels(file, path, self._files.color)
        except FileMissing:
            raise InputError(self._list, f"names {path!r}, which does not exist") from None
        return resize_pixels(pixels, *self._files.size) if self._files.size else pixels, label

    def close(self) -> None:
        pass


class Filled:
    """Tops of a DummyData layer. Those with a constant filler are filled once."""

    count = 0

    def __init__(self, node: Node, files: FilledBlobs, seed: int):
        shapes, fillers = node.attributes.shapes, files.fillers
        self.node = node
        self._shapes = shapes * len(node.tops) if len(shapes) == 1 else shapes
        self._fillers = fillers * len(node.tops) if len(fillers) == 1 else fillers
        if not len(self._shapes) == len(self._fillers) == len(node.tops):
            raise node.error(f"has {len(fillers)} data_filler for {len(node.tops)} tops", "one, or one per top")
        self._draws = purpose_of(node, seed, 0)

    def take(self, number: int) -> Batch:
        draws = self._draws(number)
        pairs = zip(self._fillers, self._shapes, strict=True)
        return [np.asarray(filled_blob(self.node, filler, shape, draws), np.float32) for filler, shape in pairs]

    def close(self) -> None:
        pass
