"""Records of an LMDB or LevelDB database, in the order of their keys, again from the first after the last.

A folder that may only be read will do: LMDB is opened without its lock, LevelDB, whose library writes into the folder,
as a copy.
"""

from __future__ import annotations

import importlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakValueDictionary

from ...errors import FileMissing, InputError, UsageError

PACKAGES = {"LMDB": ("lmdb", "train"), "LEVELDB": ("plyvel", "leveldb")}


class Database(Protocol):
    """`path` is its folder, `count` the number of its records. Iterators start at the record of that number. It is
    closed when nothing refers to it."""

    path: Path
    count: int

    def records(self, start: int) -> Iterator[bytes]: ...


_OPEN: WeakValueDictionary[tuple[str, Path], Database] = WeakValueDictionary()


def open_database(path: Path, backend: str) -> Database:
    """Raises InputError for another file than such a database, UsageError without the package that reads it."""
    name, extra = PACKAGES[backend]
    try:
        library = importlib.import_module(name)
    except ImportError:
        raise UsageError(
            f"{path}: reading {backend} needs the package {name}: pip install 'caffe64[{extra}]', or pip install {name}"
        ) from None
    if not path.exists():
        raise FileMissing(path)
    if backend == "LMDB" and (path / "CURRENT").exists():
        raise InputError(path, "is a LevelDB database", "an LMDB one, as backend: LMDB says")
    if backend == "LEVELDB" and (path / "data.mdb").exists():
        raise InputError(path, "is an LMDB database", "a LevelDB one", "backend: LMDB is missing in the data_param")
    key = backend, path.resolve()
    found = _OPEN.get(key)  # a process may open an LMDB once
    if found is None:
        found = _OPEN[key] = (LmdbDatabase if backend == "LMDB" else LevelDatabase)(path, library)
    return found


class LmdbDatabase:
    def __init__(self, path: Path, lmdb: Any):
        self.path, self._error = path, lmdb.Error
        try:
            self._environment = lmdb.open(
                str(path), subdir=path.is_dir(), readonly=True, lock=False, readahead=True, create=False, max_dbs=0
            )
            with self._environment.begin() as transaction:
                self.count = int(transaction.stat()["entries"])
        except lmdb.Error as error:
            raise InputError(path, f"is not an LMDB database: {error}", hint="was it copied completely?") from None
        if not self.count:
            raise InputError(path, "is an empty database", "at least one record")

    def records(self, start: int) -> Iterator[bytes]:
        try:
            with self._environment.begin(buffers=False) as transaction, transaction.cursor() as cursor:
                found = cursor.first()
                for _ in range(start):
                    found = found and cursor.next()
                while found:
                    yield cursor.value()
                    found = cursor.next()
        except self._error as error:
            raise InputError(self.path, f"is damaged: {error}", hint="was it copied completely?") from None


class LevelDatabase:
    def __init__(self, path: Path, plyvel: Any):
        self.path, self._error = path, plyvel.Error
        self._copy = tempfile.TemporaryDirectory(prefix="caffe64-")
        copy = Path(self._copy.name) / "db"
        shutil.copytree(path, copy, ignore=shutil.ignore_patterns("LOCK"))
        try:
            self._database = plyvel.DB(str(copy), create_if_missing=False)
            with self._database.iterator(include_value=False) as keys:
                self.count = sum(1 for _ in keys)
        except (plyvel.Error, OSError) as error:
            self._copy.cleanup()
            raise InputError(path, f"is not a LevelDB database: {error}", hint="was it copied completely?") from None
        if not self.count:
            raise InputError(path, "is an empty database", "at least one record")

    def records(self, start: int) -> Iterator[bytes]:
        try:
            with self._database.iterator(include_key=False) as values:
                for number, value in enumerate(values):
                    if number >= start:
                        yield value
        except self._error as error:
            raise InputError(self.path, f"is damaged: {error}", hint="was it copied completely?") from None
