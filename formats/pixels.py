"""The pixels of a picture's file as OpenCV's imread gives them, and its bilinear resize: what Caffe's tools and data
layers do with pictures."""

from __future__ import annotations

import os
from typing import IO

import numpy as np
from PIL import Image

from .image import opened

GRAY_WEIGHTS = np.array([9798, 19235, 3735], np.int32)  # of red, green and blue, as libpng weighs them, over 2 ** 15
SHARE_BITS = 11  # of the weights of a resize


def read_pixels(file: IO[bytes], path: str | os.PathLike[str], color: bool | None) -> np.ndarray:
    """uint8 [channels, height, width] in the order blue, green, red; one channel if not `color`, None: as the file has
    it. Transparency is left out. Raises InputError (of `path`) as for any picture."""
    pixels = opened(file, path, lambda image: _pixels(image, color))
    return np.ascontiguousarray(np.atleast_3d(pixels)[:, :, ::-1].transpose(2, 0, 1))


def _pixels(image: Image.Image, color: bool | None) -> np.ndarray:
    if image.mode.startswith(("I", "F")):  # of 16 bits, of which 8 remain
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    gray = image.mode in ("1", "L", "LA")
    if color is None:
        color = not gray
    if color or gray:
        return np.asarray(image.convert("RGB" if color else "L"))
    if image.format == "JPEG":
        image.draft("L", image.size)  # its own brightness
        if image.mode == "L":
            return np.asarray(image)
    weighed = np.matmul(np.asarray(image.convert("RGB"), np.int32), GRAY_WEIGHTS)
    found: np.ndarray = (weighed >> 15).astype(np.uint8)
    return found


def resize_pixels(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """uint8 [channels, height, width] of another size: between the two nearest pixels, without smoothing, in whole
    numbers."""
    if pixels.shape[1:] == (height, width):
        return pixels
    above, below, upper, lower = _between(pixels.shape[1], height)
    left, right, first, second = _between(pixels.shape[2], width)
    values = pixels.astype(np.int32)
    rows = (values[:, :, left] * first + values[:, :, right] * second) >> 4
    upper, lower = upper[:, np.newaxis], lower[:, np.newaxis]
    found: np.ndarray = ((rows[:, above] * upper >> 16) + (rows[:, below] * lower >> 16) + 2) >> 2
    return found.astype(np.uint8)


def _between(size: int, wanted: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The two pixels that each of the result lies between, and their weights."""
    at = ((np.arange(wanted) + 0.5) * (size / wanted) - 0.5).astype(np.float32)
    first = np.floor(at).astype(np.int64)
    share = at - first.astype(np.float32)
    share[(first < 0) | (first >= size - 1)] = 0
    first = np.clip(first, 0, size - 1)
    whole = np.float32(1 << SHARE_BITS)
    weights = (np.rint((1 - share) * whole).astype(np.int32), np.rint(share * whole).astype(np.int32))
    return first, np.minimum(first + 1, size - 1), *weights
