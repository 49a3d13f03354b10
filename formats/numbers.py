"""Number files: text -> float32 (any layout, plain or .gz) and back (C's "%f ").

                 [numbers] -> number_scanner    what a number is, and its value
    data.py  ->  [numbers] -> number_printer    what is written

A plain file is memory-mapped and scanned in pieces, between which Ctrl-C is felt. A .gz is unzipped block by
block, each cut where no number can be cut.
"""

from __future__ import annotations

import bisect
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from .atomic import write_atomically
from .files import PIECE, Source, check_memory, open_data
from .number_printer import LONGEST, print_numbers
from .number_scanner import FILLED, HARD, LETTER, MALFORMED, NO_NUMBER, POSITION, count_numbers, scan_numbers
from .text import quote

# The bytes of a token, from its first one on, as `number_scanner` sees them.
TOKEN = re.compile(rb"(?:[0-9.+-]|(?<=[0-9.])[eE](?=[+-]?[0-9]))+")
WORD = re.compile(rb"[+-]?(?:nan|infinity|inf)(?![a-z])", re.IGNORECASE)
# A text may be cut behind all bytes but these.
TOKEN_BYTES = b"0123456789+-.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
HARD_ONES = 4096  # numbers left to Python's float() at a time
PRINTED = 1 << 16  # values printed at a time


def read_numbers(path: str | os.PathLike[str], count: int | None = None) -> np.ndarray:
    """The first `count` numbers of a text file (None: all of them) as float32 [count], each np.float32(float(token)).

    Raises InputError with line and column for what is no finite float32 number, and if there are too few.
    """
    with open_data(path) as source:
        return scan_source(source, count)


