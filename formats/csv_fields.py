"""CSV of numbers and texts, read by the kernels of `field_scanner`.   tables/text_columns.py -> [csv_fields]

All threads read parts of the file at the same time, cut behind a line feed. Each has a table of texts of its own; these
are put together, in the order of the file, when all are done.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from ..engine.team.threads import usable_threads
from .field_scanner import (
    FIELDS_DONE,
    FIELDS_FULL,
    FIELDS_HARD,
    FIELDS_HIGH,
    FIELDS_POSITION,
    FIELDS_ROW,
    FIELDS_STATE,
    FIELDS_WORDS,
    count_feeds,
    scan_fields,
)
from .files import check_memory
from .numbers import NUMBER_TOKEN
from .text_table import TEXT_WORDS, index_words, join_words, merge_words

FIRST_WORDS = 1024  # that a table has room for at first
LEAST_PART = 1 << 16  # bytes of a thread
HARD_FIELDS = 4096  # numbers left to Python's float(), besides one for each column


class CsvFields(NamedTuple):
    """`cells` float32 [columns, rows], nan for a missing number. In a column of texts, `words(c)` are those that occur,
    in the order of the file, and `codes(c)` int32 [rows] says which each row has. `wrong` bool [columns]: columns of
    numbers that hold something else. Cells of unused columns are undefined."""

    cells: np.ndarray
    wrong: np.ndarray
    text: np.ndarray
    table: np.ndarray  # int64 [texts, TEXT_WORDS], as `words` of the kernels
    texts: list[np.ndarray]  # int64, which of these are of each column

    def codes(self, column: int) -> np.ndarray:
        codes: np.ndarray = self.cells[column].view(np.int32)
        return codes

    def words(self, column: int) -> list[str]:
        return _decoded(self.text, self.table, self.texts[column])


class _CsvPart(NamedTuple):
    start: int
    stop: int
    row: int


class _TextTable:
    """A hash table of texts."""

    def __init__(self, path: str, columns: int):
        self.path, self.number, self.is_ascii = path, 0, True
        self.counts = np.zeros(columns, np.int64)  # texts of each column
        self.words, self.slots = np.empty(0, np.int64), np.empty(0, np.int64)
        self.grow(max(FIRST_WORDS, 2 * columns))

    def grow(self, room: int) -> None:
        """To room for so many texts and more."""
        room = 1 << room.bit_length()
        check_memory(self.path, (TEXT_WORDS + 2) * 8 * room)
        words = np.empty(TEXT_WORDS * room, np.int64)
        words[: TEXT_WORDS * self.number] = self.words[: TEXT_WORDS * self.number]
        self.words, self.slots = words, np.empty(2 * room, np.int64)
        index_words.run(self.words, self.number, self.slots)

    @property
    def table(self) -> np.ndarray:
        return self.words[: TEXT_WORDS * self.number].reshape(-1, TEXT_WORDS)

    def by_column(self) -> list[np.ndarray]:
        """Which texts are of each column, int64, in their order."""
        order = np.argsort(self.table[:, 2], kind="stable")
        return np.split(order, np.cumsum(self.counts)[:-1])


def read_csv_fields(
    path: str, text: np.ndarray, start: int, stop: int, separator: str, kinds: Sequence[int]
) -> CsvFields | None:
    """The records of text[start:stop], uint8, of columns of these `kinds`: FIELD_NUMBER and so on.

    None if one of them has another number of fields, text that is not UTF-8, or something that is left to other
    readers, such as a line feed in quotes.
    """
    columns, wanted = len(kinds), np.array(kinds, np.int64)
    ends = _cut(text, start, stop)
    with ThreadPoolExecutor(len(ends)) as threads:
        starts = [start, *ends[:-1]]
        feeds = list(threads.map(lambda first, last: count_feeds.run(text, first, last), starts, ends))
        rows = sum(feeds) + 1  # the last line is without its line feed
        check_memory(path, 4 * rows * columns)
        cells, before = np.empty((columns, rows), np.float32), np.cumsum([0, *feeds]).tolist()
        parts = list(map(_CsvPart, starts, ends, before))

        wrong = np.zeros(columns, np.int64)

        def scan(part: _CsvPart) -> _TextTable | None:
            return _scan(path, text, part, separator, wanted, cells, wrong)

        done = [each for each in threads.map(scan, parts) if each is not None]
        if len(done) < len(parts):
            return None
        table, is_ascii = done[0], all(each.is_ascii for each in done)
        stops = [*before[1:-1], rows]
        for more, part, last in zip(done[1:], parts[1:], stops[1:], strict=True):
            if table.number + more.number > len(table.slots) // 2:
                table.grow(table.number + more.number)
            codes = np.empty(more.number, np.int64)
            table.number = merge_words.run(
                text, more.words, more.number, table.words, table.slots, table.number, table.counts, codes
            )
            for column, texts in enumerate(more.by_column()):
                new = codes[texts].astype(np.int32)
                if (new != np.arange(len(new))).any():
                    found = cells[column, part.row : last].view(np.int32)
                    found[:] = new[found]
    result = CsvFields(cells, wrong.astype(bool), text, table.table, table.by_column())
    if not is_ascii:
        try:
            _decoded(text, result.table, np.arange(table.number))
        except UnicodeDecodeError:
            return None
    return result


def _cut(text: np.ndarray, start: int, stop: int) -> list[int]:
    """The ends of parts, one for each thread, behind line feeds but for the last."""
    most = max(1, min(usable_threads(), (stop - start) // LEAST_PART))
    ends: list[int] = []
    for k in range(1, most):
        place = max(start + (stop - start) * k // most, ends[-1] if ends else start)
        while place < stop:
            feeds = np.flatnonzero(text[place : min(place + LEAST_PART, stop)] == 10)
            if len(feeds):
                ends.append(place + int(feeds[0]) + 1)
                break
            place += LEAST_PART
    return [*(end for end in ends if end < stop), stop]


def _scan(
    path: str, text: np.ndarray, part: _CsvPart, separator: str, kinds: np.ndarray, cells: np.ndarray, wrong: np.ndarray
) -> _TextTable | None:
    """The texts of a part, whose `cells` are set, and 1 for the columns of numbers that are wrong; None for what the
    kernel does not know."""
    columns, rows = cells.shape
    table = _TextTable(path, columns)
    hard, state = np.empty(2 * (HARD_FIELDS + columns), np.int64), np.zeros(FIELDS_STATE + columns, np.int64)
    flat = cells.reshape(-1)
    state[FIELDS_POSITION], state[FIELDS_ROW] = part.start, part.row
    verdict = FIELDS_FULL
    while verdict == FIELDS_FULL:
        verdict = scan_fields.run(
            text, part.stop, ord(separator), kinds, rows, flat, table.words, table.slots, wrong, hard, state
        )
        table.number = int(state[FIELDS_WORDS])
        if verdict == FIELDS_FULL:
            table.grow(2 * table.number + columns)
    if verdict != FIELDS_DONE:
        return None
    for offset, cell in hard[: state[FIELDS_HARD]].reshape(-1, 2).tolist():
        token = NUMBER_TOKEN.match(text.data, offset)
        with np.errstate(over="ignore"):
            flat[cell] = float(token[0]) if token else np.nan
        if np.isinf(flat[cell]):
            return None
    table.is_ascii, table.counts = not state[FIELDS_HIGH], state[FIELDS_STATE:]
    return table


def _decoded(text: np.ndarray, table: np.ndarray, chosen: np.ndarray) -> list[str]:
    """The `chosen` texts of a table. Raises UnicodeDecodeError."""
    joined = np.empty(int((table[chosen, 1] + 1).sum()), np.uint8)
    size = join_words.run(text, table.reshape(-1), chosen, joined)
    return joined[: size - 1].tobytes().decode().replace('""', '"').split("\n") if size else []
