"""Gradients by central differences in float64."""

from __future__ import annotations

import numpy as np

STEP = 1e-5  # error about STEP**2 of the third derivative, and 2**-53 / STEP of the value: both near 1e-10


def by_column(function, x) -> np.ndarray:
    """d function(x)[b] / d x[b, k] for a function of x [B, K] whose value [B] depends on each row alone."""
    x = np.asarray(x, np.float64)
    found = np.empty_like(x)
    for k in range(x.shape[1]):
        step = np.zeros(x.shape[1])
        step[k] = STEP
        found[:, k] = (function(x + step) - function(x - step)) / (2 * STEP)
    return found


def at_places(function, x, places, length=STEP) -> np.ndarray:
    """d function(x) / d x.flat[place] for a function of x with one value."""
    found = []
    for place in places:
        step = np.zeros(np.shape(x))
        step.flat[place] = length
        found.append((function(x + step) - function(x - step)) / (2 * length))
    return np.array(found)
