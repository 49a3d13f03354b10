"""The pixels of a picture's file as OpenCV's imread gives them, and its bilinear resize: what Caffe's tools and data
layers do with pictures."""

from __future__ import annotations

import os
from typing import IO

import numpy as np
from PIL import Image

from ..errors import InputError
from .image import opened

GRAY_WEIGHTS = np.array([9797, 19234, 3737], np.int32)  # of red, green and blue, as libpng weighs them, over 2 ** 15
MOST_PIXELS = 1 << 26  # of a picture
SHARE_BITS = 11  # of the weights of a resize


def read_pixels(file: IO[bytes], path: str | os.PathLike[str], color: bool | None) -> np.ndarray:
    """uint8 [channels, height, width] in the order blue, green, red; one channel if not `color`, None: as the file has
    it. Transparency is left out. Raises InputError (of `path`) as for any picture."""
    pixels = opened(file, path, lambda image: _pixels(path, image, color))
    return np.ascontiguousarray(np.atleast_3d(pixels)[:, :, ::-1].transpose(2, 0, 1))


def _pixels(path: str | os.PathLike[str], image: Image.Image, color: bool | None) -> np.ndarray:
    if image.mode.startswith("I;16") or image.mode == "I":  # of 16 bits, of which 8 remain
        deep = np.asarray(image)
        if deep.min() < 0 or deep.max() >= 1 << 16:
            raise InputError(path, "has more than 16 bits per channel", "8 or 16")
        image = Image.fromarray((deep >> 8).astype(np.uint8))
    if image.mode == "F":
        raise InputError(path, "has more than 16 bits per channel", "8 or 16")
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
    above, below, upper, lower = _between(pixels.shape[1], height, ends=False)
    left, right, first, second = _between(pixels.shape[2], width, ends=True)
    values = pixels.astype(np.int32)
    rows = (values[:, :, left] * first + values[:, :, right] * second) >> 4
    upper, lower = upper[:, np.newaxis], lower[:, np.newaxis]
    found: np.ndarray = ((rows[:, above] * upper >> 16) + (rows[:, below] * lower >> 16) + 2) >> 2
    return found.astype(np.uint8)


def _between(size: int, wanted: int, *, ends: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The two pixels that each of the result lies between, and their weights. Beyond the first and the last pixel these
    are taken twice; with `ends` one of them has no weight. In whole numbers that is not the same."""
    at = ((np.arange(wanted) + 0.5) * (size / wanted) - 0.5).astype(np.float32)
    first = np.floor(at).astype(np.int64)
    share = at - first.astype(np.float32)
    if ends:
        share[(first < 0) | (first >= size - 1)] = 0
    whole = np.float32(1 << SHARE_BITS)
    weights = (np.rint((1 - share) * whole).astype(np.int32), np.rint(share * whole).astype(np.int32))
    return np.clip(first, 0, size - 1), np.clip(first + 1, 0, size - 1), *weights
