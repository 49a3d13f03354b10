"""Rows of HDF5 files, a dataset per top; they run on from file to file, also within a batch."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...engine.graph.ir.graph import Node
from ...engine.graph.ops.inputs import RowFiles
from ...engine.graph.ops.windows import MOST_NUMBERS
from ...errors import InputError, UsageError
from ...formats.files import open_input


class RowSource:
    """The rows of an HDF5Data layer. One file's rows are in memory at a time. `draws(epoch)` are the random numbers of
    the order of the files, and of the rows of each, if they are shuffled."""

    def __init__(
        self, node: Node, files: RowFiles, draws: Callable[[int], np.random.Generator], find: Callable[[str], Path]
    ):
        if importlib.util.find_spec("h5py") is None:
            raise UsageError(
                f"{files.path}: reading HDF5 needs the package h5py: pip install 'caffe64[hdf5]', or pip install h5py"
            )
        if files.batch < 1:
            raise node.error("has no batch_size", "a positive number")
        self.node, self.batch, self._shuffle, self._draws = node, files.batch, files.shuffle, draws
        self._list = find(files.path)
        with open_input(self._list) as file:
            self._files = [find(name) for name in file.read().decode("utf-8", "surrogateescape").split()]
        if not self._files:
            raise InputError(self._list, "names no file", "names of HDF5 files")
        self._names = [top.name for top in node.tops]
        self._lengths = [self._length(path) for path in self._files]
        self.count = sum(self._lengths)
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
        lengths = set(self._read(path, lambda dataset: dataset.shape[0]))
        if len(lengths) != 1 or 0 in lengths:
            raise InputError(path, f"has datasets of {sorted(lengths)} rows", "as many in all, and some")
        return int(lengths.pop())

    def _load(self, number: int) -> list[np.ndarray]:
        if self._loaded[0] != number:
            arrays = self._read(self._files[number], lambda dataset: np.asarray(dataset[...], np.float32))
            if self._loaded[1] and [each.shape[1:] for each in arrays] != [each.shape[1:] for each in self._loaded[1]]:
                raise InputError(self._files[number], "has rows of another shape than the file before", "the same")
            self._loaded = number, arrays
        return self._loaded[1]

    def _read(self, path: Path, take: Callable[[Any], Any]) -> list[Any]:
        import h5py

        if not path.exists():
            raise InputError(self._list, f"names {str(path)!r}, which does not exist")
        try:
            with h5py.File(path, "r") as file:
                return [take(self._dataset(path, file, name)) for name in self._names]
        except OSError as error:
            raise InputError(path, f"is not an HDF5 file that can be read: {error}") from None

    def _dataset(self, path: Path, file: Any, name: str) -> Any:
        import h5py

        found = file.get(name, getlink=True)
        dataset = file[name] if isinstance(found, h5py.HardLink) else None
        if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiu" or not dataset.ndim:
            has = ", ".join(map(repr, list(file)[:10]))
            raise InputError(
                path, f"has no dataset {name!r} of numbers", "one for each top of the layer", f"it has {has}"
            )
        if dataset.is_virtual or dataset.external or math.prod(dataset.shape) > MOST_NUMBERS:
            raise InputError(
                path, f"has a dataset {name!r} of shape {list(dataset.shape)} that is too large or elsewhere"
            )
        return dataset