def scan_source(source: Source, count: int | None, layout: str = "") -> np.ndarray:
    """`read_numbers` of an open file. `layout` says for the message what `count` is made of."""
    # A text of n bytes has room for (n + 1) / 2 numbers: an absurd count allocates no more than that.
    counted = count is None or source.zipped
    numbers = np.empty(0 if counted else min(count, source.size // 2 + 1), np.float32)
    state = np.zeros(4, np.int64)
    hint = ""
    for block in _blocks(source):
        state[LETTER] = -1
        numbers = _scan_block(source.path, block, numbers, count, counted, state)
        if state[FILLED] == count:
            return numbers
        if state[LETTER] >= 0 and not hint:
            line, column = block.place(int(state[LETTER]))
            hint = f"line {line} column {column} holds {chr(block.text[state[LETTER]])!r}, which separates"
    if count is not None:
        raise InputError(source.path, f"holds {state[FILLED]} numbers", f"{count}{layout}", hint)
    if state[FILLED] == 0:
        raise InputError(source.path, "holds no numbers", hint=hint)
    return numbers


def locate_number(path: str | os.PathLike[str], index: int) -> tuple[int, int, str]:
    """Line, column (from 1) and token of number `index` (from 0). Raises InputError if there are not so many."""
    with open_data(path) as source:
        for block in _blocks(source):
            for start in range(0, len(block.text), PIECE):
                stop = min(start + PIECE, len(block.text))
                here = count_numbers(block.text, start, stop)
                if index < here:
                    # The shortest stretch with index + 1 numbers ends with the first byte of the one wanted.
                    ends = range(start, stop + 1)
                    end = ends[bisect.bisect_left(ends, index + 1, key=lambda k: count_numbers(block.text, start, k))]
                    return *block.place(end - 1), TOKEN.match(block.text, end - 1)[0].decode()
                index -= here
    raise InputError(path, "holds fewer numbers than it did")


def write_numbers(path: str | os.PathLike[str], values: np.ndarray) -> None:
    """Writes float32 [N, K] as C's printf would: "%f" and a space for each value, a line for each row.

    Raises OutputError.
    """
    values = np.ascontiguousarray(values, np.float32)
    columns, flat = values.shape[1], values.reshape(-1)
    text, reached = np.empty(PRINTED * LONGEST, np.uint8), np.zeros(1, np.int64)
    with write_atomically(path) as file:
        start = 0
        while start < len(flat):
            stop = min(start + PRINTED, len(flat))
            size = print_numbers(flat, start, stop, columns, text, reached)
            file.write(text[:size])
            start = int(reached[0])
            if start < stop:
                file.write(b"%f " % float(flat[start]))
                start += 1
                file.write(b"\n" * (start % columns == 0))


class _Block(NamedTuple):
    """A stretch of the text, and where in the file its first byte stands (line and column from 1)."""

    text: np.ndarray
    line: int
    column: int

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of a byte of this block."""
        newlines, last = 0, -1
        for start in range(0, offset, PIECE):
            found = np.flatnonzero(self.text[start : min(start + PIECE, offset)] == 10)
            if len(found):
                newlines, last = newlines + len(found), start + int(found[-1])
        return self.line + newlines, offset - last if newlines else self.column + offset


def _blocks(source: Source) -> Iterator[_Block]:
    """The text in stretches that cut no number: a plain file as one, an unzipped one as it comes."""
    if not source.zipped:
        yield _Block(source.map(), 1, 1)
        return
    line, column, rest = 1, 1, b""
    while data := source.stream.read(PIECE):
        data = rest + data
        whole = data.rstrip(TOKEN_BYTES)
        rest = data[len(whole) :]
        if len(rest) > PIECE:
            place = _Block(np.frombuffer(data, np.uint8), line, column).place(len(whole))
            raise InputError(
                source.path, f"found {len(rest)} letters and digits in a row", line=place[0], column=place[1]
            )
        block = _Block(np.frombuffer(whole, np.uint8), line, column)
        yield block
        line, column = block.place(len(whole))
    yield _Block(np.frombuffer(rest, np.uint8), line, column)


def _scan_block(
    path: str, block: _Block, numbers: np.ndarray, count: int | None, counted: bool, state: np.ndarray
) -> np.ndarray:
    """Scans a block until it ends or there are `count` numbers; returns `numbers`, grown if they are `counted`."""
    text, hard = block.text, np.empty(2 * HARD_ONES, np.int64)
    start = 0
    while start < len(text) and state[FILLED] != count:
        stop = min(start + PIECE, len(text))
        if counted:
            size = int(state[FILLED]) + count_numbers(text, start, stop)
            numbers = _grown(path, numbers, size if count is None else min(size, count))
        verdict = scan_numbers(text, start, stop, numbers, hard, state)
        start = int(state[POSITION])
        _convert_hard(path, block, hard[: 2 * state[HARD]].reshape(-1, 2), numbers)
        if verdict in (MALFORMED, NO_NUMBER) and state[FILLED] != count:
            raise _wrong_token(path, block, start)
    return numbers


def _grown(path: str, numbers: np.ndarray, size: int) -> np.ndarray:
    if size > len(numbers):
        check_memory(path, 4 * size)
        numbers.resize(size, refcheck=False)  # moves pages, not bytes
    return numbers


def _convert_hard(path: str, block: _Block, hard: np.ndarray, numbers: np.ndarray) -> None:
    """What the scanner left over: each row of `hard` is an offset and an index of `numbers`."""
    offsets, indices = hard.T
    values = np.array([float(TOKEN.match(block.text, offset)[0]) for offset in offsets.tolist()])
    with np.errstate(over="ignore"):
        numbers[indices] = values
    too_large = offsets[np.isinf(numbers[indices])]
    if len(too_large):
        line, column = block.place(int(too_large[0]))
        found = f"found {quote(TOKEN.match(block.text, too_large[0])[0].decode())}"
        raise InputError(path, found, "a number below 3.4e38 (float32)", line=line, column=column)


def _wrong_token(path: str, block: _Block, offset: int) -> InputError:
    line, column = block.place(offset)
    word = WORD.match(block.text, offset)
    token = word or TOKEN.match(block.text, offset)
    expected = "a finite number" if word else "a number such as -12.5 or 1e-3"
    return InputError(path, f"found {quote(token[0].decode())}", expected, line=line, column=column)
