"""CSV and TSV, plain or .gz, as a `RawTable`: the header, the separator, and which of two ways reads the rest.

all fields are plain numbers  ->  kernels that scan numbers, after the structure of each line is checked
all else                      ->  `text_columns`, by kernels or polars
"""

from __future__ import annotations

import csv
import io
import itertools
import mmap
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..formats.files import PIECE, Source, check_memory
from ..formats.text import NUMBER as NUMBER_PATTERN
from ..formats.text import quote

A_TABLE = "a table: CSV, TSV or Parquet"
SEPARATORS = (",", ";", "\t")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
FEW_BYTES, MOST_HEADER = 1 << 14, 1 << 22  # where first records are looked for: a copy of 4 MB takes a millisecond


class CsvLayout(NamedTuple):
    """`data` ends with a line feed; the first record after the header begins at byte `start`, which is on `line` (from
    1), and blank lines at the end begin at `stop`."""

    path: str
    data: mmap.mmap | bytes
    separator: str
    names: list[str]
    start: int
    line: int
    stop: int

    @property
    def text(self) -> np.ndarray:
        return np.frombuffer(self.data, np.uint8)


def csv_layout(source: Source) -> CsvLayout:
    """Raises InputError for text without a header of different names, or without rows."""
    data = _contents(source)
    path, size, begin = source.path, len(data), 0
    while size and data[size - 1 : size] in (b"\n", b"\r"):
        size -= 1
    if not size:
        raise InputError(path, "is empty", "a header with names of columns, and rows")
    if data[: len(BYTE_ORDER_MARK)] == BYTE_ORDER_MARK:
        begin = len(BYTE_ORDER_MARK)
    if data.find(b"\n", 0, MOST_HEADER) < 0:
        raise InputError(path, f"has a first line of more than {MOST_HEADER} bytes", "a header", line=1)
    separator = _separator(path, data, begin)
    records, ends, lines = first_records(path, data, begin, separator, 2)
    names = [name.strip() for name in records[0]]
    _check_names(path, names)
    start = ends[0]
    if start >= size:
        raise InputError(path, "holds a header, but no rows", "one or more")
    return CsvLayout(path, data, separator, names, start, lines[0] + 1, size)


def _contents(source: Source) -> mmap.mmap | bytes:
    """All bytes, with a line feed at the end: a plain file is mapped."""
    if not source.zipped:
        mapped = source.map()
        return mapped if mapped[-1:] == b"\n" else mapped[:] + b"\n"
    pieces, size = [], 0
    while piece := source.stream.read(PIECE):
        pieces.append(piece)
        size += len(piece)
        check_memory(source.path, 2 * size)
    return b"".join([*pieces, b"\n"])


def _separator(path: str, data: mmap.mmap | bytes, begin: int) -> str:
    """The one that cuts the header and the first row into as many fields, and into most; a tab in a .tsv."""
    name = path.lower().removesuffix(".gz")
    if name.endswith((".tsv", ".tab")):
        return "\t"
    counts = {}
    for separator in SEPARATORS:
        records, _, _ = first_records(path, data, begin, separator, 2)
        sizes = [len(record) for record in records]
        counts[separator] = (len(set(sizes)) == 1 and sizes[0] > 1, sizes[0])
    return max(counts, key=counts.__getitem__)


def first_records(
    path: str, data: mmap.mmap | bytes, start: int, separator: str, number: int
) -> tuple[list[list[str]], list[int], list[int]]:
    """The first records of a text from byte `start` on, the offsets of their ends, and the numbers of their last lines.
    Of the text, MOST_HEADER bytes are looked at; those that are not UTF-8 become surrogates."""
    for most in (FEW_BYTES, MOST_HEADER):
        head = io.BytesIO(data[start : start + most])
        try:
            found = _records(path, head, separator, number)
        except InputError:
            if head.tell() < most or most == MOST_HEADER:
                raise
        if head.tell() < most:  # what was looked at is whole
            break
    records, offsets, lines = found
    return records, [start + offset for offset in offsets], lines


def _records(
    path: str, stream: io.BytesIO, separator: str, number: int
) -> tuple[list[list[str]], list[int], list[int]]:
    records, offsets, numbers = [], [], []
    reader = csv.reader(
        (line.decode(errors="surrogateescape") for line in iter(stream.readline, b"")), delimiter=separator
    )
    try:
        for record in itertools.islice(reader, number):
            records.append(record)
            offsets.append(stream.tell())
            numbers.append(reader.line_num)
    except csv.Error as error:
        found = f"its first lines are not CSV: {error}"
        raise InputError(path, found, A_TABLE, line=max(1, reader.line_num)) from None
    return records, offsets, numbers


def _check_names(path: str, names: list[str]) -> None:
    if not names:
        raise InputError(path, "the first line is blank", "names of columns", line=1)
    if all(NUMBER_PATTERN.fullmatch(name) for name in names):
        found = f"the first line holds numbers alone, such as {quote(names[0])}"
        raise InputError(path, found, "names of columns", "put a line of names in front", line=1)
    seen: dict[str, int] = {}
    for place, name in enumerate(names, start=1):
        if odd := [ord(letter) & 0xFF for letter in name if "\udc80" <= letter <= "\udcff"]:
            raise InputError(path, f"found the byte 0x{odd[0]:02x}", "UTF-8", "save it anew as UTF-8", line=1)
        if not name:
            raise InputError(path, f"column {place} has no name", "one", "name it in the first line", line=1)
        if name in seen:
            found = f"columns {seen[name]} and {place} have the same name, {quote(name)}"
            raise InputError(path, found, "different names", line=1)
        seen[name] = place
