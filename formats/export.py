"""Writing an array in the format of a file name's suffix.   data.convert -> [export]

    .txt .csv   text, one line per row, spaces or commas between; every value reads back bit for bit
    .npy        float32 in the array's shape
    .idx        IDX of the smallest type that holds all values
    -ubyte      IDX of uint8

each followed by .gz or not; .gz alone is text, and so is stdout.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from typing import IO

import numpy as np

from ..errors import UsageError
from .atomic import write_atomically
from .idx import put_idx
from .streams import stream_number

Output = IO[bytes] | gzip.GzipFile

BLOCK_VALUES = 1 << 22  # values worked on at a time, so that a mapped array stays out of memory


def parts(array: np.ndarray) -> Iterator[slice]:
    """Slices of rows of an array of one dimension or more, with about BLOCK_VALUES values each."""
    step = max(1, BLOCK_VALUES * len(array) // max(1, array.size))
    return (slice(start, start + step) for start in range(0, len(array), step))


def export(path: str | os.PathLike[str], values: np.ndarray) -> None:
    """Writes float32 `values`. Raises UsageError for a suffix or value that does not fit, OutputError."""
    put = writer_for(path)
    with write_atomically(path) as file:
        if os.fspath(path).lower().endswith(".gz"):
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as zipped:
                put(zipped, values)
        else:
            put(file, values)


def writer_for(path: str | os.PathLike[str]) -> Callable[[Output, np.ndarray], None]:
    """The function that writes the format of the name `path`. Raises UsageError for an unknown suffix."""
    name = os.fspath(path).lower()
    inner = name.removesuffix(".gz")
    for suffix, put in WRITERS.items():
        if inner.endswith(suffix):
            return put
    if inner != name or stream_number(os.fspath(path)) is not None:
        return _put_text
    raise UsageError(f"{os.fspath(path)}: the name must end with {' '.join(WRITERS)}, or one of these and .gz")


def _put_text(file: Output, values: np.ndarray, separator: str = " ") -> None:
    if values.size and all(_is_whole(values[part]).all() for part in parts(values)):
        _put_whole(file, values.reshape(len(values), -1), separator)
        return
    for part in parts(values):
        block = values[part].reshape(len(values[part]), -1)
        line = separator.join(["%.9g"] * block.shape[1]) + "\n"  # nine digits distinguish any two float32 numbers
        for row in block.astype(np.float64):
            file.write((line % tuple(row.tolist())).encode())


def _put_whole(file: Output, rows: np.ndarray, separator: str) -> None:
    # Only text needs compiled code, and numba with it.
    from .number_printer import LONGEST, PRINTED, print_numbers

    flat, text, reached = rows.reshape(-1), np.empty(PRINTED * LONGEST, np.uint8), np.zeros(1, np.int64)
    for start in range(0, len(flat), PRINTED):
        stop = min(start + PRINTED, len(flat))
        file.write(text[: print_numbers.run(flat, start, stop, rows.shape[1], ord(separator), text, reached)].data)


def _put_csv(file: Output, values: np.ndarray) -> None:
    _put_text(file, values, ",")


def _put_npy(file: Output, values: np.ndarray) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": values.shape}
    np.lib.format.write_array_header_1_0(file, header)
    for part in parts(values):
        file.write(values[part].tobytes())


def _put_smallest_idx(file: Output, values: np.ndarray) -> None:
    least, most, whole = np.inf, -np.inf, True
    for part in parts(values):
        least, most = min(least, values[part].min()), max(most, values[part].max())
        whole = whole and bool(_is_whole(values[part]).all())
    kinds = (np.uint8, np.int8, np.int16, np.int32) if whole else ()
    fitting = (kind for kind in kinds if np.iinfo(kind).min <= least and most <= np.iinfo(kind).max)
    put_idx(file, values.astype(next(fitting, np.float32)))


def _put_ubyte(file: Output, values: np.ndarray) -> None:
    for part in parts(values):
        wrong = ~(_is_whole(values[part]) & (values[part] >= 0) & (values[part] <= 255))
        if wrong.any():
            bad = values[part][wrong][0]
            raise UsageError(f"-ubyte files hold whole numbers from 0 to 255, found {bad} (use --add, --scale or .idx)")
    put_idx(file, values.astype(np.uint8))


def _is_whole(values: np.ndarray) -> np.ndarray:
    """Which values are exactly integers; not -0.0, whose sign would be lost."""
    whole: np.ndarray = (values == np.rint(values)) & (np.abs(values) < 2.0**53)
    whole &= ~((values == 0) & np.signbit(values))
    return whole


WRITERS = {".txt": _put_text, ".csv": _put_csv, ".npy": _put_npy, ".idx": _put_smallest_idx, "-ubyte": _put_ubyte}
