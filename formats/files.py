"""Input files: opened once, recognised by content, measured before anything is allocated.

open_input   any file as a seekable stream; a pipe or terminal is first copied to a temporary file
open_data    the same as a `Source`, unzipped if its content is gzip (its name does not matter)

All failures to open or read become InputError (FileMissing for a file that is not there).
"""

from __future__ import annotations

import contextlib
import gzip
import math
import mmap
import os
import shutil
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from ..arguments import file_name
from ..errors import FileMissing, InputError
from .content import HEAD, refuse_stand_ins
from .streams import stream_number

GZIP_RATIO = 1032  # DEFLATE's best: 258 bytes out of two bits, so a .gz cannot hold more than this times its size
PIECE = 1 << 24  # bytes in one read: short enough for Ctrl-C to act at once


@contextlib.contextmanager
def open_input(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Opens a file to read, seekable. Inside the block, too, everything that fails becomes an InputError; so does a
    Git LFS pointer or a web page in place of the file.

    Raises UsageError for anything but a file name.
    """
    path = file_name(path)
    try:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(_open(path))
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or file.isatty() or (stat.S_ISREG(mode) and file.tell()):
                rest, file = file, stack.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(rest, file)
                file.seek(0)
            elif not stat.S_ISREG(mode):
                raise InputError(path, "is a device", "a file or a pipe")
            refuse_stand_ins(path, file.read(HEAD))
            file.seek(0)
            yield file
    except FileNotFoundError:
        raise FileMissing(path) from None
    except IsADirectoryError:
        raise InputError(path, "is a directory", "a file") from None
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise InputError(path, f"is a damaged .gz: {error}", hint="was it copied completely?") from None
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror or error}") from None
    except MemoryError:
        raise InputError(path, "does not fit into memory") from None


def _open(path: str) -> IO[bytes]:
    """A file, from its start, or stdin and its kind (`streams`) from their present position: a shell may have read the
    first line of a file already."""
    number = stream_number(path)
    if number is None or not _is_open(number):
        return open(path, "rb")
    if not (stat.S_ISREG(os.fstat(number).st_mode) and os.path.exists(path)):  # Windows has no files of these names
        return open(os.dup(number), "rb")
    file = open(path, "rb")  # noqa: SIM115 (open_input closes it)
    file.seek(os.lseek(number, 0, os.SEEK_CUR))
    return file


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Source:
    """An open data file: `stream` gives its bytes, unzipped if it `zipped`; `size` is that of the file itself."""

    path: str
    stream: Any  # IO[bytes] with readinto, which has no name in `typing`
    size: int
    zipped: bool

    @property
    def most(self) -> int:
        """The most bytes that `stream` can give."""
        return self.size * GZIP_RATIO if self.zipped else self.size

    def head(self, count: int) -> bytes:
        """The first bytes; the stream is at its start again afterwards."""
        data: bytes = self.stream.read(count)
        self.stream.seek(0)
        return data

    def map(self) -> mmap.mmap:
        """All bytes of a file that is not zipped, read-only; they are read when they are used."""
        return mmap.mmap(self.stream.fileno(), 0, access=mmap.ACCESS_READ)

    def read_array(self, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
        """The next bytes of the stream as an array. The caller has checked the size against `most`."""
        check_memory(self.path, math.prod(shape) * dtype.itemsize)
        array = np.empty(shape, dtype)
        data = array.reshape(-1).view(np.uint8).data
        done = 0
        while done < len(data):
            got = self.stream.readinto(data[done : done + PIECE])
            if not got:
                raise InputError(
                    self.path, f"ends after {done} bytes of values", f"{len(data)}", hint="was it copied completely?"
                )
            done += got
        return array


@contextlib.contextmanager
def open_data(path: str | os.PathLike[str]) -> Iterator[Source]:
    """Opens a data file, plain or .gz. Raises InputError as `open_input`, and for an empty file."""
    with open_input(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise InputError(path, "is empty")
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        stream = gzip.GzipFile(fileobj=file, mode="rb") if zipped else file
        yield Source(os.fspath(path), stream, size, zipped)


def memory_bytes() -> int:
    """The size of this machine's memory; where the system does not say it, of all that can be addressed."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return sys.maxsize


def forget_pages(mapping: mmap.mmap, start: int, size: int) -> None:
    """Drop pages of a mapped file from memory, where the system can; `start` is a multiple of a page. They are read
    from the file again if needed."""
    if hasattr(mapping, "madvise"):
        mapping.madvise(mmap.MADV_DONTNEED, start, size)


def check_memory(path: str, size: int) -> None:
    """Raises InputError if `size` bytes are more than this machine has."""
    limit = memory_bytes()
    if size > limit:
        needs, has = f"needs {size / 1e9:.1f} GB of memory", f"at most {limit / 1e9:.1f} GB, which this machine has"
        raise InputError(path, needs, has)
