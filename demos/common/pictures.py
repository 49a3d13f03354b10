"""Pictures that the demos write: figures without a display, images as arrays, quality in decibels."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OUT = Path(__file__).resolve().parents[1] / "out"
DPI = 120


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure that was made with `Figure(...)`, not pyplot, so that no display and no global state is needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI, bbox_inches="tight")
    print(f"wrote {path}")


def read_image(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """An image file as uint8 [height, width, 3], scaled to size (width, height) if given."""
    with Image.open(path) as image:
        rgb = image.convert("RGB")
        return np.asarray(rgb.resize(size, Image.Resampling.BICUBIC) if size else rgb)


def write_image(path: Path, pixels: np.ndarray) -> None:
    """Write uint8 [height, width, 3]."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    print(f"wrote {path}")


def psnr(image: np.ndarray, reference: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two uint8 images in dB, inf if they are equal."""
    error = np.mean((image.astype(np.float64) - reference.astype(np.float64)) ** 2)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)
