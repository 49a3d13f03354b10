"""Pictures as a Caffe net takes them: [channels, height, width] float32, 0 to 255, from files that Pillow reads.

decoded, turned by the camera's orientation tag -> resized -> centre cropped -> order of channels -> (x - mean) * scale
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import Caffe64Error, InputError
from .files import open_input
from .text import quote

IMAGE_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
DEEP = ("I", "F")  # Pillow's modes of more than 8 bits per channel
LUMINANCE = np.array([0.2125, 0.7154, 0.0721])  # of red, green and blue, ITU-R BT.709, as scikit-image weighs them
T = TypeVar("T")


@dataclass(frozen=True)
class Recipe:
    """The preparation of a picture. `mean` and `scale`: one number, or one per channel in the net's order of channels,
    "bgr" or "rgb"; `resize` and `crop` are (width, height). Without these a picture is stretched to the size of the
    net's input."""

    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = (1.0,)
    channels: str = "bgr"
    resize: tuple[int, int] | None = None
    crop: tuple[int, int] | None = None

    def size(self, otherwise: tuple[int, int]) -> tuple[int, int]:
        """Width and height of the result; `otherwise` are those of the net's input."""
        return self.crop or self.resize or otherwise


def read_image(path: str | os.PathLike[str], channels: int, size: tuple[int, int], recipe: Recipe) -> np.ndarray:
    """`decode_image` of a file."""
    with open_input(path) as file:
        return decode_image(file, path, channels, size, recipe)


def decode_image(
    file: IO[bytes], path: str | os.PathLike[str], channels: int, size: tuple[int, int], recipe: Recipe
) -> np.ndarray:
    """The prepared picture, float32 [channels, height, width] for 1 or 3 channels; `size` is the net's (width, height).

    Raises InputError (of `path`) as `opened` does, for a picture of more than 8 bits per channel, and for one that is
    smaller than the crop.
    """
    picture = opened(file, path, lambda image: _decode(path, image, channels))
    return prepare_pixels(_cut(path, picture, size, recipe), recipe)


def read_intensities(path: str | os.PathLike[str], color: bool) -> np.ndarray:
    """A picture as it is stored, float32 [height, width, RGB], or [height, width, 1] if not `color`; 0 is black, 1 is
    white. Transparency is left out. Raises InputError as `opened` does."""
    with open_input(path) as file:
        return opened(file, path, lambda image: _intensities(image, color))


def _intensities(image: Image.Image, color: bool) -> np.ndarray:
    if image.mode.startswith(DEEP):
        deep = np.asarray(image)
        values = np.asarray(deep / 65535.0 if deep.dtype.kind in "iu" else deep, np.float32)
        return np.repeat(values[:, :, np.newaxis], 3 if color else 1, axis=2)
    grey = image.mode in ("1", "L", "LA")
    shades = np.asarray(image.convert("L" if grey else "RGB")) / 255.0
    if not color and not grey:
        shades = shades @ LUMINANCE
    values = np.atleast_3d(shades).astype(np.float32)
    return np.repeat(values, 3, axis=2) if color and grey else values


def opened(file: IO[bytes], path: str | os.PathLike[str], read: Callable[[Image.Image], T]) -> T:
    """The result of `read` for a picture. Raises InputError (of `path`) for a file that is not a picture, is damaged,
    or announces more pixels than Pillow thinks safe."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")  # about metadata
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(file, formats=IMAGE_FORMATS) as image:
                return read(image)
        except UnidentifiedImageError:
            raise InputError(path, "is not a picture that can be read", ", ".join(IMAGE_FORMATS)) from None
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise InputError(path, f"is too large: {error}") from None
        except Caffe64Error:
            raise
        except Exception as error:  # damage can raise anything that a decoder can
            raise InputError(path, f"is a damaged picture: {quote(str(error), 100)}") from None


def prepare_pixels(pixels: np.ndarray, recipe: Recipe) -> np.ndarray:
    """uint8 [height, width] or [height, width, RGB] -> float32 [channels, height, width], (x - mean) * scale."""
    values = np.atleast_3d(pixels).astype(np.float32)
    if recipe.channels == "bgr":
        values = values[:, :, ::-1]
    mean, scale = np.asarray(recipe.mean or (0.0,), np.float32), np.asarray(recipe.scale, np.float32)
    return np.ascontiguousarray(((values - mean) * scale).transpose(2, 0, 1))


def _decode(path: str | os.PathLike[str], image: Image.Image, channels: int) -> Image.Image:
    if image.mode.startswith(DEEP):
        raise InputError(path, f"has more than 8 bits per channel (mode {image.mode})", "8 bits")
    return ImageOps.exif_transpose(image).convert("L" if channels == 1 else "RGB")


def _cut(path: str | os.PathLike[str], picture: Image.Image, size: tuple[int, int], recipe: Recipe) -> np.ndarray:
    if recipe.resize or not recipe.crop:
        picture = picture.resize(recipe.resize or size, Image.Resampling.BILINEAR)
    if recipe.crop:
        width, height = recipe.crop
        if width > picture.width or height > picture.height:
            found = f"is {picture.width}x{picture.height} pixels large"
            raise InputError(path, found, f"at least the crop, {width}x{height}", "--resize comes before")
        left, top = (picture.width - width) // 2, (picture.height - height) // 2
        picture = picture.crop((left, top, left + width, top + height))
    return np.asarray(picture)
