"""Pictures and their labels: of a database, or of the files that a list names."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from typing import Protocol

import numpy as np

from ...engine.graph.ir.graph import Node
from ...engine.graph.ops.inputs import DatabaseFiles, PictureFiles, Transform
from ...errors import FileMissing, InputError
from ...formats.caffe.datum import BadRecord, Record, parse_datum
from ...formats.files import open_input
from ...formats.picture_list import read_picture_list
from ...formats.pixels import MOST_PIXELS, read_pixels, resize_pixels
from ...formats.plain_datums import PlainPixels, plain_pixels
from .database import Database, open_database
from .places import Places
from .streams import ORDER, START, check_batch, layer_key, purpose_of
from .transformer import PixelTransform


class Records(Protocol):
    """Pictures, uint8 or float32 [channels, height, width], and their labels by number, from the first again after the
    last. `plain` gives so many from a number on, where a kernel can read them."""

    count: int

    def plain(self, first: int, count: int) -> PlainPixels | None: ...

    def at(self, number: int) -> tuple[np.ndarray, int]: ...

    def name(self, number: int) -> str: ...


class Pictures:
    """The source of a layer Data or ImageData."""

    takes_long = True

    def __init__(
        self, node: Node, files: DatabaseFiles | PictureFiles, transform: Transform, seed: int, places: Places
    ):
        self.node, self.batch, self._tops = node, files.batch, len(node.tops)
        self.is_database = isinstance(files, DatabaseFiles)
        check_batch(node, self.batch, [(1,)])
        self._transform = PixelTransform(node, transform, seed, layer_key(node, 0), places)
        self._records: Records
        if isinstance(files, DatabaseFiles):
            database = open_database(places.find(files.path), files.backend)
            self._records = DatabaseRecords(node, database, self._transform.color)
        else:
            self._records = ListedPictures(node, files, seed, places)
        self.count = self._records.count

    def wraps(self, number: int) -> bool:
        """Whether batch `number` has the last record, after which the first follows."""
        return (number + 1) * self.batch // self.count > number * self.batch // self.count

    def take(self, number: int) -> list[np.ndarray]:
        first = number * self.batch
        if plain := self._records.plain(first, self.batch):
            return self._of_plain(plain, number)
        pixels, label = self._records.at(first)
        shape = self._transform.shape(pixels.shape)
        check_batch(self.node, self.batch, [shape, pixels.shape])
        pictures, labels = [pixels], [label]
        for at in range(first + 1, first + self.batch):
            pixels, label = self._records.at(at)
            if pixels.shape != pictures[-1].shape and self._transform.shape(pixels.shape) != shape:
                found = f"{self._records.name(at)} has the shape {list(pixels.shape)}"
                raise self.node.error(found, f"that of the batch's first, {list(shape)}")
            pictures.append(pixels)
            labels.append(label)
        data = np.empty((self.batch, *shape), np.float32)
        self._transform.run(pictures, self._transform.draws(number, self.batch), data)
        return [data, np.array(labels, np.float32)][: self._tops]

    def _of_plain(self, plain: PlainPixels, number: int) -> list[np.ndarray]:
        shape = self._transform.shape(plain.shape)
        check_batch(self.node, self.batch, [shape, plain.shape])
        data = np.empty((self.batch, *shape), np.float32)
        draws = self._transform.draws(number, self.batch)
        self._transform.run_flat(plain.data, plain.starts, plain.shape, draws, data)
        return [data, plain.labels.astype(np.float32)][: self._tops]

    def close(self) -> None:
        pass


class DatabaseRecords:
    """Records of a Data layer; of those that are files of pictures `color` as of `PixelTransform`."""

    def __init__(self, node: Node, database: Database, color: bool | None):
        self.node, self._database, self._color = node, database, color
        self.count = database.count
        self._next = 0
        self._values: Iterator[tuple[bytes, bytes]] = iter(())
        self._read: tuple[int, list[bytes]] = (0, [])  # the last ones that `plain` has read, and the first's number

    def name(self, number: int) -> str:
        return f"record {number % self.count} of {self._database.path}"

    def plain(self, first: int, count: int) -> PlainPixels | None:
        self._read = first, self._read_values(first, count)
        return None if self._color is not None else plain_pixels(self._read[1])

    def _read_values(self, first: int, count: int) -> list[bytes]:
        values: list[bytes] = []
        while missing := count - len(values):
            place = (first + len(values)) % self.count
            if first + len(values) != self._next or place == 0:
                self._values = self._database.records(place)
            self._next = -1  # until it is sure: an error ends the iterator
            values += [value for _, value in islice(self._values, min(missing, self.count - place))]
            self._next = first + len(values)
        return values

    def at(self, number: int) -> tuple[np.ndarray, int]:
        first, values = self._read
        known = 0 <= number - first < len(values)
        data = values[number - first] if known else self._read_values(number, 1)[0]
        record = read_record(self._database, number % self.count, data)
        if record.pixels is None:
            return read_pixels(BytesIO(record.file), self.name(number), self._color), record.label
        if self._color is not None:
            found = "has force_color or force_gray, and records that are not files of pictures"
            raise self.node.error(found, "neither of them")
        return record.pixels, record.label


def read_record(database: Database, number: int, data: bytes) -> Record:
    """Raises InputError with the record's number, from 0."""
    try:
        return parse_datum(data)
    except BadRecord as bad:
        raise InputError(database.path, f"record {number} {bad.args[0]}", *bad.args[1:]) from None


class ListedPictures:
    """Pictures of an ImageData layer, each epoch in its own order if they are shuffled."""

    def __init__(self, node: Node, files: PictureFiles, seed: int, places: Places):
        if len(node.tops) != 2:
            raise node.error(f"has {len(node.tops)} tops", "2, pictures and labels")
        if files.size and files.size[0] * files.size[1] > MOST_PIXELS:
            raise node.error(f"has new_height {files.size[0]} and new_width {files.size[1]}", f"{MOST_PIXELS} pixels")
        self.node, self._files, self._list = node, files, places.find(files.path)
        self._lines = read_picture_list(self._list)
        self.count = len(self._lines)
        self._order: tuple[int, np.ndarray] = (-1, np.arange(0))
        self._draws = purpose_of(node, seed, ORDER)
        self._start = int(purpose_of(node, seed, START)(0).integers(files.skip)) if files.skip else 0
        if self._start >= self.count:
            raise node.error(f"has rand_skip {files.skip} and a list of {self.count} pictures", "less")
        self._root = places.at(self._list).root(files.root, self._lines[0][0])

    def _line(self, number: int) -> tuple[str, int]:
        epoch, at = divmod(number + self._start, self.count)
        if not self._files.shuffle:
            return self._lines[at]
        if self._order[0] != epoch:
            self._order = epoch, self._draws(epoch).permutation(self.count)
        return self._lines[int(self._order[1][at])]

    def plain(self, first: int, count: int) -> PlainPixels | None:
        return None

    def name(self, number: int) -> str:
        return self._root + self._line(number)[0]

    def at(self, number: int) -> tuple[np.ndarray, int]:
        name, label = self._line(number)
        return read_listed(self._list, self._root + name, self._files.color, self._files.size), label


def read_listed(source: object, path: str, color: bool, size: tuple[int, int] | None) -> np.ndarray:
    """The pixels of a file that `source` names, of this (height, width) if there is one. Raises InputError."""
    try:
        with open_input(path) as file:
            pixels = read_pixels(file, path, color)
    except FileMissing:
        raise InputError(str(source), f"names {path!r}, which does not exist") from None
    return resize_pixels(pixels, *size) if size else pixels
