"""Kernels that find and convert the numbers in text.   numbers.py -> [number_scanner]

A number is  [+-]? (digits [. digits?] | . digits) ([eE] [+-]? digits)?  and every byte but 0-9 + - . parts
numbers; e and E belong to one only between a digit or point and an exponent. So which bytes make up a token
is decided by looking two bytes back and two ahead, and a text may be cut at any other byte.

Values are those of C: the decimal correctly rounded to float64, that rounded to float32.
"""

from __future__ import annotations

import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros

from ..engine.jit import F1, I1, U1_IN, i64, inline, kernel

# What `scan_numbers` returns: why it stopped. It stands behind the last number it wrote, with
# FULL before a number that has no room, with MALFORMED and NO_NUMBER at what is wrong.
DONE, FULL, MALFORMED, NO_NUMBER = range(4)

# Places in the `state` of `scan_numbers`.
FILLED, POSITION, HARD, LETTER = range(4)

# What `_convert` says of a number: it is converted, it needs Python's float(), it is none.
_EASY, _HARD, _BAD = range(3)

_POWERS = np.array([float(f"1e{power}") for power in range(61)])  # up to 1e22 they are exact
_TENS = np.array([10**power for power in range(9)])
_FAR = 10**15  # exponents are not counted further: no text is so long that its digits could make up for it

u64 = np.uint64


@kernel(i64(U1_IN, i64, i64, F1, I1, I1), fastmath=None)
def scan_numbers(text, start, stop, numbers, hard, state):
    """Convert the numbers that begin in text[start:stop] to numbers[state[FILLED]:].

    Nothing may begin before `start` and end after it. A number that begins before `stop` is read to its end.
    state[FILLED] is advanced, state[POSITION] set. Numbers that take more than this kernel's arithmetic are
    left to the caller: hard[2*k] is where number hard[2*k + 1] stands in the text, for k < state[HARD], which
    is set; when `hard` is full, FULL is returned. state[LETTER], if negative, becomes the offset of the first
    letter met. Returns DONE, FULL, MALFORMED or NO_NUMBER (nan, inf, infinity).
    """
    end = len(text)
    filled, hards = state[FILLED], 0
    verdict = DONE
    i = start
    while i < stop:
        byte = _at(text, i)
        if not _in_number(byte):
            if not _is_letter(byte):
                i += 1
                continue
            after = _end_of_letters(text, i, end)
            if state[LETTER] < 0:
                state[LETTER] = i
            if _is_nan_or_inf(text, i, after):
                verdict = NO_NUMBER
                break
            i = after
            continue
        if filled == len(numbers) or 2 * hards == len(hard):
            verdict = FULL
            break
        after, value = -1, np.float32(0)
        if i + 24 <= end:
            # Up to 7 digits on each side of the point, and a plain separator: nearly all numbers are such.
            first = i + ((byte == 43) | (byte == 45))
            word = _load8(text, first)
            count = _count_digits(word)
            if 0 < count < 8:
                last = _byte_of(word, count)
                if _parts_plainly(last):
                    value = np.float32(np.int32(_value_of_digits(word, count)))
                    after = first + count + 1
                elif last == 46:
                    first += count + 1
                    tail = _load8(text, first)
                    places = _count_digits(tail)
                    if 0 < places < 8 and _parts_plainly(_byte_of(tail, places)):
                        mantissa = _value_of_digits(word, count) * _TENS[u64(places)] + _value_of_digits(tail, places)
                        value = np.float32(np.float64(mantissa) / _POWERS[u64(places)])
                        after = first + places + 1
            value = -value if byte == 45 else value
        if after < 0:
            judgement, after, value = _convert(text, i, end)
            if judgement == _BAD:
                verdict = MALFORMED
                break
            if judgement == _HARD:
                hard[2 * hards] = i
                hard[2 * hards + 1] = filled
                hards += 1
        numbers[u64(filled)] = value
        filled += 1
        i = after
    state[FILLED], state[POSITION], state[HARD] = filled, i, hards
    return verdict


@kernel(i64(U1_IN, i64, i64), fastmath=None)
def count_numbers(text, start, stop):
    """How many tokens begin in text[start:stop], well-formed or not."""
    count = 0
    i = start
    while i < stop:
        if i >= 2 and i + 128 <= stop and i + 128 < len(text):
            part = np.uint8(0)  # becomes vector code, as long as it is counted in bytes
            for k in range(i, i + 128):
                begins = _begins(_at(text, k - 2), _at(text, k - 1), _at(text, k), _at(text, k + 1))
                part = np.uint8(part + np.uint8(begins))
            count += part
            i += 128
        else:
            count += _begins(_peek(text, i - 2), _peek(text, i - 1), _peek(text, i), _peek(text, i + 1))
            i += 1
    return count


@inline
def _begins(before2, before, byte, after):
    """1 if a token begins at `byte`, else 0."""
    exponent = (_is_digit(before2) | (before2 == 46)) & _begins_exponent(before, byte, after)
    return np.int64(_in_number(byte) & ~(_in_number(before) | exponent))


@inline
def _at(text, i):
    return np.int64(text[u64(i)])


@inline
def _peek(text, i):
    """The byte at i; 0, which parts numbers, outside of the text."""
    inside = (i >= 0) & (i < len(text))
    return _at(text, i * inside) * inside  # without a branch: Numba would count references to `text` in each one


