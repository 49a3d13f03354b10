"""Kernel that prints numbers, as C's printf("%f ") does, or as integers.   numbers.py, export.py -> [number_printer]

A float32 times 10^6 is exact in float64 (24 + 14 significant bits), so rounding that to an integer, ties to
even, gives the digits that printf derives from the exact decimal expansion.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..engine.compiler.jit import F1_IN, I1, U1, i64, inline, kernel
from ..engine.vectors.byte_vectors import address, first_one, put8bytes

LONGEST = 32  # bytes of a value: sign, 16 digits, point, 6 digits, space, newline, and room for writing eight at a time
PRINTED = 1 << 16  # values printed at a time
_LARGEST = 9e12  # times 10^6 it still is an int64
_ZEROS = np.uint64(0x3030303030303030)
u64 = np.uint64


@kernel(i64(F1_IN, i64, i64, i64, i64, U1, I1), fastmath=None)
def print_numbers(
    values: np.ndarray, start: int, stop: int, columns: int, separator: int, text: np.ndarray, reached: np.ndarray
) -> int:
    """Print values[start:stop] into `text`, a newline after each row of `columns`; returns the number of bytes written.

    separator 0: "%f " for each value; stops before one that is not finite or 9e12 and more. Any other: whole
    numbers below 2^53, with this byte between those of a row. reached[0] is the index at which it stopped. `text` has
    LONGEST bytes per value. Writes text and reached [1] only.
    """
    text = address(text)
    at = 0
    i = start
    row_end = start - start % columns + columns
    while i < stop:
        value = np.float64(values[u64(i)])
        size = abs(value)
        if separator == 0 and not size < _LARGEST:
            break
        put8bytes(text, at, u64(45))
        at += math.copysign(1.0, value) < 0.0
        i += 1
        ends_row = i == row_end
        row_end += columns * ends_row
        if separator == 0:
            millionths = u64(np.int64(np.rint(size * 1e6)))
            whole = millionths // u64(1_000_000)
            at = _print_whole(text, at, whole)
            behind = _eight_digits((millionths - whole * u64(1_000_000)) * u64(100))
            put8bytes(text, at, u64(46) | behind << u64(8))
            put8bytes(text, at + 7, u64(0x0A20))
            at += 8 + ends_row
        else:
            at = _print_whole(text, at, u64(np.int64(size)))
            put8bytes(text, at, u64(10 if ends_row else separator))
            at += 1
    reached[0] = i
    return at


@inline
def _print_whole(text: Any, at: int, whole: np.uint64) -> int:
    """Print an integer below 10^16; returns the offset after it."""
    upper = whole // u64(100_000_000)
    if upper != u64(0):
        at = _print_short(text, at, upper)
        put8bytes(text, at, _eight_digits(whole - upper * u64(100_000_000)))
        return at + 8
    return _print_short(text, at, whole)


@inline
def _print_short(text: Any, at: int, whole: np.uint64) -> int:
    """Print an integer below 10^8."""
    digits = _eight_digits(whole)
    leading: int = (first_one(digits ^ _ZEROS | u64(1) << u64(56))) >> 3
    put8bytes(text, at, digits >> u64(8 * leading))
    return at + 8 - leading


@inline
def _eight_digits(number: np.uint64) -> np.uint64:
    """The decimal digits of an integer below 10^8 as eight characters, the first one lowest.

    The number is split into fours, pairs and digits, all of one size at once: n // 100 is n * 10486 >> 20 below 10^4,
    and n // 10 is n * 103 >> 10 below 100.
    """
    upper = number // u64(10_000)
    fours = upper | (number - upper * u64(10_000)) << u64(32)
    uppers = ((fours * u64(10486)) >> u64(20)) & u64(0x0000007F0000007F)
    pairs = uppers | (fours - uppers * u64(100)) << u64(16)
    uppers = ((pairs * u64(103)) >> u64(10)) & u64(0x000F000F000F000F)
    return (uppers | (pairs - uppers * u64(10)) << u64(8)) | _ZEROS
