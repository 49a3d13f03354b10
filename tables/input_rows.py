"""The kernel that makes rows of a net's inputs of the columns of a table.   columns.py -> [input_rows]

sources[SOURCE_WORDS * c:]   of column c: the address of its N values, their type, its first input, the number of
                             its texts, the first of its `places`
scales[SCALE_WORDS * c:]     shift, factor, and what stands for a missing number, nan: there may be none
places                       for each text of a column, and behind them for a missing one, which of the column's
                             inputs is 1; NO_INPUT: none is; REFUSED: there may be no such value
"""

from __future__ import annotations

import numpy as np

from ..engine.compiler.jit import F1, F1_IN, I1_IN, i64, kernel
from ..engine.vectors.views import bytes_at, double, view1

SOURCE_WORDS, SCALE_WORDS = 5, 3
INPUT_FLOAT32, INPUT_FLOAT64, INPUT_TEXT = range(3)  # a text is an int32, which one of the column's, -1: missing
INPUT_FLOATS = {"float32": INPUT_FLOAT32, "float64": INPUT_FLOAT64}
NO_INPUT, REFUSED = -1, -2
INPUT_CHUNK = 256  # rows that are taken from one column after the other, so that they stay in the cache


@kernel(i64(I1_IN, F1_IN, I1_IN, i64, i64, i64, F1), fastmath=None)
def fill_input_rows(
    sources: np.ndarray, scales: np.ndarray, places: np.ndarray, size: int, start: int, stop: int, X: np.ndarray
) -> int:
    """Rows `start` to `stop` - 1 of X float32 [N, size], flat: (value - shift) * factor of numbers, 0 and 1 of texts.

    Returns -1, or row * columns + column of the first value that is refused, as are numbers that float32 does not have.
    """
    columns = len(sources) // SOURCE_WORDS
    for first in range(start, stop, INPUT_CHUNK):
        last = min(first + INPUT_CHUNK, stop)
        view1(X, first * size, (last - first) * size)[:] = 0
        refused = stop * columns
        for column in range(columns):
            source = SOURCE_WORDS * column
            address, kind, slot = sources[source], sources[source + 1], sources[source + 2]
            if kind == INPUT_TEXT:
                known, codes = sources[source + 3], view1(bytes_at(address), 0, stop)
                mine = sources[source + 4]
                for row in range(first, last):
                    code = np.int64(np.float32(codes[row]).view(np.int32))
                    place = places[mine + (code if code >= 0 else known)]
                    if place >= 0:
                        X[row * size + slot + place] = 1
                    elif place == REFUSED:
                        refused = min(refused, row * columns + column)
            else:
                scale = SCALE_WORDS * column
                shift, factor, fill = scales[scale], scales[scale + 1], scales[scale + 2]
                for row in range(first, last):
                    if kind == INPUT_FLOAT32:
                        value = view1(bytes_at(address), 0, stop)[row]
                    else:
                        value = np.float32(double(bytes_at(address), 8 * row))
                    if value != value:
                        value = fill
                    if not abs(value) < np.inf:
                        refused = min(refused, row * columns + column)
                    X[row * size + slot] = (value - shift) * factor
        if refused < stop * columns:
            return refused
    return -1
