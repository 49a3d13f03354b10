"""Sums of squares, of the lengths of gradients."""

from __future__ import annotations

import numpy as np

from ..compiler.cpu import FLOAT_BYTES
from ..compiler.jit import inline
from ..vectors.simd import element

SQUARES = 16 << 10  # of float32, of a piece: a number of their own, as the order of sums must not depend on threads


@inline
def sum_squares(memory, at, count):
    """Of `count` float32, a multiple of 4, from byte `at` of `memory` on: float64, in one order."""
    s0 = s1 = s2 = s3 = np.float64(0)
    for i in range(0, count, 4):  # side by side, as an addition takes a while
        x = at + i * FLOAT_BYTES
        s0 += np.float64(element(memory, x)) ** 2
        s1 += np.float64(element(memory, x + 1 * FLOAT_BYTES)) ** 2
        s2 += np.float64(element(memory, x + 2 * FLOAT_BYTES)) ** 2
        s3 += np.float64(element(memory, x + 3 * FLOAT_BYTES)) ** 2
    return (s0 + s1) + (s2 + s3)
