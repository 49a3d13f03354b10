"""exp and tanh of whole arrays, and the error they may have in units in the last place."""

from __future__ import annotations

import numpy as np
from numba import types

from caffe64.engine import elementary, simd
from caffe64.engine.cpu import LANES
from caffe64.engine.jit import F1, F1_IN, kernel

EXP_ULP, TANH_ULP, SMALL_TANH_ULP = 1.05, 1.35, 0.8  # the last one below 5/8


@kernel(types.void(F1_IN, F1, F1))
def apply(x, powers, tangents):
    for i in range(0, x.size, LANES):
        rest = min(LANES, x.size - i)
        simd.store_part(powers, i, elementary.exp(simd.load_part(x, i, rest)), rest)
        simd.store_part(tangents, i, elementary.tanh(simd.load_part(x, i, rest)), rest)


def both(x):
    powers, tangents = np.full(x.size, 99, np.float32), np.full(x.size, 99, np.float32)
    apply(x, powers, tangents)
    return powers, tangents


def ulps(actual, exact):
    """Error in units in the last place of a float32 as large as `exact`."""
    exponents = np.frexp(np.abs(exact))[1]
    return np.abs(actual.astype(np.float64) - exact) / np.ldexp(1.0, np.maximum(exponents - 24, -149))
