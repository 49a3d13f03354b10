"""A task that a small net learns in a few epochs."""

from __future__ import annotations

import numpy as np

import caffe64

OPTIMIZER = caffe64.Optimizer(rate=0.02, step=0, factor=1, decay=0.001, momentum=0.9, epochs=20)


def classes(rows=200, seed=1):
    """Three clouds of points that a small net can tell apart."""
    source = np.random.default_rng(seed)
    Y = source.integers(0, 3, rows)
    centres = 2 * np.eye(3, 6)
    return (centres[Y] + source.standard_normal((rows, 6)) / 2).astype(np.float32), Y.astype(np.float32)