@inline
def _is_digit(byte):
    return (byte >= 48) & (byte <= 57)


@inline
def _in_number(byte):
    """True for 0-9 + - . which are part of a number wherever they stand."""
    return (byte >= 43) & (byte <= 57) & (byte != 44) & (byte != 47)


@inline
def _is_letter(byte):
    return ((byte | 32) >= 97) & ((byte | 32) <= 122)


@inline
def _end_of_letters(text, i, end):
    while i < end and _is_letter(_at(text, i)):
        i += 1
    return i


@inline
def _is_nan_or_inf(text, i, after):
    """True if the letters text[i:after] are nan, inf or infinity, in capitals or not."""
    if after - i != 3 and after - i != 8:
        return False
    word = u64(0)
    for k in range(i, after):
        word = word << u64(8) | u64(_at(text, k) | 32)
    return word == u64(0x6E616E) or word == u64(0x696E66) or word == u64(0x696E66696E697479)


@inline
def _begins_exponent(byte, after, after2):
    """True if `byte`, which stands behind a digit or point, is an e that belongs to the number."""
    return ((byte | 32) == 101) & (_is_digit(after) | (((after == 43) | (after == 45)) & _is_digit(after2)))


# Short numbers, eight bytes at a time.


@inline
def _load8(text, i):
    """Eight bytes, each xor "0", the first one lowest. Becomes one load."""
    i = u64(i)
    low = u64(text[i]) | u64(text[i + u64(1)]) << u64(8) | u64(text[i + u64(2)]) << u64(16)
    low |= u64(text[i + u64(3)]) << u64(24) | u64(text[i + u64(4)]) << u64(32)
    high = u64(text[i + u64(5)]) << u64(40) | u64(text[i + u64(6)]) << u64(48) | u64(text[i + u64(7)]) << u64(56)
    return (low | high) ^ u64(0x3030303030303030)


@inline
def _count_digits(word):
    """How many of the eight bytes are digits before the first that is none."""
    # A byte above 9 gets its top bit set: by the sum, or it had it. Carries reach only bytes behind it.
    others = ((word + u64(0x7676767676767676)) | word) & u64(0x8080808080808080)
    return np.int64(trailing_zeros(others) >> u64(3))


@inline
def _value_of_digits(word, count):
    """The number that the first `count` bytes, 1 to 8, make: neighbours are joined to pairs, fours, the whole."""
    word <<= u64(64 - 8 * count)
    word = (word * u64(10) + (word >> u64(8))) & u64(0x00FF00FF00FF00FF)
    word = (word * u64(100) + (word >> u64(16))) & u64(0x0000FFFF0000FFFF)
    return np.int64((word * u64(10000) + (word >> u64(32))) & u64(0xFFFFFFFF))


@inline
def _byte_of(word, index):
    return np.int64((word >> u64(8 * index)) & u64(0xFF)) ^ 48


@inline
def _parts_plainly(byte):
    """True for separators but letters and the like, which need a closer look."""
    return (byte < 43) | (byte == 44)


@inline
def _convert(text, i, end):
    """Judgement on the number at text[i], the offset after it, and its value."""
    negative = _at(text, i) == 45
    i += negative or _at(text, i) == 43
    first = i
    mantissa, i = _read_digits(text, i, end, u64(0))
    digits, fraction = i - first, 0
    if _peek(text, i) == 46:
        mantissa, i = _read_digits(text, i + 1, end, mantissa)
        fraction = i - first - digits - 1
    digits += fraction
    if digits == 0:
        return _BAD, i, np.float32(0)
    dropped = 0
    if digits > 19:
        mantissa, dropped = _leading_digits(text, first, i)
    power = dropped - fraction
    if _begins_exponent(_peek(text, i), _peek(text, i + 1), _peek(text, i + 2)):
        exponent, i = _read_exponent(text, i + 1, end)
        power += exponent
    if _in_number(_peek(text, i)) or _begins_exponent(_peek(text, i), _peek(text, i + 1), _peek(text, i + 2)):
        return _BAD, i, np.float32(0)
    easy, value = _scaled(mantissa, power)
    return _EASY if easy else _HARD, i, np.float32(-value if negative else value)


@inline
def _read_digits(text, i, end, mantissa):
    while i < end and _is_digit(_at(text, i)):
        mantissa = mantissa * u64(10) + u64(_at(text, i) - 48)
        i += 1
    return mantissa, i


@inline
def _read_exponent(text, i, end):
    negative = _at(text, i) == 45
    i += negative or _at(text, i) == 43
    exponent = 0
    while i < end and _is_digit(_at(text, i)):
        if exponent < _FAR:
            exponent = exponent * 10 + _at(text, i) - 48
        i += 1
    return -exponent if negative else exponent, i


@inline
def _leading_digits(text, first, after):
    """The first 19 digits that count of text[first:after], and how many there are behind them."""
    mantissa, taken, dropped = u64(0), 0, 0
    for i in range(first, after):
        byte = _at(text, i)
        if byte != 46 and (taken > 0 or byte != 48):
            if taken < 19:
                mantissa = mantissa * u64(10) + u64(byte - 48)
                taken += 1
            else:
                dropped += 1
    return mantissa, dropped


@inline
def _scaled(mantissa, power):
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
