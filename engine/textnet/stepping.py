"""The step of a stretch of the parameters, where running averages lie among them."""

from __future__ import annotations

import numpy as np

from ..compiler.jit import inline
from ..parameters.sgd import step_vectors
from ..vectors.simd import element, store_element
from .layers.layer import AVERAGING_FACTOR


@inline
def step_averages(w, g, g_at, begin, end, count):
    """w.flat[begin:end] towards the mean of `count` statistics, whose sum is in g.flat[g_at + begin:]."""
    for i in range(begin, end):
        old = element(w, i)
        store_element(w, i, old + np.float32(AVERAGING_FACTOR) * (element(g, g_at + i) / np.float32(count) - old))


@inline
def step_stretch(w, v, g, g_at, begin, end, averages, count, rate, decay, momentum):
    """The step of the parameters [begin, end): of w.flat and v.flat there, by g.flat[g_at + begin:].

    averages int64 [n, 2], stretches in ascending order: these are averages of `count` shards. Writes w and v.
    """
    at = begin
    for n in range(averages.shape[0]):
        first, last = max(at, averages[n, 0]), min(end, averages[n, 1])
        if last > first:
            step_vectors(w, at, v, at, g, g_at + at, first - at, rate, decay, momentum)
            step_averages(w, g, g_at, first, last, count)
            at = last
    if end > at:
        step_vectors(w, at, v, at, g, g_at + at, end - at, rate, decay, momentum)
