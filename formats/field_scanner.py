"""The kernel that converts CSV of numbers and texts, field by field.   csv_fields.py -> [field_scanner] -> text_table

A field of a column of numbers is a number, with or without quotes or blanks around it, or missing. Texts are kept once
each: a field is then the number of its text among those of its column.

Most fields are plain: their ends are known from a window of 64 bytes before they are converted, so that the CPU begins
with the next field at once. All others are looked at byte by byte.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.compiler.jit import F1, I1, I1_IN, U1_IN, i64, inline, kernel
from ..engine.vectors.byte_vectors import WINDOW, address, byte, count_ones, equal_bytes, first_one, line_ends, put
from .number_scanner import NUMBER_BAD, NUMBER_EASY, NUMBER_HARD, SHORT_ROOM, convert_number, convert_short, in_number
from .text_table import HASH_SEED, TEXT_WORDS, first_bytes, hash_text, integer, mixed, place_text, word_at

# The result of `scan_fields`: all is converted; the hash table is nearly full; something that it does not know.
FIELDS_DONE, FIELDS_FULL, FIELDS_UNUSUAL = range(3)
FIELD_TEXT, FIELD_NUMBER, FIELD_UNUSED = range(3)  # what a column holds
# Indices of the `state` of `scan_fields`, which goes on from there; the number of texts of each column follows.
FIELDS_POSITION, FIELDS_ROW, FIELDS_WORDS, FIELDS_HARD, FIELDS_HIGH = range(5)
FIELDS_STATE = 5

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "null", "NULL", "nan", "NaN")
_MISSING = np.array([int.from_bytes(word.encode(), "big") for word in MISSING], np.uint64)
_LONGEST_MISSING = 4  # bytes

u64 = np.uint64
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
    kinds: np.ndarray,
    rows: int,
    cells: np.ndarray,
    words: np.ndarray,
    slots: np.ndarray,
    wrong: np.ndarray,
    hard: np.ndarray,
    state: np.ndarray,
) -> int:
    """Convert the records of text[state[FIELDS_POSITION]:stop] to rows state[FIELDS_ROW] and so on of `cells`.

    text uint8, kinds int64 [columns]; cells float32 [columns * rows], column after column: a number, nan where it is
    missing, or as int32 bits, the number of the text; those of unused columns are left as they are. words, slots, wrong
    int64 [columns], hard int64 [2 * H], state int64 [FIELDS_STATE + columns] are advanced. wrong[c] becomes 1 for a
    column of numbers that holds something else, state[FIELDS_HIGH] 1 if a text is not ASCII. Numbers for Python's
    float() are left to the caller: hard[2*k] is the offset of the one for cell hard[2*k + 1].

    FIELDS_FULL: `words` or `slots` must grow. FIELDS_UNUSUAL: a record of another number of fields, a line feed or
    another odd quote in quotes, too many numbers for `hard`.
    """
    columns = len(kinds)
    text, end, cells = address(text), len(text), address(cells)
    texts, table, counts = address(words), address(slots), address(state) + 8 * FIELDS_STATE
    i, row, known, hards = state[FIELDS_POSITION], state[FIELDS_ROW], state[FIELDS_WORDS], state[FIELDS_HARD]
    verdict, mask, every = FIELDS_DONE, len(slots) - 1, u64(0)
    window, marks = i - WINDOW, u64(0)  # which of the bytes from `window` on end a field; those before i are cleared
    while i < stop and verdict == FIELDS_DONE:
        if (known + columns) * TEXT_WORDS > len(words) or (known + columns) * 2 > len(slots):
            verdict = FIELDS_FULL
            break
        if hards + 2 * columns > len(hard):
            verdict = FIELDS_UNUSUAL
            break
        for column in range(columns):
            cell, kind = column * rows + row, kinds[column]
            while marks == u64(0) and window + 2 * WINDOW <= end:
                window += WINDOW
                marks = equal_bytes(text, window, separator) | line_ends(text, window) | equal_bytes(text, window, 34)
            last, plain = window + first_one(marks), marks != u64(0)
            mark = byte(text, last) if plain else 34
            plain &= last < stop and mark != 34
            first, code = i, HASH_SEED
            done: Any = False
            if plain and kind == FIELD_NUMBER:
                value = np.float32(np.nan)
                if i == last:
                    done = True
                elif in_number(byte(text, i)) and i + SHORT_ROOM < end:
                    easy, i, value = convert_short(text, i)
                    done = easy and i == last
                if done:
                    put(cells, cell, value)
            elif plain:
                done, i = True, last
                last -= mark == 10 and last > first and byte(text, last - 1) == 13
                if kind == FIELD_TEXT:
                    code, seen = hash_text(text, first, last, end)
                    every |= seen
            if done:
                marks &= marks - u64(1)
            else:
                if kind != FIELD_TEXT:
                    judgement, begin, i, value = _any_number(text, first, stop, end, separator)
                    done = judgement != NUMBER_BAD
                    if done and kind == FIELD_NUMBER:
                        put(cells, cell, value)
                    if judgement == NUMBER_HARD and kind == FIELD_NUMBER:
                        hard[hards], hard[hards + 1] = begin, cell
                        hards += 2
                if not done:
                    fine, first, last, i, code, seen = _any_text(text, first, stop, end, separator)
                    if not fine:
                        verdict = FIELDS_UNUSUAL
                        break
                    every |= seen if kind == FIELD_TEXT else u64(0)
                    if kind == FIELD_NUMBER:
                        put(cells, cell, np.float32(np.nan))
                        if not _is_missing(text, first, last):
                            wrong[column] = 1
                window, marks = i + 1 - WINDOW, u64(0)
            if kind == FIELD_TEXT:
                code = mixed(code, u64(column))
                place = place_text(
                    text, end, first, last - first, column, np.int64(code), texts, table, known, mask, counts
                )
                known += place == known
                put(cells, cell, np.int32(integer(texts, TEXT_WORDS * place + 4)).view(np.float32))
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


@inline
def _any_number(text: Any, i: int, stop: int, end: int, separator: int) -> tuple[int, int, int, Any]:
    """The field from text[i] on as a number: NUMBER_BAD or another judgement, where it begins, the end of the field,
    its value."""
    value = np.float32(0)
    quoted = i < stop and byte(text, i) == 34
    i = _skip_blanks(text, i + quoted, stop)
    begin = i
    if i >= stop or not in_number(byte(text, i)):
        return NUMBER_BAD, begin, i, value
    judgement = NUMBER_EASY
    easy: Any = False
    if begin + SHORT_ROOM < end:
        easy, i, value = convert_short(text, begin)
        easy = easy and i <= stop and _is_end(text, i, stop, separator)
    if not easy:
        judgement, i, value = convert_number(text, begin, stop)
        i = _skip_blanks(text, i, stop)
    if quoted:
        if i >= stop or byte(text, i) != 34:
            return NUMBER_BAD, begin, i, value
        i = _skip_blanks(text, i + 1, stop)
    return judgement if _is_end(text, i, stop, separator) else NUMBER_BAD, begin, i, value


@inline
def _any_text(text: Any, i: int, stop: int, end: int, separator: int) -> tuple[bool, int, int, int, Any, Any]:
    """The field from text[i] on as a text: whether it is one that this function knows, where it begins and ends without
    its quotes, the end of the field, and both results of `hash_text`."""
    quoted = i < stop and byte(text, i) == 34
    i += quoted
    first, code, every, inner = i, HASH_SEED, u64(0), True
    while inner:
        word = word_at(text, i, end)
        marks = _equal(word, 34) | _equal(word, 10)
        if not quoted:
            marks |= _equal(word, separator)
        length = min(first_one(marks) >> 3, stop - i)
        word &= first_bytes(length)
        code, every = mixed(code, word), every | word
        i += length
        inner = length == 8
        if quoted and not inner and i + 1 < stop and byte(text, i) == 34 and byte(text, i + 1) == 34:
            i, inner = i + 2, True
    last, fine = i, True
    if quoted:
        fine = i < stop and byte(text, i) == 34
        i += 1
        if i < stop and byte(text, i) == 13:
            i += 1
    elif i < stop and byte(text, i) == 10 and last > first and byte(text, last - 1) == 13:
        last -= 1
        code, _ = hash_text(text, first, last, end)
    return fine and _is_end(text, i, stop, separator), first, last, i, code, every


@inline
def _equal(word: np.uint64, code: int) -> Any:
    """The highest bit of the lowest byte that is `code`, besides bits in higher bytes; 0 if none is."""
    word = word ^ (_ONES * u64(code))
    return (word - _ONES) & ~word & _HIGHS


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
