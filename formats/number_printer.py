"""Kernel that prints numbers as C's printf("%f ") does.   numbers.py -> [number_printer]

A float32 times 10^6 is exact in float64 (24 + 14 significant bits), so rounding that to an integer, ties to
even, gives the digits that printf derives from the exact decimal expansion.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from ..engine.jit import F1_IN, I1, i64, kernel

LONGEST = 24  # bytes of one value: sign, 14 digits, point, 6 digits, space, newline
_LARGEST = 1.8e13  # times 10^6 it still is a uint64
u64 = np.uint64
_U1 = types.Array(types.uint8, 1, "C")


@kernel(i64(F1_IN, i64, i64, i64, _U1, I1), fastmath=None)
def print_numbers(values, start, stop, columns, text, reached):
    """Print values[start:stop] into `text`, a newline behind each whole row of `columns`; returns the bytes written.

    Stops before a value that is not finite or 1.8e13 and more. reached[0] is where it stopped.
    """
    at = 0
    i = start
    while i < stop:
        value = np.float64(values[i])
        size = abs(value)
        if not size < _LARGEST:
            break
        if math.copysign(1.0, value) < 0.0:
            text[at] = 45
            at += 1
        millionths = u64(np.rint(size * 1e6))
        whole = millionths // u64(1_000_000)
        millionths -= whole * u64(1_000_000)
        digits, power = 1, u64(10)
        while whole >= power:
            digits += 1
            power *= u64(10)
        for k in range(at + digits - 1, at - 1, -1):
            text[k] = u64(48) + whole % u64(10)
            whole //= u64(10)
        at += digits
        text[at] = 46
        for k in range(at + 6, at, -1):
            text[k] = u64(48) + millionths % u64(10)
            millionths //= u64(10)
        text[at + 7] = 32
        at += 8
        i += 1
        if i % columns == 0:
            text[at] = 10
            at += 1
    reached[0] = i
    return at
