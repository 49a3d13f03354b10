"""Pictures that the demos read and write: figures without a display, images as arrays, quality in decibels."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DEMOS, _HERE = Path(__file__).resolve().parents[1], Path.cwd()
OUT = (_DEMOS.relative_to(_HERE) if _DEMOS.is_relative_to(_HERE) else _DEMOS) / "out"
DPI = 120
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
LARGEST = 64_000_000  # pixels: 192 MB once decoded


class PictureError(Exception):
    """A file is not a picture, is damaged, or would not fit into memory."""


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure that was made with `Figure(...)`, not pyplot, so that no display and no global state is needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI, bbox_inches="tight")
    print(f"wrote {path}")


def read_image(path: Path, size: tuple[int, int] | None = None, *, longest: int | None = None) -> np.ndarray:
    """An image file as uint8 [height, width, 3], upright.

    It is scaled to size (width, height) if given, and down to a longer side of `longest` pixels if it has more.
    Raises PictureError, for a picture that is too large before any of it is decoded.
    """
    try:
        rgb = _decode(path)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:  # damaged or too large
        raise PictureError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if size:
        rgb = rgb.resize(size, Image.Resampling.BICUBIC)
    if longest:
        rgb.thumbnail((longest, longest))
    return np.asarray(rgb)


def _decode(path: Path) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # Pillow warns from 89 million pixels on
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > LARGEST:
                raise PictureError(f"{path}: {image.width} x {image.height} pixels, expected at most {LARGEST}")
            return ImageOps.exif_transpose(image).convert("RGB")


def write_image(path: Path, pixels: np.ndarray) -> None:
    """Write uint8 [height, width, 3]."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    print(f"wrote {path}")


def psnr(image: np.ndarray, reference: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two uint8 images in dB, inf if they are equal."""
    error = np.mean((image.astype(np.float64) - reference.astype(np.float64)) ** 2)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)
