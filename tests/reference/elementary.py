"""The functions of engine/vectors/elementary.py for whole arrays, and their errors in units in the last place."""

from __future__ import annotations

import numpy as np
from numba import types

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.compiler.jit import F1, F1_IN, kernel
from caffe64.engine.vectors import elementary, simd

EXP_ULP, TANH_ULP, SMALL_TANH_ULP = 1.05, 1.35, 0.8  # the last one below 5/8
DECAY_ULP, EXP_MINUS_ONE_ULP, SIGMOID_ULP, SIGMOID_SLOPE_ULP = 1.1, 1.1, 2.6, 4.5


@kernel(types.void(F1_IN, F1, F1))
def apply(x, powers, tangents):
    for i in range(0, x.size, LANES):
        rest = min(LANES, x.size - i)
        simd.store_part(powers, i, elementary.exp(simd.load_part(x, i, rest)), rest)
        simd.store_part(tangents, i, elementary.tanh(simd.load_part(x, i, rest)), rest)


@kernel(types.void(F1_IN, F1, F1, F1, F1))
def apply_more(x, decays, less_one, sigmoids, slopes):
    for i in range(0, x.size, LANES):
        rest = min(LANES, x.size - i)
        v = simd.load_part(x, i, rest)
        simd.store_part(decays, i, elementary.decay(v), rest)
        simd.store_part(less_one, i, elementary.exp_minus_one(v), rest)
        simd.store_part(sigmoids, i, elementary.sigmoid(v), rest)
        simd.store_part(slopes, i, elementary.sigmoid_slope(v), rest)


def both(x):
    return _filled(apply, x, 2)


def others(x):
    """decay, exp_minus_one (both for x that are not above 0), sigmoid and its slope."""
    return _filled(apply_more, x, 4)


def _filled(function, x, number):
    arrays = [np.full(x.size, 99, np.float32) for _ in range(number)]
    function(x, *arrays)
    return tuple(arrays)


def exact_sigmoid(x):
    """In float64, without cancellation, for any x."""
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def exact_sigmoid_slope(x):
    e = np.exp(-np.abs(x))
    return e / np.square(1 + e)


def ulps(actual, exact):
    """Error in units in the last place of a float32 as large as `exact`."""
    exponents = np.frexp(np.abs(exact))[1]
    return np.abs(actual.astype(np.float64) - exact) / np.ldexp(1.0, np.maximum(exponents - 24, -149))
