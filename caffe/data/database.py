"""Records of an LMDB or LevelDB database, in the order of their keys. A folder that may only be read will do."""

from __future__ import annotations

import importlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from ...errors import FileMissing, InputError, UsageError
from ...formats.content import CUT_SHORT
from ...formats.lmdb_pages import LmdbFile

TABLES = (".ldb", ".sst")  # files of a LevelDB database that never change
MARK = 256  # records from one key that is kept to the next, from which others are found


class Database(Protocol):
    """`count` is the number of its records. Iterators give keys and values from the record of a number on, without
    reading those before it."""

    path: Path
    count: int

    def records(self, start: int = 0) -> Iterator[tuple[bytes, bytes]]: ...


def open_database(path: Path, backend: str) -> Database:
    """Raises InputError for another kind, or an empty database, UsageError without the package that reads it."""
    if not path.exists():
        raise FileMissing(path)
    found = backend_of(path)
    if found and found != backend:
        hint = f"backend: {found} in the data_param reads it; without it that is LEVELDB"
        raise InputError(path, f"is a database of the kind {found}", backend, hint)
    database = LmdbFile(path) if backend == "LMDB" else LevelDatabase(path, _plyvel(path))
    if not database.count:
        raise InputError(path, "is an empty database", "at least one record")
    return database


def backend_of(path: Path) -> str:
    """LMDB or LEVELDB, by the files in a folder; empty for what is none of them."""
    if (path / "data.mdb").exists():
        return "LMDB"
    return "LEVELDB" if (path / "CURRENT").exists() else ""


def _plyvel(path: Path) -> Any:
    try:
        return importlib.import_module("plyvel")
    except ImportError:
        hint = "pip install 'caffe64[leveldb]', or pip install plyvel"
        raise UsageError(f"{path}: reading LevelDB needs the package plyvel: {hint}") from None


class LevelDatabase:
    """LevelDB's library writes into the folder that it reads: it gets another one, with links to the tables."""

    def __init__(self, path: Path, plyvel: Any):
        self.path, self._error = path, plyvel.Error
        self._copy = tempfile.TemporaryDirectory(prefix="caffe64-")
        try:
            for file in path.iterdir():
                if file.suffix in TABLES:
                    os.symlink(file.resolve(), Path(self._copy.name) / file.name)
                elif file.name != "LOCK" and file.is_file():
                    shutil.copyfile(file, Path(self._copy.name) / file.name)
            self._database = plyvel.DB(self._copy.name, create_if_missing=False, paranoid_checks=True)
            with self._iterator(include_value=False) as keys:
                self._marks, self.count = list[bytes](), 0
                for self.count, key in enumerate(keys, 1):
                    if self.count % MARK == 1:
                        self._marks.append(key)
        except (plyvel.Error, OSError) as error:
            self._copy.cleanup()
            raise InputError(path, f"is not a LevelDB database: {error}", hint=CUT_SHORT) from None

    def records(self, start: int = 0) -> Iterator[tuple[bytes, bytes]]:
        try:
            with self._iterator() as pairs:
                if start < self.count:
                    pairs.seek(self._marks[start // MARK])
                    yield from itertools.islice(pairs, start % MARK, None)
        except self._error as error:
            raise InputError(self.path, f"is damaged: {error}", hint=CUT_SHORT) from None

    def _iterator(self, **options: Any) -> Any:
        return self._database.iterator(verify_checksums=True, fill_cache=False, **options)
