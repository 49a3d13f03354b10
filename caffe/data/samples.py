"""Labelled pictures, or rows of numbers, of any source: what `caffe64 convert` and `caffe64 mean` read.

A source gives them twice over: as the records of a database, key and Datum message, as Caffe's tools write them; or as
rows, arrays [channels, height, width] or of one axis, uint8 or float32, with their labels, None without any.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image

from ...engine.parameters.streams import generator
from ...errors import InputError, UsageError
from ...formats.caffe.datum import make_datum
from ...formats.caffe.hdf5 import HDF5_MAGIC
from ...formats.data import recognise
from ...formats.files import open_data, open_input
from ...formats.hdf5_reader import DatasetReader
from ...formats.idx import idx_array
from ...formats.npy import npy_array
from ...formats.picture_list import read_picture_list
from ...formats.pixels import read_pixels
from .database import Database, backend_of, open_database
from .pictures import read_listed, read_record
from .places import Places

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
LONGEST_KEY = 511  # bytes, of LMDB
ARRAY_HINT = "caffe64 convert makes a .npy of text"


class Row(NamedTuple):
    values: np.ndarray
    label: int | float | np.ndarray | None


class Samples(Protocol):
    """`notices` are lines about what was read."""

    count: int
    notices: list[str]

    def records(self) -> Iterator[tuple[bytes, bytes]]: ...

    def rows(self) -> Iterator[Row]: ...


@dataclass(frozen=True)
class Choices:
    """What is done to a source. `labels` is the file of those of an array, `root` comes before the names of a list;
    pictures become gray, of this (height, width), `encoded` files; arrays and lists are shuffled by the seed."""

    labels: Path | None = None
    root: str = ""
    size: tuple[int, int] | None = None
    gray: bool = False
    encoded: bool = False
    shuffle: bool = False
    seed: int = 0


def open_samples(path: Path, choices: Choices | None = None) -> Samples:
    """A folder of a database, or of a folder with pictures for each class; an array, IDX or .npy; an HDF5 file with the
    datasets data and label; or a list of pictures. Raises InputError, UsageError for choices that it does not have."""
    choices = choices or Choices()
    if path.is_dir():
        backend = backend_of(path)
        if not backend:
            lines, classes = _folders(path)
            notices = [f"label {label} is {name}" for label, name in enumerate(classes)]
            return PictureSamples(path, f"{path}{os.sep}", lines, choices, notices)
        _only(path, choices, "a database")
        return DatabaseSamples(open_database(path, backend))
    with open_data(path) as source:
        if source.head(len(HDF5_MAGIC)) == HDF5_MAGIC:
            _only(path, choices, "an HDF5 file", "shuffle", "seed")
            return _hdf5_samples(path, choices)
        kind = recognise(source)
        if kind != "text":
            _only(path, choices, "an array", "labels", "shuffle", "seed")
            array = npy_array(source) if kind == "npy" else idx_array(source)
            return ArraySamples(path, array, _labels(choices.labels, array), choices)
    lines, notices = read_picture_list(path), list[str]()
    return PictureSamples(path, Places(path, notices).root(choices.root, lines[0][0]), lines, choices, notices)


def _only(path: Path, choices: Choices, kind: str, *allowed: str) -> None:
    """Raises UsageError for choices that are of other sources."""
    for name, value in vars(choices).items():
        if value != getattr(Choices(), name) and name not in allowed:
            raise UsageError(f"{path} is {kind}, for which there is no {name!r}")


class PictureSamples:
    """Files of pictures, whose names begin with `root`, and their labels."""

    def __init__(self, path: Path, root: str, lines: list[tuple[str, int]], choices: Choices, notices: list[str]):
        if choices.labels:
            raise UsageError(f"{path} has the labels of its pictures: no other file of labels is read")
        self.path, self._root, self._choices, self.notices = path, root, choices, notices
        self._lines = [lines[number] for number in _order(len(lines), choices)]
        self.count = len(lines)

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        for number, (name, label) in enumerate(self._lines):
            key = f"{number:08d}_{name}".encode("utf-8", "surrogateescape")[:LONGEST_KEY]
            pixels = self._pixels(name)
            if self._choices.encoded:
                yield key, make_datum(self._file(name, pixels), label)
            else:
                yield key, make_datum(pixels, label, encoded=False)

    def rows(self) -> Iterator[Row]:
        for name, label in self._lines:
            yield Row(self._pixels(name), label)

    def _pixels(self, name: str) -> np.ndarray:
        return read_listed(self.path, self._root + name, not self._choices.gray, self._choices.size)

    def _file(self, name: str, pixels: np.ndarray) -> bytes:
        """The file as it is, or of pixels that are not its own."""
        if self._choices.size is None and not self._choices.gray:
            with open_input(self._root + name) as file:
                return file.read()
        return encode_png(pixels)


def encode_png(pixels: np.ndarray) -> bytes:
    """The file of a picture, uint8 [1 or 3 channels, blue first, height, width]."""
    buffer = io.BytesIO()
    Image.fromarray(pixels[0] if len(pixels) == 1 else pixels[::-1].transpose(1, 2, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def _folders(path: Path) -> tuple[list[tuple[str, int]], tuple[str, ...]]:
    """Pictures below a folder, by their names in it, and the number of the folder that they are in, its class."""
    found: list[tuple[str, int]] = []
    classes = tuple(sorted(folder.name for folder in path.iterdir() if folder.is_dir()))
    for label, name in enumerate(classes):
        files = sorted(file for file in (path / name).rglob("*") if file.suffix.lower() in SUFFIXES)
        found += [(file.relative_to(path).as_posix(), label) for file in files]
        if not files:
            raise InputError(path / name, "holds no pictures", "those of a class", f"files {' '.join(SUFFIXES)}")
    if not found:
        raise InputError(path, "is a folder without a database or folders of pictures", "a folder for each class")
    return found, classes


def _order(count: int, choices: Choices) -> list[int]:
    return generator(choices.seed, 0).permutation(count).tolist() if choices.shuffle else [*range(count)]


class ArraySamples:
    """Rows of an array: pictures [N, channels, height, width] or [N, height, width], or numbers [N, D]. Whole numbers
    from 0 to 255 are bytes, all others float32."""

    def __init__(self, path: Path, array: np.ndarray, labels: np.ndarray | None, choices: Choices):
        if not 2 <= array.ndim <= 4 or not array.size:
            expected = "[N, channels, height, width], [N, height, width] or [N, D]"
            raise InputError(path, f"holds an array {list(array.shape)}", expected)
        small = array.dtype.kind in "iu" and array.min() >= 0 and array.max() <= 255
        self._dtype = np.uint8 if small or array.dtype == bool else np.float32
        self._array = array[:, np.newaxis] if array.ndim == 3 else array
        self._path, self._labels, self._order = path, labels, _order(len(array), choices)
        self.count, self.notices = len(array), list[str]()

    @property
    def has_labels(self) -> bool:
        return self._labels is not None

    def rows(self) -> Iterator[Row]:
        for number in self._order:
            values = np.asarray(self._array[number], self._dtype)
            yield Row(values, None if self._labels is None else self._labels[number])

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        for number, (values, label) in enumerate(self.rows()):
            values = values.reshape(*values.shape, *[1] * (3 - values.ndim))
            yield f"{number:08d}".encode(), make_datum(values, self._class(number, label))

    def _class(self, number: int, label: int | float | np.ndarray | None) -> int | None:
        if label is None:
            return None
        values = np.asarray(label).ravel()
        if values.size != 1 or values[0] != np.rint(values[0]) or abs(values[0]) >= 1 << 31:
            found = f"has the label {np.array2string(values, threshold=5)} in row {number}"
            raise InputError(self._path, found, "a whole number", "HDF5 takes any numbers")
        return int(values[0])


def _labels(path: Path | None, rows: np.ndarray) -> np.ndarray | None:
    if path is None or not rows.ndim:
        return None
    with open_data(path) as source:
        kind = recognise(source)
        if kind == "text":
            raise InputError(path, "is text", "labels, IDX or .npy", ARRAY_HINT)
        array = npy_array(source) if kind == "npy" else idx_array(source)
    if array.ndim < 1 or len(array) != len(rows):
        raise InputError(path, f"holds an array {list(array.shape)}", f"{len(rows)} labels")
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _hdf5_samples(path: Path, choices: Choices) -> ArraySamples:
    reader = DatasetReader()
    try:
        data, labels = reader.read(path, ["data", "label"])
    finally:
        reader.close()
    return ArraySamples(path, data, labels, choices)


class DatabaseSamples:
    """The records of a database, as they are."""

    def __init__(self, database: Database):
        self._database, self.count, self.notices = database, database.count, list[str]()

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        return self._database.records()

    def rows(self) -> Iterator[Row]:
        for number, (_, data) in enumerate(self._database.records()):
            record = read_record(self._database, number, data)
            pixels = record.pixels
            if pixels is None:
                pixels = read_pixels(io.BytesIO(record.file), f"record {number} of {self._database.path}", None)
            yield Row(pixels, record.label)
