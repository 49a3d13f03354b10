"""Buffers that start on a cache line."""

from __future__ import annotations

import numpy as np

CACHE_LINE_BYTES = 64


def aligned_bytes(size: int) -> np.ndarray:
    """uint8 [size] of zeros that start on a 64-byte boundary."""
    raw = np.zeros(size + CACHE_LINE_BYTES, np.uint8)
    start = -raw.ctypes.data % CACHE_LINE_BYTES
    return raw[start : start + size]


def aligned_zeros(size: int) -> np.ndarray:
    """float32 [size] of zeros that start on a 64-byte boundary."""
    return aligned_bytes(4 * size).view(np.float32)
