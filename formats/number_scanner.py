"""Kernels that find and convert the numbers in text.   numbers.py -> [number_scanner] -> byte_vectors

A number is  [+-]? (digits [. digits?] | . digits) ([eE] [+-]? digits)?  and every byte but 0-9 + - . separates
numbers; e and E belong to one only between a digit or point and an exponent. So the bytes of a token are decided by
two bytes before and two after, and a text may be cut at any other byte.

Values are those of C: the decimal correctly rounded to float64, that rounded to float32.

Nearly all text is plain: no letters, digits on both sides of each point, up to 8 before it, 12 after it, 15 in all.
It is converted in windows of 64 bytes, as words of one bit per byte; the rest, one number after the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.compiler.jit import F1, I1, U1_IN, forced_inline, i64, inline, kernel
from ..engine.vectors.byte_vectors import (
    WINDOW,
    address,
    byte,
    classes,
    count_ones,
    eight,
    first_one,
    four,
    last_fours,
    last_one,
    put,
    put8,
    scratch,
    short_numbers,
)

# The result of `scan_numbers`: why it stopped. state[POSITION] is then after the last number written, for SCAN_FULL at
# a number that has no room, for SCAN_MALFORMED and SCAN_NOT_A_NUMBER at the wrong text.
SCAN_DONE, SCAN_FULL, SCAN_MALFORMED, SCAN_NOT_A_NUMBER = range(4)

# Indices of the `state` of `scan_numbers`.
FILLED, POSITION, HARD = range(3)

# The result of `convert_number`: the number is converted, needs Python's float(), or is malformed.
NUMBER_EASY, NUMBER_HARD, NUMBER_BAD = range(3)

u64 = np.uint64
_ALL = u64(0xFFFFFFFFFFFFFFFF)
_MOST = 12  # digits after the point
# By the count of digits on one side of the point: the factor of the four digits before the last four, and of those
# before them.
_UPPER = np.array([0] * 5 + [10**4] * (_MOST - 4))
_TOP = np.array([0] * 9 + [10**8] * (_MOST - 8))
_TENS = np.array([10**power for power in range(_MOST + 1)])
_SIGNED_TENS = np.concatenate([_TENS, -_TENS]).astype(np.float64)
_POWERS = np.array([float(f"1e{power}") for power in range(61)])  # up to 1e22 they are exact
_FAR = 10**15  # exponents are not counted further: no text is so long that its digits could make up for it
SHORT_ROOM = 64  # bytes that `convert_short` may look at
STRIDE = WINDOW - 4  # bytes of a window that are decided: two before and two after them are needed
_ROOM = WINDOW // 2 + 8  # numbers that one window may write


@kernel(i64(U1_IN, i64, i64, F1, I1, I1), fastmath=None)
def scan_numbers(
    text: np.ndarray, start: int, stop: int, numbers: np.ndarray, hard: np.ndarray, state: np.ndarray
) -> int:
    """Convert the numbers that begin in text[start:stop] to numbers[state[FILLED]:].

    text uint8 [bytes], numbers float32 [N], hard int64 [2 * H], state int64 [3]; no two overlap. No number may begin
    before `start` and end after it. A number that begins before `stop` is read to its end.

    Writes numbers, hard and state: state[FILLED] is advanced, state[POSITION] set. Numbers that need more than this
    kernel's arithmetic are left to the caller: hard[2*k] is the offset in the text of number hard[2*k + 1], for
    k < state[HARD], which is set; when `hard` is full, SCAN_FULL is returned. Numbers after the last one written may be
    overwritten. Returns SCAN_DONE, SCAN_FULL, SCAN_MALFORMED or SCAN_NOT_A_NUMBER (nan, inf, infinity).
    """
    end, room = len(text), len(numbers)
    text, numbers = address(text), address(numbers)
    filled, hards = state[FILLED], 0
    verdict = SCAN_DONE
    i = start
    plain_from = 3  # windows that begin earlier are not plain, or reach before the text
    while i < stop:  #                                       text[i : i + WINDOW], or one number
        if i >= plain_from and i + WINDOW <= stop and filled + _ROOM <= room:
            length, count = _convert_window(text, i, numbers, filled)
            i += length
            filled += count
            if length == 0:
                plain_from = i + WINDOW
            continue
        if not in_number(byte(text, i)):
            letters, word = 0, u64(0)
            while i < end and is_letter(byte(text, i)):
                word = word << u64(8) | u64(byte(text, i) | 32)
                letters += 1
                i += 1
            if letters == 0:
                i += 1
                continue
            if (letters == 3 and (word == u64(0x6E616E) or word == u64(0x696E66))) or (
                letters == 8 and word == u64(0x696E66696E697479)
            ):
                i -= letters
                verdict = SCAN_NOT_A_NUMBER
                break
            continue
        if filled == room or 2 * hards == len(hard):
            verdict = SCAN_FULL
            break
        judgement, after, value = convert_number(text, i, end)
        if judgement == NUMBER_BAD:
            verdict = SCAN_MALFORMED
            break
        if judgement == NUMBER_HARD:
            hard[2 * hards] = i
            hard[2 * hards + 1] = filled
            hards += 1
        put(numbers, filled, value)
        filled += 1
        i = after
    state[FILLED], state[POSITION], state[HARD] = filled, i, hards
    return verdict


@inline
def _convert_window(text: Any, i: int, numbers: Any, filled: int) -> tuple[int, int]:
    """Convert the numbers that end in the window at i, into which no number may continue, to numbers[filled:].

    Returns the number of bytes up to the last separator, included, and of numbers in them; 0 and 0 if a byte is not
    plain.
    """
    digits, points, minuses, pluses, letters, _ = classes(text, i)
    signs = minuses | pluses
    inside = digits | points | signs
    length = last_one(~inside) + 1
    if letters != u64(0) or length == 0:
        return 0, 0
    whole = _ALL >> u64(WINDOW - length)  # a number that continues past the window is left for the next one
    digits, points, signs, inside = digits & whole, points & whole, signs & whole, inside & whole
    starts = digits & ~((digits | points) << u64(1))
    runs = digits & (digits >> u64(1))
    runs4 = runs & (runs >> u64(2))
    runs8 = runs4 & (runs4 >> u64(4))
    wrong = signs & (inside << u64(1))
    wrong |= ((signs | points) << u64(1) | points >> u64(1)) & ~digits
    wrong |= points & ~(digits + starts)  # the sum carries through a number's first digits, to its first point
    if runs8 != u64(0):
        body = digits | points
        body &= body >> u64(1)
        body &= body >> u64(2)
        body &= body >> u64(4)
        wrong |= body & (body >> u64(8)) & (body >> u64(9))  # 17 digits with the point, so 2^53 and more
        wrong |= runs8 & (digits >> u64(8)) & (starts | ((runs4 >> u64(8)) & (digits >> u64(12))))
    if wrong != u64(0):
        return 0, 0
    ends = ~inside & (inside << u64(1))
    count = count_ones(ends)
    if (points | runs4) == u64(0):
        shorts = scratch()
        short_numbers(text, i, shorts)
        lasts = ends >> u64(1)
        for k in range(filled, filled + count, 8):  #    numbers[k : k + 8] from the next eight `lasts`
            lasts = put8(numbers, k, shorts, lasts)
        return length, count
    fours = scratch() + 16  # room for reading 8 digits back
    last_fours(text, i, fours)
    for k in range(filled, filled + count):  #       numbers[k] from text[i + start : i + end]
        start, end = first_one(starts), first_one(ends)
        point = min(first_one(points), end)
        has_point = np.int64(point < end)
        decimals, last = end - point - has_point, end - has_point
        mantissa = four(fours, point - 1) + _UPPER[u64(point - start)] * four(fours, point - 5)
        mantissa *= _TENS[u64(decimals)]
        mantissa += four(fours, last) + _UPPER[u64(decimals)] * four(fours, last - 4)
        mantissa += _TOP[u64(decimals)] * four(fours, last - 8)
        negative = np.int64(((minuses << u64(1)) >> u64(start)) & u64(1))
        put(numbers, k, np.float64(mantissa) / _SIGNED_TENS[u64(decimals + (_MOST + 1) * negative)])
        starts &= starts - u64(1)
        ends &= ends - u64(1)
        points &= points - u64(has_point)
    return length, count


@inline
def convert_number(text: Any, i: int, end: int) -> tuple[int, int, np.float32]:
    """Judgement on the number at text[i], the offset after it, and its value."""
    negative = byte(text, i) == 45
    i += negative or byte(text, i) == 43
    mantissa, taken, digits, point, power = u64(0), 0, 0, 0, 0
    while i < end:
        here = byte(text, i)
        if _is_digit(here):
            digits += 1
            power -= point
            if taken < 19:
                mantissa = mantissa * u64(10) + u64(here - 48)
                taken += mantissa != u64(0)
            else:
                power += 1
        elif here == 46 and point == 0:
            point = 1
        else:
            break
        i += 1
    if digits == 0:
        return NUMBER_BAD, i, np.float32(0)
    if _exponent_at(text, i, end):
        i += 1
        down = byte(text, i) == 45
        i += down or byte(text, i) == 43
        exponent = 0
        while i < end and _is_digit(byte(text, i)):
            if exponent < _FAR:
                exponent = exponent * 10 + byte(text, i) - 48
            i += 1
        power += -exponent if down else exponent
    if in_number(_peek(text, i, end)) or _exponent_at(text, i, end):
        return NUMBER_BAD, i, np.float32(0)
    easy, value = _scaled(mantissa, power)
    return NUMBER_EASY if easy else NUMBER_HARD, i, np.float32(-value if negative else value)


@forced_inline
def convert_short(text: Any, i: int) -> tuple[bool | np.bool, int, np.float32]:
    """Whether at text[i] is a number that this function knows, the offset after it, and its value: up to 19 digits, no
    exponent. Bytes up to text[i + SHORT_ROOM] are read. What follows the number is not looked at."""
    negative = byte(text, i) == 45
    i += negative or byte(text, i) == 43
    count, mantissa = _digits(text, i)
    i, digits, decimals = i + count, count, 0
    if count == 8:
        count, low = _digits(text, i)
        mantissa = mantissa * u64(_TENS[count]) + low
        i, digits = i + count, digits + count
    if byte(text, i) == 46:
        i, count = i + 1, 8
        while count == 8 and digits <= 19:
            count, low = _digits(text, i)
            mantissa = mantissa * u64(_TENS[count]) + low
            i, digits, decimals = i + count, digits + count, decimals + count
    easy, value = _scaled(mantissa, -decimals)
    return easy and 0 < digits <= 19, i, np.float32(-value if negative else value)


@inline
def _digits(text: Any, i: int) -> tuple[int, np.uint64]:
    """The count of digits from text[i] on, up to 8, and the number that they make."""
    word = eight(text, i) ^ u64(0x3030303030303030)
    others = ((word + u64(0x7676767676767676)) | word) & u64(0x8080808080808080)
    count = first_one(others) >> 3
    if count == 0:
        return 0, u64(0)
    word <<= u64(64 - 8 * count)  # zeros in front
    word = (word * u64(2561)) >> u64(8)
    word = ((word & u64(0x00FF00FF00FF00FF)) * u64(6553601)) >> u64(16)
    return count, ((word & u64(0x0000FFFF0000FFFF)) * u64(42949672960001)) >> u64(32)


@inline
def _scaled(mantissa: np.uint64, power: int) -> tuple[bool | np.bool, float]:
    """mantissa * 10^power, and whether it rounds to the same float32 as the exact decimal's float64."""
    if mantissa == u64(0):
        return True, 0.0
    if not -60 <= power <= 60:
        return False, 0.0
    value = np.float64(mantissa)
    value = value * _POWERS[power] if power >= 0 else value / _POWERS[-power]
    if mantissa < u64(1 << 53) and -22 <= power <= 22:
        return True, value  # one operation on two exact numbers (nothing was dropped): rounded correctly
    # At most 4 units in the last place off (mantissa, power and quotient are rounded, digits were dropped):
    # that matters only next to the middle between two float32 numbers, and where these are not normal.
    tail = np.float64(value).view(np.int64) & ((1 << 29) - 1)
    return abs(tail - (1 << 28)) > 8 and 1.2e-38 < value < 3.4e38, value


