"""Output files: written aside, synced and renamed, so a kill at any moment leaves the old file or the whole new one.

A file that is not regular (/dev/null, a terminal, a pipe) is written directly; /dev/stdout, /dev/stderr and /dev/fd/N
are continued at the process's present position, even where the shell made them regular files.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from typing import IO, Any

from ..arguments import file_name
from ..aside import PRIVATE, file_aside, put_in_place
from ..errors import OutputError
from .streams import stream_number


@contextlib.contextmanager
def write_atomically(path: str | os.PathLike[str], mode: str = "wb") -> Iterator[IO[Any]]:
    """A file to write to, "wb" (bytes), "w+b" (which are read as well) or "w" (UTF-8 text), which takes the place of
    `path` at the end of the block.

    If the block raises, `path` is left as it was. An existing file keeps its permission bits; of a symbolic
    link, the file that it points to is replaced. Raises OutputError, UsageError for anything but a name, and
    the BrokenPipeError of a pipe.
    """
    path = file_name(path)
    with naming(path):
        descriptor = stream_number(path)
        if descriptor is not None:
            if sys.stdout:
                sys.stdout.flush()  # lines printed before come before
            with _open(os.dup(descriptor), mode) as file:
                yield file
        elif _is_special(path):
            with _open(os.open(path, os.O_WRONLY | PRIVATE), mode) as file:
                yield file
        else:
            with replacing(os.path.realpath(path), mode) as (_, file):
                yield file


@contextlib.contextmanager
def naming(path: str) -> Iterator[None]:
    """What the system refuses within the block becomes an OutputError of `path`; but the BrokenPipeError of a pipe."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None


@contextlib.contextmanager
def replacing(target: str, mode: str) -> Iterator[tuple[str, IO[Any]]]:
    """The path of a file aside, and the file itself, which takes the place of the regular file `target`, without links
    in its name, at the end of the block. Raises OSError."""
    folder = os.path.dirname(target)
    permissions = _permissions(target)
    with file_aside(folder) as (path, descriptor), _open(descriptor, mode) as file:
        if permissions is not None and hasattr(os, "fchmod"):  # of Windows from Python 3.13 on
            os.fchmod(descriptor, permissions)
        yield path, file
        file.flush()
        os.fsync(descriptor)
        put_in_place(path, file, target)
    # The new name must survive a power cut as well. Some systems cannot sync a directory; the file is whole.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _open(descriptor: int, mode: str) -> IO[Any]:
    return open(descriptor, mode, encoding=None if "b" in mode else "utf-8", newline=None if "b" in mode else "\n")


def _is_special(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _permissions(target: str) -> int | None:
    """The mode of the file that is about to be replaced; None if there is none."""
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise OSError(0, "it is a directory")
    if not os.access(target, os.W_OK):
        raise OSError(0, "it is write-protected")  # renaming would get around that
    return stat.S_IMODE(mode)
