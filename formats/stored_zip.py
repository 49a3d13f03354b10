"""Zip files of stored members, which checkpoints and bundles are. No member is compressed or pickled, sizes are checked
against the file's before anything is read, zip's checksums find damage, and equal contents make equal bytes."""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import IO, NamedTuple

from ..arguments import file_name
from ..errors import InputError
from .atomic import write_atomically
from .content import CUT_SHORT
from .files import Source, open_input


def write_stored(path: str | os.PathLike[str], members: Mapping[str, Callable[[IO[bytes]], object]]) -> None:
    """Write the members in their order: the function of each name writes it. Raises OutputError; `path` then is
    unchanged."""
    with write_atomically(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, put in members.items():
            # A ZipInfo made from a name alone has the first day of zip's calendar as its time.
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as member:
                put(member)


class StoredMembers(NamedTuple):
    """Of an open file of `size` bytes; `kind` is what it should be, such as "a checkpoint", for messages."""

    path: str
    kind: str
    archive: zipfile.ZipFile
    size: int

    def __contains__(self, name: object) -> bool:
        return name in self.archive.namelist()

    @contextlib.contextmanager
    def member(self, name: str, most: int | None = None) -> Iterator[Source]:
        """The member of this name, of `most` bytes at the most. Raises InputError."""
        try:
            info = self.archive.getinfo(name)
        except KeyError:
            raise InputError(self.path, f"is not {self.kind}: it has no {name}") from None
        bound = self.size if most is None else min(self.size, most)
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > bound:
            raise InputError(self.path, f"is not {self.kind}: its {name} is compressed or too large")
        with self.archive.open(info) as stream:
            yield Source(self.path, stream, info.file_size, zipped=False)


@contextlib.contextmanager
def open_stored(path: str | os.PathLike[str], kind: str) -> Iterator[StoredMembers]:
    """The members of a file. Raises InputError for one that is not a zip, or damaged, also while it is read."""
    with open_input(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                yield StoredMembers(file_name(path), kind, archive, os.fstat(file.fileno()).st_size)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError) as error:
            # NotImplementedError and RuntimeError: of a version, compression or encryption that zipfile lacks
            raise InputError(path, f"is not {kind}: {error}", hint=CUT_SHORT) from None
