"""Pictures -> the blob [N, C, H, W] that a net reads, and back, with OpenCV's arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arguments import finite_number, sizes
from ..errors import UsageError
from ..formats.files import memory_bytes
from .resizing import resize_linear

CV_8U, CV_32F = 0, 5
CHANNELS = (1, 3, 4)
MOST_SCALARS = 4
MOST_VALUES = 2**31 - 1  # of a net's blob
SHARE = 16  # bytes of the memory per number: a blob of a fourth of it at most
SMALLEST_PICTURE_AXES, PICTURE_AXES = 2, 3

Scalar = float | Sequence[float] | np.ndarray | None


def blobFromImage(
    image: np.ndarray,
    scalefactor: float = 1.0,
    size: Sequence[int] | None = None,
    mean: Scalar = None,
    swapRB: bool = False,
    crop: bool = False,
    ddepth: int = CV_32F,
) -> np.ndarray:
    """A picture [H, W] or [H, W, 1, 3 or 4] as a blob [1, C, height, width]: (picture - mean) * scalefactor, float32.

    `size` is (width, height), None or (0, 0) for the picture's own. Without `crop` the picture is stretched; with it,
    enlarged or reduced as a whole until it covers the size, and cut to it in the centre. `swapRB` exchanges the first
    and the third channel; `mean`, one number per channel, is of the channels of the result. `ddepth` CV_8U (0) gives
    uint8, without mean and scalefactor; CV_32F is 5. Raises UsageError for a wrong argument.
    """
    return blobFromImages([image], scalefactor, size, mean, swapRB, crop, ddepth)


def blobFromImages(
    images: Sequence[np.ndarray] | np.ndarray,
    scalefactor: float = 1.0,
    size: Sequence[int] | None = None,
    mean: Scalar = None,
    swapRB: bool = False,
    crop: bool = False,
    ddepth: int = CV_32F,
) -> np.ndarray:
    """`blobFromImage` for a list of pictures, one row of the blob [N, C, height, width] each; without a `size` they
    take that of the first. Raises UsageError for a wrong argument."""
    pictures = [_picture(image) for image in images]
    if not pictures:
        raise UsageError("images is empty, expected at least one picture")
    if different := [each.shape[2] for each in pictures if each.shape[2] != pictures[0].shape[2]]:
        raise UsageError(f"a picture has {different[0]} channels, expected {pictures[0].shape[2]} as the first")
    depth = _depth(ddepth)
    means, factor = scalar("mean", mean), finite_number("scalefactor", scalefactor)
    if depth == np.uint8 and (factor != 1 or any(means)):
        raise UsageError("mean and scalefactor are for a blob of CV_32F, ddepth is CV_8U")
    width, height = _size(size, pictures[0])
    shape = len(pictures), pictures[0].shape[2], height, width
    _check_room(f"the blob of size {(width, height)}", shape)
    blob = np.empty(shape, depth)
    for row, picture in zip(blob, pictures, strict=True):
        _fill(row, _fitted(picture, width, height, crop=bool(crop)), factor, means, swap=bool(swapRB))
    return blob


def imagesFromBlob(blob_: np.ndarray, images_: object = None) -> tuple[np.ndarray, ...]:
    """The pictures of a blob [N, C, H, W] of float32: N of [H, W, C], or [H, W] for one channel. `images_` is
    ignored. Raises UsageError for anything else."""
    blob = np.asarray(blob_)
    if blob.ndim != 4 or blob.dtype != np.float32:
        raise UsageError(f"the blob is {blob.dtype} {list(blob.shape)}, expected float32 [N, C, H, W]")
    pictures = (np.ascontiguousarray(each.transpose(1, 2, 0)) for each in blob)
    return tuple(each[:, :, 0] if each.shape[2] == 1 else each for each in pictures)


def scalar(name: str, value: Scalar) -> tuple[float, float, float, float]:
    """OpenCV's Scalar: up to four numbers, the missing ones 0; one number alone is the first."""
    given: Any = () if value is None else value.tolist() if isinstance(value, np.ndarray) else value
    given = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    if len(given) > MOST_SCALARS:
        raise UsageError(f"{name} has {len(given)} numbers, expected at most {MOST_SCALARS}")
    first, second, third, fourth = (*(finite_number(name, each) for each in given), 0.0, 0.0, 0.0, 0.0)[:MOST_SCALARS]
    return first, second, third, fourth


