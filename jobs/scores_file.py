"""The file of scores, filled in any order: room for all of them aside, which becomes the file when it is complete.

A .npy is that room itself. For a .csv it is a file of plain float32, out of which the lines are made at the end.
"""

from __future__ import annotations

import contextlib
import csv
import io
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from ..aside import file_aside
from ..errors import OutputError
from ..formats.atomic import naming, replacing, write_atomically
from .score_range import put_rows

SUFFIXES = (".npy", ".csv")
CSV_NUMBERS = 1 << 20  # made to text at a time


@dataclass(frozen=True)
class ScoresFile:
    """Room for float32 scores of `shape` [rows, ...] from `offset` on in the file `path`."""

    path: str
    offset: int
    shape: tuple[int, ...]
    descriptor: int

    def put(self, start: int, scores: np.ndarray) -> None:
        """Raises OSError."""
        offset = self.offset + 4 * start * math.prod(self.shape[1:])
        put_rows(self.descriptor, np.ascontiguousarray(scores, "<f4"), offset)


@contextlib.contextmanager
def scores_file(path: str, shape: tuple[int, ...], names: Sequence[str] | None, column: str) -> Iterator[ScoresFile]:
    """A file for the block to fill completely. If the block raises, nothing of it stays, and `path` is as it was.

    `names` are those of the rows of a .csv, None for their numbers, from 0; `column` is the name of the scores. Raises
    OutputError.
    """
    target = os.path.realpath(path)
    with contextlib.ExitStack() as stack:
        with naming(path):
            if path.lower().endswith(".npy"):
                aside, file = stack.enter_context(replacing(target, "w+b"))
                descriptor, header = file.fileno(), _npy_header(shape)
            else:
                aside, descriptor = stack.enter_context(file_aside(os.path.dirname(target)))
                stack.callback(_remove, aside, descriptor)
                header = b""
            put_rows(descriptor, np.frombuffer(header, np.uint8), 0)
            _reserve(path, descriptor, len(header) + 4 * math.prod(shape))
        yield ScoresFile(aside, len(header), shape, descriptor)
        if not header:
            with write_atomically(path) as file:
                _write_csv(file, aside, shape, names, column)
        with naming(path):
            stack.close()


def _npy_header(shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return stream.getvalue()


def _reserve(path: str, descriptor: int, size: int) -> None:
    """Room on the disk now: hours later there may be none."""
    status = os.fstatvfs(descriptor)
    free = status.f_bavail * status.f_frsize
    if size > free:
        found = f"its scores take {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free there"
        raise OutputError(f"{path}: {found}")
    os.posix_fallocate(descriptor, 0, size) if hasattr(os, "posix_fallocate") else os.ftruncate(descriptor, size)


def _remove(aside: str, descriptor: int) -> None:
    os.close(descriptor)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(aside)


def _write_csv(file: IO[Any], aside: str, shape: tuple[int, ...], names: Sequence[str] | None, column: str) -> None:
    """A line of names, then one for each row; each number reads back bit for bit. The file aside is opened anew: a
    network file system shows then what other hosts have written."""
    width = math.prod(shape[1:])
    columns = [column] if width == 1 else [f"{column}_{number}" for number in range(width)]
    file.write(_csv_line(["row" if names is None else "picture", *columns]))
    line = ",".join(["%.9g"] * width) + "\n"  # nine digits distinguish any two float32 numbers
    with open(aside, "rb") as scores:
        step = max(1, CSV_NUMBERS // width)
        for start in range(0, shape[0], step):
            rows = np.fromfile(scores, "<f4", min(step, shape[0] - start) * width).reshape(-1, width)
            for number, row in enumerate(rows.astype(np.float64), start):
                name = str(number).encode() if names is None else _csv_line([names[number]])[:-1]
                file.write(name + b"," + (line % tuple(row.tolist())).encode())


def _csv_line(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode("utf-8", "surrogateescape")
