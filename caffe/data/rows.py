"""Rows of HDF5 files, a dataset per top; they run on from file to file, also within a batch."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ...engine.graph.ir.graph import Node
from ...engine.graph.ops.inputs import RowFiles
from ...engine.graph.ops.windows import MOST_NUMBERS
from ...errors import InputError
from ...formats.files import open_input
from ...formats.hdf5_reader import DatasetReader, Shapes
from .places import Places
from .streams import ORDER, check_batch, purpose_of


class RowSource:
    """The rows of an HDF5Data layer. One file's rows are in memory at a time. If they are shuffled, each epoch has its
    own order of the files, and of the rows of each."""

    takes_long = True

    def __init__(self, node: Node, files: RowFiles, seed: int, places: Places):
        self.node, self.batch, self._shuffle = node, files.batch, files.shuffle
        self._draws = purpose_of(node, seed, ORDER)
        self._list = places.find(files.path)
        with open_input(self._list) as file:
            names = file.read().decode("utf-8", "surrogateescape").split()
        self._files = [places.at(self._list).find(name) for name in names]
        if not self._files:
            raise InputError(self._list, "names no file", "names of HDF5 files")
        self._names = [top.name for top in node.tops]
        self._reader, self._rows = DatasetReader(), list[tuple[int, ...]]()
        self._lengths = [self._length(path) for path in self._files]
        self.count = sum(self._lengths)
        check_batch(node, self.batch, self._rows)
        self._loaded: tuple[int, list[np.ndarray]] = (-1, [])
        self._orders: tuple[int, list[int], list[np.ndarray]] = (-1, [], [])

    def take(self, number: int) -> list[np.ndarray]:
        parts: list[list[np.ndarray]] = []
        at, missing = number * self.batch, self.batch
        while missing:
            file, rows = self._place(at, missing)
            arrays = self._load(file)
            parts.append([array[rows] for array in arrays])
            at, missing = at + len(rows), missing - len(rows)
        return [np.ascontiguousarray(np.concatenate(each)) for each in zip(*parts, strict=True)]

    def close(self) -> None:
        self._loaded = (-1, [])
        self._reader.close()

    def _place(self, number: int, most: int) -> tuple[int, np.ndarray]:
        """The file, and the rows of it, from the row `number` of all on: `most` of them, or up to the file's end."""
        epoch, at = divmod(number, self.count)
        order, rows = self._order(epoch)
        for file in order:
            if at < self._lengths[file]:
                return file, rows[file][at : at + most]
            at -= self._lengths[file]
        raise AssertionError("the lengths of the files add up")

    def _order(self, epoch: int) -> tuple[list[int], list[np.ndarray]]:
        if not self._shuffle:
            epoch = 0
        if self._orders[0] != epoch:
            rows = [np.arange(length) for length in self._lengths]
            order = list(range(len(self._files)))
            if self._shuffle:
                draws = self._draws(epoch)
                order = draws.permutation(len(order)).tolist()
                rows = [draws.permutation(each) for each in rows]
            self._orders = epoch, order, rows
        return self._orders[1], self._orders[2]

    def _length(self, path: Path) -> int:
        shapes = self._reader.shapes(path, self._names)
        self._check(path, shapes)
        return shapes[0][0]

    def _check(self, path: Path, shapes: Shapes) -> None:
        """Raises InputError for datasets that do not belong together, or not to those of the first file."""
        if len({shape[0] for shape in shapes}) != 1:
            raise InputError(path, f"has datasets of {sorted(shape[0] for shape in shapes)} rows", "as many in all")
        for name, shape in zip(self._names, shapes, strict=True):
            if math.prod(shape) > MOST_NUMBERS:
                raise InputError(
                    path, f"has {math.prod(shape)} numbers in {name!r}", f"at most {MOST_NUMBERS} in a file"
                )
        rows = [shape[1:] for shape in shapes]
        self._rows = self._rows or rows
        if rows != self._rows:
            raise InputError(path, f"has rows of the shapes {rows}", f"{self._rows}, as {self._files[0]}")

    def _load(self, number: int) -> list[np.ndarray]:
        if self._loaded[0] != number:
            self._loaded = (-1, [])  # one file in memory at a time
            path = self._files[number]
            arrays = self._reader.read(path, self._names)
            self._check(path, [array.shape for array in arrays])
            if len(arrays[0]) != self._lengths[number]:
                raise InputError(path, f"has {len(arrays[0])} rows", f"{self._lengths[number]}, as before")
            self._loaded = number, arrays
        return self._loaded[1]