def _picture(image: np.ndarray) -> np.ndarray:
    """[H, W, C], with a channel axis in any case."""
    if not isinstance(image, np.ndarray):
        hint = "did the picture's file open?" if image is None else "numpy.asarray makes one of it"
        raise UsageError(f"the picture is of the type {type(image).__name__}, expected a NumPy array ({hint})")
    picture = image[:, :, None] if image.ndim == SMALLEST_PICTURE_AXES else image
    if picture.ndim != PICTURE_AXES or picture.shape[2] not in CHANNELS or not picture.size:
        raise UsageError(f"the picture has the shape {list(image.shape)}, expected [H, W] or [H, W, 1, 3 or 4]")
    if picture.dtype.kind not in "uif":
        raise UsageError(f"the picture is of {image.dtype}, expected numbers")
    return picture


def _depth(ddepth: int) -> type[np.generic]:
    if ddepth not in (CV_8U, CV_32F):
        raise UsageError(f"ddepth is {ddepth!r}, expected {CV_32F} (CV_32F) or {CV_8U} (CV_8U)")
    return np.uint8 if ddepth == CV_8U else np.float32


def _size(size: Sequence[int] | None, first: np.ndarray) -> tuple[int, int]:
    """Width and height."""
    width, height = (0, 0) if size is None else sizes("size", size, 0, number=2)
    if (width, height) == (0, 0):
        return first.shape[1], first.shape[0]
    if not (width and height):
        raise UsageError(f"size is {(width, height)}, expected a width and a height from 1")
    return width, height


def _check_room(what: str, shape: tuple[int, ...]) -> None:
    """Raises UsageError for an array that is more than this machine, or a blob of Caffe's, can hold."""
    most = min(MOST_VALUES, memory_bytes() // SHARE)
    if math.prod(shape) > most:
        raise UsageError(f"{what} would be {list(shape)}, {math.prod(shape):,} numbers, expected at most {most:,}")


def _fitted(picture: np.ndarray, width: int, height: int, *, crop: bool) -> np.ndarray:
    old_height, old_width = picture.shape[:2]
    if (old_width, old_height) == (width, height):
        return picture
    if not crop:
        return resize_linear(picture, width, height)
    ratios = (np.float32(new) / np.float32(old) for new, old in ((width, old_width), (height, old_height)))
    factor = float(max(ratios))
    covering = round(old_width * factor), round(old_height * factor)
    what = f"the picture {[old_height, old_width]}, enlarged to cover the size {(width, height)},"
    _check_room(what, (*covering[::-1], picture.shape[2]))
    scaled = resize_linear(picture, *covering, factor)
    top, left = (scaled.shape[0] - height) // 2, (scaled.shape[1] - width) // 2
    return scaled[top : top + height, left : left + width]


def _fill(
    planes: np.ndarray, picture: np.ndarray, factor: float, means: tuple[float, float, float, float], *, swap: bool
) -> None:
    """Write the channels of a picture into `planes` [C, H, W]. Like OpenCV, subtracts and multiplies in float32."""
    if planes.dtype == np.uint8 and picture.dtype != np.uint8:
        raise UsageError(f"the picture is of {picture.dtype}, expected uint8 where ddepth is CV_8U")
    channels = len(planes)
    order = (2, 1, 0, 3)[:channels] if swap and channels > 1 else range(channels)
    for plane, channel, mean in zip(planes, order, means, strict=False):
        np.copyto(plane, picture[:, :, channel], casting="same_kind" if picture.dtype.kind == "f" else "unsafe")
        if planes.dtype == np.float32 and mean:
            plane -= np.float32(mean)
        if factor != 1:
            plane *= np.float32(factor)
