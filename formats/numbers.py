"""Number files: text -> float32 (any layout, plain or .gz) and back (C's "%f ").

                 [numbers] -> number_scanner    what a number is, and its value
    data.py  ->  [numbers] -> line_survey       how many there are, and on which lines
                 [numbers] -> number_printer    what is written

A plain file is memory-mapped, and what is done with is dropped from memory; a .gz is unzipped block by block. All
threads convert parts of the text at the same time, cut where no number can be cut: counting its numbers first says
where those of each part go.
"""

from __future__ import annotations

import bisect
import mmap
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from ..engine.team.threads import usable_threads
from ..errors import InputError, UsageError
from .atomic import write_atomically
from .files import PIECE, Source, check_memory, forget_pages, open_data
from .layout import Surveyed, TextLayout
from .line_survey import FIRST_LINE, LAST_LINE, LINE_FEEDS, RUN_COUNT, STATE, survey_lines
from .number_printer import LONGEST, PRINTED, print_numbers
from .number_scanner import (
    FILLED,
    HARD,
    POSITION,
    SCAN_DONE,
    SCAN_MALFORMED,
    SCAN_NOT_A_NUMBER,
    count_numbers,
    scan_numbers,
)
from .text import quote

# The bytes of a token, from its first one on, as `number_scanner` sees them.
NUMBER_TOKEN = re.compile(rb"(?:[0-9.+-]|(?<=[0-9.])[eE](?=[+-]?[0-9]))+")
WORD = re.compile(rb"[+-]?(?:nan|infinity|inf)(?![a-z])", re.IGNORECASE)
# A text may be cut behind all bytes but these.
TOKEN_BYTES = b"0123456789+-.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
CUT = re.compile(rb"[^0-9+\-.a-zA-Z]")
PART = 1 << 21  # bytes that a thread converts at a time
HARD_ONES = 4096  # numbers left to Python's float() at a time
_own = threading.local()  # of the threads of one reading


def read_numbers(path: str | os.PathLike[str], count: int | None = None) -> np.ndarray:
    """The first `count` numbers of a text file (None: all of them) as float32 [count], each np.float32(float(token)).

    Raises InputError with line and column for text that is not a finite float32 number, and if there are too few.
    """
    with open_data(path) as source:
        return scan_source(source, count)


def read_rows(source: Source, rows: int | None, columns: int, *, strict: bool = False) -> np.ndarray:
    """The first `rows` rows (None: all) of an open text file as float32 [rows, columns], wherever its lines end.

    Warns (`layout.LayoutWarning`) where its lines look as if other numbers were meant; with `strict` that is an
    InputError.
    """
    count = None if rows is None else rows * columns
    layout = TextLayout(source.path, columns, count)
    numbers = scan_source(source, count, layout)
    if len(numbers) % columns:
        raise InputError(source.path, f"holds {len(numbers)} numbers", f"whole rows of {columns}", layout.hint())
    layout.finish(strict=strict)
    return numbers.reshape(-1, columns)


