"""Arrays that jobs read, kept in each process: jobs of other seeds and folds read the same files. And their folds."""

from __future__ import annotations

import functools
import os

import numpy as np

from ..engine.parameters.streams import generator, purpose_of
from ..errors import FileMissing
from ..formats.data import read_matrix

KEPT_FILES = 4  # X, Y, and those of a validation
FOLDS = purpose_of("folds")


def matrix(path: str, rows: int | None, columns: int) -> np.ndarray:
    """The first `rows` rows of a data file, None for all, float32 [rows, columns], read-only; those of a .npy of
    float32 are mapped. A file that has changed is read anew. Text whose lines do not match the rows is refused. Raises
    InputError."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise FileMissing(path) from None
    except OSError:
        return read_matrix(path, rows, columns, strict=True)  # which says what is wrong
    return _kept(path, rows, columns, status.st_mtime_ns, status.st_size, status.st_ino)


@functools.lru_cache(KEPT_FILES)
def _kept(path: str, rows: int | None, columns: int, *state: int) -> np.ndarray:
    array = read_matrix(path, rows, columns, strict=True)
    array.flags.writeable = False  # several jobs use it
    return array


def fold_rows(rows: int, folds: int, fold: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the rows that train and that validate, int64, both rising, of fold `fold` (from 0) of `folds`: the
    rows in an order drawn by `seed` are cut into `folds` parts, and one of them validates."""
    order = generator(seed, FOLDS).permutation(rows)
    validates = np.zeros(rows, bool)
    validates[order[rows * fold // folds : rows * (fold + 1) // folds]] = True
    return np.flatnonzero(~validates), np.flatnonzero(validates)
