"""Patches of pictures as rows for a net: the 17 x 17 pixels around each pixel, zeros outside the picture."""

from __future__ import annotations

import numpy as np

from caffe64.engine.compiler.jit import F2, I1_IN, U1_IN, i64, kernel, void

HALF = 8
SIDE = 2 * HALF + 1
FEATURES = 3 * SIDE * SIDE


@kernel(void(U1_IN, i64, I1_IN, F2))
def gather_rows(padded, width, corners, out):
    """For each corner, the number of a pixel of the padded picture, (v - 128) / 128 of the patch that begins there.

    padded uint8 [height * width * 3], corners int64 [N] -> out float32 [N, 867]: row by row, pixel by pixel, colours.
    """
    for n in range(corners.size):
        for y in range(SIDE):
            start = (corners[n] + y * width) * 3
            for i in range(3 * SIDE):
                out[n, y * 3 * SIDE + i] = np.float32(padded[start + i]) * np.float32(1 / 128) - np.float32(1)


def gather_patches(pixels: np.ndarray, numbers: np.ndarray | None = None, out: np.ndarray | None = None) -> np.ndarray:
    """The patches around some pixels of uint8 [h, w, 3], by their `numbers` [N] row by row; without them, around all.

    Returns float32 [N, 867], which is `out` if that is given. Raises IndexError for a number outside the picture.
    """
    height, width = pixels.shape[:2]
    numbers = np.arange(height * width) if numbers is None else np.asarray(numbers, np.int64)
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < height * width:
        raise IndexError(f"a number outside of {height * width} pixels")
    padded = np.pad(pixels, ((HALF, HALF), (HALF, HALF), (0, 0)))
    corners = numbers // width * padded.shape[1] + numbers % width
    out = np.empty((numbers.size, FEATURES), np.float32) if out is None else out
    gather_rows.run(padded.reshape(-1), padded.shape[1], corners, out)
    return out
