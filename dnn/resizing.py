"""Linear interpolation as OpenCV's `resize(..., INTER_LINEAR)`: uint8 to the last bit, other types but for rounding.

uint8 is interpolated with factors of 11 bits, first along rows, then between them, each sum cut as there; float32 in
float32 without fused multiply-add, which OpenCV uses for some sizes. Pictures that become exactly half as large are
averaged instead, as in OpenCV.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..engine.compiler import signatures as types
from ..engine.compiler.jit import F1, F1_IN, F2_IN, I2_IN, U1, U1_IN, i64, kernel
from ..errors import UsageError

BITS = 11  # of the fraction of a factor
FIXED_POINT = np.float32(1 << BITS)
SHIFT = 4  # of a row's sum, so that its product with a factor has 32 bits


class Taps(NamedTuple):
    """For each new position the two old ones beside it, int64 [2, size], and their factors, float32 [2, size]."""

    positions: np.ndarray
    factors: np.ndarray

    @property
    def fixed(self) -> np.ndarray:
        """The factors in fixed point, int64."""
        return np.rint(self.factors * FIXED_POINT).astype(np.int64)


def resize_linear(image: np.ndarray, width: int, height: int, factor: float | None = None) -> np.ndarray:
    """`image` [H, W, C] stretched to [height, width, C], of the same type: uint8, uint16, int16, float32 or float64.

    `factor` is the enlargement of both sides where that was given, and the size follows from it.
    """
    old_height, old_width, channels = image.shape
    if (old_width, old_height) == (width, height):
        return image
    x_step, y_step = ((1.0 / factor,) * 2) if factor else (1.0 / (width / old_width), 1.0 / (height / old_height))
    if x_step == y_step == 2 and (old_width, old_height) == (2 * width, 2 * height):
        return _halved(image)
    columns, rows = _taps(old_width, width, x_step, stop=True), _taps(old_height, height, y_step, stop=False)
    if image.dtype in (np.uint8, np.float32):
        flat, found = np.ascontiguousarray(image).reshape(-1), np.empty(height * width * channels, image.dtype)
        sizes = old_width, channels
        if image.dtype == np.uint8:
            resize_bytes.run(flat, *sizes, columns.positions, columns.fixed, rows.positions, rows.fixed, found)
        else:
            resize_floats.run(flat, *sizes, *columns, *rows, found)
        return found.reshape(height, width, channels)
    if image.dtype not in (np.uint16, np.int16, np.float64):
        raise UsageError(f"a picture of {image.dtype} cannot be resized, expected uint8 or float32")
    return _interpolated(image, columns, rows)


def _taps(old: int, new: int, step: float, *, stop: bool) -> Taps:
    """Along one axis. With `stop`, positions beyond the ends are the ends; without it both taps are, and each has its
    part of the factor, which in fixed point makes a difference."""
    position = ((np.arange(new) + 0.5) * step - 0.5).astype(np.float32)
    floor = np.floor(position)
    fraction, first = position - floor, floor.astype(np.int64)
    if stop:
        fraction[(first < 0) | (first >= old - 1)] = 0
    return Taps(np.clip(np.stack([first, first + 1]), 0, old - 1), np.stack([1 - fraction, fraction]))


def _halved(image: np.ndarray) -> np.ndarray:
    """The mean of each square of four, rounded half up if whole."""
    height, width, channels = image.shape
    whole = image.dtype.kind in "ui"
    squares = image.reshape(height // 2, 2, width // 2, 2, channels).astype(np.int32 if whole else image.dtype)
    total: np.ndarray = squares[:, 0, :, 0] + squares[:, 0, :, 1] + squares[:, 1, :, 0] + squares[:, 1, :, 1]
    mean = (total + 2) >> 2 if whole else total * image.dtype.type(0.25)
    return np.asarray(mean, image.dtype)


def _interpolated(image: np.ndarray, columns: Taps, rows: Taps) -> np.ndarray:
    """For the rarer types: in float64 for these, in float32 for 16 bits."""
    values = image.astype(np.float64 if image.dtype == np.float64 else np.float32)
    (left, right), (a, b) = columns.positions, columns.factors[:, :, None]
    row: np.ndarray = values[:, left] * a + values[:, right] * b
    (upper, lower), (a, b) = rows.positions, rows.factors[:, :, None, None]
    found: np.ndarray = row[upper] * a + row[lower] * b
    if image.dtype == np.float64:
        return found
    limits = np.iinfo(image.dtype)
    return np.asarray(np.rint(found).clip(limits.min, limits.max), image.dtype)


@kernel(types.void(U1_IN, i64, i64, I2_IN, I2_IN, I2_IN, I2_IN, U1), fastmath=None)
def resize_bytes(
    image: np.ndarray,
    width: int,
    channels: int,
    columns: np.ndarray,
    x_factors: np.ndarray,
    rows: np.ndarray,
    y_factors: np.ndarray,
    out: np.ndarray,
) -> None:
    """image [H * width * channels] -> out [new height * new width * channels], all written.

    columns and rows [2, new size]: beside each new one; x_factors and y_factors [2, new size]: in fixed point.
    """
    pitch, at = width * channels, 0
    for y in range(rows.shape[1]):
        upper, lower = rows[0, y] * pitch, rows[1, y] * pitch
        for x in range(columns.shape[1]):
            left, right = columns[0, x] * channels, columns[1, x] * channels
            for c in range(channels):
                above = image[upper + left + c] * x_factors[0, x] + image[upper + right + c] * x_factors[1, x]
                below = image[lower + left + c] * x_factors[0, x] + image[lower + right + c] * x_factors[1, x]
                total = ((y_factors[0, y] * (above >> SHIFT)) >> 16) + ((y_factors[1, y] * (below >> SHIFT)) >> 16)
                out[at] = (total + 2) >> 2
                at += 1


@kernel(types.void(F1_IN, i64, i64, I2_IN, F2_IN, I2_IN, F2_IN, F1), fastmath=None)
def resize_floats(
    image: np.ndarray,
    width: int,
    channels: int,
    columns: np.ndarray,
    x_factors: np.ndarray,
    rows: np.ndarray,
    y_factors: np.ndarray,
    out: np.ndarray,
) -> None:
    """As `resize_bytes`, in float32: each product and each sum is rounded."""
    pitch, at = width * channels, 0
    for y in range(rows.shape[1]):
        upper, lower = rows[0, y] * pitch, rows[1, y] * pitch
        for x in range(columns.shape[1]):
            left, right = columns[0, x] * channels, columns[1, x] * channels
            for c in range(channels):
                above = image[upper + left + c] * x_factors[0, x] + image[upper + right + c] * x_factors[1, x]
                below = image[lower + left + c] * x_factors[0, x] + image[lower + right + c] * x_factors[1, x]
                out[at] = above * y_factors[0, y] + below * y_factors[1, y]
                at += 1
