"""Pixels -> what a net gets of them, as by Caffe's data layers:  (pixel - mean) * scale  of a crop, or of its mirror
image."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.compiler import signatures as types
from ..engine.compiler.jit import F1, F1_IN, f32, i64, inline, kernel


@inline
def transform_rows(
    source: Any, mean: Any, scale: Any,
    channels: Any, height: Any, width: Any, top: Any, left: Any, mirror: Any,
    size: Any, columns: Any, target: Any,
) -> None:  # fmt: skip
    """target[channels, size, columns] of a crop of source[channels, height, width]. `mean` has no value, one, one per
    channel, or one per pixel."""
    whole = channels * height * width
    for c in range(channels):
        for r in range(size):
            row, to = (c * height + top + r) * width + left, (c * size + r) * columns
            for x in range(columns):
                at = row + x
                value = np.float32(source[at])
                if mean.size == whole:
                    value -= mean[at]
                elif mean.size > 1:
                    value -= mean[c]
                elif mean.size == 1:
                    value -= mean[0]
                target[to + (columns - 1 - x if mirror else x)] = value * scale


CROP_SIZES = (i64,) * 8


@kernel(types.void(types.U1_IN, F1_IN, f32, *CROP_SIZES, F1))
def transform_bytes(
    source: Any, mean: Any, scale: Any,
    channels: Any, height: Any, width: Any, top: Any, left: Any, mirror: Any,
    size: Any, columns: Any, target: Any,
) -> None:  # fmt: skip
    """`transform_rows` of uint8 pixels."""
    transform_rows(source, mean, scale, channels, height, width, top, left, mirror, size, columns, target)


@kernel(types.void(F1_IN, F1_IN, f32, *CROP_SIZES, F1))
def transform_floats(
    source: Any, mean: Any, scale: Any,
    channels: Any, height: Any, width: Any, top: Any, left: Any, mirror: Any,
    size: Any, columns: Any, target: Any,
) -> None:  # fmt: skip
    """`transform_rows` of float32 pixels."""
    transform_rows(source, mean, scale, channels, height, width, top, left, mirror, size, columns, target)


def transform_picture(
    pixels: np.ndarray, mean: np.ndarray, scale: float, corner: tuple[int, int], mirror: bool, target: np.ndarray
) -> None:
    """Write a crop of pixels, uint8 or float32 [channels, height, width], whose upper left pixel is `corner`, into
    target, float32 [channels, rows, columns]; mean float32 as in `transform_rows`, flat."""
    run = transform_bytes if pixels.dtype == np.uint8 else transform_floats
    _, rows, columns = target.shape
    run.run(pixels.reshape(-1), mean, scale, *pixels.shape, *corner, int(mirror), rows, columns, target.reshape(-1))
