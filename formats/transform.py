"""Pixels -> what a net gets of them, as by Caffe's data layers:  (pixel - mean) * scale  of a crop, or of its mirror
image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine.compiler import signatures as types
from ..engine.compiler.jit import F1, F1_IN, I1_IN, f32, i64, inline, kernel


@inline
def transform_pictures(
    source: Any, starts: Any, mean: Any, scale: Any, crops: Any,
    channels: Any, height: Any, width: Any, rows: Any, columns: Any, target: Any,
) -> None:  # fmt: skip
    """target[n, channels, rows, columns] of crops of the pictures [channels, height, width] that begin at
    source[starts[n]]; crops[n, 3] are its upper row, its left column, and whether it is mirrored. `mean` has no value,
    one, one per channel, or one per pixel."""
    whole, area = channels * height * width, channels * rows * columns
    for n in range(starts.size):
        top, left, mirror = crops[3 * n], crops[3 * n + 1], crops[3 * n + 2]
        lines, length = rows, columns
        if rows == height and columns == width and not mirror:  # one line
            lines, length = 1, rows * columns
        for c in range(channels):
            subtracted = np.float32(0)
            if mean.size == 1:
                subtracted = mean[0]
            elif 1 < mean.size < whole:
                subtracted = mean[c]
            for r in range(lines):
                at, to = (c * height + top + r) * width + left, n * area + c * rows * columns + r * length
                # Slices, and loops without a choice inside: those are compiled to vectors.
                pixels, out = source[starts[n] + at : starts[n] + at + length], target[to : to + length]
                if mean.size == whole and mean.size > 1:
                    means = mean[at : at + length]
                    for x in range(length):
                        out[x] = (np.float32(pixels[x]) - means[x]) * scale
                else:
                    for x in range(length):
                        out[x] = (np.float32(pixels[x]) - subtracted) * scale
                if mirror:
                    for x in range(length // 2):
                        out[x], out[length - 1 - x] = out[length - 1 - x], out[x]


@kernel(types.void(types.U1_IN, I1_IN, F1_IN, f32, I1_IN, i64, i64, i64, i64, i64, F1))
def transform_bytes(
    source: Any, starts: Any, mean: Any, scale: Any, crops: Any,
    channels: Any, height: Any, width: Any, rows: Any, columns: Any, target: Any,
) -> None:  # fmt: skip
    """`transform_pictures` of uint8 pixels."""
    transform_pictures(source, starts, mean, scale, crops, channels, height, width, rows, columns, target)


@kernel(types.void(F1_IN, I1_IN, F1_IN, f32, I1_IN, i64, i64, i64, i64, i64, F1))
def transform_floats(
    source: Any, starts: Any, mean: Any, scale: Any, crops: Any,
    channels: Any, height: Any, width: Any, rows: Any, columns: Any, target: Any,
) -> None:  # fmt: skip
    """`transform_pictures` of float32 pixels."""
    transform_pictures(source, starts, mean, scale, crops, channels, height, width, rows, columns, target)


def transform(
    source: np.ndarray, starts: np.ndarray, shape: Sequence[int], mean: np.ndarray, scale: float, crops: np.ndarray,
    target: np.ndarray,
) -> None:  # fmt: skip
    """Write crops of the pictures of `shape`, channels, height, width, that begin at source[starts], into target,
    float32 [N, channels, rows, columns]. `source` is uint8 or float32, flat; starts int64 [N], crops int64 [N, 3] and
    mean float32, flat, as in `transform_pictures`."""
    run = transform_bytes if source.dtype == np.uint8 else transform_floats
    run.run(source, starts, mean, scale, crops.reshape(-1), *shape, *target.shape[2:], target.reshape(-1))
