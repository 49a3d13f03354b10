"""A fingerprint of an array's bits, read once at the speed of memory: whether it is still the same.

Each of LANES columns of 64-bit words, row after row, has two sums modulo 2**64, of its words and of its sums so far
(Fletcher, "An arithmetic checksum for serial transmissions", 1982). A write changes the first sum unless its changes
cancel, and then the second unless they cancel by position as well; both by chance in one of 2**128 writes.
"""

from __future__ import annotations

import numpy as np

from ..compiler import signatures as types
from ..compiler.jit import I1, I1_IN, kernel

COLUMNS = 32  # words: enough independent sums for vectors of any width


@kernel(types.void(I1_IN, I1))
def add_words(words, sums):
    """sums [2, COLUMNS] += the sums of words [n], which fill rows of COLUMNS; the last may be short."""
    rows = words.size // COLUMNS
    for row in range(rows):
        for column in range(COLUMNS):
            sums[column] += words[row * COLUMNS + column]
            sums[COLUMNS + column] += sums[column]
    for at in range(rows * COLUMNS, words.size):
        sums[at % COLUMNS] += words[at]
        sums[COLUMNS + at % COLUMNS] += sums[at % COLUMNS]


def fingerprint_of(array: np.ndarray) -> bytes:
    """Of a float32 C-contiguous array, by its bits: NaN equals the same NaN, 0 and -0 differ."""
    flat, sums = array.reshape(-1), np.zeros(2 * COLUMNS, np.int64)
    whole = flat.size // 2 * 2
    if whole:
        add_words.run(flat[:whole].view(np.int64), sums)
    return sums.tobytes() + flat[whole:].tobytes()
