"""Kernels that check the structure of CSV before it is converted.   tables/ -> [record_survey]

A record is a line, or several where a quoted field holds line feeds. A quote opens a field at its start only, "" within
it is a quote, and the one that closes it stands before a separator or the end of the record.
"""

from __future__ import annotations

import numpy as np

from ..engine.compiler.jit import I1, U1_IN, i64, inline, kernel
from ..engine.vectors.byte_vectors import WINDOW, address, byte, classes, equal_bytes, line_ends

# The fault of a record: none, another number of fields, a blank line, a quote inside a field, a quote never closed.
RECORD_FINE, RECORD_FIELDS, RECORD_BLANK, RECORD_QUOTE, RECORD_OPEN = range(5)
# Indices of the `state` of `survey_records`.
RECORD_COUNT, RECORD_FAULT, RECORD_LINE, RECORD_FOUND, RECORD_FEEDS = range(5)
RECORD_STATE = 5

DECIDED = WINDOW - 2  # bytes of a window that are decided: one before and one after them are needed
u64 = np.uint64


@kernel(i64(U1_IN, i64, i64, i64, I1, I1), fastmath=None)
def survey_records(
    text: np.ndarray, start: int, separator: int, columns: int, lines: np.ndarray, state: np.ndarray
) -> int:
    """Walk the records of text[start:], which is at the start of one. Returns the fault of the first wrong one.

    text uint8, lines int64 [any], state int64 [RECORD_STATE]. Sets state: whole records before the fault, the fault,
    its line (from 0 at `start`) and its fields, and the line feeds inside quotes. lines[r] becomes the line of record
    r, as far as there is room. A record must have `columns` fields; a blank line is one empty field.
    """
    end, i = len(text), start
    record, line, feeds, fault = 0, 0, 0, RECORD_FINE
    fields = 1
    while i < end and fault == RECORD_FINE:
        first, record_line, fields, opening = i, line, 1, True
        while i < end:
            here = text[i]
            if here == separator:
                fields += 1
                opening = True
            elif here == 10:
                break
            elif here == 34:
                if not opening:
                    fault = RECORD_QUOTE
                    break
                i += 1
                while i < end and (text[i] != 34 or (i + 1 < end and text[i + 1] == 34)):
                    i += 1 + (text[i] == 34)
                    if i <= end and text[i - 1] == 10:
                        feeds += 1
                        line += 1
                if i >= end:
                    fault = RECORD_OPEN
                    break
                if i + 1 < end and text[i + 1] != separator and text[i + 1] != 10 and text[i + 1] != 13:
                    fault = RECORD_QUOTE
                    break
                opening = False
            else:
                opening = False
            i += 1
        if fault == RECORD_FINE and columns > 1 and (i == first or (i == first + 1 and text[first] == 13)):
            fault = RECORD_BLANK
        elif fault == RECORD_FINE and fields != columns:
            fault = RECORD_FIELDS
        if fault != RECORD_FINE:
            line = record_line
            break
        if record < len(lines):
            lines[record] = record_line
        record += 1
        i += 1
        line += 1
    state[RECORD_COUNT], state[RECORD_FAULT], state[RECORD_LINE] = record, fault, line
    state[RECORD_FOUND], state[RECORD_FEEDS] = fields, feeds
    return fault


@kernel(i64(U1_IN, i64, i64, i64), fastmath=None)
def is_plain_csv(text: np.ndarray, start: int, stop: int, separator: int) -> int:
    """1 if text[start:stop] holds fields of digits, signs, points and exponents alone, none of them empty, between
    separators and line feeds; else 0. text[start - 1] and text[stop] are looked at as well, and must be there.
    """
    text, wrong, i = address(text), u64(0), start
    while i + DECIDED <= stop:
        digits, points, minuses, pluses, _, marks = classes(text, i - 1)
        feeds, separators = line_ends(text, i - 1), equal_bytes(text, i - 1, separator)
        returns = equal_bytes(text, i - 1, 13)
        signs = minuses | pluses
        fine = digits | points | signs | (marks & ((digits | points) << u64(1)) & ((digits | signs) >> u64(1)))
        between = separators | feeds
        fine |= (between | (returns & (feeds >> u64(1)))) & ~(between << u64(1))
        wrong |= (~fine >> u64(1)) & u64((1 << DECIDED) - 1)
        i += DECIDED
    while i < stop:
        before, here, after = byte(text, i - 1), byte(text, i), byte(text, i + 1)
        exponent = ((here | 32) == 101) & (_is_digit(before) | (before == 46))
        exponent &= _is_digit(after) | (after == 43) | (after == 45)
        part = _is_digit(here) | (here == 46) | (here == 45) | (here == 43) | exponent
        ends = (here == separator) | (here == 10) | ((here == 13) & (after == 10))
        wrong |= u64(not (part | (ends & (before != separator) & (before != 10))))
        i += 1
    return int(wrong == u64(0))


@inline
def _is_digit(code: int) -> bool:
    return (code >= 48) & (code <= 57)
