"""The column of a table that weighs its rows."""

from __future__ import annotations

import numpy as np

from .raw import CATEGORY, RawTable


def column_weights(raw: RawTable, name: str) -> np.ndarray:
    """float32 [N]. Raises InputError with the line of a value that is missing, negative or no number."""
    column = raw.column(name)
    if column.kind == CATEGORY:
        row = int(np.argmax(column.values >= 0))
        raise raw.error(row, name, f"found {column.words[column.values[row]]!r}", "a weight, a number from 0")
    weights: np.ndarray = raw.numbers([name])[:, 0]
    wrong = np.flatnonzero(~(weights >= 0))
    if len(wrong):
        row = int(wrong[0])
        found = "the weight is missing" if np.isnan(weights[row]) else f"found {weights[row]:g}"
        raise raw.error(row, name, found, "a weight, a number from 0")
    return weights
