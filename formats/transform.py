"""Pixels -> what a net gets of them, as by Caffe's data layers:  (pixel - mean) * scale  of a crop, or of its mirror
image."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.compiler import signatures as types
from ..engine.compiler.jit import F1, F1_IN, I1_IN, f32, i64, inline, kernel


@inline
def transform_pictures(
    source: Any, mean: Any, scale: Any, crops: Any,
    channels: Any, height: Any, width: Any, rows: Any, columns: Any, target: Any,
) -> None:  # fmt: skip
    """target[n, channels, rows, columns] of crops of source[n, channels, height, width]; crops[n, 3] are its upper row,
    its left column, and whether it is mirrored. `mean` has no value, one, one per channel, or one per pixel."""
    whole, area = channels * height * width, channels * rows * columns
    for n in range(crops.size // 3):
        top, left, mirror = crops[3 * n], crops[3 * n + 1], crops[3 * n + 2]
        for c in range(channels):
            for r in range(rows):
                place, to = (c * height + top + r) * width + left, n * area + (c * rows + r) * columns
                for x in range(columns):
                    at = place + x
                    value = np.float32(source[n * whole + at])
                    if mean.size == whole:
                        value -= mean[at]
                    elif mean.size > 1:
                        value -= mean[c]
                    elif mean.size == 1:
                        value -= mean[0]
                    target[to + (columns - 1 - x if mirror else x)] = value * scale


@kernel(types.void(types.U1_IN, F1_IN, f32, I1_IN, i64, i64, i64, i64, i64, F1))
def transform_bytes(
    source: Any, mean: Any, scale: Any, crops: Any,
    channels: Any, height: Any, width: Any, rows: Any, columns: Any, target: Any,
) -> None:  # fmt: skip
    """`transform_pictures` of uint8 pixels."""
    transform_pictures(source, mean, scale, crops, channels, height, width, rows, columns, target)


@kernel(types.void(F1_IN, F1_IN, f32, I1_IN, i64, i64, i64, i64, i64, F1))
def transform_floats(
    source: Any, mean: Any, scale: Any, crops: Any,
    channels: Any, height: Any, width: Any, rows: Any, columns: Any, target: Any,
) -> None:  # fmt: skip
    """`transform_pictures` of float32 pixels."""
    transform_pictures(source, mean, scale, crops, channels, height, width, rows, columns, target)


def transform(pixels: np.ndarray, mean: np.ndarray, scale: float, crops: np.ndarray, target: np.ndarray) -> None:
    """Write crops of pixels, uint8 or float32 [N, channels, height, width], into target, float32 [N, channels, rows,
    columns]; crops int64 [N, 3] and mean float32, flat, as in `transform_pictures`."""
    run = transform_bytes if pixels.dtype == np.uint8 else transform_floats
    run.run(
        pixels.reshape(-1), mean, scale, crops.reshape(-1), *pixels.shape[1:], *target.shape[2:], target.reshape(-1)
    )