@kernel(i64(U1_IN, i64, i64), fastmath=None)
def count_numbers(text: np.ndarray, start: int, stop: int) -> int:
    """The number of tokens that begin in text[start:stop], well-formed or not. Writes nothing."""
    end, count = len(text), 0
    text = address(text)
    i = start
    while i < stop:
        if in_window(i, stop, end):
            begins, _, _ = begins_in_window(text, i)
            count += count_ones(begins)
            i += STRIDE
        else:
            count += begins_at(text, i, end)
            i += 1
    return count


@inline
def in_window(i: int, stop: int, end: int) -> bool:
    """True if `begins_in_window` may read the STRIDE bytes from i on, which end before `stop`."""
    return i >= 2 and i + STRIDE <= stop and i + STRIDE + 2 <= end


@inline
def begins_in_window(text: Any, i: int) -> tuple[np.uint64, np.uint64, np.uint64]:
    """Bit k of the first is set where a token begins at byte i + k; of the second, where that is a digit, point or
    sign; of the third, where it is a letter outside tokens. For k < STRIDE."""
    digits, points, minuses, pluses, letters, marks = classes(text, i - 2)
    signs = minuses | pluses
    inside = digits | points | signs
    exponents = (digits >> u64(1)) | ((signs >> u64(1)) & (digits >> u64(2)))
    exponents &= marks & ((digits | points) << u64(1))
    begins = inside & ~((inside | exponents) << u64(1))
    known = _ALL >> u64(WINDOW - STRIDE)
    return (begins >> u64(2)) & known, inside >> u64(2), (letters & ~exponents) >> u64(2)


