"""Buffers that start on a cache line."""

from __future__ import annotations

import numpy as np

LINE = 64


def aligned_zeros(size: int) -> np.ndarray:
    """float32 [size] of zeros whose first byte lies on a 64-byte boundary."""
    raw = np.zeros(size * 4 + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + size * 4].view(np.float32)
