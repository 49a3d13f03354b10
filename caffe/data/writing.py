"""Samples -> an LMDB, an HDF5 file with the list that HDF5Data reads, or .npy files. All appear when they are whole."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...aside import NAME, file_aside, put_in_place
from ...engine.graph.ops.windows import MOST_NUMBERS
from ...errors import InputError, OutputError, UsageError
from ...formats.atomic import write_atomically
from ...formats.hdf5_writing import new_hdf5
from .samples import Row, Samples

BATCH = 256  # records in a transaction, rows in a piece
FIRST_MAP = 1 << 26  # bytes
DATA, LOCK = "data.mdb", "lock.mdb"
Progress = Callable[[int], object]  # called with the number of samples that are done


def write_lmdb(path: Path, samples: Samples, progress: Progress, *, force: bool = False) -> None:
    """A folder with data.mdb, as Caffe's tools write it. Raises OutputError where one is already, which `force`
    replaces, or something else; UsageError without the package lmdb."""
    library = _lmdb(path)
    check_folder(path, force=force)
    made = not path.exists()
    try:
        path.mkdir(exist_ok=True)
        with file_aside(str(path)) as (name, descriptor), os.fdopen(descriptor, "r+b") as file:
            options = {"subdir": False, "lock": False, "sync": False, "map_size": FIRST_MAP}
            with library.open(name, **options) as environment:
                _put_all(environment, library, samples, progress)
                environment.sync(True)
            put_in_place(name, file, str(path / DATA))
    except BaseException as error:
        if made:
            with contextlib.suppress(OSError):
                path.rmdir()
        if isinstance(error, (OSError, library.Error)):
            raise OutputError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from None
        raise


def check_folder(path: Path, *, force: bool) -> None:
    """Raises OutputError for a folder in which no LMDB is written."""
    if not os.path.lexists(path):
        if not path.parent.is_dir():
            raise OutputError(f"{path}: there is no directory {path.parent} (mkdir -p makes it)")
        return
    if not path.is_dir():
        raise OutputError(f"{path}: there is a file of this name, expected none, or the folder of an LMDB")
    others = [
        entry.name for entry in path.iterdir() if entry.name not in (DATA, LOCK) and not NAME.fullmatch(entry.name)
    ]
    if others:
        raise OutputError(f"{path}: is a folder with {others[0]!r}, expected none, or that of an LMDB")
    if not force and (path / DATA).exists():
        raise OutputError(f"{path}: there is an LMDB already (--force replaces it)")


def _put_all(environment: Any, library: Any, samples: Samples, progress: Progress) -> None:
    records, done = samples.records(), 0
    while some := list(itertools.islice(records, BATCH)):
        while True:
            try:
                with environment.begin(write=True) as transaction:
                    for key, value in some:
                        transaction.put(key, value)
                break
            except library.MapFullError:
                environment.set_mapsize(2 * environment.info()["map_size"])
        done += len(some)
        progress(done)


def write_hdf5(path: Path, samples: Samples, progress: Progress, add: float = 0.0, scale: float = 1.0) -> Path:
    """The datasets data and, if there are labels, label, float32: (value + add) * scale, and labels as they are; and a
    list of this file beside it, whose path is returned. Raises InputError, OutputError, UsageError without h5py."""
    listed = Path(f"{path}.txt")
    with new_hdf5(path) as made:
        for start, rows in _pieces(path, samples):
            data = _scaled(np.stack([row.values for row in rows]), add, scale)
            _put(path, made, "data", samples.count, start, data)
            if rows[0].label is not None:
                _put(path, made, "label", samples.count, start, np.stack([np.float32(row.label) for row in rows]))
            progress(start + len(rows))
    with write_atomically(listed, "w") as text:
        text.write(f"{path}\n")
    return listed


def _put(path: Path, file: Any, name: str, count: int, start: int, rows: np.ndarray) -> None:
    if start == 0:
        if count * rows[0].size > MOST_NUMBERS:
            found = f"{path}: would have {count * rows[0].size} numbers in {name!r}"
            raise OutputError(f"{found}, and Caffe reads {MOST_NUMBERS}: an LMDB takes more")
        file.create_dataset(name, (count, *rows.shape[1:]), np.float32)
    file[name][start : start + len(rows)] = rows


def write_npy(
    path: Path, labels: Path | None, samples: Samples, progress: Progress, add: float = 0.0, scale: float = 1.0
) -> tuple[int, ...]:
    """The rows as an array of uint8 or float32, (value + add) * scale, and if asked for the labels, int32, as another;
    returns the shape of the first. Raises InputError, OutputError."""
    shape: tuple[int, ...] = ()
    found: list[Any] = []
    with write_atomically(path) as file:
        for start, rows in _pieces(path, samples):
            values = _scaled(np.stack([row.values for row in rows]), add, scale)
            if start == 0:
                shape = (samples.count, *values.shape[1:])
                np.lib.format.write_array_header_1_0(
                    file, {"descr": values.dtype.str, "fortran_order": False, "shape": shape}
                )
            file.write(values.tobytes())
            found += [row.label for row in rows]
            progress(start + len(rows))
        if labels:
            if found[0] is None:
                raise UsageError(f"there are no labels to write into {labels}, only the rows of {path}")
            with write_atomically(labels) as other:
                numbers = np.stack(found)
                np.save(other, numbers.astype(np.int32) if numbers.dtype.kind in "iu" else numbers)
    return shape


def _pieces(path: Path, samples: Samples) -> Iterator[tuple[int, list[Row]]]:
    """The rows in pieces, and the number of the first of each. Raises InputError for rows of another shape or type."""
    rows, start = samples.rows(), 0
    first: Row | None = None
    while some := list(itertools.islice(rows, BATCH)):
        first = first or some[0]
        for number, row in enumerate(some, start):
            if row.values.shape != first.values.shape or row.values.dtype != first.values.dtype:
                found = f"sample {number} is {row.values.dtype} {list(row.values.shape)}"
                expected = f"{first.values.dtype} {list(first.values.shape)}, as the first"
                raise InputError(path, found, expected, "--resize gives pictures one size")
        yield start, some
        start += len(some)


def _scaled(values: np.ndarray, add: float, scale: float) -> np.ndarray:
    if add == 0.0 and scale == 1.0:
        return values
    return np.asarray((values.astype(np.float64) + add) * scale, np.float32)


def _lmdb(path: Path) -> Any:
    try:
        return importlib.import_module("lmdb")
    except ImportError:
        hint = "pip install 'caffe64[train]', or pip install lmdb"
        raise UsageError(f"{path}: writing it needs the package lmdb: {hint}") from None
