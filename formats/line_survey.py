"""A kernel that surveys the numbers per line, in the pass that counts them.   layout.py -> [line_survey]

Lines with as many numbers as the one before are counted together, so that only a few runs remain.
Nearly all text is digits, points, signs, commas and blanks: only where a window of 60 bytes has another character, it
is checked for strange ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.compiler.jit import I1, U1_IN, i64, inline, kernel
from ..engine.vectors.byte_vectors import address, byte, count_ones, first_one, line_ends, plain_separators, unusual
from .number_scanner import STRIDE, begins_at, begins_in_window, exponent_before, in_window, is_letter

# Indices of the `state` of `survey_lines`. Offsets of the first strange character, or -1: in the first line, which may
# have begun before; in one of the inner lines that has a number; in the last line, which may go on.
STRANGE_FIRST, STRANGE_INNER, STRANGE_LAST = range(3)
LINE_FEEDS = 3  # their number; without any, the only line is the last one
FIRST_LINE, LAST_LINE = 4, 5  # the numbers on these two lines
RUN_COUNT = 6  # the number of runs of inner lines
STATE = 7

u64 = np.uint64
_KNOWN = u64((1 << STRIDE) - 1)


@kernel(i64(U1_IN, i64, i64, I1, I1), fastmath=None)
def survey_lines(text: np.ndarray, start: int, stop: int, runs: np.ndarray, state: np.ndarray) -> int:
    """Count the tokens that begin in text[start:stop], which is returned, and those of each line.

    runs[2*k] numbers are on each of the next runs[2*k + 1] inner lines, those between the first line feed and the last;
    it has room for twice as many pairs as there are line feeds. `state`, int64 [STATE], is set.
    """
    end, total, run, feeds_seen = len(text), 0, -2, 0
    before, odd = 0, -1  # numbers up to the last line feed, and the first strange character behind it
    state[STRANGE_FIRST], state[STRANGE_INNER], state[FIRST_LINE] = -1, -1, 0
    text = address(text)
    i = start
    while i < stop:
        if in_window(i, stop, end):
            begins, inside, letters = begins_in_window(text, i)
            feeds, length = line_ends(text, i) & _KNOWN, STRIDE
            strange = ~(inside | plain_separators(text, i)) & _KNOWN
            if strange != u64(0):
                strange = (letters | unusual(text, i)) & _KNOWN
        else:
            begins, feeds, length = u64(begins_at(text, i, end)), u64(byte(text, i) == 10), 1
            strange = u64(_is_strange(text, i, end))
        if run >= 0 and runs[run] == 1 and odd < 0 and strange == u64(0) and feeds != u64(0):
            closed = _lines_of_one(begins, feeds, total - before)
            if closed > 0:
                runs[run + 1] += closed
                feeds_seen, before, feeds = feeds_seen + closed, before + closed, u64(0)
        while feeds != u64(0):
            below = (feeds & (~feeds + u64(1))) - u64(1)
            here = total + count_ones(begins & below) - before
            if odd < 0 and (strange & below) != u64(0):
                odd = i + first_one(strange)
            if feeds_seen == 0:
                state[FIRST_LINE], state[STRANGE_FIRST] = here, odd
            else:
                if run >= 0 and runs[run] == here:
                    runs[run + 1] += 1
                else:
                    run += 2
                    runs[run], runs[run + 1] = here, 1
                if odd >= 0 and here > 0 and state[STRANGE_INNER] < 0:
                    state[STRANGE_INNER] = odd
            feeds_seen += 1
            before, odd = before + here, -1
            strange &= ~below
            feeds &= feeds - u64(1)
        total += count_ones(begins)
        if odd < 0 and strange != u64(0):
            odd = i + first_one(strange)
        i += length
    state[STRANGE_LAST], state[LINE_FEEDS] = odd, feeds_seen
    state[LAST_LINE], state[RUN_COUNT] = total - before, run // 2 + 1
    return total


@inline
def _lines_of_one(begins: np.uint64, feeds: np.uint64, open_ones: int) -> int:
    """The number of line feeds if each ends a line of one number, of which `open_ones` have begun before; else 0.

    Where ones of two words alternate, a difference sets the bits from each one of the first to the next of the second.
    """
    if open_ones > 1:
        return 0
    begins, ends = (begins << u64(1)) | u64(open_ones), feeds << u64(1)
    closed = count_ones(ends)
    if count_ones(begins) == closed + 1:
        ends |= u64(1 << 63)  # the line that the window cuts
    spans = ends - begins
    alternating = (spans & ~(spans << u64(1))) == begins and (~spans & (spans << u64(1))) == ends
    return closed if alternating else 0


@inline
def _is_strange(text: Any, i: int, end: int) -> bool:
    """1 where the byte is a letter outside numbers, or one of `unusual`, else 0."""
    code = byte(text, i)
    letter = is_letter(code) and not exponent_before(text, i + 1, end)
    sign = (code >= 33 and code <= 39) or code == 42 or code == 47 or code == 58
    return letter or sign or (code >= 60 and code <= 64) or code == 92 or (code >= 94 and code <= 96) or code >= 126