def scan_source(source: Source, count: int | None, layout: TextLayout | None = None) -> np.ndarray:
    """`read_numbers` of an open file, whose lines `layout` is shown."""
    # A text of n bytes has room for (n + 1) / 2 numbers: an absurd count allocates no more than that.
    numbers = np.empty(0 if count is None or source.zipped else min(count, source.size // 2 + 1), np.float32)
    filled, layout = 0, layout or TextLayout(source.path, 1, count)
    with ThreadPoolExecutor(usable_threads()) as threads:
        for block in _blocks(source):
            in_two_passes = count is None and not source.zipped
            surveyed: Iterable[tuple[list[_Part], list[int]]] = block.surveyed(threads, layout, forget=in_two_passes)
            if in_two_passes:
                surveyed = list(surveyed)
                numbers = _room(source.path, sum(size for _, sizes in surveyed for size in sizes))
            for parts, sizes in surveyed:
                wanted = filled + sum(sizes) if count is None else min(filled + sum(sizes), count)
                if wanted > len(numbers):
                    numbers = _grown(source.path, numbers, wanted)
                rooms = []
                for size in sizes:
                    rooms.append(numbers[filled : min(filled + size, wanted)])
                    filled += len(rooms[-1])
                list(threads.map(_convert, parts, rooms, [filled == count] * len(parts)))
                if filled == count:
                    layout.more = sum(map(len, rooms)) < sum(sizes) or block.has_numbers(parts[-1].stop)
                    return numbers
                block.forget(parts)
    layout.close()
    if count is not None:
        rows = "" if layout.columns == 1 else f" ({count // layout.columns} rows of {layout.columns})"
        raise InputError(source.path, f"holds {filled} numbers", f"{count}{rows}", layout.hint())
    if filled == 0:
        raise InputError(source.path, "holds no numbers", hint=layout.hint())
    return numbers


def scan_rows(path: str, text: np.ndarray, columns: int, is_plain: Callable[[int, int], bool]) -> np.ndarray | None:
    """The numbers of a text, uint8 [bytes], as float32 [lines, columns] if each of its lines, the last one too, ends
    with a line feed and holds so many, and is_plain(start, stop) of each part of the text; None for any other, or for a
    number that is malformed or not finite."""

    def survey(part: _Part) -> Surveyed | None:
        return _survey(part) if is_plain(part.start, part.stop) else None

    block, here, counts = _Block(path, text, 1, 1), 0, []
    with ThreadPoolExecutor(usable_threads()) as threads:
        rounds = list(block.rounds())
        for found in (part for parts in rounds for part in threads.map(survey, parts)):
            if found is None:
                return None
            counts.append(found.numbers)
            if found.state[LINE_FEEDS]:
                if here + found.state[FIRST_LINE] != columns or (found.runs[:, 0] != columns).any():
                    return None
                here = 0
            here += found.state[LAST_LINE]
        numbers, parts = _room(path, sum(counts)), [part for parts in rounds for part in parts]
        rooms = np.split(numbers, np.cumsum(counts)[:-1])
        try:
            list(threads.map(_convert, parts, rooms, [False] * len(parts)))
        except InputError:
            return None
    return None if here else numbers.reshape(-1, columns)


def locate_number(path: str | os.PathLike[str], index: int) -> tuple[int, int, str]:
    """Line, column (from 1) and token of number `index` (from 0). Raises InputError if there are not so many."""
    with open_data(path) as source:
        for block in _blocks(source):
            for start in range(0, len(block.text), PIECE):
                stop = min(start + PIECE, len(block.text))
                here = count_numbers.run(block.text, start, stop)
                if index < here:
                    # The shortest stretch with index + 1 numbers ends with the first byte of the one wanted.
                    ends = range(start, stop + 1)
                    end = ends[
                        bisect.bisect_left(ends, index + 1, key=lambda k: count_numbers.run(block.text, start, k))
                    ]
                    return *block.position(end - 1), block.token(end - 1).decode()
                index -= here
    raise InputError(path, "holds fewer numbers than it did")


def write_numbers(path: str | os.PathLike[str], values: np.ndarray) -> None:
    """Writes float32 [N, K] as C's printf would: "%f" and a space for each value, one line per row.

    Raises OutputError, and UsageError for anything but an array of numbers [N, K].
    """
    try:
        values = np.ascontiguousarray(values, np.float32)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the values are not numbers: {error}") from None
    if values.ndim != 2:
        raise UsageError(f"the values have the shape {values.shape}, expected [rows, columns]")
    columns, flat = values.shape[1], values.reshape(-1)
    text, reached = np.empty(PRINTED * LONGEST, np.uint8), np.zeros(1, np.int64)
    with write_atomically(path) as file:
        start = 0
        while start < len(flat):
            stop = min(start + PRINTED, len(flat))
            size = print_numbers.run(flat, start, stop, columns, 0, text, reached)
            file.write(text[:size])
            start = int(reached[0])
            if start < stop:
                file.write(b"%f " % float(flat[start]))
                start += 1
                file.write(b"\n" * (start % columns == 0))


class _Block(NamedTuple):
    """A stretch of the text, and the position in the file of its first byte (line and column from 1)."""

    path: str
    text: np.ndarray
    line: int
    column: int
    mapping: mmap.mmap | None = None  # that `text` lies in

    def token(self, offset: int) -> bytes:
        """The token that begins there; no bytes if none does."""
        found = NUMBER_TOKEN.match(self.text.data, offset)
        return found[0] if found else b""

    def rounds(self) -> Iterator[list[_Part]]:
        """The block in parts that split no number, as many at a time as keep all threads busy."""
        stop, most = 0, 2 * usable_threads()
        while stop < len(self.text):
            parts: list[_Part] = []
            while stop < len(self.text) and len(parts) < most:
                start = stop
                cut = CUT.search(self.text.data, start + PART - 1)
                stop = cut.end() if cut else len(self.text)
                parts.append(_Part(self, start, stop))
            yield parts

    def surveyed(
        self, threads: ThreadPoolExecutor, layout: TextLayout, *, forget: bool
    ) -> Iterator[tuple[list[_Part], list[int]]]:
        """The rounds, and the count of numbers in each of their parts; `layout` gets their lines. `forget`: drop them
        from memory at once, since they are read again."""
        for parts in self.rounds():
            found = list(threads.map(_survey, parts))
            for part in found:
                layout.add(part, self.position, self.text)
            if forget:
                self.forget(parts)
            yield parts, [part.numbers for part in found]

    def has_numbers(self, start: int) -> bool:
        """Whether there are any from `start` on."""
        stops = range(start, len(self.text), PART)
        return any(count_numbers.run(self.text, stop, min(stop + PART, len(self.text))) for stop in stops)

    def forget(self, parts: list[_Part]) -> None:
        """Drop the pages of `parts` from memory. They are read from the file again if needed."""
        if self.mapping:
            start = parts[0].start // mmap.PAGESIZE * mmap.PAGESIZE
            forget_pages(self.mapping, start, parts[-1].stop - start)

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of a byte of this block."""
        newlines, last = 0, -1
        for start in range(0, offset, PIECE):
            found = np.flatnonzero(self.text[start : min(start + PIECE, offset)] == 10)
            if len(found):
                newlines, last = newlines + len(found), start + int(found[-1])
        return self.line + newlines, offset - last if newlines else self.column + offset


class _Part(NamedTuple):
    """The bytes block.text[start:stop]. A number that begins in it ends in it."""

    block: _Block
    start: int
    stop: int


def _blocks(source: Source) -> Iterator[_Block]:
    """The text in stretches that split no number: a plain file as one, an unzipped one piece by piece."""
    if not source.zipped:
        mapping = source.map()
        yield _Block(source.path, np.frombuffer(mapping, np.uint8), 1, 1, mapping)
        return
    line, column, rest = 1, 1, b""
    while data := source.stream.read(PIECE):
        data = rest + data
        whole = data.rstrip(TOKEN_BYTES)
        rest = data[len(whole) :]
        if len(rest) > PIECE:
            position = _Block(source.path, np.frombuffer(data, np.uint8), line, column).position(len(whole))
            raise InputError(
                source.path, f"found {len(rest)} letters and digits in a row", line=position[0], column=position[1]
            )
        block = _Block(source.path, np.frombuffer(whole, np.uint8), line, column)
        yield block
        line, column = block.position(len(whole))
    yield _Block(source.path, np.frombuffer(rest, np.uint8), line, column)


def _survey(part: _Part) -> Surveyed:
    runs, state = _runs_of_thread(2 * (part.stop - part.start)), np.empty(STATE, np.int64)
    numbers = survey_lines.run(part.block.text, part.start, part.stop, runs, state)
    return Surveyed(numbers, runs[: 2 * state[RUN_COUNT]].reshape(-1, 2).copy(), state.tolist())


def _runs_of_thread(size: int) -> np.ndarray:
    """Room for `size` int64, the thread's own: usually only its first page is used, and the system would clear a
    huge page for it in each part."""
    runs: np.ndarray | None = getattr(_own, "runs", None)
    if runs is None or len(runs) < size:
        runs = _own.runs = np.empty(size, np.int64)
    return runs


def _convert(part: _Part, numbers: np.ndarray, enough: bool) -> None:
    """Convert the first numbers of a part, until `numbers` is full.

    Raises InputError for a malformed number, also after the last one unless these are `enough`.
    """
    block, start = part.block, part.start
    hard, state = np.empty(2 * HARD_ONES, np.int64), np.zeros(3, np.int64)
    verdict = None
    while verdict != SCAN_DONE and not (enough and state[FILLED] == len(numbers)):
        verdict = scan_numbers.run(block.text, start, part.stop, numbers, hard, state)
        start = int(state[POSITION])
        _convert_hard(block, hard[: 2 * state[HARD]].reshape(-1, 2), numbers)
        if verdict in (SCAN_MALFORMED, SCAN_NOT_A_NUMBER) and not (enough and state[FILLED] == len(numbers)):
            raise _wrong_token(block, start)


def _room(path: str, size: int) -> np.ndarray:
    check_memory(path, 4 * size)
    return np.empty(size, np.float32)


def _grown(path: str, numbers: np.ndarray, size: int) -> np.ndarray:
    check_memory(path, 4 * size)
    numbers.resize(size, refcheck=False)  # moves pages, not bytes
    return numbers


def _convert_hard(block: _Block, hard: np.ndarray, numbers: np.ndarray) -> None:
    """Convert the numbers that the scanner left: each row of `hard` is an offset and an index of `numbers`."""
    offsets, indices = hard.T
    text = block.text.data
    tokens = [NUMBER_TOKEN.match(text, offset) for offset in offsets.tolist()]
    values = np.array([float(token[0]) for token in tokens if token])
    with np.errstate(over="ignore"):
        numbers[indices] = values
    too_large = offsets[np.isinf(numbers[indices])]
    if len(too_large):
        line, column = block.position(int(too_large[0]))
        found = f"found {quote(block.token(int(too_large[0])).decode())}"
        raise InputError(block.path, found, "a number below 3.4e38 (float32)", line=line, column=column)


def _wrong_token(block: _Block, offset: int) -> InputError:
    line, column = block.position(offset)
    word = WORD.match(block.text.data, offset)
    token = word[0] if word else block.token(offset)
    expected = "a finite number" if word else "a number such as -12.5 or 1e-3"
    return InputError(block.path, f"found {quote(token.decode())}", expected, line=line, column=column)
