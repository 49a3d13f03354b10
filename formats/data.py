"""Data files of any kind, as rows of float32: text, .npy and IDX, each plain or .gz, recognised by their content.

read_matrix       the rows for training and testing
locate            the position of a value in its file, for messages
convert           from any kind into any other
kernels_to_read   what is to be compiled before text is read
"""

from __future__ import annotations

import contextlib
import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import whole_number
from ..errors import InputError
from .export import export, parts, writer_for
from .files import PIECE, Source, check_memory, open_data
from .idx import idx_array
from .npy import NPY_MAGIC, npy_array

if TYPE_CHECKING:
    from ..engine.compiler.jit import Kernel


def read_matrix(path: str | os.PathLike[str], rows: int | None, columns: int, *, strict: bool = False) -> np.ndarray:
    """The first `rows` rows (None: all) as finite float32 [rows, columns], C-contiguous.

    Text may have any layout; where it seems to mean other numbers, there is a LayoutWarning (`layout.py`), or
    an InputError with `strict`. Arrays keep their rows, whose values are flattened, and a 1-D array is cut into rows. A
    .npy of float32 in C order is mapped, not copied. Raises InputError, UsageError for a wrong number.
    """
    rows = None if rows is None else whole_number("rows", rows, 1)
    columns = whole_number("columns", columns, 1)
    with open_data(path) as source:
        kind = recognise(source)
        if kind == "text":
            return _read_text(source, rows, columns, strict=strict)
        array = npy_array(source) if kind == "npy" else idx_array(source)
    array = _rows_of(os.fspath(path), array, rows, columns)
    if len(array) < (1 if rows is None else rows):
        raise InputError(path, f"holds {len(array)} rows", f"{rows or 'some'}")
    return _finite_float32(os.fspath(path), array[:rows]).reshape(-1, columns)


def locate(path: str | os.PathLike[str], row: int, column: int, columns: int) -> str:
    """The position of the value in `row` and `column` (from 0) of rows of `columns`: "Y.txt:3:14", "Y.npy, row 3"."""
    name = os.fspath(path)
    with contextlib.suppress(InputError):
        if os.path.isfile(path):  # a pipe cannot be read twice
            with open_data(path) as source:
                kind = recognise(source)
            if kind == "text":
                from .numbers import locate_number

                line, column_in_file, _ = locate_number(path, row * columns + column)
                return f"{name}:{line}:{column_in_file}"
    return f"{name}, row {row + 1}" + (f", column {column + 1}" if columns > 1 else "")


def recognise(source: Source) -> str:
    """The kind of the content: "text", "npy" or "idx". Raises InputError for others."""
    head = source.head(4096)
    if head.startswith(NPY_MAGIC):
        return "npy"
    if head.startswith(b"\0\0"):
        return "idx"
    if head.startswith(b"PK\3\4"):
        raise InputError(source.path, "is a .zip or .npz archive", "text, .npy or IDX", "unpack it first")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(source.path, "is text in UTF-16", "ASCII or UTF-8", "save it anew as UTF-8")
    if b"\0" in head:
        raise InputError(source.path, f"holds binary data (a zero byte at {head.index(0)})", "text, .npy or IDX")
    return "text"


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    columns: int | None = None,
    add: float = 0.0,
    scale: float = 1.0,
    strict: bool = False,
) -> tuple[int, ...]:
    """Writes (value + add) * scale of each value of `source` to `target`, as float32; returns the shape.

    The suffix of `target` chooses the format: .txt .csv (text, one line per row), .npy (float32), .idx (the
    smallest type that holds all values), -ubyte (IDX of uint8); each may be followed by .gz. `columns` are
    the numbers of a row if `source` is text; None: as many as its first line has. Raises InputError,
    OutputError, and UsageError for another suffix.
    """
    writer_for(target)  # a wrong suffix is refused before the file is read
    with open_data(source) as opened:
        kind = recognise(opened)
        if kind == "text":
            values = _read_text(opened, None, columns or _columns_of_first_line(opened), strict=strict)
        else:
            array = np.atleast_1d(npy_array(opened) if kind == "npy" else idx_array(opened))
            values = _finite_float32(opened.path, array)
    if add != 0.0 or scale != 1.0:
        scaled = np.empty(values.shape)
        for part in parts(values):
            scaled[part] = (values[part].astype(np.float64) + add) * scale
        values = _finite_float32(os.fspath(source), scaled)
    export(target, values)
    return values.shape


def _read_text(source: Source, rows: int | None, columns: int, *, strict: bool) -> np.ndarray:
    # Only text needs compiled code, and numba with it.
    from .numbers import read_rows

    return read_rows(source, rows, columns, strict=strict)


def _columns_of_first_line(source: Source) -> int:
    """The count of numbers in the first line that has any."""
    from .number_scanner import count_numbers

    while line := source.stream.readline(PIECE):
        if len(line) == PIECE:
            raise InputError(source.path, "has a line of more than 16 MiB", hint="say how many columns there are")
        columns: int = count_numbers.run(np.frombuffer(line, np.uint8), 0, len(line))
        if columns:
            source.stream.seek(0)
            return columns
    raise InputError(source.path, "holds no numbers")


def _rows_of(path: str, array: np.ndarray, rows: int | None, columns: int) -> np.ndarray:
    """`array` with `columns` values in each of its rows."""
    if array.ndim > 1 and math.prod(array.shape[1:]) == columns:
        return array
    rest = array.size % columns
    if array.ndim == 1 and (rest == 0 or rows is not None):
        return array[: array.size - rest].reshape(-1, columns)
    raise InputError(path, f"holds an array of {array.shape}", f"rows of {columns}")


def _finite_float32(path: str, array: np.ndarray) -> np.ndarray:
    """`array` as C-contiguous float32, itself if it is that. Raises InputError for nan, inf and values that become
    inf."""
    taken = array.dtype == np.float32 and array.flags.c_contiguous and array.flags.aligned
    if not taken:
        check_memory(path, 4 * array.size)
    result = array if taken else np.empty(array.shape, np.float32)
    for part in parts(array):
        with np.errstate(over="ignore"):
            if not taken:
                result[part] = array[part]
        finite = np.isfinite(result[part])
        if not finite.all():
            first = np.argwhere(~finite)[0].tolist()
            index = (part.start + first[0], *first[1:])
            raise InputError(path, f"the value at {list(index)} (from 0) is {array[index]}", "a finite float32 number")
    return result


def kernels_to_read(*paths: str | os.PathLike[str] | None) -> list[Kernel[*tuple[Any, ...], Any]]:
    """The kernels that read and write numbers as text; none if none of `paths` is text. None in their place stands for
    no file."""
    if not any(path is not None and _may_be_text(path) for path in paths):
        return []
    from ..engine.compiler.jit import KERNELS
    from . import numbers

    return [kernel for kernel in KERNELS if kernel.py_func.__module__.startswith(numbers.__package__)]


def _may_be_text(path: str | os.PathLike[str]) -> bool:
    """A pipe cannot be examined before it is read."""
    if not os.path.isfile(path):
        return True
    with open_data(path) as source:
        return recognise(source) == "text"
