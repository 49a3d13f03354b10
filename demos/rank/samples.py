"""Random 10 x 10 matrices of known rank."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

SIZE = 10  # rows and columns, and the highest rank
CHUNK = 2000  # matrices decomposed at once; about 10 MB per thread
SHIFT = 1e-4  # added to each singular value, so that none that stays is zero


def make_samples(
    per_rank: int, key: tuple[int, ...], threads: int, advance: Callable[[int], object] = lambda matrices: None
) -> tuple[np.ndarray, np.ndarray]:
    """X float32 [10 * per_rank, 100], one matrix per row that sums to one, and Y float32 [10 * per_rank], its rank - 1.

    `key` decides the matrices, `threads` does not; `advance(matrices)` is called after each chunk.
    """
    X = np.empty((SIZE * per_rank, SIZE * SIZE), np.float32)

    def fill(rank: int, first: int) -> None:
        part = X[(rank - 1) * per_rank :][first : min(first + CHUNK, per_rank)]
        part[:] = _matrices(np.random.default_rng([*key, rank, first]), rank, len(part))
        advance(len(part))

    with ThreadPoolExecutor(threads) as pool:  # NumPy decomposes without holding the interpreter's lock
        starts = [(rank, first) for rank in range(1, SIZE + 1) for first in range(0, per_rank, CHUNK)]
        list(pool.map(fill, *zip(*starts, strict=True)))
    return X, np.repeat(np.arange(SIZE, dtype=np.float32), per_rank)


def _matrices(random: np.random.Generator, rank: int, count: int) -> np.ndarray:
    """float64 [count, 100]: uniform matrices, cut to `rank`, divided by their sum."""
    U, S, Vt = np.linalg.svd(random.random((count, SIZE, SIZE)))
    S += SHIFT
    M = (U[:, :, :rank] * S[:, None, :rank]) @ Vt[:, :rank]
    return (M / M.sum(axis=(1, 2), keepdims=True)).reshape(count, -1)


def deviation(X: np.ndarray) -> float:
    """Standard deviation of all the entries around 1 / 100, their mean; summed in float64, a chunk at a time."""
    squares = 0.0
    for first in range(0, len(X), CHUNK):
        squares += np.square(X[first : first + CHUNK] - 1 / X.shape[1], dtype=np.float64).sum()
    return float(np.sqrt(squares / X.size))


def standardise(X: np.ndarray, scale: float) -> None:
    """Bring the entries to mean 0 and deviation 1, in place; `scale` is the deviation of the training samples."""
    X -= np.float32(1 / X.shape[1])
    X /= np.float32(scale)