@inline
def begins_at(text: Any, i: int, end: int) -> int:
    """1 if a token begins at byte i, else 0."""
    return in_number(byte(text, i)) & ~(in_number(_peek(text, i - 1, end)) | exponent_before(text, i, end))


@inline
def exponent_before(text: Any, i: int, end: int) -> bool:
    """True if the byte before i is an e that belongs to a number."""
    before = _peek(text, i - 2, end)
    return (_is_digit(before) | (before == 46)) & _exponent_at(text, i - 1, end)


@inline
def _peek(text: Any, i: int, end: int) -> int:
    """The byte at i; 0, which separates numbers, outside of the text."""
    return byte(text, i) if 0 <= i < end else 0


@inline
def _is_digit(code: int) -> bool:
    return (code >= 48) & (code <= 57)


@inline
def in_number(code: int) -> bool:
    """True for 0-9 + - . which are part of a number at any position."""
    return (code >= 43) & (code <= 57) & (code != 44) & (code != 47)


@inline
def is_letter(code: int) -> bool:
    return ((code | 32) >= 97) & ((code | 32) <= 122)


@inline
def _exponent_at(text: Any, i: int, end: int) -> bool:
    """True if the byte at i, which follows a digit or point, is an e that belongs to the number."""
    mark, after, after2 = _peek(text, i, end) | 32, _peek(text, i + 1, end), _peek(text, i + 2, end)
    return (mark == 101) & (_is_digit(after) | (((after == 43) | (after == 45)) & _is_digit(after2)))
