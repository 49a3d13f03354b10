"""Kernels that convert CSV of numbers and texts, field by field.   csv_fields.py -> [field_scanner] -> number_scanner

A field of a column of numbers is a number, with or without quotes or blanks around it, or missing. Texts of all columns
are kept once each, in one hash table: a field is then the number of its text.

    words[TEXT_WORDS * k:]    of text k: its offset, its length, its column, its hash
    slots [2^n]         which text a hash stands for, -1: none; the next free one where two hashes meet
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.compiler.jit import F1, I1, I1_IN, U1, U1_IN, i64, inline, kernel, void
from ..engine.vectors.byte_vectors import WINDOW, address, byte, count_ones, eight, first_one, line_ends, put
from .number_scanner import NUMBER_BAD, NUMBER_EASY, NUMBER_HARD, SHORT_ROOM, convert_number, convert_short, in_number

# The result of `scan_fields`: all is converted; the hash table is nearly full; something that it does not know.
FIELDS_DONE, FIELDS_FULL, FIELDS_UNUSUAL = range(3)
# Indices of the `state` of `scan_fields`, which goes on from there.
FIELDS_POSITION, FIELDS_ROW, FIELDS_WORDS, FIELDS_HARD, FIELDS_HIGH = range(5)
FIELDS_STATE = 5
TEXT_WORDS = 4  # int64 for each text

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "null", "NULL", "nan", "NaN")
_MISSING = np.array([int.from_bytes(word.encode(), "big") for word in MISSING], np.uint64)
_LONGEST_MISSING = 4  # bytes

u64 = np.uint64
_SEED, _PRIME = u64(14695981039346656037), u64(0x9E3779B97F4A7C15)
_ONES, _HIGHS = u64(0x0101010101010101), u64(0x8080808080808080)


@kernel(i64(U1_IN, i64, i64), fastmath=None)
def count_feeds(text: np.ndarray, start: int, stop: int) -> int:
    """The number of line feeds in text[start:stop]."""
    count, i, text = 0, start, address(text)
    while i + WINDOW <= stop:
        count += count_ones(line_ends(text, i))
        i += WINDOW
    while i < stop:
        count += byte(text, i) == 10
        i += 1
    return count


@kernel(i64(U1_IN, i64, i64, I1_IN, i64, F1, I1, I1, I1, I1, I1), fastmath=None)
def scan_fields(
    text: np.ndarray,
    stop: int,
    separator: int,
    numeric: np.ndarray,
    rows: int,
    cells: np.ndarray,
    words: np.ndarray,
    slots: np.ndarray,
    wrong: np.ndarray,
    hard: np.ndarray,
    state: np.ndarray,
) -> int:
    """Convert the records of text[state[FIELDS_POSITION]:stop] to rows state[FIELDS_ROW] and so on of `cells`.

    text uint8, numeric int64 [columns]: 1 for a column of numbers, 0 for one of texts; cells float32 [columns * rows],
    column after column: a number, nan where it is missing, or as int32 bits, the number of the text. words, slots,
    wrong int64 [columns], hard int64 [2 * H], state int64 [FIELDS_STATE] are advanced. wrong[c] becomes 1 for a column
    of numbers that holds something else, state[FIELDS_HIGH] 1 if a text is not ASCII. Numbers for Python's float() are
    left to the caller: hard[2*k] is the offset of the one for cell hard[2*k + 1].

    FIELDS_FULL: `words` or `slots` must grow. FIELDS_UNUSUAL: a record of another number of fields, a line feed or
    another odd quote in quotes, too many numbers for `hard`.
    """
    columns = len(numeric)
    text, end, cells = address(text), len(text), address(cells)
    i, row, known, hards = state[FIELDS_POSITION], state[FIELDS_ROW], state[FIELDS_WORDS], state[FIELDS_HARD]
    verdict, mask, every = FIELDS_DONE, len(slots) - 1, u64(0)
    while i < stop and verdict == FIELDS_DONE:
        if (known + columns) * TEXT_WORDS > len(words) or (known + columns) * 2 > len(slots):
            verdict = FIELDS_FULL
            break
        if hards + 2 * columns > len(hard):
            verdict = FIELDS_UNUSUAL
            break
        for column in range(columns):
            cell = column * rows + row
            quoted = i < stop and byte(text, i) == 34
            i += quoted
            first, last, done = i, i, False
            if numeric[column] != 0:
                while i < stop and byte(text, i) == 32:
                    i += 1
                if i < stop and in_number(byte(text, i)):
                    begin, judgement, value = i, NUMBER_EASY, np.float32(0)
                    short: Any = False
                    if begin + SHORT_ROOM < end:
                        short, i, value = convert_short(text, begin)
                        short = short and (byte(text, i) == separator or byte(text, i) == 10) and i <= stop
                    if not short:
                        judgement, i, value = convert_number(text, begin, stop)
                        i = _skip_blanks(text, i, stop)
                    closed = not quoted
                    if quoted and i < stop and byte(text, i) == 34:
                        i = _skip_blanks(text, i + 1, stop)
                        closed = True
                    if closed and judgement != NUMBER_BAD and _is_end(text, i, stop, separator):
                        done = True
                        put(cells, cell, value)
                        if judgement == NUMBER_HARD:
                            hard[hards], hard[hards + 1] = begin, cell
                            hards += 2
                    else:
                        i = first
                else:
                    i = first
            if not done:
                code, inner = _SEED, True
                while inner:
                    word = _word(text, i, end)
                    marks = _equal(word, 34) | _equal(word, 10)
                    if not quoted:
                        marks |= _equal(word, separator)
                    length = min(first_one(marks) >> 3, stop - i)
                    word &= _mask(length)
                    code, every = _mixed(code, word), every | word
                    i += length
                    inner = length == 8
                    if quoted and not inner and i + 1 < stop and byte(text, i) == 34 and byte(text, i + 1) == 34:
                        i, inner = i + 2, True
                last = i
                if quoted:
                    if i >= stop or byte(text, i) != 34:
                        verdict = FIELDS_UNUSUAL
                        break
                    i += 1
                    if i < stop and byte(text, i) == 13:
                        i += 1
                elif i < stop and byte(text, i) == 10 and last > first and byte(text, last - 1) == 13:
                    last -= 1
                    code = _hash(text, first, last, end)
                if not _is_end(text, i, stop, separator):
                    verdict = FIELDS_UNUSUAL
                    break
                if numeric[column] != 0:
                    put(cells, cell, np.float32(np.nan))
                    if not _is_missing(text, first, last):
                        wrong[column] = 1
                else:
                    code = _mixed(code, u64(column))
                    place = _place(text, first, last - first, column, np.int64(code), words, slots, known, mask)
                    known += place == known
                    put(cells, cell, np.int32(place).view(np.float32))
            is_last = i >= stop or byte(text, i) == 10
            if is_last != (column == columns - 1):
                verdict = FIELDS_UNUSUAL
                break
            i += 1
        row += 1
    state[FIELDS_POSITION], state[FIELDS_ROW], state[FIELDS_WORDS] = i, row, known
    state[FIELDS_HARD] = hards
    state[FIELDS_HIGH] |= (every & _HIGHS) != u64(0)
    return verdict


@kernel(void(I1_IN, i64, I1), fastmath=None)
def index_words(words: np.ndarray, known: int, slots: np.ndarray) -> None:
    """Make `slots` anew for the first `known` texts."""
    mask = len(slots) - 1
    slots[:] = -1
    for k in range(known):
        slot = _first_slot(words[TEXT_WORDS * k + 3], mask)
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = k


@kernel(i64(U1_IN, I1_IN, i64, I1, I1, i64, I1), fastmath=None)
def merge_words(
    text: np.ndarray,
    more: np.ndarray,
    number: int,
    words: np.ndarray,
    slots: np.ndarray,
    known: int,
    places: np.ndarray,
) -> int:
    """Put the first `number` texts of the table `more` into another one with `known` texts, which has room for them.
    places[k] becomes the number of text k there. Returns how many it has then."""
    text, mask = address(text), len(slots) - 1
    for k in range(number):
        start, length, column, code = (
            more[TEXT_WORDS * k],
            more[TEXT_WORDS * k + 1],
            more[TEXT_WORDS * k + 2],
            more[TEXT_WORDS * k + 3],
        )
        places[k] = _place(text, start, length, column, code, words, slots, known, mask)
        known += places[k] == known
    return known


@kernel(i64(U1_IN, I1_IN, I1_IN, U1), fastmath=None)
def join_words(text: np.ndarray, words: np.ndarray, chosen: np.ndarray, result: np.ndarray) -> int:
    """Copy the `chosen` texts to uint8 `result`, each with a line feed behind it. Returns the bytes written."""
    text, size = address(text), 0
    for k in chosen:
        start = words[TEXT_WORDS * k]
        for i in range(start, start + words[TEXT_WORDS * k + 1]):
            result[size] = byte(text, i)
            size += 1
        result[size] = 10
        size += 1
    return size


@inline
def _place(
    text: Any, start: int, length: int, column: int, code: Any, words: Any, slots: Any, known: int, mask: int
) -> Any:
    """The number of a text in a table; `known`, and it is put there, if it is a new one."""
    slot = _first_slot(code, mask)
    while slots[slot] >= 0:
        k = slots[slot]
        here = TEXT_WORDS * k
        if words[here + 3] == code and words[here + 1] == length and words[here + 2] == column:
            other, same = words[here], 0
            while same + 8 <= length and eight(text, start + same) == eight(text, other + same):
                same += 8
            while same < length and byte(text, start + same) == byte(text, other + same):
                same += 1
            if same == length:
                return k
        slot = (slot + 1) & mask
    slots[slot] = known
    here = TEXT_WORDS * known
    words[here], words[here + 1], words[here + 2], words[here + 3] = start, length, column, code
    return known


@inline
def _first_slot(code: Any, mask: int) -> Any:
    """Of an int64 `code`: as an unsigned one it would be shifted otherwise."""
    return (code ^ (code >> 29)) & mask


@inline
def _hash(text: Any, start: int, stop: int, end: int) -> Any:
    """Of a text without quotes: as `scan_fields` makes it, of eight bytes at a time, the last ones less than eight."""
    code, i, length = _SEED, start, 8
    while length == 8:
        length = min(8, stop - i)
        code = _mixed(code, _word(text, i, end) & _mask(length))
        i += length
    return code


@inline
def _mixed(code: Any, word: Any) -> Any:
    code = (code ^ word) * _PRIME
    return code ^ (code >> u64(32))


@inline
def _word(text: Any, i: int, end: int) -> Any:
    """Bytes i to i + 7, with line feeds for those behind the end."""
    if i + 8 <= end:
        return eight(text, i)
    word = u64(0)
    for k in range(8):
        word |= u64(byte(text, i + k) if i + k < end else 10) << u64(8 * k)
    return word


@inline
def _equal(word: np.uint64, code: int) -> Any:
    """The highest bit of the lowest byte that is `code`, besides bits in higher bytes; 0 if none is."""
    word = word ^ (_ONES * u64(code))
    return (word - _ONES) & ~word & _HIGHS


@inline
def _mask(length: int) -> Any:
    """Of so many bytes, up to 8."""
    return u64(0) if length == 0 else ~u64(0) >> u64(64 - 8 * length)


@inline
def _is_end(text: Any, i: int, stop: int, separator: int) -> bool:
    """Whether a field ends before byte i."""
    return i >= stop or byte(text, i) == separator or byte(text, i) == 10


@inline
def _skip_blanks(text: Any, i: int, stop: int) -> int:
    """The first place from i on without a blank, or a carriage return before a line feed."""
    while i < stop and (byte(text, i) == 32 or (byte(text, i) == 13 and i + 1 < stop and byte(text, i + 1) == 10)):
        i += 1
    return i


@inline
def _is_missing(text: Any, first: int, last: int) -> bool:
    """Whether text[first:last] is one of MISSING, with blanks around it or without."""
    if first == last:
        return True
    while first < last and byte(text, first) == 32:
        first += 1
    while first < last and byte(text, last - 1) == 32:
        last -= 1
    if last - first > _LONGEST_MISSING:
        return False
    word = u64(0)
    for i in range(first, last):
        word = word << u64(8) | u64(byte(text, i))
    found = False
    for k in range(len(_MISSING)):
        found |= _MISSING[k] == word
    return found
